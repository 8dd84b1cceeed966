"""`interp dissect`."""

import json

import numpy as np
import pytest
from command import interp, save_classifier, save_segmenter
from PIL import Image
from tiny_runs import write_wgan

import interp as package
from interp import features
from interp.features import dissect_generator


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_wgan(tmp_path_factory.mktemp("noise"))


def test_the_units_of_a_run_in_one_command(run, tmp_path):
    done = interp("dissect", run, "--layer", "2", "--count", "12", "--out", tmp_path / "units.png")
    assert done.returncode == 0, done.stderr
    assert "by chance" in done.stdout
    assert "on instead of off, where they are:" in done.stdout
    assert "12 pictures → " in done.stdout
    for name in ("units.png", "units-changed.png"):
        with Image.open(tmp_path / name) as made:
            assert made.width > 1000
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.slow
def test_the_json_is_what_python_gives(run, tmp_path):
    asked = ["--count", "9", "--seed", "3", "--unit", "1", "--unit", "0", "--quantile", "0.1"]
    done = interp("dissect", run, "-l", "1", *asked, "--out", tmp_path / "u.svg", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    own = dissect_generator(package.load(run / "generator"), "1", count=9, seed=3, quantile=0.1)
    assert told["units"] == json.loads(json.dumps(own.to_json()["units"]))
    assert told["changed"]["units"] == [1, 0]
    assert [(tmp_path / name).is_file() for name in ("u.svg", "u-changed.svg")] == [True, True]


@pytest.mark.slow
def test_a_segmentation_says_what_is_in_the_pictures(run, tmp_path, tmp_path_factory):
    street = save_segmenter(tmp_path_factory.mktemp("street"))
    asked = ["--segment", street, "--concept", "road", "--count", "4", "--out", tmp_path / "units.png"]
    done = interp("dissect", run / "generator", "-l", "2", *asked, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert set(told["areas"]) == {"sky", "road", "car"}
    assert sum(told["areas"].values()) == pytest.approx(1)
    assert told["changed"]["concept"] == "road"


@pytest.mark.slow
def test_a_choice_of_pictures_for_pictures(tmp_path):
    chance = np.random.default_rng(0)
    (tmp_path / "in").mkdir()
    for name in "ab":
        Image.fromarray(chance.integers(0, 256, (20, 20, 3), np.uint8)).save(tmp_path / "in" / f"{name}.png")
    (tmp_path / "in" / "c.png").write_bytes(b"")
    street = package.load(save_segmenter(tmp_path / "street"))
    image = package.models.ImageModel(
        street.module, street.preprocess, "sharper", task="image", architecture=street.architecture
    )
    image.save(tmp_path / "sharper")
    asked = ["--images", tmp_path / "in", "--out", tmp_path / "units.png"]
    done = interp("dissect", tmp_path / "sharper", "-l", "layers.4", *asked)
    assert done.returncode == 0, done.stderr
    assert "2 pictures → " in done.stdout
    assert "c.png" in done.stderr


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ([], "--layer is missing: noise generator has 1, 2, 3, 4."),
        (["-l", "9.9"], "there is no layer '9.9'"),
        (["-l", "2", "--images", "sample_images"], "makes its pictures of noise"),
        (["-l", "2", "--concept", "cow", "--count", "3"], "concept 'cow': there are bright, dark"),
        (["-l", "2", "--unit", "99", "--count", "3"], "unit 99: '2' has the units 0 …"),
        (["-l", "2", "--place", "a,b"], "--place a,b: give LEFT,TOP,RIGHT,BOTTOM"),
        (["-l", "2", "--place", "0,0,2,2"], "each from 0 to 1"),
        (["-l", "2", "--out", "units.txt"], "units.txt: end the name in"),
        (["-l", "2", "--quantile", "2"], "quantile=2.0"),
    ],
)
def test_what_does_not_fit_is_one_sentence(run, tmp_path, monkeypatch, asked, sentence):
    done = interp("dissect", run, *asked, *([] if "--out" in asked else ["--out", tmp_path / "u.png"]))
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_classifier_is_no_generator(tmp_path):
    done = interp("dissect", save_classifier(tmp_path / "pets"), "-l", "0")
    assert done.returncode == 2
    assert "does classification and makes no pictures" in done.stderr


def test_the_layers_of_a_generator_are_listed(run):
    done = interp("layers", run / "generator")
    assert done.returncode == 0, done.stderr
    assert "ConvTranspose2d" in done.stdout
    assert "3×16×16" in done.stdout


@pytest.mark.parametrize("where", ["dissect_generator", "unit_effect"])
def test_ctrl_c_leaves_nothing(run, tmp_path, monkeypatch, where):
    def stop(*_asked, **_more):
        raise KeyboardInterrupt

    monkeypatch.setattr(features, where, stop)
    done = interp("dissect", run, "-l", "2", "--count", "3", "--out", tmp_path / "u.png")
    assert done.returncode == 130
    assert "interrupted; nothing was written." in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_folders_of_the_figures_are_made(run, tmp_path):
    done = interp("dissect", run, "--layer", "2", "--count", "4", "--out", tmp_path / "not" / "yet" / "u.png")
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "not" / "yet").iterdir())) == 2
