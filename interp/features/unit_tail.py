"""The part of a generator that comes after a layer, by replay where that can be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from interp.capture import CaptureError, replay
from interp.capture.structure import split_call, submodule
from interp.features.generator_units import activation_and_output
from interp.layers import main_output


@dataclass(frozen=True, eq=False)
class UnitTail:
    """What comes after a layer of a private network, for one batch of inputs.

    Attributes:
        activation: of the layer, `(B, C, h, w)`.
        output: of the network.
        after: from another activation to the network's output with it.
    """

    activation: Tensor
    output: Tensor
    after: Callable[[Tensor], Tensor]


def tail_of(private: nn.Module, layer: str, inputs: Tensor) -> UnitTail:
    """Return the part of a network after a layer; all of it where it cannot be replayed.

    Raises:
        CaptureError: the layer gives no tensor.

    Example:
        >>> tail = tail_of(twin(generator), "3", noise)
        >>> tail.after(torch.zeros_like(tail.activation)).shape == tail.output.shape
        True
    """
    with torch.inference_mode(False), torch.no_grad():
        try:
            made = replay(private, layer, inputs)
        except CaptureError:
            activation, output = activation_and_output(private, layer, inputs)
            return UnitTail(activation, output, lambda changed: _whole(private, layer, inputs, changed))

    def after(changed: Tensor) -> Tensor:
        with torch.inference_mode(False), torch.no_grad():
            return main_output(made(changed))

    return UnitTail(made.activation, main_output(made.output), after)


def _whole(private: nn.Module, layer: str, inputs: Tensor, changed: Tensor) -> Tensor:
    """Run all of a network that cannot be replayed, with something else in the layer's place."""
    with torch.inference_mode(False), torch.no_grad():
        with _counting(private, layer, None, None) as seen:
            private(inputs.clone())
        with _counting(private, layer, changed, seen[0]):
            return main_output(private(inputs.clone()))


@contextmanager
def _counting(
    private: nn.Module, layer: str, changed: Tensor | None, calls: int | None
) -> Iterator[list[int]]:
    """Count a layer's calls, and let the one that is meant give something else."""
    name, wanted = split_call(layer)
    seen = [0]

    def hook(_module: nn.Module, _args: Any, _output: Any) -> Tensor | None:
        number, seen[0] = seen[0], seen[0] + 1
        return changed if calls is not None and number == wanted % calls else None

    handle = submodule(private, name).register_forward_hook(hook, prepend=True)
    try:
        yield seen
    finally:
        handle.remove()
