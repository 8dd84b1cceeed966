"""Which files of a folder are pictures to report on."""

from __future__ import annotations

import os
from pathlib import Path

from interp.images import SUFFIXES


class ReportError(ValueError):
    """A report cannot be begun or finished; the message says why and what would work."""


def find_pictures(folder: str | Path, *, recursive: bool = False) -> list[Path]:
    """Return the pictures of `folder` by their endings, sorted by name.

    Args:
        folder: where to look. Hidden files are passed over, links to folders are not followed.
        recursive: whether to walk the folders inside it too.

    Raises:
        ReportError: no such folder, or no picture in it.

    Example:
        >>> [path.name for path in find_pictures("sample_images")][:2]
        ['cameraman.jpg', 'cat.jpg']
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = "is a file; `interp explain` takes single pictures" if folder.exists() else "is not there"
        raise ReportError(f"the folder {folder} {what}.")
    found: list[Path] = []
    deeper = 0
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        deeper += len(folders)
        if not recursive:
            folders.clear()
        shown = (name for name in names if not name.startswith("."))
        found += [Path(place) / name for name in shown if Path(name).suffix.lower() in SUFFIXES]
    if not found:
        hint = f" It has {deeper} folders inside: --recursive walks them." if deeper and not recursive else ""
        raise ReportError(f"{folder} has no picture (no file ends in .jpg, .png, .webp, …).{hint}")
    return sorted(found)
