"""ROAD: what is lost when the strongest, or the weakest, part of a picture is taken away without a trace."""

from __future__ import annotations

import torch

from interp.metrics.curves import ordered
from interp.metrics.imputation import imputed
from interp.metrics.registry import metric
from interp.metrics.trial import Curve, Measured, MetricError, Trial

NOISE = 0.01  # of the normalised input: as in the code of the paper


@metric(
    "road",
    "ROAD",
    kind="faithfulness",
    better="higher",
    limits=(-0.5, 0.5),
    formula="mean_r (p(x without its weakest part r) − p(x without its strongest part r)) / 2, imputed",
    paper="Rong et al., A Consistent and Efficient Evaluation Strategy for Attribution Methods, ICML 2022",
    silent="What the neighbours of a place tell is imputed with it; large even areas are never missed.",
    passes=lambda options: 2 * options["steps"],
)
def road(trial: Trial, *, steps: int = 9, noise: float = NOISE, seed: int = 0) -> Measured:
    """Return by how much the weakest part is missed less than the strongest, over parts of every size.

    Args:
        trial: the map; of a picture with two sides.
        steps: how many parts, `1 / (steps + 1)` to `steps / (steps + 1)` of the picture.
        noise: standard deviation of what is added to imputed positions of the normalised input.
        seed: of the noise, and of the order of positions that are equally strong.
    """
    if steps < 1:
        raise MetricError(f"road(steps={steps}): give 1 or more.")
    if not noise >= 0:
        raise MetricError(f"road(noise={noise!r}): give 0 or more.")
    if len(trial.size) != 2:
        raise MetricError("ROAD needs a picture, with two sides: its gaps are filled from their neighbours.")
    order = ordered(trial.heat, seed)
    parts = [step / (steps + 1) for step in range(1, steps + 1)]
    given = trial.picture[0]
    jobs = [(way, part) for way in (order, order.flip(0)) for part in parts]

    def without(start: int, stop: int) -> torch.Tensor:
        return torch.stack([_without(given, noise, seed, way, part) for way, part in jobs[start:stop]])

    strongest, weakest = trial.scores(len(jobs), without).reshape(2, -1)
    curves = {
        "strongest first": Curve(tuple(parts), tuple(strongest.tolist())),
        "weakest first": Curve(tuple(parts), tuple(weakest.tolist())),
    }
    return Measured(float((weakest - strongest).mean()) / 2, chance=0.0, curves=curves)


def _without(given: torch.Tensor, noise: float, seed: int, order: torch.Tensor, part: float) -> torch.Tensor:
    gone = torch.zeros(len(order), dtype=torch.bool)
    gone[order[: round(part * len(order))]] = True
    return imputed(given, gone.reshape(given.shape[1:]), noise, seed)
