"""Which class each picture of a report really is."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from interp.models import ImageModel, LabelError
from interp.report.finding import ReportError

FOLDER = "folder"
Truth = str | Path | Mapping[str, str | int]
_COLUMNS = ("picture", "class")


@dataclass(frozen=True)
class Truths:
    """The class of each picture, by its path in the folder or by the folder that holds it."""

    by_file: Mapping[str, int] = field(default_factory=dict)
    by_folder: Mapping[str, int] = field(default_factory=dict)

    def of(self, file: str) -> int | None:
        """Return the index of the true class of a file, or None where nobody said it."""
        if self.by_folder:
            return self.by_folder.get(PurePosixPath(file).parent.name)
        return self.by_file.get(file)


def truths_of(truth: Truth | None, model: ImageModel, folder: Path, files: Sequence[Path]) -> Truths:
    """Return what is known of the pictures; a class that the model does not have fails here.

    Args:
        truth: `"folder"`: the name of the folder that holds a picture is its class; a table (`.csv`:
            picture, class); or path in the folder → class; None when nobody knows.
        model: whose classes they are.
        folder: of the report.
        files: in it.

    Raises:
        ReportError: there is no such table, or it says nothing of these pictures.
        LabelError: the model has no such class.

    Example:
        >>> truths_of({"cat.jpg": "tiger cat"}, interp.load(), Path("sample_images"), []).of("cat.jpg")
        282
    """
    if truth is None:
        return Truths()
    if truth == FOLDER:
        return Truths(by_folder=_of_folders(folder, files, model))
    named = dict(truth) if isinstance(truth, Mapping) else _read(Path(truth))
    if not any(path.relative_to(folder).as_posix() in named for path in files):
        where = "the mapping" if isinstance(truth, Mapping) else Path(truth).name
        raise ReportError(
            f"truth: {where} names no picture of {folder}; give paths in it, as {_first(folder, files)!r}."
        )
    indices = _indices(set(named.values()), model)
    return Truths(by_file={file: indices[name] for file, name in named.items()})


def _of_folders(folder: Path, files: Sequence[Path], model: ImageModel) -> dict[str, int]:
    inside = {path.parent.name for path in files if path.parent != folder}
    if not inside:
        raise ReportError(
            f"truth={FOLDER!r}: the pictures of {folder} lie in no folders inside it that say their class; "
            "walk them (--recursive), or give a table (picture, class)."
        )
    return {str(name): index for name, index in _indices(inside, model).items()}


def _indices(names: Collection[str | int], model: ImageModel) -> dict[str | int, int]:
    count = len(model.labels) or int(model.logits(model.blank()).shape[1])
    try:
        return {name: model.labels.find(name, count) for name in sorted(names, key=str)}
    except LabelError as error:
        raise LabelError(f"truth: {error}") from None


def _read(path: Path) -> dict[str, str | int]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if not set(_COLUMNS) <= set(rows.fieldnames or ()):
                raise ReportError(
                    f"truth: the first line of {path.name} has to name the columns {' and '.join(_COLUMNS)}."
                )
            return {row["picture"]: (row["class"] or "").strip() for row in rows}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ReportError(
            f"truth: the table {path.name} cannot be read ({error}); give {FOLDER!r}, or a CSV with the "
            "columns picture and class."
        ) from None


def _first(folder: Path, files: Sequence[Path]) -> str:
    return files[0].relative_to(folder).as_posix() if files else "cat.jpg"
