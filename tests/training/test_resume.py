"""A run that was stopped and resumed ends as the one that was not: bit for bit."""

import os
import random
import subprocess
import sys

import numpy as np
import pytest
import torch
from run_folders import RECIPES, assert_same_end

from interp.training import TrainingError, train
from interp.training.recipe import Silent


class Stop(Silent):
    """Ctrl-C after the epoch of this number, or when the stage of this number begins."""

    def __init__(self, epoch=None, stage=None):
        self._epoch, self._stage, self._begun = epoch, stage, 0

    def epoch(self, row):
        if row["epoch"] == self._epoch:
            raise KeyboardInterrupt

    def stage(self, stage):
        self._begun += 1
        if self._begun == self._stage:
            raise KeyboardInterrupt


def resumed_after_every_stop(make, name, folder):
    """Stop after each epoch and at the beginning of each stage, and go on each time in a new recipe."""
    recipe = make(name)
    epochs = sum(stage.epochs for stage in recipe.stages)
    stops = [Stop(epoch=number) for number in range(1, epochs + 1)]
    for stop in stops:
        with pytest.raises(KeyboardInterrupt):
            train(make(name), folder, resume=True, watcher=stop)
    trained = train(make(name), folder, resume=True)
    assert [row["epoch"] for row in trained.rows] == list(range(1, epochs + 1))
    return trained.folder


@pytest.mark.parametrize(
    "name", [name if name == "classifier" else pytest.param(name, marks=pytest.mark.slow) for name in RECIPES]
)
def test_stopped_after_every_epoch(make, finished, name, tmp_path):
    assert_same_end(resumed_after_every_stop(make, name, tmp_path / name), finished(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gan", "wgan"])
def test_stopped_between_stages(make, finished, name, tmp_path):
    for number in range(2, len(make(name).stages) + 1):
        # Each resumption begins with the stage before, or the one itself: the first or the second to begin.
        with pytest.raises(KeyboardInterrupt):
            train(make(name), tmp_path / name, resume=True, watcher=Stop(stage=min(number, 2)))
    train(make(name), tmp_path / name, resume=True)
    assert_same_end(tmp_path / name, finished(name))


def test_stopped_while_the_model_is_written(make, finished, tmp_path, monkeypatch):
    def interrupted(*_arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("interp.training.classifier.save_folder", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(make("classifier"), tmp_path / "classifier")
    assert not (tmp_path / "classifier" / "model.json").exists()
    train(make("classifier"), tmp_path / "classifier", resume=True)
    assert_same_end(tmp_path / "classifier", finished("classifier"))


def test_the_same_recipe_may_go_on_after_an_interruption(make, finished, tmp_path):
    recipe = make("classifier")
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "classifier", watcher=Stop(epoch=3))
    train(recipe, tmp_path / "classifier", resume=True)
    assert_same_end(tmp_path / "classifier", finished("classifier"))


@pytest.mark.slow
def test_what_others_did_before_and_between_does_not_matter(make, finished, tmp_path):
    random.seed(1)
    np.random.seed(2)
    torch.manual_seed(3)
    with pytest.raises(KeyboardInterrupt):
        train(make("classifier"), tmp_path / "classifier", watcher=Stop(epoch=1))
    torch.rand(5)
    train(make("classifier", workers=0), tmp_path / "classifier", resume=True)
    assert_same_end(tmp_path / "classifier", finished("classifier"))


def test_a_finished_run_is_not_resumed(make, finished):
    before = {path: path.stat().st_mtime_ns for path in finished("classifier").rglob("*")}
    with pytest.raises(TrainingError, match="is finished; `interp explain --model"):
        train(make("classifier"), finished("classifier"), resume=True)
    with pytest.raises(TrainingError, match="holds a run already"):
        train(make("classifier"), finished("classifier"))
    assert {path: path.stat().st_mtime_ns for path in finished("classifier").rglob("*")} == before


SCRIPT = """
import os, signal, sys
from interp.training import *
from interp.training.recipe import Silent

class Told(Silent):
    def __init__(self, pipe):
        self.pipe = pipe
    def moved(self, done):
        os.write(self.pipe, b".")

def go(watcher=None):
    stages = Stage("frozen", 2, 1e-2, 32, 6, frozen=True), Stage("unfrozen", 2, 1e-3, 40, 6, lr_low=1e-4)
    settings = ClassifierSettings(folder=sys.argv[1], valid=0.25, stages=stages, workers=0,
                                  backbone="timm:test_resnet", pretrained=False, keep_statistics=False)
    train(Classifier(settings), sys.argv[2], resume=True, watcher=watcher)

# Every run is a process of its own; they are forked, for the imports take longer than the training.
for moves in map(int, sys.argv[3:]):
    reading, writing = os.pipe()
    if not (child := os.fork()):
        go(Told(writing))
        os._exit(0)
    os.close(writing)
    for _ in range(moves):
        assert os.read(reading, 1)
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL, "it was finished"
    print(sorted(os.listdir(sys.argv[2])))
go()
"""


@pytest.mark.slow
def test_killed_at_any_moment(labelled, finished, tmp_path):
    folder = tmp_path / "classifier"
    # Steps after which the process is killed; an epoch has four with validation, the run sixteen.
    words = [sys.executable, "-c", SCRIPT, str(labelled), str(folder), "1", "5", "4", "2", "6", "3"]
    # Sums of two threads and of one differ in their last digits.
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    done = subprocess.run(words, capture_output=True, env=environment, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    seen = done.stdout.splitlines()
    assert len(seen) == 6
    assert not any("model.json" in listed for listed in seen)
    assert "checkpoint.safetensors" in seen[-1]
    assert_same_end(folder, finished("classifier"))
