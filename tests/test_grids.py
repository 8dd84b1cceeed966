"""What makes the columns of a grid, and which maps share a scale."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from command import interp as command

import interp
from interp.arranging import GridError, arrange
from interp.methods import get
from interp.targets import several
from interp.views import ViewError, grid_figure, number, shared_limits

PICTURE = Path(__file__).parents[1] / "sample_images" / "cat_and_coffee.jpg"


@pytest.fixture(scope="module")
def found(default_model):
    methods = ["grad-cam", "hires-cam", "layer-cam"]
    return interp.explain(default_model, [PICTURE], several("tiger cat", "espresso"), methods, "stages")


def texts(figure) -> list[str]:
    return [" ".join(text.get_text().split()) for text in figure.findobj() if hasattr(text, "get_text")]


@pytest.mark.parametrize(
    ("columns", "titles", "rows"),
    [
        ("target", ["tiger cat  10.0 %", "espresso  16.3 %"], 15),
        ("layer", ["blocks.0", "blocks.1", "blocks.2", "blocks.4", "bn2"], 6),
        ("method", ["Grad-CAM", "HiResCAM", "LayerCAM"], 10),
    ],
)
def test_columns_are_what_is_asked_for_and_no_map_is_lost(found, columns, titles, rows):
    made = arrange(found, columns)
    assert made.column_labels == titles
    assert len(made.rows) == len(made.row_labels) == len(set(made.row_labels)) == rows
    there = [each for row in made.rows for each in row]
    assert sorted(map(id, there)) == sorted(map(id, found))


@pytest.mark.slow
def test_methods_of_every_kind_stand_in_one_row(found):
    made = arrange(found, "method")
    assert [each.method.display for each in made.rows[0]] == ["positive", "signed", "positive"]
    assert made.row_labels[:2] == ["tiger cat  10.0 %\nblocks.0", "tiger cat  10.0 %\nblocks.1"]
    assert arrange(found).column_labels == made.column_labels
    assert "no map" not in texts(interp.Explanations(found).grid())


def test_column_that_only_a_later_row_has_keeps_its_place(found):
    early = [e for e in found if e.layer == "blocks.0" and e.method.name != "hires-cam"]
    late = [e for e in found if e.layer == "bn2"]
    made = arrange([*early, *late], "method")
    assert made.column_labels == ["Grad-CAM", "HiResCAM", "LayerCAM"]
    there = [(row[0].layer, [each is not None for each in row]) for row in made.rows]
    assert there == [("blocks.0", [True, False, True])] * 2 + [("bn2", [True] * 3)] * 2
    for row in made.rows:
        for each, title in zip(row, made.column_labels, strict=True):
            assert each is None or each.method.title == title


def test_every_map_of_a_row_has_the_colours_and_the_scale_of_its_method(found):
    three = interp.Explanations(e for e in found if (e.layer, e.target.name) == ("bn2", "espresso"))
    together = three.grid()
    strips = [
        np.asarray(axes.images[0].get_array()) for axes in together.axes if axes.get_position().height < 0.05
    ]
    alone = [
        np.asarray(axes.images[0].get_array())
        for each in three
        for axes in interp.Explanations([each]).grid().axes
        if axes.get_position().height < 0.05
    ]
    assert len(strips) == len(alone) == 3
    assert all((one == other).all() for one, other in zip(strips, alone, strict=True))
    assert (strips[0] != strips[1]).any()
    for each in three:
        assert {number(each.scale.low), number(each.scale.high)} <= set(texts(together))


def test_columns_that_are_not_there_get_a_sentence(found):
    with pytest.raises(GridError, match="give one of 'target', 'layer', 'method'"):
        found.grid(columns="class")
    with pytest.raises(GridError, match="'picture'"):
        found.save("grid.png", columns="picture")


def test_row_shares_one_scale_and_says_its_ends():
    maps = [[[[0.0, 1.0]], [[0.0, 4.0]]], [[[0.0, 16.0]], [[0.0, 9.0]]]]
    from PIL import Image

    picture = Image.new("RGB", (60, 60), "orange")
    asked = {"row_labels": ["a", "b"], "column_labels": ["x", "y"]}
    own, row = (grid_figure(picture, maps, **asked, shared=shared) for shared in (False, "row"))
    assert [text for text in texts(own) if text in ("1", "4", "9", "16")] == ["1", "4", "16", "9"]
    assert [text for text in texts(row) if text in ("1", "4", "9", "16")] == ["4", "4", "16", "16"]


def test_maps_of_a_row_share_with_those_that_are_drawn_alike_and_words_say_so(found):
    three = interp.Explanations(e for e in found if (e.layer, e.target.name) == ("bn2", "espresso"))
    positive = shared_limits([three[0].values, three[2].values], "positive")
    signed = shared_limits([three[1].values], "signed")
    said = texts(three.grid(shared="row"))
    assert said.count(number(positive[1])) == 2
    assert said.count(number(signed[0])) == said.count(number(signed[1])) == 1
    about = (
        "Maps of a row that are drawn alike (positive, signed) share one scale; its ends stand under each."
    )
    assert about in said
    assert about not in texts(three.grid())
    assert not [text for text in texts(interp.Explanations([three[0]]).grid(shared="row")) if "share" in text]


def test_rows_that_share_a_scale_may_be_drawn_differently(found):
    some = interp.Explanations(found[:6])
    limits = [shared_limits([e.values], e.method.display) for e in some if e.method.name == "hires-cam"]
    figure = some.grid(shared="row", columns="layer")
    largest = max(high for _, high in limits)
    assert texts(figure).count(number(largest)) == 2
    with pytest.raises(ValueError, match="no scale in common"):
        some.grid(shared=True)


def test_a_shared_scale_dims_the_weaker_map_and_leaves_the_strongest(found):
    pair = interp.Explanations(e for e in found if (e.layer, e.method.name) == ("bn2", "grad-cam"))
    assert pair[0].values.max() < pair[1].values.max()
    own, row = (
        [np.asarray(axes.images[0].get_array()) for axes in pair.grid(shared=shared).axes]
        for shared in (False, "row")
    )
    picture, weaker, stronger = (number for number, view in enumerate(own) if view.shape[0] > 100)
    assert (own[picture] == row[picture]).all()
    assert (own[stronger] == row[stronger]).all()
    assert row[weaker].mean() < own[weaker].mean() - 1


def test_wrong_sharing_gets_a_sentence(found):
    with pytest.raises(ViewError, match="give True, False or 'row'"):
        found.grid(shared="rows")


@pytest.mark.slow
def test_command_draws_the_same_grid(tmp_path, found):
    classes = ["--class", "tiger cat", "--class", "espresso"]
    drawn = ["--columns", "target", "--row-scale", "--method", "grad-cam"]
    done = command("explain", PICTURE, *classes, *drawn, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    pair = interp.Explanations(e for e in found if (e.layer, e.method.name) == ("bn2", "grad-cam"))
    wanted = pair.save(tmp_path / "wanted.png", columns="target", shared="row")
    assert (tmp_path / "cat_and_coffee.png").read_bytes() == wanted.read_bytes()


def test_command_refuses_other_columns_before_it_explains(tmp_path):
    done = command("explain", PICTURE, "--columns", "class", "--out", tmp_path / "out")
    assert done.returncode != 0
    assert "give one of 'target', 'layer', 'method'" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def pixels():
    return replace(get("grad-cam"), name="pixels", title="Pixels", place="input")


@pytest.fixture(scope="module")
def with_input(found, pixels):
    """Two layers and two classes by Grad-CAM, and between them maps on the input."""
    ours = [e for e in found if e.method.name == "grad-cam" and e.layer in ("blocks.4", "bn2")]
    values = torch.linspace(-1, 1, 32 * 32).reshape(32, 32)
    first = [replace(e, layer="input", method=pixels, map=values) for e in ours if e.layer == "blocks.4"]
    return [e for own in zip(ours[:1] + ours[2:3], first, ours[1:2] + ours[3:], strict=True) for e in own]


def test_map_on_the_input_stands_beside_every_layer(with_input):
    made = arrange(with_input, "method")
    assert made.column_labels == ["Grad-CAM", "Pixels"]
    assert [label.split("\n")[1] for label in made.row_labels] == ["blocks.4", "bn2"] * 2
    for row in made.rows:
        assert [each.layer for each in row][1] == "input"
        assert row[0].target == row[1].target


def test_one_layer_and_the_input_are_one_row(with_input):
    one = [e for e in with_input if e.layer != "blocks.4" and e.target.name == "espresso"]
    made = arrange(one)
    assert [[e.method.title for e in row] for row in made.rows] == [["Pixels", "Grad-CAM"]]
    assert "no map" not in texts(interp.Explanations(one).grid())


@pytest.mark.parametrize("columns", ["layer", "target"])
def test_input_is_a_place_of_its_own_where_methods_stand_down(with_input, columns):
    made = arrange(with_input, columns)
    there = [each for row in made.rows for each in row if each is not None]
    assert sorted(map(id, there)) == sorted(map(id, with_input))
    assert columns == "target" or made.column_labels == ["blocks.4", "bn2", "input"]


def test_only_maps_on_the_input_are_a_grid_too(with_input):
    alone = [e for e in with_input if e.layer == "input"]
    assert [len(row) for row in arrange(alone, "method").rows] == [1, 1]


def test_colours_of_pixels_span_99_in_100_of_them_and_say_so(with_input):
    alone = next(e for e in with_input if e.layer == "input")
    assert alone.scale.high == pytest.approx(float(alone.map.clamp(min=0).quantile(0.99)))
    assert alone.scale.text.endswith("(1 % beyond)")
    assert f"≥ {number(alone.scale.high)}" in texts(interp.Explanations([alone]).grid())
    assert "Pixels, raw, 1 % beyond" in texts(alone.show())
    layer = next(e for e in with_input if e.layer == "bn2")
    assert layer.scale.high == float(layer.map.max())


def test_what_is_said_of_a_map_stands_under_it_and_only_then_takes_room(found):
    one, two = found[:2]
    quiet = interp.Explanations([one, two]).grid()
    said = interp.Explanations([one, replace(two, notes=("Doubtful",))]).grid()
    assert "Doubtful" in texts(said)
    assert "Doubtful" not in texts(quiet)
    assert said.get_size_inches()[1] > quiet.get_size_inches()[1]
