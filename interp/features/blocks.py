"""Where a network's features are ripe: its last activation before each change of the grid of positions."""

from __future__ import annotations

import math
import re
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from interp.capture import twin
from interp.layers import LayerError

# Activation functions are known by name: libraries bring their own classes beside torch's.
_ACTIVATION = re.compile(r"relu|elu|glu|silu|swish|mish|sigmoid|tanh|shrink|soft(plus|sign)|threshold", re.I)


def last_activations(module: nn.Module, inputs: Tensor) -> list[str]:
    """Return, for each grid of positions in order, the layer whose output is its last activation.

    A grid ends where the spatial size changes, at the global pooling and at the end of the network; a size
    that the way up meets again is a grid of its own. Gates on a single position (squeeze-and-excitation)
    do not count. An activation is a module such as `ReLU`, `GELU` or `SiLU`, or a block that returns what an
    activation function gave. Where the function is called in the open, as `F.relu` before the pooling of a
    DenseNet, the layer before it stands in, and a warning says so.

    Args:
        module: any network from pictures to one or more tensors; a `twin` of it runs once.
        inputs: `(B, C, H, W)`, large enough that the coarsest grid has more than one position.

    Returns:
        Names as in `named_modules()`, with `@call` where a module runs more than once.

    Raises:
        LayerError: there is no activation on a grid, as in a transformer on tokens.

    Example:
        >>> last_activations(torchvision.models.vgg16_bn().features, torch.zeros(1, 3, 224, 224))
        ['5', '12', '22', '32', '42']
    """
    seen = _watch(module, inputs)
    if not seen.found:
        raise LayerError(
            f"{type(module).__name__} has no activation on a grid of positions for an input of "
            f"{tuple(inputs.shape)}. Give a larger input, or name the layers."
        )
    chosen = [seen.found[i] for i in _last_of_each_grid(seen.found)]
    names = [_shortest(one.call, seen.counts) for one in chosen]
    if open_ones := [name for name, one in zip(names, chosen, strict=True) if one.stands_in]:
        warnings.warn(
            f"{type(module).__name__} calls an activation function in the open after "
            f"{', '.join(map(repr, open_ones))}; what that layer gives before the function is taken.",
            stacklevel=2,
        )
    return names


def is_channels_last(output: Tensor, inputs: Tensor) -> bool:
    """Return whether a layer's output is `(B, H, W, C)`, as in ConvNeXt's blocks.

    It is seen from the picture's shape, so with as many channels as positions on a side nobody can tell, and
    the answer is no.

    Args:
        output: of a layer.
        inputs: what the network was given, `(B, C, H, W)`.

    Example:
        >>> is_channels_last(torch.zeros(1, 7, 7, 768), torch.zeros(1, 3, 224, 224))
        True
    """
    shape = output.shape
    return len(shape) == 4 and not _fits(shape[2:], inputs) and _fits(shape[1:3], inputs)


@dataclass(frozen=True)
class _Activation:
    """An activation's grid and the call of a layer that gives it, or stands in for it."""

    call: str
    grid: tuple[int, ...]
    stands_in: bool = False


@dataclass
class _Watch:
    """What happened in one forward pass, in order."""

    inputs: Tensor
    found: list[_Activation] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    # Tensors are kept alive here, so that identity means sameness.
    outputs: list[tuple[str, Tensor]] = field(default_factory=list)
    results: dict[int, tuple[int, Tensor]] = field(default_factory=dict)
    inside: int = 0

    def begins(self, part: nn.Module) -> None:
        self.inside += _is_activation(part)

    def ends(self, name: str, part: nn.Module, output: Any) -> None:
        self.inside -= _is_activation(part)
        call = f"{name}@{self.counts[name]}"
        self.counts[name] += 1
        if not name or not isinstance(output, Tensor):
            return
        self.outputs.append((call, output))
        grid = _grid(output, self.inputs)
        if grid is None:
            return
        if _is_activation(part):
            self.found.append(_Activation(call, grid))
        elif id(output) in self.results:
            place, _ = self.results.pop(id(output))
            self.found[place] = _Activation(call, grid)

    def calls_function(self, given: Any, result: Tensor) -> None:
        grid = _grid(result, self.inputs)
        if self.inside or grid is None:
            return
        makers = [call for call, output in self.outputs if output is given]
        makers += [call for call, output in reversed(self.outputs) if _grid(output, self.inputs) == grid]
        if makers:
            self.results[id(result)] = len(self.found), result
            self.found.append(_Activation(makers[0], grid, stands_in=True))


class _Functions(TorchFunctionMode):
    """While active, tells of every activation function that is called: what it got and what it gave."""

    def __init__(self, tell: Callable[[Any, Tensor], None]) -> None:
        super().__init__()
        self._tell = tell

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if args and isinstance(result, Tensor) and _ACTIVATION.search(getattr(func, "__name__", "")):
            self._tell(args[0], result)
        return result


def _watch(module: nn.Module, inputs: Tensor) -> _Watch:
    # The hooks go with the twin.
    private, seen = twin(module), _Watch(inputs)
    for name, part in private.named_modules():
        part.register_forward_pre_hook(lambda part, _args: seen.begins(part))
        part.register_forward_hook(lambda part, _args, output, name=name: seen.ends(name, part, output))
    with torch.inference_mode(False), torch.no_grad(), _Functions(seen.calls_function):
        private(inputs.clone())
    return seen


def _is_activation(part: nn.Module) -> bool:
    leaf = next(part.children(), None) is None
    return leaf and any(_ACTIVATION.search(kind.__name__) for kind in type(part).__mro__)


def _grid(output: Tensor, inputs: Tensor) -> tuple[int, ...] | None:
    """Return (height, width), or None of what is no grid or has one position."""
    if output.dim() != 4:
        return None
    grid = tuple(output.shape[1:3] if is_channels_last(output, inputs) else output.shape[2:])
    return grid if math.prod(grid) > 1 and _fits(grid, inputs) else None


def _fits(grid: Sequence[int], inputs: Tensor) -> bool:
    height, width = grid
    expected = height * inputs.shape[-1] / inputs.shape[-2]
    return abs(width - expected) <= max(2.0, 0.05 * width)


def _last_of_each_grid(found: Sequence[_Activation]) -> list[int]:
    """Return the places of the last of each grid on the way down to the coarsest, and on the way up."""
    coarsest = min(math.prod(one.grid) for one in found)
    bottom = max(i for i, one in enumerate(found) if math.prod(one.grid) == coarsest)
    down = {found[i].grid: i for i in range(bottom + 1)}
    up = {found[i].grid: i for i in range(bottom + 1, len(found))}
    return sorted([*down.values(), *up.values()])


def _shortest(call: str, counts: Counter[str]) -> str:
    name = call.rpartition("@")[0]
    return name if counts[name] == 1 else call
