"""The page Compare: every cell is the map that the API gives; what does not go together says why."""

from __future__ import annotations

import io
import re
import shlex
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import interp as command
from command import save_classifier
from explorer_app import checked, forget, opened, words

import interp
from interp.arranging import arrange
from interp.explanations import Explanations
from interp.explorer.choosing import known_methods
from interp.explorer.networks import network_of
from interp.explorer.pages import compare, compare_grid, compare_maps
from interp.explorer.pages.compare_maps import Asked, groups, sought
from interp.explorer.pages.compare_taking import npz
from interp.explorer.parts import Cell
from interp.explorer.pictures import opened_sample
from interp.explorer.settings import RUNS
from interp.images import Box, Preprocess
from interp.methods import get, methods
from interp.views import ViewError, number, shared_limits

ROOT = Path(interp.__file__).parents[1]
PICTURE = "sample_images/cat_and_coffee.jpg"
STAGES = ("blocks.0", "blocks.1", "blocks.2", "blocks.4", "bn2")
FOUND = ["espresso", "tiger cat"]
# As many as make too many maps, none of them slow.
MANY = [
    "activation-mean",
    "activation-abs",
    "activation-max",
    "activation-l2",
    "cam",
    "grad-cam",
    "grad-cam-course",
    "grad-cam-plus-plus",
    "hires-cam",
    "xgrad-cam",
    "layer-cam",
]
LISTED = [method.name for method in known_methods("classification") if method.name in MANY]


