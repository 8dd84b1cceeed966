"""Can the picture be trusted? Is the map faithful, well placed, stable, simple?"""

from interp.metrics import (  # noqa: F401  (they register themselves)
    complexity,
    curves,
    displaced,
    dropping,
    infidelity,
    localisation,
    road,
    sanity,
    stability,
)
from interp.metrics.between import agreement
from interp.metrics.boxes import Boxes
from interp.metrics.evaluating import Plan, evaluate, plan
from interp.metrics.evaluation import Evaluation, Summary
from interp.metrics.games import GridGame, grid_game
from interp.metrics.measuring import measure
from interp.metrics.playing import Games, play
from interp.metrics.registry import KINDS, Metric, get, metric, metrics
from interp.metrics.trial import Curve, Measured, MetricError, Trial
from interp.metrics.trusting import Check, Trust, trust, truster

__all__ = [
    "KINDS",
    "Boxes",
    "Check",
    "Curve",
    "Evaluation",
    "Games",
    "GridGame",
    "Measured",
    "Metric",
    "MetricError",
    "Plan",
    "Summary",
    "Trial",
    "Trust",
    "agreement",
    "evaluate",
    "get",
    "grid_game",
    "measure",
    "metric",
    "metrics",
    "plan",
    "play",
    "trust",
    "truster",
]
