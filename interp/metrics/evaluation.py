"""What `evaluate` gives back: all numbers, and what they say together."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from interp.methods import get as get_method
from interp.metrics.registry import Metric, get
from interp.metrics.results import failed_in
from interp.metrics.summary import Cell, Interval, Numbers, Rank, cells, drawn, ranks
from interp.metrics.verdicts import answer, base, verdicts

MEAN_RANK = "mean rank"
_COLUMNS = (
    "method", "metric", "better", "mean", "low", "high", "pictures", "missing", "chance",
    "difference_to_best", "difference_low", "difference_high", "told_apart",
)  # fmt: skip


@dataclass(frozen=True)
class Summary:
    """What an evaluation says.

    Attributes:
        methods: names, the best mean rank first.
        metrics: in the order that was asked for.
        cells: the mean of every method by every metric, its 95 % interval, its difference to the best.
        ranks: the mean rank of every method, the best first.
        verdicts: for each method what should be said of it, as "survives random weights".
        answer: which method to take, in a sentence or two.
        pictures: how many were judged.
    """

    methods: tuple[str, ...]
    metrics: tuple[Metric, ...] = field(repr=False)
    cells: tuple[Cell, ...] = field(repr=False)
    ranks: tuple[Rank, ...]
    verdicts: Mapping[str, tuple[str, ...]] = field(repr=False)
    answer: str
    pictures: int

    def cell(self, method: str, metric: str) -> Cell:
        """Return what one metric says of one method, by their full names."""
        return self._cells[method, metric]

    @property
    def titles(self) -> dict[str, str]:
        """What tables call each metric: without its options, unless another one differs in them alone."""
        bases = [base(metric.name) for metric in self.metrics]
        return {
            metric.name: get(name).title if bases.count(name) == 1 else metric.title
            for metric, name in zip(self.metrics, bases, strict=True)
        }

    @cached_property
    def _cells(self) -> dict[tuple[str, str], Cell]:
        return {(cell.method, cell.metric): cell for cell in self.cells}

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for every mean rank and every cell, as `summary.csv` has them; NaN is None."""
        better = {metric.name: metric.better for metric in self.metrics}
        found = []
        for rank in self.ranks:
            count = 0 if math.isnan(rank.value.mean) else self.pictures
            given = [rank.method, MEAN_RANK, "lower", rank.value, count, self.pictures - count, math.nan]
            found.append(_row(given, rank.difference, rank.apart))
        for cell in self.cells:
            given = [cell.method, cell.metric, better[cell.metric], cell.value]
            found.append(
                _row([*given, cell.pictures, cell.missing, cell.chance], cell.difference, cell.apart)
            )
        return found

    def csv(self) -> str:
        """Return the rows as text, six digits of each number."""
        text = io.StringIO()
        writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        for row in self.rows():
            writer.writerow({key: _digits(value) for key, value in row.items()})
        return text.getvalue()


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The numbers of many pictures, methods and metrics.

    Attributes:
        table: one row for every picture, method and metric: `picture`, `class`, `probability`, `layer`,
            `method`, `metric`, `value`, `chance`, `note`, `seconds`. A picture that could not be judged is
            one row with its reason as `note`.
        about: how it was made: the model with the hash of its weights, methods, metrics, seed, versions.
        folder: where it was written, or None.
    """

    table: pa.Table = field(repr=False)
    about: Mapping[str, Any]
    folder: Path | None = None

    @property
    def failed(self) -> dict[str, str]:
        """Picture → reason, of those that could not be judged."""
        return failed_in(self.table)

    @property
    def pictures(self) -> list[str]:
        """The names of those that were judged."""
        judged = self.table.filter(pc.is_valid(self.table["metric"]))
        return list(dict.fromkeys(judged["picture"].to_pylist()))

    def values(self, column: str = "value") -> Numbers:
        """Return `(pictures, methods, metrics)`, NaN where there is no number.

        Args:
            column: `value`, `chance` or `seconds`.
        """
        places = [
            {name: number for number, name in enumerate(names)}
            for names in (self.pictures, self.about["methods"], self.about["metrics"])
        ]
        found = np.full([len(place) for place in places], np.nan)
        judged = self.table.filter(pc.is_valid(self.table["metric"]))
        for *keys, value in zip(
            *(judged[name].to_pylist() for name in ("picture", "method", "metric", column)), strict=True
        ):
            index = tuple(place[key] for place, key in zip(places, keys, strict=True))
            found[index] = math.nan if value is None else value
        return found

    def summary(self) -> Summary:
        """Return means with 95 % intervals over pictures, what is told apart, and a ranking."""
        return self._summary

    @cached_property
    def _summary(self) -> Summary:
        methods, names = list(self.about["methods"]), list(self.about["metrics"])
        metrics = tuple(get(name) for name in names)
        better = [metric.better for metric in metrics]
        controls = [name for name in methods if get_method(name).family == "control"]
        values = self.values()
        draws = drawn(len(values), seed=self.about["seed"])
        # Controls are there to be beaten; among controls alone the best is one of them.
        candidates = [row for row, name in enumerate(methods) if name not in controls] or None
        floors = [0.0 if metric.kind == "sanity" else -math.inf for metric in metrics]
        found = cells(values, self.values("chance"), methods, names, better, draws, candidates, floors)
        ranked = ranks(values, methods, better, draws, candidates, floors)
        said = verdicts(values, methods, names, controls, found, draws)
        told = answer(ranked, said, controls, len(values))
        order = tuple(rank.method for rank in ranked)
        return Summary(order, metrics, found, ranked, said, told, len(values))


def _row(given: Sequence[Any], difference: Interval, apart: str) -> dict[str, Any]:
    method, metric, better, value, pictures, missing, chance = given
    numbers = [value.mean, value.low, value.high, pictures, missing, chance]
    numbers += [difference.mean, difference.low, difference.high]
    plain = [None if isinstance(number, float) and math.isnan(number) else number for number in numbers]
    return dict(zip(_COLUMNS, [method, metric, better, *plain, apart], strict=True))


def _digits(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value
