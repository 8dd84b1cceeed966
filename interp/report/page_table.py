"""The packed table of a report's page: what a browser filters a million rows by."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from interp.report.rows import Row

ROWS, NAMES = 65_536, 16_384
"""How many rows, and how many names, lie in one file."""
FAILED = 128
_WIDE = 2**16


@dataclass
class Tally:
    """What the head of the page says of all rows.

    Attributes:
        pictures: how many files were looked at.
        failed: how many of them could not be explained.
        judged: how many have a predicted and a true class.
        right: how many of those agree.
        sure: sum of the probabilities of the predicted classes.
        predicted: how many have a predicted class.
        levels: how many verdicts there are of each level.
    """

    pictures: int = 0
    failed: int = 0
    judged: int = 0
    right: int = 0
    sure: float = 0.0
    predicted: int = 0
    levels: dict[str, int] = field(default_factory=dict)

    @property
    def accuracy(self) -> float | None:
        """Share of the judged pictures whose predicted class is the true one."""
        return self.right / self.judged if self.judged else None

    @property
    def mean(self) -> float | None:
        """Mean probability of the predicted classes."""
        return self.sure / self.predicted if self.predicted else None


class Table:
    """Rows come in one by one, pieces of columns go out, and only numbers of classes and sums are kept.

    Args:
        name_of: the name of a class by its index.

    Example:
        >>> found = Table("class {}".format)
        >>> list(found.add(Row("a.png", truth=3), "a.png")), [kind for kind, _, _ in found.rest()]
        ([], ['rows', 'names'])
    """

    def __init__(self, name_of: Callable[[int], str]) -> None:
        self.tally = Tally()
        self._name_of = name_of
        # Number 0 is no class. Two classes of a network may have one name, so they are told apart by index.
        self._numbers: dict[int | str, int] = {}
        self._names: list[str] = []
        self._rows: list[tuple[int, int, float, int, tuple[int, ...]]] = []
        self._files: list[str] = []

    def add(self, row: Row, name: str) -> Iterator[tuple[str, int, Any]]:
        """Take a row in; yield (kind, number, content) of the pieces that are full with it."""
        self._rows.append(self._packed(row))
        self._files.append(name.replace("\n", " "))
        self._count(row)
        if len(self._rows) == ROWS:
            yield self._piece()
        if len(self._files) == NAMES:
            yield self._named()

    def rest(self) -> Iterator[tuple[str, int, Any]]:
        """Yield the pieces that are not full."""
        if self._rows:
            yield self._piece()
        if self._files:
            yield self._named()

    def head(self) -> dict[str, Any]:
        """Return what a browser must know before it reads the pieces."""
        return {
            "count": self.tally.pictures,
            "rows": ROWS,
            "names": NAMES,
            "classes": ["", *self._unlike()],
            "levels": ["", *self.tally.levels],
            "judged": self.tally.judged,
            "failed": self.tally.failed,
        }

    def _count(self, row: Row) -> None:
        tally = self.tally
        tally.pictures += 1
        tally.failed += row.error is not None
        if not row.prediction:
            return
        tally.predicted += 1
        tally.sure += row.prediction[0].probability
        if row.truth is not None:
            tally.judged += 1
            tally.right += row.truth == row.prediction[0].index

    def _packed(self, row: Row) -> tuple[int, int, float, int, tuple[int, ...]]:
        first = row.prediction[0] if row.prediction else None
        return (
            0 if first is None else self._number(first.index, first.name),
            0 if row.truth is None else self._number(row.truth, self._name_of(row.truth)),
            0.0 if first is None else first.probability,
            FAILED if row.error is not None else self._level(row),
            tuple(self._number(found.index, found.target) for found in row.maps),
        )

    def _number(self, index: int | None, name: str) -> int:
        key = name if index is None else index
        if key not in self._numbers:
            self._names.append(name)
            self._numbers[key] = len(self._names)
        return self._numbers[key]

    def _level(self, row: Row) -> int:
        trust = row.maps[0].trust if row.maps else None
        if trust is None:
            return 0
        levels = self.tally.levels
        levels[trust] = levels.get(trust, 0) + 1
        return list(levels).index(trust) + 1

    def _unlike(self) -> list[str]:
        """Return the names of the classes, with the index where two have the same."""
        often: dict[str, int] = {}
        for name in self._names:
            often[name] = often.get(name, 0) + 1
        keys = list(self._numbers)
        return [
            f"{name} ({key})" if often[name] > 1 else name
            for key, name in zip(keys, self._names, strict=True)
        ]

    def _piece(self) -> tuple[str, int, Any]:
        predicted, truth, sure, state, maps = zip(*self._rows, strict=True)
        number = (self.tally.pictures - 1) // ROWS
        most = max(map(len, maps))
        ranks = [[row[rank] if rank < len(row) else 0 for row in maps] for rank in range(most)]
        self._rows.clear()
        kind = "<u4" if len(self._names) >= _WIDE else "<u2"
        levels = np.rint(np.clip(np.nan_to_num(np.array(sure)), 0, 1) * 65535)
        return (
            "rows",
            number,
            {
                "wide": kind == "<u4",
                "predicted": _text(predicted, kind),
                "truth": _text(truth, kind) if any(truth) else None,
                "probability": _text(levels, "<u2"),
                "state": _text(state, "<u1"),
                "maps": [_text(rank, kind) for rank in ranks],
            },
        )

    def _named(self) -> tuple[str, int, Any]:
        number = (self.tally.pictures - 1) // NAMES
        text = "\n".join(self._files)
        self._files.clear()
        return "names", number, text


def _text(values: Any, kind: str) -> str:
    return base64.b64encode(np.asarray(values).astype(kind).tobytes()).decode()
