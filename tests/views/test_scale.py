import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from interp.views.scale import NO_POSITIVE_EVIDENCE, Scale, normalise, number, shared_limits

MAP = [[-1.0, 0.5], [2.0, 4.0]]
finite = st.floats(-(2.0**100), 2.0**100, width=32)
maps = arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=finite)


@pytest.mark.parametrize(
    ("display", "low", "high", "levels"),
    [
        ("positive", 0, 4, [[0, 0.125], [0.5, 1]]),
        ("signed", -4, 4, [[0.375, 0.5625], [0.75, 1]]),
        ("range", -1, 4, [[0, 0.3], [0.6, 1]]),
    ],
)
def test_what_each_display_draws(display, low, high, levels) -> None:
    scale = Scale.of(MAP, display)

    assert (scale.low, scale.high, scale.verdict) == (low, high, None)
    np.testing.assert_allclose(normalise(MAP, scale), levels, rtol=1e-6)


@pytest.mark.parametrize("values", [[[-1.0, -2.0]], [[0.0, 0.0]], [[-3.0, 0.0]], [[-1.0, 1e-9]]])
def test_no_positive_evidence_is_said_and_nothing_stretched(values) -> None:
    scale = Scale.of(values, "positive")

    assert scale.verdict == NO_POSITIVE_EVIDENCE == "no positive evidence"
    assert (scale.low, scale.high) == pytest.approx((np.min(values), np.max(values)))
    assert not normalise(values, scale).any()


@pytest.mark.parametrize("display", ["positive", "signed", "range"])
def test_a_flat_map_is_not_stretched_even_with_rounding_noise(display) -> None:
    noisy = np.float32(0.1) + np.array([[0, 1], [2, 3]], dtype=np.float32) * np.float32(1e-8)

    scale = Scale.of(noisy, display)

    assert scale.verdict == "flat map: every position has the same value (0.1)"
    assert set(normalise(noisy, scale).ravel()) == {0.5 if display == "signed" else 0.0}


def test_a_flat_map_can_be_drawn_on_a_shared_scale() -> None:
    scale = Scale.of([[2.0, 2.0]], "positive", limits=(0, 8))

    assert scale.verdict is None
    assert normalise([[2.0, 2.0]], scale).tolist() == [[0.25, 0.25]]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e300])
@pytest.mark.parametrize("display", ["positive", "signed", "range"])
def test_values_that_are_not_finite_are_said(bad, display) -> None:
    values = np.array([[1.0, bad, 3.0]])

    scale = Scale.of(values, display)

    assert scale.verdict == "map has non-finite values (NaN or infinity at 1 of 3 positions)"
    assert (scale.low, scale.high) == (1, 3)
    assert np.isfinite(normalise(values, scale)).all()


def test_nothing_finite_at_all() -> None:
    scale = Scale.of([[math.nan]], "range")

    assert math.isnan(scale.low)
    assert scale.verdict is not None


def test_a_foreign_scale_does_not_hide_nan() -> None:
    with pytest.raises(ValueError, match="non-finite"):
        normalise([[math.nan]], Scale(0.0, 1.0, "positive"))


@given(maps, st.sampled_from(["positive", "signed", "range"]))
def test_levels_stay_between_0_and_1_and_keep_the_order(values, display) -> None:
    scale = Scale.of(values, display)
    levels = normalise(values, scale).ravel()
    order = np.argsort(values.ravel())

    assert levels.dtype == np.float32
    assert levels.min() >= 0
    assert levels.max() <= 1
    assert (np.diff(levels[order]) >= 0).all()
    if scale.verdict is None and display != "signed":
        assert levels.max() == 1


@given(maps)
def test_signed_levels_are_symmetric(values) -> None:
    one, other = (normalise(v, Scale.of(v, "signed")) for v in (values, -values))

    np.testing.assert_allclose(one + other, 1, atol=1e-6)


def test_shared_limits_span_all_maps_that_are_finite() -> None:
    several = [[[0.0, 1.0]], [[-3.0, 2.0]], [[math.nan, 99.0]]]

    assert shared_limits(several, "positive") == (0, 2)
    assert shared_limits(several, "signed") == (-3, 3)
    assert shared_limits(several, "range") == (-3, 2)


def test_shared_limits_of_nothing_are_none() -> None:
    assert shared_limits([[[-1.0]], [[0.0]]], "positive") is None
    assert shared_limits([[[math.nan]]], "range") is None
    assert shared_limits([], "signed") is None


@pytest.mark.parametrize(
    ("display", "limits", "words"),
    [
        ("positive", (1, 2), "starts at 0"),
        ("signed", (-1, 2), r"give \(-m, m\)"),
        ("range", (2, 2), "the smaller one first"),
        ("range", (0, math.inf), "two finite numbers"),
    ],
)
def test_limits_that_do_not_fit_are_refused(display, limits, words) -> None:
    with pytest.raises(ValueError, match=words):
        Scale.of([[1.0, 2.0]], display, limits)


@pytest.mark.parametrize("shape", [(3,), (0, 3), (1, 3, 3), ()])
def test_a_map_has_two_sides(shape) -> None:
    with pytest.raises(ValueError, match=r"give \(height, width\)"):
        Scale.of(np.ones(shape))


def test_the_map_is_left_as_it_is() -> None:
    values = np.array(MAP)
    kept = values.copy()

    normalise(values, Scale.of(values))

    assert (values == kept).all()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-0.0, "0"),
        (0.01234, "0.0123"),
        (-3.14159, "\N{MINUS SIGN}3.14"),
        (999.9, "1000"),
        (12345, "12345"),
        (1.2e-05, "1.2e\N{MINUS SIGN}5"),
        (1e9, "1e9"),
        (math.inf, "inf"),
        (math.nan, "nan"),
    ],
)
def test_numbers_for_people(value, text) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("display", "low", "high", "beyond", "ends"),
    [
        ("positive", 0, 90, 0.10, ("0", "≥ 90")),
        ("signed", -90, 90, 0.10, ("≤ \N{MINUS SIGN}90", "≥ 90")),
        ("range", 5, 95, 0.10, ("≤ 5", "≥ 95")),
    ],
)
def test_a_share_of_the_positions_is_spanned_and_the_rest_is_said(display, low, high, beyond, ends) -> None:
    values = np.arange(101.0)[None]

    scale = Scale.of(values, display, share=0.9)

    assert (scale.low, scale.high) == pytest.approx((low, high))
    assert scale.beyond == pytest.approx(beyond, abs=0.01)
    assert scale.ends == ends
    assert scale.text == f"{ends[0]} … {ends[1]} (10 % beyond)"
    assert normalise(values, scale).max() == 1


def test_where_few_positions_have_a_value_all_of_them_are_drawn() -> None:
    values = np.zeros((20, 20))
    values[3, 4] = 7

    scale = Scale.of(values, "positive", share=0.99)

    assert (scale.high, scale.beyond, scale.text) == (7, 0, "0 … 7")


@given(maps, st.sampled_from(["positive", "signed", "range"]))
def test_a_whole_share_cuts_nothing(values, display) -> None:
    assert Scale.of(values, display).beyond == 0


def test_shared_limits_are_those_of_the_shares() -> None:
    values = [np.arange(101.0)[None], [[0.0, 30.0]]]

    assert shared_limits(values, "positive", [0.9, 1.0]) == (0, pytest.approx(90))
    assert shared_limits(values, "positive", [0.2, 1.0]) == (0, pytest.approx(30))
