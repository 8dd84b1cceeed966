"""The page *Style*: Gram matrices of two pictures, the nearest samples, pictures made from noise."""

import ast
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from command import interp as command
from explorer_app import checked, forget, opened, words
from PIL import Image
from streamlit.testing.v1 import AppTest

import interp
from interp.explorer.networks import Network
from interp.explorer.pages import style as page
from interp.explorer.pages import style_matrices
from interp.explorer.pictures import opened_sample
from interp.features import FeatureError, cosine, invert, nearest_by_style, style, style_distances

LAYERS = ["blocks.1.0.bn1.act", "blocks.2.0.bn1.act", "blocks.3.0.bn1.act", "blocks.5.0.bn1.act", "bn2.act"]


@pytest.fixture(scope="module")
def model():
    return interp.load("efficientnet_lite0")


@pytest.fixture(scope="module")
def pair(model):
    return style(model, ["sample_images/cat.jpg", "sample_images/coffee.jpg"])


def code(app, kind):
    return next(each.value for each in app.code if each.language == kind and "gram" in each.value)


@pytest.mark.slow
def test_page_says_how_far_two_pictures_are_apart_as_the_package_does(pair):
    app = opened("style", picture="cat.jpg", style_with="coffee.jpg")
    mean = float(style_distances(pair).mean[0, 1])
    said = words(app)
    assert f"{mean:.2f}" in said
    assert "Which features occur together?" in said
    assert app.selectbox(key="style_layer").options == LAYERS


@pytest.mark.slow
def test_page_speaks_chinese():
    said = words(opened("style", picture="cat.jpg", lang="zh"))
    assert "哪些特征一起出现？" in said
    assert "Which features" not in said


@pytest.mark.slow
def test_same_picture_twice_has_the_same_style():
    said = words(opened("style", picture="cat.jpg", style_with="cat.jpg"))
    assert "The same style" in said
    assert "0.00" in said


def test_second_picture_is_another_one_when_nobody_says():
    app = opened("style", picture="space_shuttle.jpg")
    assert app.session_state["style_with"] != "space_shuttle.jpg"


def test_link_opens_the_same_view_and_the_layer_changes_the_matrices(pair):
    app = opened(
        "style", picture="cat.jpg", style_with="coffee.jpg", style_layer="bn2.act", style_channel="3"
    )
    assert app.selectbox(key="style_layer").value == "bn2.act"
    assert "1280 channels" in words(app)
    checked(app.selectbox(key="style_layer").select("blocks.1.0.bn1.act").run())
    assert "96 channels" in words(app)
    assert app.query_params["style_layer"] == "blocks.1.0.bn1.act"
    assert app.session_state["style_channel"] == int(pair.grams["blocks.1.0.bn1.act"][0].diagonal().argmax())


def test_link_with_nonsense_opens_the_page_as_it_is_by_default():
    app = opened(
        "style", picture="cat.jpg", style_with="../x", style_layer="no", style_channel="-4", style_steps="7"
    )
    assert app.selectbox(key="style_layer").value == "blocks.3.0.bn1.act"
    assert app.session_state["style_steps"] == 128


def test_matrices_stand_in_the_order_that_both_pictures_share(pair):
    found = style_matrices.cosines(pair, "blocks.2.0.bn1.act")
    order = list(pair.order("blocks.2.0.bn1.act"))
    expected = cosine(pair.grams["blocks.2.0.bn1.act"])[:, order][:, :, order]
    np.testing.assert_array_equal(found.first, expected[0].numpy())
    np.testing.assert_array_equal(found.second, expected[1].numpy())


def test_large_matrices_are_averaged_and_small_ones_are_left():
    large = np.arange(16, dtype=np.float32).reshape(4, 4)
    assert style_matrices.averaged(large, 2).tolist() == [[2.5, 4.5], [10.5, 12.5]]
    assert style_matrices.averaged(large, 4) is large


def test_neighbours_of_a_channel_are_the_nearest_by_cosine(pair):
    app = opened(
        "style",
        picture="cat.jpg",
        style_with="coffee.jpg",
        style_layer="blocks.3.0.bn1.act",
        style_channel="7",
    )
    values = cosine(pair.grams["blocks.3.0.bn1.act"])[0, 7]
    values[7] = -1
    best = int(values.argmax())
    assert f"cat\\.jpg: **{best}** ({float(values[best]):.2f})" in words(app)


@pytest.mark.slow
def test_nearest_samples_are_those_of_the_package(model, monkeypatch, capsys):
    forget()
    app = opened("style", picture="cat.jpg")
    checked(app.button(key="begin-style-nearest").click().run())
    expected = nearest_by_style(
        model, "sample_images/cat.jpg", sorted(Path("sample_images").glob("*.jpg")), count=5
    )
    shown = alternative_texts(app)
    for match in expected.matches:
        assert any(f"{match.file.stem} ({match.distance:.2f})" in text for text in shown)
    python = next(each.value for each in app.code if "nearest_by_style" in each.value)
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_: None)
    exec(python, {})
    said = ast.literal_eval(capsys.readouterr().out)
    assert [name for name, _ in said] == [match.file.name for match in expected.matches]


def alternative_texts(app):
    """Return what all pictures of the page say to those who cannot see them."""
    return [image.alt for each in app.get("image") for image in each.proto.imgs]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["style", "caricature", "inversion"])
