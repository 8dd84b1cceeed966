"""The stages of a network: runs of calls on one grid of positions."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from interp.capture.structure import tensors_in
from interp.flow import followed
from interp.tokens import Grid, Kind, Layout, fits, layout_of

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


# Inside attention, what looks like a grid may be positions × positions, or a table of relative places.
ATTENTION = re.compile(r"(^|\.)(attn|self_attn|\w*attention)\.")


class LayerError(ValueError):
    """A layer name fits nothing, or the network has no layer of the kind asked for."""


@dataclass(frozen=True, eq=False)
class Run:
    """One finished call of a module."""

    name: str
    number: int
    module: nn.Module
    output: torch.Tensor
    nested: bool
    leaf: bool
    passing: bool
    layout: Layout | None = None
    used: bool = False
    """Whether it is known to be a feature: layers after it make others of it, so it is no score."""
    pixel: bool = False
    """Whether its one position is what is left of the grid, and no mean or maximum over all of it."""

    @property
    def depth(self) -> int:
        """Return the nesting depth, 1 for the root's children."""
        return self.name.count(".") + 1

    @property
    def resolution(self) -> Grid:
        """Return the grid of positions, empty without one."""
        return () if self.layout is None else self.layout.grid

    @property
    def channels(self) -> int:
        """Return how many numbers each position has."""
        return self.output.shape[1] if self.layout is None else self.layout.channels

    @property
    def positions(self) -> int:
        """Return how many there are."""
        return math.prod(self.resolution)


def main_output(output: Any) -> torch.Tensor:
    """Return the tensor that a network's output is about: itself, or the first in a tuple or dict.

    Raises:
        LayerError: there is no floating-point tensor in it.
    """
    for tensor in tensors_in(output):
        if tensor.is_floating_point():
            return tensor
    raise LayerError(
        f"the model returns a {type(output).__name__} without a floating-point tensor. Say which part of it "
        "is meant: load(..., output=...), a key, an index or a callable."
    )


def watch(module: nn.Module, inputs: torch.Tensor) -> tuple[list[Run], torch.Tensor]:
    """Return every call in order of finishing; outputs stay alive, so identity means sameness."""
    runs: list[Run] = []
    inside: list[int] = []
    counts: Counter[str] = Counter()
    handles = []

    def before(_module: nn.Module, _args: Any) -> None:
        inside.append(len(runs))

    def after(name: str, part: nn.Module, args: Any, output: Any) -> Any:
        leaf = len(runs) == inside.pop()
        passing = isinstance(part, _PASSING) or (leaf and _is_view(args, output))
        if leaf and args and output is args[0] and not passing:
            output = output.view_as(output)  # computed in place: other values, so another identity
        tensors = [t for t in tensors_in(output) if t.is_floating_point()]
        if tensors and name:
            widest = max(tensors, key=lambda tensor: tensor.dim())
            runs.append(Run(name, counts[name], part, widest, widest is not output, leaf, passing))
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
    found = laid_out(runs, inputs)
    return (_followed(module, inputs, found, output) if _is_unclear(found, inputs, output) else found), output


def _is_unclear(runs: Sequence[Run], inputs: torch.Tensor, output: torch.Tensor) -> bool:
    """Whether a layer of a network that puts out a grid may be one of its scores, or else a feature.

    Or whether one of a single position may be what is left of the grid, or else pooled.
    """
    if output.dim() != inputs.dim() or math.prod(output.shape[2:]) == 1:
        return False
    many = output.shape[1] > inputs.shape[1]
    return any(
        run.layout is not None and (run.positions == 1 or (many and run.channels == output.shape[1]))
        for run in runs
    )


