"""How a network makes its grid finer on the way up: transposed convolutions, interpolation, pixel shuffle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from interp.capture import record
from interp.features.levels import Levels, levels_of, nearest_size
from interp.features.provenance import Provenance
from interp.layers import main_output
from interp.models import ImageModel

# Odd sizes are made to fit by a little enlarging, which is no up-sampling.
_AT_LEAST = 1.5
_CONVOLUTIONS = {"conv2d", "conv_transpose2d"}
_KINDS = {
    "conv_transpose2d": "transposed convolution",
    "interpolate": "",
    "pixel_shuffle": "pixel shuffle",
    "max_unpool2d": "unpooling",
}


@dataclass(frozen=True)
class Upsampling:
    """One step to a finer grid.

    Attributes:
        kind: `"transposed convolution"`, `"nearest + convolution"`, `"bilinear"` (or another mode of
            interpolation, with or without a convolution after it), `"pixel shuffle"`, `"pixel shuffle with
            ICNR"`, `"unpooling"`.
        layer: the innermost module in whose code it happens; `""` for the network's own.
        before: `(H, W)` of the grid before.
        after: and after it.
    """

    kind: str
    layer: str
    before: tuple[int, int]
    after: tuple[int, int]


def upsamplings_of(model: ImageModel, levels: Levels | None = None) -> dict[tuple[int, int], Upsampling]:
    """Read what makes the grid finer on the way up, from the operations of one pass.

    Args:
        model: from `interp.load`.
        levels: from `levels_of`, where they are known already.

    Returns:
        By the size of the row of the U at which it arrives. Where several steps lead to one row, it is one
        that the output depends on; of these the one from the nearest grid, and of these the last.

    Raises:
        FeatureError: no layer has a grid of positions.

    Example:
        >>> upsamplings_of(interp.load("runs/streets"))[90, 120].kind
        'pixel shuffle with ICNR'
    """
    found = levels_of(model) if levels is None else levels
    sizes = [row.size for row in found.rows]
    with model.twin() as private:
        steps = _steps(private, model.blank(), found.bottleneck)
    result: dict[tuple[int, int], Upsampling] = {}
    for step in steps:
        size = nearest_size(step.after, sizes)
        if size not in result or math.prod(step.before) >= math.prod(result[size].before):
            result[size] = step
    return result


def _steps(private: nn.Module, inputs: Tensor, bottleneck: str) -> list[Upsampling]:
    flow = Provenance()
    watching = _Watching(flow)
    with ExitStack() as stack:
        for name, part in private.named_modules():
            stack.callback(part.register_forward_pre_hook(watching.enter(name, part)).remove)
            stack.callback(part.register_forward_hook(watching.leave).remove)
        stack.enter_context(record(private, [bottleneck], gradients=True))
        stack.enter_context(flow)
        stack.enter_context(watching)
        events = flow.of(main_output(private(inputs.clone())))
    # What no event reached was computed where nobody can look.
    return [step for i, step in enumerate(watching.steps) if not events or events >> i & 1]


class _Watching(TorchFunctionMode):
    """Notes every operation that makes a grid finer, of what comes from the bottleneck."""

    def __init__(self, flow: Provenance) -> None:
        super().__init__()
        self._flow = flow
        self.steps: list[Upsampling] = []
        self._inside: list[tuple[str, str]] = []
        # The last convolution's weights, as those before a pixel shuffle may still be as ICNR made them.
        self._weight: Tensor | None = None
        self._waits = False

    def enter(self, name: str, part: nn.Module) -> Any:
        kind = type(part).__name__
        return lambda _module, _args: self._inside.append((name, kind))

    def leave(self, _module: nn.Module, _args: object, _output: object) -> None:
        self._inside.pop()

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        output = func(*args, **kwargs)
        if name not in _KINDS and name not in _CONVOLUTIONS:
            return output
        given = args[0] if args else kwargs["input"]
        if given.dim() != 4 or not given.requires_grad:
            return output
        if name == "conv2d":
            self._convolved(args[1] if len(args) > 1 else kwargs["weight"], given)
        if name in _KINDS and _finer(given, output):
            self._waits = name == "interpolate"
            self._flow.mark(output, len(self.steps))
            self.steps.append(
                Upsampling(
                    self._kind(name, given, output, args, kwargs),
                    self._inside[-1][0] if self._inside else "",
                    (given.shape[2], given.shape[3]),
                    (output.shape[2], output.shape[3]),
                )
            )
        return output

    def _kind(
        self, name: str, given: Tensor, output: Tensor, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> str:
        if name == "interpolate":
            mode = args[3] if len(args) > 3 else kwargs.get("mode", "nearest")
            return "nearest" if mode == "nearest-exact" else str(mode)
        if name != "pixel_shuffle":
            return _KINDS[name]
        by_name = any("ICNR" in kind.upper() for _, kind in self._inside)
        factor = output.shape[2] // given.shape[2]
        as_made = self._weight is not None and _repeats(self._weight, given.shape[1], factor)
        return "pixel shuffle with ICNR" if by_name or as_made else "pixel shuffle"

    def _convolved(self, weight: Tensor, given: Tensor) -> None:
        self._weight = weight
        if self._waits and (given.shape[2], given.shape[3]) == self.steps[-1].after:
            last = self.steps[-1]
            self.steps[-1] = Upsampling(f"{last.kind} + convolution", last.layer, last.before, last.after)
        self._waits = False


def _finer(given: Tensor, output: Tensor) -> bool:
    sides = zip(given.shape[2:], output.shape[2:], strict=True)
    return all(after >= _AT_LEAST * before for before, after in sides)


def _repeats(weight: Tensor, channels: int, factor: int) -> bool:
    """Whether the weights of all sub-pixels are the same, as ICNR begins with."""
    if weight.shape[0] != channels or channels % factor**2:
        return False
    groups = weight.detach().reshape(-1, factor**2, *weight.shape[1:])
    return bool(torch.equal(groups, groups[:, :1].expand_as(groups)))
