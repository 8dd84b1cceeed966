"""Deletion, insertion, ROAD, drops and infidelity, against closed forms and against other libraries."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_grad_cam.metrics.road import NoisyLinearImputer
from torch import nn
from torchcam.metrics import DeletionInsertionMetric
from trials import Linear, class_target, trial_of

from interp.metrics import Curve, MetricError, get
from interp.metrics.curves import counts, ordered
from interp.metrics.imputation import _laplacian, imputed

GENERATOR = torch.Generator().manual_seed(5)
PICTURE = torch.rand(1, 3, 6, 8, generator=GENERATOR)
ONES = torch.ones(1, 3, 6, 8)
PIXELS = PICTURE.sum(1)[0]


def descending(values):
    return values.flatten().sort(descending=True).values.double()


def test_deletion_of_a_sum_of_pixels_is_what_is_left_of_the_sum():
    trial = trial_of(Linear(ONES), PICTURE, PIXELS)
    found = get("deletion", steps=48)(trial)
    left = PIXELS.double().sum() - torch.cat([torch.zeros(1), descending(PIXELS).cumsum(0)])
    curve = found.curves["deletion"]
    assert curve.parts == pytest.approx([k / 48 for k in range(49)])
    assert curve.scores == pytest.approx(left.tolist(), abs=1e-4)
    assert found.value == pytest.approx(float(torch.trapezoid(left, dx=1 / 48)), abs=1e-4)


def test_insertion_of_a_sum_of_pixels_is_the_sum_of_what_has_come():
    trial = trial_of(Linear(ONES), PICTURE, PIXELS)
    found = get("insertion", steps=48, baseline="zero")(trial)
    come = torch.cat([torch.zeros(1), descending(PIXELS).cumsum(0)])
    assert found.curves["insertion"].scores == pytest.approx(come.tolist(), abs=1e-4)
    deleted = get("deletion", steps=48)(trial)
    assert found.value + deleted.value == pytest.approx(float(PIXELS.sum()), abs=1e-4)


@pytest.mark.parametrize("name", ["deletion", "insertion(baseline='zero')"])
def test_the_true_order_is_the_best_there_is(name):
    better = -1 if name == "deletion" else 1
    true = get(name)(trial_of(Linear(ONES), PICTURE, PIXELS)).value
    for seed in range(5):
        other = torch.rand(6, 8, generator=torch.Generator().manual_seed(seed))
        assert better * (true - get(name)(trial_of(Linear(ONES), PICTURE, other)).value) > 0


@given(st.integers(1, 300), st.integers(1, 400))
def test_points_go_from_nothing_to_everything(positions, steps):
    points = counts(positions, steps)
    assert points[0] == 0
    assert points[-1] == positions
    assert all(a < b for a, b in pairwise(points))
    assert len(points) == min(steps, positions) + 1


def test_ties_are_in_random_order_and_the_rest_is_sorted():
    heat = torch.tensor([1.0, 5.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0])
    orders = [ordered(heat, seed).tolist() for seed in range(6)]
    assert all(order[0] == 1 and order[-1] == 4 for order in orders)
    assert len(set(map(tuple, orders))) > 1
    assert ordered(heat, 0).tolist() == ordered(heat, 0).tolist()


class Net(nn.Sequential):
    def __init__(self):
        torch.manual_seed(0)
        super().__init__(
            nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4)
        )


@pytest.mark.parametrize("steps", [6, 12, 48])
def test_curves_are_torchcam_s_where_steps_are_even(steps):
    """torchcam's steps are rounded up, so it has as many only where they divide the number of positions."""
    heat = torch.rand(6, 8, generator=torch.Generator().manual_seed(1))
    net = Net().eval()
    trial = trial_of(net, PICTURE, heat, target=class_target(2))

    class Extractor:
        model = net

    metric = DeletionInsertionMetric(Extractor(), lambda logits: logits.softmax(-1), steps=steps)
    Extractor._hooks_off = lambda _: torch.no_grad()
    ranks = torch.empty(48, dtype=torch.long)
    ranks[heat.flatten().argsort(descending=True)] = torch.arange(48)
    with torch.no_grad():
        whole = net(PICTURE).softmax(-1)[:, 2]
    fractions, deleted, inserted = metric._compute_curves(
        PICTURE, torch.zeros_like(PICTURE), ranks[None], torch.tensor([2]), whole
    )
    ours = get("deletion", steps=steps)(trial).curves["deletion"]
    assert ours.parts == pytest.approx(fractions.tolist())
    assert ours.scores == pytest.approx(deleted[0].tolist(), abs=1e-6)
    ours = get("insertion", steps=steps, baseline="zero")(trial).curves["insertion"]
    assert ours.scores == pytest.approx(inserted[0].tolist(), abs=1e-6)