@pytest.fixture(autouse=True)
def _at_the_top(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture
def seen(monkeypatch):
    """What the viewer was last given: rows and their titles."""
    last: dict[str, Any] = {}

    def look(key, rows, *, row_titles, widest):
        last.update(rows=rows, titles=row_titles, widest=widest)

    monkeypatch.setattr(compare_grid, "viewer", look)
    return last


@pytest.mark.slow
def test_page_opens_with_the_usual_methods_and_two_classes(seen, default_model):
    app = opened("compare")
    assert [cell.title for cell in seen["rows"][0]] == ["Consensus-CAM", "Grad-CAM", "LayerCAM", "EigenCAM"]
    assert [title.split(" · ")[2].split("  ")[0] for title in seen["titles"]] == FOUND
    assert "Do the methods agree" in words(app)
    for row, target in zip(seen["rows"], FOUND, strict=True):
        for cell, method in zip(row, compare.USUAL, strict=True):
            alone = interp.explain(default_model, PICTURE, target, method)
            np.testing.assert_array_equal(cell.values, alone.values)
            assert cell.ends == (number(alone.scale.low), number(alone.scale.high))


def test_page_speaks_chinese(seen):
    said = words(opened("compare", lang="zh"))
    assert "各种方法的结论一致吗" in said
    assert "Do the methods" not in said
    assert "Scale of the colours" not in said


@pytest.mark.parametrize("picture", ["cat.jpg", "cameraman.jpg", "rocket.jpg"])
def test_classes_are_those_that_the_picture_shows(seen, picture, default_model):
    opened("compare", picture=picture, compare_likeliest="3")
    likeliest = [p.name for p in default_model.predict([f"sample_images/{picture}"])[0][:3]]
    assert [title.split(" · ")[2].split("  ")[0] for title in seen["titles"]] == likeliest


@pytest.mark.parametrize(
    ("across", "down"), [pair for pair in product(compare_grid.AXES, repeat=2) if pair[0] != pair[1]]
)
def test_every_cell_is_the_map_of_its_place(seen, across, down, default_model):
    values = {"method": ["hires-cam", "layer-cam"], "layer": ["blocks.2", "bn2"], "class": FOUND}
    asked = {"compare_methods": "layer-cam,hires-cam", "compare_layers": "bn2,blocks.2"}
    opened("compare", compare_across=across, compare_down=down, **asked)
    third = next(axis for axis in values if axis not in (across, down))
    places = [
        [{third: repeat, down: row, across: column} for column in values[across]]
        for repeat, row in product(values[third], values[down])
    ]
    for cells, row in zip(seen["rows"], places, strict=True):
        for cell, at in zip(cells, row, strict=True):
            alone = interp.explain(default_model, PICTURE, at["class"], at["method"], at["layer"])
            np.testing.assert_array_equal(cell.values, alone.values)
            assert at["class"] in cell.alt
            assert at["layer"] in cell.alt


def test_row_shares_a_scale_among_methods_that_are_drawn_alike(seen):
    asked = {"compare_methods": "grad-cam,layer-cam,hires-cam", "compare_scale": "row"}
    app = opened("compare", **asked)
    assert "compare where they look rather than how strongly" in words(app)
    for row in seen["rows"]:
        positive, signed, same = row
        low, high = shared_limits([positive.values, same.values], "positive")
        assert positive.ends == same.ends == (number(low), number(high))
        assert signed.ends[0].startswith("−")
    own = [cell.over for cell in seen["rows"][0]]
    checked(app.segmented_control(key="compare_scale").set_value("own").run())
    changed = [before != cell.over for before, cell in zip(own, seen["rows"][0], strict=True)]
    assert changed.count(True) == 1  # the weaker one of the two that shared
    app = opened("compare", compare_scale="row", compare_across="class")
    assert "the same colour is the same value" in words(app)


@pytest.mark.slow
def test_method_that_cannot_work_is_an_empty_cell_and_the_others_are_drawn(seen):
    opened("compare", compare_methods="cam,grad-cam", compare_layers=",".join(STAGES), compare_across="layer")
    parts = [title.split(" · ") for title in seen["titles"]]
    cam, grad = (
        [row for row, part in zip(seen["rows"], parts, strict=True) if name in part]
        for name in ("CAM", "Grad-CAM")
    )
    assert len(cam) == len(grad) == 2
    for row in cam:
        assert [cell.over is None for cell in row] == [True] * 4 + [False]
        assert all("global average pooling" in cell.words for cell in row[:4])
        assert row[4].words == ""
    assert all(cell.over for row in grad for cell in row)
    opened("compare", lang="zh", compare_methods="cam", compare_layers="blocks.0")
    assert "全局平均池化" in seen["rows"][0][0].words


@pytest.mark.slow
def test_refusals_are_found_once_and_not_again(monkeypatch):
    compare_maps._known.clear()
    calls = []
    real = interp.explain
    monkeypatch.setattr(
        compare_maps.interp, "explain", lambda *args, **named: calls.append(args[3:]) or real(*args, **named)
    )
    network = network_of("efficientnet_lite0")
    names = tuple(MANY)
    first, second = opened_sample(PICTURE), opened_sample("sample_images/rocket.jpg")
    found = sought(network, first, (282,), names, STAGES, 240)
    assert set(found.refused) == {("cam", layer) for layer in STAGES[:4]}
    assert len(found.found) == len(names) * len(STAGES) - 4
    calls.clear()
    again = sought(network, second, (282,), names, STAGES, 240)
    assert len(calls) == 2
    assert set(again.refused) == set(found.refused)
    assert set(again.found) == set(found.found)


def test_methods_with_the_same_layers_are_asked_together():
    refused = [("cam", "a"), ("odd", "a"), ("none", "a"), ("none", "b")]
    found = groups(["cam", "x", "odd", "none", "y"], ["a", "b"], refused)
    assert found == [(("cam", "odd"), ("b",)), (("x", "y"), ("a", "b"))]


def test_too_many_get_a_sentence_with_their_number(seen):
    every = {"compare_methods": ",".join(MANY), "compare_layers": ",".join(STAGES)}
    app = opened("compare", **every)
    count = len(MANY) * 10
    assert f"{len(MANY)} methods × 5 layers × 2 classes make {count} maps" in words(app)
    assert not seen
    app.segmented_control(key="compare_likeliest").set_value(1)
    checked(app.run())
    assert f"{len(MANY) * 5} maps of at most 60" in words(app)
    joined = [sum(map(len, rows)) for _, rows in _titled(seen)]
    assert joined == [len(MANY)] * 5


def _titled(seen):
    """Return each title with the lines that stand under it."""
    found = []
    for title, row in zip(seen["titles"], seen["rows"], strict=True):
        if title:
            found.append((title, []))
        found[-1][1].append(row)
    return found


def test_too_many_leave_what_was_drawn_before(seen):
    every = ",".join(MANY)
    app = opened("compare", compare_methods=every, compare_likeliest="1")
    before = [cell.values for row in seen["rows"] for cell in row]
    assert "Below is what was drawn before" not in words(app)
    seen.clear()
    app.session_state["compare_layers"] = list(STAGES)
    app.segmented_control(key="compare_likeliest").set_value(2)
    checked(app.run())
    assert f"{len(MANY) * 10} maps of at most 60" in words(app)
    assert "choose fewer methods, layers or classes" in words(app)
    assert "Below is what was drawn before" in words(app)
    after = [cell.values for row in seen["rows"] for cell in row]
    assert all((one == other).all() for one, other in zip(before, after, strict=True))
    seen.clear()
    app.session_state["picture"] = "rocket.jpg"
    checked(app.run())
    assert not seen


def test_many_columns_go_on_in_the_next_line(seen):
    every = ",".join(MANY)
    opened("compare", compare_methods=every)
    wanted = [get(name).title for name in LISTED]
    assert len(_titled(seen)) == 2
    for _, lines in _titled(seen):
        assert [cell.title for line in lines for cell in line] == wanted
        assert max(map(len, lines)) <= compare_grid.ABREAST


@pytest.mark.parametrize(
    ("count", "lengths"), [(1, [1]), (6, [6]), (7, [4, 3]), (12, [6, 6]), (13, [5, 5, 3])]
)
def test_lines_are_of_about_one_length(count, lengths):
    cells = [Cell("", str(number)) for number in range(count)]
    lines = compare_grid._lines(cells)
    assert [len(line) for line in lines] == lengths
    assert [cell for line in lines for cell in line] == cells


def test_grey_is_explained_where_there_is_some(seen, monkeypatch):
    about = "Grey is what the network never saw."
    assert about in words(opened("compare"))
    everything = lambda preprocess, size: Box(0, 0, *size)  # noqa: E731
    monkeypatch.setattr(Preprocess, "box", everything)
    assert about not in words(opened("compare"))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"compare_methods": ""}, "at least one method"),
        ({"compare_layers": ""}, "at least one layer"),
        ({"compare_likeliest": "0"}, "at least one class"),
    ],
)
def test_nothing_chosen_gets_a_sentence(seen, asked, said):
    assert said in words(opened("compare", **asked))
    assert not seen


