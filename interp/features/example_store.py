"""Dataset examples as one Parquet file: a row for each channel, what it is of in the file's metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from interp.features.errors import FeatureError
from interp.features.example_set import FORMAT, Channel, Example, Examples
from interp.files import write_whole
from interp.images import Box
from interp.parquet import read_parquet

_KEY = b"interp"
_BOX = pa.list_(pa.float32(), 4)
_EXAMPLE = pa.struct(
    [
        ("file", pa.string()),
        ("place", pa.int64()),
        ("value", pa.float32()),
        ("row", pa.int32()),
        ("column", pa.int32()),
        ("box", _BOX),
        ("core", _BOX),
    ]
)
_CHANNELS = pa.schema(
    [
        ("channel", pa.int32()),
        ("mean", pa.float64()),
        ("std", pa.float64()),
        ("active", pa.float64()),
        ("examples", pa.list_(_EXAMPLE)),
        ("maxima", pa.list_(pa.float32())),
    ]
)
_ROWS = 256


def write_examples(found: Examples, path: Path, root: Path | None) -> None:
    """Write the file, whole or not at all; pictures are named relative to `root`, if there is one."""
    about = {**found.about, "failed": found.failed, "root": str(root.resolve()) if root else None}
    schema = _CHANNELS.with_metadata({_KEY: json.dumps(about).encode()})
    with write_whole(path) as part, pq.ParquetWriter(part, schema, compression="zstd") as writer:
        for start in range(0, len(found.channels), _ROWS):
            channels = found.channels[start : start + _ROWS]
            table = pa.Table.from_pylist(
                [_row(channel, root) for channel in channels], schema=schema.remove(5)
            )
            lengths = [len(channel.maxima) for channel in channels]
            maxima = pa.ListArray.from_arrays(
                np.cumsum([0, *lengths], dtype=np.int32),
                np.concatenate([channel.maxima for channel in channels]),
            )
            writer.write_table(table.append_column("maxima", maxima).replace_schema_metadata(schema.metadata))


def read_examples(path: Path, root: Path | None = None) -> Examples:
    """Return what `write_examples` wrote.

    Args:
        path: of the file.
        root: folder of the pictures; where they were when None.

    Raises:
        FeatureError: there is no such file, or it is none of ours.
    """
    try:
        return _read(read_parquet(path), root)
    except FileNotFoundError:
        raise FeatureError(f"{path} is not there. Make it with top_examples(..., out=FOLDER).") from None
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise FeatureError(f"{path} is no file of examples that this version can read.") from error


def _read(table: pa.Table, root: Path | None) -> Examples:
    about = json.loads((table.schema.metadata or {})[_KEY])
    if about["format"] != FORMAT:
        raise KeyError("format")
    failed, stored = about.pop("failed"), about.pop("root")
    folder = root or (Path(stored) if stored else Path())
    lists = table.column("maxima").combine_chunks()
    maxima = lists.flatten().to_numpy().reshape(len(table), -1)
    rows = table.drop_columns(["maxima"]).to_pylist()
    channels = tuple(_channel(row, own, folder) for row, own in zip(rows, maxima, strict=True))
    return Examples(about, channels, failed)


def _row(channel: Channel, root: Path | None) -> dict[str, Any]:
    return {
        "channel": channel.index,
        "mean": channel.mean,
        "std": channel.std,
        "active": channel.active,
        "examples": [_packed(example, root) for example in channel.examples],
    }


def _packed(example: Example, root: Path | None) -> dict[str, Any]:
    file = example.file.relative_to(root) if root else example.file.resolve()
    return {
        # Parquet takes no half characters of a name that is no UTF-8.
        "file": str(file).encode("utf-8", "replace").decode(),
        "place": example.place,
        "value": example.value,
        "row": example.position[0],
        "column": example.position[1],
        "box": example.box.to_json(),
        "core": example.core.to_json(),
    }


def _channel(row: dict[str, Any], maxima: np.ndarray[Any, np.dtype[np.float32]], folder: Path) -> Channel:
    examples = tuple(
        Example(
            folder / one["file"],
            one["place"],
            one["value"],
            (one["row"], one["column"]),
            Box(*one["box"]),
            Box(*one["core"]),
        )
        for one in row["examples"]
    )
    return Channel(row["channel"], examples, row["mean"], row["std"], row["active"], maxima)
