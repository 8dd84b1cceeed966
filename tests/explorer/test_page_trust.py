"""The page Trust, and the badge on Look that leads there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from explorer_app import checked, forget, opened, words

import interp
from interp.explorer.asking import explained
from interp.explorer.networks import network_of
from interp.explorer.page import Sight
from interp.explorer.pages.trust_asked import Case
from interp.explorer.pages.trust_curves import METRICS, controls, measure_controls, order_of, own
from interp.explorer.pictures import opened_sample
from interp.metrics import measure

ROOT = Path(interp.__file__).parents[1]
CAT = "cat.jpg"


@pytest.fixture(autouse=True)
def _at_the_top(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.slow
def test_a_map_that_stands_up_is_told_so_with_its_reasons():
    said = words(opened("trust", picture=CAT))
    assert "interp-verdict holds" in said
    assert "Stands up to the checks" in said
    for part in ("What was learnt", "The class", "Moved elsewhere it tells less", "Watch it being tested"):
        assert part in said
    for part in (
        "The network forgets",
        "It falls apart, as it should",
        "Concentrated",
        "Make the slow checks",
    ):
        assert part in said
    assert "interp.trust(explanation)" in said


@pytest.mark.slow
def test_a_map_that_needs_no_weights_is_not_to_be_believed_in_both_languages():
    page = opened("trust", picture=CAT, method="eigen-cam")
    assert "interp-verdict fails" in words(page)
    assert "Do not believe it" in words(page)
    page.segmented_control(key="lang").set_value("zh")
    said = words(checked(page.run()))
    assert "不要相信它" in said
    assert "什么都没学过的网络会得到几乎相同的热力图" in said


@pytest.mark.parametrize("method", ["rise", "score-cam"])
def test_slow_maps_wait_for_a_press(method):
    page = opened("trust", picture=CAT, method=method)
    assert "Make the map" in words(page)
    assert "interp-verdict" not in words(page)


def test_a_method_for_other_networks_leaves_the_choice_in_sight():
    page = opened("trust", check=False, picture=CAT, method="legrad")
    assert not page.exception
    assert "LeGrad needs" in page.error[0].value.replace("\\", "")
    assert page.selectbox(key="method").value == "legrad"


@pytest.mark.parametrize(
    ("method", "level", "said"),
    [
        ("consensus-cam", "holds", "No objection at a glance"),
        ("eigen-cam", "fails", "Do not believe it"),
        ("layer-cam", "doubtful", "Doubtful"),
    ],
)
def test_look_has_a_badge_that_leads_here(method, level, said):
    forget()  # a verdict that somebody waited for here would stand there
    shown = words(opened("look", picture=CAT, method=method))
    assert f"interp-badge {level}" in shown
    assert said in shown


def test_look_has_no_badge_for_methods_that_take_long():
    assert "interp-badge" not in words(opened("look", picture=CAT, method="rise"))


@pytest.fixture
def case():
    network = network_of("efficientnet_lite0")
    picture = opened_sample(str(ROOT / "sample_images" / CAT))
    (shown,) = explained(network, picture, (None,), ("grad-cam",), (network.model.default_layer,))
    return Case(Sight(picture, network), None, shown)


@pytest.mark.slow
def test_the_film_has_the_curves_of_the_metrics(case, default_model):
    run = own(case)
    asked = interp.explain(default_model, ROOT / "sample_images" / CAT, method="grad-cam")
    expected = measure(asked, METRICS)
    for curve, name in zip(run.curves, METRICS, strict=True):
        (other,) = expected[name].curves.values()
        assert curve.parts == other.parts
        np.testing.assert_allclose(curve.scores, other.scores, atol=1e-5)
    measure_controls(case)
    assert [each.name for each in controls(case)] == ["random", "centre", "elsewhere"]


def test_the_strongest_place_goes_first_and_every_place_once(case):
    order = order_of(case.shown.map, (224, 224))
    assert order.min() == 0
    assert len(np.unique(order)) == 224 * 224
    first = np.unravel_index(order.argmin(), order.shape)
    heat = np.asarray(case.shown.map)
    strongest = np.unravel_index(heat.argmax(), heat.shape)
    assert np.abs((np.array(first) + 0.5) / 32 - (np.array(strongest) + 0.5)).max() < 1
