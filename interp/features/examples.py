"""The pictures of a folder that excite each channel of a layer most, in one pass."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from interp.features.errors import FeatureError
from interp.features.example_set import FORMAT, Channel, Example, Examples
from interp.features.extractor import Extractor
from interp.features.field_passes import Weights, interval
from interp.features.ranking import Ranking, Whole
from interp.features.receptive_field import receptive_fields
from interp.features.statistics import Files, as_maps, files_of
from interp.features.stream import extractor_of, input_batches
from interp.files import sweep
from interp.images import Box
from interp.models import ImageModel
from interp.progress import Progress

FILE = "examples.parquet"
CHECKPOINT = ".examples-so-far.npz"
CORE_SHARE = 0.9
_BATCHES_BETWEEN = 32


def top_examples(
    model: ImageModel,
    layer: str | int,
    pictures: Files,
    *,
    k: int = 9,
    out: str | Path | None = None,
    again: bool = False,
    batch_size: int = 16,
    progress: Progress | None = None,
) -> Examples:
    """Return the k pictures that excite each channel most: its maximum over positions, one place a picture.

    All channels in one pass. Of equal values the one with the larger mean comes first, then the earlier
    file; of several positions with the maximum the one nearest to their middle counts. With `out` the result
    is kept in `examples.parquet` there: an interrupted pass goes on where it stopped and ends as if it had
    not been, and a finished one is only opened.

    Args:
        model: any model.
        layer: name, index or suffix; with a grid of positions, or without (a vector is one position).
        pictures: a folder, with all folders inside it, or files. Broken ones are named in the result.
        k: examples for each channel, 1 or more.
        out: folder for the result; made if it is not there.
        again: replace what `out` has of other settings or pictures.
        batch_size: pictures in one pass of the network.
        progress: is told (done, all) after each batch.

    Raises:
        LayerError: no such layer, or several fit.
        FeatureError: `out` has examples of something else, no picture can be opened, or k is below 1.

    Example:
        >>> found = top_examples(interp.load(), "blocks.2", "sample_images", k=3)
        >>> [example.file.name for example in found.channel(5).examples]
        ['rocket_close.jpg', 'cat_and_coffee.jpg', 'coffee_and_shuttle.jpg']
    """
    if k < 1:
        raise FeatureError(f"k={k}: give 1 or more.")
    files = files_of(pictures)
    root = Path(pictures) if isinstance(pictures, (str, Path)) else None
    extractor = extractor_of(model, [layer])
    about = {
        "format": FORMAT,
        "model": model.name,
        "weights_sha256": model.weights_hash(),
        "preprocess": model.preprocess.to_json(),
        "layer": extractor.layers[0],
        "files_sha256": _hash(files, root),
        "k": k,
    }
    folder = None if out is None else Path(out)
    if folder is not None and (kept := _kept(folder, about, again=again, root=root)) is not None:
        return kept
    checkpoint = None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)
        checkpoint = folder / CHECKPOINT
    key = hashlib.sha256(json.dumps([about, batch_size], sort_keys=True).encode()).hexdigest()
    ranking = _ranked(model, extractor, files, key, checkpoint, k, batch_size, progress)
    if not ranking.pictures:
        first = next(iter(ranking.failed.values()))
        raise FeatureError(f"none of the {len(files)} pictures can be opened; the first: {first}")
    found = _result(model, about, files, ranking)
    if folder is not None and checkpoint is not None:
        from interp.features.example_store import write_examples

        write_examples(found, folder / FILE, root)
        checkpoint.unlink(missing_ok=True)
    return found


def open_examples(folder: str | Path) -> Examples:
    """Return the examples that `top_examples` kept in a folder.

    Raises:
        FeatureError: there are none, or they are of another format.

    Example:
        >>> open_examples("found").channel(5).examples[0].file
    """
    from interp.features.example_store import read_examples

    return read_examples(Path(folder) / FILE)


def _ranked(
    model: ImageModel,
    extractor: Extractor,
    files: Sequence[Path],
    key: str,
    checkpoint: Path | None,
    k: int,
    batch_size: int,
    progress: Progress | None,
) -> Ranking:
    """Run all pictures that are not in the checkpoint yet; an interruption leaves a newer one."""
    ranking = Ranking.load(checkpoint, key) if checkpoint else None
    if ranking is None:
        with torch.no_grad():
            channels = extractor(model.blank())[0].shape[1]
        ranking = Ranking.empty(channels, k)
    start, failed = ranking.done, {Path(file): reason for file, reason in ranking.failed.items()}
    saved = start

    def tell(done: float, count: float) -> None:
        if progress:
            progress(start + done, start + count)

    try:
        for batch in input_batches(model, files[start:], batch_size=batch_size, failed=failed, progress=tell):
            with torch.no_grad():
                activations = as_maps(extractor(batch.inputs)[0], extractor.layers[0])
            done = min((batch.places[0] // batch_size + 1) * batch_size, len(files) - start) + start
            places = tuple(start + place for place in batch.places)
            said = {str(file): reason for file, reason in failed.items()}
            ranking = ranking.merged(activations, places, done=done, failed=said)
            if checkpoint and ranking.done - saved >= _BATCHES_BETWEEN * batch_size:
                ranking.save(checkpoint, key)
                saved = ranking.done
    except BaseException:
        if checkpoint and ranking.done > saved:
            ranking.save(checkpoint, key)
        raise
    # The last batch may have been broken altogether.
    return replace(ranking, failed={str(file): reason for file, reason in failed.items()})


def _result(model: ImageModel, about: dict[str, Any], files: Sequence[Path], ranking: Ranking) -> Examples:
    boxes = _Boxes.of(model, about["layer"], ranking)
    count = max(ranking.moments.count, 1)
    channels = []
    for index in range(len(ranking.values)):
        rows = zip(ranking.values[index], ranking.places[index], ranking.positions[index], strict=True)
        found = tuple(
            boxes.example(files[place], int(place), float(value), int(position))
            for value, place, position in rows
            if place >= 0
        )
        channels.append(
            Channel(
                index,
                found,
                float(ranking.moments.mean[index]),
                float(ranking.moments.std[index]),
                float(ranking.active[index]) / count,
                ranking.maxima[:, index],
            )
        )
    said = {**about, "grid": list(ranking.grid), "pictures": ranking.pictures, "step": ranking.step}
    return Examples(said, tuple(channels), ranking.failed)


_Ends = dict[int, tuple[int, int, int, int]]


@dataclass(frozen=True)
class _Boxes:
    """The fields of those rows and columns of a layer that are needed: all there is to its positions."""

    grid: tuple[int, int]
    rows: _Ends
    columns: _Ends

    @classmethod
    def of(cls, model: ImageModel, layer: str, ranking: Ranking) -> _Boxes:
        rows, columns = np.divmod(np.unique(ranking.positions[ranking.places >= 0]), ranking.grid[1])
        height, width = model.preprocess.size
        down, across = (0, height, 0, height), (0, width, 0, width)
        if math.prod(ranking.grid) == 1:
            return cls(ranking.grid, {0: down}, {0: across})
        try:
            fields = receptive_fields(model, layer)
        except FeatureError:  # nothing is known of what a position sees: it may be all
            return cls(
                ranking.grid, dict.fromkeys(rows.tolist(), down), dict.fromkeys(columns.tolist(), across)
            )
        return cls(ranking.grid, _ends(fields.row, rows), _ends(fields.column, columns))

    def example(self, file: Path, place: int, value: float, position: int) -> Example:
        row, column = divmod(position, self.grid[1])
        top, bottom, core_top, core_bottom = self.rows[row]
        left, right, core_left, core_right = self.columns[column]
        box, core = Box(left, top, right, bottom), Box(core_left, core_top, core_right, core_bottom)
        return Example(file, place, value, (row, column), box, core)


def _ends(weights: Callable[[int], Weights], places: Whole) -> _Ends:
    """Return first and last of the field and of its core, for each row (or column) once."""
    return {
        place: (*interval(weights(place), 1.0), *interval(weights(place), CORE_SHARE))
        for place in map(int, np.unique(places))
    }


def _hash(files: Sequence[Path], root: Path | None) -> str:
    """Return what changes with the list of files, their sizes and times."""
    digest = hashlib.sha256()
    for file in files:
        name = file.relative_to(root) if root else file
        try:
            state = file.stat()
            line = f"{name}\0{state.st_size}\0{state.st_mtime_ns}\0"
        except OSError:
            line = f"{name}\0"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _kept(folder: Path, about: dict[str, Any], *, again: bool, root: Path | None) -> Examples | None:
    """Return the finished examples of the same settings, or None; refuse others."""
    from interp.features.example_store import read_examples

    path = folder / FILE
    if again or not path.exists():
        return None
    kept = read_examples(path, root)
    other = [name for name, value in about.items() if kept.about.get(name) != value]
    if other:
        names = {"weights_sha256": "weights", "files_sha256": "pictures"}
        what = ", ".join(names.get(name, name) for name in other)
        raise FeatureError(
            f"{path} is of something else: it differs in {what}. Give another folder, or replace it "
            "(again=True, --again)."
        )
    return kept
