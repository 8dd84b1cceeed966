"""When every shard is there: the page, the contact sheet, and how the report was made."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from PIL import Image

from interp.explanation import drawn_share
from interp.files import json_text, write_drawn, write_whole
from interp.methods import get
from interp.report.page import write_page
from interp.report.pipeline import Job
from interp.report.rows import Row, read_part
from interp.shards import forget_others
from interp.views import Scale, Tile, contact_sheet, overlay

SHEET_TILES = 400
PAGE, SHEET, ABOUT = "index.html", "contact_sheet.png", "report.json"


@dataclass(frozen=True)
class Report:
    """What `write_report` did.

    Attributes:
        folder: where it is; `folder / "index.html"` opens in a browser.
        pictures: how many files were looked at.
        failed: relative path → reason, for those that could not be explained.
        waiting: how many shards other workers have still to make; the last one writes the page.
    """

    folder: Path
    pictures: int
    failed: dict[str, str]
    waiting: int = 0


def finish(job: Job, about: dict[str, Any], parts: Sequence[Path], out: Path) -> Report:
    """Write all that is made of the parts, and remove what an earlier report left.

    Several workers may do so at once: they write the same, and each file whole.
    """
    failed: dict[str, str] = {}
    count = 0
    for file, error in _outcomes(parts):
        count += 1
        if error is not None:
            failed[file] = error
    forget_others(job.parts, len(parts))
    _forget_panels(job, parts, out)
    _write_sheet(job, lambda: _rows(parts), count, out / SHEET)
    write_page(job, about, _rows(parts), out / PAGE)
    with write_whole(out / ABOUT) as part:
        part.write_text(json_text({**about, "pictures": count, "failed": failed}), encoding="utf-8")
    return Report(out, count, failed)


def _rows(parts: Sequence[Path]) -> Iterator[Row]:
    for path in parts:
        yield from read_part(path)


def _outcomes(parts: Sequence[Path]) -> Iterator[tuple[str, str | None]]:
    """Yield each picture with why it failed, or None."""
    for path in parts:
        table = pq.read_table(path, columns=["file", "error", "rank"], partitioning=None)
        for one in table.to_pylist():
            if not one["rank"]:  # 0, or none where it failed
                yield one["file"], one["error"]


def _forget_panels(job: Job, parts: Sequence[Path], out: Path) -> None:
    """Remove the panels that no row names, and the folder when there are none."""
    panels = out / "panels"
    if not panels.is_dir():
        return
    known: set[str] = set()
    if job.panels is not None:
        for path in parts:
            known.update(pq.read_table(path, columns=["panel"], partitioning=None)["panel"].to_pylist())
    for path in panels.iterdir():
        if path.name not in known and path.suffix == ".jpg" and not path.name.startswith("."):
            path.unlink(missing_ok=True)
    if job.panels is None and not any(panels.iterdir()):
        panels.rmdir()


def _write_sheet(job: Job, rows: Callable[[], Iterator[Row]], count: int, path: Path) -> None:
    if job.panels is None:
        path.unlink(missing_ok=True)
        return
    with write_drawn(path) as drawn:
        _sheet(job, rows(), count).save(drawn, "PNG", compress_level=3)


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
