"""Total Sobol indices against closed forms."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interp.features.concepts import total_sobol_indices


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.floats(-3, 3), min_size=1, max_size=6).filter(lambda weights: max(map(abs, weights)) > 0.1)
)
def test_of_a_linear_function_they_are_the_squares_of_its_weights(weights):
    parts = np.square(weights) / np.square(weights).sum()
    found = total_sobol_indices(lambda x: x @ np.array(weights) + 5, len(weights), designs=1024)
    assert found == pytest.approx(parts, abs=0.02)


def test_of_ishigamis_function_they_are_the_known_ones():
    a, b = 7.0, 0.1

    def ishigami(x):
        x = math.pi * (2 * x - 1)
        return np.sin(x[:, 0]) + a * np.sin(x[:, 1]) ** 2 + b * x[:, 2] ** 4 * np.sin(x[:, 0])

    variance = a**2 / 8 + b * math.pi**4 / 5 + b**2 * math.pi**8 / 18 + 0.5
    third = 8 * b**2 * math.pi**8 / 225
    first = 0.5 * (1 + b * math.pi**4 / 5) ** 2
    known = [(first + third) / variance, a**2 / 8 / variance, third / variance]
    assert total_sobol_indices(ishigami, 3, designs=8192) == pytest.approx(known, abs=0.01)


def test_arguments_that_work_together_count_twice():
    # f = xy on the unit square: total indices are 4/7 each.
    assert total_sobol_indices(lambda x: x[:, 0] * x[:, 1], 2, designs=4096) == pytest.approx(4 / 7, abs=0.01)


def test_an_argument_that_is_not_used_gets_exactly_nothing():
    assert total_sobol_indices(lambda x: x[:, 0] ** 2, 3)[1:].tolist() == [0.0, 0.0]


def test_of_a_constant_they_are_zero():
    assert total_sobol_indices(lambda x: np.full(len(x), 1e6), 4).tolist() == [0.0] * 4


def test_the_seed_decides_the_points():
    def both(seed):
        return total_sobol_indices(lambda x: x[:, 0] + x[:, 1] ** 3, 2, designs=16, seed=seed)

    assert both(1).tolist() == both(1).tolist()
    assert both(1).tolist() != both(2).tolist()


def test_the_function_is_called_once_for_all_points():
    sizes = []

    def count(x):
        sizes.append(x.shape)
        return x.sum(1)

    total_sobol_indices(count, 5, designs=8)
    assert sizes == [(8 * 7, 5)]
