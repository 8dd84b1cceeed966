"""Gini's coefficient and the diffusion index."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from interp.features import diffusion_index, gini


def test_alike_and_all_in_one_place():
    assert diffusion_index(torch.full((7, 9), -0.3)) == pytest.approx(100)
    one = torch.zeros(8, 10)
    one[3, 4] = -5.0
    assert diffusion_index(one) == pytest.approx(100 / 80)
    half = torch.zeros(8, 10)
    half[:4] = 2.0
    assert diffusion_index(half) == pytest.approx(50)


def test_it_is_the_mean_difference_of_all_pairs_over_twice_the_mean():
    values = torch.randn(23, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    sizes = values.abs()
    wanted = (sizes[:, None] - sizes).abs().sum() / (2 * 23**2 * sizes.mean())
    torch.testing.assert_close(gini(values), wanted)


def test_many_maps_at_once_are_each_alone():
    maps = torch.rand(2, 3, 20)
    found = gini(maps)
    assert found.shape == (2, 3)
    torch.testing.assert_close(found[1, 2], gini(maps[1, 2]))


def test_the_same_spot_in_a_larger_picture_has_a_smaller_one():
    spot = np.zeros((10, 10))
    spot[:5, :5] = 1
    assert diffusion_index(spot) == pytest.approx(4 * diffusion_index(np.pad(spot, ((0, 10), (0, 10)))))


@given(
    st.lists(st.floats(1e-6, 1e6) | st.just(0.0), min_size=1, max_size=30).filter(any), st.floats(1e-3, 1e3)
)
def test_scale_and_sign_do_not_matter_and_the_ends_are_kept(values, factor):
    found = diffusion_index(values)
    assert 100 / len(values) - 1e-6 <= found <= 100 + 1e-6
    assert diffusion_index([-factor * value for value in reversed(values)]) == pytest.approx(found)


@pytest.mark.parametrize("nothing", [[0.0, 0.0], [], [1.0, math.nan]])
def test_of_nothing_there_is_none(nothing):
    assert math.isnan(diffusion_index(nothing))


def test_half_precision_and_gradients_do_not_matter():
    values = torch.rand(50, 50).half().requires_grad_()
    assert diffusion_index(values) == pytest.approx(diffusion_index(values.double()))
