"""The pictures of a folder, and of all folders inside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from interp.images.errors import ImageError
from interp.images.suffixes import SUFFIXES


def pictures_in(folder: str | Path, *, recursive: bool = True, but: Path | None = None) -> list[Path]:
    """Return the pictures of a folder by their endings, sorted.

    Args:
        folder: where to look. Links to folders are followed, a folder that is reached twice is listed once,
            hidden files and folders are passed over.
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
    passed = {_identity(but)} if but is not None and but.exists() else set()
    found = sorted(_walk(folder, passed, recursive))
    if not found:
        deeper = 0 if recursive else sum(path.is_dir() for path in folder.iterdir())
        hint = f" It has {deeper} folders inside: --recursive walks them." if deeper > 1 else ""
        if deeper == 1:
            hint = " It has 1 folder inside: --recursive walks it."
        raise ImageError(f"{folder} has no picture (no file ends in .jpg, .png, .webp, …).{hint}")
    return found


def _walk(folder: Path, passed: set[tuple[int, int]], recursive: bool) -> Iterator[Path]:
    """Yield the pictures of every folder once, however many links lead there, around in circles, too."""
    folders, links = [folder], list[Path]()
    while folders or links:
        # What lies in the folder itself is called by its own name, and not by that of a link to it.
        place = folders.pop() if folders else links.pop(0)
        if (identity := _identity(place)) in passed:
            continue
        passed.add(identity)
        for path in sorted(place.iterdir()):
            if path.name.startswith("."):
                continue
            if path.is_dir():
                (links if path.is_symlink() else folders).append(path)
            elif path.suffix.lower() in SUFFIXES:
                yield path
        if not recursive:
            return


def _identity(folder: Path) -> tuple[int, int]:
    about = folder.stat()
    return about.st_dev, about.st_ino
