"""Decode, explain and draw one part of a report; the three overlap."""

from __future__ import annotations

import io
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import torch
from PIL import Image

from interp.explaining import explanations_of
from interp.explanation import Explanation
from interp.files import write_drawn
from interp.images import LIMITS, Box, ImageError, Limits, PreprocessError, open_image
from interp.methods import attribute
from interp.models import ImageModel
from interp.report.rows import ClassMap, Row
from interp.targets import AnyTarget, LogitTarget
from interp.views import three_panel

THUMBNAIL = 320
AHEAD = 2


@dataclass(frozen=True)
class Job:
    """What is asked of every picture, and where its panel goes."""

    model: ImageModel
    folder: Path
    panels: Path
    target: AnyTarget
    method: str
    layer: str
    batch_size: int
    names: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = LIMITS

    def shown(self, file: str) -> str:
        """Return what people call a file."""
        return self.names.get(file, file)


@dataclass(frozen=True)
class _Decoded:
    """A picture ready for the network; the original itself is let go of."""

    inputs: torch.Tensor
    thumbnail: Image.Image
    size: tuple[int, int]
    box: Box


def explain_files(
    job: Job, files: Sequence[tuple[int, Path]], tick: Callable[[], None], during: Callable[[float], None]
) -> list[Row]:
    """Return a row for each numbered file, in order; a file that fails is a row with its reason.

    Args:
        job: what is asked of every file.
        files: with their numbers in the report.
        tick: called after every file.
        during: called in between by methods that take long, with how many pictures of its
            batch are explained, parts of a picture included.
    """
    rows: list[Row] = []
    with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 2)) as pool:
        drawing: deque[list[Future[Row]]] = deque()
        try:
            for batch, decoded in _decoded(job, files, pool):
                drawing.append(_explained(job, batch, decoded, pool, during))
                # What is drawn is told at once: who watches sees the first batch and not the third.
                while drawing and (len(drawing) > AHEAD or all(row.done() for row in drawing[0])):
                    rows += _finished(drawing.popleft(), tick)
            while drawing:
                rows += _finished(drawing.popleft(), tick)
        except BaseException:
            # Whoever interrupts does not wait for pictures that nobody will see.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return rows


def _finished(batch: list[Future[Row]], tick: Callable[[], None]) -> Iterator[Row]:
    for future in batch:
        yield future.result()
        tick()


def _decoded(
    job: Job, files: Sequence[tuple[int, Path]], pool: ThreadPoolExecutor
) -> Iterator[tuple[Sequence[tuple[int, Path]], list[_Decoded | str]]]:
    """Yield batches of decoded pictures, or the reasons why not, some batches ahead of the network."""
    batches = [files[i : i + job.batch_size] for i in range(0, len(files), job.batch_size)]
    waiting: deque[list[Future[_Decoded | str]]] = deque()
    for number, batch in enumerate(batches):
        while len(waiting) <= AHEAD and number + len(waiting) < len(batches):
            coming = batches[number + len(waiting)]
            waiting.append([pool.submit(_decode, job, path) for _, path in coming])
        yield batch, [future.result() for future in waiting.popleft()]


def _decode(job: Job, path: Path) -> _Decoded | str:
    try:
        picture = open_image(path, limits=job.limits)
        inputs, box = job.model.preprocess(picture), job.model.preprocess.box(picture.size)
    except (ImageError, PreprocessError) as error:
        # A report is handed on: it names the file, not the folders of the machine that made it.
        return str(error).replace(str(path), job.shown(path.relative_to(job.folder).as_posix()))
    size = picture.size
    picture.thumbnail((THUMBNAIL, THUMBNAIL), reducing_gap=2.0)
    return _Decoded(inputs, picture, size, box)


def _explained(
    job: Job,
    batch: Sequence[tuple[int, Path]],
    decoded: Sequence[_Decoded | str],
    pool: ThreadPoolExecutor,
    during: Callable[[float], None],
) -> list[Future[Row]]:
    good = [picture for picture in decoded if isinstance(picture, _Decoded)]
    maps: Iterator[list[Explanation]] = iter(())
    if good:
        inputs = torch.stack([picture.inputs for picture in good])
        inputs = inputs.to(device=job.model.device, dtype=job.model.dtype)
        found = attribute(
            job.model,
            inputs,
            job.target,
            [job.method],
            [job.layer],
            progress=lambda done, total: during(len(good) * done / max(total, 1)),
        )
        maps = (
            list(explanations_of(job.model, found, row, picture.thumbnail, None))
            for row, picture in enumerate(good)
        )
    made: list[Future[Row]] = []
    for (number, path), picture in zip(batch, decoded, strict=True):
        file = path.relative_to(job.folder).as_posix()
        if isinstance(picture, str):
            made.append(pool.submit(Row, file, picture))
        else:
            made.append(pool.submit(_draw, job, number, file, picture, next(maps)))
    return made


def _draw(job: Job, number: int, file: str, decoded: _Decoded, found: Sequence[Explanation]) -> Row:
    first = found[0]
    box = (decoded.box.left, decoded.box.top, decoded.box.right, decoded.box.bottom)
    across, down = (small / full for small, full in zip(decoded.thumbnail.size, decoded.size, strict=True))
    left, top, right, bottom = box
    shown = Path(job.shown(file))
    panel = three_panel(
        decoded.thumbnail,
        first.values,
        title=first.title,
        caption=f"{shown.name} · {first.caption}",
        box=(left * across, top * down, right * across, bottom * down),
        scale=first.scale,
    )
    name = f"{number:06d}-{_plain(shown.stem)}.jpg"
    with write_drawn(job.panels / name) as drawn:
        panel.save(drawn, "JPEG", quality=90)
    buffer = io.BytesIO()
    decoded.thumbnail.save(buffer, "JPEG", quality=85)
    return Row(
        file,
        size=decoded.size,
        box=box,
        prediction=first.prediction,
        maps=tuple(_class_map(explanation) for explanation in found),
        panel=name,
        thumbnail=buffer.getvalue(),
    )


def _plain(stem: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in stem)[:60].strip("-") or "picture"


def _class_map(explanation: Explanation) -> ClassMap:
    target = explanation.target
    single = explanation.probability is not None and isinstance(target, LogitTarget)
    index = target.terms[0][0] if single and isinstance(target, LogitTarget) else None
    return ClassMap(target.name, index, explanation.probability, explanation.score, explanation.values)
