"""Conditions on the maps of a report: what they mean, and what is said of those that mean nothing."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from interp.report import ReportError
from interp.report.where import COLUMNS, EXAMPLE, condition

TABLE = pa.table(
    {
        "file": ["sea/a.jpg", "sea/b.jpg", "hill/c.jpg", "hill/D.jpg", "e.jpg"],
        "target": ["tabby", "tiger cat", "tabby", "it's", None],
        "index": pa.array([1, 2, 1, 9, None], pa.int32()),
        "probability": pa.array([0.9, 0.4, 0.2, 0.5, None], pa.float32()),
        "score": pa.array([1.0, -2.0, 0.0, 3.0, None], pa.float32()),
        "rank": pa.array([0, 0, 1, 0, None], pa.int32()),
        "predicted": ["tabby", "tiger cat", "tiger cat", "it's", None],
        "predicted_index": pa.array([1, 2, 2, 9, None], pa.int32()),
        "truth": pa.array([1, 1, 2, None, 2], pa.int32()),
        "trust": ["holds", None, None, "fails", None],
        "layer": ["l"] * 5,
        "method": ["m"] * 5,
        "width": pa.array([4, 4, 4, 4, None], pa.int32()),
        "height": pa.array([3, 5, 5, 3, None], pa.int32()),
        "error": [None, None, None, None, "cut off"],
    }
)
CLASSES = {"tabby": frozenset({1}), "tiger cat": frozenset({2, 7})}


def fitting(text):
    return "".join(
        name[-5].lower() for name in TABLE.filter(condition(text, lambda: CLASSES))["file"].to_pylist()
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("predicted = 'tiger cat' and probability < 0.5", "bc"),
        ("PREDICTED = 'tiger cat' AND NOT rank > 0", "b"),
        ("probability >= 0.4 or rank = 1", "abcd"),
        ("0.3 < probability <= 0.5", "bd"),
        ("0.5 > probability", "bc"),
        ("wrong", "b"),
        ("not wrong", "ac"),
        ("wrong = false", "ac"),
        ("wrong is null", "de"),
        ("truth = predicted", "ac"),
        ("target != predicted", "c"),
        ("truth <> target", "bc"),
        ("truth = 'tabby'", "ab"),
        ("truth != 'tabby'", "ce"),
        ("truth = 2", "ce"),
        ("truth in ('tiger cat', 1)", "abce"),
        ("predicted = 9", "d"),
        ("target in ('tabby', 'it''s')", "acd"),
        ("target not in ['tabby']", "bd"),
        ('target = "it\'s"', "d"),
        ("'SEA/' in file", "ab"),
        ("'sea' not in file and error is null", "cd"),
        ("error is not null", "e"),
        ("error != null", "e"),
        ("score < -1", "b"),
        ("width < height", "bc"),
        ("trust = 'fails'", "d"),
        ("(rank = 0 and score > 0) or (rank = 1 and score = 0)", "acd"),
    ],
)
def test_conditions_mean_what_they_say(text, expected):
    assert fitting(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("predictd = 'x'", "did you mean 'predicted'?"),
        ("predicted = tabby", "no column 'tabby'.*texts stand in quotes"),
        ("probability = 'high'", "probability is a number, and 'high' is none"),
        ("file = 3", "file is a text, and 3 is none"),
        ("probability = true", "probability is a number, and True is none"),
        ("wrong = 3", "`wrong` or `not wrong`"),
        ("truth = 'tiger cats'", "nothing in this report is called 'tiger cats'; did you mean 'tiger cat'?"),
        ("truth = 'zebra'", "ask for it by its index"),
        ("predicted is 'tabby'", "`is` goes with null only"),
        ("'x' in truth", "a text is looked for in truth"),
        ("file < probability", "file is a text and probability a number"),
        ("wrong = predicted", "wrong cannot be compared"),
        ("file in ()", "the list of file is empty"),
        ("rank = 99999999999999999999999", "cannot be read"),
        ("", "cannot be read"),
        ("file", "cannot be read"),
        ("(" * 300, "cannot be read"),
        ("rank = 0 and " * 400, "give 4,000 at most"),
        ("__import__('os').system('x')", "cannot be read"),
        ("file.__class__ = 'x'", "cannot be read"),
        ("[x for x in file]", "cannot be read"),
        ("f'{file}' = 'x'", "cannot be read"),
        ("rank = 2 ** 9", "cannot be read"),
        ("(lambda: rank) = 0", "cannot be read"),
        ("file = b'x'", "cannot be read"),
    ],
)
def test_what_means_nothing_is_said(text, said):
    with pytest.raises(ReportError, match=said.replace("(", r"\(") if said.startswith("(") else said):
        condition(text, lambda: CLASSES)


def test_classes_are_looked_up_only_when_a_true_one_is_named():
    def never():
        raise AssertionError

    assert isinstance(condition("predicted = 'tabby' and truth = 3", never), pc.Expression)


def test_the_example_and_all_columns_are_understood():
    condition(EXAMPLE, dict)
    for name in COLUMNS:
        condition(f"{name} is null", dict)
