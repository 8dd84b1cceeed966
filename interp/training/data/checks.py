"""Opens every file once before a training begins, and says at once all that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np

from interp.images import ImageError, open_image
from interp.images.reading import name_of
from interp.progress import Progress
from interp.training.data.masks import open_mask
from interp.training.data.pairs import Paired
from interp.training.data.problems import DataError, Kind, Problems
from interp.training.data.threads import in_threads

Size = tuple[int, int]

UNREADABLE = Kind("picture cannot be read", "pictures cannot be read")
UNREADABLE_MASK = Kind("mask cannot be read", "masks cannot be read")
OTHER_SIZE = Kind("mask has another size than its picture", "masks have another size than their pictures")


class _Fault(NamedTuple):
    kind: Kind
    example: str


class _Seen(NamedTuple):
    size: Size
    faults: tuple[_Fault, ...] = ()
    numbers: frozenset[int] = frozenset()


def check_pictures(
    pictures: Sequence[Path],
    *,
    progress: Progress | None = None,
    problems: Problems | None = None,
    threads: int | None = None,
) -> tuple[Size, ...]:
    """Decode every picture and return its size.

    Args:
        pictures: paths.
        progress: is called with (done, count).
        problems: collects what is wrong; without it that raises.
        threads: that decode; default one for each core.

    Returns:
        (width, height) of each picture, upright; (0, 0) of those in `problems.bad`.

    Raises:
        DataError: all that is wrong, if `problems` is not given.

    Example:
        >>> check_pictures([Path("sample_images/cat.jpg")])
        ((640, 480),)
    """
    noted = Problems.of(pictures) if problems is None else problems
    seen = _look(lambda item: _see_picture(pictures[item], noted), len(pictures), noted, progress, threads)
    if problems is None:
        noted.raise_if_any()
    return tuple(one.size for one in seen)


def check_pairs(
    data: Paired,
    *,
    progress: Progress | None = None,
    problems: Problems | None = None,
    threads: int | None = None,
) -> tuple[Size, ...]:
    """Decode every picture and its mask, which has its size and only numbers of classes.

    Args:
        data: from `paired_folder`.
        progress: is called with (done, count).
        problems: collects what is wrong; without it that raises.
        threads: that decode; default one for each core.

    Returns:
        (width, height) of each picture; (0, 0) of those that cannot be read.

    Raises:
        DataError: all that is wrong, if `problems` is not given; or all masks together hold one class.

    Example:
        >>> sizes = check_pairs(paired_folder("camvid"))
    """
    noted = Problems.of(data.pictures) if problems is None else problems
    seen = _look(lambda item: _see_pair(data, item, noted), len(data.pictures), noted, progress, threads)
    if problems is None:
        noted.raise_if_any()
    numbers = frozenset().union(*(one.numbers for one in seen))
    present = numbers - {data.void}
    if numbers and len(present) < 2:
        only = ", ".join(data.codes[number] for number in present if number < len(data.codes)) or "void"
        raise DataError(
            f"the masks hold one class only ({only}), so there is nothing to tell apart; {data.void} counts "
            "as void. Save the classes as 0, 1, 2, …"
        )
    return tuple(one.size for one in seen)


def _see_picture(path: Path, problems: Problems) -> _Seen:
    try:
        return _Seen(open_image(path).size)
    except ImageError as error:
        return _Seen((0, 0), (_Fault(UNREADABLE, _reason(path, error, problems)),))


def _see_pair(data: Paired, item: int, problems: Problems) -> _Seen:
    size, faults, _ = _see_picture(data.pictures[item], problems)
    path = data.masks[item]
    name = problems.name(path)
    try:
        mask = open_mask(path)
    except ImageError as error:
        return _Seen(size, (*faults, _Fault(UNREADABLE_MASK, _reason(path, error, problems))))
    height, width = mask.shape
    if size not in ((0, 0), (width, height)):
        sizes = f"{width} × {height} for {size[0]} × {size[1]}"
        faults = (*faults, _Fault(OTHER_SIZE, f"{name}: {sizes}"))
    numbers = frozenset(np.flatnonzero(np.bincount(mask.ravel(), minlength=256)).tolist())
    unknown = sorted(number for number in numbers - {data.void} if number >= len(data.codes))
    if unknown:
        what = f"a number without a class (there are {len(data.codes)}, from 0)"
        kind = Kind(f"mask has {what}", f"masks have {what}")
        faults = (*faults, _Fault(kind, f"{name}: {', '.join(map(str, unknown[:5]))}"))
    return _Seen(size, faults, numbers)


def _reason(path: Path, error: ImageError, problems: Problems) -> str:
    """Return the file and the first sentence of what is wrong with it."""
    said = str(error).removeprefix(name_of(path)).strip().removeprefix("cannot be read; it ")
    return f"{problems.name(path)} {said.split('. ')[0].rstrip('.')}"


def _look(
    see: Callable[[int], _Seen],
    count: int,
    problems: Problems,
    progress: Progress | None,
    threads: int | None,
) -> list[_Seen]:
    found: dict[int, _Seen] = {}
    with closing(in_threads(see, range(count), threads)) as results:
        for item, seen in results:
            found[item] = seen
            if progress:
                progress(len(found), count)
    ordered = [found[item] for item in range(count)]
    for item, seen in enumerate(ordered):
        for fault in seen.faults:
            problems.add(fault.kind, fault.example, item)
    return ordered
