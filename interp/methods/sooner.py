"""When a method that runs the network many times runs an optimised copy of it in its place."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import torch
from torch import nn

from interp.capture import Optimised, agrees, optimised

Optimize = Literal["auto", "on", "off", "bf16"]
"""`auto`: where it was measured to be faster; `on`: wherever it gives the same output; `bf16`: and in that
precision, which is not the same; `off`: never."""

OPTIMIZE = get_args(Optimize)
MANY = 32  # passes: from here on, a copy that costs four has paid for itself


@dataclass(frozen=True, eq=False)
class Copies:
    """The optimised copies of one twin, each made when it is first asked for.

    They live as long as the explanation, so weights that go on training are seen by the next.

    Attributes:
        module: the twin.
        inputs: `(1, C, *size)`, the picture at hand; a copy must agree with the twin on it.
        optimize: when to give one at all.
    """

    module: nn.Module
    inputs: torch.Tensor
    optimize: Optimize = "auto"
    _made: dict[tuple[str, torch.dtype], Optimised | None] = field(default_factory=dict)
    _agreed: dict[tuple[str, torch.dtype], bool] = field(default_factory=dict)

    def asked(self, optimize: Optimize) -> Copies:
        """Return the same copies, given out under another rule."""
        return replace(self, optimize=optimize)

    def of(self, inputs: torch.Tensor) -> Copies:
        """Return the same copies for another picture."""
        return replace(self, inputs=inputs, _agreed={})

    def get(self, passes: int, keep: str = "") -> Optimised | None:
        """Return a copy for so many passes of the picture, or `None` where the twin itself is to be run.

        Args:
            passes: of the whole network, or of what comes after `keep`.
            keep: a layer whose output is changed, and must be what it is in the twin.
        """
        if self.optimize == "off" or (self.optimize == "auto" and not (passes >= MANY and self._measured())):
            return None
        key = keep, torch.bfloat16 if self.optimize == "bf16" else self.inputs.dtype
        if key not in self._made:
            self._made[key] = optimised(self.module, self.inputs, keep=keep, dtype=key[1])
            self._agreed[key] = True
        found = self._made[key]
        if found is None or not (found.folded or self.optimize != "auto"):
            return None
        if key not in self._agreed:
            self._agreed[key] = agrees(found, self.module, self.inputs)
        return found if self._agreed[key] else None

    def _measured(self) -> bool:
        """Whether this is the kind of network and machine on which a copy was faster, always."""
        given = self.inputs
        return given.device.type == "cpu" and given.dtype == torch.float32 and given.dim() == 4
