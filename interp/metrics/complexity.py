"""How much a map says at once: few places or many."""

from __future__ import annotations

import math

import torch

from interp.metrics.registry import metric
from interp.metrics.trial import Measured, Trial
from interp.sparseness import gini


@metric(
    "sparseness",
    "Sparseness (Gini)",
    kind="complexity",
    better="higher",
    limits=(0, 1),
    formula="Σ_k (2k − N − 1) |a|_(k) / (N Σ_k |a|_(k)), |a| in rising order",
    paper="Chalasani et al., Concise Explanations of Neural Networks, ICML 2020",
    silent="One pixel is as sparse as can be and may be the wrong one.",
)
def sparseness(trial: Trial) -> Measured:
    """Return the Gini index of the map's absolute values at its own resolution.

    0 where all are equal, `1 − 1/N` where one of N is not 0; of finer maps it may be larger.
    """
    if not bool(trial.map.any()):
        return Measured(float("nan"), note="the map is 0 everywhere")
    return Measured(float(gini(trial.map.flatten())), chance=0.0)


@metric(
    "entropy",
    "Entropy",
    kind="complexity",
    better="lower",
    limits=(0, 1),
    formula="−Σ_i q_i log q_i / log N, q = |a| / Σ |a|",
    paper="Bhatt et al., Evaluating and Aggregating Feature-based Model Explanations, IJCAI 2020",
    silent="One pixel is as simple as can be and may be the wrong one.",
)
def entropy(trial: Trial) -> Measured:
    """Return how evenly the map is spread, of the most there can be at its own resolution."""
    values = trial.map.flatten().abs().double()
    total, count = float(values.sum()), len(values)
    if total == 0:
        return Measured(float("nan"), note="the map is 0 everywhere")
    if count == 1:
        return Measured(0.0)
    shares = values / total
    return Measured(float(torch.special.entr(shares).sum()) / math.log(count), chance=1.0)
