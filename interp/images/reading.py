"""Bytes from paths and file objects, within limits and without waiting."""

import contextlib
import difflib
import errno
import itertools
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interp.images.errors import ImageError

_URL = re.compile(r"(https?|ftps?|s3|gs|az|hf|file):/|data:", re.IGNORECASE)
_KINDS = (
    (stat.S_ISDIR, "a folder. Give one picture in it"),
    (stat.S_ISFIFO, "a pipe. Read it yourself and give the bytes"),
    (stat.S_ISSOCK, "a socket. Give a regular file"),
    (stat.S_ISCHR, "a device. Give a regular file"),
    (stat.S_ISBLK, "a device. Give a regular file"),
)


@dataclass(frozen=True)
class Limits:
    """How large a picture may be.

    Args:
        bytes: Size of the file.
        pixels: Width times height, checked before anything is decoded.

    Raises:
        ValueError: If one of them is less than 1.

    Example:
        >>> Limits(pixels=1_000_000).bytes == 256 * 2**20
        True
    """

    bytes: int = 256 * 2**20
    pixels: int = 100_000_000

    def __post_init__(self) -> None:
        if self.bytes < 1 or self.pixels < 1:
            raise ValueError(f"Limits must be at least 1, not {self.bytes} and {self.pixels}.")


LIMITS = Limits()


def check_bytes(size: int, name: str, limits: Limits) -> None:
    """Raises an `ImageError` if `size` is more than `limits.bytes`."""
    if size > limits.bytes:
        raise ImageError(
            f"{name} is larger than the {limits.bytes:,} bytes allowed. "
            "Make it smaller, or raise Limits.bytes."
        )


def read_path(path: str, name: str, limits: Limits) -> bytes:
    """Reads a regular file; never waits for a pipe or device.

    Raises:
        ImageError: If there is no such file, it may not be read, or it is too large.
    """
    if _URL.match(path):
        raise ImageError(f"{name} looks like an address. Download the picture and give its path.")
    try:
        # Looked at before it is opened: opening a pipe would wait for a writer.
        _check_kind(Path(path).stat(), name, limits)
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(path, flags), "rb") as file:
            _check_kind(os.fstat(file.fileno()), name, limits)
            return file.read(limits.bytes + 1)
    except FileNotFoundError as error:
        raise ImageError(f"{name} does not exist. {_near(Path(path))}".rstrip()) from error
    except PermissionError as error:
        raise ImageError(f"{name} may not be read: permission denied.") from error
    except OSError as error:
        reason = os.strerror(error.errno or errno.EIO).lower()
        raise ImageError(f"{name} cannot be opened: {reason}.") from error


def _check_kind(info: os.stat_result, name: str, limits: Limits) -> None:
    if not stat.S_ISREG(info.st_mode):
        kinds = (what for test, what in _KINDS if test(info.st_mode))
        raise ImageError(f"{name} is {next(kinds, 'not a regular file. Give one')}.")
    check_bytes(info.st_size, name, limits)


def _near(path: Path) -> str:
    """The files beside a missing one that it may have meant."""
    if path.is_symlink():
        return "It is a link that leads nowhere."
    if not path.parent.is_dir():
        return f"There is no folder {_quote(str(path.parent))}."
    try:
        with os.scandir(path.parent) as entries:
            names = {entry.name.casefold(): entry.name for entry in itertools.islice(entries, 2000)}
    except OSError:
        return ""
    # A shared ending alone makes no two names alike.
    near = difflib.get_close_matches(path.name.casefold(), names, n=3, cutoff=0.75)
    return f"Did you mean {' or '.join(_quote(names[key]) for key in near)}?" if near else ""


def read_file(file: Any, name: str, limits: Limits) -> bytes:
    """Reads a binary file object from its start, at most one byte more than allowed.

    Raises:
        ImageError: If it was opened as text.
    """
    # What cannot seek is read from where it stands.
    with contextlib.suppress(AttributeError, OSError):
        file.seek(0)
    chunks: list[bytes] = []
    left = limits.bytes + 1
    while left > 0:
        chunk = file.read(left)
        if isinstance(chunk, str):
            raise ImageError(f"{name} was opened as text. Open it with mode 'rb'.")
        if not chunk:
            break
        chunks.append(chunk)
        left -= len(chunk)
    return b"".join(chunks)


def name_of(source: Any) -> str:
    """What a source is called in errors: its quoted file name, or its type.

    Example:
        >>> name_of(b"...")
        'The picture given as bytes'
    """
    if isinstance(source, (str, os.PathLike)):
        return _quote(os.fsdecode(source))
    known = getattr(source, "filename", None) or getattr(source, "name", None)
    if isinstance(known, str):
        return _quote(known)
    return f"The picture given as {type(source).__name__}"


def _quote(text: str) -> str:
    # repr, so that a file name cannot write control characters into a terminal or a log.
    return repr(text if len(text) <= 200 else text[:100] + "..." + text[-90:])
