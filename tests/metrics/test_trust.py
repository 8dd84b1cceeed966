"""The short verdict beside a map, and the place of a map beside displaced copies of it."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn
from trials import Linear, class_target, trial_of

import interp
from interp.metrics import MetricError, agreement, get, truster
from interp.metrics.trusting import passes

CAT = Path(__file__).parents[2] / "sample_images" / "cat.jpg"
SIDE = 12
SPOT = torch.zeros(SIDE, SIDE)
SPOT[2:5, 3:6] = 1


def spotted(map, **settings):
    """A trial on a network that scores what is bright within the spot, and nothing else."""
    inputs = torch.zeros(1, 3, SIDE, SIDE)
    # A checkerboard: a blur leaves nothing of it, so what is inserted counts.
    inputs[..., ::2, ::2] = inputs[..., 1::2, 1::2] = 1
    inputs[..., ::2, 1::2] = inputs[..., 1::2, ::2] = -1
    return trial_of(Linear(0.02 * inputs * SPOT), inputs, map, target=class_target(), **settings)


def test_the_map_of_what_counts_beats_every_copy_and_one_beside_it_few():
    assert get("displaced(copies=40)")(spotted(SPOT)).value == 1
    assert get("displaced(copies=40)")(spotted(SPOT.roll((6, 6), (0, 1)))).value < 0.5
    assert get("displaced(copies=40)")(spotted(-SPOT)).value < 0.5


def test_a_map_without_contrast_is_as_good_as_its_copies():
    found = get("displaced")(spotted(torch.ones(SIDE, SIDE)))
    assert (found.value, found.chance) == (0.5, 0.5)


def test_a_map_of_chance_beats_about_half_of_its_copies():
    maps = torch.rand(30, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    values = [get("displaced")(spotted(map)).value for map in maps]
    assert 0.35 < sum(values) / len(values) < 0.65


def test_no_copy_is_refused():
    with pytest.raises(MetricError, match=r"displaced\(copies=0\): give 1 or more"):
        get("displaced(copies=0)")(spotted(SPOT))


def painter(seed=0):
    """A small network of five classes."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
    ).eval()


@pytest.fixture(scope="module")
def model():
    return interp.load(painter(), preprocess=interp.Preprocess((24, 24), (0.5,) * 3, (0.5,) * 3))


@pytest.fixture(scope="module")
def picture():
    pixels = torch.randint(0, 256, (24, 24, 3), generator=torch.Generator().manual_seed(1))
    return Image.fromarray(pixels.byte().numpy())


@pytest.mark.parametrize("method", ["random", "edges", "centre"])
def test_a_map_that_needs_no_weights_fails(model, picture, method):
    found = interp.trust(interp.explain(model, picture, method=method))
    assert found.level == "fails"
    assert found.words == "Do not believe it"
    assert found.measured["weights"].value == pytest.approx(1)
    assert any("learnt nothing gets much the same map" in reason for reason in found.reasons)
    assert str(found).startswith("✗ Do not believe it. ")


def test_a_map_that_needs_no_class_is_doubtful(model, picture):
    found = interp.trust(interp.explain(model, picture, method="activation-mean"))
    assert found.measured["class"].value == pytest.approx(1)
    assert "Other classes get much the same map" in " ".join(found.reasons)
    assert found.level in ("doubtful", "fails")


def test_a_map_of_nothing_or_of_no_numbers_fails_at_once(model, picture):
    explanation = interp.explain(model, picture)
    empty = interp.trust(replace(explanation, map=torch.zeros_like(explanation.map)))
    broken = interp.trust(replace(explanation, map=torch.full_like(explanation.map, math.nan)))
    assert [check.about for check in (*empty.checks, *broken.checks)] == ["map", "map"]
    assert {empty.level, broken.level} == {"fails"}


def test_the_map_of_a_class_that_the_network_does_not_believe_says_so(model, picture):
    explanation = replace(interp.explain(model, picture), probability=1e-4)
    found = interp.trust(explanation)
    assert "The network gives this class 0.0 % itself" in found.reasons[0]
    assert found.level != "holds"


def test_one_truster_says_of_many_maps_what_trust_says_of_each(model, picture):
    made = interp.explain(model, picture, target=interp.targets.top(2), method=["grad-cam", "random"])
    with truster(model) as judge:
        together = [judge(each) for each in made]
    assert together == [interp.trust(each) for each in made]


def test_progress_rises_to_the_end_and_the_network_stays_as_it_was(model, picture):
    before = model.weights_hash()
    told = []
    interp.trust(interp.explain(model, picture), progress=lambda *step: told.append(step))
    shares = [done / total for done, total in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert model.weights_hash() == before


def test_what_has_no_other_class_is_not_asked_about_it(picture):
    two = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1))
    model = interp.load(two.eval(), preprocess=interp.Preprocess((24, 24), (0.5,) * 3, (0.5,) * 3))
    found = interp.trust(interp.explain(model, picture, target=0))
    assert {"weights", "place"} <= set(found.measured)
    assert "class" not in found.measured


def test_a_region_of_a_segmentation_is_judged(picture):
    torch.manual_seed(0)
    dense = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 3, 1)).eval()
    model = interp.load(
        dense, task="segmentation", preprocess=interp.Preprocess((24, 24), (0.5,) * 3, (0.5,) * 3)
    )
    found = interp.trust(interp.explain(model, picture, interp.targets.pixel(0.5, 0.5), "saliency"))
    assert set(found.measured) == {"weights", "place"}


def test_the_verdict_can_be_written_down(model, picture):
    found = interp.trust(interp.explain(model, picture))
    written = found.to_json()
    assert written["level"] == found.level
    assert [check["words"] for check in written["checks"]] == [check.words for check in found.checks]


@pytest.mark.slow
def test_a_glance_leaves_out_the_place_and_says_so(default_model):
    with truster(default_model) as judge:
        found = judge(interp.explain(default_model, CAT), place=False)
    assert (found.level, found.words) == ("holds", "No objection at a glance")
    assert set(found.measured) == {"weights", "class"}


def test_what_it_costs_is_counted():
    assert passes(1) == get("displaced").passes + 5


def test_the_default_network_and_method_hold_where_eigen_cam_fails(default_model):
    assert interp.trust(interp.explain(default_model, CAT)).level == "holds"
    assert interp.trust(interp.explain(default_model, CAT, method="eigen-cam")).level == "fails"


def test_a_network_agrees_with_itself_and_hardly_with_one_that_was_taught_otherwise(model, picture):
    other = interp.load(painter(7), preprocess=model.preprocess)
    explanation = interp.explain(model, picture, method="saliency")
    assert agreement(explanation, model).value == pytest.approx(1)
    assert agreement(explanation, other).value < 0.7
    control = interp.explain(model, picture, method="random", layer="2")
    assert agreement(control, other).value == pytest.approx(1)


def test_maps_of_unlike_sizes_have_no_agreement(model, picture):
    smaller = interp.load(painter(), preprocess=interp.Preprocess((12, 12), (0.5,) * 3, (0.5,) * 3))
    with pytest.raises(
        MetricError, match="24 × 24 and 12 × 12 positions; compare networks of one architecture"
    ):
        agreement(interp.explain(model, picture, method="saliency"), smaller)
