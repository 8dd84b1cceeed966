"""The layers of a network: names, shapes, stages, and which one to explain when nobody says."""

from __future__ import annotations

import difflib
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from interp.capture import CaptureError, record
from interp.capture.structure import split_call, tensors_in

# What hands features on and makes none of its own.
_PASSING = (
    nn.Identity,
    nn.Flatten,
    nn.modules.dropout._DropoutNd,
    nn.modules.padding._CircularPadNd,
    nn.modules.padding._ConstantPadNd,
    nn.modules.padding._ReflectionPadNd,
    nn.modules.padding._ReplicationPadNd,
)
_POOLING = (
    nn.modules.pooling._AdaptiveAvgPoolNd,
    nn.modules.pooling._AdaptiveMaxPoolNd,
    nn.modules.pooling._AvgPoolNd,
    nn.modules.pooling._MaxPoolNd,
)


class LayerError(ValueError):
    """A layer name fits nothing, or the network has no layer of the kind asked for."""


@dataclass(frozen=True)
class Layer:
    """One row of the layer table.

    Attributes:
        index: place in `named_modules()`, the root left out.
        name: as in `named_modules()`.
        type: class name of the module.
        shape: of its last output for one picture, without the batch; `None` when it did not run.
        parameters: number of weights, sub-modules included.
        trainable: how many of them ask for gradients in the user's own module.
        depth: nesting depth, 1 for the root's children.
        calls: how often it ran in one forward pass.
        stage: number of the run of equal resolution that it belongs to, `None` without a spatial output.
    """

    index: int
    name: str
    type: str
    shape: tuple[int, ...] | None
    parameters: int
    trainable: int
    depth: int
    calls: int
    stage: int | None

    @property
    def spatial(self) -> bool:
        """Whether the output is channels × height × width with more than one position."""
        return _is_spatial(self.shape)


@dataclass(frozen=True)
class LayerTable(Sequence[Layer]):
    """The layers of one network at one input size, found by running it once.

    Example:
        >>> table = interp.load("efficientnet_lite0").layers
        >>> table.default, table["bn2"].shape
        ('bn2', (1280, 7, 7))
    """

    rows: tuple[Layer, ...]
    stages: tuple[str, ...]
    default: str | None
    _by_name: Mapping[str, Layer] = field(repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Any) -> Any:
        """Return a row by index or by anything that `resolve` understands."""
        if isinstance(key, (int, slice)):
            return self.rows[key]
        return self._by_name[split_call(self.resolve(key))[0]]

    def resolve(self, typed: str | int) -> str:
        """Return the full name of the layer that a person means.

        Accepts the name, its index in the table (`12`, `-1`), a suffix that only one name has
        (`layer4.2.relu` for `backbone.layer4.2.relu`), each with `@call` for one call of a reused module.

        Raises:
            LayerError: nothing or several layers fit; the message lists the nearest names.
        """
        name, call = split_call(str(typed))
        mark = str(typed)[len(name) :]
        if name in self._by_name and not isinstance(typed, int):
            return self._checked(name, call) + mark
        if re.fullmatch(r"-?\d+", name):
            if not -len(self.rows) <= int(name) < len(self.rows):
                raise LayerError(f"layer index {name} is outside 0 … {len(self.rows) - 1}.")
            return self._checked(self.rows[int(name)].name, call) + mark
        suffixed = [known for known in self._by_name if known.endswith("." + name)]
        if len(suffixed) == 1:
            return self._checked(suffixed[0], call) + mark
        near = suffixed or difflib.get_close_matches(name, self._by_name, n=4, cutoff=0.4)
        hint = f"did you mean {', '.join(map(repr, near[:4]))}?" if near else "see `interp layers`."
        problem = f"{len(suffixed)} layers end in" if suffixed else "there is no layer"
        raise LayerError(f"{problem} {name!r}; {hint}")

    def _checked(self, name: str, call: int) -> str:
        calls = self._by_name[name].calls
        if calls == 0:
            raise LayerError(f"layer {name!r} does not run in a forward pass; choose another.")
        if not -calls <= call < calls:
            raise LayerError(f"layer {name!r} runs {calls} times: its calls are @0 … @{calls - 1}.")
        return name


