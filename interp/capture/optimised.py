"""A private copy of a network that computes the same sooner, for methods that run it hundreds of times.

Batch norms are folded into the convolutions before them; pictures and weights lie channels last in memory.
"""

from __future__ import annotations

import sys
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.utils._python_dispatch import TorchDispatchMode

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

    A batch norm is folded into the convolution before it if no other operation is given what that convolution
    puts out. The copy is then tried: on these inputs, on what is left of them behind stripes, and on zeros.

    Args:
        private: a `twin`; it is left as it is.
        inputs: `(N, C, *size)`, on which both run.
        keep: a layer whose output must stay what it is, because it is changed or recorded.
        dtype: of the copy; default: that of the inputs. Of `bfloat16`, the output may differ by a twentieth.

    Example:
        >>> optimised(twin(torchvision.models.resnet18()), torch.zeros(1, 3, 64, 64)).folded
        20
    """
    wanted = inputs.dtype if dtype is None else dtype
    with torch.inference_mode(False), torch.no_grad():
        striped = inputs.clone()
        striped[..., ::2] = 0
        asked = torch.cat([inputs, striped, torch.zeros_like(inputs)])
        try:
            copied = twin(private)
            pairs = _pairs(copied, inputs, keep)
            for convolution, norm in pairs:
                _fold(convolution, norm)
            if wanted != inputs.dtype:
                copied.to(dtype=wanted)
            _lay_channels_last(copied)
            made = Optimised(copied, wanted, len(pairs))
            return made if agrees(made, private, asked) else None
        except Exception:  # what cannot be copied, watched or laid otherwise runs as it is
            return None


def agrees(made: Optimised, private: nn.Module, inputs: torch.Tensor) -> bool:
    """Whether a copy gives the network's output for some inputs, each number of it to its own size."""
    with torch.inference_mode(False), torch.no_grad():
        expected = list(tensors_in(private(inputs.clone())))
        try:
            found = list(tensors_in(made.module(made.prepared(inputs))))
        except Exception:  # of the network's own code: it needs its tensors as they were
            return False
    tolerance = _TOLERANCE.get(made.dtype, _COARSE)
    return len(found) == len(expected) and all(
        one.shape == other.shape and _close(one, other, tolerance)
        for one, other in zip(found, expected, strict=True)
        if other.is_floating_point()
    )


def _close(found: torch.Tensor, expected: torch.Tensor, tolerance: float) -> bool:
    found = found.to(expected.dtype)
    # One large number must not hide what is wrong with a small one; what is lost by cancelling may be.
    own = expected.abs().amax(0, keepdim=True) if expected.dim() else expected.abs()
    share = 1.0 if tolerance == _COARSE else 0.1
    allowed = tolerance * own + share * tolerance * expected.abs().amax()
    return bool(((found - expected).abs() <= allowed).all())


def _lay_channels_last(module: nn.Module) -> None:
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.dim() == 4:
            tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)


def _pairs(module: nn.Module, inputs: torch.Tensor, keep: str) -> list[tuple[nn.Module, nn.Module]]:
    """Return each convolution whose output one batch norm reads and nothing else, with that norm."""
    kept = set(submodule(module, split_call(keep)[0]).modules()) if keep else set()
    watch = _Watch()
    calls: Counter[nn.Module] = Counter()
    found: list[tuple[nn.Module, nn.Module]] = []

    def before(part: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        makers = (watch.made_by(tensor) for tensor in tensors_in((given, named)))
        found.extend((maker, part) for maker in makers if maker is not None and not _convolves(part))

    def after(part: nn.Module, _given: Any, output: Any) -> None:
        calls[part] += 1
        if _convolves(part):
            watch.note(part, output)

    with _hooked(module, before, after), watch:
        module(inputs.clone())
    readers = Counter(convolution for convolution, _ in found)
    return [
        (convolution, norm)
        for convolution, norm in found
        if calls[convolution] == calls[norm] == readers[convolution] == 1
        and convolution not in watch.spoiled
        and not (convolution in kept and norm not in kept)
    ]


class _Watch(TorchDispatchMode):
    """Notes which convolutions' outputs are given to any operation but a batch norm."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._made: dict[int, tuple[nn.Module, weakref.ref[torch.Tensor]]] = {}
        self.spoiled: set[nn.Module] = set()

    def note(self, convolution: nn.Module, output: torch.Tensor) -> None:
        """Watch what a convolution has put out, as long as anybody holds it."""
        self._made[output.untyped_storage().data_ptr()] = convolution, weakref.ref(output)

    def made_by(self, tensor: torch.Tensor) -> nn.Module | None:
        """Return the convolution that put out a tensor, or what it is a view of."""
        convolution, output = self._made.get(tensor.untyped_storage().data_ptr(), (None, _nothing))
        return convolution if output() is not None else None

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if "batch_norm" not in str(func):
            makers = (self.made_by(tensor) for tensor in tensors_in((args, kwargs or {})))
            self.spoiled.update(maker for maker in makers if maker is not None)
        return func(*args, **(kwargs or {}))


def _nothing() -> None:
    return None


@contextmanager
def _hooked(module: nn.Module, before: Callable[..., None], after: Callable[..., None]) -> Iterator[None]:
    """Let `before` and `after` be told of every call of a convolution or batch norm that may be folded."""
    foldable = [part for part in module.modules() if _is_plain(part)]
    handles = [
        handle
        for part in foldable
        for handle in (
            part.register_forward_pre_hook(before, with_kwargs=True),
            part.register_forward_hook(after),
        )
    ]
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


def _unchanged(input: torch.Tensor) -> torch.Tensor:  # the name that a batch norm's forward has
    return input
