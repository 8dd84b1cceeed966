"""Whoever looks chooses opacity, colours, threshold and smoothing, and both ways in draw the same bytes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from command import interp as command
from command import save_classifier
from PIL import Image
from torch import nn

import interp
from interp import targets
from interp.views import ViewError, table

SAMPLES = Path(__file__).parents[1] / "sample_images"
CHOICES = {"opacity": 0.35, "colormap": "cividis", "threshold": 0.3, "interpolation": "nearest"}
OPTIONS = ("--opacity", 0.35, "--colormap", "cividis", "--threshold", 0.3, "--smoothing", "nearest")
WRONG = [
    ({"opacity": 1.5}, ("--opacity", 1.5), "opacity 1.5: give a number from 0 to 1"),
    ({"threshold": -1.0}, ("--threshold", -1), "threshold -1.0: give a number from 0 to 1"),
    ({"colormap": "jet"}, ("--colormap", "jet"), "no colormap 'jet'. On offer: magma, "),
    (
        {"interpolation": "cubic"},
        ("--smoothing", "cubic"),
        "interpolation 'cubic': give one of 'nearest', 'bilinear', 'bicubic'",
    ),
]


@pytest.fixture(scope="module")
def one():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3, 8, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    prepared = interp.Preprocess((32, 32), (0.5,) * 3, (0.5,) * 3)
    model = interp.load(net, preprocess=prepared, labels=list("abcd"), name="net")
    pixels = np.random.default_rng(0).integers(0, 256, (96, 140, 3), np.uint8)
    return interp.explain(model, Image.fromarray(pixels), "b", "activation-mean", 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_classifier(tmp_path_factory.mktemp("model"))


def inside(explanation, drawn):
    """The pixels of a drawn picture that the network saw."""
    box = explanation.box
    left, top, right, bottom = (round(x) for x in (box.left, box.top, box.right, box.bottom))
    return np.asarray(drawn)[top:bottom, left:right]


def colours(pixels):
    return {tuple(pixel) for pixel in pixels.reshape(-1, 3).tolist()}


# --- overlay, heat, panel ------------------------------------------------------------------------------


def test_no_opacity_is_the_picture(one):
    clear = one.overlay(opacity=0, colormap="viridis", interpolation="bicubic")
    np.testing.assert_array_equal(inside(one, clear), inside(one, one.picture))
    assert (inside(one, one.overlay()) != inside(one, one.picture)).any()


def test_full_opacity_is_the_heat(one):
    for choices in ({}, {"colormap": "cividis"}, {"interpolation": "nearest"}):
        assert colours(inside(one, one.overlay(opacity=1, **choices))) <= colours(
            table(choices.get("colormap", "viridis"))
        )


def test_nearest_gives_blocks_and_the_others_none(one):
    cells = one.map.numel()
    assert 1 < len(colours(np.asarray(one.heat(interpolation="nearest")))) <= cells
    assert 1 < len(colours(inside(one, one.overlay(opacity=1, interpolation="nearest")))) <= cells
    smooth = {name: one.heat(interpolation=name).tobytes() for name in ("bilinear", "bicubic")}
    assert smooth["bilinear"] != smooth["bicubic"]
    assert smooth["bilinear"] == one.heat().tobytes()
    assert len(colours(np.asarray(one.heat()))) > cells


def test_a_threshold_leaves_the_picture_where_the_map_is_weak(one):
    drawn = one.overlay(opacity=1, threshold=0.5, interpolation="nearest")
    changed = (inside(one, drawn) != inside(one, one.picture)).any(axis=2)
    low, high = one.scale.low, one.scale.high
    strong = float(((one.values - low) / (high - low) >= 0.5).mean())
    assert 0 < strong < 1
    assert changed.mean() == pytest.approx(strong, abs=0.02)


def test_places_of_arguments_stay(one):
    named = {"opacity": 0.3, "colormap": "magma", "threshold": 0.4}
    assert one.overlay(0.3, "magma", 0.4).tobytes() == one.overlay(**named).tobytes()
    assert one.panel(0.3, "magma", 0.4, 100).tobytes() == one.panel(**named, height=100).tobytes()
    assert one.panel(height=100).tobytes() != one.panel(height=100, interpolation="nearest").tobytes()


@pytest.mark.parametrize(("choice", "sentence"), [(choice, said) for choice, _, said in WRONG])
def test_every_drawing_says_what_is_wrong(one, tmp_path, choice, sentence):
    several = interp.Explanations([one, one])
    drawings = [
        one.overlay,
        one.panel,
        one.show,
        several.grid,
        *(lambda name=name, **c: one.save(tmp_path / name, **c) for name in ("a.png", "a.npz", "a.json")),
        lambda **c: several.save(tmp_path / "b.png", **c),
    ]
    for draw in drawings:
        with pytest.raises(ViewError) as caught:
            draw(**choice)
        assert str(caught.value).startswith(sentence)
    assert list(tmp_path.iterdir()) == []


# --- files ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_files_are_drawn_as_chosen(one, tmp_path):
    several = interp.Explanations([one, one])
    for explained in (one, several):
        plain = explained.save(tmp_path / "plain.png").read_bytes()
        drawn = {plain}
        for name, value in CHOICES.items():
            drawn.add(explained.save(tmp_path / "drawn.png", **{name: value}).read_bytes())
        # Each choice alone makes another picture.
        assert len(drawn) == 1 + len(CHOICES)
        assert explained.save(tmp_path / "again.png", **CHOICES).read_bytes() not in drawn


def test_raw_values_are_saved_whatever_the_drawing(one, tmp_path):
    for ending in ("npz", "json"):
        plain = one.save(tmp_path / f"plain.{ending}").read_bytes()
        assert one.save(tmp_path / f"drawn.{ending}", **CHOICES).read_bytes() == plain


# --- the command ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("options", "choices"), [((), {}), (OPTIONS, CHOICES)], ids=["plain", "chosen"])
@pytest.mark.parametrize("classes", [["cow"], ["cow", "dog"]], ids=["one", "grid"])
def test_the_command_writes_the_bytes_of_the_api(folder, tmp_path, options, choices, classes):
    picture = SAMPLES / "cat_small.jpg"
    named = [word for name in classes for word in ("--class", name)]
    done = command("explain", picture, "-m", folder, *named, "--out", tmp_path, *options)
    assert done.returncode == 0, done.stderr
    found = interp.explain(interp.load(folder), [picture], targets.several(*classes))
    drawn = found if len(classes) > 1 else found[0]
    expected = drawn.save(tmp_path / "api.png", **choices)
    assert (tmp_path / "cat_small.png").read_bytes() == expected.read_bytes()


def test_colours_of_another_kind_are_drawn(folder, tmp_path):
    picture = SAMPLES / "cat_small.jpg"
    signed = ("--method", "hires-cam", "--colormap", "viridis")
    done = command("explain", picture, "-m", folder, "--out", tmp_path, *signed)
    assert done.returncode == 0, done.stderr
    found = interp.explain(interp.load(folder), picture, method="hires-cam")
    expected = found.save(tmp_path / "api.png", colormap="viridis").read_bytes()
    assert (tmp_path / "cat_small.png").read_bytes() == expected


@pytest.mark.parametrize(("options", "sentence"), [(options, said) for _, options, said in WRONG])
def test_a_wrong_option_is_said_before_anything_is_done(tmp_path, monkeypatch, options, sentence):
    monkeypatch.setattr("interp.models.load", lambda *_, **__: pytest.fail("a model was loaded"))
    done = command("explain", SAMPLES / "cat_small.jpg", "--out", tmp_path / "out", *options)
    assert done.returncode == 2
    assert done.stderr.startswith(f"interp: {sentence}")
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
