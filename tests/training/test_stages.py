import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from interp.training.stages import Stage, TrainingError, from_json, parse_stage

FIRST = Stage("1", 3, 1e-2, 224, batch=32, lr_low=1e-5, frozen=True, pct_start=0.8)


def test_what_a_person_writes():
    stage = parse_stage("epochs=2 lr=1e-3, lr_low=1e-6,size=352 batch=8 pct_start=0.5 name=big", FIRST)
    assert stage == Stage("big", 2, 1e-3, 352, 8, 1e-6, pct_start=0.5)


def test_what_is_not_said_is_like_the_preset_but_for_freezing_and_the_low_rate():
    stage = parse_stage("lr=5e-3", FIRST)
    assert stage == Stage("1", 3, 5e-3, 224, batch=32, pct_start=0.8)
    assert parse_stage("frozen", FIRST).frozen
    assert not parse_stage("frozen=no", FIRST).frozen
    assert parse_stage("flat", FIRST).flat
    assert parse_stage("part=critic", FIRST).part == "critic"


def test_a_preset_with_a_constant_rate_keeps_it_unless_the_stage_says_otherwise():
    flat = Stage("1", 3, 1e-2, 32, flat=True)
    assert parse_stage("epochs=5", flat).flat
    assert not parse_stage("epochs=5 flat=no", flat).flat


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epoch=2", "'epoch=2' is not one of name, epochs, lr, size, batch, lr_low, frozen, pct_start, flat"),
        ("epochs", "'epochs' is not one of"),
        ("epochs=two", "epochs='two' is not a number"),
        ("epochs=1.5", "epochs='1.5' is not a number"),
        ("epochs=", "epochs='' is not a number"),
        ("lr=fast", "lr='fast' is not a number"),
        ("lr_low=slow", "lr_low='slow' is not a number"),
        ("epochs=0", "has epochs=0; give 1 … 100000"),
        ("lr=-1", "has lr=-1; give 0 … 1000"),
        ("lr=nan", "has lr=nan; give"),
        ("lr=inf", "has lr=inf; give"),
        ("lr_low=0", "has lr_low=0; give 1e-12 … 1000"),
        ("size=8", "has size=8; give 16 … 4096"),
        ("batch=1", "has batch=1; give 2 … 65536"),
        ("pct_start=0", "has pct_start=0; give 0.001 … 0.999"),
        ("pct_start=1", "has pct_start=1; give"),
        ("frozen=maybe", "frozen='maybe' is neither yes nor no"),
    ],
)
def test_nonsense_is_named(text, said):
    with pytest.raises(TrainingError) as raised:
        parse_stage(text, FIRST)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"epochs": None}, "has epochs=None; give a whole number"),
        ({"epochs": 1.5}, "has epochs=1.5; give a whole number"),
        ({"epochs": True}, "has epochs=True; give a whole number"),
        ({"name": 7}, "the stage 7 has name=7; give text"),
        ({"lr": "fast"}, "has lr='fast'; give a number"),
        ({"frozen": "no"}, "has frozen='no'; give True or False"),
        ({"part": None}, "has part=None; give text"),
    ],
)
def test_values_of_another_kind_are_named(values, said):
    with pytest.raises(TrainingError) as raised:
        from_json({**FIRST.to_json(), **values})
    assert said in str(raised.value)


@given(
    some.builds(
        Stage,
        name=some.text(max_size=8),
        epochs=some.integers(1, 100),
        lr=some.floats(1e-8, 1),
        size=some.integers(16, 512),
        lr_low=some.none() | some.floats(1e-8, 1),
        frozen=some.booleans(),
        pct_start=some.floats(0.001, 0.999),
        flat=some.booleans(),
    )
)
def test_json_round_trip(stage):
    assert from_json(json.loads(json.dumps(stage.to_json()))) == stage
