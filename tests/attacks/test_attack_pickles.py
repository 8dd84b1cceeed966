"""Malicious pickles in every place where a file is opened: none is run unless somebody trusts it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from command import interp as command
from hostile import Evil, harmless, noise, pickled, refusal, small_model

import interp
from interp.features.example_store import read_examples
from interp.features.ranking import Ranking
from interp.images import open_image
from interp.images.masks import open_mask
from interp.metrics.evaluation_files import read_about
from interp.models.loading import PICKLES
from interp.models.sources import load_weights
from interp.training import read_run
from interp.training.checkpoint import load_networks, load_progress

WRAPPINGS = sorted(pickled(Path("mark")))


@pytest.fixture
def mark(tmp_path):
    """Where a pickle that was opened leaves its mark."""
    return tmp_path / "mark"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "small"
    small_model().save(folder)
    return folder


def renamed(path: Path, name: str) -> Path:
    return path.rename(path.with_name(name))


def load_named(name: str) -> Callable[[Path], object]:
    return lambda path: interp.load(renamed(path, name))


def weights_named(name: str) -> Callable[[Path], object]:
    return lambda path: load_weights(torch.nn.Linear(1, 1), renamed(path, name))


MODELS = [f"model{ending}" for ending in (*PICKLES, ".safetensors")] + ["export.pkl"]
WEIGHTS = ["weights.pth", "weights.pkl", "weights.safetensors", "weights"]
DOORS: dict[str, Callable[[Path], object]] = {
    **{name: load_named(name) for name in MODELS},
    **{name: weights_named(name) for name in WEIGHTS},
    "picture": lambda path: open_image(renamed(path, "x.jpg")),
    "picture's bytes": lambda path: open_image(path.read_bytes()),
    "mask": lambda path: open_mask(renamed(path, "x.png")),
    "explanation": interp.remake,
    "checkpoint": load_progress,
    "checkpoint's networks": lambda path: load_networks(path, {"network": torch.nn.Linear(1, 1)}),
    "ranking": lambda path: Ranking.load(path, "key"),
    "examples": read_examples,
    "evaluation": read_about,
}


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("door", DOORS)
def test_no_door_opens_a_pickle(door, mark, tmp_path):
    for wrapping, data in pickled(mark).items():
        (tmp_path / "file").write_bytes(data)
        harmless(lambda: DOORS[door](tmp_path / "file"))
        assert not mark.exists(), wrapping


def test_the_pickles_are_live(mark):
    """Were one opened, this is what would be seen."""
    pickle.loads(pickle.dumps(Evil(mark)))
    assert mark.is_dir()


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("part", ["model.safetensors", "model.json"])
def test_in_a_model_folder(wrapping, part, model, mark, tmp_path):
    for name in ("model.safetensors", "model.json"):
        (tmp_path / name).write_bytes((model / name).read_bytes())
    (tmp_path / part).write_bytes(pickled(mark)[wrapping])
    assert part in refusal(lambda: interp.load(tmp_path))
    assert not mark.exists()


@pytest.mark.parametrize("wrapping", ["protocol 0", "protocol 4", "torch"])
def test_in_a_run(wrapping, mark, tmp_path):
    for name in ("config.json", "history.csv", "steps.csv", "checkpoint.safetensors"):
        (tmp_path / name).write_bytes(pickled(mark)[wrapping])
    assert read_run(tmp_path).problems
    assert not mark.exists()


def test_in_a_folder_of_pictures(model, mark, tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    noise().save(pictures / "good.png")
    for number, data in enumerate(pickled(mark).values()):
        (pictures / f"{number}.jpg").write_bytes(data)
    report = interp.write_report(interp.load(model), pictures, tmp_path / "report", top_classes=1)
    assert len(report.failed) == report.pictures - 1
    assert not mark.exists()


def test_in_an_extension_type_of_parquet(mark, tmp_path):
    """Old versions of pyarrow unpickled the types that a file names."""
    field = pa.field("a", pa.int64(), metadata={
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": pickle.dumps(Evil(mark)),
    })  # fmt: skip
    pq.write_table(pa.table([pa.array([1])], schema=pa.schema([field])), tmp_path / "examples.parquet")
    refusal(lambda: read_examples(tmp_path / "examples.parquet"))
    assert not mark.exists()


def test_on_the_command_line(mark, tmp_path):
    (tmp_path / "net.pth").write_bytes(pickle.dumps(Evil(mark)))
    noise().save(tmp_path / "picture.png")
    done = command("explain", tmp_path / "picture.png", "--model", tmp_path / "net.pth")
    assert (done.returncode, mark.exists()) == (2, False)
    assert "--trust-pickle" in done.stderr


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_trust_is_the_only_way_and_it_is_meant(mark, tmp_path):
    torch.save(Evil(mark), tmp_path / "net.pth")
    refusal(lambda: interp.load(tmp_path / "net.pth"))
    assert not mark.exists()
    refusal(lambda: interp.load(tmp_path / "net.pth", trust_pickle=True))
    assert mark.is_dir()
