"""A full disk, a target that takes nothing, a lost input, Ctrl-C: a sentence, and nothing is lost."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import command
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import interp
from interp.features import top_examples
from interp.files import write_whole
from interp.metrics import evaluate
from interp.models import load
from interp.sentences import is_sentence, sentence_of
from interp.training import Classifier, ClassifierSettings, Stage
from interp.training import train as train_recipe
from interp.training.crappify import crappify
from interp.training.recipe import Silent

resource = pytest.importorskip("resource", reason="no limits of files on this system")


@dataclass(frozen=True)
class Place:
    """Pictures, a network for them, and pictures to learn from."""

    pictures: Path
    model: Path
    classes: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Place:
    top = tmp_path_factory.mktemp("place")
    place = Place(top / "pictures", top / "model", top / "classes")
    place.pictures.mkdir()
    command.save_noise(place.pictures)
    command.save_classifier(place.model)
    generator = np.random.default_rng(0)
    for kind in ("dark", "light"):
        (place.classes / kind).mkdir(parents=True)
        for number in range(8):
            pixels = generator.integers(0, 128, (40, 40, 3), np.uint8) + (128 if kind == "light" else 0)
            Image.fromarray(pixels.astype(np.uint8)).save(place.classes / kind / f"{number}.png")
    return place


def report(place: Place) -> list[object]:
    return ["report", place.pictures, "--model", place.model, "--batch-size", 2]


def explain(place: Place) -> list[object]:
    pictures = sorted(place.pictures.iterdir())
    return ["explain", *pictures, "-m", place.model, "--save", "png", "--save", "json", "--save", "npz"]


def evaluate_(place: Place) -> list[object]:
    judged = ["--method", "grad-cam", "--method", "random", "--metric", "deletion(steps=4)"]
    return ["evaluate", place.pictures, "--model", place.model, *judged]


def train(place: Place) -> list[object]:
    stages = ["--stage", "epochs=2 lr=1e-3 size=32 batch=4"]
    kind = ["--backbone", "timm:test_resnet", "--untrained"]
    return ["train", "classifier", place.classes, *kind, *stages, "--workers", 0, "--resume"]


def examples(place: Place) -> list[object]:
    return ["examples", place.pictures, "--model", place.model, "--layer", "body.layer1", "-k", 2]


def crappify_(place: Place) -> list[object]:
    return ["crappify", place.pictures]


JOBS: dict[str, Callable[[Place], list[object]]] = {
    "report": report,
    "explain": explain,
    "evaluate": evaluate_,
    "train": train,
    "examples": examples,
    "crappify": crappify_,
}


def asked(job: str, place: Place, out: Path) -> list[object]:
    made = JOBS[job](place)
    return [*made, out] if job == "crappify" else [*made, "--out", out]


def ends(out: Path) -> dict[str, str]:
    """Return every file with the hash of what must be the same in it: all but how long something took."""
    paths = sorted(path for path in out.rglob("*") if path.is_file())
    return {str(path.relative_to(out)): hashlib.sha256(_lasting(path)).hexdigest() for path in paths}


def _lasting(path: Path) -> bytes:
    if "evaluation.parquet" in (path.name, path.parent.name):
        return str(pq.read_table(path).drop_columns(["seconds"]).to_pylist()).encode()
    if path.name == "history.csv":
        return re.sub(rb",[^,\n]*(?=\r?\n)", b"", path.read_bytes())
    if path.name == "model.json":  # its history says how long each epoch took
        return str({**json.loads(path.read_text(encoding="utf-8")), "history": ""}).encode()
    if path.suffix == ".safetensors":  # so does the log in that of a stage
        tensors = sorted(load_file(path).items())
        return b"".join(key.encode() + value.numpy().tobytes() for key, value in tensors)
    if path.suffix == ".png" and path.parent.name == "figures":
        return b"a figure"  # of the epochs' times, too
    return path.read_bytes()


@pytest.fixture(scope="module")
def undisturbed(place, tmp_path_factory) -> dict[str, Path]:
    """What each job leaves when nothing goes wrong."""
    made = {}
    for job in JOBS:
        made[job] = tmp_path_factory.mktemp("undisturbed") / job
        done = command.interp(*asked(job, place, made[job]))
        assert done.returncode == 0, done.stderr
    return made


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Let no file become larger, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def complaints(stderr: str) -> list[str]:
    return [line for line in stderr.splitlines() if line.startswith("interp: ")]


def assert_only_whole(out: Path, whole: Path) -> None:
    """Every file that is there is one of those that an undisturbed job leaves, or of one under way."""
    if not out.exists():
        return
    hidden = [path for path in out.rglob(".*") if path.is_file()]
    assert hidden == []
    for path in out.rglob("*.json"):
        json.loads(path.read_text(encoding="utf-8"))
    for path in out.rglob("*.parquet"):
        if path.is_file():
            pq.read_table(path)
    for path in [*out.rglob("*.png"), *out.rglob("*.jpg")]:
        with Image.open(path) as picture:
            picture.load()


@pytest.mark.parametrize(
    "share", [0.3, *(pytest.param(share, marks=pytest.mark.slow) for share in (0, 0.6, 1))]
)
@pytest.mark.parametrize("job", JOBS)
def test_a_full_disk(job, share, place, undisturbed, tmp_path):
    sizes = sorted(path.stat().st_size for path in undisturbed[job].rglob("*") if path.is_file())
    room = sizes[round(share * (len(sizes) - 1))] - 1  # this file and all larger ones do not fit
    out = tmp_path / job
    with room_for(room):
        done = command.interp(*asked(job, place, out))
    assert done.returncode == 2, done.stderr
    assert "no room left" in complaints(done.stderr)[-1]
    assert "Traceback" not in done.stderr
    assert_only_whole(out, undisturbed[job])
    again = command.interp(*asked(job, place, out))
    assert again.returncode == 0, again.stderr
    assert ends(out) == ends(undisturbed[job])


@pytest.mark.parametrize("job", JOBS)
def test_a_target_that_is_a_file(job, place, tmp_path):
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "deeper"):
        done = command.interp(*asked(job, place, out))
        assert done.returncode == 2
        assert len(complaints(done.stderr)) == 1, done.stderr
        assert "file" in complaints(done.stderr)[0]
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no place on this system that takes no files")
@pytest.mark.parametrize("job", JOBS)
def test_a_target_where_nobody_can_write(job, place):
    done = command.interp(*asked(job, place, Path("/proc/self/fd/out")))
    assert done.returncode == 2
    assert len(complaints(done.stderr)) == 1, done.stderr
    assert "/proc/self/fd/out" in complaints(done.stderr)[0]


@pytest.fixture
def frozen(tmp_path):
    """A folder that nothing can be written into: by its mode, and for root by the file system."""
    folder = tmp_path / "frozen"
    folder.mkdir()
    folder.chmod(0o555)
    able = os.access(folder, os.W_OK)
    if able and subprocess.run(["chattr", "+i", folder], capture_output=True).returncode:
        pytest.skip("root can write everywhere here")
    yield folder
    if able:
        subprocess.run(["chattr", "-i", folder], check=True)
    folder.chmod(0o755)


@pytest.mark.parametrize("job", JOBS)
def test_a_read_only_target(job, place, frozen):
    done = command.interp(*asked(job, place, frozen / "out"))
    assert done.returncode == 2
    assert len(complaints(done.stderr)) == 1, done.stderr
    assert "permission denied" in complaints(done.stderr)[0]
    assert list(frozen.iterdir()) == []


@pytest.fixture
def many(tmp_path) -> Path:
    """More pictures than anything reads ahead."""
    folder = tmp_path / "many"
    folder.mkdir()
    return command.save_noise(folder, "abcdefghijklmnop")


def vanishing(folder: Path) -> Callable[[float, float], None]:
    """Return what is told of the progress, and takes the last picture away at the first word."""

    def tick(_done: float, _count: float) -> None:
        (folder / "p.png").unlink(missing_ok=True)

    return tick


@pytest.mark.parametrize("job", ["report", "evaluate", "examples", "crappify"])
def test_a_picture_that_vanishes_is_named_and_stops_nothing(job, place, many, tmp_path):
    model, tick, out = load(place.model), vanishing(many), tmp_path / "out"
    if job == "report":
        failed = interp.write_report(model, many, out, batch_size=1, progress=tick).failed
    elif job == "evaluate":
        failed = evaluate(model, many, ["grad-cam"], ["deletion(steps=4)"], out=out, progress=tick).failed
    elif job == "examples":
        found = top_examples(model, "body.layer1", many, k=2, batch_size=1, out=out, progress=tick)
        failed = found.failed
    else:
        failed = crappify(many, out, workers=1, progress=tick).failed
    assert [Path(name).name for name in failed] == ["p.png"]
    assert "does not exist" in next(iter(failed.values()))


@pytest.mark.slow
@pytest.mark.parametrize("job", ["report", "explain", "evaluate", "examples", "crappify"])
def test_a_picture_that_is_a_link_to_nothing(job, place, many, tmp_path):
    (many / "p.png").unlink()
    (many / "p.png").symlink_to(tmp_path / "nowhere")
    there = Place(many, place.model, place.classes)
    done = command.interp(*asked(job, there, tmp_path / "out"))
    assert done.returncode in (0, 1), done.stderr
    assert "p.png" in done.stderr
    assert "leads nowhere" in done.stderr
    assert len(ends(tmp_path / "out"))


class Thief(Silent):
    """Takes a picture away when a stage begins: it was looked at, and is still to be read."""

    def __init__(self, picture: Path) -> None:
        self._picture = picture

    def stage(self, stage: Stage) -> None:
        self._picture.unlink(missing_ok=True)


@pytest.mark.slow
def test_a_picture_that_vanishes_from_a_training(place, tmp_path):
    shutil.copytree(place.classes, tmp_path / "classes")
    picture = tmp_path / "classes" / "dark" / "3.png"
    stages = (Stage("one", 1, 1e-3, 32, batch=4), Stage("two", 1, 1e-3, 40, batch=4))
    settings = ClassifierSettings(
        folder=str(tmp_path / "classes"),
        backbone="timm:test_resnet",
        pretrained=False,
        stages=stages,
        workers=0,
    )
    whole = train_recipe(Classifier(settings), tmp_path / "whole")
    data = picture.read_bytes()
    with pytest.raises(Exception, match=r"3\.png") as caught:
        train_recipe(Classifier(settings), tmp_path / "run", watcher=Thief(picture))
    assert is_sentence(caught.value), repr(caught.value)
    picture.write_bytes(data)
    again = train_recipe(Classifier(settings), tmp_path / "run", resume=True)
    weights, expected = (load_file(run.folder / "model.safetensors") for run in (again, whole))
    assert all(torch.equal(weights[key], value) for key, value in expected.items())


INTERRUPTED = {
    "report": lambda out: any(out.rglob("*.jpg")),
    "explain": lambda out: any(out.rglob("*.png")),
    "evaluate": lambda out: any(out.rglob("part-*")),
    "train": lambda out: any(out.rglob("history.csv")),
    "crappify": lambda out: any(out.rglob("*.jpg")),
}


@pytest.mark.parametrize(
    "job", [job if job == "report" else pytest.param(job, marks=pytest.mark.slow) for job in INTERRUPTED]
)
def test_ctrl_c(job, place, many, tmp_path):
    there, out = Place(many, place.model, place.classes), tmp_path / "out"
    words = [str(word) for word in asked(job, there, out)]
    running = command.started(sys.executable, "-m", "interp", *words)
    complaint = command.interrupted(running, lambda: INTERRUPTED[job](out))
    if running.returncode == 0:
        pytest.skip("it was done before it could be interrupted")
    assert running.returncode == 130, complaint
    assert len(complaints(complaint)) == 1, complaint
    assert "interrupted" in complaints(complaint)[0]
    assert "goes on" in complaint or job == "explain"
    assert "Traceback" not in complaint
    assert_only_whole(out, out)
    again = command.interp(*words)
    assert again.returncode == 0, again.stderr
    fresh = command.interp(*asked(job, there, tmp_path / "fresh" / "out"))
    assert fresh.returncode == 0, fresh.stderr
    assert ends(out) == ends(tmp_path / "fresh" / "out")


def test_ctrl_c_while_everything_is_still_imported():
    running = command.started(sys.executable, "-X", "importtime", "-m", "interp", "report", "nowhere")
    complaint = ""
    for line in running.stderr:
        if "interp.cli.options" in line:
            break
    running.send_signal(signal.SIGINT)
    complaint = running.communicate(timeout=120)[1]
    if running.returncode != 2:  # it was faster
        assert running.returncode == 130, complaint
        assert len(complaints(complaint)) == 1
        assert "Traceback" not in complaint


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 16 kilobytes; only root can make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder], capture_output=True)
    if made.returncode:
        pytest.skip("no file system can be made here")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("job", JOBS)
def test_a_disk_that_is_really_full(job, place, undisturbed, small_disk):
    done = command.interp(*asked(job, place, small_disk / "out"))
    assert done.returncode == 2, done.stderr
    assert "no room left" in complaints(done.stderr)[-1]
    assert_only_whole(small_disk / "out", undisturbed[job])


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "there is no room left to write it"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "permission denied"),
        (errno.EIO, "input/output error"),
    ],
)
def test_what_a_file_system_says_in_words(number, said, tmp_path):
    with pytest.raises(OSError, match=r"a\.json") as caught, write_whole(tmp_path / "a.json") as part:
        raise OSError(number, os.strerror(number), str(part))
    assert sentence_of(caught.value).startswith(f"{tmp_path / 'a.json'}: ")
    assert said in sentence_of(caught.value)
    assert "Errno" not in sentence_of(caught.value)
