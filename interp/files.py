"""Write files whole or not at all; read those that are files, within bounds."""

from __future__ import annotations

import io
import json
import os
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

if sys.platform != "win32":  # which does not remove files that are open
    import fcntl

MOST = 256 * 2**20
"""How many bytes of a file are read at once, as a guard against files without an end."""

TRIES = 5
# What `write_whole` calls a file until it is whole.
_HALF = re.compile(r"\..{1,40}\.[0-9a-f]{16}(\.[^.]*)?", re.DOTALL)


@contextmanager
def write_whole(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; when the body succeeds it becomes `path`.

    The content is on the disk before the name is (fsync, then rename), so whoever opens `path` finds the
    old file or the new one, never half of either. After an exception nothing is left behind; what a killed
    process leaves, `sweep` takes away.

    Example:
        >>> with write_whole("report.json") as part:
        ...     part.write_text("{}")
    """
    path = Path(path)
    part = path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}{path.suffix}")
    # Readable for whom the umask says; the umask itself cannot be asked without setting it for all threads.
    try:
        held = _locked(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except OSError as error:
        _name(error, part, path)
        raise
    try:
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(path)
    except OSError as error:
        _name(error, part, path)
        raise
    finally:
        part.unlink(missing_ok=True)
        if held is not None:
            os.close(held)


@contextmanager
def write_whole_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; when the body succeeds it becomes `path`, over an earlier one.

    Several processes may do so at once, each into a folder of its own. `sweep` takes away what a killed one
    leaves.

    Raises:
        OSError: something else is put there again and again.

    Example:
        >>> with write_whole_folder("report/data") as folder:
        ...     (folder / "rows.js").write_text("…")
    """
    path = Path(path)
    coming = path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}")
    coming.mkdir(parents=True)
    held = None if sys.platform == "win32" else _locked(os.open(coming, os.O_RDONLY))
    try:
        yield coming
        _put_in_place(coming, path)
    finally:
        shutil.rmtree(coming, ignore_errors=True)
        if held is not None:
            os.close(held)


def _put_in_place(coming: Path, path: Path) -> None:
    for _ in range(TRIES):
        old = path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}")
        with suppress(FileNotFoundError):
            path.rename(old)
            shutil.rmtree(old, ignore_errors=True)
        with suppress(OSError):  # another process was quicker
            coming.rename(path)
            return
    raise OSError(f"{path} cannot be written: something else is put there again and again.")


@contextmanager
def write_drawn(path: str | Path) -> Iterator[io.BytesIO]:
    """Yield a file in memory; when the body succeeds, what it holds becomes `path`, whole or not at all.

    For pictures. Pillow does not look whether a disk that gets full has taken all of the last bytes.

    Example:
        >>> with write_drawn("cat.png") as file:
        ...     picture.save(file, "PNG")
    """
    file = io.BytesIO()
    yield file
    with write_whole(path) as part:
        part.write_bytes(file.getbuffer())


def _name(error: OSError, part: Path, path: Path) -> None:
    """Let an error of the file system speak of the file that somebody asked for."""
    if error.errno and error.filename in (None, str(part)):
        error.filename, error.filename2 = str(path), None


def sweep(*folders: str | Path) -> None:
    """Remove what processes that were killed have left half-written in these folders.

    Files that a living process is writing are locked by it, and stay.

    Example:
        >>> sweep("report", "report/panels")
    """
    for folder in map(Path, folders):
        for path in folder.iterdir() if folder.is_dir() else ():
            if _HALF.fullmatch(path.name):
                with suppress(OSError):  # somebody is writing it, or swept it
                    _remove_left(path)


def _remove_left(path: Path) -> None:
    if sys.platform != "win32":
        file = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(file)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _locked(file: int) -> int | None:
    """Return an open file with a lock on it; where there are none, close it, so that it can be renamed."""
    if sys.platform == "win32":
        os.close(file)
        return None
    with suppress(OSError):  # a file system without locks
        fcntl.flock(file, fcntl.LOCK_EX)
    return file


class DamagedFileError(ValueError):
    """A file that this package wrote and that is no longer as it was; the message says what to do."""


@contextmanager
def undamaged(path: str | Path) -> Iterator[None]:
    """Let whatever a reader raises of a damaged file be one sentence.

    Example:
        >>> with undamaged("maps.parquet"):
        ...     table = pyarrow.parquet.read_table("maps.parquet")
    """
    try:
        yield
    except DamagedFileError:
        raise
    except Exception as error:
        # Arrow's readers raise nearly everything, also an `OSError` of which the file system knows nothing.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200].rstrip(".")
        raise DamagedFileError(
            f"{path} is damaged or of another version ({reason}). Delete its folder and begin anew."
        ) from error


def read_bytes(path: str | Path, *, most: int = MOST) -> bytes:
    r"""Return a file's bytes; never wait for a pipe or a device, and never read more than `most`.

    Raises:
        OSError: it is not there, is no regular file, or is larger.

    Example:
        >>> read_bytes("sample_images/cat.jpg")[:3]
        b'\xff\xd8\xff'
    """
    check_file(path)  # before it is opened, as opening a device may do something
    # Between the two it may have become a pipe, which must not be waited for either.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(f"{Path(path).name} is larger than {most:,} bytes")
    return data


def read_json(path: str | Path, *, most: int = MOST) -> Any:
    """Return what a JSON file says.

    Raises:
        OSError: as `read_bytes`.
        ValueError: it is no JSON, or nested too deeply.
    """
    try:
        return json.loads(read_bytes(path, most=most).decode("utf-8"))
    except RecursionError:
        raise ValueError(f"{Path(path).name} is nested too deeply") from None


def json_text(value: Any) -> str:
    """Return a value as JSON that UTF-8 can hold.

    Names of files that are no UTF-8 have halves of characters, which are escaped and come back as they were.

    Example:
        >>> json_text("Bär")
        '"Bär"'
    """
    text = json.dumps(value, indent=1, ensure_ascii=False)
    return re.sub(r"[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", text)


def check_file(path: str | Path) -> None:
    """Raise an `OSError` unless `path` is a regular file, or a link to one; for libraries that open it."""
    if not stat.S_ISREG(Path(path).stat().st_mode):
        raise OSError(f"{Path(path).name} is a folder, a pipe or a device, not a file")