@dataclass(frozen=True, eq=False)
class _Run:
    """One finished call of a module."""

    name: str
    number: int
    module: nn.Module
    output: torch.Tensor
    nested: bool
    leaf: bool

    @property
    def depth(self) -> int:
        return self.name.count(".") + 1

    @property
    def resolution(self) -> tuple[int, ...]:
        return tuple(self.output.shape[2:])

    @property
    def positions(self) -> int:
        return math.prod(self.resolution)


def layer_table(
    module: nn.Module, inputs: torch.Tensor, trainable: Mapping[str, bool] | None = None
) -> LayerTable:
    """Run `module` once on `inputs` and describe its layers.

    Args:
        module: a `twin`, in eval mode.
        inputs: `(1, C, H, W)`; zeros will do, only shapes are read.
        trainable: parameter name → whether the user trains it; default: the module's own flags.

    Example:
        >>> table = layer_table(twin(model), torch.zeros(1, 3, 224, 224))
        >>> [row.name for row in table if row.stage == 4]
    """
    runs, output = _watch(module, inputs)
    ends = _stage_ends(runs, inputs, output)
    flags = trainable or {name: p.requires_grad for name, p in module.named_parameters()}
    asked = {id(p): bool(flags.get(name)) for name, p in module.named_parameters()}  # tied ones too
    rows: list[Layer] = []
    calls: dict[str, list[int]] = {}
    for i, run in enumerate(runs):
        calls.setdefault(run.name, []).append(i)
    for index, (name, part) in enumerate(item for item in module.named_modules() if item[0]):
        own = calls.get(name, [])
        weights = list(part.parameters())
        rows.append(
            Layer(
                index=index,
                name=name,
                type=type(part).__name__,
                shape=tuple(runs[own[-1]].output.shape[1:]) if own else None,
                parameters=sum(p.numel() for p in weights),
                trainable=sum(p.numel() for p in weights if asked[id(p)]),
                depth=name.count(".") + 1,
                calls=len(own),
                stage=_stage_of(own[-1], runs, ends) if own else None,
            )
        )
    default = _default(module, inputs, runs, ends, output)
    stages = [[_typed(runs, i) for i in group] for group in ends]
    return LayerTable(
        rows=tuple(rows),
        stages=tuple(default if default in group else group[-1] for group in stages),
        default=default,
        _by_name={row.name: row for row in rows},
    )


def main_output(output: Any) -> torch.Tensor:
    """Return the tensor that a network's output is about: itself, or the first in a tuple or dict.

    Raises:
        LayerError: there is no floating-point tensor in it.
    """
    for tensor in tensors_in(output):
        if tensor.is_floating_point():
            return tensor
    raise LayerError(f"the model returns a {type(output).__name__} without a floating-point tensor.")


def _watch(module: nn.Module, inputs: torch.Tensor) -> tuple[list[_Run], torch.Tensor]:
    """Return every call in order of finishing; outputs stay alive, so identity means sameness."""
    runs: list[_Run] = []
    inside: list[int] = []
    counts: Counter[str] = Counter()
    handles = []

    def before(_module: nn.Module, _args: Any) -> None:
        inside.append(len(runs))

    def after(name: str, part: nn.Module, args: Any, output: Any) -> Any:
        leaf = len(runs) == inside.pop()
        if leaf and args and output is args[0] and not isinstance(part, _PASSING):
            output = output.view_as(output)  # computed in place: other values, so another identity
        tensors = [t for t in tensors_in(output) if t.is_floating_point()]
        if tensors and name:
            widest = max(tensors, key=lambda tensor: tensor.dim())
            runs.append(_Run(name, counts[name], part, widest, widest is not output, leaf))
            counts[name] += 1
        return output

    try:
        for name, part in module.named_modules():
            handles.append(part.register_forward_pre_hook(before))
            handles.append(
                part.register_forward_hook(lambda part, args, out, name=name: after(name, part, args, out))
            )
        with torch.inference_mode(False), torch.no_grad():
            output = main_output(module(inputs))
    finally:
        for handle in handles:
            handle.remove()
    return runs, output


def _is_spatial(shape: Sequence[int] | None) -> bool:
    return shape is not None and len(shape) == 3 and shape[1] * shape[2] > 1


