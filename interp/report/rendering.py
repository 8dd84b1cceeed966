"""`render`: maps of a report that exists, drawn when somebody wants to see them."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from PIL import Image

from interp.explanation import drawn_share
from interp.files import read_json, undamaged, write_drawn
from interp.images import ImageError, open_image
from interp.methods import get
from interp.progress import Progress
from interp.report.finding import ReportError
from interp.report.pipeline import plain_name
from interp.report.rows import of_batch
from interp.report.where import condition
from interp.views import Scale, Tile, contact_sheet, overlay, three_panel

MAPS = "maps.parquet"
LIMIT, SHEET_TILES, BATCH = 100, 400, 64
SHEETS = (".png", ".jpg", ".webp")
BLANK, SIDE = (226, 226, 226), 320


@dataclass(frozen=True)
class Rendered:
    """What `render` did.

    Attributes:
        panels: the panels that were drawn.
        sheet: the contact sheet, if one was asked for.
        drawn: how many maps were drawn.
        fitting: how many fit the condition.
        small: how many were drawn over the small copy that the report keeps.
        blank: how many have no picture at all, only the map.
    """

    panels: tuple[Path, ...]
    sheet: Path | None
    drawn: int
    fitting: int
    small: int
    blank: int


@dataclass(frozen=True)
class _Drawn:
    """One map with what it lies on; `box` is in the pixels of `picture`."""

    picture: Image.Image
    box: tuple[float, float, float, float]
    values: npt.NDArray[np.float32]
    source: str


def render(
    path: str | Path,
    where: str | None = None,
    *,
    images: str | Path | None = None,
    out: str | Path | None = None,
    sheet: str | Path | None = None,
    limit: int | None = LIMIT,
    progress: Progress | None = None,
) -> Rendered:
    """Draw maps of a report: picture, map and overlay of each, or all on one sheet.

    The condition is answered by the Parquet files, so of a million maps only those that are drawn are read.

    Args:
        path: the folder of a report, its `maps.parquet`, or one part of that.
        where: which maps, as `"predicted = 'tiger cat' and probability < 0.5"` or `"wrong and rank = 0"`;
            all where None. See `interp.report.where.COLUMNS`.
        images: the folder of the pictures. Without it, or where a picture is gone or is another one now,
            the small copy in the report is taken, or nothing but the map is shown.
        out: folder for panels; "rendered" when neither `out` nor `sheet` is given.
        sheet: a picture file for all of them on one sheet, the first 400.
        limit: draw no more than so many; None for no limit.
        progress: called with (done, all) after every map.

    Raises:
        ReportError: there is no report, the condition cannot be read, or nothing fits it.

    Example:
        >>> interp.report.render("report", "wrong and probability > 0.9", sheet="sure-and-wrong.png").drawn
        12
    """
    if limit is not None and limit < 1:
        raise ReportError(f"limit {limit}: give 1 or more.")
    if out is None and sheet is None:
        out = "rendered"
    if sheet is not None and Path(sheet).suffix.lower() not in SHEETS:
        raise ReportError(f"the sheet {Path(sheet).name!r}: give a name that ends in {' or '.join(SHEETS)}.")
    maps = _opened(Path(path))
    chosen = ~pc.field("map").is_null()
    if where is not None:
        chosen &= condition(where, cache(lambda: _classes(maps)))
    with _reading(maps):
        fitting = maps.count_rows(filter=chosen)
    if not fitting:
        raise ReportError(_nothing(maps, where, Path(path)))
    count = fitting if limit is None else min(limit, fitting)
    about = _about(Path(path))
    panels: list[Path] = []
    tiles: list[Tile] = []
    sources: Counter[str] = Counter()
    folder = None if out is None else Path(out)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    for number, (row, drawn) in enumerate(_drawings(maps, chosen, images, count)):
        sources[drawn.source] += 1
        name = about["names"].get(row["file"], row["file"])
        if folder is not None:
            panels.append(_write_panel(row, drawn, name, about["model"], number, folder))
        if sheet is not None and number < SHEET_TILES:
            tiles.append(_tile(row, drawn, name))
        if progress:
            progress(number + 1, count)
    written = None if sheet is None else _write_sheet(tiles, count, where, Path(sheet))
    return Rendered(tuple(panels), written, count, fitting, sources["small"], sources["blank"])


def _opened(path: Path) -> ds.Dataset:
    """Return the rows of a report, none of them read."""
    place = path / MAPS if (path / MAPS).exists() else path
    if not place.exists():
        raise ReportError(f"there is no report at {path}; give its folder, or its {MAPS}.")
    files = [place] if place.is_file() else sorted(p for p in place.glob("*.parquet") if p.is_file())
    if not files:
        raise ReportError(f"{path} has no {MAPS}; give the folder of a report.")
    try:
        maps = ds.dataset([str(file) for file in files], format="parquet")
    except (pa.ArrowInvalid, OSError):
        raise ReportError(f"{files[0]} is no Parquet file, or is cut off.") from None
    if missing := {"file", "target", "map", "predicted_index"} - set(maps.schema.names):
        raise ReportError(f"{path} has no column {min(missing)!r}; make the report again, with this version.")
    return maps


def _about(path: Path) -> dict[str, Any]:
    """Return what `report.json` says of names and model, as far as it is there."""
    for folder in (path, path.parent, path.parent.parent):
        try:
            found = read_json(folder / "report.json")
            return {"names": dict(found.get("names", {})), "model": str(found["model"]["name"])}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return {"names": {}, "model": ""}


def _classes(maps: ds.Dataset) -> Mapping[str, frozenset[int]]:
    """Return the names of the classes in a report, with their indices."""
    found: dict[str, set[int]] = {}
    for index, name in (("index", "target"), ("predicted_index", "predicted")):
        for batch in maps.to_batches(columns=[index, name]):
            pairs = pa.table(batch).group_by([index, name]).aggregate([]).to_pylist()
            for pair in pairs:
                if pair[index] is not None:
                    found.setdefault(pair[name], set()).add(pair[index])
    return {name: frozenset(indices) for name, indices in found.items()}


def _nothing(maps: ds.Dataset, where: str | None, path: Path) -> str:
    if where is None:
        return f"{path} has no map to draw: no picture could be explained."
    near = ""
    known = _classes(maps)
    for asked in (each for quote in "'\"" for each in where.split(quote)[1::2]):
        close = difflib.get_close_matches(asked, known, 1)
        if asked not in known and close:
            near = f"; did you mean {close[0]!r}"
    return f"no map of {path} fits {where!r}{near}{'?' if near else '.'}"


def _drawings(
    maps: ds.Dataset, chosen: pc.Expression, images: str | Path | None, count: int
) -> Iterator[tuple[dict[str, Any], _Drawn]]:
    columns = [name for name in maps.schema.names if name not in ("prediction", "panel")]
    left = count
    for batch in _batches(maps, columns, chosen):
        batch = batch.slice(0, left)
        copies = _copies(maps, batch)
        for row, values in of_batch(batch):
            shaped = np.float32(row["unit"]) * values.reshape(row["map_height"], row["map_width"])
            yield row, _placed(row, shaped, images, copies)
        left -= batch.num_rows
        if not left:
            return


def _batches(maps: ds.Dataset, columns: list[str], chosen: pc.Expression) -> Iterator[pa.RecordBatch]:
    with _reading(maps):
        # Little ahead: what is not drawn need not be read.
        yield from maps.to_batches(
            columns=columns, filter=chosen, batch_size=BATCH, batch_readahead=1, fragment_readahead=1
        )


@contextmanager
def _reading(maps: ds.Dataset) -> Iterator[None]:
    """Let what Arrow says of a damaged part be one sentence."""
    with undamaged(Path(maps.files[0]).parent):
        try:
            yield
        except OSError as error:
            if error.errno is None:  # Arrow's own words for a damaged page, not the file system's
                raise ValueError(str(error)) from error
            raise


def _copies(maps: ds.Dataset, batch: pa.RecordBatch) -> dict[str, bytes]:
    """Return the small pictures of the files of a batch, which stand in the first row of each."""
    files, thumbnails = batch["file"].to_pylist(), batch["thumbnail"].to_pylist()
    found = {file: small for file, small in zip(files, thumbnails, strict=True) if small}
    wanted = sorted(set(files) - set(found))
    if wanted:
        first = pc.field("file").isin(wanted) & (pc.field("rank") == 0)
        table = maps.to_table(columns=["file", "thumbnail"], filter=first)
        found |= dict(zip(table["file"].to_pylist(), table["thumbnail"].to_pylist(), strict=True))
    return found


def _placed(
    row: dict[str, Any],
    values: npt.NDArray[np.float32],
    images: str | Path | None,
    copies: Mapping[str, bytes | None],
) -> _Drawn:
    left, top, right, bottom = row["box"]
    width, height = row["width"], row["height"]
    picture, source = _picture(row, images, copies.get(row["file"]))
    across, down = picture.width / width, picture.height / height
    return _Drawn(picture, (left * across, top * down, right * across, bottom * down), values, source)


def _picture(row: dict[str, Any], images: str | Path | None, copy: bytes | None) -> tuple[Image.Image, str]:
    """Return the picture, else its small copy, else an empty one of its shape; and which of them."""
    size = (row["width"], row["height"])
    if images is not None:
        path = Path(images) / row["file"]
        # A table that came from elsewhere may name any file; only those of the folder are opened.
        if path.resolve().is_relative_to(Path(images).resolve()):
            try:
                picture = open_image(path)
                if picture.size == size:
                    return picture, "whole"
            except ImageError:
                pass
    if copy:
        try:
            return open_image(copy), "small"
        except ImageError:
            pass
    zoom = min(1.0, SIDE / max(size))
    return Image.new("RGB", (max(1, round(size[0] * zoom)), max(1, round(size[1] * zoom))), BLANK), "blank"


def _write_panel(
    row: dict[str, Any], drawn: _Drawn, name: str, model: str, number: int, folder: Path
) -> Path:
    method = get(row["method"])
    size = "×".join(map(str, drawn.values.shape))
    words = [Path(name).name, method.title, row["layer"], size, model]
    words += ["the picture is not at hand"] if drawn.source == "blank" else []
    panel = three_panel(
        drawn.picture,
        drawn.values,
        title=_title(row),
        caption=" · ".join(word for word in words if word),
        box=drawn.box,
        scale=Scale.of(drawn.values, method.display, share=drawn_share(method)),
    )
    stem = f"{number:06d}-{plain_name(Path(name).stem)}"
    path = folder / (f"{stem}-{plain_name(row['target'])}.jpg" if row["rank"] else f"{stem}.jpg")
    with write_drawn(path) as file:
        panel.save(file, "JPEG", quality=90)
    return path


def _title(row: dict[str, Any]) -> str:
    share = "" if row["probability"] is None else f"  {100 * row['probability']:.1f} %"
    return str(row["target"]) + share


def _tile(row: dict[str, Any], drawn: _Drawn, name: str) -> Tile:
    method = get(row["method"])
    scale = Scale.of(drawn.values, method.display, share=drawn_share(method))
    picture, box = _small(drawn)
    return Tile(overlay(picture, drawn.values, box=box, scale=scale), Path(name).name, _title(row))


def _small(drawn: _Drawn) -> tuple[Image.Image, tuple[float, float, float, float]]:
    """Return the picture as large as a sheet needs it, and the box in it."""
    small = drawn.picture.copy()
    small.thumbnail((SIDE, SIDE), reducing_gap=2.0)
    across, down = small.width / drawn.picture.width, small.height / drawn.picture.height
    left, top, right, bottom = drawn.box
    return small, (left * across, top * down, right * across, bottom * down)


def _write_sheet(tiles: list[Tile], count: int, where: str | None, path: Path) -> Path:
    rest = [Tile(None, "")] * (count - len(tiles))
    drawn = contact_sheet([*tiles, *rest], title=where or "all maps", max_tiles=SHEET_TILES)
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_drawn(path) as file:
        drawn.save(file, "PNG")
    return path
