"""Which items are trained on and which are held back for validation."""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterable, Sequence
from pathlib import PurePath
from typing import Literal

from interp.training.data.problems import DataError

Group = Literal["train", "valid"]

HELD_BACK = ("valid", "val", "validation", "test")
"""Names of the folder of validation data; the first that is there counts."""


def split(
    count: int,
    fraction: float = 0.2,
    seed: int = 42,
    *,
    groups: Sequence[Group] | None = None,
    labels: Sequence[Hashable] | None = None,
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the numbers of the training items and of the validation items, both ascending.

    The same arguments give the same split on every machine.

    Args:
        count: of the items, which are in an order that does not change.
        fraction: that is held back, 0 … 1; at least one item, and not all.
        seed: of the choice.
        groups: where the data say themselves what belongs where; `fraction` and `seed` do nothing then.
        labels: hold back the same fraction of each label, at least one item of each stays for training.

    Raises:
        DataError: the fraction is none, there are too few items, or one side would be empty.

    Example:
        >>> train, valid = split(10, 0.2, seed=1)
        >>> len(train), len(valid), sorted(train + valid) == list(range(10))
        (8, 2, True)
    """
    if groups is not None:
        valid = {item for item, group in enumerate(groups) if group == "valid"}
        if not 0 < len(valid) < count:
            side = "validation" if not valid else "training"
            raise DataError(f"the data say themselves what is for training, but nothing is for {side}.")
        return _sides(count, valid)
    if not 0 < fraction < 1:
        raise DataError(f"the part for validation is {fraction:g}. Give a number between 0 and 1.")
    if count < 2:
        raise DataError("one picture cannot be both for training and for validation. Give more.")
    chance = random.Random(seed)
    if labels is None:
        order = chance.sample(range(count), count)
        return _sides(count, order[: min(count - 1, max(1, round(fraction * count)))])
    return _sides(count, _of_each(labels, fraction, chance))


def given_groups(places: Sequence[PurePath], depth: int = 1) -> list[Group | None] | None:
    """Return the side that each path's first folder names; `None` if the folders name no split.

    Args:
        places: paths within the data.
        depth: names of folders that are above a file at least, for its first folder to count.

    Returns:
        For each path `train`, `valid`, or `None` if it lies in neither folder.

    Example:
        >>> given_groups([PurePath("train/a.jpg"), PurePath("val/b.jpg"), PurePath("c.jpg")])
        ['train', 'valid', None]
    """
    firsts = [path.parts[0].casefold() if len(path.parts) > 1 else "" for path in places]
    deep = {first for first, path in zip(firsts, places, strict=True) if len(path.parts) > depth}
    held_back = next((name for name in HELD_BACK if name in deep), None)
    if "train" not in deep or held_back is None:
        return None
    sides: dict[str, Group] = {"train": "train", held_back: "valid"}
    return [sides.get(first) for first in firsts]


def _of_each(labels: Sequence[Hashable], fraction: float, chance: random.Random) -> set[int]:
    members: dict[Hashable, list[int]] = {}
    for item, label in enumerate(labels):
        members.setdefault(label, []).append(item)
    alone = [str(label) for label, items in members.items() if len(items) < 2]
    if alone:
        shown = ", ".join(alone[:3]) + (", …" if len(alone) > 3 else "")
        raise DataError(
            f"a class with one picture cannot be both for training and for validation: {shown}. "
            "Add pictures, or remove the class."
        )
    valid: set[int] = set()
    for items in members.values():
        held_back = min(len(items) - 1, round(fraction * len(items)))
        valid.update(chance.sample(items, held_back))
    # Small classes and a small fraction may round to nothing at all.
    return valid or {chance.choice(max(members.values(), key=len))}


def _sides(count: int, valid: Iterable[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    held_back = set(valid)
    return tuple(item for item in range(count) if item not in held_back), tuple(sorted(held_back))
