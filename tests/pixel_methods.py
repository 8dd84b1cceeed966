"""Two methods whose maps lie on the input, one at once and one slow, for a test's time in the registry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from interp.methods import registry
from interp.methods.spelling import MethodError


@contextmanager
def registered() -> Iterator[None]:
    """Register `test-pixels`, the input times its gradient, and `test-masks`, which counts as slow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))
        patch.setattr(registry, "_COSTS", dict(registry._COSTS))
        common = {"family": "pixels", "needs": "probe", "place": "input", "paper": "none"}
        quick = {"display": "signed", "formula": "x ⊙ g", "passes": 3.0}
        slow = {"display": "positive", "formula": "Σ m", "passes": lambda options: options["masks"]}
        registry.method("test-pixels", "Pixels", **quick, **common)(_pixels)
        registry.method("test-masks", "Masks", **slow, **common)(_masks)
        yield


def _pixels(probe):
    inputs = probe.inputs.clone().requires_grad_(True)
    with torch.enable_grad():
        score = probe.ask(probe.run(inputs.clone())).sum()
    (gradient,) = torch.autograd.grad(score, inputs)
    return (inputs * gradient)[0].sum(0).detach()


def _masks(probe, *, masks: int = 100, soft: bool = True, level: float = 0.5, kind: str = "zero"):
    if masks < 1:
        raise MethodError(f"test-masks(masks={masks}): give 1 or more.")
    for number in range(masks):
        probe.progress(number, masks)
    return probe.inputs[0].mean(0) * level * (2 if soft else 1) + (kind == "one")
