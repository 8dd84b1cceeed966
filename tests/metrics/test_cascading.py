"""Cascading randomisation with its maps: the metric's numbers, and the network stays as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import interp
from interp.metrics import MetricError, measure
from interp.metrics.cascading import cascade


@pytest.fixture
def explanation():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(6, 4),
    )  # fmt: skip
    model = interp.load(net, preprocess=interp.Preprocess((24, 24), (0.5,) * 3, (0.5,) * 3))
    noise = np.random.default_rng(0).integers(0, 255, (24, 24, 3)).astype(np.uint8)
    return interp.explain(model, Image.fromarray(noise), 1, "eigen-cam", "3")


def test_it_is_what_the_metric_measures(explanation):
    curves = measure(explanation, "randomisation(steps=3)")["randomisation(steps=3)"].curves
    found = cascade(explanation, steps=3)
    assert tuple(each.part for each in found) == curves["rank correlation"].parts
    assert tuple(each.rank for each in found) == curves["rank correlation"].scores
    assert tuple(each.ssim for each in found) == curves["SSIM"].scores


def test_the_trained_network_comes_first_and_stays_as_it_is(explanation):
    before = explanation.model.weights_hash()
    told = []
    first, *rest = cascade(explanation, steps=3, progress=lambda done, total: told.append(done / total))
    assert first.explanation is explanation
    assert (first.part, first.rank, first.ssim) == (0.0, 1.0, 1.0)
    assert [each.part for each in rest] == [1 / 3, 2 / 3, 1.0]
    assert told == sorted(told)
    assert told[-1] == 1
    assert explanation.model.weights_hash() == before
    assert {each.explanation.map.shape for each in rest} == {explanation.map.shape}


def test_no_step_is_refused(explanation):
    with pytest.raises(MetricError, match="give 1 or more"):
        cascade(explanation, steps=0)
