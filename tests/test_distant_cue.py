"""A U-Net for which a distant cue decides, and one for which it does not: where the evidence is said to be.

The same pictures for both. What sees the cue has more of its evidence there than for the network that learnt
the square's own colour.
"""

import numpy as np
import pytest
from distant_cues import CLASSES, SIDE, accuracy, heat, scenes, trained

import interp
from interp import targets

pytestmark = pytest.mark.slow

AREA = 1 / 16
IG = "integrated-gradients(baseline='blur', steps=16)"
# Method, layer, least share of the evidence at the cue.
SEES = [
    ("saliency", None, 0.1),
    ("input-x-gradient", None, 0.15),
    (IG, None, 0.6),
    ("occlusion(window=4, stride=2, baseline='mean')", None, 0.45),
    ("extremal-perturbation(steps=60)", None, 0.25),
    ("u-noise(change=0.3)", None, 0.05),
    ("hires-cam", "down3", 0.28),
    ("seg-xres-cam", "down3", 0.23),
    ("layer-cam", "down3", 0.28),
    ("consensus-cam", "down3", 0.3),
]


@pytest.fixture(scope="module")
def learnt():
    return {rule: trained(rule) for rule in ("cue", "colour")}


@pytest.fixture(scope="module")
def given():
    """Both networks say A: there is a marker, and the square is orange."""
    return scenes(6, seed=7, marked=True, orange=True)


def test_both_learn_their_rule(learnt):
    for rule, model in learnt.items():
        assert accuracy(model, scenes(100, seed=5), rule) > 0.98


def test_the_cue_decides_for_one_and_not_for_the_other(learnt):
    marked = scenes(60, seed=6, marked=True)
    without = [scene.without_marker() for scene in marked]
    for rule, model in learnt.items():
        assert accuracy(model, without, rule) > 0.98  # by the cue every square is B now
        classes = [
            model.logits(model.prepare([scene.picture for scene in some])).argmax(1).numpy()
            for some in (marked, without)
        ]
        flipped = np.mean([(a != b)[s.square].mean() for a, b, s in zip(*classes, marked, strict=True)])
        assert flipped > 0.98 if rule == "cue" else flipped < 0.02
        assert CLASSES[int(np.median(classes[0][0][marked[0].square]))] in "AB"


@pytest.mark.parametrize(("method", "layer", "least"), SEES)
def test_the_heat_and_the_context_go_to_the_cue_where_it_decides(learnt, given, method, layer, least):
    found = {rule: heat(model, given, method, layer) for rule, model in learnt.items()}
    assert found["cue"].count == len(given)
    assert found["cue"].cue > least
    assert found["colour"].cue < found["cue"].cue / 3
    # Consensus-CAM multiplies levels, and where little is left of them the rest may lie anywhere.
    assert found["colour"].cue < (0.1 if method == "consensus-cam" else 0.05)
    if method.startswith(("integrated", "occlusion", "hires", "extremal")):
        assert found["cue"].beyond > 2 * found["colour"].beyond


def test_the_context_ratio_tells_the_two_networks_apart(learnt, given):
    cue, colour = (heat(learnt[rule], given, IG) for rule in ("cue", "colour"))
    assert cue.context > 0.8
    assert colour.context < 0.3  # of 0.94 of the area


@pytest.mark.parametrize("method", ["hires-cam", "layer-cam"])
def test_a_deep_layer_holds_at_the_region_what_came_from_afar(learnt, given, method):
    # What the map says is true: at the bottleneck the square's own cells decide. They know of the cue.
    found = heat(learnt["cue"], given, method, "bottom")
    assert found.cue < 0.02
    assert found.beyond < 0.1


def test_a_class_alone_also_asks_why_it_is_no_ground(learnt, given):
    alone, rather = (heat(learnt["cue"], given, IG, alone=alone) for alone in (True, False))
    assert rather.cue > alone.cue + 0.05
    alone, rather = (heat(learnt["cue"], given, "saliency", alone=alone) for alone in (True, False))
    assert alone.cue < 0.1 < rather.cue


def test_scenes_are_of_one_kind_whatever_the_rule():
    one, again = scenes(40, seed=1), scenes(40, seed=1)
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(one, again, strict=True))
    for scene in one:
        rows, columns = np.nonzero(scene.square)
        far, across = np.nonzero(scene.corner)
        apart = max(abs(rows.mean() - far.mean()), abs(columns.mean() - across.mean()))
        assert apart > 0.4 * SIDE
        assert not (scene.square & scene.corner).any()
        assert scene.corner.mean() == AREA
        assert (scene.marker & scene.corner).sum() == scene.marker.sum() == 16
        assert (scene.pixels[scene.marker] == 255).all() == scene.marked
    assert {s.marked for s in one} == {s.orange for s in one} == {True, False}


def test_one_line_of_python_says_it(learnt, given):
    scene = given[0]
    asked = targets.contrast(targets.over("A", scene.square), targets.over("B", scene.square))
    found = interp.explain(learnt["cue"], scene.picture, asked, IG)
    assert found.context().words.endswith("beyond 1 px (90 %)")
    assert found.context().ratio > 0.6
