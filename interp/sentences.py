"""Which errors are meant for people: those whose message is a sentence that says what would work."""

from __future__ import annotations

import errno
import os
from typing import Final

_FULL: Final = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_REASONS: Final = {
    **dict.fromkeys(_FULL, "there is no room left to write it. Make room, and give the same command again."),
    errno.ENOENT: "it is not there.",
    errno.EEXIST: "it is there already, and is no folder.",
    errno.EISDIR: "it is a folder; give a file.",
    errno.ENOTDIR: "a part of its path is a file and no folder.",
    errno.EACCES: "permission denied. Give another place, or change who may read and write there.",
    errno.EPERM: "permission denied. Give another place, or change who may read and write there.",
    errno.EROFS: "nothing can be written there (read-only). Give another place.",
    errno.ENAMETOOLONG: "the name is too long.",
}


def is_sentence(error: BaseException) -> bool:
    """Whether an error is one of this package's own or the file system's, and not a bug.

    Example:
        >>> is_sentence(FileNotFoundError("no such file"))
        True
    """
    return type(error).__module__.startswith("interp.") or isinstance(error, OSError)


def sentence_of(error: BaseException) -> str:
    """Return what an error says, the file system's in words.

    Example:
        >>> sentence_of(OSError(28, "No space left on device", "report/index.html"))
        'report/index.html: there is no room left to write it. Make room, and give the same command again.'
    """
    if type(error).__module__.startswith("interp.") or not isinstance(error, OSError) or not error.errno:
        return str(error)
    reason = _REASONS.get(error.errno, f"{os.strerror(error.errno).lower()}.")
    if error.filename is None:
        return f"a file cannot be read or written: {reason}"
    return f"{os.fsdecode(error.filename)}: {reason}"
