"""The pictures of a folder and all folders inside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from interp.images import SUFFIXES
from interp.training.data.problems import DataError


def pictures_in(folder: str | Path, *, but: Path | None = None) -> list[Path]:
    """Return the pictures of a folder and of the folders inside it by their endings, sorted.

    Args:
        folder: where to look. Links to folders are followed, hidden files and folders passed over.
        but: a folder inside it that is passed over too.

    Raises:
        DataError: no such folder, or no picture in it.

    Example:
        >>> [path.name for path in pictures_in("sample_images")][:2]
        ['cameraman.jpg', 'cat.jpg']
    """
    folder = folder_there(folder)
    passed = frozenset() if but is None else frozenset({os.path.realpath(but)})
    found = sorted(_walk(folder, passed))
    if not found:
        raise DataError(f"{folder} has no picture (no file ends in .jpg, .png, .webp, …).")
    return found


def folder_there(folder: str | Path) -> Path:
    """Return the folder as a path.

    Raises:
        DataError: it is not there, or no folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(
            f"{folder} is a file; give the folder that it is in."
            if folder.exists()
            else f"the folder {folder} is not there."
        )
    return folder


def _walk(folder: Path, passed: frozenset[str]) -> Iterator[Path]:
    real = os.path.realpath(folder)
    # A link to a folder above would lead around in circles.
    if real in passed:
        return
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from _walk(path, passed | {real})
        elif path.suffix.lower() in SUFFIXES:
            yield path