def _followed(
    module: nn.Module, inputs: torch.Tensor, runs: Sequence[Run], output: torch.Tensor
) -> list[Run]:
    """Return the calls with what one more pass tells of their use."""
    calls = followed(module, inputs)
    if len(calls) != len(runs):
        return list(runs)  # a network that does not do the same twice
    many = output.shape[1] > inputs.shape[1]
    users = [
        (call.tensor.shape[1] if call.tensor.dim() > 1 else 0, call)
        for call, run in zip(calls, runs, strict=True)
        if run.leaf and _has_weights(run.module)
    ]
    maker: dict[int, Run] = {}
    for run in runs:
        maker.setdefault(id(run.output), run)

    def is_used(index: int, run: Run) -> bool:
        linear = isinstance(maker[id(run.output)].module, (nn.modules.conv._ConvNd, nn.Linear))
        return many and any(
            call.sources >> index & 1
            and (not linear or channels != output.shape[1] or bool(call.bent >> index & 1))
            for channels, call in users
        )

    return [
        replace(run, used=is_used(i, run), pixel=run.positions == 1 and not call.pooled)
        for i, (run, call) in enumerate(zip(runs, calls, strict=True))
    ]


def _is_view(args: Any, output: Any) -> bool:
    """Whether a layer only turns or reshapes what it gets."""
    given = args[0] if args else None
    return (
        isinstance(given, torch.Tensor)
        and isinstance(output, torch.Tensor)
        and output is not given
        and output.data_ptr() == given.data_ptr()
        and output.numel() == given.numel()
    )


def laid_out(runs: Sequence[Run], inputs: torch.Tensor) -> list[Run]:
    """Return the calls with where their positions are, which grids seen earlier help to tell."""
    known: list[Grid] = []
    kind: Kind = "first"
    found: list[Run] = []
    for run in runs:
        layout = layout_of(run.output, inputs, known, run.module if run.leaf else None, kind)
        if layout is not None and fits(layout.grid, layout.size):
            if layout.kind != "tokens":
                kind = layout.kind
            if layout.grid in known:
                known.remove(layout.grid)
            known.insert(0, layout.grid)
        found.append(replace(run, layout=layout))
    return found


def stage_ends(runs: list[Run], inputs: torch.Tensor, output: torch.Tensor) -> list[list[int]]:
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


def _by_resolution(calls: list[int], runs: list[Run]) -> list[list[int]]:
    groups: dict[Grid, list[int]] = {}
    for i in calls:
        groups.setdefault(runs[i].resolution, []).append(i)
    return list(groups.values())


def _least_nested(calls: list[int], runs: list[Run]) -> list[int]:
    depth = min(runs[i].depth for i in calls)
    return [i for i in calls if runs[i].depth == depth]


def _feature_calls(runs: list[Run], inputs: torch.Tensor, output: torch.Tensor) -> list[int]:
    """Return the calls that put out a feature map: with positions, not pooled, not the logits."""
    maker: dict[int, Run] = {}
    for run in runs:
        maker.setdefault(id(run.output), run)
    weighted = [i for i, run in enumerate(runs) if run.leaf and _has_weights(run.module)]
    last = weighted[-1] if weighted else len(runs)
    head = last if weighted and runs[last].output.shape[1] == output.shape[1] else len(runs)
    return [
        i
        for i, run in enumerate(runs[:head])
        if not run.nested
        and _is_picture_shaped(run)
        and not run.passing
        and not ATTENTION.search(run.name)
        and not isinstance(maker[id(run.output)].module, _POOLING)
        and (output.dim() != inputs.dim() or run.channels != output.shape[1] or run.used)
    ]


def weighted(runs: Sequence[Run]) -> int:
    """Return how many calls are of single layers with weights."""
    return sum(run.leaf and _has_weights(run.module) for run in runs)


def _has_weights(module: nn.Module) -> bool:
    return next(module.parameters(), None) is not None


def _is_picture_shaped(run: Run) -> bool:
    return (
        run.layout is not None and (run.positions > 1 or run.pixel) and fits(run.layout.grid, run.layout.size)
    )


def stage_of(index: int, runs: list[Run], ends: list[list[int]]) -> int | None:
    """Return the stage of equal resolution that is nearest in time."""
    run = runs[index]
    if run.layout is None:
        return None
    equal = [s for s, group in enumerate(ends) if runs[group[-1]].resolution == run.resolution]
    return min(equal, key=lambda stage: abs(ends[stage][-1] - index), default=None)


def typed(runs: list[Run], index: int) -> str:
    """Return how people type a call: the bare name for the last one."""
    run = runs[index]
    last = max(other.number for other in runs if other.name == run.name)
    return run.name if run.number == last else f"{run.name}@{run.number}"