@pytest.mark.slow
def test_all_methods_in_one_press_and_back(seen):
    app = opened("compare", compare_likeliest="1")
    buttons = {button.label: button for button in app.button}
    checked(buttons["All quick methods"].click().run())
    chosen = app.session_state["compare_methods"]
    assert set(chosen) == {m.name for m in methods() if m.quick and "classification" in m.tasks}
    shown = [cell.title.split(" · ")[0] for row in seen["rows"] for cell in row]
    assert sorted(shown) == sorted(get(name).title for name in chosen)
    checked(next(b for b in app.button if b.label == "The usual ones").click().run())
    assert app.session_state["compare_methods"] == compare.USUAL


def test_class_that_is_asked_about_elsewhere_comes_along_and_can_be_taken_away(seen, default_model):
    app = opened("compare", **{"class": "goldfish"})
    index = str(default_model.labels.find("goldfish"))
    assert app.multiselect(key="compare_classes").value == [index]
    assert "goldfish" in seen["titles"][-1]
    app.multiselect(key="compare_classes").set_value([])
    checked(app.run())
    assert app.multiselect(key="compare_classes").value == []
    assert len(seen["titles"]) == 2


def test_link_opens_the_same_view_and_nonsense_the_default(seen):
    asked = {
        "compare_methods": "cam,eigen-cam",
        "compare_layers": "blocks.4,bn2",
        "compare_classes": "1,2",
        "compare_likeliest": "0",
        "compare_across": "class",
        "compare_down": "layer",
        "compare_scale": "row",
        "opacity": "0.3",
        "smoothing": "nearest",
    }
    app = opened("compare", **asked)
    listed = {key: [value] if isinstance(value, str) else value for key, value in app.query_params.items()}
    assert {key: ",".join(value) for key, value in listed.items()} == asked
    assert [cell.title.split("  ")[0] for cell in seen["rows"][0]] == ["goldfish", "great white shark"]
    wrong = dict.fromkeys(asked, "../x") | {"compare_across": "layer", "compare_down": "layer"}
    app = opened("compare", **wrong)
    assert app.session_state["compare_methods"] == compare.USUAL
    assert app.session_state["compare_layers"] == ["bn2"]
    assert (app.session_state["compare_across"], app.session_state["compare_down"]) == ("layer", "class")


