"""A table of file, label and perhaps valid."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import NamedTuple

from interp.files import read_bytes
from interp.images import SUFFIXES
from interp.training.data.problems import DataError, Kind, Problems
from interp.training.data.split import Group

_FILE = ("file", "filename", "file_name", "fname", "name", "path", "image", "picture")
_LABEL = ("label", "labels", "class", "category")
_VALID = ("valid", "is_valid", "validation", "split")
_SIDES: dict[str, Group] = {
    **dict.fromkeys(("", "0", "false", "no", "train", "training"), "train"),
    **dict.fromkeys(("1", "true", "yes", "valid", "val", "validation", "test"), "valid"),
}
_UNFIT = Kind("line of the table has no file or no label", "lines of the table have no file or no label")
_UNCLEAR = Kind(
    "line of the table says neither true nor false for valid",
    "lines of the table say neither true nor false for valid",
)


class Entry(NamedTuple):
    """A line: the file as written, its class, and its side if the table has that column."""

    file: str
    label: str
    group: Group | None


def read_table(path: Path, problems: Problems) -> list[Entry]:
    """Read a table whose cells are parted by commas, semicolons or tabs.

    Args:
        path: of the table, UTF-8. Without a header the columns are file, label and valid.
        problems: collects lines that cannot be used.

    Raises:
        DataError: no such file, not a table, or no columns of such names.

    Example:
        >>> read_table(Path("labels.csv"), Problems("pictures"))[0]
        Entry(file='a.jpg', label='cat', group=None)
    """
    lines = _lines(path)
    columns, begin = _columns(lines[0][1], path)
    entries = []
    for number, cells in lines[begin:]:
        values = [cells[at].strip() if at < len(cells) else "" for at in columns]
        side = _SIDES.get(values[2].casefold()) if len(columns) > 2 else None
        if not values[0] or not values[1]:
            problems.add(_UNFIT, f"line {number}")
        elif len(columns) > 2 and side is None:
            problems.add(_UNCLEAR, f"line {number}: {values[2]}")
        else:
            entries.append(Entry(values[0], values[1], side))
    return entries


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Return the cells of each line that has any, and its number."""
    try:
        text = read_bytes(path).decode("utf-8-sig")
        delimiter = max(",;\t", key=text.partition("\n")[0].count)
        rows = list(csv.reader(io.StringIO(text, newline=None), delimiter=delimiter))
    except FileNotFoundError as error:
        raise DataError(f"the table {path} is not there.") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"the table {path} cannot be read as a table ({type(error).__name__}).") from error
    lines = [(number, cells) for number, cells in enumerate(rows, 1) if any(map(str.strip, cells))]
    if not lines:
        raise DataError(f"the table {path} is empty.")
    return lines


def _columns(first: list[str], path: Path) -> tuple[list[int], int]:
    """Return where file, label and perhaps valid are, and the number of lines before the first entry."""
    if Path(first[0].strip()).suffix.lower() in SUFFIXES and len(first) > 1:
        return list(range(min(3, len(first)))), 0
    names = [cell.strip().casefold() for cell in first]
    found = [next((names.index(n) for n in known if n in names), None) for known in (_FILE, _LABEL, _VALID)]
    if found[0] is None or found[1] is None:
        raise DataError(
            f"the table {path} has no columns file and label; its first line is {','.join(first)[:80]!r}."
        )
    return [at for at in found if at is not None], 1