def _stage_ends(runs: list[_Run], inputs: torch.Tensor, output: torch.Tensor) -> list[list[int]]:
    """Return, for each stage in order, the calls that give its features, the last one its end.

    A stage is a resolution on the way down to the coarsest one, or on the way up from it. Deeply nested
    calls do not count: they are the inside of a block, not its result.
    """
    features = _feature_calls(runs, inputs, output)
    if not features:
        return []
    coarsest = min(runs[i].positions for i in features)
    bottom = _least_nested([i for i in features if runs[i].positions == coarsest], runs)[-1]
    down = _by_resolution([i for i in features if i <= bottom], runs)
    up = _by_resolution([i for i in features if i > bottom and runs[i].positions > coarsest], runs)
    depth = max(runs[_least_nested(group, runs)[-1]].depth for group in down)
    ends = [[i for i in group if runs[i].depth <= depth] for group in down]
    ends += [_least_nested(group, runs) for group in up]
    return sorted(ends, key=lambda group: group[-1])


def _by_resolution(calls: list[int], runs: list[_Run]) -> list[list[int]]:
    groups: dict[tuple[int, ...], list[int]] = {}
    for i in calls:
        groups.setdefault(runs[i].resolution, []).append(i)
    return list(groups.values())


def _least_nested(calls: list[int], runs: list[_Run]) -> list[int]:
    depth = min(runs[i].depth for i in calls)
    return [i for i in calls if runs[i].depth == depth]


def _feature_calls(runs: list[_Run], inputs: torch.Tensor, output: torch.Tensor) -> list[int]:
    """Return the calls that put out a feature map: channels first, not pooled, not the logits."""
    maker: dict[int, _Run] = {}
    for run in runs:
        maker.setdefault(id(run.output), run)
    weighted = [i for i, run in enumerate(runs) if run.leaf and _has_weights(run.module)]
    last = weighted[-1] if weighted else len(runs)
    head = last if weighted and runs[last].output.shape[1] == output.shape[1] else len(runs)
    return [
        i
        for i, run in enumerate(runs[:head])
        if not run.nested
        and _is_picture_shaped(run, inputs)
        and not isinstance(run.module, _PASSING)
        and not isinstance(maker[id(run.output)].module, _POOLING)
        and (output.dim() != 4 or run.output.shape[1] != output.shape[1])
    ]


def _weighted(runs: Sequence[_Run]) -> int:
    return sum(run.leaf and _has_weights(run.module) for run in runs)


def _has_weights(module: nn.Module) -> bool:
    return next(module.parameters(), None) is not None


def _is_picture_shaped(run: _Run, inputs: torch.Tensor) -> bool:
    if run.output.dim() != 4 or not _is_spatial(run.output.shape[1:]):
        return False
    height, width = run.resolution
    expected = height * inputs.shape[-1] / inputs.shape[-2]
    return abs(width - expected) <= max(2.0, 0.05 * width)  # else channels come last


def _stage_of(index: int, runs: list[_Run], ends: list[list[int]]) -> int | None:
    """Return the stage of equal resolution that is nearest in time."""
    run = runs[index]
    if run.output.dim() != 4:
        return None
    equal = [s for s, group in enumerate(ends) if runs[group[-1]].resolution == run.resolution]
    return min(equal, key=lambda stage: abs(ends[stage][-1] - index), default=None)


def _typed(runs: list[_Run], index: int) -> str:
    run = runs[index]
    last = max(other.number for other in runs if other.name == run.name)
    return run.name if run.number == last else f"{run.name}@{run.number}"


def _default(
    module: nn.Module,
    inputs: torch.Tensor,
    runs: list[_Run],
    ends: list[list[int]],
    output: torch.Tensor,
) -> str | None:
    """Return the deepest features: the last of the coarsest resolution that the output depends on.

    For a classifier that is the last stage before pooling, for a U-Net the bottleneck.
    """
    coarsest = min(ends, key=lambda group: runs[group[-1]].positions, default=[])
    for index in reversed(coarsest):
        if output.dim() != 4 and 2 * _weighted(runs[: index + 1]) < _weighted(runs):
            return None  # a transformer's patch embedding: most of the network comes after it
        name = _typed(runs, index)
        try:
            with record(module, [name], gradients=True) as recording:
                recording.gradients(main_output(module(inputs)).sum())
        except CaptureError:
            continue
        return name
    return None
