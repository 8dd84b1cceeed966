"""Where a skip and what comes up from below are concatenated, and a pass in which one of them is changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from interp.capture.structure import map_tensors, split_call, submodule
from interp.features.provenance import Provenance
from interp.layers import main_output
from interp.models import ImageModel

_NAMES = {"cat", "concat", "concatenate"}
_ALONG_CHANNELS = {"hstack", "column_stack"}  # of what has channels and positions

Change = Callable[[int, Sequence[Tensor]], Sequence[Tensor] | None]


@dataclass(frozen=True)
class Concatenation:
    """One concatenation of channels on the way up.

    Attributes:
        layer: the innermost module in whose code it stands; `""` for the network's own.
        size: `(H, W)` of the grid.
        skips: which of the inputs come from the way down, or are the picture.
        ups: which come up through the bottleneck.
        number: of it among all concatenations of channels in one pass.
        last: how many of these there are.
    """

    layer: str
    size: tuple[int, int]
    skips: tuple[int, ...]
    ups: tuple[int, ...]
    number: int
    last: int


class Concatenating(TorchFunctionMode):
    """While active, every concatenation of channels is shown to `change`, which may give other inputs.

    What it gives is told to `made`.

    Attributes:
        count: how many there were so far.

    Example:
        >>> with Concatenating(lambda number, inputs: [torch.zeros_like(one) for one in inputs]):
        ...     torch.cat([torch.ones(1, 2, 4, 4)] * 2, 1).sum()
        tensor(0.)
    """

    def __init__(self, change: Change, made: Callable[[int, Tensor], None] | None = None) -> None:
        super().__init__()
        self._change, self._made = change, made
        self.count = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if name not in _NAMES | _ALONG_CHANNELS:
            return func(*args, **kwargs)
        inputs = args[0] if args else kwargs.pop("tensors")
        if name in _ALONG_CHANNELS:
            if not _joins_channels(inputs, 1):
                return func(inputs, **kwargs)
            func, args = torch.cat, (inputs, 1)
        dim = args[1] if len(args) > 1 else kwargs.pop("dim", kwargs.pop("axis", 0))
        if _joins_channels(inputs, dim):
            inputs = self._change(self.count, inputs) or inputs
            self.count += 1
            output = func(inputs, dim, **kwargs)
            if self._made is not None:
                self._made(self.count - 1, output)
            return output
        return func(inputs, dim, **kwargs)


def _joins_channels(inputs: Any, dim: Any) -> bool:
    return (
        len(inputs) > 1
        and all(one.dim() == 4 and one.is_floating_point() for one in inputs)
        and dim in (1, -3)
    )


def concatenations_of(model: ImageModel, inputs: Tensor, bottleneck: str) -> tuple[Concatenation, ...]:
    """Find the concatenations that join a skip to what comes up, from two passes.

    An input of one comes up if it depends on the bottleneck. It is a skip if it does not, and is another one
    for another picture. A skip that is multiplied by a gate, a map that a sigmoid gives of what comes up, is
    still a skip; and what is concatenated only to make a gate does not count (Attention U-Net, Oktay et al.,
    2018).

    Args:
        model: from `interp.load`.
        inputs: of one picture, `(1, C, H, W)`.
        bottleneck: the layer that ends the coarsest grid (`levels_of`).

    Returns:
        In the order of a pass: the coarsest grid first.

    Example:
        >>> [one.size for one in concatenations_of(model, inputs, levels_of(model).bottleneck)]
        [(45, 60), (90, 120), (180, 240), (360, 480)]
    """
    noise = torch.randn(inputs.shape, generator=torch.Generator().manual_seed(0)).to(inputs)
    with model.twin() as private:
        seen, only_gates = _watched(private, inputs, bottleneck)
        other, _ = _watched(private, noise, bottleneck)
    found = []
    for number, (one, two) in enumerate(zip(seen, other, strict=True)):
        if only_gates >> number & 1:
            continue
        ups = tuple(i for i, up in enumerate(one.ups) if up)
        skips = tuple(
            i
            for i, (a, b) in enumerate(zip(one.values, two.values, strict=True))
            if i not in ups and not torch.equal(a, b)
        )
        if ups and skips:
            height, width = one.values[0].shape[2:]
            found.append(Concatenation(one.layer, (height, width), skips, ups, number, len(seen)))
    return tuple(found)


@dataclass(frozen=True, eq=False)
class _Seen:
    layer: str
    ups: tuple[bool, ...]
    values: tuple[Tensor, ...]


def _begun(tensor: Tensor) -> Tensor:
    """Return what the graph begins at: no leaf, so that the next layer may change it in place."""
    return tensor.detach().requires_grad_().clone() if tensor.is_floating_point() else tensor


class _Beginning:
    """A hook that begins the graph at one call of a module, -1 for any; `record` would at all of them."""

    def __init__(self, call: int) -> None:
        self._call, self._count = call, 0

    def __call__(self, _module: nn.Module, _args: object, output: Any) -> Any:
        self._count += 1
        if self._call not in (-1, self._count - 1):
            return output
        return map_tensors(output, _begun)


def _watched(private: nn.Module, inputs: Tensor, bottleneck: str) -> tuple[list[_Seen], int]:
    """Return all concatenations, and which of them only make gates, as bits."""
    flow = Provenance()
    seen: list[_Seen] = []
    inside: list[str] = []

    def note(_number: int, joined: Sequence[Tensor]) -> None:
        # No weight of a twin asks for gradients, so only what comes after the bottleneck does.
        ups = tuple(flow.is_up(one) for one in joined)
        seen.append(_Seen(inside[-1] if inside else "", ups, tuple(one.detach().clone() for one in joined)))

    def leave(_module: nn.Module, _args: object, _output: object) -> None:
        inside.pop()

    with ExitStack() as stack:
        for name, part in private.named_modules():
            entered = part.register_forward_pre_hook(lambda _module, _args, name=name: inside.append(name))
            stack.callback(entered.remove)
            stack.callback(part.register_forward_hook(leave).remove)
        part, call = split_call(bottleneck)
        stack.callback(submodule(private, part).register_forward_hook(_Beginning(call)).remove)
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(flow)
        stack.enter_context(Concatenating(note, lambda number, output: flow.mark(output, number)))
        output = main_output(private(inputs.clone()))
    return seen, flow.gated & ~flow.of(output)
