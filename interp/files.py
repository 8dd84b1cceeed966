"""Write files whole or not at all."""

from __future__ import annotations

import os
import secrets
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
    part = path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}{path.suffix}")
    # Readable for whom the umask says; the umask itself cannot be asked without setting it for all threads.
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
