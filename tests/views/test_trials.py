"""The figure of a map on trial."""

import numpy as np
import pytest

from interp.views import TrialLine, TrialPanel, trials_figure

OWN = TrialLine("this map", (0.0, 0.5, 1.0), (0.8, 0.2, 0.1))
CHANCE = TrialLine("random order", (0.0, 0.5, 1.0), (0.8, 0.7, 0.1))


def panel(**changes):
    given = {"title": "Deletion", "about": "Lower is better.", "across": "taken away", "lines": [OWN, CHANCE]}
    return TrialPanel(**given | changes)


def said(figure):
    return " ".join(text.get_text() for text in figure.findobj() if hasattr(text, "get_text"))


def test_the_area_is_that_of_the_trapezoids():
    assert OWN.area == pytest.approx(0.5 * 0.5 + 0.5 * 0.15)


def test_every_line_is_drawn_and_named_with_its_area():
    figure = trials_figure([panel(), panel(title="Insertion")], heading="cat", caption="Grad-CAM", score="p")
    words = said(figure)
    for part in ("cat", "Grad-CAM", "Deletion", "Insertion", "Lower is better.", "this map", "random order"):
        assert part in words
    assert words.count("0.325") + words.count("0.33") >= 2
    curves = [line for axes in figure.axes for line in axes.lines if len(line.get_xdata()) == 3]
    assert len(curves) == 4
    drawn = {tuple(curve.get_ydata()) for curve in curves}
    assert drawn == {OWN.scores, CHANCE.scores}


def test_frames_stand_above_their_curve():
    frame = np.zeros((8, 8, 3), np.uint8)
    plain = trials_figure([panel()], heading="", caption="", score="p")
    filmed = trials_figure([panel(frames=[(0.0, frame), (0.5, frame)])], heading="", caption="", score="p")
    assert len(filmed.axes) == len(plain.axes) + 2


@pytest.mark.parametrize(
    ("panels", "sentence"),
    [
        ([], "give at least one panel"),
        ([panel(lines=[])], "Deletion: 0 lines; give 1 to 4"),
        ([panel(lines=[OWN] * 5)], "Deletion: 5 lines; give 1 to 4"),
        ([panel(lines=[TrialLine("a", (0, 1), (0.5,))])], "scores of a"),
        (
            [panel(lines=[TrialLine("a", (0, 0), (0.5, 1))])],
            "a: give finite scores at two or more rising parts",
        ),
        ([panel(lines=[TrialLine("a", (0, 1), (0.5, np.nan))])], "a: give finite scores"),
    ],
)
def test_what_cannot_be_drawn_is_refused(panels, sentence):
    with pytest.raises(ValueError, match=sentence):
        trials_figure(panels, heading="", caption="", score="p")