def test_painting_is_that_of_the_package(model, kind):
    forget()
    query = {"picture": "cat.jpg", "style_kind": kind, "style_paint": "blocks.0", "style_steps": "32"}
    app = opened("style", **query)
    checked(app.button(key="begin-style-paint").click().run())
    expected = invert(model, "sample_images/cat.jpg", ["blocks.0"], kind=kind, steps=32)
    number = expected.gains[0] if kind == "caricature" else expected.distances[0]
    assert interp.views.number(number) in next(
        c.value for c in app.caption if "cosine" in c.value or "near" in c.value
    )
    assert any("invert" in each.value and f"kind='{kind}'" in each.value for each in app.code)


@pytest.mark.slow
def test_code_and_command_of_the_page_make_its_files(tmp_path, pair, monkeypatch, capsys):
    app = opened("style", picture="cat.jpg", style_with="coffee.jpg")
    (tmp_path / "sample_images").symlink_to(Path("sample_images").resolve())
    monkeypatch.chdir(tmp_path)
    exec(code(app, "python"), {})
    expected = dict(zip(pair.layers, style_distances(pair).values[:, 0, 1].tolist(), strict=True))
    assert ast.literal_eval(capsys.readouterr().out) == pytest.approx(expected, rel=1e-5)
    done = command(*code(app, "bash").split()[1:])
    assert done.returncode == 0, done.stderr
    assert Image.open(tmp_path / "gram.png").width > 300
    assert Image.open(tmp_path / "gram" / "distances.png").width > 100


def test_files_hold_the_numbers(pair):
    with np.load(io.BytesIO(page._matrices(pair))) as held:
        assert torch.equal(torch.from_numpy(held["bn2.act"]), pair.grams["bn2.act"])
    about = json.loads(page._about(pair, style_distances(pair)))
    assert about["pictures"] == ["cat.jpg", "coffee.jpg"]
    assert list(about["distances"]) == LAYERS


def uploaded(data):
    app = opened("style", picture="cat.jpg", style_with="upload")
    assert "Choose a second picture" in words(app)
    app.file_uploader(key="style_uploaded").upload("mine.png", data, "image/png")
    return app.run()


@pytest.mark.slow
def test_second_picture_may_be_brought_along(pair):
    buffer = io.BytesIO()
    Image.open("sample_images/coffee.jpg").save(buffer, "PNG")
    app = checked(uploaded(buffer.getvalue()))
    assert f"{float(style_distances(pair).mean[0, 1]):.2f}" in words(app)
    assert "Your picture stays with you" in words(app)
    assert "'mine.png'" in code(app, "python")


def test_second_picture_that_is_none_gets_a_sentence():
    app = uploaded(b"hello")
    assert not app.exception
    (said,) = [error.value for error in app.error]
    assert r"mine\.png" in said


def test_folder_with_one_sample_has_no_nearest_ones(tmp_path, monkeypatch):
    Image.open("sample_images/cat.jpg").save(tmp_path / "cat.png")
    monkeypatch.setenv("INTERP_APP_PICTURES", str(tmp_path))
    forget()
    assert "Which samples have the nearest style?" not in words(opened("style"))


@pytest.mark.slow
def test_broken_sample_spoils_neither_the_page_nor_the_nearest_ones(tmp_path, monkeypatch):
    for name in ("cat.jpg", "coffee.jpg"):
        (tmp_path / name).write_bytes((Path("sample_images") / name).read_bytes())
    (tmp_path / "a_broken.jpg").write_text("hello")
    (tmp_path / "z_broken.jpg").write_text("hello")
    (tmp_path / "z_link.jpg").symlink_to(tmp_path / "nowhere.jpg")
    monkeypatch.setenv("INTERP_APP_PICTURES", str(tmp_path))
    forget()
    app = opened("style", picture="cat.jpg")
    assert app.session_state["style_with"] == "coffee.jpg"
    assert "How far are the two apart in style?" in words(app)
    checked(app.button(key="begin-style-nearest").click().run())
    assert any("coffee (" in text for text in alternative_texts(app))


def test_sample_that_is_chosen_and_broken_gets_a_sentence_beside_the_others(tmp_path, monkeypatch):
    (tmp_path / "cat.jpg").write_bytes(Path("sample_images/cat.jpg").read_bytes())
    (tmp_path / "broken.jpg").write_text("hello")
    monkeypatch.setenv("INTERP_APP_PICTURES", str(tmp_path))
    forget()
    app = opened("style", check=False, picture="cat.jpg", style_with="broken.jpg")
    assert not app.exception
    assert ["broken" in error.value for error in app.error] == [True]
    assert "cat" in app.selectbox(key="style_with").options


def test_names_of_one_visitor_are_not_those_of_the_next(model):
    forget()
    network = Network(model, "efficientnet_lite0", "")
    cat, coffee = (opened_sample(f"sample_images/{name}.jpg") for name in ("cat", "coffee"))
    page.styles(network, replace(cat, name="secret.png", path=None), coffee)
    assert page.styles(network, cat, coffee).pictures == ("cat.jpg", "coffee.jpg")


@pytest.mark.slow
def test_failure_of_the_matrices_alone_is_a_sentence_above_the_rest(monkeypatch):
    def broken(*_args):
        raise FeatureError("this *is* broken.")

    monkeypatch.setattr(style_matrices, "cosines", broken)
    app = opened("style", check=False, picture="cat.jpg")
    assert not app.exception
    assert [each.value for each in app.error] == [r"this \*is\* broken\."]
    assert "Which samples have the nearest style?" in words(app)


def test_network_without_a_grid_gets_its_sentence(monkeypatch):
    def refuses(*_args):
        raise FeatureError("there is no activation on a grid.")

    monkeypatch.setattr(page, "style", refuses)
    forget()
    app: AppTest = opened("style", check=False, picture="cat.jpg")
    assert [each.value for each in app.error] == [r"there is no activation on a grid\."]
    assert not app.exception
