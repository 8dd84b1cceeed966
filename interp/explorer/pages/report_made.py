"""The work of *Report*: pictures from anywhere become numbered files, and these a report in a ZIP."""

from __future__ import annotations

import io
import re
import tempfile
import zipfile
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from interp.explorer.pictures import LIMITS, MEGABYTES
from interp.explorer.working import Meter
from interp.images import SUFFIXES, Limits
from interp.models import ImageModel
from interp.report import write_report

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

LONGEST_NAME = 80
BOUNDS = Limits(bytes=MEGABYTES * 2**20, pixels=LIMITS.pixels)


@dataclass(frozen=True)
class Asked:
    """What is explained in every picture; classes by their indices, before the `top` likeliest."""

    method: str
    layer: str
    classes: tuple[int, ...]
    top: int


@dataclass(frozen=True)
class Given:
    """One picture of the set.

    Attributes:
        name: as people call it; never used as a path.
        key: what changes when the file does.
        read: returns its bytes.
        path: of a sample; None of an upload.
    """

    name: str
    key: Hashable
    read: Callable[[], bytes] = field(repr=False)
    path: Path | None = None


@dataclass(frozen=True)
class Made:
    """A finished report.

    Attributes:
        pictures: how many were looked at.
        failed: (name, reason) of those that could not be explained.
        packed: all its files, as ZIP.
    """

    pictures: int
    failed: tuple[tuple[str, str], ...]
    packed: bytes = field(repr=False)

    @property
    def one_page(self) -> bool:
        """Whether its page needs no files beside it, as one of few pictures."""
        with zipfile.ZipFile(io.BytesIO(self.packed)) as archive:
            return not any(name.startswith("data/") for name in archive.namelist())

    @property
    def kept_bytes(self) -> int:
        """How much memory it takes while it is kept."""
        return len(self.packed)

    def file(self, name: str) -> bytes:
        """Return one file of it."""
        with zipfile.ZipFile(io.BytesIO(self.packed)) as archive:
            return archive.read(name)


def of_samples(paths: Iterable[Path]) -> list[Given]:
    """Return the pictures of a folder; what was taken away since it was listed is left out."""
    given = []
    for path in paths:
        try:
            about = path.stat()
        except OSError:
            continue
        given.append(Given(path.name, (str(path), about.st_mtime_ns, about.st_size), path.read_bytes, path))
    return given


def of_uploads(files: Iterable[UploadedFile]) -> list[Given]:
    """Return what the browser sent."""
    return [Given(cleaned(file.name), (file.file_id, file.name), file.getvalue) for file in files]


def cleaned(name: str) -> str:
    r"""Return the last part of a file's name without control characters, to be shown.

    Example:
        >>> cleaned(r"C:\photos\cat.jpg")
        'cat.jpg'
    """
    last = PurePosixPath(name.replace("\\", "/")).name
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", "", last)[:LONGEST_NAME]


def made(model: ImageModel, given: Sequence[Given], asked: Asked, meter: Meter) -> Made:
    """Write the report in a folder that is gone afterwards, also when the work is cancelled."""
    with tempfile.TemporaryDirectory(prefix="interp-report-") as place:
        pictures, out = Path(place) / "pictures", Path(place) / "report"
        pictures.mkdir()
        names, unread = {}, []
        for number, each in enumerate(given):
            file = _file_name(number, each)
            try:
                (pictures / file).write_bytes(each.read())
            except OSError:
                unread.append((each.name, f"{each.name} cannot be read."))
                continue
            if each.name not in ("", file):
                names[file] = each.name
            meter(0, len(given))
        report = write_report(
            model,
            pictures,
            out,
            classes=asked.classes,
            top_classes=asked.top,
            method=asked.method,
            layer=asked.layer,
            names=names,
            limits=BOUNDS,
            progress=meter,
        )
        failed = [(names.get(file, file), reason) for file, reason in report.failed.items()]
        return Made(report.pictures + len(unread), (*unread, *failed), _packed(out))


def _file_name(number: int, given: Given) -> str:
    """Return what a picture is called on the disk: a sample as it is, an upload by its number."""
    if given.path is not None:
        return given.path.name
    ending = PurePosixPath(given.name).suffix.lower()
    return f"{number:04}{ending if ending in SUFFIXES else '.png'}"


def _packed(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
    return buffer.getvalue()
