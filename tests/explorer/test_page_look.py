"""The page Look: over every method and sample picture, in both languages; what it offers is what it shows."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command import interp as command
from explorer_app import checked, opened, words
from PIL import Image

import interp
from interp.explorer.asking import class_titles, explained, stage_layers, target_of
from interp.explorer.drawing import cell_of, layers_of
from interp.explorer.networks import Network, network_of
from interp.explorer.pictures import opened_sample
from interp.explorer.words import chinese
from interp.methods import get, methods
from interp.models import Labels
from interp.views import Drawing

ROOT = Path(interp.__file__).parents[1]
SAMPLES = sorted((ROOT / "sample_images").glob("*.jpg"))


@pytest.fixture(autouse=True)
def _at_the_top(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.slow
@pytest.mark.parametrize("picture", SAMPLES, ids=lambda path: path.stem)
def test_every_sample_opens(picture, default_model):
    page = opened("look", picture=picture.name)
    best = default_model.predict([picture])[0][0]
    assert f"<b>{best.name}</b>" in words(page)


@pytest.mark.slow
@pytest.mark.parametrize("method", [m.name for m in methods() if "classification" in m.tasks])
def test_every_method_is_there_by_itself(method):
    page = opened("look", check=False, method=method)
    chosen = get(method)
    assert not page.exception
    assert page.selectbox(key="method").value == method
    assert chosen.formula in words(page)
    if page.error:  # of a method for networks of another kind
        assert f"{chosen.title} needs" in page.error[0].value.replace("\\", "")
        return
    assert ("Take it home" if chosen.quick else "Make the map") in words(page)
    assert ("it has no layer" in words(page)) == (chosen.quick and chosen.place == "input")


@pytest.mark.parametrize("method", ["eigen-cam", "saliency", "score-cam"])
def test_methods_are_told_in_chinese(method):
    page = opened("look", method=method)
    page.segmented_control(key="lang").set_value("zh")
    checked(page.run())
    chosen = get(method)
    assert chinese().get(chosen.formula, chosen.formula) in words(page)
    assert ("带走结果" if chosen.quick else "生成热力图") in words(page)


def test_the_page_asks_what_the_api_asks(default_model):
    network, sample = (
        network_of("efficientnet_lite0"),
        opened_sample(str(ROOT / "sample_images/cat_and_coffee.jpg")),
    )
    layers = stage_layers(network)
    found = explained(network, sample, ("tiger cat",), ("layer-cam",), layers)
    for each, layer in zip(found, layers, strict=True):
        alone = interp.explain(default_model, sample.path, "tiger cat", "layer-cam", layer)
        assert each.layer == layer
        np.testing.assert_array_equal(each.values, alone.values)


@pytest.mark.parametrize("opacity", [0.0, 0.35, 1.0])
def test_the_browser_mixes_what_the_api_draws(default_model, opacity):
    import base64
    import io

    found = interp.explain(default_model, SAMPLES[1], "tiger cat")
    under, over = (
        np.asarray(Image.open(io.BytesIO(base64.b64decode(layer.partition(",")[2]))), np.float64)
        for layer in layers_of(found, Drawing(threshold=0.2))
    )
    wanted = np.asarray(found.overlay(opacity, threshold=0.2), np.float64)
    assert np.abs((1 - opacity) * under + opacity * over - wanted).mean() < 2  # of 255, after JPEG


def test_a_cell_says_in_words_where_the_map_is_strongest(default_model):
    alt = cell_of(
        interp.explain(default_model, ROOT / "sample_images/cat_and_coffee.jpg", "tiger cat"), Drawing()
    ).alt
    assert alt == "Map for tiger cat at layer bn2; strongest at the top, in the middle."


def test_no_evidence_is_said_and_not_drawn(default_model):
    none = interp.explain(
        default_model, ROOT / "sample_images/cat.jpg", lambda output: -output.logsumexp(1) * 0
    )
    cell = cell_of(none, Drawing())
    assert cell.scale is None
    assert len(cell.ends) == 1
    assert cell.ends[0] in cell.alt


@pytest.mark.slow
def test_the_python_of_the_page_makes_the_picture(tmp_path, monkeypatch):
    page = opened(
        "look", **{"class": "tiger cat", "method": "layer-cam", "layer": "blocks.4", "opacity": "0.4"}
    )
    code = page.code[0].value
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sample_images").symlink_to(ROOT / "sample_images")
    exec(code, {})
    wanted = interp.explain(
        "efficientnet_lite0", "sample_images/cat_and_coffee.jpg", "tiger cat", "layer-cam", "blocks.4"
    )
    wanted.save("wanted.png", opacity=0.4)
    assert Path("cat_and_coffee.map.png").read_bytes() == Path("wanted.png").read_bytes()


def test_the_command_of_the_page_makes_the_same_picture(tmp_path, monkeypatch):
    page = opened(
        "look",
        **{
            "class": "espresso",
            "layer": "blocks.2",
            "threshold": "0.3",
            "smoothing": "nearest",
            "colours": "cividis",
        },
    )
    python, line = page.code[0].value, page.code[1].value
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sample_images").symlink_to(ROOT / "sample_images")
    done = command(*shlex.split(line)[1:])
    assert done.returncode == 0, done.stderr
    exec(python, {})
    made = (tmp_path / "explanations" / "cat_and_coffee.png").read_bytes()
    assert made == (tmp_path / "cat_and_coffee.map.png").read_bytes()


def test_another_picture_is_asked_about_what_it_shows():
    page = opened("look", **{"class": "espresso"})
    page.selectbox(key="picture").set_value("rocket.jpg")
    checked(page.run())
    assert page.session_state["class"] is None
    assert "espresso" not in words(page).split("Asked about")[1][:80]


def test_names_that_look_like_indices_are_not_mixed_up(default_model):
    labels = ("a", "a", "0", "#1")
    network = Network(replace(default_model, labels=Labels(labels)), "doubtful names", "")
    titles = class_titles(network)
    assert titles == {"#0": "a (0)", "##1": "a (1)", "0": "0", "#1": "#1"}
    assert [Labels(labels).find(target_of(network, key)) for key in titles] == [0, 1, 2, 3]


def test_classes_of_one_name_are_asked_for_by_index(default_model):
    page = opened("look", **{"class": "#134"})
    assert page.selectbox(key="class").options.count("crane (134)") == 1
    assert "crane (134)" in words(page)
    assert "target=134" in page.code[0].value


@pytest.mark.slow
def test_what_is_offered_does_not_write_over_the_picture(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.open(ROOT / "sample_images/cat.jpg").save("mine.png")
    before = Path("mine.png").read_bytes()
    page = opened("look", picture="upload")
    page.file_uploader[0].upload("mine.png", before, "image/png")
    checked(page.run())
    exec(page.code[0].value, {})
    assert Path("mine.png").read_bytes() == before
    assert Path("mine.map.png").exists()
    found = interp.explain("efficientnet_lite0", "mine.png")
    with pytest.raises(ValueError, match="is the picture that was explained"):
        found.save("mine.png")


def test_the_page_to_take_home_names_the_picture_and_each_class_once(default_model):
    from interp.explorer.page import Sight
    from interp.explorer.pages.look_taking import _page

    network, sample = (
        network_of("efficientnet_lite0"),
        opened_sample(ROOT / "sample_images/cat_and_coffee.jpg"),
    )
    (found,) = explained(network, sample, ("tiger cat",), ("grad-cam",), None)
    text = _page(Sight(sample, network), found, "tiger cat").decode()
    assert "cat_and_coffee.jpg" in text
    (cards,) = re.findall(r'<script type="application/json" id="part-0">(.*?)</script>', text)
    (card,) = json.loads(cards)
    assert [each["target"] for each in card["maps"]].count("tiger cat") == 1
