"""`evaluate`: which method should I use for this model? Many pictures, many methods, many metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

from interp.engines import Engine, Local
from interp.explaining import ModelLike
from interp.files import sweep
from interp.images import open_image
from interp.methods import Method
from interp.metrics.evaluation import Evaluation
from interp.metrics.evaluation_files import ABOUT, TABLE, read_about, write_files
from interp.metrics.evaluation_shards import pictures_hash, settings_hash, shard_size_of
from interp.metrics.judging import Court, court, judged
from interp.metrics.planning import (
    METHODS,
    chosen_layer,
    chosen_methods,
    chosen_metrics,
    chosen_pictures,
    chosen_target,
    cost,
    pace,
    told_target,
)
from interp.metrics.registry import Metric
from interp.metrics.results import Row, as_table, read_tables, write_table
from interp.metrics.trial import MetricError
from interp.metrics.truths import Truth, mask_for, masks_of
from interp.models import ImageModel, load
from interp.progress import NOBODY, Meter, Progress, Told
from interp.sentences import is_sentence
from interp.shards import Shard, Slice, count_of, forget_others, make_folder, metadata, shards_of
from interp.targets import TargetLike

FORMAT = 1


@dataclass(frozen=True, eq=False)
class Plan:
    """An evaluation that is about to begin, or to go on.

    Attributes:
        model: the network.
        methods: that are judged.
        metrics: that judge.
        pictures: name and path of each.
        masks: name without ending → mask.
        layer: of the maps that lie on a layer.
        target: what is asked.
        about: settings, for `evaluation.json`.
        out: where to write, or None.
        shard_size: how many pictures are done together, of which an interruption loses at most one.
        settings: hash of all that is not the pictures.
    """

    model: ImageModel
    methods: Sequence[Method]
    metrics: Sequence[Metric]
    pictures: Sequence[tuple[str, Path]]
    masks: Mapping[str, Any] = field(repr=False)
    layer: str
    target: TargetLike
    about: dict[str, Any] = field(repr=False)
    out: Path | None
    shard_size: int = 1
    settings: str = ""

    @property
    def passes(self) -> float:
        """How many forward passes of the network are still to come, about."""
        return self.passes_of(self.left)

    @property
    def seconds(self) -> float:
        """How long these take here, about; measured by a pass of an empty picture."""
        return self.seconds_of(self.left)

    def passes_of(self, pictures: int) -> float:
        """Return how many forward passes so many pictures cost, about."""
        return pictures * cost(self.methods, self.metrics)

    def seconds_of(self, pictures: int) -> float:
        """Return how long so many pictures take here, about."""
        return self.passes_of(pictures) * pace(self.model) if pictures else 0.0

    @property
    def left(self) -> int:
        """How many pictures are still to be judged."""
        return self.left_of()

    def left_of(self, rank: Slice | None = None) -> int:
        """Return how many pictures are still to be judged by one of several workers."""
        if self.out is None:
            return len(self.pictures)
        return 0 if self._finished else sum(len(shard.files) for shard in self._missing(rank))

    def run(self, progress: Progress | None = None, engine: Engine | None = None) -> Evaluation:
        """Judge the pictures that are left, and write what was found.

        Args:
            progress: is told (done, all) pictures, with the methods of a picture as parts of it.
            engine: who does the work: `Local()`, or `Ray(workers=8)`, which needs `out`.

        Raises:
            MetricError: an engine without a folder.
        """
        if self.out is None and engine is None:
            whole = Shard(0, 0, [path for _, path in self.pictures])
            meter = Meter(len(self.pictures), progress)
            tables = [as_table(rows) for _, rows in self._judged([whole], meter.told)]
            return Evaluation(pa.concat_tables(tables).combine_chunks(), self.about)
        made = self.run_slice(None, progress, engine)
        assert made is not None  # nobody else has anything to do
        return made

    def run_slice(
        self, rank: Slice | None, progress: Progress | None = None, engine: Engine | None = None
    ) -> Evaluation | None:
        """Judge what one of several workers has to, and write it; None while others are not done.

        Args:
            rank: which worker; all share `out` and nothing else. None for the only one.
            progress: as of `run`.
            engine: as of `run`.

        Raises:
            MetricError: there is no folder to share.
        """
        if self.out is None:
            raise MetricError("out=None: workers share a folder, so give one.")
        if not self._finished:
            make_folder(self.parts)
            sweep(self.out, self.parts)
            missing = list(self._missing(rank))
            meter = Meter(len(self.pictures), progress)
            meter.skip(len(self.pictures) - sum(len(shard.files) for shard in missing))
            for _ in (engine or Local()).run(self, iter(missing), meter.told):
                pass
            if rank is not None and next(self._missing(), None) is not None:
                return None
        forget_others(self.parts, len(self._files))
        made = Evaluation(read_tables(self._files), self.about, self.out)
        if not self._finished:
            write_files(made, self.out)
        return made

    def make(self, shards: Iterable[Shard], told: Told = NOBODY) -> Iterator[Shard]:
        """Judge the pictures of shards and yield each when its file is written."""
        for shard, rows in self._judged(shards, told):
            write_table(as_table(rows), shard.part(self.parts), metadata(shard.key))
            yield shard

    def _judged(self, shards: Iterable[Shard], told: Told) -> Iterator[tuple[Shard, list[Row]]]:
        """Yield shards with their rows."""
        count = 0
        with court(self.model, self.methods, self.metrics, self.layer, self.target) as here:
            for shard in shards:
                rows: list[Row] = []
                for number, path in shard.numbered:

                    def done(methods: int, count: int = count) -> None:
                        told.during(count + methods / len(self.methods))

                    rows += self._rows(here, self.pictures[number][0], path, done)
                    count += 1
                    told.tick()
                yield shard, rows

    def _rows(self, here: Court, name: str, path: Path, done: Any) -> list[Row]:
        try:
            return judged(here, name, open_image(path), mask_for(name, self.masks), done)
        except Exception as error:
            if not is_sentence(error):
                raise
            # An evaluation is handed on: it names the picture, not the folders of the machine.
            return [Row(name, note=str(error).replace(str(path), name))]

    @property
    def parts(self) -> Path:
        """The folder of the table, a file for each shard."""
        assert self.out is not None
        return self.out / TABLE

    @property
    def _files(self) -> list[Path]:
        count = count_of(len(self.pictures), self.shard_size)
        return [Shard(number, 0, ()).part(self.parts) for number in range(count)]

    def _missing(self, rank: Slice | None = None) -> Iterator[Shard]:
        files = [path for _, path in self.pictures]
        shards = shards_of(files, self.shard_size, self._key, rank)
        return (shard for shard in shards if not shard.done(self.parts))

    def _key(self, shard: Shard) -> str:
        pictures = self.pictures[shard.start : shard.start + len(shard.files)]
        return pictures_hash(self.settings, pictures, self.masks)

    @property
    def _finished(self) -> bool:
        assert self.out is not None
        known = read_about(self.out / ABOUT)
        return known.get("key") == self.about["key"] and all(path.exists() for path in self._files)


def evaluate(
    model: ModelLike,
    pictures: str | Path | Sequence[str | Path],
    methods: Sequence[str | Method] = METHODS,
    metrics: Sequence[str | Metric] | None = None,
    *,
    truth: Truth | None = None,
    target: TargetLike = None,
    layer: str | int | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    count: int | None = None,
    recursive: bool = False,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Judge methods by metrics on many pictures: which one should be used for this model?

    Each picture costs one forward pass for all methods whose maps rest on recorded layers; each map is made
    once and judged by all metrics. A picture that fails is a row with its reason and stops nothing. With
    `out` everything is written there, and the same call goes on where it was interrupted.

    Args:
        model: an `ImageModel`, or anything that `interp.load` takes.
        pictures: a folder, or paths.
        methods: names, with options as in `"rise(masks=500)"`. Keep the controls among them.
        metrics: names, with options as in `"deletion(steps=224)"`; default: some of every kind.
        truth: where the target really is: a folder of masks, each called like its picture; a table of boxes
            (`.csv`: picture, left, top, right, bottom); or name → array, path or `Boxes`. Metrics of
            localisation need it. Of a segmentation masks are label maps.
        target: None or "top" for each picture's predicted class; a class; or as in `interp.explain`.
        layer: of the maps that lie on a layer, the same for all; default: the deepest features.
        out: folder for `evaluation.parquet`, `summary.csv`, `summary.png`, `index.html`, `evaluation.json`.
        seed: of the draw of pictures and of the intervals. Methods and metrics have their own.
        count: at most so many pictures, drawn by the seed.
        recursive: whether to walk the folders inside a folder.
        engine: who does the work: `Local()`, or `Ray(workers=8)` (`pip install interp[scale]`). Needs `out`.
        progress: is told how many pictures are done, with parts.

    Raises:
        MetricError, MethodError, LayerError, LabelError, ImageError: what was asked does not fit.

    Example:
        >>> found = evaluate("efficientnet_lite0", "sample_images", ["grad-cam", "random"], ["deletion"])
        >>> found.summary().cell("grad-cam", "deletion").value.mean < 0.2
        True
    """
    planned = plan(
        model,
        pictures,
        methods,
        metrics,
        truth=truth,
        target=target,
        layer=layer,
        out=out,
        seed=seed,
        count=count,
        recursive=recursive,
    )
    return planned.run(progress, engine)


