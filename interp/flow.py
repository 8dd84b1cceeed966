"""What becomes of the outputs of layers: which later layers take them in, and how."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from interp.capture.structure import tensors_in

BENDS = re.compile(
    r"relu6?|rrelu|leaky_relu|prelu|c?elu|selu|gelu|silu|mish|softplus|(hard)?(sigmoid|tanh|swish)|threshold"
)
"""Functions that bend: what comes after one is another feature."""

_POOLS = re.compile(r"mean|amax|amin|adaptive_(avg|max)_pool[123]d")


def plain_name(func: Any) -> str:
    """Return the name of a function as people call it, in place or not."""
    name = getattr(func, "__name__", "")
    return name if name.endswith("__") else name.rstrip("_")


def given_to(args: Any, kwargs: Any) -> Iterator[torch.Tensor]:
    """Yield all tensors among the arguments of a function."""
    yield from tensors_in([*args, *kwargs.values()])


class Flow(TorchFunctionMode):
    """While active, every tensor knows which calls it comes from, as the bits of a number.

    It stays on the tensors as an attribute, so a network of one's own (`twin`) is needed.

    Example:
        >>> x = torch.ones(1, 1, 2, 2)
        >>> with Flow() as flow:
        ...     flow.mark(x, 3)
        ...     flow.of(2 * x) == 1 << 3
        True
    """

    _SOURCES, _BENT, _POOLED = "_interp_sources", "_interp_bent", "_interp_pooled"

    def mark(self, tensor: torch.Tensor, number: int) -> None:
        """Say that a tensor is what this call gave."""
        setattr(tensor, self._SOURCES, self.of(tensor) | 1 << number)

    def of(self, tensor: torch.Tensor) -> int:
        """Return the calls that a tensor comes from."""
        return int(getattr(tensor, self._SOURCES, 0))

    def bent(self, tensor: torch.Tensor) -> int:
        """Return those of them between which and the tensor an activation stands."""
        return int(getattr(tensor, self._BENT, 0))

    def pooled(self, tensor: torch.Tensor) -> bool:
        """Return whether a tensor of one position is a mean or maximum over all of them."""
        return bool(getattr(tensor, self._POOLED, False))

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = plain_name(func)
        given = list(given_to(args, kwargs))
        sources = bent = 0
        for one in given:
            sources, bent = sources | self.of(one), bent | self.bent(one)
        if BENDS.fullmatch(name):
            bent = sources
        known = [one for one in given if one.dim() == 4 and hasattr(one, self._SOURCES)]
        pooled = bool(_POOLS.fullmatch(name)) or (bool(known) and all(map(self.pooled, known)))
        output = func(*args, **kwargs)
        if name == "__setitem__":
            self._note(args[0], sources, bent, pooled=False)
        for one in tensors_in(output):
            self._note(one, sources, bent, pooled=pooled and math.prod(one.shape[2:]) == 1)
        return output

    def _note(self, tensor: torch.Tensor, sources: int, bent: int, *, pooled: bool) -> None:
        setattr(tensor, self._SOURCES, sources)
        setattr(tensor, self._BENT, bent)
        setattr(tensor, self._POOLED, pooled)


@dataclass(frozen=True, eq=False)
class Call:
    """One finished call of a module: its output, and which calls that comes from.

    Attributes:
        tensor: the output, or the one with most dimensions.
        sources: the calls before it that it comes from, as bits.
        bent: those of them between which and it an activation stands.
        pooled: whether its one position is a mean or maximum over all of them.
    """

    tensor: torch.Tensor
    sources: int
    bent: int
    pooled: bool


def followed(module: nn.Module, inputs: torch.Tensor) -> list[Call]:
    """Return every call with a floating-point output in order of finishing, the root's left out.

    Args:
        module: a `twin`.
        inputs: of one picture.

    Example:
        >>> [call.sources for call in followed(nn.Sequential(nn.ReLU(), nn.ReLU()), torch.ones(1, 1, 2, 2))]
        [0, 1]
    """
    calls: list[Call] = []

    def after(output: Any) -> None:
        tensors = [tensor for tensor in tensors_in(output) if tensor.is_floating_point()]
        if tensors:
            tensor = max(tensors, key=lambda one: one.dim())
            calls.append(Call(tensor, flow.of(tensor), flow.bent(tensor), flow.pooled(tensor)))
            flow.mark(tensor, len(calls) - 1)

    handles = [
        part.register_forward_hook(lambda _part, _args, output: after(output))
        for name, part in module.named_modules()
        if name
    ]
    try:
        with torch.inference_mode(False), torch.no_grad(), Flow() as flow:
            module(inputs.clone())
    finally:
        for handle in handles:
            handle.remove()
    return calls
