"""Which errors are meant for people: those whose message is a sentence that says what would work."""

from __future__ import annotations


def is_sentence(error: BaseException) -> bool:
    """Whether an error is one of this package's own or the file system's, and not a bug.

    Example:
        >>> is_sentence(FileNotFoundError("no such file"))
        True
    """
    return type(error).__module__.startswith("interp.") or isinstance(error, OSError)
