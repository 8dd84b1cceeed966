"""The figure of an evaluation: every number is there, inside the page, and what is refused."""

import math

import pytest
from figure_words import assert_inside, words

from interp.views import MetricColumn, MetricDot, ViewError, evaluation_figure

NAMES = ["consensus-cam", "a-method-with-a-very-long-name(option=1000000, other=2000000)", "random"]
VERDICTS = [
    "",
    "survives random weights, does not depend on the class, worse than random by deletion",
    "a control",
]


def column(title, *means, chance=None):
    dots = [
        MetricDot(mean, mean - 0.1, mean + 0.1, "alike" if place else "best")
        for place, mean in enumerate(means)
    ]
    return MetricColumn(title, "lower", tuple(dots), chance)


def figure_of(columns, **more):
    given = {"heading": "Which method for net?", "caption": "24 pictures. " * 30, **more}
    return evaluation_figure(columns, NAMES, [False, False, True], VERDICTS, **given)


@pytest.mark.parametrize("count", [1, 2, 5, 6, 13])
def test_every_metric_has_a_panel_and_every_mean_is_written(count):
    columns = [column(f"Metric {number}", 0.11, -0.52, 37.0, chance=0.3) for number in range(count)]
    figure = figure_of(columns)
    said = words(figure)
    assert len(figure.axes) == count + 1  # the legend
    for number in range(count):
        assert f"Metric {number}" in said
    for text in ("0.11", "−0.52", "37", "← lower is better", "chance"):
        assert text in said
    assert_inside(figure)


def test_what_has_no_number_or_no_interval_is_drawn_as_such():
    dots = (MetricDot(math.nan), MetricDot(0.5), MetricDot(-0.0001, apart="apart"))
    figure = figure_of([MetricColumn("Weight randomisation of all the layers there are", "higher", dots)])
    said = words(figure)
    assert "no number" in said
    assert "0.00" in said
    assert "chance" not in said
    assert_inside(figure)
    assert_inside(figure_of([MetricColumn("Nothing", "neither", (MetricDot(math.nan),) * 3)]))


def test_what_does_not_fit_is_refused():
    with pytest.raises(ViewError, match="at least one metric"):
        figure_of([])
    with pytest.raises(ViewError, match="dots of Deletion: 1 given for 3 methods"):
        figure_of([MetricColumn("Deletion", "lower", (MetricDot(1.0),))])
