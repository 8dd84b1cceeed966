"""The pictures of a folder of data."""

from __future__ import annotations

from pathlib import Path

from interp import images
from interp.images import ImageError
from interp.training.data.problems import DataError


def pictures_in(folder: str | Path, *, recursive: bool = True, but: Path | None = None) -> list[Path]:
    """Return the pictures of a folder by their endings, sorted, as `interp.images.pictures_in`.

    Raises:
        DataError: no such folder, or no picture in it.
    """
    try:
        return images.pictures_in(folder, recursive=recursive, but=but)
    except ImageError as error:
        raise DataError(str(error)) from None


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
