"""Targets: arithmetic, queries in words, and refusals."""

import numpy as np
import pytest
import torch

from interp import targets
from interp.models import LabelError, Labels
from interp.targets import CallableTarget, LogitTarget, Several, TargetError, per_picture, resolve

LABELS = Labels(("tench", "tiger cat", "crane", "crane"))
CAT, DOG, COW = (LogitTarget(((i, 1.0),), name) for i, name in enumerate(("cat", "dog", "cow")))
LOGITS = torch.tensor([0.5, 3.0, -1.0, 2.0])


def terms(query):
    return [target.terms for target in resolve(query, LOGITS, LABELS)]


def test_targets_add_subtract_scale_and_negate():
    output = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    a, b, c = output.T
    for target, wanted in [
        (CAT + DOG, a + b),
        (CAT - DOG, a - b),
        (-CAT, -a),
        (2.5 * CAT, 2.5 * a),
        (CAT - (DOG + COW), a - (b + c)),
        (-(2 * (CAT + DOG) - COW), -(2 * (a + b) - c)),
        (CAT - CAT, 0 * a),
    ]:
        torch.testing.assert_close(target(output), wanted)


def test_names_say_what_is_computed():
    assert (CAT - (DOG + COW)).name == "cat − (dog + cow)"
    assert (2 * (CAT + DOG)).name == "2 · (cat + dog)"
    assert (-(CAT - DOG)).name == "−(cat − dog)"
    assert (CAT - DOG).name == "cat − dog"
    assert (0.5 * CAT + DOG).name == "0.5 · cat + dog"


@pytest.mark.parametrize("index", [-1, 3, 10**9])
def test_a_class_that_is_not_there(index):
    with pytest.raises(TargetError, match="asks for class"):
        LogitTarget(((index, 1.0),), "x")(torch.zeros(1, 3))


def test_logits_for_every_position_are_refused_in_words():
    with pytest.raises(TargetError, match="or give a callable"):
        CAT(torch.zeros(1, 3, 4, 4))
    for query in (None, 1, "tench", targets.top(2), targets.contrast(0, 1), targets.several(0, 1)):
        with pytest.raises(TargetError, match="Give a callable"):
            resolve(query, torch.zeros(3, 4, 4), LABELS)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        (None, [((1, 1.0),)]),
        (3, [((3, 1.0),)]),
        (np.int64(2), [((2, 1.0),)]),
        ("Tiger_Cat", [((1, 1.0),)]),
        ("2", [((2, 1.0),)]),
        (targets.top(2), [((1, 1.0),), ((3, 1.0),)]),
        (targets.top(99), [((1, 1.0),), ((3, 1.0),), ((0, 1.0),), ((2, 1.0),)]),
        (targets.several("tench", 3, None), [((0, 1.0),), ((3, 1.0),), ((1, 1.0),)]),
        (targets.several(targets.top(1), targets.several(0)), [((1, 1.0),), ((0, 1.0),)]),
        (targets.contrast(None, "tench"), [((1, 1.0), (0, -1.0))]),
        (targets.contrast(CAT + DOG, 2), [((0, 1.0), (1, 1.0), (2, -1.0))]),
        (targets.negative("tiger cat"), [((1, -1.0),)]),
        (CAT, [((0, 1.0),)]),
    ],
)
def test_queries(query, wanted):
    assert terms(query) == wanted


def test_callables_keep_their_name():
    def brightness(output):
        return output.mean(1)

    (found,) = resolve(brightness, LOGITS, LABELS)
    assert isinstance(found, CallableTarget)
    assert found.name == "brightness"
    assert resolve(found, LOGITS, LABELS) == (found,)

    class Score:
        def __call__(self, output):
            return output[:, 0]

    assert resolve(Score(), LOGITS, LABELS)[0].name == "Score"


@pytest.mark.parametrize("query", [1.5, b"cat", {"a": 1}, object(), [1]])
def test_what_is_no_target(query):
    with pytest.raises(TargetError, match=f"cannot be a {type(query).__name__}"):
        resolve(query, LOGITS, LABELS)


@pytest.mark.parametrize("query", [4, -1, "4", "-1", "zebra", "crane"])
def test_what_is_no_class(query):
    with pytest.raises(LabelError):
        resolve(query, LOGITS, LABELS)


def test_impossible_questions():
    with pytest.raises(TargetError, match="give 1 or more"):
        targets.top(0)
    with pytest.raises(TargetError, match="names no target"):
        targets.several()
    for bad in (targets.contrast(targets.top(2), 1), targets.negative(targets.several(0, 1))):
        with pytest.raises(TargetError, match="take one target, not several"):
            resolve(bad, LOGITS, LABELS)


def test_callables_are_negated_and_contrasted():
    def first(output):
        return output[:, 0]

    (against,) = resolve(targets.negative(first), LOGITS, LABELS)
    (rather,) = resolve(targets.contrast(first, "tiger cat"), LOGITS, LABELS)
    assert against(LOGITS[None]).item() == -0.5
    assert rather(LOGITS[None]).item() == 0.5 - 3.0
    assert (against.name, rather.name) == ("−(first)", "(first) − (tiger cat)")


def test_per_picture():
    one = targets.top(2)
    assert per_picture(one, 3) == [one] * 3
    assert per_picture([0, None, "x"], 3) == [0, None, "x"]
    assert per_picture((0,), 1) == [0]
    assert per_picture([], 0) == []
    assert isinstance(per_picture(one, 1)[0], Several)
    for count in (0, 1, 3):
        with pytest.raises(TargetError, match="2 pictures"):
            per_picture([0] * count, 2)


def test_json_round_trip():
    target = 0.1 * CAT - (DOG + COW)
    assert LogitTarget.from_json(target.to_json()) == target


@pytest.mark.parametrize(
    "value", [{}, {"terms": 5, "name": "x"}, {"terms": [[1]], "name": "x"}, {"terms": []}, [], 3]
)
def test_broken_json(value):
    with pytest.raises(TargetError, match=r"\[class, coefficient\]"):
        LogitTarget.from_json(value)


def test_scores_keep_dtype_and_gradient():
    output = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    score = (CAT - 2 * DOG)(output)
    assert score.dtype == torch.float64
    (gradient,) = torch.autograd.grad(score.sum(), output)
    assert gradient.tolist() == [[1, -2, 0], [1, -2, 0]]
