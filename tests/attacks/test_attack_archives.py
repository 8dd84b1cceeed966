"""Archives whose members lead elsewhere (zip slips): nothing is unpacked, so nothing lands anywhere."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hostile import harmless

import interp
from interp.features.ranking import Ranking
from interp.images import open_image
from interp.models.sources import load_weights
from interp.training.checkpoint import load_progress

SLIPS = [
    "../../elsewhere",
    "/tmp/interp-elsewhere",
    "..\\..\\elsewhere",
    "a/../../elsewhere",
    "C:\\elsewhere",
]


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in SLIPS:
            archive.writestr(name, "x")
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name in SLIPS:
            about = tarfile.TarInfo(name)
            about.size = 1
            archive.addfile(about, io.BytesIO(b"x"))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return buffer.getvalue()


def saved_by_torch() -> bytes:
    """Weights in torch's own archive, with members beside them that lead elsewhere."""
    buffer = io.BytesIO()
    torch.save({"weight": torch.ones(1, 1), "bias": torch.zeros(1)}, buffer)
    with zipfile.ZipFile(buffer, "a") as archive:
        for name in SLIPS:
            archive.writestr(name, "x")
    return buffer.getvalue()


ARCHIVES = {"zip": zipped(), "tar": tarred(), "torch": saved_by_torch()}
DOORS: dict[str, Callable[[Path], object]] = {
    "picture": open_image,
    "explanation": interp.remake,
    "ranking": lambda path: Ranking.load(path, "key"),
    "checkpoint": load_progress,
    "weights": lambda path: load_weights(torch.nn.Linear(1, 1), path.rename(path.with_suffix(".pth"))),
    "model": lambda path: interp.load(path),
    "trusted model": lambda path: interp.load(path.rename(path.with_suffix(".pth")), trust_pickle=True),
    "model.safetensors": lambda path: interp.load(
        "torchvision:squeezenet1_1", weights=path.rename(path.with_suffix(".safetensors"))
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ARCHIVES)
@pytest.mark.parametrize("door", DOORS)
def test_nothing_is_unpacked(door, kind, tmp_path):
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    (inside / "file").write_bytes(ARCHIVES[kind])
    harmless(lambda: DOORS[door](inside / "file"))
    found = {path.name for path in tmp_path.rglob("*")} - {"a", "b"}
    assert len(found) == 1, found
    assert not Path("/tmp/interp-elsewhere").exists()
