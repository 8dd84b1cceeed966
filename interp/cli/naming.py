"""Names of the files that commands write."""

from __future__ import annotations


def unused(stem: str, used: set[str]) -> str:
    """Return a name that no other picture of this command has: pictures of two folders may share one."""
    name, number = stem, 1
    while name in used:
        number += 1
        name = f"{stem}-{number}"
    used.add(name)
    return name


def plain(text: str) -> str:
    """Return words without what file systems do not like.

    Example:
        >>> plain("rise(masks=500, seed=1)")
        'rise-masks-500-seed-1'
    """
    text = text.replace(", ", ",").removesuffix(")")
    return "".join(c if c.isalnum() or c in "_.@-" else "-" for c in text)
