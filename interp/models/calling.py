"""How a network is called: what it takes beside the picture, and which part of its output is meant."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from interp.layers import main_output
from interp.models.builders import ModelError

Selector = str | int | Callable[[Any], torch.Tensor]
Extras = Sequence[Any] | Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Calling:
    """A network's further inputs, the same for every picture, and the part of its output that is explained.

    Attributes:
        output: a key, an attribute, an index, or a callable from all that the network returns to one tensor;
            `None` for the first tensor.
        extras: what is given after the picture, or by name: tensors for one picture, `(1, ...)`, which are
            repeated for each of a batch, and anything else as it is.

    Example:
        >>> Calling("logits").call(lambda x: {"loss": x.sum(), "logits": x}, torch.zeros(2, 3)).shape
        torch.Size([2, 3])
    """

    output: Selector | None = None
    extras: Extras = ()

    def call(self, function: Callable[..., Any], inputs: torch.Tensor) -> torch.Tensor:
        """Return the part of the output that is meant, `(B, ...)`.

        Raises:
            ModelError: the network returns no such part.
        """
        if isinstance(self.extras, Mapping):
            named = {key: _for_batch(value, inputs) for key, value in self.extras.items()}
            returned = function(**{_free(function, named): inputs}, **named)
        else:
            returned = function(inputs, *(_for_batch(value, inputs) for value in self.extras))
        found = main_output(returned) if self.output is None else _selected(returned, self.output)
        # One number for each picture, or a single picture's classes without the batch.
        return found if found.dim() > 1 or found.numel() % len(inputs) else found.reshape(len(inputs), -1)

    def install(self, private: nn.Module) -> None:
        """Let a twin be called with the picture alone, and return the part that is meant."""
        # A partial of a bound method copies with its module.
        private.forward = functools.partial(_forward, private.forward, self)


def _forward(function: Callable[..., Any], calling: Calling, inputs: torch.Tensor) -> torch.Tensor:
    return calling.call(function, inputs)


def _for_batch(value: Any, inputs: torch.Tensor) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    value = value.to(inputs.device)
    value = value.to(inputs.dtype) if value.is_floating_point() else value
    if value.dim() == 0:
        return value
    if len(value) != 1:
        raise ModelError(
            f"an extra input of {tuple(value.shape)} does not say which row is whose; give it for one "
            f"picture, (1, ...), here {(1, *value.shape[1:])}."
        )
    return value.expand(len(inputs), *value.shape[1:])


def _free(function: Callable[..., Any], named: Mapping[str, Any]) -> str:
    """Return the first parameter that is not given by name: the picture."""
    parameters = inspect.signature(getattr(function, "forward", function)).parameters
    free = [name for name in parameters if name not in named]
    if unknown := [name for name in named if name not in parameters]:
        raise ModelError(
            f"the network's forward takes no {unknown[0]!r}; it takes {', '.join(map(repr, parameters))}."
        )
    return free[0]


def _selected(returned: Any, output: Selector) -> torch.Tensor:
    try:
        if not isinstance(output, (str, int)):
            found = output(returned)
        elif isinstance(output, str) and not isinstance(returned, Mapping):
            found = getattr(returned, output)
        else:
            found = returned[output]
    except (KeyError, IndexError, AttributeError, TypeError) as error:
        raise ModelError(
            f"the network returns no output={output!r}: it returns {_said(returned)}."
        ) from error
    if not isinstance(found, torch.Tensor):
        raise ModelError(
            f"output={output!r} is {_said(found)} of what the network returns; it must be one tensor."
        )
    return found


def _said(returned: Any) -> str:
    if isinstance(returned, Mapping):
        return f"a {type(returned).__name__} with {', '.join(map(repr, returned))}"
    if isinstance(returned, (tuple, list)):
        return f"a {type(returned).__name__} of {len(returned)}"
    return f"a {type(returned).__name__}"
