"""Changed files and odd addresses: a good end or a sentence. `benchmarks/fuzz.py` goes on for longer."""

from __future__ import annotations

import fuzzing
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

# Those that build a network or explain take longer.
SLOW = {"model.json": 12, "model.safetensors": 15, "explanation": 15, "picture": 120}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", fuzzing.DOORS)
def test_changed_files(name):
    door = fuzzing.DOORS[name]

    @settings(
        derandomize=True, max_examples=SLOW.get(name, 60), deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(data=fuzzing.changes(door))
    def damaged(data):
        fuzzing.harmless(door, data)

    damaged()


@pytest.mark.parametrize("name", fuzzing.DOORS)
def test_the_unchanged_files_are_good(name):
    """What is changed is what the package writes, so the changes reach what reads it."""
    door = fuzzing.DOORS[name]
    assert [fuzzing.harmless(door, data) for data in door.seeds()] == [True] * len(door.seeds())


@settings(derandomize=True, max_examples=300, deadline=None, database=None)
@given(texts=fuzzing.asked_for, setting=st.integers(0, len(fuzzing.SETTINGS) - 1))
def test_addresses(texts, setting):
    fuzzing.remembered(texts, setting)
