"""Visualised features in a grid, with their numbers."""

import numpy as np
import pytest

from interp.views import ViewError, visualisation_figure

GREY = np.full((20, 30, 3), 128, np.uint8)


def words(figure) -> list[str]:
    return [text.get_text() for text in figure.texts if text.get_text()]


def test_names_values_and_the_best_of_a_data_set():
    figure = visualisation_figure(
        [GREY] * 2, ["a:1", "a:2"], values=[3.25, np.nan], best=[1, 2], heading="Stage 2"
    )
    assert words(figure) == ["Stage 2", "a:1", "3.25, pictures 1", "a:2", "pictures 2"]
    assert words(visualisation_figure([GREY], ["a:1"])) == ["a:1"]


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (3, 2), (4, 2), (9, 3), (30, 5)])
def test_the_grid_is_as_square_as_it_goes(count, columns):
    figure = visualisation_figure([GREY] * count, ["x"] * count)
    lefts = {round(axes.get_position().x0, 3) for axes in figure.axes}
    assert len(figure.axes) == count
    assert len(lefts) == columns


def test_what_does_not_agree_is_refused():
    with pytest.raises(ViewError, match="pictures: give at least one"):
        visualisation_figure([], [])
    with pytest.raises(ViewError, match="names: 2 given for 1 pictures"):
        visualisation_figure([GREY], ["a", "b"])
    with pytest.raises(ViewError, match="best: 2 given for 1 pictures"):
        visualisation_figure([GREY], ["a"], best=[1, 2])
    with pytest.raises(ViewError, match="columns: 0"):
        visualisation_figure([GREY], ["a"], columns=0)
