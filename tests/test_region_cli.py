"""`interp explain --region`."""

import json

import pytest
from command import interp, save_classifier, save_noise, save_segmenter

import interp as package
from interp import targets


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_segmenter(tmp_path_factory.mktemp("street"))


def test_regions_and_classes_make_a_grid_from_one_command(folder, tmp_path):
    picture = save_noise(tmp_path, "a") / "a.png"
    asked = ["--region", "10,20", "--region", "0,0,40,64", "-c", "car", "-c", "sky"]
    done = interp("explain", picture, "-m", folder, *asked, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    for name in ("car at (0.13, 0.32)", "sky at (0.13, 0.32)", "car in the box (0.00, 0.00) – (0.50, 1.00)"):
        assert name in done.stdout
    assert (tmp_path / "out" / "a.png").is_file()


def test_the_json_of_a_region_is_what_python_gives_and_is_made_again(folder, tmp_path):
    picture = save_noise(tmp_path, "a") / "a.png"
    done = interp("explain", picture, "-m", folder, "-r", "40,32", "--save", "json", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    saved = json.loads((tmp_path / "a.json").read_text())
    own = package.explain(folder, picture, targets.pixel(40.5 / 80, 32.5 / 64))
    assert saved["target"]["place"] == [0.50625, 0.507812]
    assert saved["map"] == json.loads(own.to_json())["map"]
    again = interp("remake", tmp_path / "a.json", "--out", tmp_path / "again.png")
    assert again.returncode == 0, again.stderr
    assert "the same map again" in again.stdout


def test_where_a_class_is_predicted(folder, tmp_path):
    picture = save_noise(tmp_path, "a") / "a.png"
    name = package.explain(folder, picture).target.name
    done = interp("explain", picture, "-m", folder, "-r", "predicted", "--out", tmp_path / "one")
    assert name in done.stdout
    wanted = name.split(",")[0]
    done = interp(
        "explain", picture, "-m", folder, "-r", "predicted", "-c", wanted, "--out", tmp_path / "two"
    )
    assert name in done.stdout


def test_a_region_outside_one_picture_stops_no_other(folder, tmp_path):
    save_noise(tmp_path, "ab")
    picture = package.images.open_image(tmp_path / "b.png")
    picture.crop((0, 0, 30, 30)).save(tmp_path / "b.png")
    done = interp(
        "explain",
        tmp_path / "b.png",
        tmp_path / "a.png",
        "-m",
        folder,
        "-r",
        "50,50",
        "--out",
        tmp_path / "out",
    )
    assert done.returncode == 1
    assert "b.png: the region 50,50 is outside the picture of 30 × 30 pixels." in done.stderr
    assert (tmp_path / "out" / "a.png").is_file()
    assert not (tmp_path / "out" / "b.png").exists()


@pytest.mark.parametrize("typed", ["12", "1,2,3", "a,b", "", "1;2"])
def test_what_is_no_region_is_said_before_anything_runs(folder, tmp_path, typed):
    done = interp("explain", tmp_path / "a.png", "-m", folder, "-r", typed)
    assert done.returncode == 2
    assert f"--region {typed}: give X,Y of a pixel or LEFT,TOP,RIGHT,BOTTOM of a box" in done.stderr


def test_a_classifier_has_no_regions(tmp_path):
    save_noise(tmp_path, "a")
    done = interp("explain", tmp_path / "a.png", "-m", save_classifier(tmp_path / "pets"), "-r", "1,1")
    assert done.returncode == 2
    assert "--region is for networks that segment; pets does classification." in done.stderr