def test_colours_are_offered_where_they_suit_every_method(seen):
    assert opened("compare").selectbox(key="colours").options[0] == "magma"
    mixed = opened("compare", compare_methods="grad-cam,hires-cam")
    assert mixed.selectbox(key="colours").options == ["those of each method"]
    kinds = opened("compare", compare_methods="grad-cam,activation-mean", colours="cividis")
    assert kinds.selectbox(key="colours").value == "cividis"
    assert "colormap='cividis'" in kinds.code[0].value


def test_slow_methods_are_begun_by_a_press(seen, monkeypatch, default_model):
    monkeypatch.setattr(compare, "is_quick", lambda name: name != "eigen-cam")
    app = opened("compare", picture="coffee.jpg", compare_likeliest="1")
    (row,) = seen["rows"]
    assert [bool(cell.over) for cell in row] == [True, True, True, False]
    assert "press the button above" in row[3].words
    assert "EigenCAM (1 × a prediction)" in words(app)
    checked(app.button(key="begin-compare").click().run())
    alone = interp.explain(default_model, "sample_images/coffee.jpg", method="eigen-cam")
    np.testing.assert_array_equal(seen["rows"][0][3].values, alone.values)
    assert "begin-compare" not in [button.key for button in app.button]


@pytest.mark.parametrize(("passes", "quick"), [(1.0, True), (4.0, True), (50.0, False)])
def test_few_passes_are_quick(passes, quick):
    assert replace(get("grad-cam"), passes=passes).quick == quick


def test_npz_has_all_raw_maps(default_model):
    asked = Asked(("cam", "grad-cam"), ("blocks.4", "bn2"), (282, 967))
    network, picture = network_of("efficientnet_lite0"), opened_sample(PICTURE)
    found = sought(network, picture, asked.classes, asked.methods, asked.layers, 240)
    arrays = np.load(io.BytesIO(npz(asked, found)))
    assert len(arrays.files) == 6
    for name in arrays.files:
        index, rest = name.split(".", 1)
        layer, method = rest.rsplit(".", 1)
        alone = interp.explain(default_model, PICTURE, int(index), method, layer)
        np.testing.assert_array_equal(arrays[name], alone.values)


@pytest.mark.slow
@pytest.mark.parametrize("across", ["method", "class"])
def test_python_and_command_make_the_picture_of_the_page(seen, tmp_path, monkeypatch, across):
    saved = []
    real = Explanations.save

    def save(self, path, **options):
        saved.append((self, options))
        return real(self, path, **options)

    monkeypatch.setattr(Explanations, "save", save)
    asked = {"compare_methods": "grad-cam,layer-cam", "compare_scale": "row", "opacity": "0.4"}
    app = opened("compare", compare_across=across, smoothing="nearest", **asked)
    python, line = app.code[0].value, app.code[1].value
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sample_images").symlink_to(ROOT / "sample_images")
    exec(python, {})
    done = command(*shlex.split(line)[1:])
    assert done.returncode == 0, done.stderr
    picture = (tmp_path / "cat_and_coffee-compared.png").read_bytes()
    assert (tmp_path / "explanations" / "cat_and_coffee.png").read_bytes() == picture
    shown = {cell.values.tobytes() for row in seen["rows"] for cell in row}
    assert {each.values.tobytes() for each in saved[0][0]} == shown
    wanted = {
        "columns": "target" if across == "class" else across,
        "shared": "row",
        "opacity": 0.4,
        "interpolation": "nearest",
    }
    assert saved[0][1] == wanted


