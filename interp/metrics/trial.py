"""One map on trial: the network, the picture, the target, the map, and what is known of the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch

from interp.dense import RegionTarget
from interp.logits import CallableTarget, LogitTarget
from interp.methods.fusing import enlarged, share_of_peak
from interp.methods.perturbing import picture, scored
from interp.methods.probe import Probe
from interp.methods.registry import Method
from interp.targets import Target


class MetricError(ValueError):
    """There is no such metric, or it cannot judge this map; the message says what would work."""


@dataclass(frozen=True)
class Curve:
    """How a score changes while the picture does.

    Attributes:
        parts: of the picture that were changed, from 0 to 1.
        scores: at each, the target's probability, or its score where it has none.
    """

    parts: tuple[float, ...]
    scores: tuple[float, ...]

    @property
    def area(self) -> float:
        """The area under it, by the trapezoid rule."""
        return float(torch.trapezoid(torch.tensor(self.scores).double(), torch.tensor(self.parts).double()))


@dataclass(frozen=True)
class Measured:
    """What a metric says of one map.

    Attributes:
        value: the number; NaN where the metric has nothing to say of this map.
        chance: what a map that knows nothing would get, where that is known.
        curves: by name, what the number was made of.
        note: why there is no number.
    """

    value: float
    chance: float | None = None
    curves: dict[str, Curve] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, eq=False)
class Trial:
    """One map on trial.

    Attributes:
        probe: the network, the prepared picture `(1, C, *size)`, the target and the layer.
        method: which made the map, and can make others.
        map: `(*grid)`, raw.
        truth: `(*size)`, bool, where the target really is on the network's input; None where nobody knows.
    """

    probe: Probe
    method: Method
    map: torch.Tensor
    truth: torch.Tensor | None = None

    @property
    def picture(self) -> torch.Tensor:
        """The prepared picture, `(1, C, *size)`."""
        return picture(self.probe)

    @property
    def size(self) -> tuple[int, ...]:
        """Of the prepared picture."""
        return tuple(self.probe.inputs.shape[2:])

    @property
    def heat(self) -> torch.Tensor:
        """The raw map at the size of the picture, linear between the centres of its cells, `(*size)`."""
        return self.on_picture(self.map)

    def on_picture(self, map: torch.Tensor) -> torch.Tensor:
        """Return a raw map at the size of the picture."""
        return enlarged(map[None].float(), self.size)[0]

    @property
    def evidence(self) -> torch.Tensor:
        """What people see of the map, from 0 to 1 at the size of the picture: see `shown`."""
        return shown(self.method, self.heat)

    def scores(
        self,
        count: int,
        changed: Callable[[int, int], torch.Tensor],
        *,
        before: int = 0,
        total: int | None = None,
    ) -> torch.Tensor:
        """Return the target's probabilities `(count,)` for changed pictures, made a few at a time.

        Args:
            count: how many there are.
            changed: `changed(start, stop)` makes those from `start` to before `stop`.
            before: how many were scored before these.
            total: how many there will be altogether.
        """
        asking = replace(self.probe, target=self.likelihood)
        return scored(asking, count, changed, before=before, total=total).cpu().double()

    def raw_scores(self, count: int, changed: Callable[[int, int], torch.Tensor]) -> torch.Tensor:
        """Return the target's own scores `(count,)` for changed pictures."""
        return scored(self.probe, count, changed).cpu().double()

    def again(self, inputs: torch.Tensor, target: Target | None = None) -> torch.Tensor:
        """Return the method's raw maps `(N, *grid)` of other pictures or another target, on the CPU."""
        probe = self.probe if target is None else replace(self.probe, target=target)
        return probe.maps(self.method, inputs).float().cpu()

    @property
    def likelihood(self) -> CallableTarget:
        """The target's probability where it is a class, or a class over a region; else its score as it is."""
        return CallableTarget(lambda output: _likelihood(self.probe, output), self.probe.target.name)

    @property
    def whole(self) -> float:
        """The probability for the picture as it is."""
        return float(self.likelihood(self.probe.output)[0])


def shown(method: Method, values: torch.Tensor) -> torch.Tensor:
    """Return what of a map stands for the target, from 0 to 1: its positive part over its maximum.

    Of methods that are drawn over their range, its values from the lowest to the highest.
    """
    if method.display == "range":
        lowest = values.amin()
        return share_of_peak((values - lowest)[None])[0]
    return share_of_peak(values[None])[0]


def _likelihood(probe: Probe, output: torch.Tensor) -> torch.Tensor:
    target, model = probe.target, probe.model
    if model.activation == "none":
        return target(output)
    if isinstance(target, LogitTarget) and output.dim() == 2 and len(target.terms) == 1:
        ((index, coefficient),) = target.terms
        return model.probabilities(output)[:, index] if coefficient == 1 else target(output)
    if isinstance(target, RegionTarget) and output.dim() == 4 and bool(target.region.any()):
        region = target.region.to(output.device)
        return model.probabilities(output)[:, target.index][:, region].mean(1)
    return target(output)
