"""`interp evaluate` on the default network and small pictures of noise and of things."""

import json
import shutil
from pathlib import Path

import pytest
from command import interp as command

SAMPLES = Path(__file__).parents[2] / "sample_images"
QUICK = [
    "--method",
    "grad-cam",
    "--method",
    "random",
    "--metric",
    "deletion(steps=2)",
    "--metric",
    "sparseness",
]


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("cat.jpg", "rocket.jpg"):
        shutil.copy(SAMPLES / name, folder / name)
    return folder


def test_a_folder_becomes_a_table_with_an_answer(pictures, tmp_path):
    out = tmp_path / "out"
    done = command("evaluate", pictures, *QUICK, "--out", out)
    assert done.returncode == 0
    assert "2 pictures × 2 methods × 2 metrics: about 12 forward passes" in done.stderr
    for words in ("grad-cam", "Deletion ↓", "±", "random: a control", "grad-cam ranks best", str(out)):
        assert words in done.stdout
    again = command("evaluate", pictures, *QUICK, "--out", out, "--json")
    assert again.stderr == ""
    told = json.loads(again.stdout)
    assert told["pictures"] == 2
    assert {row["metric"] for row in told["summary"]} == {"mean rank", "deletion(steps=2)", "sparseness"}


@pytest.mark.slow
def test_pictures_that_fail_are_named_and_counted(pictures, tmp_path):
    (pictures / "broken.jpg").write_bytes(b"")
    done = command("evaluate", pictures, *QUICK, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "broken.jpg: 'broken.jpg' is empty" in done.stderr
    assert "1 of 3 pictures could not be judged" in done.stderr


@pytest.mark.slow
def test_boxes_are_a_table(pictures, tmp_path):
    table = tmp_path / "boxes.csv"
    table.write_text("picture,left,top,right,bottom\ncat.jpg,0,0,200,300\nrocket.jpg,10,10,90,200\n")
    asked = ("--method", "centre", "--metric", "pointing-game", "--out", tmp_path / "out")
    done = command("evaluate", pictures, "--boxes", table, *asked, "--json")
    assert done.returncode == 0, done.stderr
    assert {row["metric"] for row in json.loads(done.stdout)["summary"]} >= {"pointing-game"}
    both = command("evaluate", pictures, "--boxes", table, "--masks", tmp_path, *asked)
    assert (both.returncode, "give --masks or --boxes, not both" in both.stderr) == (2, True)


def test_what_does_not_fit_is_a_sentence(pictures, tmp_path):
    done = command("evaluate", pictures, "--metric", "pointing-game", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "pointing-game needs to know where the target really is" in done.stderr
    assert not (tmp_path / "out").exists()
    assert command("evaluate", tmp_path / "nowhere").returncode == 2