@pytest.mark.parametrize(
    ("across", "down", "columns", "rows"),
    [
        (
            "method",
            "class",
            ["CAM", "Grad-CAM", "HiResCAM"],
            ["espresso blocks.2", "tiger cat blocks.2", "espresso bn2", "tiger cat bn2"],
        ),
        (
            "layer",
            "method",
            ["blocks.2", "bn2"],
            [f"{name} {way}" for name in FOUND for way in ("CAM", "Grad-CAM", "HiResCAM")],
        ),
    ],
)
def test_file_and_python_have_the_rows_of_the_page(seen, tmp_path, monkeypatch, across, down, columns, rows):
    saved = []
    monkeypatch.setattr(Explanations, "save", lambda self, path, **options: saved.append((self, options)))
    asked = {"compare_methods": "hires-cam,grad-cam,cam", "compare_layers": "blocks.2,bn2"}
    app = opened("compare", compare_across=across, compare_down=down, **asked)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sample_images").symlink_to(ROOT / "sample_images")
    exec(app.code[0].value, {})
    ((found, options),) = saved
    made = arrange(found, options["columns"])
    labels = [" ".join(re.sub(r"[\d.]+ %", "", label).replace("·", " ").split()) for label in made.row_labels]
    assert (made.column_labels, labels) == (columns, rows)
    shown = [cell.values for _, lines in _titled(seen) for line in lines for cell in line]
    drawn = [None if each is None else each.values for row in made.rows for each in row]
    for one, other in zip(shown, drawn, strict=True):
        assert (one is None) == (other is None)
        assert one is None or (one == other).all()


def test_python_of_a_grid_with_empty_cells_runs(seen, tmp_path, monkeypatch):
    app = opened(
        "compare", compare_methods="cam,grad-cam", compare_layers="blocks.2,bn2", compare_likeliest="1"
    )
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sample_images").symlink_to(ROOT / "sample_images")
    names: dict[str, Any] = {}
    exec(app.code[0].value, names)
    assert (tmp_path / "cat_and_coffee-compared.png").stat().st_size > 10_000
    drawn = {cell.values.tobytes() for row in seen["rows"] for cell in row if cell.values is not None}
    assert {each.values.tobytes() for each in names["found"]} == drawn
    lines = app.code[1].value.splitlines()
    assert [line.rpartition("--out ")[2] for line in lines] == ["compared-1", "compared-2"]


def test_added_classes_do_not_outlive_their_network(seen, tmp_path, monkeypatch):
    first, second = (str(save_classifier(tmp_path / name)) for name in ("first", "second"))
    monkeypatch.setenv(RUNS, str(tmp_path))
    forget()
    app = opened("compare", model=first, compare_classes="1")
    assert app.session_state["compare_classes"] == ["1"]
    checked(app.run())
    assert app.session_state["compare_classes"] == ["1"]
    checked(app.selectbox(key="model").set_value(second).run())
    assert app.session_state["compare_classes"] == []
    assert "compare_classes" not in app.query_params


def test_failure_of_the_grid_alone_is_a_sentence(monkeypatch):
    def broken(*_args, **_named):
        raise ViewError("this *is* broken.")

    monkeypatch.setattr(compare_grid, "viewer", broken)
    app = opened("compare", check=False)
    assert not app.exception
    assert [each.value for each in app.error] == [r"this \*is\* broken\."]
