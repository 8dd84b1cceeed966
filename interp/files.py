"""Write files whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def write_whole(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; when the body succeeds it becomes `path`.

    The content is on the disk before the name is (fsync, then rename), so whoever opens `path` finds the
    old file or the new one, never half of either. After an exception nothing is left behind.

    Example:
        >>> with write_whole("report.json") as part:
        ...     part.write_text("{}")
    """
    path = Path(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=path.suffix)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        part.chmod(0o666 & ~_umask())
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _umask() -> int:
    # Reading the mask means setting it; mkstemp files are private, reports are not.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
