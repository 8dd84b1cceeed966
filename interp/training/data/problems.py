"""Everything that is wrong with a data set, in one sentence, before a training begins."""

from __future__ import annotations

from collections.abc import Iterable
from os.path import commonpath
from pathlib import Path
from typing import NamedTuple

_SHOWN = 3


class DataError(ValueError):
    """Data cannot be found, made or trained on; the message says all that is wrong, and what would work."""


class Kind(NamedTuple):
    """A kind of problem, worded for one and for several."""

    one: str
    many: str


class Problems:
    """Collects what is wrong with the data, so that all of it is said at once.

    Args:
        folders: what the data are called; examples are named as they lie within it, if it is one.

    Example:
        >>> problems = Problems("pets")
        >>> problems.add(Kind("picture is empty", "pictures are empty"), "a.jpg", item=7)
        >>> problems.bad
        frozenset({7})
    """

    def __init__(self, *folders: str | Path) -> None:
        self._folders = [Path(folder) for folder in folders]
        self._examples: dict[Kind, list[str]] = {}
        self._bad: set[int] = set()

    @classmethod
    def of(cls, paths: Iterable[Path]) -> Problems:
        """Return a collector for files that are known by their paths only."""
        parents = {str(path.parent.absolute()) for path in paths}
        return cls(commonpath(parents)) if parents else cls()

    @property
    def bad(self) -> frozenset[int]:
        """The numbers of the items to leave out: `data.without(problems.bad)`."""
        return frozenset(self._bad)

    def __bool__(self) -> bool:
        return bool(self._examples)

    def add(self, kind: Kind, example: str, item: int | None = None) -> None:
        """Note a problem.

        Args:
            kind: its words.
            example: the file or line, and perhaps what is wrong with it.
            item: the number of the item that cannot be used, if it is an item already.
        """
        self._examples.setdefault(kind, []).append(example)
        if item is not None:
            self._bad.add(item)

    def name(self, path: Path) -> str:
        """Return what a file is called in examples."""
        if len(self._folders) == 1 and path.absolute().is_relative_to(self._folders[0].absolute()):
            path = path.absolute().relative_to(self._folders[0].absolute())
        # A file name shall not write control characters into a terminal.
        return text if (text := path.as_posix()).isprintable() else repr(text)

    def summary(self) -> str:
        """Return every kind with its count and its first examples, without a full stop."""
        return "; ".join(_phrase(kind, examples) for kind, examples in self._examples.items())

    def raise_if_any(self) -> None:
        """Raise all of them.

        Raises:
            DataError: there is a problem.
        """
        if self:
            place = f" in {' and '.join(map(str, self._folders))}" if self._folders else ""
            raise DataError(
                f"the data{place} has problems: {self.summary()}. Fix or remove them, or give --skip-bad to "
                "go on without them."
            )


def _phrase(kind: Kind, examples: list[str]) -> str:
    count = len(examples)
    shown = "; ".join(examples[:_SHOWN]) + ("; …" if count > _SHOWN else "")
    return f"{count} {kind.one if count == 1 else kind.many} ({shown})"
