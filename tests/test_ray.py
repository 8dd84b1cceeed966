"""Workers under Ray make the same files as this process, and go on when one of them is killed."""

from __future__ import annotations

import builtins
import os
import pickle
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import cloudpickle
import numpy as np
import psutil
import pytest
from command import save_classifier
from PIL import Image

import interp
from interp import ray_engine
from interp.metrics import MetricError
from interp.report import Local, Ray, carry_out, plan
from interp.shards import ShardError, parts_in

ASKED = {"shard_size": 2, "batch_size": 2, "top_classes": 2}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return interp.load(save_classifier(tmp_path_factory.mktemp("models") / "pets"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    chance = np.random.default_rng(0)
    for number in range(11):
        Image.fromarray(chance.integers(0, 255, (40, 50, 3), np.uint8)).save(folder / f"{number:02}.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def kill_a_worker(out: Path, ended: threading.Event, killed: list[int]) -> None:
    """Kill a worker of this process as soon as there is a first shard."""
    while not ended.is_set() and not killed:
        for process in psutil.Process().children(recursive=True) if any(out.glob("part-*")) else ():
            if "ray::MapWorker" in " ".join(process.cmdline()):
                os.kill(process.pid, signal.SIGKILL)
                killed.append(process.pid)
                return
        time.sleep(0.001)  # leaves the worker the processor


def in_words(made):
    """As text, for NaN is not equal to itself."""
    return str(made.table.drop_columns(["seconds"]).to_pylist())


@pytest.mark.slow
def test_ray_makes_the_same_bytes_and_survives_the_death_of_a_worker(model, folder, tmp_path):
    """One start of Ray for both: 15 seconds, a minute on a busy machine."""
    ray = pytest.importorskip("ray")
    local = carry_out(plan(model, folder, tmp_path / "local", **ASKED), engine=Local(threads=1))
    ended, killed = threading.Event(), []
    parts = tmp_path / "ray" / "maps.parquet"
    killer = threading.Thread(target=kill_a_worker, args=(parts, ended, killed))
    killer.start()
    told = []
    try:
        made = carry_out(
            plan(model, folder, tmp_path / "ray", **ASKED),
            engine=Ray(workers=1, threads=1),
            progress=lambda *step: told.append(step),
        )
    except ShardError as error:
        if "Ray does not start" in str(error):  # its own parts must be up in 15 seconds, whatever else runs
            pytest.skip(str(error))
        raise
    finally:
        ended.set()
        killer.join()
    assert killed
    assert not ray.is_initialized()
    assert made.failed == local.failed
    assert list(made.failed) == ["broken.png"]
    assert contents(made.folder) == contents(local.folder)
    assert told[-1] == (12, 12)


def test_what_is_done_needs_no_ray(model, folder, tmp_path, monkeypatch):
    planned = plan(model, folder, tmp_path / "out", **ASKED)
    carry_out(planned)
    monkeypatch.setattr(ray_engine, "_ray", lambda: pytest.fail("nothing is left to do"))
    assert carry_out(planned, engine=Ray(workers=2)).pictures == 12


def test_without_ray_there_is_a_sentence(model, folder, tmp_path, monkeypatch):
    real = builtins.__import__

    def missing(name, *rest):
        if name.startswith("ray"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ShardError, match=r"pip install interp\[scale\]"):
        carry_out(plan(model, folder, tmp_path / "out", **ASKED), engine=Ray())


@pytest.mark.parametrize(("said", "own"), [(None, False), ("0", False), ("1", True)])
def test_workers_make_no_environment_although_ray_was_imported_before(said, own, monkeypatch):
    """Under `uv run`, Ray's workers would each make one, unless whoever runs it wants that."""
    constants = pytest.importorskip("ray._private.ray_constants")
    name = "RAY_ENABLE_UV_RUN_RUNTIME_ENV"
    monkeypatch.setattr(constants, name, True)
    for habit in ray_engine._HABITS:
        monkeypatch.setenv(habit, "")
        monkeypatch.delenv(habit)
    if said is not None:
        monkeypatch.setenv(name, said)
    ray_engine._ray()
    assert getattr(constants, name) is own


def test_settings_of_ray_that_do_not_fit_are_sentences(model, folder, tmp_path):
    planned = plan(model, folder, tmp_path / "out", **ASKED)
    for wrong, sentence in ((Ray(0), "workers=0"), (Ray(gpus=-1), "gpus=-1"), (Ray(threads=0), "threads=0")):
        with pytest.raises(ShardError, match=sentence):
            carry_out(planned, engine=wrong)


def test_a_worker_makes_shards_and_tells_of_sentences(model, folder, tmp_path):
    """What runs inside Ray, without Ray."""
    planned = plan(model, folder, tmp_path / "out", **ASKED)
    planned.job.parts.mkdir(parents=True)
    planned.job.panels.mkdir()
    shards = list(planned.shards())
    worker = ray_engine.Worker(pickle.dumps(replace(planned.job, target=0)), threads=1)
    assert worker({"shard": [pickle.dumps(shards[1])]}) == {"number": [1], "complaint": [""]}
    assert [path.name for path in parts_in(planned.job.parts)] == ["part-00001.parquet"]
    planned.job.panels.rename(tmp_path / "elsewhere")
    found = worker({"shard": [pickle.dumps(shards[1]), pickle.dumps(shards[0])]})
    assert found["complaint"][0] == ""
    assert "panels" in found["complaint"][1]


@pytest.mark.slow
def test_a_worker_judges_the_pictures_of_a_shard(model, folder, tmp_path):
    """What runs inside Ray, without Ray."""
    asked = [["grad-cam", "random"], ["deletion(steps=2)", "random-class"]]
    whole = interp.metrics.plan(model, folder, *asked, out=tmp_path / "here", shard_size=12).run()
    planned = interp.metrics.plan(model, folder, *asked, out=tmp_path / "there", shard_size=5)
    planned.parts.mkdir(parents=True)
    (first, *rest) = (pickle.dumps(shard) for shard in planned._missing())
    worker = ray_engine.Worker(cloudpickle.dumps(planned), threads=1)
    assert worker({"shard": [first]}) == {"number": [0], "complaint": [""]}
    assert planned.left == 7
    worker({"shard": rest})
    assert in_words(planned.run()) == in_words(whole)


def test_an_engine_needs_a_folder(model, folder):
    with pytest.raises(MetricError, match="give one"):
        interp.evaluate(model, folder, ["random"], ["sparseness"], engine=Local())
