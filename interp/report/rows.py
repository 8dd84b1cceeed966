"""What a report knows of one picture, as rows of Parquet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from interp.files import undamaged, write_whole
from interp.models import Prediction
from interp.parquet import read_parquet

VALUES = 8_000_000
"""How many values of maps are written together: 32 MB."""


@dataclass(frozen=True, eq=False)
class ClassMap:
    """The raw map of one target: `values` is `(h, w)`, float32, signed."""

    target: str
    index: int | None
    probability: float | None
    score: float
    values: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Row:
    """One picture of the report.

    Attributes:
        file: path relative to the folder.
        error: why it could not be explained; then everything else is empty.
        size: (width, height) of the original.
        box: what the maps cover of the original.
        prediction: the likeliest classes.
        maps: one for each target.
        panel: name of its three-panel picture in `panels/`.
        thumbnail: JPEG of the whole original, small.
    """

    file: str
    error: str | None = None
    size: tuple[int, int] = (0, 0)
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    prediction: tuple[Prediction, ...] = ()
    maps: tuple[ClassMap, ...] = ()
    panel: str | None = None
    thumbnail: bytes = b""


_CLASS_MAP = pa.struct(
    [
        ("target", pa.string()),
        ("index", pa.int32()),
        ("probability", pa.float32()),
        ("score", pa.float32()),
        ("map_height", pa.int32()),
        ("map_width", pa.int32()),
        ("map", pa.list_(pa.float32())),
    ]
)
_PREDICTION = pa.struct([("index", pa.int32()), ("name", pa.string()), ("probability", pa.float32())])
_PART = pa.schema(
    [
        ("file", pa.string()),
        ("error", pa.string()),
        ("size", pa.list_(pa.int32())),
        ("box", pa.list_(pa.float64())),
        ("prediction", pa.list_(_PREDICTION)),
        ("maps", pa.list_(_CLASS_MAP)),
        ("panel", pa.string()),
        ("thumbnail", pa.binary()),
    ]
)
MAPS = pa.schema(
    [
        ("file", pa.string()),
        ("error", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("rank", pa.int32()),
        *((name, _CLASS_MAP.field(name).type) for name in ("target", "index", "probability", "score")),
        ("layer", pa.string()),
        ("method", pa.string()),
        ("box", pa.list_(pa.float64())),
        *((name, _CLASS_MAP.field(name).type) for name in ("map_height", "map_width", "map")),
    ]
)


def write_part(rows: Sequence[Row], path: Path) -> None:
    """Write rows, whole or not at all."""
    table = pa.Table.from_pylist([_packed(row) for row in rows], schema=_PART)
    with write_whole(path) as part:
        pq.write_table(table, part, compression="zstd")


def read_part(path: Path) -> list[Row]:
    """Return the rows that `write_part` wrote."""
    with undamaged(path):
        table = read_parquet(path, _PART)
        plain = table.drop_columns(["maps"]).to_pylist()
        return [_unpacked(value, maps) for value, maps in zip(plain, table["maps"], strict=True)]


def write_maps(rows: Iterable[Row], path: Path, *, layer: str, method: str) -> None:
    """Write `maps.parquet`: one row for each picture and target, raw values, native resolution.

    A picture that failed is one row with its `error` and no map.
    """
    waiting: list[dict[str, Any]] = []
    values = 0
    with write_whole(path) as part, pq.ParquetWriter(part, MAPS, compression="zstd") as writer:
        for row in rows:
            waiting += [_flat(row, rank, found, layer, method) for rank, found in enumerate(row.maps)]
            if row.error is not None:
                waiting.append({"file": row.file, "error": row.error, "layer": layer, "method": method})
            values += sum(found.values.size for found in row.maps)
            if values >= VALUES:
                writer.write_table(pa.Table.from_pylist(waiting, schema=MAPS))
                waiting.clear()
                values = 0
        writer.write_table(pa.Table.from_pylist(waiting, schema=MAPS))


def _flat(row: Row, rank: int, found: ClassMap, layer: str, method: str) -> dict[str, Any]:
    width, height = row.size
    place = {"file": row.file, "width": width, "height": height, "rank": rank, "box": list(row.box)}
    return {**place, "layer": layer, "method": method, **_packed_map(found)}


def _packed(row: Row) -> dict[str, Any]:
    plain = {"file": row.file, "error": row.error, "panel": row.panel, "thumbnail": row.thumbnail}
    return {
        **plain,
        "size": list(row.size),
        "box": list(row.box),
        "prediction": [asdict(prediction) for prediction in row.prediction],
        "maps": [_packed_map(found) for found in row.maps],
    }


def _packed_map(found: ClassMap) -> dict[str, Any]:
    return {
        "target": found.target,
        "index": found.index,
        "probability": found.probability,
        "score": found.score,
        "map_height": found.values.shape[0],
        "map_width": found.values.shape[1],
        "map": found.values.ravel(),
    }


def _unpacked(value: dict[str, Any], maps: pa.ListScalar) -> Row:
    left, top, right, bottom = value["box"]
    width, height = value["size"]
    return Row(
        file=value["file"],
        error=value["error"],
        size=(width, height),
        box=(left, top, right, bottom),
        prediction=tuple(Prediction(**known) for known in value["prediction"]),
        maps=tuple(_unpacked_map(found) for found in maps),
        panel=value["panel"],
        thumbnail=value["thumbnail"],
    )


def _unpacked_map(found: pa.StructScalar) -> ClassMap:
    names = ("target", "index", "probability", "score", "map_height", "map_width")
    target, index, probability, score, height, width = (found[name].as_py() for name in names)
    # As an array at once: a map of pixels has 50,000 values, which are slow as Python's numbers.
    values = found["map"].values.to_numpy().reshape(height, width)
    return ClassMap(target, index, probability, score, values)
