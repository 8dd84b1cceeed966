import random

import numpy as np
import pytest
import torch

from interp.training.randomness import mixed, own_randomness, seed_everything


def drawn():
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_the_same_numbers_give_the_same_chance_and_their_order_counts():
    seed_everything(1, 2)
    first = drawn()
    seed_everything(1, 2)
    assert drawn() == first
    for others in [(2, 1), (1,), (1, 2, 1), (1, 3)]:
        seed_everything(*others)
        assert not set(drawn()) & set(first)


def test_mixtures_hardly_meet():
    made = {mixed(seed, stage, epoch) for seed in range(20) for stage in range(5) for epoch in range(50)}
    assert len(made) == 20 * 5 * 50
    assert all(0 <= number < 2**32 for number in made)


def test_the_callers_chance_goes_on_as_if_nothing_had_happened():
    seed_everything(7)
    expected = drawn(), drawn()
    seed_everything(7)
    first = drawn()
    with own_randomness(3):
        inside = drawn()
    assert (first, drawn()) == expected
    with own_randomness(3):
        assert drawn() == inside


def test_also_after_an_error():
    seed_everything(7)
    expected = drawn()
    seed_everything(7)
    with pytest.raises(KeyboardInterrupt), own_randomness(3):
        raise KeyboardInterrupt(drawn())
    assert drawn() == expected
