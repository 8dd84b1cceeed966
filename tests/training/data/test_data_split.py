"""A split covers everything once, has two sides, and is the same everywhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.training.data import DataError, split


@given(st.integers(2, 300), st.floats(0.001, 0.999), st.integers(0, 2**32))
def test_both_sides_cover_everything_once(count, fraction, seed):
    train, valid = split(count, fraction, seed)
    assert sorted(train + valid) == list(range(count))
    assert train == tuple(sorted(train))
    assert valid == tuple(sorted(valid))
    assert train
    assert len(valid) == min(count - 1, max(1, round(fraction * count)))
    assert (train, valid) == split(count, fraction, seed)


@given(
    st.lists(st.integers(2, 9), min_size=2, max_size=6),
    st.floats(0.001, 0.999),
    st.integers(0, 1000),
)
def test_each_class_is_trained(sizes, fraction, seed):
    labels = [label for label, size in enumerate(sizes) for _ in range(size)]
    train, valid = split(len(labels), fraction, seed, labels=labels)
    assert sorted(train + valid) == list(range(len(labels)))
    assert {labels[item] for item in train} == set(range(len(sizes)))
    assert valid


def test_the_numbers_are_these_on_every_machine():
    assert split(10, 0.2, 42)[1] == (0, 1)
    assert split(10, 0.3, 7)[1] == (2, 5, 6)
    assert split(6, 0.5, 1, labels="aabbbb")[1] == (0, 2, 3)


def test_given_groups_are_kept():
    assert split(3, 0.9, 5, groups=("valid", "train", "train")) == ((1, 2), (0,))
    for side, other in (("valid", "training"), ("train", "validation")):
        with pytest.raises(DataError, match=f"nothing is for {other}"):
            split(2, groups=(side, side))


def test_a_class_of_one_picture_is_named():
    with pytest.raises(DataError, match="for validation: cat, cow"):
        split(4, labels=("cat", "dog", "dog", "cow"))


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 2, float("nan")])
def test_a_fraction_that_is_none(fraction):
    with pytest.raises(DataError, match="number between 0 and 1"):
        split(10, fraction)


def test_one_picture_cannot_be_split():
    with pytest.raises(DataError, match="Give more"):
        split(1)
