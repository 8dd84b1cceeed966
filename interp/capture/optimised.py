"""A private copy of a network that computes the same sooner, for methods that run it hundreds of times.

Batch norms are folded into the convolutions before them; pictures and weights lie channels last in memory.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from interp.capture.structure import split_call, submodule, tensors_in
from interp.capture.twin import twin

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)

# How far its output may be from the network's own, in parts of the largest value: rounding, and no more.
_TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}
_COARSE = 5e-2


@dataclass(frozen=True, eq=False)
class Optimised:
    """A copy with weights of its own, and what it takes.

    Attributes:
        module: the copy; its layers have the names of the network's.
        dtype: of its weights and inputs.
        folded: how many batch norms are part of a convolution.
    """

    module: nn.Module
    dtype: torch.dtype
    folded: int

    def prepared(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return inputs as the copy takes them, in memory of their own, as it may write to them."""
        layout = torch.channels_last if inputs.dim() == 4 else torch.contiguous_format
        return inputs.to(self.dtype).clone(memory_format=layout)


def optimised(
    private: nn.Module, inputs: torch.Tensor, *, keep: str = "", dtype: torch.dtype | None = None
) -> Optimised | None:
    """Return a copy of a network that gives the same output sooner, or `None` where there is none.

    Only a convolution whose output goes to one batch norm and nowhere else is changed. That it goes nowhere
    else is not looked for but tried: the copy must give the same output for these inputs.

    Args:
        private: a `twin`; it is left as it is.
        inputs: `(N, C, *size)`, on which both run.
        keep: a layer whose output must stay what it is, because it is changed or recorded.
        dtype: of the copy; default: that of the inputs. Of `bfloat16`, the output may differ by a twentieth.

    Example:
        >>> optimised(twin(torchvision.models.resnet18()), torch.zeros(1, 3, 64, 64)).folded
        20
    """
    with torch.inference_mode(False), torch.no_grad():
        copied = twin(private)
        expected, pairs = _pairs(copied, inputs, keep)
        for convolution, norm in pairs:
            _fold(convolution, norm)
        wanted = inputs.dtype if dtype is None else dtype
        copied.to(dtype=wanted).to(memory_format=torch.channels_last)
        made = Optimised(copied, wanted, len(pairs))
        found = list(tensors_in(copied(made.prepared(inputs))))
        return made if _same(found, expected, _TOLERANCE.get(wanted, _COARSE)) else None


def _pairs(
    module: nn.Module, inputs: torch.Tensor, keep: str
) -> tuple[list[torch.Tensor], list[tuple[nn.Module, nn.Module]]]:
    """Return the network's output, and each convolution whose output is what a batch norm is given."""
    kept = submodule(module, split_call(keep)[0]) if keep else None
    made: list[tuple[nn.Module, torch.Tensor, int]] = []
    found: list[tuple[nn.Module, nn.Module]] = []
    calls: Counter[nn.Module] = Counter()

    def after(part: nn.Module, given: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        calls[part] += 1
        if _convolves(part):
            made.append((part, output, output._version))
            return
        for convolution, own, version in made:
            if own is given[0] and own._version == version and convolution is not kept:
                found.append((convolution, part))

    with _hooked(module, after):
        output = [tensor.clone() for tensor in tensors_in(module(inputs.clone()))]
    return output, [pair for pair in found if all(calls[part] == 1 for part in pair)]


@contextmanager
def _hooked(module: nn.Module, after: Callable[..., None]) -> Iterator[None]:
    """Let `after` be told of every call of a convolution or batch norm that may be folded."""
    foldable = [part for part in module.modules() if _is_plain(part)]
    handles = [part.register_forward_hook(after) for part in foldable]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _is_plain(part: nn.Module) -> bool:
    """Whether the part computes what its class says, with fixed statistics if it is a norm."""
    if part._forward_hooks or part._forward_pre_hooks or "forward" in vars(part):
        return False
    if _convolves(part):
        return not nn.utils.parametrize.is_parametrized(part)
    known = type(part) in _NORMS or _acts(part)
    return known and isinstance(part.running_mean, torch.Tensor)


def _convolves(part: nn.Module) -> bool:
    return type(part) in (*_CONVOLUTIONS, _of_timm("Conv2dSame"))


def _acts(norm: nn.Module) -> bool:
    """Whether it is timm's batch norm with an activation in it."""
    return type(norm) is _of_timm("BatchNormAct2d")


def _of_timm(name: str) -> type | None:
    # Where timm was not imported, no network has its layers; importing it takes seconds.
    return getattr(sys.modules.get("timm.layers"), name, None)


def _fold(convolution: Any, norm: Any) -> None:
    convolution.weight, convolution.bias = fuse_conv_bn_weights(
        convolution.weight,
        convolution.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
        norm.weight,
        norm.bias,
    )
    # The module stays, under all its names, for whoever replays from it.
    norm.forward = nn.Sequential(norm.drop, norm.act).forward if _acts(norm) else _unchanged


def _unchanged(inputs: torch.Tensor) -> torch.Tensor:
    return inputs


def _same(found: list[torch.Tensor], expected: list[torch.Tensor], tolerance: float) -> bool:
    return len(found) == len(expected) and all(
        one.shape == other.shape
        and bool(one.isfinite().all())
        and float((one - other).abs().max()) <= tolerance * float(other.abs().max())
        for one, other in zip(found, expected, strict=True)
        if other.is_floating_point()
    )
