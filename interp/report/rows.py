"""What a report knows of one picture, as rows of Parquet: one for each picture and class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from interp.files import write_whole
from interp.models import Prediction
from interp.parquet import opened_parquet

Precision = Literal["float32", "float16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
VALUES = 8_000_000
"""How many values of maps are written together: 32 MB."""
BATCH = 64
# Maps are all different numbers, which a dictionary makes larger and splitting their bytes smaller.
_REPEATED = ("predicted", "target", "trust", "reasons", "layer", "method", "prediction.list.element.name")
_ENCODED = {
    "use_dictionary": list(_REPEATED),
    "column_encoding": {"map.list.element": "BYTE_STREAM_SPLIT"},
}
_FITS_HALF = (2.0**-10, 2.0**15)


@dataclass(frozen=True, eq=False)
class ClassMap:
    """The raw map of one target.

    Attributes:
        target: what was asked.
        index: of the class.
        probability: of the class.
        score: its logit.
        values: `(h, w)`, float32, signed.
        trust: whether it should be believed, "holds", "doubtful" or "fails"; None where that was not checked.
        reasons: sentences of the checks, empty without `trust`.
    """

    target: str
    index: int | None
    probability: float | None
    score: float
    values: npt.NDArray[np.float32]
    trust: str | None = None
    reasons: str = ""


@dataclass(frozen=True)
class Row:
    """One picture of the report.

    Attributes:
        file: path relative to the folder.
        error: why it could not be explained; then all but file and truth is empty.
        size: (width, height) of the original.
        box: what the maps cover of the original.
        prediction: the likeliest classes.
        maps: one for each target.
        panel: name of its three-panel picture in `panels/`, if there is one.
        thumbnail: JPEG of the whole original, small; empty if there is none.
        truth: index of the class that it really is, where that is known.
    """

    file: str
    error: str | None = None
    size: tuple[int, int] = (0, 0)
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    prediction: tuple[Prediction, ...] = ()
    maps: tuple[ClassMap, ...] = ()
    panel: str | None = None
    thumbnail: bytes = b""
    truth: int | None = None


_PREDICTION = pa.struct([("index", pa.int32()), ("name", pa.string()), ("probability", pa.float32())])
# These belong to the picture: they stand in its first row only.
_ONCE = {"prediction": pa.list_(_PREDICTION), "panel": pa.string(), "thumbnail": pa.binary()}


def schema(precision: Precision = "float32") -> pa.Schema:
    """Return the columns of `maps.parquet`."""
    values = pa.float16() if precision == "float16" else pa.float32()
    return pa.schema(
        [
            ("file", pa.string()),
            ("error", pa.string()),
            ("width", pa.int32()),
            ("height", pa.int32()),
            ("truth", pa.int32()),
            ("predicted", pa.string()),
            ("predicted_index", pa.int32()),
            ("rank", pa.int32()),
            ("target", pa.string()),
            ("index", pa.int32()),
            ("probability", pa.float32()),
            ("score", pa.float32()),
            ("trust", pa.string()),
            ("reasons", pa.string()),
            ("layer", pa.string()),
            ("method", pa.string()),
            ("box", pa.list_(pa.float64())),
            ("map_height", pa.int32()),
            ("map_width", pa.int32()),
            ("unit", pa.float32()),
            ("map", pa.list_(values)),
            *_ONCE.items(),
        ]
    )


def write_part(
    rows: Iterable[Row],
    path: Path,
    *,
    layer: str,
    method: str,
    precision: Precision = "float32",
    about: Mapping[str, str] | None = None,
) -> None:
    """Write rows, whole or not at all: raw maps, native resolution.

    A picture that failed is one row with its `error` and no map.

    Args:
        rows: pictures.
        path: of the Parquet file.
        layer: of the maps.
        method: that made them.
        precision: of the maps' values. `float16` takes half the room and keeps eleven bits of each value.
        about: goes into the metadata of the file.
    """
    columns = schema(precision).with_metadata(dict(about or {}))
    made = {"layer": layer, "method": method}
    waiting: list[dict[str, Any]] = []
    values = 0
    with write_whole(path) as part, pq.ParquetWriter(part, columns, compression="zstd", **_ENCODED) as writer:
        for row in rows:
            waiting += [{**flat, **made} for flat in _flat(row, precision)]
            values += sum(found.values.size for found in row.maps)
            if values >= VALUES:
                writer.write_table(pa.Table.from_pylist(waiting, schema=columns))
                waiting.clear()
                values = 0
        writer.write_table(pa.Table.from_pylist(waiting, schema=columns))


def read_part(path: Path) -> Iterator[Row]:
    """Yield the rows that `write_part` wrote, a few at a time.

    Raises:
        DamagedFileError: it cannot be read.
    """
    with opened_parquet(path) as part:
        flat = (one for batch in part.iter_batches(BATCH) for one in of_batch(batch))
        for _, of_picture in groupby(flat, lambda one: one[0]["file"]):
            yield _row(list(of_picture))


def _flat(row: Row, precision: Precision) -> Iterator[dict[str, Any]]:
    picture: dict[str, Any] = {"file": row.file, "truth": row.truth}
    if row.error is not None:
        yield {**picture, "error": row.error}
        return
    width, height = row.size
    picture |= {"width": width, "height": height, "box": list(row.box)}
    if row.prediction:
        picture |= {"predicted": row.prediction[0].name, "predicted_index": row.prediction[0].index}
    once = {
        "prediction": [asdict(prediction) for prediction in row.prediction],
        "panel": row.panel,
        "thumbnail": row.thumbnail,
    }
    for rank, found in enumerate(row.maps):
        yield {**picture, **({} if rank else once), "rank": rank, **_packed(found, precision)}


def _packed(found: ClassMap, precision: Precision) -> dict[str, Any]:
    height, width = found.values.shape
    unit, values = _stored(found.values.ravel(), precision)
    return {
        "target": found.target,
        "index": found.index,
        "probability": found.probability,
        "score": found.score,
        "trust": found.trust,
        "reasons": found.reasons or None,
        "map_height": height,
        "map_width": width,
        "unit": unit,
        "map": values,
    }


def _stored(values: npt.NDArray[np.float32], precision: Precision) -> tuple[float, npt.NDArray[Any]]:
    """Return what is written: `values = unit * written`, `unit` being 1 if half precision holds them."""
    if precision == "float32":
        return 1.0, values
    largest = float(np.abs(values[np.isfinite(values)]).max(initial=0.0))
    low, high = _FITS_HALF
    # A power of two, so that nothing but the last bits of each value is lost.
    unit = 1.0 if largest == 0 or low <= largest < high else float(2.0 ** np.floor(np.log2(largest)))
    return unit, (values / np.float32(unit)).astype(np.float16)


def of_batch(batch: pa.RecordBatch) -> Iterator[tuple[dict[str, Any], npt.NDArray[np.float32]]]:
    """Yield the other columns of each row, and the values of its map as they were written."""
    # As arrays: a map of pixels has 50,000 values, which are slow as Python's numbers.
    maps = batch.column("map")
    ends, values = maps.offsets.to_numpy(), maps.values.to_numpy(zero_copy_only=False)
    plain = batch.drop_columns(["map"]).to_pylist()
    for value, begin, end in zip(plain, ends[:-1], ends[1:], strict=True):
        yield value, values[begin:end].astype(np.float32)


def _row(of_picture: list[tuple[dict[str, Any], npt.NDArray[np.float32]]]) -> Row:
    first = of_picture[0][0]
    if first["error"] is not None:
        return Row(first["file"], first["error"], truth=first["truth"])
    left, top, right, bottom = first["box"]
    return Row(
        file=first["file"],
        size=(first["width"], first["height"]),
        box=(left, top, right, bottom),
        prediction=tuple(Prediction(**known) for known in first["prediction"]),
        maps=tuple(_class_map(value, values) for value, values in of_picture),
        panel=first["panel"],
        thumbnail=first["thumbnail"],
        truth=first["truth"],
    )


def _class_map(value: dict[str, Any], values: npt.NDArray[np.float32]) -> ClassMap:
    shape = value["map_height"], value["map_width"]
    target, index, probability, score = (value[n] for n in ("target", "index", "probability", "score"))
    raw = np.float32(value["unit"]) * values.reshape(shape)
    return ClassMap(target, index, probability, score, raw, value["trust"], value["reasons"] or "")
