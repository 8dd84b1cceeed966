"""`interp explain --region`."""

import json

import numpy as np
import pytest
from command import interp, save_classifier, save_noise, save_segmenter
from PIL import Image

import interp as package
from interp import targets


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_segmenter(tmp_path_factory.mktemp("street"))


@pytest.mark.slow
def test_regions_and_classes_make_a_grid_from_one_command(folder, tmp_path):
    picture = save_noise(tmp_path, "a") / "a.png"
    asked = ["--region", "10,20", "--region", "0,0,40,64", "-c", "car", "-c", "sky"]
    done = interp("explain", picture, "-m", folder, *asked, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    for name in ("car at (0.13, 0.32)", "sky at (0.13, 0.32)", "car in the box (0.00, 0.00) – (0.50, 1.00)"):
        assert name in done.stdout
    assert (tmp_path / "out" / "a.png").is_file()


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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
    assert "--region is for networks that segment or make pictures; pets does classification." in done.stderr


@pytest.fixture
def street(folder, tmp_path):
    """Return the options of a command for a picture with a mask and a label map of its size beside it."""
    picture = save_noise(tmp_path, "a") / "a.png"
    inside = np.zeros((64, 80), np.uint8)
    inside[10:40, 20:60] = 1
    Image.fromarray(inside * 255).save(tmp_path / "mask.png")
    (tmp_path / "labels").mkdir()
    Image.fromarray(inside).save(tmp_path / "labels" / "a.png")
    return ["explain", picture, "-m", folder, "--out", tmp_path / "out"]


@pytest.mark.slow
def test_regions_of_every_kind_from_one_command(street, folder, tmp_path):
    given = {
        f"mask:{tmp_path / 'mask.png'}": "road in the mask mask.png",
        "polygon:0,0;79,0;40,60": "road in the polygon of 3 points (0.00, 0.00) – (0.99, 0.94)",
        f"truth:{tmp_path / 'labels' / 'a.png'}": "road, where it truly is",
        f"missed:{tmp_path / 'labels'}": "road, where it is missed",
        "inner:predicted": "road, where it is predicted: inner border, 3 px",
        "outer(5):10,10,30,30": "outer border, 5 px",
    }
    asked = [word for region in given for word in ("--region", region)]
    done = interp(*street, "-c", "road", *asked)
    assert done.returncode == 0, done.stderr
    for name in given.values():
        assert name in done.stdout
    assert (tmp_path / "out" / "a.png").is_file()


@pytest.mark.slow
def test_a_component_and_a_mask_are_what_python_gives_and_are_made_again(street, folder, tmp_path):
    kinds = {
        "component:40,32": targets.component(at=(40.5 / 80, 32.5 / 64)),
        f"mask:{tmp_path / 'mask.png'}": targets.over(None, tmp_path / "mask.png"),
        f"outer(2):inner:mask:{tmp_path / 'mask.png'}": targets.border(
            targets.border(targets.over(None, tmp_path / "mask.png"), "inner"), "outer", 2
        ),
    }
    for typed, query in kinds.items():
        done = interp(*street, "-r", typed, "--save", "json")
        assert done.returncode == 0, done.stderr
        saved = json.loads((tmp_path / "out" / "a.json").read_text())
        own = package.explain(folder, street[1], query)
        assert saved["target"] == own.target.to_json()
        assert saved["map"] == json.loads(own.to_json())["map"]
        again = interp("remake", tmp_path / "out" / "a.json", "--out", tmp_path / "again.png")
        assert again.returncode == 0, again.stderr


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("polygon:1,1;2,2", "give X,Y of a pixel"),
        ("polygon:1,1;2,2;3", "give X,Y of a pixel"),
        ("component:1,2,3,4", "give X,Y of a pixel"),
        ("circle:1,2", "give X,Y of a pixel"),
        ("inner:", "give X,Y of a pixel"),
        ("inner(0):predicted", "a border of 0 positions is none"),
        ("mask:", "there is no file or folder"),
        ("mask:nowhere.png", "there is no file or folder 'nowhere.png'"),
        ("missed:.", "say what is missed; give --class, too"),
        ("outer:invented:.", "say what is invented; give --class, too"),
    ],
)
def test_what_is_no_region_of_a_kind_is_said_before_anything_runs(folder, tmp_path, typed, said):
    done = interp("explain", tmp_path / "a.png", "-m", folder, "-r", typed)
    assert done.returncode == 2
    assert said in done.stderr.replace("\n", " ")


@pytest.mark.slow
def test_a_mask_of_another_size_and_a_missing_label_map_stop_no_other_picture(street, tmp_path):
    Image.new("L", (7, 7), 255).save(tmp_path / "small.png")
    done = interp(*street, "-r", f"mask:{tmp_path / 'small.png'}")
    assert done.returncode == 1
    assert "a.png: the mask is of 7 × 7; give it of the size of the output" in done.stderr
    save_noise(tmp_path, "abc")
    done = interp(
        "explain", tmp_path / "c.png", *street[1:], "-c", "road", "-r", f"truth:{tmp_path / 'labels'}"
    )
    assert done.returncode == 1
    assert "c.png" in done.stderr
    assert (tmp_path / "out" / "a.png").is_file()


def test_a_class_without_a_region_says_which_to_give(street):
    done = interp(*street, "-c", "road")
    assert done.returncode == 2
    assert "--region predicted" in done.stderr
