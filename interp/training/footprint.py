"""How much memory a network takes for an input of any size, told from two small ones."""

from __future__ import annotations

import math
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


@dataclass(frozen=True)
class Footprint:
    """Allocations and releases of one forward pass, at two sizes of the input.

    Each tensor grows with its own power of the number of pixels, seen from the two: a feature map with the
    first, a self-attention matrix with the second, a pooled vector not at all. So what is small in both
    and leads at full size is seen all the same.

    Attributes:
        small: events in order, bytes taken (positive) or released (negative), of `pixels[0]`.
        large: the same of `pixels[1]`.
        pixels: height × width of the two inputs.
    """

    small: tuple[int, ...]
    large: tuple[int, ...]
    pixels: tuple[int, int]

    def bytes_at(self, pixels: int) -> int:
        """Return the most bytes alive at once for so many pixels, without weights and workspace."""
        if len(self.small) != len(self.large):
            # Other operations at another size: only the two peaks can be compared.
            return int(max(self._grown(_peak(self.small), _peak(self.large), pixels), _peak(self.large)))
        pairs = zip(self.small, self.large, strict=True)
        return int(_peak([self._grown(a, b, pixels) for a, b in pairs]))

    def _grown(self, small: float, large: float, pixels: int) -> float:
        if small == large or not small or not large:
            return large
        power = math.log(large / small) / math.log(self.pixels[1] / self.pixels[0])
        return float(large * (pixels / self.pixels[1]) ** power)


def footprint(module: nn.Module, like: Tensor, side: int) -> Footprint:
    """Run `module` without a graph on pictures of `side` and of twice the side, and note what it allocates.

    Args:
        module: a network from pictures, best a twin.
        like: `(1, C, …)` whose channels, dtype and device the inputs get.
        side: in pixels; what the network takes, a multiple of its stride.

    Example:
        >>> footprint(nn.Conv2d(3, 8, 3, padding=1), torch.zeros(1, 3, 1, 1), 32).bytes_at(1000 * 1000)
        44000000
    """
    runs = [_events(module, like.new_zeros(1, like.shape[1], s, s)) for s in (side, 2 * side)]
    return Footprint(runs[0], runs[1], (side**2, 4 * side**2))


def _peak(events: Sequence[float]) -> float:
    alive = highest = 0.0
    for change in events:
        alive += change
        highest = max(highest, alive)
    return highest


def _events(module: nn.Module, inputs: Tensor) -> tuple[int, ...]:
    allocations = _Allocations([inputs, *module.parameters(), *module.buffers()])
    with torch.inference_mode(False), torch.no_grad(), allocations:
        module(inputs)
    return inputs.untyped_storage().nbytes(), *allocations.events


class _Allocations(TorchDispatchMode):
    """While active, `events` grows by the size of each new storage, and by minus it at its release."""

    def __init__(self, known: list[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.events: list[int] = []
        self._seen = {tensor.untyped_storage()._cdata for tensor in known}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(output):
            if isinstance(tensor, Tensor):
                self._note(tensor.untyped_storage())
        return output

    def _note(self, storage: torch.UntypedStorage) -> None:
        place, size = storage._cdata, storage.nbytes()
        if place not in self._seen:
            self._seen.add(place)
            self.events.append(size)
            weakref.finalize(storage, self._released, place, size)

    def _released(self, place: int, size: int) -> None:
        self._seen.discard(place)
        self.events.append(-size)