def test_a_class_is_followed_by_its_probability_and_others_by_their_score():
    net = Net().eval()
    trial = trial_of(net, PICTURE, PIXELS, target=class_target(1))
    with torch.no_grad():
        assert trial.whole == pytest.approx(float(net(PICTURE).softmax(1)[0, 1]))
    assert trial_of(Linear(ONES), PICTURE, PIXELS).whole == pytest.approx(float(PICTURE.sum()), rel=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 7), st.integers(1, 7), st.integers(0, 10**6))
def test_imputation_is_the_dense_solution(height, width, seed):
    generator = torch.Generator().manual_seed(seed)
    picture = torch.randn(2, height, width, generator=generator, dtype=torch.float64)
    gone = torch.rand(height, width, generator=generator) < 0.6
    if bool(gone.all()):
        gone[0, 0] = False
    found = imputed(picture, gone, 0.0, 0)
    assert found[:, ~gone].equal(picture[:, ~gone])
    system = torch.from_numpy(_laplacian((height, width)).toarray())
    where, known = gone.flatten(), ~gone.flatten()
    for channel, filled in zip(picture.flatten(1), found.flatten(1), strict=True):
        right = -system[where][:, known] @ channel[known]
        dense = torch.linalg.solve(system[where][:, where], right)
        torch.testing.assert_close(filled[where], dense)


def test_imputation_is_that_of_the_paper_s_code():
    generator = torch.Generator().manual_seed(3)
    picture = torch.rand(3, 16, 20, generator=generator)
    gone = torch.rand(16, 20, generator=generator) < 0.7
    theirs = NoisyLinearImputer(noise=0)(picture, (~gone).float())
    torch.testing.assert_close(imputed(picture, gone, 0.0, 0), theirs, rtol=1e-4, atol=1e-5)


def test_a_slope_is_imputed_as_it_was():
    across = torch.arange(9.0).expand(1, 7, 9)
    gone = torch.zeros(7, 9, dtype=torch.bool)
    gone[2:5, 3:7] = True
    torch.testing.assert_close(imputed(across, gone, 0.0, 0), across)


def test_noise_is_seeded_and_lies_on_what_was_gone():
    gone = torch.zeros(6, 8, dtype=torch.bool)
    gone[1:3] = True
    one, two, other = (imputed(PICTURE[0], gone, 0.5, seed) for seed in (1, 1, 2))
    assert one.equal(two)
    assert not one.equal(other)
    assert one[:, ~gone].equal(PICTURE[0][:, ~gone])


def test_where_nothing_is_left_the_mean_colour_stands():
    found = imputed(PICTURE[0], torch.ones(6, 8, dtype=torch.bool), 0.0, 0)
    torch.testing.assert_close(found, PICTURE[0].mean((1, 2), keepdim=True).expand(3, 6, 8))


