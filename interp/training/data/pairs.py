"""Pictures that belong together: with a mask each, or poor and good ones of the same thing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from os.path import commonpath
from pathlib import Path
from typing import NamedTuple

from interp.images import ImageError
from interp.training.data.codes import UNNAMED_VOID, class_names, void_number
from interp.training.data.layouts import Part, listed_for_validation, parts_of
from interp.training.data.listing import folder_there, pictures_in
from interp.training.data.masks import open_mask
from interp.training.data.problems import DataError, Kind, Problems
from interp.training.data.split import Group, given_groups
from interp.training.data.threads import in_threads

# What follows a picture's name in its mask's.
_ENDINGS = ("", "_P", "_L", "_mask", "_label")

_NO_MASK = Kind("picture has no mask", "pictures have no mask")
_NO_PICTURE = Kind("mask has no picture", "masks have no picture")
_ALIKE = Kind("name is that of several files", "names are those of several files")


@dataclass(frozen=True)
class Paired:
    """Pictures with a mask each, sorted by path.

    Args:
        pictures: paths.
        masks: the path of each picture's mask, which `open_mask` opens.
        codes: names of the classes in the order of their numbers.
        void: the number in masks that counts nowhere; that of a class, or 255.
        groups: for each picture its side, where the data say it.
    """

    pictures: tuple[Path, ...]
    masks: tuple[Path, ...]
    codes: tuple[str, ...]
    void: int | None
    groups: tuple[Group, ...] | None = None

    def without(self, bad: Collection[int]) -> Paired:
        """Return the data without some pictures.

        Args:
            bad: numbers of the pictures, such as `Problems.bad`.

        Raises:
            DataError: none is left.

        Example:
            >>> data.without(problems.bad)
        """
        kept = [item for item in range(len(self.pictures)) if item not in bad]
        if not kept:
            raise DataError("no picture with a mask is left.")
        return replace(
            self,
            pictures=tuple(self.pictures[item] for item in kept),
            masks=tuple(self.masks[item] for item in kept),
            groups=self.groups and tuple(self.groups[item] for item in kept),
        )


def paired_folder(
    folder: str | Path,
    *,
    masks: str | Path | None = None,
    codes: Sequence[str] | str | None = None,
    void: str | None = None,
    problems: Problems | None = None,
) -> Paired:
    """Find pictures and the mask of each.

    Known are CamVid as fastai has it (`images`, `labels` with NAME_P.png, `codes.txt`, `valid.txt`) and as
    SegNet has it (`train`, `trainannot`, `val`, `valannot`), Pascal VOC, and `images` with `masks` of the
    same names, also within `train` and `valid`.

    Args:
        folder: of the set, or of the pictures if `masks` is given.
        masks: their folder, as it is or within `folder`.
        codes: names of the classes, or a file with one in each line; default `codes.txt`, and without it
            the numbers in the masks, which are all read for that.
        void: name of the class that counts nowhere; default one called void, unlabelled or ignore, or
            else the number 255.
        problems: collects what is wrong with single files, which are left out; without it they raise.

    Raises:
        DataError: no such folder, no known layout, wrong codes, or all that is wrong with single files.

    Example:
        >>> data = paired_folder("camvid")
        >>> len(data.pictures) == len(data.masks)
        True
    """
    folder = folder_there(folder)
    noted = Problems(folder) if problems is None else problems
    found = [pair for part in parts_of(folder, masks) for pair in _matched(part, noted)]
    if problems is None:
        noted.raise_if_any()
    if not found:
        raise DataError(f"no picture in {folder} has a mask.")
    pairs, groups = _sides(sorted(found), folder)
    mask_paths = tuple(pair.mask for pair in pairs)
    names = class_names(codes, folder) or _numbers_in(mask_paths)
    return Paired(tuple(pair.picture for pair in pairs), mask_paths, names, void_number(void, names), groups)


def matched_pairs(
    low: str | Path, high: str | Path, *, problems: Problems | None = None
) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Find the poor and the good picture of the same name, whatever their endings.

    Args:
        low: folder of the poor pictures.
        high: folder of the good ones.
        problems: collects pictures without a partner, which are left out; without it they raise.

    Returns:
        The poor pictures and, in the same order, the good ones.

    Raises:
        DataError: no such folder, no picture, the same folder twice, or pictures without a partner.

    Example:
        >>> low, high = matched_pairs("pets-low", "pets")
    """
    low, high = folder_there(low), folder_there(high)
    if low.resolve() == high.resolve():
        raise DataError(f"poor and good pictures are both in {low}. Give each a folder.")
    noted = Problems(low, high) if problems is None else problems
    poor = _keyed(low, noted, but=high)
    good = _keyed(high, noted, but=low)
    for here, mine, there, theirs in ((low, poor, high, good), (high, good, low, poor)):
        what = f"no partner in {there}"
        kind = Kind(f"picture of {here} has {what}", f"pictures of {here} have {what}")
        for name in sorted(mine.keys() - theirs):
            noted.add(kind, mine[name].relative_to(here).as_posix())
    if problems is None:
        noted.raise_if_any()
    both = sorted(poor.keys() & good)
    if not both:
        raise DataError(f"no picture in {low} has the name of one in {high}.")
    return tuple(poor[name] for name in both), tuple(good[name] for name in both)


