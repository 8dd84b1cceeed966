"""Decode, explain, draw and write the shards of a report; the four overlap."""

from __future__ import annotations

import io
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import torch
from PIL import Image

from interp.explaining import explanations_of
from interp.explanation import Explanation
from interp.files import write_drawn
from interp.images import LIMITS, Box, ImageError, Limits, PreprocessError, open_image
from interp.methods import attribute
from interp.metrics import Trust, truster
from interp.metrics.trusting import Truster
from interp.models import ImageModel
from interp.progress import NOBODY, Progress, Told, part_of
from interp.report.rows import ClassMap, Precision, Row, write_part
from interp.report.truths import Truths
from interp.shards import Shard, metadata
from interp.targets import AnyTarget, LogitTarget
from interp.views import three_panel

THUMBNAIL = 320
AHEAD = 2


@dataclass(frozen=True)
class Job:
    """What is asked of every picture, and where what is found goes.

    Attributes:
        model: a classifier.
        folder: of the pictures.
        panels: folder of their panels; None to draw none, and keep no small pictures.
        target: the classes.
        method: name of the method.
        layer: of the maps.
        batch_size: pictures in one pass.
        names: relative path → what people call the file.
        limits: how large a picture may be.
        truths: the class that each picture really is.
        parts: folder of what is found, `part-00000.parquet` and so on.
        precision: of the maps' values.
        check: whether the first map of every picture is put to the tests of `interp.trust`.
    """

    model: ImageModel
    folder: Path
    panels: Path | None
    target: AnyTarget
    method: str
    layer: str
    batch_size: int
    names: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = LIMITS
    truths: Truths = field(default_factory=Truths)
    parts: Path = Path()
    precision: Precision = "float32"
    check: bool = False

    def shown(self, file: str) -> str:
        """Return what people call a file."""
        return self.names.get(file, file)

    def name(self, path: Path) -> str:
        """Return the path of a picture in the folder."""
        return path.relative_to(self.folder).as_posix()

    def make(self, shards: Iterable[Shard], told: Told = NOBODY) -> Iterator[Shard]:
        """Explain shards one after the other and yield each when its file is written."""
        return explain_shards(self, shards, told)


@dataclass(frozen=True)
class _Decoded:
    """A picture ready for the network; the original itself is let go of."""

    inputs: torch.Tensor
    thumbnail: Image.Image
    size: tuple[int, int]
    box: Box


@dataclass(frozen=True)
class _Batch:
    """Pictures of one pass, with their numbers; `last` of their shard or not."""

    shard: Shard
    files: Sequence[tuple[int, Path]]
    last: bool


def explain_shards(job: Job, shards: Iterable[Shard], told: Told = NOBODY) -> Iterator[Shard]:
    """Explain shards one after the other and yield each when its file is written, whole or not at all.

    Decoding, the network and drawing overlap, also where one shard ends and the next begins. No more than
    a few batches and the rows of two shards are in memory.

    Args:
        job: what is asked of every picture.
        shards: which pictures.
        told: who is told how far it is.
    """
    rows: list[Row] = []
    judging = truster(job.model) if job.check else nullcontext()
    with judging as judge, ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 2)) as pool:
        try:
            for batch, drawn in _drawn(job, shards, pool, told, judge):
                for row in drawn:
                    rows.append(row.result())
                    told.tick()
                if batch.last:
                    _write(job, batch.shard, rows)
                    rows = []
                    yield batch.shard
        except BaseException:
            # Whoever interrupts does not wait for pictures that nobody will see.
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _write(job: Job, shard: Shard, rows: Sequence[Row]) -> None:
    write_part(
        rows,
        shard.part(job.parts),
        layer=job.layer,
        method=job.method,
        precision=job.precision,
        about=metadata(shard.key),
    )


def _drawn(
    job: Job, shards: Iterable[Shard], pool: ThreadPoolExecutor, told: Told, judge: Truster | None
) -> Iterator[tuple[_Batch, list[Future[Row]]]]:
    """Yield batches whose pictures are drawn, or are next to be."""
    drawing: deque[tuple[_Batch, list[Future[Row]]]] = deque()
    begun = 0
    for batch, decoded in _decoded(job, _batches(job, shards), pool):

        def during(explained: float, before: int = begun) -> None:
            told.during(before + explained)

        drawing.append((batch, _explained(job, batch.files, decoded, pool, during, judge)))
        begun += len(batch.files)
        # What is drawn is told at once: who watches sees the first batch and not the third.
        while drawing and (len(drawing) > AHEAD or all(row.done() for row in drawing[0][1])):
            yield drawing.popleft()
    yield from drawing


def _batches(job: Job, shards: Iterable[Shard]) -> Iterator[_Batch]:
    size = job.batch_size
    for shard in shards:
        files = shard.numbered
        for begin in range(0, len(files), size):
            yield _Batch(shard, files[begin : begin + size], last=begin + size >= len(files))