def test_road_is_positive_for_the_true_map_and_turns_its_sign_with_the_map():
    weight = torch.zeros(1, 3, 6, 8)
    weight[..., 1:3, 2:5] = 1
    heat = weight[0, 0] + 0.01 * torch.rand(6, 8, generator=torch.Generator().manual_seed(0))
    picture = PICTURE + 4 * weight
    right, wrong = (
        get("road", noise=0.0)(trial_of(Linear(weight), picture, sign * heat)).value for sign in (1, -1)
    )
    assert right > 1
    assert wrong == pytest.approx(-right)


def test_drop_and_increase_of_a_sum_of_pixels():
    seen = PIXELS / PIXELS.max()
    trial = trial_of(Linear(ONES), PICTURE, PIXELS)
    left = float((PICTURE * seen).sum())
    whole = float(PICTURE.sum())
    assert get("average-drop")(trial).value == pytest.approx((whole - left) / whole, rel=1e-5)
    assert get("increase")(trial).value == 0
    against = trial_of(Linear(-ONES), PICTURE, PIXELS)
    assert get("increase")(against).value == 1


def test_a_map_that_never_changes_is_coherent():
    picture = torch.rand(1, 3, 6, 8, generator=torch.Generator().manual_seed(9))
    trial = trial_of(Net(), picture, torch.empty(0), method="random", layer="1", target=class_target())
    map = trial.again(picture)[0]
    trial = trial_of(Net(), picture, map, method="random", layer="1", target=class_target())
    assert get("coherency")(trial).value == pytest.approx(1)
    drop, complexity = get("average-drop")(trial).value, float(trial.evidence.mean())
    assert get("adcc")(trial).value == pytest.approx(3 / (1 + 1 / (1 - complexity) + 1 / (1 - drop)))
    faithful = min(max(2 * get("road", steps=4)(trial).value, 0), 1)
    expected = 3 / (1 + 1 / (1 - complexity) + 1 / faithful) if faithful > 0 else 0
    assert get("arcc")(trial).value == pytest.approx(expected)


def test_the_worth_of_every_place_of_a_linear_network_has_no_infidelity():
    weight = torch.randn(1, 3, 6, 8, generator=torch.Generator().manual_seed(4))
    worth = (weight * PICTURE).sum(1)[0]
    for scale in (1, -7.5):  # the best scale is found, whatever the map's
        found = get("infidelity")(trial_of(Linear(weight), PICTURE, scale * worth))
        assert found.value == pytest.approx(0, abs=1e-9)
    nothing = get("infidelity")(trial_of(Linear(weight), PICTURE, torch.zeros(6, 8)))
    assert nothing.value == pytest.approx(1)
    assert math.isnan(get("infidelity")(trial_of(Linear(0 * weight), PICTURE, worth)).value)


def test_area_under_a_curve():
    assert Curve((0.0, 0.5, 1.0), (1.0, 1.0, 0.0)).area == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("deletion(steps=0)", r"deletion\(steps=0\): give 1 or more"),
        ("deletion(baseline='grey')", "give black, white, zero, mean, blur"),
        ("road(steps=0)", "give 1 or more"),
        ("road(noise=-1.0)", "give 0 or more"),
        ("infidelity(samples=1)", "give 2 or more"),
        ("infidelity(side=0.0)", "give a part of the picture's side"),
    ],
)
def test_wrong_options_are_refused_in_a_sentence(name, sentence):
    with pytest.raises(ValueError, match=sentence):
        get(name)(trial_of(Linear(ONES), PICTURE, PIXELS))


def test_road_needs_two_sides():
    module = Linear(torch.ones(1, 3, 8))
    model = {"input_shape": (3, 8)}
    inputs = torch.rand(1, 3, 8)
    with pytest.raises(MetricError, match="two sides"):
        get("road")(trial_of(module, inputs, torch.arange(8.0), **model))
    found = get("deletion", steps=8)(trial_of(module, inputs, inputs.sum(1)[0], **model))
    assert np.diff(found.curves["deletion"].scores).max() < 0