class _Pair(NamedTuple):
    picture: Path
    mask: Path
    group: Group | None


def _matched(part: Part, problems: Problems) -> list[_Pair]:
    pictures = _keyed(part.pictures, problems, but=part.masks)
    masks = _keyed(part.masks, problems, but=part.pictures)
    pairs = []
    for name in sorted(pictures):
        mask = next((masks.pop(name + end) for end in _ENDINGS if name + end in masks), None)
        if mask is not None:
            pairs.append(_Pair(pictures[name], mask, part.group))
        elif part.every:
            problems.add(_NO_MASK, problems.name(pictures[name]))
    for name in sorted(masks):
        problems.add(_NO_PICTURE, problems.name(masks[name]))
    return pairs


def _keyed(folder: Path, problems: Problems, but: Path) -> dict[str, Path]:
    """Return the pictures by their paths within the folder without the ending."""
    found: dict[str, list[Path]] = {}
    # A folder within the other is walked for its own sake.
    inside = but if but.resolve().is_relative_to(folder.resolve()) else None
    for path in pictures_in(folder, but=inside):
        found.setdefault(path.relative_to(folder).with_suffix("").as_posix(), []).append(path)
    for paths in found.values():
        if len(paths) > 1:
            problems.add(_ALIKE, " and ".join(problems.name(path) for path in paths))
    return {name: paths[0] for name, paths in found.items() if len(paths) == 1}


def _sides(pairs: list[_Pair], folder: Path) -> tuple[list[_Pair], tuple[Group, ...] | None]:
    """Return the pairs that belong to a side and the sides; all pairs and `None` if the data name none."""
    pictures = [pair.picture for pair in pairs]
    above = commonpath([picture.parent for picture in pictures])
    named = given_groups([picture.relative_to(above) for picture in pictures])
    listed = listed_for_validation(folder)
    if any(pair.group for pair in pairs):
        sides = [pair.group for pair in pairs]
    elif named is not None:
        sides = named
    elif any(picture.stem in listed for picture in pictures):
        sides = ["valid" if picture.stem in listed else "train" for picture in pictures]
    else:
        return pairs, None
    kept = [pair for pair, side in zip(pairs, sides, strict=True) if side]
    return kept, tuple(side for side in sides if side)


def _numbers_in(masks: Sequence[Path]) -> tuple[str, ...]:
    with closing(in_threads(_highest, masks)) as results:
        found = dict(results)
    read = [number for number in found.values() if isinstance(number, int)]
    if not read:
        raise DataError(f"no mask can be read. The first: {found[0]}")
    if max(read) < 1:
        raise DataError(
            "the masks hold only the number 0, and 255 counts as void, so there is nothing to tell apart. "
            "Save the classes as 0, 1, 2, …"
        )
    return tuple(str(number) for number in range(max(read) + 1))


def _highest(mask: Path) -> int | ImageError:
    try:
        numbers = open_mask(mask)
    except ImageError as error:
        return error  # where others can be read, `check_pairs` says it together with everything else
    return int(numbers.max(where=numbers != UNNAMED_VOID, initial=0))
