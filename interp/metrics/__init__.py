"""Can the picture be trusted? Is the map faithful, well placed, stable, simple?"""

from interp.metrics import (  # noqa: F401  (they register themselves)
    complexity,
    curves,
    dropping,
    infidelity,
    localisation,
    road,
    sanity,
    stability,
)
from interp.metrics.evaluating import Plan, evaluate, plan
from interp.metrics.evaluation import Evaluation, Summary
from interp.metrics.games import GridGame, grid_game
from interp.metrics.measuring import measure
from interp.metrics.registry import KINDS, Metric, get, metric, metrics
from interp.metrics.trial import Curve, Measured, MetricError, Trial

__all__ = [
    "KINDS",
    "Curve",
    "Evaluation",
    "GridGame",
    "Measured",
    "Metric",
    "MetricError",
    "Plan",
    "Summary",
    "Trial",
    "evaluate",
    "get",
    "grid_game",
    "measure",
    "metric",
    "metrics",
    "plan",
]
