"""Which inputs reach which outputs: a forward pass with every operation made positive and linear."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

# Functions are known by name: one operation has many of them (relu, relu_, Tensor.relu, F.relu).
_POINTWISE = re.compile(
    r"relu\d?|r?relu|leaky_relu|prelu|c?elu|selu|gelu|silu|mish|softmax|log_softmax|softmin|softplus|softsign"
    r"|(hard|log)?sigmoid|hardswish|hardtanh|tanh|(tanh|soft|hard)shrink|threshold|clamp(_min|_max)?|clip"
    r"|(feature_)?(alpha_)?dropout\d?d?|exp|expm1|log|log1p|sqrt|rsqrt|square|reciprocal|__rpow__|neg|negative"
    r"|abs|absolute|erf|sin|cos|float_power|nan_to_num|masked_fill"
    r"|(batch|layer|instance|group|rms|local_response)_norm|normalize"
    r"|detach|float|double|half|bfloat16|to|type_as"
)
_JOINS = {"add", "sub", "subtract", "mul", "multiply", "div", "divide", "true_divide", "maximum", "minimum"}
_JOINS |= {
    "__radd__",
    "__rsub__",
    "__rmul__",
    "__rdiv__",
    "__rtruediv__",
    "rsub",
    "pow",
    "__pow__",
    "fmax",
    "fmin",
}
_REDUCTIONS = {"mean", "sum", "amax", "amin", "max", "min", "var", "std", "norm", "logsumexp", "vector_norm"}
_PRODUCTS = {"matmul", "mm", "bmm", "einsum", "__matmul__", "__rmatmul__"}


class Paths(TorchFunctionMode):
    """While active, a forward pass adds up the ways from its input, so that a gradient counts them.

    Convolutions have equal positive weights and no bias, max pools are average pools, activations and
    normalisations pass their input on, and what is multiplied or subtracted is added. Nothing can cancel, so
    the gradient of an output is positive just where the input can reach it. What has been pooled over all
    positions (the gate of a squeeze-and-excitation, an image-level branch) is known everywhere; it reaches no
    further, so that what is left is the way through space.

    Attributes:
        pooled: whether something was pooled over all positions.
        everywhere: whether positions were multiplied with one another, as in attention.

    Example:
        >>> x = torch.ones(1, 1, 5, 5, requires_grad=True)
        >>> with Paths():
        ...     y = F.relu(F.conv2d(x, -torch.ones(1, 1, 3, 3)))
        >>> torch.autograd.grad(y[0, 0, 1, 1], x)[0][0, 0].count_nonzero()
        tensor(9)
    """

    def __init__(self) -> None:
        super().__init__()
        self.pooled = False
        self.everywhere = False

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name == "_set_grad_enabled":
            return None  # a network's own no_grad would hide the way
        given = args if args else tuple(kwargs.values())
        if not any(isinstance(one, Tensor) and one.requires_grad for one in _flat(given)):
            return self._untracked(func, name, args, kwargs)
        inplace = bool(kwargs.get("inplace")) or (name.endswith("_") and not name.endswith("__"))
        plain = name if name.endswith("__") else name.rstrip("_")
        if _POINTWISE.fullmatch(plain) and given[0].requires_grad:
            return given[0] if inplace else given[0].clone()
        if plain in _JOINS:
            return _joined(given[0], given[1], inplace=inplace)
        if plain in _REDUCTIONS:
            return self._reduced(plain, args, kwargs)
        if plain in _PRODUCTS or plain == "scaled_dot_product_attention":
            return self._product(func, plain, args, kwargs)
        special = _SPECIAL.get(plain)
        if special is not None:
            return special(*args, **kwargs)
        if "pool" in plain:
            return self._pool(func, plain, args, kwargs)
        return func(*args, **kwargs)

    def _untracked(self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run what the input does not reach; its weights may be of another precision than the ones here."""
        if "norm" in name and _POINTWISE.fullmatch(name):
            return args[0].clone()
        special = _SPECIAL.get(name)
        return func(*args, **kwargs) if special is None else special(*args, **kwargs).detach()

    def _reduced(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        values, *rest = args
        if name in ("max", "min") and rest and isinstance(rest[0], Tensor):
            return _joined(values, rest[0], inplace=False)
        dims = kwargs.get("dim", kwargs.get("axis"))
        keep = bool(kwargs.get("keepdim", False))
        if name in ("norm", "vector_norm"):
            rest = rest[1:]  # the order comes first
        if dims is None and rest:
            dims = rest[0]
        if len(rest) > 1 and isinstance(rest[1], bool):
            keep = rest[1]
        several = dims is None or (isinstance(dims, (tuple, list)) and len(dims) > 1)
        result = values.mean() if dims is None else values.mean(dims, keep)
        if several or values.dim() < 4:
            self.pooled = True
            result = result.detach()
        if name in ("max", "min") and dims is not None:
            return torch.return_types.max((result, torch.zeros_like(result, dtype=torch.long)))
        return result

    def _product(self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if name == "scaled_dot_product_attention":
            query, key, value = (*args, *(kwargs[k] for k in ("query", "key", "value") if k in kwargs))[:3]
            self.everywhere = True
            asked = query.mean(-1, keepdim=True)
            return asked + key.mean((-2, -1), keepdim=True) + value.mean(-2, keepdim=True)
        tensors = [one for one in _flat(args) if isinstance(one, Tensor)]
        self.everywhere |= sum(one.requires_grad for one in tensors) > 1
        changed = tuple(_mapped(one, _positive) for one in args)
        return func(*changed, **kwargs)

    def _pool(self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        values = args[0]
        if "unpool" in name:
            size = kwargs.get("output_size") or [2 * side for side in values.shape[2:]]
            return F.interpolate(values, list(size)[-2:])
        if name.startswith("adaptive"):
            result = F.adaptive_avg_pool2d(values, _size(args, kwargs))
        elif name.startswith("lp_pool"):
            rest = (*args[2:], *(kwargs[k] for k in ("kernel_size", "stride", "ceil_mode") if k in kwargs))
            result = F.avg_pool2d(values, rest[0], rest[1] if len(rest) > 1 else None)
        elif name.startswith("max"):
            result = _max_pool(*args, **kwargs)
        else:
            result = func(*args, **kwargs)
        whole = math.prod(result.shape[2:]) == 1 and math.prod(values.shape[2:]) > 1
        if whole and (name.startswith("adaptive") or min(values.shape[2:]) > 3):
            self.pooled = True
            result = result.detach()
        if kwargs.get("return_indices") or name.endswith("indices"):
            return result, torch.zeros_like(result, dtype=torch.long)
        return result


def _positive(one: Any) -> Any:
    if isinstance(one, Tensor) and one.is_floating_point():
        return one if one.requires_grad else torch.ones_like(one, dtype=torch.float64)
    return one


def _flat(value: Any) -> list[Any]:
    if isinstance(value, (tuple, list)):
        return [inner for one in value for inner in _flat(one)]
    return [value]


def _mapped(value: Any, function: Callable[[Any], Any]) -> Any:
    if isinstance(value, (tuple, list)):
        return type(value)(_mapped(one, function) for one in value)
    return function(value)


def _joined(first: Any, second: Any, *, inplace: bool) -> Any:
    """Return the sum of what the input reaches, in the shape of both."""
    parts = [one for one in (first, second) if isinstance(one, Tensor)]
    shape = np.broadcast_shapes(*(tuple(one.shape) for one in parts))
    reached = [one for one in parts if one.requires_grad]
    if inplace and reached[0] is first:
        return reached[0].add_(second) if len(reached) > 1 else reached[0]
    result = reached[0].expand(shape)
    return result.clone() if len(reached) == 1 else result + reached[1]


def _convolution(
    values: Tensor,
    weight: Tensor,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    # The channels of a group all count alike, so that their mean stands for them: much faster.
    spread = weight.shape[0] // groups
    ones = values.new_ones(groups, 1, *weight.shape[2:]) / math.prod(weight.shape[2:])
    run = (F.conv1d, F.conv2d, F.conv3d)[weight.dim() - 3]
    result = run(_group_means(values, groups), ones, None, stride, padding, dilation, groups)
    return _spread(result, spread)


def _transposed(
    values: Tensor,
    weight: Tensor,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    ones = values.new_ones(groups, 1, *weight.shape[2:]) / math.prod(weight.shape[2:])
    run = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[weight.dim() - 3]
    means = _group_means(values, groups)
    return _spread(run(means, ones, None, stride, padding, output_padding, groups, dilation), weight.shape[1])


def _group_means(values: Tensor, groups: int) -> Tensor:
    return values.reshape(len(values), groups, -1, *values.shape[2:]).mean(2)


def _spread(values: Tensor, times: int) -> Tensor:
    return values.repeat_interleave(times, 1)


def _linear(values: Tensor, weight: Tensor, bias: Any = None) -> Tensor:
    return values.mean(-1, keepdim=True).expand(*values.shape[:-1], weight.shape[0]).clone()


def _gated(values: Tensor, dim: int = -1) -> Tensor:
    first, second = values.chunk(2, dim)
    return first + second


def _max_pool(
    values: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:
    shape = F.max_pool2d(values.detach(), kernel_size, stride, padding, dilation, ceil_mode).shape
    kernel, dilation, padding = _pair(kernel_size), _pair(dilation), _pair(padding)
    step = _pair(stride if stride is not None and stride != [] else kernel_size)
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    # Windows of ceil_mode hang over the right and lower border.
    needed = [(n - 1) * s + r for n, s, r in zip(shape[-2:], step, reach, strict=True)]
    more = [max(n - side - p, 0) for n, side, p in zip(needed, values.shape[-2:], padding, strict=True)]
    padded = F.pad(values, (padding[1], more[1], padding[0], more[0]))
    channels = values.shape[-3]
    ones = values.new_ones(channels, 1, *kernel) / math.prod(kernel)
    result = F.conv2d(padded, ones, None, step, 0, dilation, channels)
    return result[..., : shape[-2], : shape[-1]]


def _size(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return args[1] if len(args) > 1 else kwargs["output_size"]


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    return (value[0], value[0]) if len(value) == 1 else (value[0], value[1])


_SPECIAL: dict[str, Callable[..., Tensor]] = {
    "conv1d": _convolution,
    "conv2d": _convolution,
    "conv3d": _convolution,
    "conv_transpose1d": _transposed,
    "conv_transpose2d": _transposed,
    "conv_transpose3d": _transposed,
    "linear": _linear,
    "glu": _gated,
}
