"""The command line as people type it: results, sentences, exit codes, and what it does not import."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command import interp

SAMPLES = Path(__file__).parents[1] / "sample_images"


def test_help_lists_the_commands_and_imports_nothing_heavy():
    script = (
        "import sys\nfrom interp.cli import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'torchvision', 'fastai', 'timm', 'matplotlib', 'streamlit', 'numpy', 'PIL'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    for command in ("explain", "report", "layers", "models", "methods", "remake", "convert"):
        assert command in done.stdout
    assert "HEAVY []" in done.stdout


def test_explain_writes_one_picture_or_a_grid_and_remakes_it(tmp_path):
    out = tmp_path / "out"
    done = interp("explain", SAMPLES / "cat.jpg", "--save", "png", "--save", "json", "--out", out)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in out.iterdir()) == ["cat.json", "cat.png"]
    assert "Consensus-CAM · blocks.1 … bn2 · 56×56 · efficientnet_lite0" in done.stdout
    again = interp("remake", out / "cat.json", "--out", tmp_path / "again.png")
    assert again.returncode == 0, again.stderr
    assert "the same map again" in again.stdout

    several = ("-c", "tiger cat", "-c", "espresso", "--method", "grad-cam", "--method", "layer-cam")
    pictures = (SAMPLES / "cat.jpg", SAMPLES / "cat_and_coffee.jpg")
    done = interp("explain", *pictures, *several, "--save", "webp", "--save", "npz", "--out", out)
    assert done.returncode == 0, done.stderr
    assert (out / "cat_and_coffee.webp").exists()
    assert len(list(out.glob("*.npz"))) == 2 * 4


@pytest.mark.slow
def test_a_verdict_stands_beside_every_map(tmp_path):
    ways = ("--method", "eigen-cam", "--method", "consensus-cam", "--check", "--save", "json")
    done = interp("explain", SAMPLES / "cat.jpg", *ways, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (
        "EigenCAM: ✗ Do not believe it. A network that has learnt nothing gets much the same" in done.stdout
    )
    assert "Consensus-CAM: ✓ Stands up to the checks." in done.stdout
    written = sorted((path.name, json.loads(path.read_text())["notes"]) for path in tmp_path.iterdir())
    assert [notes for _, notes in written] == [["Stands up to the checks"], ["Do not believe it"]]


def test_one_bad_picture_stops_no_other(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    pictures = (tmp_path / "broken.jpg", tmp_path / "missing.jpg", SAMPLES / "coffee.jpg")
    done = interp("explain", *pictures, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert (tmp_path / "out" / "coffee.png").exists()
    assert "broken.jpg" in done.stderr
    assert "missing.jpg" in done.stderr
    assert "2 of 3 pictures could not be explained" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_two_pictures_of_one_name_keep_apart(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(SAMPLES / "cat_small.jpg", tmp_path / folder / "x.jpg")
    interp("explain", tmp_path / "a" / "x.jpg", tmp_path / "b" / "x.jpg", "--out", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["x-2.png", "x.png"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("explain", SAMPLES / "cat.jpg", "--layer", "bn3"), "15 layers end in 'bn3'; did you mean"),
        (
            ("explain", SAMPLES / "cat.jpg", "--method", "gradcan"),
            "there is no method 'gradcan'; did you mean",
        ),
        (
            ("explain", SAMPLES / "cat.jpg", "-c", "tigr cat"),
            "the model has no class 'tigr cat'; did you mean",
        ),
        (("explain", SAMPLES / "cat.jpg", "--save", "bmp"), "--save bmp: give one of"),
        (("explain", SAMPLES / "cat.jpg", "-m", "resnet34"), "did you mean torchvision:resnet34"),
        (("explain", SAMPLES / "cat.jpg", "-m", "x.pkl"), "x.pkl is a pickle"),
        (("report", "nowhere"), "the folder nowhere is not there"),
        (("remake", "nowhere.json"), "the saved explanation cannot be read"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    done = interp(*arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_report_names_what_failed_and_exits_non_zero(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    shutil.copy(SAMPLES / "cat_small.jpg", folder)
    whole = interp("report", folder, "--out", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    (folder / "empty.png").touch()
    done = interp("report", folder, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "empty.png" in done.stderr
    assert "1 of 2 pictures could not be explained" in done.stderr
    assert (tmp_path / "out" / "index.html").exists()


@pytest.mark.slow
def test_listings_are_tables_and_json():
    layers = json.loads(interp("layers", "torchvision:resnet18", "--json").stdout)
    assert layers["default"] == "layer4"
    assert next(row for row in layers["layers"] if row["name"] == "layer4")["shape"] == [512, 7, 7]
    methods = json.loads(interp("methods", "--json").stdout)
    assert {"cam", "grad-cam", "eigen-cam"} <= {method["name"] for method in methods}
    models = json.loads(interp("models", "lite0", "--json").stdout)
    assert {"name": "efficientnet_lite0", "source": "package", "offline": True} in models
    table = interp("layers", "--depth", "1").stdout
    assert "● default" in table
    assert "1280×7×7" in table
    assert "grad-cam-plus-plus" in interp("methods").stdout


@pytest.mark.slow
def test_convert_makes_a_folder_of_a_trusted_pickle(tmp_path):
    import torch
    from torchvision.models import resnet18

    torch.manual_seed(0)
    torch.save(resnet18(num_classes=5), tmp_path / "net.pth")
    flags = ("--architecture", "torchvision:resnet18")
    refused = interp("convert", tmp_path / "net.pth", tmp_path / "net", *flags)
    assert refused.returncode == 2
    assert "is a pickle" in refused.stderr
    done = interp("convert", tmp_path / "net.pth", tmp_path / "net", *flags, "--trust-pickle")
    assert done.returncode == 0, done.stderr
    explained = interp("explain", SAMPLES / "cat.jpg", "-m", tmp_path / "net", "--out", tmp_path / "out")
    assert explained.returncode == 0, explained.stderr
    wrong = interp(
        "convert", tmp_path / "net.pth", tmp_path / "b", "--architecture", "timm:resnet34", "--trust-pickle"
    )
    assert wrong.returncode == 2
    assert "the weights in the pickle are not those of" in wrong.stderr
