"""`write_report`: a folder of pictures becomes a folder that opens in a browser."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

from PIL import Image

from interp.defaults import METHOD
from interp.explanation import drawn_share
from interp.files import sweep, write_drawn, write_whole
from interp.images import LIMITS, Limits
from interp.methods import INPUT, Method, get
from interp.models import ImageModel
from interp.progress import Progress
from interp.report.finding import ReportError, find_pictures
from interp.report.page import write_page
from interp.report.pipeline import Job, explain_files
from interp.report.rows import Row, read_part, write_maps, write_part
from interp.targets import AnyTarget, several, top
from interp.views import Scale, Tile, contact_sheet, overlay

FORMAT = 1
PART_SIZE = 64
SHEET_TILES = 400


@dataclass(frozen=True)
class Report:
    """What `write_report` did.

    Attributes:
        folder: where it is; `folder / "index.html"` opens in a browser.
        pictures: how many files were looked at.
        failed: relative path → reason, for those that could not be explained.
    """

    folder: Path
    pictures: int
    failed: dict[str, str]


def write_report(
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
    progress: Progress | None = None,
) -> Report:
    """Explain every picture of `folder` and write a report into `out`.

    Writes `index.html` (one file, opens offline), `panels/` (picture, map, overlay), `contact_sheet.png`,
    `maps.parquet` (raw maps at native resolution) and `report.json` (how it was made). A picture that
    cannot be read is listed with its reason and stops nothing. When the work is interrupted, the same call
    goes on where it stopped.

    Args:
        model: a classifier.
        folder: of pictures.
        out: made if it is not there; an earlier report in it is replaced.
        classes: names or indices to explain in every picture, before its likeliest ones.
        top_classes: how many of the likeliest classes of each picture to explain.
        method: name of a method, with options as in `"rise(masks=500)"`.
        layer: name of a layer; default: the deepest features. Methods whose map lies on the input have none.
        batch_size: pictures in one pass.
        recursive: whether to walk the folders inside `folder`.
        names: relative path → what the page, the panels and the contact sheet call the file, where that is
            not the path. Any text; none of it is used as a path.
        limits: how large a picture may be; a larger one is listed with its reason.
        progress: called with (done, all) after every picture, and meanwhile, with a part of a picture, by
            methods that take long.

    Raises:
        ReportError: there is no picture, or the model is no classifier.
        LabelError, LayerError, MethodError: there is no such class, layer or method.

    Example:
        >>> write_report(interp.load(), "sample_images", "report").failed
        {}
    """
    if model.task != "classification":
        raise ReportError(f"{model.name} does {model.task}; a report needs a classifier.")
    if batch_size < 1:
        raise ReportError(f"batch_size={batch_size}: give 1 or more.")
    if top_classes < 0 or not (classes or top_classes):
        raise ReportError(f"top_classes={top_classes} and no class: there is nothing to explain.")
    asked = get(method)
    size = _part_size(asked)
    folder, out = Path(folder), Path(out)
    files = find_pictures(folder, recursive=recursive)
    panels, parts = out / "panels", out / ".parts"
    job = Job(
        model,
        folder,
        panels,
        _asked(model, classes, top_classes),
        asked.name,
        _layer(model, asked, layer),
        min(batch_size, size),
        names or {},
        limits,
    )
    about = _about(job, classes, top_classes)
    _begin(out, panels, parts, _key(about, job, files))
    numbered = list(enumerate(files))
    made = []
    done, shown = 0, 0.0

    def tell(pictures: float) -> None:
        nonlocal shown
        shown = max(shown, pictures)  # the next batch begins before the last one is drawn
        if progress:
            progress(shown, len(files))

    def tick() -> None:
        nonlocal done
        done += 1
        tell(done)

    def during(explained: float) -> None:
        tell(done + explained)

    for number, start in enumerate(range(0, len(files), size)):
        chunk = numbered[start : start + size]
        path = parts / f"part-{number:05d}.parquet"
        made.append(path)
        if path.exists():
            for _ in chunk:
                tick()
        else:
            write_part(explain_files(job, chunk, tick, during), path)
    return _finish(job, about, made, out)


def _layer(model: ImageModel, method: Method, layer: str | int | None) -> str:
    """Return the name of the layer; of a method whose map lies on the input there is none to choose."""
    if method.place == "input":
        return INPUT
    return model.default_layer if layer is None else model.layers.resolve(layer)


def _part_size(method: Method) -> int:
    """Return how many pictures are saved together: few where each takes long and may be lost."""
    return PART_SIZE if method.quick else max(1, min(PART_SIZE, int(PART_SIZE / method.passes)))


def _asked(model: ImageModel, classes: Sequence[str | int], top_classes: int) -> AnyTarget:
    """Return the query for every picture; unknown names fail here, before the first picture."""
    indices = [model.labels.find(name, _outputs(model)) for name in classes]
    asked: list[AnyTarget] = [*indices]
    return several(*asked, *([top(top_classes)] if top_classes else []))


def _outputs(model: ImageModel) -> int:
    return len(model.labels) or int(model.logits(model.blank()).shape[1])


def _about(job: Job, classes: Sequence[str | int], top_classes: int) -> dict[str, Any]:
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
        **({"names": dict(job.names)} if job.names else {}),
        "versions": {package: version(package) for package in ("interp", "torch", "pillow", "timm")},
    }


def _key(about: dict[str, Any], job: Job, files: Iterable[Path]) -> str:
    """Return what must be equal for an interrupted report to go on: settings, versions and files."""
    settings = {**about, "limits": asdict(job.limits)}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for path in files:
        # A link to nothing, or what somebody has just taken away, is a picture that fails.
        state = path.stat() if path.exists() else None
        known = (state.st_size, state.st_mtime_ns) if state else ("missing", "")
        line = f"{path.relative_to(job.folder)}\0{known[0]}\0{known[1]}\0"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _begin(out: Path, panels: Path, parts: Path, key: str) -> None:
    """Make the folders; what an interrupted report of other settings or files left is thrown away."""
    marker = parts / "key"
    if parts.exists() and (not marker.exists() or marker.read_text() != key):
        shutil.rmtree(parts)
    if not parts.exists():
        shutil.rmtree(panels, ignore_errors=True)
    panels.mkdir(parents=True, exist_ok=True)
    parts.mkdir(exist_ok=True)
    sweep(out, panels, parts)
    with write_whole(marker) as part:
        part.write_text(key)


def _finish(job: Job, about: dict[str, Any], parts: Sequence[Path], out: Path) -> Report:
    def rows() -> Iterator[Row]:
        for path in parts:
            yield from read_part(path)

    failed = {row.file: row.error for row in rows() if row.error is not None}
    count = sum(1 for _ in rows())
    write_maps(rows(), out / "maps.parquet", layer=job.layer, method=job.method)
    with write_drawn(out / "contact_sheet.png") as drawn:
        _sheet(job, rows(), count).save(drawn, "PNG", compress_level=3)
    write_page(job, about, rows(), out / "index.html")
    about = {**about, "pictures": count, "failed": failed}
    with write_whole(out / "report.json") as part:
        part.write_text(json.dumps(about, indent=1, ensure_ascii=False), encoding="utf-8")
    shutil.rmtree(out / ".parts")
    return Report(out, count, failed)


def _sheet(job: Job, rows: Iterator[Row], count: int) -> Image.Image:
    tiles = [_tile(job, row) for row in islice(rows, SHEET_TILES)]
    rest = [Tile(None, "")] * (count - len(tiles))
    title = f"{job.model.name} · {get(job.method).title} · {job.layer}"
    return contact_sheet([*tiles, *rest], title=title, max_tiles=SHEET_TILES)


def _tile(job: Job, row: Row) -> Tile:
    name = Path(job.shown(row.file)).name
    if row.error is not None:
        return Tile(None, name, row.error, failed=True)
    picture = Image.open(io.BytesIO(row.thumbnail))
    across, down = picture.width / row.size[0], picture.height / row.size[1]
    left, top_, right, bottom = row.box
    box = (left * across, top_ * down, right * across, bottom * down)
    found = row.maps[0]
    share = "" if found.probability is None else f" {100 * found.probability:.0f} %"
    method = get(job.method)
    scale = Scale.of(found.values, method.display, share=drawn_share(method))
    drawn = overlay(picture, found.values, box=box, scale=scale)
    return Tile(drawn, name, found.target + share)
