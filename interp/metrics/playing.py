"""Many grid games with many methods: how much of each method's maps lies where the reason must be?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from interp.explaining import ModelLike
from interp.images import open_image
from interp.methods import Method
from interp.metrics.games import grid_game
from interp.metrics.planning import METHODS, chosen_methods, chosen_pictures
from interp.metrics.summary import Cell, Numbers, cells, drawn
from interp.metrics.trial import MetricError
from interp.models import ImageModel, load
from interp.progress import Progress
from interp.sentences import is_sentence

_AT_ONCE = 16
_LOOKING = 0.1  # of the work: finding out what is in the pictures


@dataclass(frozen=True, eq=False)
class Games:
    """What methods show of the classes of many grids.

    Attributes:
        methods: names, as they were given.
        grids: the files of each grid, row by row.
        values: `(grids, methods)`, the mean share of each grid; NaN where a method cannot play.
        connected: whether every class saw the whole grid (GridPG), or its own picture only (DiFull).
        chance: what a map that knows nothing gets.
        refused: method → why it cannot play.
        seed: of the draw of the grids, and of the intervals.
    """

    methods: tuple[str, ...]
    grids: tuple[tuple[str, ...], ...] = field(repr=False)
    values: Numbers = field(repr=False)
    connected: bool
    chance: float
    refused: dict[str, str]
    seed: int = 0

    def ranking(self) -> tuple[Cell, ...]:
        """Return the mean of every method with its 95 % interval over grids, the best first."""
        values = self.values[:, :, None]
        draws = drawn(len(values), seed=self.seed)
        found = cells(values, np.full_like(values, self.chance), self.methods, ["share"], ["higher"], draws)
        return tuple(sorted(found, key=lambda cell: -np.nan_to_num(cell.value.mean, nan=-1.0)))


def play(
    model: ModelLike,
    pictures: str | Path | Sequence[str | Path],
    methods: Sequence[str | Method] = METHODS,
    *,
    grids: int = 20,
    side: int = 2,
    connected: bool = True,
    sure: float = 0.9,
    layer: str | int | None = None,
    recursive: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> Games:
    """Deal pictures into grids and play the grid game with every method on each.

    Args:
        model: a classifier, or anything that `interp.load` takes.
        pictures: a folder, or paths.
        methods: names, with options.
        grids: how many.
        side: pictures of a row, and of a column.
        connected: GridPG, or else DiFull; see `grid_game`.
        sure: only pictures whose likeliest class has this probability take part.
        layer: of the maps; default: the model's.
        recursive: whether to walk the folders inside a folder.
        seed: of how the pictures are dealt.
        progress: is told how far this is.

    Raises:
        MetricError: the pictures are not enough for one grid of different classes.

    Example:
        >>> games = play("efficientnet_lite0", "photographs", ["grad-cam", "hires-cam"], connected=False)
        >>> [(cell.method, round(cell.value.mean, 2)) for cell in games.ranking()]
        [('hires-cam', 1.0), ('grad-cam', 0.83)]
    """
    if grids < 1 or side < 2:
        raise MetricError(f"grids={grids}, side={side}: give at least one grid of 2 × 2.")
    network = load(model)
    asked = chosen_methods(methods)
    files = [path for _, path in chosen_pictures(pictures, recursive=recursive, count=None, seed=seed)]
    np.random.default_rng(seed).shuffle(files)  # a folder in order often begins with one class
    tell = progress or (lambda _done, _all: None)
    known = _classes(network, files, sure, grids * side**2, lambda done, all: tell(_LOOKING * done / all, 1))
    dealt = _dealt(known, grids, side**2, seed)
    if not dealt:
        raise MetricError(
            f"{len(known)} of the pictures have a class of {sure:.0%} or more; a grid needs {side**2} "
            "of different classes. Give more pictures, or a smaller sure=."
        )
    values = np.full((len(dealt), len(asked)), np.nan)
    refused: dict[str, str] = {}
    for row, grid in enumerate(dealt):
        for column, method in enumerate(asked):
            if method.name not in refused:
                try:
                    values[row, column] = grid_game(
                        network, grid, method, layer=layer, connected=connected
                    ).value
                except Exception as error:
                    if not is_sentence(error):
                        raise
                    refused[method.name] = str(error)
            played = (row * len(asked) + column + 1) / (len(dealt) * len(asked))
            tell(_LOOKING + (1 - _LOOKING) * played, 1)
    names = tuple(method.name for method in asked)
    told = tuple(tuple(path.name for path in grid) for grid in dealt)
    return Games(names, told, values, connected, 1 / side**2, refused, seed)


def _classes(
    model: ImageModel, files: Sequence[Path], sure: float, enough: int, progress: Progress
) -> dict[Path, int]:
    """Return the class of pictures that have one that is likely enough, until there are enough."""
    found: dict[Path, int] = {}
    for start in range(0, len(files), _AT_ONCE):
        opened = {}
        for path in files[start : start + _AT_ONCE]:
            try:
                opened[path] = open_image(path)
            except Exception as error:
                if not is_sentence(error):
                    raise
        for path, told in zip(opened, model.predict(list(opened.values())) if opened else [], strict=True):
            if told[0].probability >= sure:
                found[path] = told[0].index
        progress(len(found), enough)
        if len(found) >= enough:
            break
    return found


def _dealt(known: dict[Path, int], grids: int, count: int, seed: int) -> list[list[Path]]:
    """Return so many grids of pictures of different classes; each picture is in one as far as they reach."""
    generator = np.random.default_rng(seed)
    if len(set(known.values())) < count:
        return []
    found: list[list[Path]] = []
    while len(found) < grids:
        deck = [list(known)[place] for place in generator.permutation(len(known))]
        fresh = 0
        while len(found) < grids and (grid := _drawn(deck, known, count)):
            found.append(grid)
            fresh += 1
        if not fresh:  # the first of a shuffled deck always make one
            break
    return found


def _drawn(deck: list[Path], known: dict[Path, int], count: int) -> list[Path]:
    """Take pictures of different classes out of the deck; nothing where it has no more."""
    grid: list[Path] = []
    for path in list(deck):
        if known[path] not in {known[other] for other in grid}:
            grid.append(path)
            if len(grid) == count:
                for taken in grid:
                    deck.remove(taken)
                return grid
    return []
