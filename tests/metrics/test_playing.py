"""Many grid games: how pictures are dealt, who can play, and what the command says."""

import json
from pathlib import Path

import numpy as np
import pytest
from command import interp as command
from nets import model_of
from PIL import Image
from test_grid_game import COLOURS, Colours

from interp.metrics import MetricError, play

SAMPLES = Path(__file__).parents[2] / "sample_images"


@pytest.fixture
def folder(tmp_path):
    for number in range(12):
        Image.new("RGB", (12, 12), COLOURS[number % 4]).save(tmp_path / f"{number:02}.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    return tmp_path


@pytest.fixture
def model():
    return model_of(Colours(), size=(12, 12))


def test_every_grid_has_four_classes_and_every_picture_its_turn(model, folder):
    found = play(model, folder, ["hires-cam", "random"], grids=3, sure=0.3, layer="on")
    assert found.values.shape == (3, 2)
    assert all(len({int(name[:2]) % 4 for name in grid}) == 4 for grid in found.grids)
    assert len({name for grid in found.grids for name in grid}) == 12
    assert found.values[:, 0] == pytest.approx(1)
    assert [cell.method for cell in found.ranking()] == ["hires-cam", "random"]


def test_pictures_are_dealt_by_the_seed_and_again_where_they_do_not_reach(model, folder):
    def grids(seed, count=5):
        return play(model, folder, ["random"], grids=count, sure=0.3, layer="on", seed=seed).grids

    assert len(grids(0)) == 5
    assert grids(0) == grids(0) != grids(1)


def test_who_cannot_play_is_named_with_the_reason(model, folder):
    found = play(model, folder, ["fullgrad", "hires-cam"], grids=1, sure=0.3, layer="on", connected=False)
    assert found.refused.keys() == {"fullgrad"}
    assert "one picture of the grid at a time" in found.refused["fullgrad"]
    assert np.isnan(found.values[:, 0]).all()
    assert found.ranking()[-1].method == "fullgrad"


def test_too_few_sure_pictures_are_a_sentence(model, folder):
    with pytest.raises(MetricError, match=r"0 of the pictures have a class of 99% or more; a grid needs 4"):
        play(model, folder, ["random"], sure=0.99)
    with pytest.raises(MetricError, match="grids=0"):
        play(model, folder, ["random"], grids=0)


def test_the_work_says_how_far_it_is(model, folder):
    told = []
    play(model, folder, ["random"], grids=2, sure=0.3, layer="on", progress=lambda *each: told.append(each))
    shares = [done / total for done, total in told]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)


@pytest.mark.slow
def test_the_command_prints_a_ranking_and_json():
    asked = [SAMPLES, "--sure", "0.2", "--grids", "1", "--disconnected", "--method", "random"]
    asked += ["--method", "hires-cam", "--method", "fullgrad"]
    done = command("games", *asked)
    assert done.returncode == 0
    assert done.stdout.index("hires-cam") < done.stdout.index("random")
    assert "1 grid; each class sees its own picture only; a map that knows nothing gets 0.25" in done.stdout
    assert "fullgrad: FullGrad adds up layers" in done.stderr
    told = json.loads(command("games", *asked, "--json").stdout)
    assert told["chance"] == 0.25
    assert [each["method"] for each in told["methods"]] == ["hires-cam", "random", "fullgrad"]
    assert told["methods"][0]["mean"] == pytest.approx(1)
    assert told["methods"][2]["mean"] is None


def test_pictures_that_the_network_is_not_sure_of_end_in_a_sentence():
    done = command("games", SAMPLES, "--sure", "1")
    assert done.returncode == 2
    assert "different classes" in done.stderr
