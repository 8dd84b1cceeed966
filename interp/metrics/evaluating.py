"""`evaluate`: which method should I use for this model? Many pictures, many methods, many metrics."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from interp.explaining import ModelLike
from interp.files import sweep, write_whole
from interp.images import open_image
from interp.methods import Method
from interp.metrics.evaluation import Evaluation
from interp.metrics.evaluation_files import ABOUT, TABLE, read_about, write_files
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
from interp.metrics.truths import Truth, mask_for, masks_of
from interp.models import ImageModel, load
from interp.progress import Progress
from interp.sentences import is_sentence
from interp.targets import TargetLike

FORMAT = 1
_PARTS = ".parts"


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

    @property
    def passes(self) -> float:
        """How many forward passes of the network are still to come, about."""
        return self.left * cost(self.methods, self.metrics)

    @property
    def seconds(self) -> float:
        """How long these take here, about; measured by a pass of an empty picture."""
        return self.passes * pace(self.model) if self.left else 0.0

    @property
    def left(self) -> int:
        """How many pictures are still to be judged."""
        if self.out is None:
            return len(self.pictures)
        if self._finished:
            return 0
        return sum(not path.exists() for path in self._parts) if self._begun else len(self.pictures)

    def run(self, progress: Progress | None = None) -> Evaluation:
        """Judge the pictures that are left, and write what was found.

        Args:
            progress: is told (done, all) pictures, with the methods of a picture as parts of it.
        """
        if self.out is None:
            tables = [as_table(rows) for rows in self._judged(range(len(self.pictures)), progress)]
            return Evaluation(pa.concat_tables(tables).combine_chunks(), self.about)
        if self._finished:
            return Evaluation(read_tables([self.out / TABLE]), self.about, self.out)
        self._begin()
        missing = [number for number, path in enumerate(self._parts) if not path.exists()]
        for number, rows in zip(missing, self._judged(missing, progress), strict=True):
            write_table(as_table(rows), self._parts[number])
        made = Evaluation(read_tables(self._parts), self.about, self.out)
        write_files(made, self.out)
        shutil.rmtree(self.out / _PARTS)
        return made

    def _judged(self, numbers: Sequence[int], progress: Progress | None) -> Any:
        tell = progress or (lambda _done, _all: None)
        before = len(self.pictures) - len(numbers)
        with court(self.model, self.methods, self.metrics, self.layer, self.target) as here:
            for count, number in enumerate(numbers, start=before):

                def done(methods: int, count: int = count) -> None:
                    tell(count + methods / len(self.methods), len(self.pictures))

                yield self._rows(here, *self.pictures[number], done)
                tell(count + 1, len(self.pictures))

    def _rows(self, here: Court, name: str, path: Path, done: Any) -> list[Row]:
        try:
            return judged(here, name, open_image(path), mask_for(name, self.masks), done)
        except Exception as error:
            if not is_sentence(error):
                raise
            # An evaluation is handed on: it names the picture, not the folders of the machine.
            return [Row(name, note=str(error).replace(str(path), name))]

    @property
    def _parts(self) -> list[Path]:
        assert self.out is not None
        return [self.out / _PARTS / f"part-{number:05d}.parquet" for number in range(len(self.pictures))]

    @property
    def _finished(self) -> bool:
        assert self.out is not None
        known = read_about(self.out / ABOUT)
        return known.get("key") == self.about["key"] and (self.out / TABLE).exists()

    @property
    def _begun(self) -> bool:
        assert self.out is not None
        marker = self.out / _PARTS / "key"
        return marker.exists() and marker.read_text() == self.about["key"]

    def _begin(self) -> None:
        """Make the folders; what was left by other settings or pictures is thrown away."""
        assert self.out is not None
        parts = self.out / _PARTS
        if not self._begun:
            shutil.rmtree(parts, ignore_errors=True)
        parts.mkdir(parents=True, exist_ok=True)
        sweep(self.out, parts)
        with write_whole(parts / "key") as part:
            part.write_text(self.about["key"])


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
    return planned.run(progress)


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
) -> Plan:
    """Check what `evaluate` is asked for, and tell what it will cost before it begins.

    Arguments and errors are those of `evaluate`.

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
    about["key"] = _key(about, files, masks, asked)
    folder = None if out is None else Path(out)
    return Plan(network, chosen, judges, files, masks, at, asked, about, folder)


def _key(
    about: dict[str, Any], files: Sequence[tuple[str, Path]], masks: Mapping[str, Any], target: TargetLike
) -> str:
    """Return what must be equal for an interrupted evaluation to go on: settings, versions and files."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    wanted = {name: mask_for(name, masks) for name, _ in files}
    given = [*files, *((f"mask {name}", mask) for name, mask in wanted.items() if mask is not None)]
    for name, source in given:
        state = _state(source)
        digest.update(f"{name}\0{state}\0".encode("utf-8", "surrogateescape"))
    # A question that cannot be written down may be another one the next time.
    known = target is None or isinstance(target, (int, str))
    digest.update(repr(target).encode() if known else secrets.token_bytes())
    return digest.hexdigest()


def _state(source: Any) -> str:
    if not isinstance(source, (str, Path)):
        return hashlib.sha256(np.ascontiguousarray(np.asarray(source)).data).hexdigest()
    path = Path(source)
    if not path.exists():
        return "missing"
    state = path.stat()
    return f"{state.st_size}\0{state.st_mtime_ns}"
