"""The layers of a network: names, shapes, stages, and which one to explain when nobody says."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from interp.capture.structure import split_call
from interp.deepest import deepest
from interp.stages import LayerError, main_output, stage_ends, stage_of, typed, watch
from interp.tokens import Layout, LayoutError

__all__ = ["Layer", "LayerError", "LayerTable", "layer_table", "main_output"]


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
        layout: where the positions of its output are, `None` without any.
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
    layout: Layout | None = None

    @property
    def grid(self) -> tuple[int, ...] | None:
        """The grid of its output's positions: height × width, whatever their order with the channels."""
        return None if self.layout is None else self.layout.grid

    @property
    def spatial(self) -> bool:
        """Whether the output has more than one position."""
        return self.layout is not None and math.prod(self.layout.grid) > 1


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

    def features(self, layer: str, output: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
        """Return `(B, C, *grid)` of what a layer gave for inputs of `size`, however it puts them.

        Raises:
            LayerError: it has no positions, with layers that do.
        """
        layout = self.with_positions(layer).layout
        assert layout is not None
        try:
            return layout.features(output, size)
        except LayoutError as error:
            raise LayerError(f"layer {layer!r} cannot be laid out: {error}.") from error

    def with_positions(self, layer: str) -> Layer:
        """Return the row of a layer that has positions.

        Raises:
            LayerError: it has none, with the nearest that have some.
        """
        row: Layer = self[layer]
        if row.layout is not None:
            return row
        spatial = sorted(
            (r for r in self.rows if r.spatial), key=lambda r: (abs(r.index - row.index), r.depth)
        )
        near = dict.fromkeys([*(name for name in [self.default] if name), *(r.name for r in spatial[:2])])
        hint = f"Such layers are {', '.join(map(repr, near))}." if near else "No layer of this network does."
        shape = "×".join(map(str, row.shape or ())) or "one number"
        raise LayerError(
            f"layer {layer!r} gives {shape} for a picture, without a grid of positions to draw. {hint}"
        )

    def _checked(self, name: str, call: int) -> str:
        calls = self._by_name[name].calls
        if calls == 0:
            raise LayerError(f"layer {name!r} does not run in a forward pass; choose another.")
        if not -calls <= call < calls:
            raise LayerError(f"layer {name!r} runs {calls} times: its calls are @0 … @{calls - 1}.")
        return name


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
    runs, output = watch(module, inputs)
    ends = stage_ends(runs, inputs, output)
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
                stage=stage_of(own[-1], runs, ends) if own else None,
                layout=runs[own[-1]].layout if own else None,
            )
        )
    default = deepest(module, inputs, runs, ends, output)
    stages = [typed(runs, group[-1]) for group in ends]
    if default is not None:
        own_stage = next((s for s, group in enumerate(ends) if default in group), None)
        own_stage = stage_of(default, runs, ends) if own_stage is None else own_stage
        if own_stage is not None:
            stages[own_stage] = typed(runs, default)
    return LayerTable(
        rows=tuple(rows),
        stages=tuple(stages),
        default=None if default is None else typed(runs, default),
        _by_name={row.name: row for row in rows},
    )
