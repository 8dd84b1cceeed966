"""What a report will do: settings that fit, shards, and which of them are still to be made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from interp.defaults import METHOD
from interp.images import LIMITS, Limits
from interp.methods import INPUT, Method, get
from interp.models import ImageModel
from interp.report.finding import ReportError, find_pictures
from interp.report.pipeline import Job
from interp.report.rows import PRECISIONS, VALUES, Precision
from interp.report.truths import Truth, truths_of
from interp.shards import Shard, Slice, count_of, digest_of, shards_of
from interp.targets import AnyTarget, several, top

FORMAT = 2
SHARD, CHECKED, PASSES = 256, 32, 64
"""How many pictures of a quick method, of one whose maps are tested, and how many passes may be lost."""


@dataclass(frozen=True, eq=False)
class Plan:
    """A report that is about to begin, or to go on.

    Attributes:
        job: what is asked of every picture.
        files: the pictures, in order.
        shard_size: how many are done together.
        about: settings, for `report.json`.
        out: where to write.
    """

    job: Job
    files: Sequence[Path] = field(repr=False)
    shard_size: int
    about: dict[str, Any] = field(repr=False)
    out: Path

    @property
    def count(self) -> int:
        """How many shards there are."""
        return count_of(len(self.files), self.shard_size)

    @property
    def parts(self) -> list[Path]:
        """The files of all shards, whether they are there or not."""
        return [Shard(number, 0, ()).part(self.job.parts) for number in range(self.count)]

    def shards(self, mine: Slice | None = None) -> Iterator[Shard]:
        """Yield the shards, or those of one of several workers."""
        return shards_of(self.files, self.shard_size, self._key, mine)

    def left(self, mine: Slice | None = None) -> Iterator[Shard]:
        """Yield the shards that are still to be made: missing, or of other settings or files."""
        return (shard for shard in self.shards(mine) if not shard.done(self.job.parts))

    def _key(self, shard: Shard) -> str:
        job = self.job
        names = [job.name(path) for path in shard.files]
        settings = {
            **{name: value for name, value in self.about.items() if name not in ("names", "shard_size")},
            "limits": asdict(job.limits),
            "start": shard.start,
            "shown": [job.shown(name) for name in names],
            "truths": [job.truths.of(name) for name in names],
        }
        return digest_of(settings, names, shard.files)


def plan(
    model: ImageModel,
    folder: str | Path,
    out: str | Path,
    *,
    classes: Sequence[str | int] = (),
    top_classes: int = 3,
    method: str | Method = METHOD,
    layer: str | int | None = None,
    batch_size: int = 16,
    recursive: bool = False,
    names: Mapping[str, str] | None = None,
    limits: Limits = LIMITS,
    truth: Truth | None = None,
    panels: bool = True,
    precision: Precision = "float32",
    shard_size: int | None = None,
    check: bool = False,
) -> Plan:
    """Check what `write_report` is asked for, and tell what there is to do before it begins.

    Arguments and errors are those of `write_report`.

    Example:
        >>> plan(interp.load(), "sample_images", "report", shard_size=4).count
        3
    """
    _check(model, batch_size, top_classes, classes, precision, shard_size)
    asked = get(method)
    folder, out = Path(folder), Path(out)
    files = find_pictures(folder, recursive=recursive)
    size = shard_size or _shard_size(model, asked, len(classes) + top_classes, check=check)
    job = Job(
        model,
        folder,
        out / "panels" if panels else None,
        _asked(model, classes, top_classes),
        asked.name,
        _layer(model, asked, layer),
        min(batch_size, size),
        names or {},
        limits,
        truths_of(truth, model, folder, files),
        out / "maps.parquet",
        precision,
        check,
    )
    return Plan(job, files, size, _about(job, classes, top_classes, size), out)


def _check(
    model: ImageModel,
    batch_size: int,
    top_classes: int,
    classes: Sequence[str | int],
    precision: str,
    shard_size: int | None,
) -> None:
    if model.task != "classification":
        raise ReportError(f"{model.name} does {model.task}; a report needs a classifier.")
    if batch_size < 1:
        raise ReportError(f"batch_size={batch_size}: give 1 or more.")
    if shard_size is not None and shard_size < 1:
        raise ReportError(f"shard_size={shard_size}: give 1 or more.")
    if top_classes < 0 or not (classes or top_classes):
        raise ReportError(f"top_classes={top_classes} and no class: there is nothing to explain.")
    if precision not in PRECISIONS:
        raise ReportError(f"precision={precision!r}: give {' or '.join(PRECISIONS)}.")


def _layer(model: ImageModel, method: Method, layer: str | int | None) -> str:
    """Return the name of the layer; of a method whose map lies on the input there is none to choose."""
    if method.place == "input":
        return INPUT
    return model.default_layer if layer is None else model.layers.resolve(layer)


def _shard_size(model: ImageModel, method: Method, classes: int, *, check: bool) -> int:
    """Return how many pictures make a shard: few where each takes long and may be lost, or has large maps."""
    quick = (CHECKED if check else SHARD) if method.quick else int(PASSES / method.passes)
    height, width = model.preprocess.size if method.place == "input" else (1, 1)
    return max(1, min(SHARD, quick, VALUES // (height * width * max(classes, 1))))


def _asked(model: ImageModel, classes: Sequence[str | int], top_classes: int) -> AnyTarget:
    """Return the query for every picture; unknown names fail here, before the first picture."""
    indices = [model.labels.find(name, _outputs(model)) for name in classes]
    asked: list[AnyTarget] = [*indices]
    return several(*asked, *([top(top_classes)] if top_classes else []))


def _outputs(model: ImageModel) -> int:
    return len(model.labels) or int(model.logits(model.blank()).shape[1])


def _about(job: Job, classes: Sequence[str | int], top_classes: int, shard_size: int) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "model": {
            "name": job.model.name,
            "weights_sha256": job.model.weights_hash(),
            "preprocess": job.model.preprocess.to_json(),
        },
        "method": job.method,
        "layer": job.layer,
        "classes": list(classes),
        "top_classes": top_classes,
        "batch_size": job.batch_size,
        "shard_size": shard_size,
        "precision": job.precision,
        "panels": job.panels is not None,
        "check": job.check,
        **({"names": dict(job.names)} if job.names else {}),
        "versions": {package: version(package) for package in ("interp", "torch", "pillow", "timm")},
    }
