"""Names of classes, and the class that a person means."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

NEAR, NEAR_ENOUGH = 4, 0.6
# What a class is called that counts nowhere, the likeliest name first.
VOID_NAMES = ("void", "unlabelled", "unlabeled", "ignore")


class LabelError(ValueError):
    """No class, or more than one, fits what was asked for."""


@dataclass(frozen=True)
class Labels:
    """The names of a network's outputs.

    Attributes:
        names: one for each output, as shown; empty when nobody knows them.
        synonyms: further names by which a person may ask for an output, one tuple for each.

    Example:
        >>> labels = Labels(("tench", "tiger cat"))
        >>> labels.find("Tiger cat"), labels[0], Labels()[7]
        (1, 'tench', 'class 7')
    """

    names: tuple[str, ...] = ()
    synonyms: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(str(name) for name in self.names))

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __getitem__(self, index: int) -> str:
        return self.names[index] if 0 <= index < len(self.names) else f"class {index}"

    @property
    def void(self) -> int | None:
        """The index of the class whose name says that it counts nowhere, as "unlabelled"."""
        folded = [name.casefold() for name in self.names]
        return next((folded.index(name) for name in VOID_NAMES if name in folded), None)

    def find(self, wanted: str | int, count: int | None = None) -> int:
        """Return the class that `wanted` names: an index, or a name whatever its capitals.

        Args:
            wanted: `281`, `"281"` (when no class is called that), `"tiger cat"`, `"tiger_cat"`.
            count: number of outputs, when it may differ from the number of names.

        Raises:
            LabelError: no such class (with near misses), or several of that name (with their indices).
        """
        count = count if count is not None else len(self.names)
        # Names come first: a class of digits may well be called "7" and be the second one.
        if isinstance(wanted, str) and self.names.count(wanted) == 1:
            return self.names.index(wanted)
        if not isinstance(wanted, str) or re.fullmatch(r"[+-]?\d+", wanted.strip()):
            index = int(wanted)
            if not 0 <= index < count:
                raise LabelError(f"class {index} is outside 0 … {count - 1}, the model's outputs.")
            return index
        key = _key(wanted)
        found = [index for index, name in enumerate(self.names) if _key(name) == key]
        found = found or [i for i, others in enumerate(self.synonyms) if key in map(_key, others)]
        if len(found) == 1:
            return found[0]
        if found:
            raise LabelError(f"{len(found)} classes are called {wanted!r}: give the index, {_or(found)}.")
        raise LabelError(f"the model has no class {wanted!r}; {self._hint(key)}")

    def _hint(self, key: str) -> str:
        if not self.names:
            return "it has no class names, so give the index."
        words = set(key.split())

        def likeness(name: str) -> float:
            shared = bool(words & set(_key(name).split()))
            return difflib.SequenceMatcher(None, key, _key(name)).ratio() + shared

        near = [
            name for name in sorted(self.names, key=likeness, reverse=True) if likeness(name) > NEAR_ENOUGH
        ]
        return (
            f"did you mean {_or([repr(name) for name in near[:NEAR]])}?" if near else "see its class names."
        )


def imagenet_labels() -> Labels:
    """Return the thousand names of ImageNet-1k, as timm has them."""
    from timm.data.imagenet_info import ImageNetInfo

    info = ImageNetInfo()
    known = [info.index_to_description(index).split(", ") for index in range(info.num_classes())]
    return Labels(tuple(names[0] for names in known), tuple(tuple(names[1:]) for names in known))


def _key(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()


def _or(items: Sequence[object]) -> str:
    *first, last = map(str, items)
    return f"{', '.join(first)} or {last}" if first else last
