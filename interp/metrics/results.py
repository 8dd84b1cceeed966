"""What an evaluation knows: one row for every picture, method and metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from interp.files import write_whole
from interp.parquet import read_parquet

SCHEMA = pa.schema(
    [
        ("picture", pa.string()),
        ("class", pa.string()),
        ("probability", pa.float64()),
        ("layer", pa.string()),
        ("method", pa.string()),
        ("metric", pa.string()),
        ("value", pa.float64()),
        ("chance", pa.float64()),
        ("note", pa.string()),
        ("seconds", pa.float64()),
    ]
)


@dataclass(frozen=True)
class Row:
    """One number, or why there is none.

    Attributes:
        picture: its path in the folder.
        target: what was asked of the network.
        probability: of the target, where it has one.
        layer: where the map lies.
        method: that made it.
        metric: that judged it; empty for a picture that could not be judged at all, like all after `picture`.
        value: NaN where there is none.
        chance: what a map that knows nothing would get, where that is known.
        note: why there is no number.
        seconds: that the metric took.
    """

    picture: str
    target: str | None = None
    probability: float | None = None
    layer: str | None = None
    method: str | None = None
    metric: str | None = None
    value: float = float("nan")
    chance: float | None = None
    note: str = ""
    seconds: float = 0.0


def as_table(rows: Sequence[Row]) -> pa.Table:
    """Return rows as a table of `SCHEMA`."""
    packed = []
    for row in rows:
        told = dict(vars(row))
        packed.append({"class": told.pop("target"), **told})
    return pa.Table.from_pylist(packed, schema=SCHEMA)


def write_table(table: pa.Table, path: Path, about: Mapping[str, str] | None = None) -> None:
    """Write a table, whole or not at all; `about` goes into the metadata of the file."""
    table = table.replace_schema_metadata(dict(about or {}))
    with write_whole(path) as part:
        pq.write_table(table, part, compression="zstd")


def read_tables(paths: Sequence[Path]) -> pa.Table:
    """Return several written tables as one."""
    # Parts of one piece each would be chunks of one picture.
    return pa.concat_tables([read_parquet(path, SCHEMA) for path in paths]).combine_chunks()


def failed_in(table: pa.Table) -> dict[str, str]:
    """Return picture → reason, of those that could not be judged at all."""
    chosen = table.filter(pc.is_null(table["metric"]))
    return dict(zip(chosen["picture"].to_pylist(), chosen["note"].to_pylist(), strict=True))
