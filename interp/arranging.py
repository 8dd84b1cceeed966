"""What stands in the rows and the columns of a grid of explanations, and what is written beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from interp.images.pixels import pixels_hash
from interp.methods import INPUT

if TYPE_CHECKING:
    from interp.explanation import Explanation

Columns = Literal["target", "layer", "method"]

Name = TypeVar("Name", bound=Hashable)
_Key = tuple[Hashable, ...]
_PICTURE: Final = 0
_TARGET: Final = 2
_LAYER: Final = 3
_METHOD: Final = 4
_AXES: Final[dict[Columns, int]] = {"target": _TARGET, "layer": _LAYER, "method": _METHOD}


@dataclass(frozen=True)
class Arrangement:
    """Explanations in rows and columns.

    Attributes:
        rows: for each column an explanation, or None where there is none.
        first: of each row; picture and box are those of the whole row.
        row_labels: one for each row; two lines at most.
        column_labels: one for each column.
    """

    rows: list[list[Explanation | None]]
    first: list[Explanation]
    row_labels: list[str]
    column_labels: list[str]


class GridError(ValueError):
    """A grid cannot be arranged as was asked; the message says what would work."""


def check_columns(name: str | None) -> Columns | None:
    """Return what is to make the columns, where it is one of the three or nobody says.

    Raises:
        GridError: it is not.

    Example:
        >>> check_columns("layer")
        'layer'
    """
    if name is not None and name not in _AXES:
        raise GridError(f"columns {name!r}: give one of {', '.join(map(repr, _AXES))}.")
    return name


def arrange(explanations: Sequence[Explanation], columns: Columns | None = None) -> Arrangement:
    """Return explanations in rows and columns.

    Columns are what varies fastest among the maps of one picture, or what `columns` names; rows are all the
    rest. Both keep the order of the explanations: a column that only a later row has stands between its
    neighbours there. A map that lies on the input belongs to no layer: where methods stand across, it stands
    in the row of every layer.

    Args:
        explanations: at least one.
        columns: what makes the columns.

    Raises:
        GridError: it is none of the three.
    """
    columns = check_columns(columns)
    keys = _keys(explanations)
    across = _fastest(keys) if columns is None else _AXES[columns]
    rows: dict[_Key, dict[Hashable, Explanation]] = {}
    names: dict[Hashable, Explanation] = {}
    homes = _homes(keys) if across == _METHOD else {}
    for key in keys:
        if key not in homes:
            rows.setdefault((*key[:across], *key[across + 1 :]), {})
    for key, explanation in zip(keys, explanations, strict=True):
        for home in homes.get(key, [key]):
            rest = (*home[:across], *home[across + 1 :])
            rows.setdefault(rest, {})[key[across]] = explanation
        names.setdefault(key[across], explanation)
    first = [next(iter(row.values())) for row in rows.values()]
    placed = [(*rest[:across], None, *rest[across:]) for rest in rows]
    numbers = {picture: i + 1 for i, picture in enumerate(_distinct([key[0] for key in keys]))}
    order = _merged(rows.values())
    return Arrangement(
        [[row.get(name) for name in order] for row in rows.values()],
        first,
        [
            _row_label(_labels(e, numbers[key[0]], str(key[_LAYER]), full=True), _varying(placed), across)
            for e, key in zip(first, placed, strict=True)
        ],
        [_labels(names[name], 0, names[name].layer, full=len(numbers) == 1)[across] for name in order],
    )


def _homes(keys: Sequence[_Key]) -> dict[_Key, list[_Key]]:
    """Return the keys of maps on the input, each with itself at the layers that its picture has maps at."""
    layers: dict[_Key, list[Hashable]] = {}
    for *question, layer in _distinct(key[: _LAYER + 1] for key in keys if key[_LAYER] != INPUT):
        layers.setdefault(tuple(question), []).append(layer)
    return {
        key: [(*key[:_LAYER], layer, *key[_LAYER + 1 :]) for layer in layers[key[:_LAYER]]]
        for key in keys
        if key[_LAYER] == INPUT and key[:_LAYER] in layers
    }


def _merged(rows: Iterable[Iterable[Hashable]]) -> list[Hashable]:
    """Return all names in the order of the rows; one that is new stands before what follows it in its row.

    Example:
        >>> _merged([["a", "c"], ["a", "b", "c", "d"]])
        ['a', 'b', 'c', 'd']
    """
    order: list[Hashable] = []
    for row in rows:
        end = len(order)
        for name in reversed(list(row)):
            if name in order:
                end = order.index(name)
            else:
                order.insert(end, name)
    return order


def _keys(explanations: Sequence[Explanation]) -> list[_Key]:
    """Return what tells explanations apart: picture, model, target, layer, method and how often before."""
    pixels = {id(e.picture): e.picture for e in explanations}
    hashes = {number: pixels_hash(picture) for number, picture in pixels.items()}
    keys: list[_Key] = []
    repetitions: Counter[_Key] = Counter()
    for e in explanations:
        key = (hashes[id(e.picture)], id(e.model), e.target, e.layer, e.method)
        keys.append((*key, repetitions[key]))
        repetitions[key] += 1
    return keys


def _labels(explanation: Explanation, picture: int, layer: str, *, full: bool) -> tuple[str, ...]:
    """Return a key in words; `full` with the target's probability, which is that of one picture."""
    name = Path(explanation.path).name if explanation.path else f"picture {picture}"
    target = explanation.title if full else explanation.target.name
    return name, explanation.model.name, target, layer, explanation.method.title, ""


def _distinct(items: Iterable[Name]) -> list[Name]:
    return list(dict.fromkeys(items))


def _varying(keys: Sequence[_Key]) -> list[int]:
    return [axis for axis, values in enumerate(zip(*keys, strict=True)) if len(set(values)) > 1]


def _fastest(keys: Sequence[_Key]) -> int:
    """Return which part of the keys makes the columns: the last that varies among the maps of a picture."""
    pictures: dict[Hashable, list[_Key]] = {}
    for key in keys:
        pictures.setdefault(key[0], []).append(key)
    varying = (axis for own in pictures.values() for axis in _varying(own) if axis <= _METHOD)
    return max(varying, default=_METHOD)


def _row_label(labels: Sequence[str], varying: Sequence[int], across: int) -> str:
    """Return two lines at most: the first thing that varies between rows, and the others."""
    alone = labels[_PICTURE] if across == _TARGET else labels[_TARGET]
    shown = [labels[axis] for axis in varying if labels[axis]] or [alone]
    return "\n".join([shown[0], " · ".join(shown[1:])]).strip()
