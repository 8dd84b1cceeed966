"""Read tables that this package wrote, and that may have been changed since."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from interp.files import DamagedFileError, check_file, undamaged

MOST_VALUES: Final = 500_000_000
"""How many numbers and texts one file may hold; a kilobyte of Parquet can claim more than there is memory."""


@contextmanager
def opened_parquet(path: str | Path) -> Iterator[pq.ParquetFile]:
    """Yield a file to read piece by piece; whatever is wrong with it is one sentence.

    Raises:
        OSError: there is no such file, or it is none.
        DamagedFileError: it cannot be read, or holds more than `MOST_VALUES`.
    """
    check_file(path)
    with undamaged(path), pq.ParquetFile(path) as file:
        groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
        values = sum(group.column(n).num_values for group in groups for n in range(group.num_columns))
        if values > MOST_VALUES:
            raise DamagedFileError(f"{path} claims to hold {values:,} values; it is not ours.")
        yield file


def read_parquet(path: str | Path, schema: pa.Schema | None = None) -> pa.Table:
    """Return a whole table, whose values are what their types say.

    Errors are those of `opened_parquet`.

    Example:
        >>> read_parquet("found/examples.parquet").num_rows
        64
    """
    with opened_parquet(path), undamaged(path):
        table = pq.read_table(path, schema=schema, partitioning=None)
        table.validate(full=True)
        return table
