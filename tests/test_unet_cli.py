"""`interp unet`."""

import json

import numpy as np
import pytest
from command import interp, save_classifier, save_noise, save_segmenter
from PIL import Image

import interp as package
from interp import targets
from interp.features import skips_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_segmenter(tmp_path_factory.mktemp("street"))


@pytest.fixture
def picture(tmp_path):
    return save_noise(tmp_path, "a") / "a.png"


@pytest.mark.slow
def test_the_u_of_a_network_in_one_command(folder, picture, tmp_path):
    done = interp("unet", picture, "-m", folder, "--out", tmp_path / "unet.png")
    assert done.returncode == 0, done.stderr
    assert "pixel shuffle with ICNR" in done.stdout
    assert "Mean activation → " in done.stdout
    with Image.open(tmp_path / "unet.png") as made:
        assert made.height > made.width > 1000


@pytest.mark.slow
def test_with_a_region_the_json_is_what_python_gives(folder, picture, tmp_path):
    asked = ["--region", "40,32", "--class", "car", "--ablate", "mean", "--show", "hires-cam", "--over"]
    done = interp("unet", picture, "-m", folder, *asked, "--out", tmp_path / "u.svg", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    own = skips_of(package.load(folder), picture, targets.pixel(40.5 / 80, 32.5 / 64, "car"), ablate=["mean"])
    assert told["skips"] == json.loads(json.dumps(own.to_json()))
    assert told["shown"] == "car at (0.51, 0.51) · HiResCAM"
    assert (tmp_path / "u.svg").is_file()


@pytest.mark.slow
def test_a_ground_truth_measures_what_is_lost(folder, picture, tmp_path):
    Image.fromarray(np.zeros((64, 80), np.uint8)).save(tmp_path / "labels.png")
    asked = ["--region", "predicted", "--truth", tmp_path / "labels.png"]
    done = interp("unet", picture, "-m", folder, *asked, "--out", tmp_path / "unet.png")
    assert done.returncode == 0, done.stderr
    assert "zero" in done.stdout
    assert "Dice" in done.stdout


@pytest.mark.slow
def test_a_region_may_be_a_mask_of_the_picture_s_size(folder, picture, tmp_path):
    """The output is 48 × 64, the mask 64 × 80: only who knows the picture can place it."""
    Image.fromarray(np.eye(64, 80, dtype=np.uint8)).save(tmp_path / "mask.png")
    asked = ["--region", f"mask:{tmp_path / 'mask.png'}", "--class", "car", "--ablate", "zero"]
    done = interp("unet", picture, "-m", folder, *asked, "--out", tmp_path / "u.png", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["skips"]["target"] == "car in the mask mask.png"


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (["--class", "cow"], "cow"),
        (["--show", "saliency", "--region", "1,1"], "has one map, on the input"),
        (["--measure", "value"], "--measure is for networks that make pictures"),
        (["--ablate", "blur", "--region", "1,1"], "ablate='blur': give some of zero, mean, shuffled."),
        (["--out", "unet.txt"], "unet.txt: end the name in"),
        (["--colormap", "rainbows"], "rainbows"),
    ],
)
def test_what_does_not_fit_is_one_sentence(folder, picture, asked, sentence):
    done = interp("unet", picture, "-m", folder, *asked)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_classifier_has_no_u(picture, tmp_path_factory):
    pets = save_classifier(tmp_path_factory.mktemp("pets"))
    done = interp("unet", picture, "-m", pets)
    assert done.returncode == 2
    assert "has no way up" in done.stderr


@pytest.mark.slow
def test_folders_of_the_figure_are_made(folder, picture, tmp_path):
    done = interp("unet", picture, "-m", folder, "--out", tmp_path / "not" / "yet" / "unet.png")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "not" / "yet" / "unet.png").is_file()