def _decoded(
    job: Job, batches: Iterator[_Batch], pool: ThreadPoolExecutor
) -> Iterator[tuple[_Batch, list[_Decoded | str]]]:
    """Yield batches of decoded pictures, or the reasons why not, some batches ahead of the network."""
    waiting: deque[tuple[_Batch, list[Future[_Decoded | str]]]] = deque()
    while True:
        for coming in islice(batches, AHEAD + 1 - len(waiting)):
            waiting.append((coming, [pool.submit(_decode, job, path) for _, path in coming.files]))
        if not waiting:
            return
        batch, pictures = waiting.popleft()
        yield batch, [picture.result() for picture in pictures]


def _decode(job: Job, path: Path) -> _Decoded | str:
    try:
        picture = open_image(path, limits=job.limits)
        inputs, box = job.model.preprocess(picture), job.model.preprocess.box(picture.size)
    except (ImageError, PreprocessError) as error:
        # A report is handed on: it names the file, not the folders of the machine that made it.
        return str(error).replace(str(path), job.shown(job.name(path)))
    size = picture.size
    picture.thumbnail((THUMBNAIL, THUMBNAIL), reducing_gap=2.0)
    return _Decoded(inputs, picture, size, box)


def _explained(
    job: Job,
    batch: Sequence[tuple[int, Path]],
    decoded: Sequence[_Decoded | str],
    pool: ThreadPoolExecutor,
    during: Callable[[float], None],
    judge: Truster | None,
) -> list[Future[Row]]:
    good = [picture for picture in decoded if isinstance(picture, _Decoded)]
    told = part_of(lambda done, total: during(len(good) * done / total), 0, 1 if judge is None else 2)
    maps = _judged(judge, _maps(job, good, told), len(good), during) if good else iter(())
    made: list[Future[Row]] = []
    for (number, path), picture in zip(batch, decoded, strict=True):
        file = job.name(path)
        if isinstance(picture, str):
            made.append(pool.submit(Row, file, picture, truth=job.truths.of(file)))
        else:
            made.append(pool.submit(_draw, job, number, file, picture, *next(maps)))
    return made


def _maps(
    job: Job, good: Sequence[_Decoded], progress: Progress
) -> Iterator[tuple[list[Explanation], torch.Tensor]]:
    """Yield the explanations of each picture, likeliest class first, and what the network saw of it."""
    inputs = torch.stack([picture.inputs for picture in good])
    inputs = inputs.to(device=job.model.device, dtype=job.model.dtype)
    found = attribute(job.model, inputs, job.target, [job.method], [job.layer], progress=progress)
    for row, picture in enumerate(good):
        yield (
            list(explanations_of(job.model, found, row, picture.thumbnail, None)),
            inputs[row : row + 1],
        )


def _judged(
    judge: Truster | None,
    maps: Iterator[tuple[list[Explanation], torch.Tensor]],
    count: int,
    during: Callable[[float], None],
) -> Iterator[tuple[list[Explanation], Trust | None]]:
    """Yield the explanations of each picture with the verdict on the first."""
    for number, (found, inputs) in enumerate(maps, 1):
        verdict = None if judge is None else judge(found[0], inputs=inputs)
        if judge is not None:
            during((count + number) / 2)
        yield found, verdict


def _draw(
    job: Job,
    number: int,
    file: str,
    decoded: _Decoded,
    found: Sequence[Explanation],
    verdict: Trust | None,
) -> Row:
    first = found[0] if verdict is None else verdict.beside(found[0])
    panel = None if job.panels is None else _panel(job, job.panels, number, file, decoded, first)
    verdicts = [verdict, *[None] * (len(found) - 1)]
    return Row(
        file,
        size=decoded.size,
        box=_edges(decoded.box),
        prediction=first.prediction,
        maps=tuple(map(_class_map, found, verdicts)),
        panel=panel,
        thumbnail=b"" if job.panels is None else _jpeg(decoded.thumbnail),
        truth=job.truths.of(file),
    )


def _panel(
    job: Job, panels: Path, number: int, file: str, decoded: _Decoded, explanation: Explanation
) -> str:
    """Write the panels of a picture and return what the file is called."""
    across, down = (small / full for small, full in zip(decoded.thumbnail.size, decoded.size, strict=True))
    left, top, right, bottom = _edges(decoded.box)
    shown = Path(job.shown(file))
    panel = three_panel(
        decoded.thumbnail,
        explanation.values,
        title=explanation.title,
        caption=f"{shown.name} · {explanation.caption}",
        box=(left * across, top * down, right * across, bottom * down),
        scale=explanation.scale,
    )
    name = f"{number:06d}-{plain_name(shown.stem)}.jpg"
    with write_drawn(panels / name) as drawn:
        panel.save(drawn, "JPEG", quality=90)
    return name


def _edges(box: Box) -> tuple[float, float, float, float]:
    return box.left, box.top, box.right, box.bottom


def _jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def plain_name(stem: str) -> str:
    """Return what of a name every file system takes."""
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in stem)[:60].strip("-") or "picture"


def _class_map(explanation: Explanation, verdict: Trust | None) -> ClassMap:
    target = explanation.target
    single = explanation.probability is not None and isinstance(target, LogitTarget)
    index = target.terms[0][0] if single and isinstance(target, LogitTarget) else None
    said = (None, "") if verdict is None else (verdict.level, " ".join(verdict.reasons))
    return ClassMap(target.name, index, explanation.probability, explanation.score, explanation.values, *said)
