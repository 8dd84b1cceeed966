"""Which tensors come up from the bottleneck, and which only meet it in a gate."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from interp.capture.structure import tensors_in
from interp.flow import given_to, plain_name

_GATES = re.compile(r"(hard)?sigmoid|softmax")
# What a gate may go through and still be one: it is made larger, turned, or taken from 1.
_SHAPING = re.compile(
    r"interpolate|upsample\w*|expand(_as)?|view(_as)?|reshape|repeat|__getitem__|contiguous|clone|permute|transpose"
    r"|unsqueeze|squeeze|chunk|split|unbind|__rsub__|rsub|sub|add|__radd__|dropout|to|float|half|type_as|pad"
)
_SUMS = {"add", "sub", "rsub", "__radd__", "__rsub__"}
_PRODUCTS = {"mul", "multiply", "__mul__", "__rmul__", "__imul__"}


class Provenance(TorchFunctionMode):
    """While active, tensors know what they come from: numbered events, and through what kind of product.

    Where a feature is multiplied by a gate (what a sigmoid gives, enlarged perhaps), the result comes from
    the feature alone: a skip weighed by attention is a skip, though the weights look at what comes up.

    Attributes:
        gated: the events of which something went into a gate, as bits.
    """

    _EVENTS, _GATE, _ACROSS = "_interp_events", "_interp_gate", "_interp_across"

    def __init__(self) -> None:
        super().__init__()
        self.gated = 0

    def mark(self, tensor: torch.Tensor, number: int) -> None:
        """Say that a tensor is what this event gave."""
        setattr(tensor, self._EVENTS, self.of(tensor) | 1 << number)

    def of(self, tensor: torch.Tensor) -> int:
        """Return the events that a tensor comes from, as bits."""
        return int(getattr(tensor, self._EVENTS, 0))

    def is_up(self, tensor: torch.Tensor) -> bool:
        """Return whether a tensor depends on where the graph begins, and not through gates alone."""
        return tensor.requires_grad and not getattr(tensor, self._ACROSS, False)

    def _is_gate(self, tensor: torch.Tensor) -> bool:
        return bool(getattr(tensor, self._GATE, False))

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = plain_name(func)
        given = list(given_to(args, kwargs))
        gates = [self._is_gate(one) for one in given]
        kept = given
        if name in _PRODUCTS and len(given) == 2 and gates[0] != gates[1]:
            feature = given[gates.index(False)]
            if feature.dim() == 4 and not isinstance(feature, torch.nn.Parameter):
                kept = [feature]
                self.gated |= self._events(given)
            else:  # a weight or a number of its own; it stays a gate
                gates = [True, True]
        grown = [one for one in kept if one.requires_grad]
        across = not any(map(self.is_up, kept)) and (bool(grown) or len(kept) < len(given))
        events = self._events(kept)
        shaped = bool(_SHAPING.fullmatch(name)) and bool(gates) and gates[0]
        gate = bool(_GATES.fullmatch(name)) or (shaped and (name not in _SUMS or all(gates)))
        gate = gate or (name in _PRODUCTS and bool(gates) and all(gates))
        output = func(*args, **kwargs)
        if name == "__setitem__":
            self._note(args[0], events, gate=False, across=across)
        elif "grad" not in name:
            for one in tensors_in(output):
                self._note(one, events, gate=gate, across=across)
        return output

    def _events(self, tensors: list[torch.Tensor]) -> int:
        found = 0
        for one in tensors:
            found |= self.of(one)
        return found

    def _note(self, tensor: torch.Tensor, events: int, *, gate: bool, across: bool) -> None:
        setattr(tensor, self._EVENTS, events)
        setattr(tensor, self._GATE, gate)
        setattr(tensor, self._ACROSS, across)
