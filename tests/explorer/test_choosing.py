"""Methods with options, slow ones and those whose map lies on the input, on the pages that use methods."""

from __future__ import annotations

import re
import shlex
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pixel_methods
import pytest
from command import interp as command
from command import save_noise, save_segmenter
from explorer_app import checked, forget, opened, words

import interp
from interp.arranging import arrange
from interp.defaults import METHOD
from interp.explanations import Explanations
from interp.explorer.choosing import choices_of, known_methods, method_title
from interp.explorer.networks import network_of
from interp.explorer.pages import compare_grid
from interp.explorer.pages.compare_maps import Asked
from interp.explorer.settings import PICTURES, RUNS
from interp.methods import get, methods

ROOT = Path(interp.__file__).parents[1]
PICTURE = "sample_images/cat_and_coffee.jpg"


@pytest.fixture(scope="module", autouse=True)
def _methods():
    with pixel_methods.registered():
        yield


@pytest.fixture(autouse=True)
def _at_the_top(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture
def seen(monkeypatch):
    """What the viewer of Compare was last given."""
    last: dict[str, Any] = {}
    monkeypatch.setattr(
        compare_grid,
        "viewer",
        lambda key, rows, *, row_titles, widest: last.update(rows=rows, titles=row_titles),
    )
    return last


def at_home(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sample_images").symlink_to(ROOT / "sample_images")


@pytest.mark.slow
def test_every_method_is_listed_once_with_its_family_and_its_cost():
    page = opened("look")
    titles = page.selectbox(key="method").options
    assert titles == [method_title(method) for method in known_methods("classification")]
    assert len(titles) == len(set(titles)) == len([m for m in methods() if "classification" in m.tasks])
    assert "Grad-CAM · Class activation · 1 ×" in titles
    families = [title.split(" · ")[-2] for title in titles]
    assert len([family for family, _ in groupby(families)]) == len(set(families))


def test_slow_method_is_begun_by_a_press_and_its_map_lies_on_the_picture(default_model):
    forget()
    page = opened("look", method="test-masks(masks=7)")
    said = words(page)
    assert re.search(r"Masks\(masks=7\) · 7 × a prediction · about \d+ s", said)
    assert "Take it home" not in said
    checked(page.button(key="begin-look").click().run())
    said = words(page)
    assert "begin-look" not in [button.key for button in page.button]
    assert "it has no layer" in said
    assert "positions lie beyond the ends of the scale" in said
    assert not page.select_slider
    assert "method='test-masks(masks=7)'" in page.code[0].value
    assert "layer" not in page.code[0].value
    assert list(page.query_params) == ["method"]


def test_slow_method_at_layers_makes_the_map_of_one(monkeypatch):
    forget()
    monkeypatch.setattr("interp.methods.registry._QUICK", 0)
    page = opened("look", method="hires-cam", layer="blocks.4")
    assert "one layer at a time" in words(page)
    checked(page.button(key="begin-look").click().run())
    assert "layer='blocks.4'" in page.code[0].value
    checked(page.select_slider(key="layer").set_value("blocks.2").run())
    assert "begin-look" in [button.key for button in page.button]
    checked(page.select_slider(key="layer").set_value("blocks.4").run())
    assert "layer='blocks.4'" in page.code[0].value  # kept


@pytest.mark.slow
def test_link_carries_options_in_any_spelling_and_refuses_nonsense():
    page = opened("look", method="Test_Pixels( display = 'positive' )")
    assert page.session_state["method"] == "test-pixels(display='positive')"
    for wrong in ("test-masks(", "test-masks(masks='x')", "test-masks(nothing=1)", "no-such(masks=1)"):
        page = opened("look", method=wrong)
        assert page.session_state["method"] == METHOD
        assert "asks for what is not on offer here" in page.toast[0].value


def test_value_that_the_method_refuses_is_a_sentence_beside_the_choice():
    page = opened("look", method="test-masks(masks=0)", check=False)
    assert not page.exception
    assert "give 1 or more" in page.error[0].value
    page.selectbox(key="method").set_value("grad-cam")
    checked(page.run())
    assert "Take it home" in words(page)


@pytest.mark.slow
def test_options_are_set_by_their_own_widgets_and_back():
    page = opened("look", method="test-masks")
    checked(page.number_input(key="option-test-masks-masks").set_value(3).run())
    assert page.session_state["method"] == "test-masks(masks=3)"
    checked(page.toggle(key="option-test-masks-soft").set_value(False).run())
    checked(page.number_input(key="option-test-masks-level").set_value(0.25).run())
    checked(page.text_input(key="option-test-masks-kind").set_value("one").run())
    name = "test-masks(masks=3, soft=False, level=0.25, kind='one')"
    assert page.session_state["method"] == name
    assert page.selectbox(key="method").value == name
    assert "Take it home" in words(page)  # three passes are quick
    checked(next(b for b in page.button if b.label == "The usual options").click().run())
    assert page.session_state["method"] == "test-masks"
    assert page.number_input(key="option-test-masks-masks").value == 100


def test_option_of_every_method_that_does_not_go_with_this_one_is_a_sentence():
    page = opened("look", method="test-pixels")
    page.selectbox(key="option-test-pixels-fuse").set_value(choices_of(get("grad-cam"), "fuse")[1])
    page.run()
    assert not page.exception
    assert page.session_state["method"] == "test-pixels"
    assert page.warning


@pytest.mark.slow
def test_python_and_command_of_a_map_on_the_input_make_the_same(tmp_path, monkeypatch):
    page = opened("look", method="test-masks(masks=3, soft=False)", **{"class": "espresso"})
    python, line = page.code[0].value, page.code[1].value
    at_home(tmp_path, monkeypatch)
    exec(python, {})
    done = command(*shlex.split(line)[1:])
    assert done.returncode == 0, done.stderr
    made = (tmp_path / "explanations" / "cat_and_coffee.png").read_bytes()
    assert made == (tmp_path / "cat_and_coffee.map.png").read_bytes()


MIXED = {"compare_methods": "hires-cam,test-pixels,grad-cam", "compare_layers": "blocks.4,bn2"}


def test_asked_counts_maps_on_the_input_once():
    asked = Asked(("grad-cam", "test-pixels"), ("blocks.4", "bn2"), (1, 2, 3))
    assert asked.count == 9
    assert asked.places == ("blocks.4", "bn2", "input")
    assert Asked(("test-pixels",), (), (1,)).places == ("input",)


def test_maps_on_the_input_stand_beside_those_of_every_layer(seen, default_model):
    opened("compare", compare_likeliest="1", **MIXED)
    assert [[cell.title for cell in row] for row in seen["rows"]] == [
        ["Grad-CAM", "HiResCAM", "Pixels · input"]
    ] * 2
    alone = interp.explain(default_model, PICTURE, method="test-pixels")
    for row in seen["rows"]:
        np.testing.assert_array_equal(row[2].values, alone.values)
        assert [end[0] for end in row[2].ends] == ["≤", "≥"]


def test_input_is_a_column_of_its_own_where_layers_stand_across(seen):
    opened("compare", compare_likeliest="1", compare_across="layer", compare_down="method", **MIXED)
    titles = [[cell.title for cell in row] for row in seen["rows"]]
    assert titles == [["blocks.4 · 14×14", "bn2 · 7×7"]] * 2 + [["input"]]


@pytest.mark.parametrize(
    ("across", "down"), [("method", "class"), ("method", "layer"), ("layer", "method"), ("class", "layer")]
)
def test_file_and_python_have_what_the_page_has(seen, tmp_path, monkeypatch, across, down):
    saved = []
    monkeypatch.setattr(Explanations, "save", lambda self, path, **options: saved.append((self, options)))
    page = opened("compare", compare_across=across, compare_down=down, **MIXED)
    at_home(tmp_path, monkeypatch)
    exec(page.code[0].value, {})
    ((found, options),) = saved
    drawn = [e.values for row in arrange(found, options["columns"]).rows for e in row if e is not None]
    shown = [cell.values for row in seen["rows"] for cell in row]
    assert len(drawn) == len(shown)
    assert all(np.array_equal(one, other) for one, other in zip(drawn, shown, strict=True))
    assert [line.rpartition("--out ")[2] for line in page.code[1].value.splitlines()] == [
        "compared-1",
        "compared-2",
    ]


def test_only_methods_on_the_input_need_no_layer(seen):
    page = opened("compare", compare_methods="test-pixels", compare_layers="", compare_likeliest="1")
    assert [[cell.title for cell in row] for row in seen["rows"]] == [["Pixels"]]
    assert "1 maps of at most 60" in words(page)


def test_slow_methods_with_options_are_made_by_a_press(seen):
    page = opened("compare", compare_methods="test-masks(masks=9, level=0.1)", compare_likeliest="1")
    assert "Masks(masks=9, level=0.1) (9 × a prediction) · about" in words(page)
    assert seen["rows"][0][0].over is None
    checked(page.button(key="begin-compare").click().run())
    assert seen["rows"][0][0].over is not None


def test_report_of_pixels_asks_for_no_layer():
    page = opened("report", method="test-pixels")
    assert "it has no layer" in words(page)
    assert "layer" not in [each.key for each in page.selectbox]


@pytest.fixture
def street(tmp_path, monkeypatch):
    (tmp_path / "pictures").mkdir()
    save_noise(tmp_path / "pictures", "a")
    save_segmenter(tmp_path / "runs" / "street")
    monkeypatch.setenv(RUNS, str(tmp_path / "runs"))
    monkeypatch.setenv(PICTURES, str(tmp_path / "pictures"))
    return str(tmp_path / "runs" / "street")


@pytest.mark.slow
def test_segmentation_shows_a_map_on_the_input_and_the_u_of_activations(street):
    page = opened("segmentation", model=street, method="test-pixels", u_shows="map")
    assert "it has no layer" in words(page)
    assert not [each for each in page.select_slider if each.key == "layer"]
    assert "the boxes show mean activations" in page.info[0].value


@pytest.mark.slow
def test_slow_maps_of_a_segmentation_are_drawn_into_the_u_without_being_made_again(street, monkeypatch):
    monkeypatch.setattr("interp.methods.registry._QUICK", 0)
    forget()
    page = opened("segmentation", model=street, method="grad-cam", u_shows="map")
    asked = []
    real = interp.explain
    monkeypatch.setattr(
        "interp.explorer.pages.segmentation_asked.interp.explain",
        lambda *args, **named: asked.append(args[4]) or real(*args, **named),
    )
    checked(page.button(key="begin-segmentation").click().run())
    assert all(len(layers) == 1 for layers in asked)
    assert not page.info


def test_network_of_every_kind_has_its_methods():
    for task in ("classification", "segmentation", "image"):
        assert {m.name for m in known_methods(task)} == {m.name for m in methods() if task in m.tasks}
    assert network_of("efficientnet_lite0").model.task == "classification"
