"""Where pictures and masks lie in the layouts of well-known data sets."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from interp.training.data.listing import folder_there
from interp.training.data.problems import DataError
from interp.training.data.split import HELD_BACK, Group

_BESIDE = (("images", "labels"), ("images", "masks"), ("JPEGImages", "SegmentationClass"))
_LISTS = ("valid.txt", "ImageSets/Segmentation/val.txt")


class Part(NamedTuple):
    """A folder of pictures and the folder of their masks; some sets have masks for few pictures."""

    pictures: Path
    masks: Path
    group: Group | None = None
    every: bool = True


def parts_of(folder: Path, masks: str | Path | None) -> list[Part]:
    """Return the folders that belong together.

    Args:
        folder: of the whole set, or of the pictures if `masks` is given.
        masks: their folder, as it is or within `folder`.

    Raises:
        DataError: none of the layouts.

    Example:
        >>> [part.masks.name for part in parts_of(Path("camvid"), None)]
        ['trainannot', 'valannot']
    """
    if masks is not None:
        inside = folder / masks
        beside = inside if inside.is_dir() else folder_there(masks)
        if beside.resolve() == folder.resolve():
            raise DataError(f"pictures and masks are both in {folder}. Give each a folder.")
        return [Part(folder, beside)]
    found = _beside(folder) or _annotated(folder) or _split(folder)
    if not found:
        raise DataError(
            f"{folder} has no layout that is known: images/ with labels/ or masks/, train/ with trainannot/, "
            "JPEGImages/ with SegmentationClass/. Give the folder of the masks with --masks."
        )
    return found


def listed_for_validation(folder: Path) -> frozenset[str]:
    """Return the stems of the pictures that a list in `folder` holds back; none if there is no list."""
    for name in _LISTS:
        file = folder / name
        if file.is_file():
            lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
            return frozenset(Path(line.strip()).stem for line in lines if line.strip())
    return frozenset()


def _beside(folder: Path, group: Group | None = None) -> list[Part]:
    for pictures, masks in _BESIDE:
        if (folder / pictures).is_dir() and (folder / masks).is_dir():
            return [Part(folder / pictures, folder / masks, group, every=masks != "SegmentationClass")]
    return []


def _annotated(folder: Path) -> list[Part]:
    def annotated(name: str, group: Group | None) -> list[Part]:
        part = Part(folder / name, folder / f"{name}annot", group)
        return [part] if part.pictures.is_dir() and part.masks.is_dir() else []

    held_back = next((part for name in HELD_BACK if (part := annotated(name, "valid"))), [])
    train = annotated("train", "train" if held_back else None)
    return train and train + held_back


def _split(folder: Path) -> list[Part]:
    held_back = next((part for name in HELD_BACK if (part := _beside(folder / name, "valid"))), [])
    train = _beside(folder / "train", "train" if held_back else None)
    return train and train + held_back
