"""The pictures of a folder, and of all folders inside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from interp.images.errors import ImageError
from interp.images.suffixes import SUFFIXES


def pictures_in(folder: str | Path, *, recursive: bool = True, but: Path | None = None) -> list[Path]:
    """Return the pictures of a folder by their endings, sorted.

    Args:
        folder: where to look. Links to folders are followed, hidden files and folders passed over.
        recursive: whether to walk the folders inside it too.
        but: a folder inside it that is passed over.

    Raises:
        ImageError: no such folder, or no picture in it.

    Example:
        >>> [path.name for path in pictures_in("sample_images")][:2]
        ['cameraman.jpg', 'cat.jpg']
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ImageError(
            f"{folder} is a file; give the folder that it is in."
            if folder.exists()
            else f"the folder {folder} is not there."
        )
    passed = frozenset() if but is None else frozenset({os.path.realpath(but)})
    found = sorted(_walk(folder, passed, recursive))
    if not found:
        deeper = 0 if recursive else sum(path.is_dir() for path in folder.iterdir())
        hint = f" It has {deeper} folders inside: --recursive walks them." if deeper > 1 else ""
        if deeper == 1:
            hint = " It has 1 folder inside: --recursive walks it."
        raise ImageError(f"{folder} has no picture (no file ends in .jpg, .png, .webp, …).{hint}")
    return found


def _walk(folder: Path, passed: frozenset[str], recursive: bool) -> Iterator[Path]:
    real = os.path.realpath(folder)
    # A link to a folder above would lead around in circles.
    if real in passed:
        return
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir():
            if recursive:
                yield from _walk(path, passed | {real}, recursive)
        elif path.suffix.lower() in SUFFIXES:
            yield path
