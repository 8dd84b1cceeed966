"""What stands in for a skip, and the part of the network that comes after the bottleneck with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from interp.capture import CaptureError, replay
from interp.features.concatenations import Concatenating, Concatenation
from interp.layers import main_output


def _zero(skip: Tensor, _seed: int) -> Tensor:
    return torch.zeros_like(skip)


def _mean(skip: Tensor, _seed: int) -> Tensor:
    return skip.mean((2, 3), keepdim=True).expand_as(skip)


def _shuffled(skip: Tensor, seed: int) -> Tensor:
    order = torch.randperm(skip.shape[2] * skip.shape[3], generator=torch.Generator().manual_seed(seed))
    return skip.flatten(2)[..., order.to(skip.device)].view_as(skip)


ABLATIONS: Mapping[str, Callable[[Tensor, int], Tensor]] = {
    "zero": _zero,
    "mean": _mean,
    "shuffled": _shuffled,
}
"""What may stand in for a skip `(1, C, H, W)`, given a seed."""


def replaced(joined: Sequence[Tensor], skips: Sequence[int], name: str, seed: int) -> dict[int, Tensor]:
    """Return what stands in for the skips among the inputs of a concatenation.

    Example:
        >>> replaced([torch.ones(1, 2, 3, 3), torch.ones(1, 4, 3, 3)], [1], "zero", 0)[1].sum()
        tensor(0.)
    """
    return {i: ABLATIONS[name](joined[i], seed).contiguous() for i in skips}


class Tail:
    """What comes after the bottleneck of a private network, for one picture.

    Attributes:
        output: what it gives unchanged.
    """

    def __init__(self, private: nn.Module, inputs: Tensor, bottleneck: str) -> None:
        self._run = _whole(private, inputs)
        with Concatenating(_as_it_is) as whole:
            self.output = self._run()
        self._count = whole.count
        try:
            made = replay(private, bottleneck, inputs, verify=False)
            with torch.no_grad(), Concatenating(_as_it_is) as part:
                again = main_output(made(made.activation))
        except CaptureError:
            return
        except Exception:  # whatever the network's own code raises when its state is missing
            return
        if not torch.allclose(again, self.output, rtol=0, atol=1e-4 * float(self.output.abs().max())):
            return
        self._run = _after(made)
        # Concatenations in the encoder do not run again; those after the bottleneck all do, at the end.
        self._count, self.output = part.count, again

    def __call__(self, place: Concatenation, stand_ins: Mapping[int, Tensor]) -> Tensor:
        """Return the network's output with some inputs of one concatenation replaced."""
        wanted = self._count - (place.last - place.number)

        def change(number: int, parts: Sequence[Tensor]) -> Sequence[Tensor] | None:
            return [stand_ins.get(i, one) for i, one in enumerate(parts)] if number == wanted else None

        with Concatenating(change):
            return self._run()


def _as_it_is(_number: int, _parts: Sequence[Tensor]) -> None:
    return None


def _whole(private: nn.Module, inputs: Tensor) -> Callable[[], Tensor]:
    def run() -> Tensor:
        with torch.inference_mode(False), torch.no_grad():
            return main_output(private(inputs.clone()))

    return run


def _after(made: Any) -> Callable[[], Tensor]:
    def run() -> Tensor:
        with torch.inference_mode(False), torch.no_grad():
            return main_output(made(made.activation))

    return run
