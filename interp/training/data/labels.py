"""Pictures with a class each: by their folder, their name, or a table."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np

from interp.training.data.listing import folder_there, pictures_in
from interp.training.data.problems import DataError, Kind, Problems
from interp.training.data.split import Group, given_groups
from interp.training.data.table import read_table

LabelsFrom = Literal["folder", "regex", "csv"]

_LOOSE = Kind("picture lies in no folder of a class", "pictures lie in no folder of a class")
_MISSING = Kind("picture of the table is not there", "pictures of the table are not there")
_TWICE = Kind("picture is twice in the table", "pictures are twice in the table")
_UNTRAINED = Kind("class is in the validation pictures only", "classes are in the validation pictures only")


@dataclass(frozen=True)
class Labelled:
    """Pictures with a class each, sorted by path.

    Args:
        pictures: paths.
        labels: for each picture a number in `classes`.
        classes: names, sorted.
        groups: for each picture its side, where the data say it.
    """

    pictures: tuple[Path, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]
    groups: tuple[Group, ...] | None = None

    def without(self, bad: Collection[int]) -> Labelled:
        """Return the data without some pictures, and without classes that have none left.

        Args:
            bad: numbers of the pictures, such as `Problems.bad`.

        Raises:
            DataError: fewer than two classes are left.

        Example:
            >>> data.without(problems.bad)
        """
        if not bad:
            return self
        groups = self.groups or (None,) * len(self.pictures)
        rows = [
            _Row(path, self.classes[label], group)
            for path, label, group in zip(self.pictures, self.labels, groups, strict=True)
        ]
        return _collect(row for item, row in enumerate(rows) if item not in bad)

    def dealt_out(self, seed: int) -> Labelled:
        """Return the same pictures with the same labels in random order, as a control.

        What a network learns of them has nothing to do with what is in the pictures.

        Args:
            seed: of the order.
        """
        order = np.random.default_rng(seed).permutation(len(self.labels))
        return replace(self, labels=tuple(self.labels[place] for place in order.tolist()))


class _Row(NamedTuple):
    path: Path
    label: str
    group: Group | None


def labelled_folder(
    folder: str | Path,
    *,
    labels: LabelsFrom = "folder",
    regex: str | None = None,
    csv: str | Path | None = None,
    problems: Problems | None = None,
) -> Labelled:
    r"""Find pictures and the class of each.

    Folders `train` and `valid` (or `val`, `validation`, `test`) in `folder` are a given split, and so is
    the column `valid` of a table; other pictures beside such folders are left out.

    Args:
        folder: of the pictures; folders inside it are walked.
        labels: what says the class: the folder that a picture lies in, a `regex`, a table `csv`.
        regex: its first group is the class, searched in the path within `folder`, with and without a
            slash before it: `([^/]+)_\d+.jpg$`.
        csv: a table of file (a path within `folder`), label and perhaps valid, with or without a header.
        problems: collects what is wrong with single pictures, which are left out; without it they raise.

    Raises:
        DataError: no such folder or table, no picture, a regex that is wrong, fewer than two classes, or
            all that is wrong with single pictures.

    Example:
        >>> data = labelled_folder("pets/images", labels="regex", regex=r"([^/]+)_\d+.jpg$")
        >>> data.classes[data.labels[0]]
        'Abyssinian'
    """
    folder = folder_there(folder)
    noted = Problems(folder) if problems is None else problems
    if labels == "folder":
        rows = _by_folder(folder, noted)
    elif labels == "regex":
        rows = _by_name(folder, regex, noted)
    elif labels == "csv":
        rows = _by_table(folder, csv, noted)
    else:
        raise DataError(f"labels={labels!r}: give one of {', '.join(get_args(LabelsFrom))}.")
    rows = _trained(rows, noted)
    if problems is None:
        noted.raise_if_any()
    return _collect(rows)


def _by_folder(folder: Path, problems: Problems) -> list[_Row]:
    rows = []
    # Two folders deep: a class may be called "train", but then has no folders of classes in it.
    for path, place, group in _placed(folder, depth=2):
        above = place.parts[0 if group is None else 1 : -1]
        if above:
            rows.append(_Row(path, above[-1], group))
        else:
            problems.add(_LOOSE, problems.name(path))
    if not rows:
        raise DataError(
            f"no picture in {folder} lies in a folder of its class. Give each class a folder, or say with "
            "--regex or --csv which class a picture has."
        )
    return rows


def _by_name(folder: Path, regex: str | None, problems: Problems) -> list[_Row]:
    pattern = _compiled(regex)
    rows, misses = [], []
    for path, place, group in _placed(folder, depth=1):
        # The course's expression begins with the slash before the name.
        match = pattern.search(place.as_posix()) or pattern.search(f"/{place.as_posix()}")
        if match and match[1]:
            rows.append(_Row(path, match[1], group))
        else:
            misses.append(problems.name(path))
    if not rows:
        raise DataError(
            f"the regex {regex!r} matches no name in {folder}, such as {misses[0]}. Its first group is the "
            r"class: '([^/]+)_\d+.jpg$' makes cat of cat_12.jpg."
        )
    for name in misses:
        problems.add(
            Kind(f"name does not match the regex {regex!r}", f"names do not match the regex {regex!r}"), name
        )
    return rows


def _placed(folder: Path, depth: int) -> list[tuple[Path, Path, Group | None]]:
    """Return each picture, its path within the folder and its side, without those beside a given split."""
    paths = pictures_in(folder)
    inside = [path.relative_to(folder) for path in paths]
    sides = given_groups(inside, depth)
    if sides is None:
        return [(path, place, None) for path, place in zip(paths, inside, strict=True)]
    found = zip(paths, inside, sides, strict=True)
    return [(path, place, side) for path, place, side in found if side is not None]


def _compiled(regex: str | None) -> re.Pattern[str]:
    if not regex:
        raise DataError("labels='regex' needs a regex, such as '([^/]+)_\\d+.jpg$'.")
    try:
        pattern = re.compile(regex)
    except re.error as error:
        raise DataError(f"the regex {regex!r} is not one: {error}.") from error
    if not pattern.groups:
        raise DataError(f"the regex {regex!r} has no group. Put the part that is the class into brackets.")
    return pattern


def _by_table(folder: Path, csv: str | Path | None, problems: Problems) -> list[_Row]:
    if csv is None:
        raise DataError("labels='csv' needs the path of a table.")
    rows: dict[Path, _Row] = {}
    for entry in read_table(Path(csv), problems):
        path = folder / entry.file
        if path in rows:
            problems.add(_TWICE, entry.file)
        elif not path.is_file():
            problems.add(_MISSING, entry.file)
        else:
            rows[path] = _Row(path, entry.label, entry.group)
    return list(rows.values())


def _trained(rows: list[_Row], problems: Problems) -> list[_Row]:
    """Return the rows whose class can be trained."""
    trained = {row.label for row in rows if row.group != "valid"}
    for label in sorted({row.label for row in rows} - trained):
        problems.add(_UNTRAINED, label)
    return [row for row in rows if row.label in trained]


def _collect(rows: Iterable[_Row]) -> Labelled:
    ordered = sorted(rows, key=lambda row: row.path)
    classes = tuple(sorted({row.label for row in ordered}))
    if len(classes) < 2:
        what = f"all have the class {classes[0]!r}" if classes else "no picture has a class"
        raise DataError(f"a classifier tells two classes apart at least, but {what}.")
    numbers = {name: number for number, name in enumerate(classes)}
    groups = tuple(row.group for row in ordered if row.group is not None)
    return Labelled(
        tuple(row.path for row in ordered),
        tuple(numbers[row.label] for row in ordered),
        classes,
        groups or None,
    )
