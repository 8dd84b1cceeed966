"""Names of a mask's classes, and the number that counts nowhere."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from interp.files import read_bytes
from interp.models.labels import Labels
from interp.training.data.problems import DataError

UNNAMED_VOID = 255
"""What masks hold, by wide custom, where no class was drawn."""


def class_names(given: Sequence[str] | str | None, folder: Path) -> tuple[str, ...] | None:
    """Return the names of the classes in the order of their numbers, `None` if nothing says them.

    Args:
        given: names; a file with one in each line; names parted by commas; or `None` for `codes.txt`.
        folder: of the data, where `codes.txt` and files given by name are looked for.

    Raises:
        DataError: no such file, or no, empty or equal names.

    Example:
        >>> class_names("sky, road", Path("camvid"))
        ('sky', 'road')
    """
    if given is None:
        usual = folder / "codes.txt"
        return _checked(_lines(usual), str(usual)) if usual.is_file() else None
    if not isinstance(given, str):
        return _checked(given, "the names of the classes")
    file = next((path for path in (Path(given), folder / given) if path.is_file()), None)
    if file is not None:
        return _checked(_lines(file), str(file))
    if "," not in given:
        raise DataError(f"the file {given} is not there. Give a file with a name in each line, or names.")
    return _checked([name.strip() for name in given.split(",")], "the names of the classes")


def void_number(void: str | None, codes: Sequence[str]) -> int | None:
    """Return the number that counts nowhere: the class named, or one called void, or 255.

    Args:
        void: a class's name, or a number written out.
        codes: names of all classes.

    Raises:
        DataError: no such class.

    Example:
        >>> void_number(None, ["sky", "Void"])
        1
    """
    if void is None:
        named = Labels(tuple(codes)).void
        if named is not None:
            return named
        return UNNAMED_VOID if len(codes) <= UNNAMED_VOID else None
    if void in codes:
        return list(codes).index(void)
    if void.isdecimal() and int(void) <= UNNAMED_VOID:
        return int(void)
    near = difflib.get_close_matches(void, codes, n=1)
    hint = f"did you mean {near[0]}?" if near else f"give one of {', '.join(codes)}."
    raise DataError(f"there is no class {void!r} that could count nowhere; {hint}")


def _lines(file: Path) -> list[str]:
    try:
        text = read_bytes(file).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read as text ({type(error).__name__}).") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _checked(names: Sequence[str], where: str) -> tuple[str, ...]:
    if len(names) < 2 or not all(names):
        raise DataError(f"{where}: give two classes at least, and each a name.")
    double = [name for name, count in Counter(names).items() if count > 1]
    if double:
        raise DataError(f"{where}: the name {double[0]!r} is there {Counter(names)[double[0]]} times.")
    return tuple(names)