def plan(
    model: ModelLike,
    pictures: str | Path | Sequence[str | Path],
    methods: Sequence[str | Method] = METHODS,
    metrics: Sequence[str | Metric] | None = None,
    *,
    truth: Truth | None = None,
    target: TargetLike = None,
    layer: str | int | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    count: int | None = None,
    recursive: bool = False,
    shard_size: int | None = None,
) -> Plan:
    """Check what `evaluate` is asked for, and tell what it will cost before it begins.

    Arguments and errors are those of `evaluate`; `shard_size` says how many pictures are done together.

    Example:
        >>> planned = plan("efficientnet_lite0", "sample_images", ["grad-cam"], ["deletion"])
        >>> planned.left, planned.passes
        (10, 340.0)
    """
    network = load(model)
    chosen = chosen_methods(methods)
    judges = chosen_metrics(metrics, network, truth=truth is not None)
    files = chosen_pictures(pictures, recursive=recursive, count=count, seed=seed)
    masks = {} if truth is None else masks_of(truth)
    asked = chosen_target(network, target)
    at = chosen_layer(network, chosen, layer)
    about: dict[str, Any] = {
        "format": FORMAT,
        "model": {
            "name": network.name,
            "weights_sha256": network.weights_hash(),
            "preprocess": network.preprocess.to_json(),
        },
        "methods": [method.name for method in chosen],
        "metrics": [metric.name for metric in judges],
        "layer": at,
        "target": told_target(network, asked),
        "truth": truth is not None,
        "seed": seed,
        "versions": {package: version(package) for package in ("interp", "torch", "scipy", "pillow", "timm")},
    }
    settings = settings_hash(about, asked)
    about["key"] = pictures_hash(settings, files, masks)
    folder = None if out is None else Path(out)
    size = shard_size or shard_size_of(chosen, judges)
    return Plan(network, chosen, judges, files, masks, at, asked, about, folder, size, settings)
