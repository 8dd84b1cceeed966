"""Wrong choices of how a map is drawn are refused before anything is drawn, in the words of the views."""

import inspect
from dataclasses import FrozenInstanceError, asdict, fields

import pytest
from PIL import Image

from interp.views import (
    COLORMAPS,
    Drawing,
    ViewError,
    grid_figure,
    overlay,
    three_panel,
    three_panel_figure,
)

WRONG = [
    ({"opacity": 1.5}, "opacity 1.5: give a number from 0 to 1"),
    ({"opacity": float("nan")}, "opacity nan: give a number from 0 to 1"),
    ({"opacity": "half"}, "opacity 'half': give a number from 0 to 1"),
    ({"threshold": -0.1}, "threshold -0.1: give a number from 0 to 1"),
    ({"colormap": "jet"}, f"no colormap 'jet'. On offer: {', '.join(COLORMAPS)}."),
    ({"colormap": "Viridis"}, "no colormap 'Viridis'. Did you mean 'viridis'"),
    ({"colormap": ""}, "no colormap ''. "),
    ({"interpolation": "cubic"}, "interpolation 'cubic': give one of 'nearest', 'bilinear', 'bicubic'"),
]


@pytest.mark.parametrize(("choice", "sentence"), WRONG)
def test_a_wrong_choice_is_a_sentence(choice, sentence):
    with pytest.raises(ViewError) as caught:
        Drawing(**choice)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(("choice", "sentence"), [pair for pair in WRONG if pair[0] != {"colormap": ""}])
def test_the_views_say_the_same(choice, sentence):
    with pytest.raises(ViewError) as caught:
        overlay(Image.new("RGB", (8, 8)), [[0.0, 1.0]], **choice)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize("view", [overlay, three_panel, three_panel_figure, grid_figure])
def test_names_and_defaults_are_those_of_the_views(view):
    taken = inspect.signature(view).parameters
    assert {f.name: taken[f.name].default for f in fields(Drawing)} == asdict(Drawing())


@pytest.mark.parametrize("name", COLORMAPS)
def test_the_ends_of_the_ranges_are_fine(name):
    for part in (0, 1, 0.0, 1.0):
        assert Drawing(part, name, part, "nearest").opacity == part


def test_choices_stay_checked():
    drawing = Drawing()
    with pytest.raises(FrozenInstanceError):
        drawing.opacity = 2.0
