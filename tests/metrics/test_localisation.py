"""Where the target is known: uniform maps score their area, ties are honest, an empty mask is an error."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from trials import trial_on_map

from interp.metrics import MetricError, get

NAMES = ["relevance-mass", "rank-accuracy", "pointing-game", "box-iou"]
BOX = torch.zeros(8, 10, dtype=torch.bool)
BOX[2:5, 3:8] = True


def value(name, map, truth=BOX, **options):
    return get(name)(trial_on_map(map, truth, **options))


def one_hot(row, column, size=(8, 10)):
    map = torch.zeros(size)
    map[row, column] = 2.0
    return map


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 10**6))
def test_a_uniform_map_has_the_mask_s_share_of_the_area(height, width, seed):
    truth = torch.rand(height, width, generator=torch.Generator().manual_seed(seed)) < 0.4
    truth[0, 0] = True
    uniform = torch.full((height, width), 0.7)
    area = float(truth.float().mean())
    for name in ("relevance-mass", "rank-accuracy"):
        found = value(name, uniform, truth)
        assert found.value == pytest.approx(area)
        assert found.chance == pytest.approx(area)
    assert value("pointing-game", uniform, truth).value == 0


def test_a_map_that_is_the_mask_gets_everything():
    for name in NAMES:
        assert value(name, BOX.float()).value == 1
        assert value(name, (~BOX).float()).value < 0.5


def test_evidence_against_does_not_count():
    map = BOX.float() - 3 * (~BOX).float()
    assert value("relevance-mass", map, method="saliency").value == 1


def test_the_range_of_a_method_begins_at_its_lowest_value():
    """RISE's maps are mean scores, far from 0: what is lowest is what is not shown."""
    assert value("relevance-mass", 100 + BOX.float(), method="rise").value == 1


def test_ranks_that_are_tied_at_the_border_count_by_their_share():
    map = torch.zeros(8, 10)
    map[2:4, 3:8] = (
        1.0  # ten of fifteen; the other five are drawn from seventy tied ones, five of them inside
    )
    assert value("rank-accuracy", map).value == pytest.approx((10 + 5 * 5 / 70) / 15)


def test_pointing_within_the_tolerance():
    near = one_hot(2, 9)  # two positions to the right of the box
    assert value("pointing-game(tolerance=2)", near).value == 1
    assert value("pointing-game(tolerance=1)", near).value == 0
    assert value("pointing-game(tolerance=0.0)", one_hot(2, 3)).value == 1


def test_tied_peaks_count_by_the_share_that_hits():
    map = one_hot(3, 4) + one_hot(7, 0) + one_hot(0, 0)
    assert value("pointing-game(tolerance=0.0)", map).value == pytest.approx(1 / 3)


def test_a_map_of_nothing_is_no_hit_and_no_mass():
    nothing = torch.zeros(8, 10)
    assert value("pointing-game", nothing).value == 0
    assert math.isnan(value("relevance-mass", nothing).value)
    assert value("relevance-mass", nothing).note == "the map shows nothing"
    assert value("box-iou", nothing).value == 0


def test_the_box_is_that_of_the_largest_part():
    map = BOX.float() + one_hot(0, 0)
    assert value("box-iou", map).value == 1
    bridge = BOX.float()
    bridge[2:5, 8:10] = 0.1
    assert value("box-iou", bridge).value == 1  # below the threshold
    assert value("box-iou(threshold=0.05)", bridge).value == pytest.approx(15 / 21)


def test_the_mask_may_be_finer_than_the_map():
    truth = torch.zeros(32, 32, dtype=torch.bool)
    truth[:16, :16] = True
    map = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    found = value("relevance-mass", map, truth)
    assert 0.6 < found.value < 0.9  # between centres it is drawn linearly, beyond the border of the cell
    assert found.chance == 0.25


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("truth", "sentence"),
    [
        (None, "needs to know where the target really is; give a mask"),
        (torch.zeros(8, 10, dtype=torch.bool), "the mask is empty"),
        (torch.ones(4, 4, dtype=torch.bool), "the mask has 4 × 4 positions, the network's input 8 × 10"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused(name, truth, sentence):
    trial = trial_on_map(torch.rand(8, 10), BOX)
    with pytest.raises(MetricError, match=sentence):
        get(name)(type(trial)(trial.probe, trial.method, trial.map, truth))


@pytest.mark.parametrize(
    "name", ["pointing-game(tolerance=-1.0)", "box-iou(threshold=0.0)", "box-iou(threshold=1.5)"]
)
def test_wrong_options_are_refused(name):
    with pytest.raises(MetricError, match="give"):
        value(name, BOX.float())
