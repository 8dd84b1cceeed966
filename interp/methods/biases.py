"""What each layer adds to its linear part at an input: `f(x) − f′(x) x`."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from interp.capture.structure import map_tensors

Run = Callable[..., torch.Tensor]

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_BIASED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.Linear)
# PyTorch's forward mode has one level for all threads: whoever leaves it first takes the other's derivatives.
_ONE_AT_A_TIME = threading.Lock()
# f(c x) = c f(x) for c > 0: the gradient times the input is the output, and no bias is left.
_WITHOUT_BIAS = (
    nn.Identity,
    nn.ReLU,
    nn.LeakyReLU,
    nn.PReLU,
    nn.RReLU,
    nn.Flatten,
    nn.Unflatten,
    nn.PixelShuffle,
    nn.Upsample,
    nn.ZeroPad2d,
    nn.modules.dropout._DropoutNd,
    nn.modules.padding._ReflectionPadNd,
    nn.modules.padding._ReplicationPadNd,
    nn.modules.pooling._AdaptiveAvgPoolNd,
    nn.modules.pooling._AdaptiveMaxPoolNd,
    nn.modules.pooling._AvgPoolNd,
    nn.modules.pooling._MaxPoolNd,
)


@contextmanager
def biases_of(named: dict[str, nn.Module]) -> Iterator[dict[str, list[torch.Tensor | None]]]:
    """Collect, for every call of every layer while the body runs, its bias in the shape of its output.

    It is `None` where there is none, and where it cannot be found.
    """
    found: dict[str, list[torch.Tensor | None]] = defaultdict(list)
    given: dict[str, tuple[Any, Any]] = {}

    def before(name: str, args: Any, kwargs: Any) -> None:
        # Copies: an activation that works in place leaves nothing of its input.
        given[name] = _mapped((args, kwargs), lambda tensor: tensor.detach().clone())

    def after(name: str, part: nn.Module, output: Any) -> None:
        if not isinstance(output, torch.Tensor) or not output.is_floating_point():
            found[name].append(None)
        elif has_closed_form(part):
            found[name].append(_closed_form(part, output.detach()))
        else:
            found[name].append(_remainder(part, *given.pop(name)))

    with ExitStack() as stack:
        for name, part in named.items():
            if not has_closed_form(part):
                handle = part.register_forward_pre_hook(
                    lambda _, args, kwargs, name=name: before(name, args, kwargs), with_kwargs=True
                )
                stack.callback(handle.remove)
            handle = part.register_forward_hook(lambda part, _, out, name=name: after(name, part, out))
            stack.callback(handle.remove)
        yield found


def has_closed_form(part: nn.Module) -> bool:
    """Return whether a layer's bias is one of its weights, or nothing, and need not be differentiated."""
    shifting = type(part) in _NORMS and part.running_mean is not None
    return shifting or isinstance(part, _BIASED + _WITHOUT_BIAS)


@torch.no_grad()
def _closed_form(part: nn.Module, output: torch.Tensor) -> torch.Tensor | None:
    shift: torch.Tensor | None = getattr(part, "bias", None)
    if isinstance(part, nn.modules.batchnorm._BatchNorm):
        assert part.running_mean is not None
        assert part.running_var is not None
        scale = (part.running_var + part.eps).rsqrt()
        scale = scale if part.weight is None else scale * part.weight
        shift = -part.running_mean * scale if shift is None else shift - part.running_mean * scale
    if shift is None or isinstance(part, _WITHOUT_BIAS):
        return None
    over = [1] * (output.dim() - 2) if not isinstance(part, nn.Linear) else []
    return shift.reshape(-1, *over).expand_as(output)


def _remainder(part: nn.Module, args: Any, kwargs: Any) -> torch.Tensor | None:
    """Return `f(x) − f′(x) x`, where x is every tensor that the layer is given.

    `None` where its code cannot be differentiated that way; then the terms miss something of the score.
    """
    tensors: list[torch.Tensor] = []

    def counted(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.is_floating_point():
            tensors.append(tensor)
        return tensor

    def run(*replaced: torch.Tensor) -> torch.Tensor:
        left = iter(replaced)
        again, named = _mapped(given, lambda t: next(left).clone() if t.is_floating_point() else t)
        output: torch.Tensor = part.forward(*again, **named)
        return output

    given = _mapped((args, kwargs), counted)
    for slope in (_twice_backward, _forward_mode):
        try:
            output, along = slope(run, tuple(tensors))
        except Exception:  # whatever the layer's own code raises
            continue
        return (output - along).detach()
    return None


def _mapped(value: Any, function: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """Return nested tensors changed by `function`, and so the tensors that are their attributes.

    Networks of fastai hand on what a block began with as `x.orig`.
    """

    def changed(tensor: torch.Tensor) -> torch.Tensor:
        made = function(tensor)
        for name, attribute in list(vars(tensor).items()):
            setattr(made, name, map_tensors(attribute, function))
        return made

    return map_tensors(value, changed)


def _twice_backward(run: Run, x: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return `f(x)` and `f′(x) x`, the latter from the gradient: `uᵀ f′(x) x` is linear in u."""
    with torch.enable_grad():
        x = tuple(tensor.detach().requires_grad_() for tensor in x)
        output = run(*x)
        u = torch.zeros_like(output, requires_grad=True)
        gradients = torch.autograd.grad(output, x, u, create_graph=True, materialize_grads=True)
        (along,) = torch.autograd.grad(gradients, [u], [tensor.detach() for tensor in x])
    return output, along


def _forward_mode(run: Run, x: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the same of what has no second gradient, as `Hardsigmoid`."""
    with _ONE_AT_A_TIME, torch.no_grad():
        output, along, *_ = torch.func.jvp(run, x, x)
    return output, along
