"""Means, intervals, ranks and verdicts of numbers that are known."""

import math

import numpy as np
import pytest
from scipy.stats import bootstrap

from interp.metrics import get
from interp.metrics.planning import METHODS, METRICS, chosen_methods, cost, in_words
from interp.metrics.summary import cells, drawn, interval, means, ranks
from interp.metrics.verdicts import answer, verdicts

RANDOM = np.random.default_rng(3)


def cell_of(found, method, metric):
    return next(cell for cell in found if (cell.method, cell.metric) == (method, metric))


def test_draws_are_as_many_as_pictures_and_seeded():
    draws = drawn(7, samples=50, seed=1)
    assert draws.shape == (50, 7)
    assert (draws.sum(1) == 7).all()
    assert np.array_equal(draws, drawn(7, samples=50, seed=1))
    assert not np.array_equal(draws, drawn(7, samples=50, seed=2))


def test_the_interval_contains_the_mean_and_is_scipys():
    values = RANDOM.normal(2.0, 0.5, 40)
    found = interval(values, drawn(40, samples=4000))
    assert found.mean == pytest.approx(values.mean())
    assert found.low < found.mean < found.high
    theirs = bootstrap(
        (values,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(0)
    )
    assert found.low == pytest.approx(theirs.confidence_interval.low, abs=0.02)
    assert found.high == pytest.approx(theirs.confidence_interval.high, abs=0.02)


def test_pictures_without_a_number_are_left_out_and_counted():
    values = np.array([1.0, np.nan, 3.0])[:, None, None]
    found = cells(values, np.full_like(values, np.nan), ["a"], ["deletion"], ["lower"], drawn(3))
    assert found[0].value.mean == 2.0
    assert (found[0].pictures, found[0].missing) == (2, 1)
    assert math.isnan(found[0].chance)
    assert np.isnan(means(np.array([[np.nan], [np.nan]]), drawn(2, samples=3))).all()


@pytest.mark.parametrize(("pictures", "low"), [(0, math.nan), (1, math.nan), (2, 0.0)])
def test_an_interval_needs_two_pictures(pictures, low):
    found = interval(np.arange(float(pictures)), drawn(pictures))
    assert found.low == low or math.isnan(low)
    assert math.isnan(found.low) == math.isnan(low)


def paired():
    """Pictures that differ much, methods that differ little but always: only pairs tell them apart."""
    pictures = RANDOM.normal(0.0, 5.0, 30)
    best, close = pictures + 1.0, pictures + 1.0 + RANDOM.normal(0, 0.1, 30)
    values = np.stack([pictures, best, close], 1)[:, :, None]
    return values, np.zeros_like(values)


def test_differences_are_taken_picture_by_picture():
    values, chances = paired()
    values[:, 2] -= 0.01
    found = cells(values, chances, ["worse", "best", "close"], ["insertion"], ["higher"], drawn(30))
    names = {"best": cell_of(found, "best", "insertion"), "close": cell_of(found, "close", "insertion")}
    best = max(names.values(), key=lambda cell: cell.value.mean)
    assert best.apart == "best"
    worse = cell_of(found, "worse", "insertion")
    assert worse.difference.mean == pytest.approx(-1.0, abs=0.05)
    assert worse.apart == "apart"
    assert sorted(cell.apart for cell in found) == ["alike", "apart", "best"]
    assert worse.value.low < best.value.mean < worse.value.high  # which the intervals alone would not say


def test_lower_is_better_where_it_is():
    values = np.array([[[0.1], [0.9]], [[0.2], [0.8]]])
    chances = np.zeros_like(values)
    found = cells(values, chances, ["a", "b"], ["deletion"], ["lower"], drawn(2))
    assert [cell.apart for cell in found] == ["best", "apart"]
    found = cells(values, chances, ["a", "b"], ["insertion"], ["higher"], drawn(2))
    assert [cell.apart for cell in found] == ["apart", "best"]


def test_controls_are_there_to_be_beaten_and_below_the_floor_all_are_alike():
    noise = RANDOM.normal(0, 0.01, (20, 4, 1))
    values = np.array([[[-0.9], [-0.2], [-0.1], [0.3]]] * 20) + noise
    given = ["control", "a", "b", "c"], ["randomisation"], ["lower"], drawn(20), [1, 2, 3]
    assert [cell.apart for cell in cells(values, values, *given)] == ["apart", "best", "apart", "apart"]
    found = cells(values, values, *given, floors=[0.0])
    assert [cell.apart for cell in found] == ["alike", "best", "alike", "apart"]
    assert found[2].value.mean == pytest.approx(-0.1, abs=0.02)
    ranked = {rank.method: rank for rank in ranks(values, given[0], ["lower"], drawn(20), [1, 2, 3], [0.0])}
    assert [ranked[name].value.mean for name in given[0]] == [2, 2, 2, 4]


def test_ranks_are_means_over_metrics_and_ties_are_shared():
    one = np.array([[0.1, 0.9], [0.1, 0.9], [0.5, 0.5], [0.7, 0.95]])
    values = np.stack([one, one, one])
    found = {rank.method: rank for rank in ranks(values, list("abcd"), ["lower", "higher"], drawn(3))}
    assert found["a"].value.mean == found["b"].value.mean == (1.5 + 2.5) / 2
    assert found["c"].value.mean == (3 + 4) / 2
    assert found["d"].value.mean == (4 + 1) / 2
    assert (found["a"].value.low, found["a"].value.high) == (2, 2)
    assert {found["a"].apart, found["b"].apart} == {"best", "alike"}
    assert found["c"].apart == "apart"


def test_what_has_no_number_has_no_rank_and_costs_nobody_one():
    values = np.array([[[0.1, 1.0], [0.2, np.nan], [np.nan, np.nan]]] * 4)
    found = ranks(values, list("abc"), ["lower", "higher"], drawn(4))
    assert [rank.method for rank in found] == ["a", "b", "c"]
    assert [rank.value.mean for rank in found][:2] == [1, 2]
    assert math.isnan(found[2].value.mean)


def test_controls_are_ranked_and_are_not_the_answer():
    values = np.array([[[0.1], [0.2], [0.9]]] * 12) + RANDOM.normal(0, 0.001, (12, 3, 1))
    found = ranks(values, ["edges", "a", "b"], ["lower"], drawn(12), candidates=[1, 2])
    assert [rank.method for rank in found] == ["edges", "a", "b"]
    assert next(rank for rank in found if rank.apart == "best").method == "a"
    told = answer(found, {"a": ()}, ["edges"], 12)
    assert told.startswith("a ranks best over the metrics (mean rank 2.0, 2.0 … 2.0)")
    assert "Of the controls, edges ranks no worse." in told


def test_maps_that_should_not_be_believed_are_named():
    methods = ["fine", "weights", "classless", "twin", "random"]
    metrics = ["deletion(steps=16)", "insertion", "randomisation", "random-class"]
    good, bad = [0.1, 0.8, 0.1, 0.2], [0.4, 0.4, 1.0, 1.0]
    rows = [good, [0.1, 0.8, 0.9, 0.3], [0.4, 0.2, 0.1, 0.95], [*good], bad]
    noise = RANDOM.normal(0, 0.02, (20, 1, 1))
    values = np.array([rows] * 20) + noise
    values[:10, 2, 0] += 0.1
    values[10:, 2, 0] -= 0.1
    draws = drawn(20)
    better = ["lower", "higher", "lower", "lower"]
    found = cells(values, values, methods, metrics, better, draws)
    said = verdicts(values, methods, metrics, ["random"], found, draws)
    assert said["fine"] == ()
    assert said["weights"] == ("survives random weights",)
    assert said["classless"] == (
        "does not depend on the class",
        "worse than random by insertion",
        "not told apart from random by deletion",
    )
    assert said["twin"] == ("the same as fine",)
    assert said["random"] == ("a control",)


def test_one_picture_tells_nothing_apart_and_says_so():
    values = np.array([[[0.1, 0.9], [0.2, 0.8]]])
    found = cells(values, values, ["a", "b"], ["deletion", "insertion"], ["lower", "higher"], drawn(1))
    assert {cell.apart for cell in found} == {"best", "unknown"}
    ranked = ranks(values, ["a", "b"], ["lower", "higher"], drawn(1))
    assert (
        answer(ranked, {}, [], 1)
        == "a ranks best over the metrics (mean rank 1.0); one picture tells nothing apart."
    )
    assert answer((), {}, [], 0) == "No method can be ranked: there are no numbers."


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 second"), (80, "80 seconds"), (95, "2 minutes"), (200, "3 minutes"), (7300, "2 hours")],
)
def test_a_time_is_told_as_people_say_it(seconds, words):
    assert in_words(seconds) == words


def test_the_cost_is_that_of_judging_and_of_all_maps():
    judges = [get("deletion(steps=16)"), get("flip-agreement"), get("random-class")]
    assert cost(chosen_methods(["grad-cam"]), judges) == 16 + 1 * (1 + 1 + 2)
    assert cost(chosen_methods(["grad-cam", "random", "grad-cam"]), judges) == 2 * (16 + 4)
    usual = cost(chosen_methods(METHODS), [get(name) for name in METRICS])
    assert usual < 700  # a few seconds for each method
