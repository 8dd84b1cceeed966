"""Several trainings in one plot."""

import numpy as np
import pytest

from interp.views import ViewError, runs_figure


def texts(figure):
    return [text.get_text() for text in figure.texts]


def test_every_run_is_a_line_over_its_epochs():
    figure = runs_figure({"one": [0.5, 0.3, 0.4], "two": [0.6]}, metric="error_rate", good="low")
    lines = figure.axes[0].lines
    assert [line.get_label() for line in lines] == ["one", "two"]
    assert lines[0].get_xdata().tolist() == [1, 2, 3]
    np.testing.assert_allclose(lines[0].get_ydata(), [0.5, 0.3, 0.4], rtol=1e-6)


def test_last_and_best_values_are_listed():
    low = texts(runs_figure({"one": [0.5, 0.3, 0.4]}, metric="error_rate", good="low"))
    assert "0.4" in low
    assert "0.3 (2)" in low
    high = texts(runs_figure({"one": [0.5, 0.3, np.nan]}, metric="accuracy", good="high"))
    assert "0.3" in high
    assert "0.5 (1)" in high


def test_no_best_where_nobody_can_say_what_is_good():
    assert "best (epoch)" not in texts(runs_figure({"one": [1.0, 2.0]}, metric="valid_distance"))


def test_values_over_decades_are_logarithmic():
    assert runs_figure({"one": [100.0, 0.01]}, metric="loss").axes[0].get_yscale() == "log"
    assert runs_figure({"one": [100.0, -1.0]}, metric="loss").axes[0].get_yscale() == "linear"


def test_run_without_values_is_said():
    assert "no values" in texts(runs_figure({"one": [np.nan], "two": [1.0]}, metric="loss", good="low"))


def test_lines_of_many_runs_are_told_apart():
    figure = runs_figure({str(number): [1.0, 2.0] for number in range(15)}, metric="loss")
    styles = {(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines}
    assert len(styles) == 15


def test_names_are_no_formulas():
    assert "$x$" in texts(runs_figure({"$x$": [1.0]}, metric="loss"))


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        ({}, "curves: 0 runs; give 1 to 15"),
        ({str(number): [1.0] for number in range(16)}, "curves: 16 runs; give 1 to 15"),
        ({"one": []}, r"curves\['one'\]: has no epoch"),
        ({"one": ["a"]}, r"curves\['one'\]"),
    ],
)
def test_wrong_curves_are_refused(curves, message):
    with pytest.raises(ViewError, match=message):
        runs_figure(curves, metric="loss")
