"""All methods on one picture: who is in it, who is not and why, and the command."""

from pathlib import Path

import pytest
import torch
from command import interp as command
from torch import nn

import interp
from interp.explanation import ExplanationError
from interp.methods import MethodError, get, methods
from interp.targets import TargetError

PICTURE = Path(__file__).parents[1] / "sample_images" / "cat.jpg"


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    net = nn.Sequential(
        *(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 6, 3, 2, 1), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(6 * 8 * 8, 3)),
    )
    preprocess = interp.Preprocess((32, 32), (0.5,) * 3, (0.5,) * 3, fit="crop")
    return interp.load(net, preprocess=preprocess, labels=["a", "b", "c"], name="net")


@pytest.mark.slow
def test_every_method_is_in_it_or_says_why_not(model):
    told = []
    made = interp.gallery(model, PICTURE, "b", progress=lambda done, total: told.append(done / total))
    shown = [each.method.name.split("(")[0] for each in made.explanations]
    refused = [name.split("(")[0] for name in made.refused]
    assert sorted(shown + refused) == sorted(method.name for method in methods())
    assert {"cam", "legrad"} <= set(refused)
    assert all(reason.endswith(".") for reason in made.refused.values())
    families = [each.method.family for each in made.explanations]
    assert [a for a, b in zip(families, [None, *families], strict=False) if a != b] == list(
        dict.fromkeys(families)
    )
    assert told[-1] == 1
    said = " ".join(text.get_text() for text in made.figure().texts)
    assert "Consensus-CAM" in said
    assert "RISE" in said


def test_slow_methods_take_a_shortcut_unless_all_is_wanted(model):
    asked = interp.gallery(model, PICTURE, "b", ["grad-cam", "rise(masks=20)"])
    assert [each.method.name for each in asked.explanations] == ["grad-cam", "rise(masks=20)"]
    from interp.all_methods import SHORT, _chosen

    for name, short in SHORT.items():
        assert get(short).passes < get(name).passes / 2
    assert [each.name for each in _chosen(None, short=False)].count("rise") == 1


def test_a_name_is_one_method(model):
    assert [each.method.name for each in interp.gallery(model, PICTURE, "b", "grad-cam").explanations] == [
        "grad-cam"
    ]
    (one,) = interp.gallery(model, PICTURE, "b", get("layer-cam")).explanations
    assert one.method.name == "layer-cam"


def test_none_at_all_is_a_sentence(model, tmp_path):
    with pytest.raises(MethodError, match="methods is empty; name one or more"):
        interp.gallery(model, PICTURE, "b", [])
    with pytest.raises(ExplanationError, match="no method has a map of this: CAM needs a network"):
        interp.gallery(model, PICTURE, "b", ["cam"]).save(tmp_path / "a.png")
    with pytest.raises(ExplanationError, match="end the name in"):
        interp.gallery(model, PICTURE, "b", ["grad-cam"]).save(tmp_path / "a.txt")


@pytest.mark.parametrize("several", [[0, 1], ["a"] * 3, []])
def test_several_targets_are_refused_at_once(model, several):
    with pytest.raises(TargetError, match="for 1 picture: give one"):
        interp.gallery(model, PICTURE, several, ["grad-cam", "rise(masks=20)"])


@pytest.mark.slow
def test_the_command_writes_the_figure(tmp_path):
    out = tmp_path / "all.png"
    done = command(
        "gallery", PICTURE, "--class", "tiger cat", "--method", "grad-cam", "--method", "legrad", "--out", out
    )
    assert done.returncode == 0, done.stderr
    assert "legrad: LeGrad needs a vision transformer" in done.stdout
    assert f"1 of 2 methods → {out}" in done.stdout
    assert out.read_bytes().startswith(b"\x89PNG")
    for name, said in (("x.gif", "end the name in"), ("missing/x.png", "there is no folder")):
        nowhere = command("gallery", PICTURE, "--out", tmp_path / name)
        assert nowhere.returncode == 2
        assert said in nowhere.stderr
    wrong = command("gallery", PICTURE, "--method", "grad-cma", "--out", out)
    assert wrong.returncode == 2
    assert "did you mean" in wrong.stderr
