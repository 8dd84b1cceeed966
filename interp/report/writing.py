"""`write_report`: a folder of pictures becomes a folder that opens in a browser."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from interp.defaults import METHOD
from interp.engines import Engine, Local
from interp.files import sweep
from interp.images import LIMITS, Limits
from interp.methods import Method
from interp.models import ImageModel
from interp.progress import Meter, Progress
from interp.report.finishing import ABOUT, PAGE, Report, finish
from interp.report.planning import Plan, plan
from interp.report.rows import Precision
from interp.report.truths import Truth
from interp.shards import Shard, Slice, make_folder


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
    truth: Truth | None = None,
    panels: bool = True,
    precision: Precision = "float32",
    shard_size: int | None = None,
    check: bool = False,
    engine: Engine | None = None,
    rank: Slice | None = None,
    progress: Progress | None = None,
) -> Report:
    """Explain every picture of `folder` and write a report into `out`.

    Writes `index.html` (opens offline), `panels/` (picture, map, overlay), `contact_sheet.png`,
    `maps.parquet/` (raw maps at native resolution) and `report.json` (how it was made). A picture that
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
        truth: the class that each picture really is: `"folder"`, the name of the folder that holds it; a
            table (`.csv`: picture, class); or relative path → class.
        panels: whether to draw panels, small pictures and the contact sheet; of a million pictures they
            take a hundred times the room of the maps.
        precision: of the maps in the files: `"float16"` takes half the room and keeps eleven bits.
        shard_size: how many pictures are done together, of which an interruption loses at most one; default:
            256, fewer where each takes long.
        check: put the first map of every picture to the tests of `interp.trust`, and say beside it whether it
            should be believed; costs 48 passes and five further maps a picture.
        engine: who does the work: `Local()`, or `Ray(workers=8)` (`pip install interp[scale]`).
        rank: do only every `of`-th shard: one of several workers that share `out`. The last one finishes.
        progress: called with (done, all) after every picture, and meanwhile, with a part of a picture, by
            methods that take long.

    Raises:
        ReportError: there is no picture, or the model is no classifier.
        LabelError, LayerError, MethodError: there is no such class, layer or method.

    Example:
        >>> write_report(interp.load(), "sample_images", "report").failed
        {}
    """
    planned = plan(
        model,
        folder,
        out,
        classes=classes,
        top_classes=top_classes,
        method=method,
        layer=layer,
        batch_size=batch_size,
        recursive=recursive,
        names=names,
        limits=limits,
        truth=truth,
        panels=panels,
        precision=precision,
        shard_size=shard_size,
        check=check,
    )
    return carry_out(planned, engine=engine, rank=rank, progress=progress)


def carry_out(
    planned: Plan,
    *,
    engine: Engine | None = None,
    rank: Slice | None = None,
    progress: Progress | None = None,
) -> Report:
    """Make the shards of a plan that are missing, and with the last one the page.

    Args:
        planned: by `plan`.
        engine: who does the work.
        rank: which of several workers this is; None for the only one.
        progress: as of `write_report`.

    Example:
        >>> carry_out(plan(interp.load(), "sample_images", "report")).pictures
        10
    """
    job, out = planned.job, planned.out
    for place in (out, job.parts, *([] if job.panels is None else [job.panels])):
        make_folder(place)
    sweep(out, job.parts, out / "panels")
    meter = Meter(len(planned.files), progress)
    todo = _missing(planned.shards(rank), job.parts, meter)
    for _ in (engine or Local()).run(job, _announced(todo, out), meter.told):
        pass
    waiting = 0 if rank is None else _waiting(planned)
    if waiting:
        return Report(out, len(planned.files), {}, waiting)
    return finish(job, planned.about, planned.parts, out)


def _missing(shards: Iterator[Shard], parts: Path, meter: Meter) -> Iterator[Shard]:
    """Yield shards that are not there; the pictures of the others count as done."""
    for shard in shards:
        if shard.done(parts):
            meter.skip(len(shard.files))
        else:
            yield shard


def _announced(shards: Iterator[Shard], out: Path) -> Iterator[Shard]:
    """Yield shards; before the first one, what an earlier report says of all of them is taken away."""
    for shard in shards:
        for name in (ABOUT, PAGE):
            (out / name).unlink(missing_ok=True)
        yield shard


def _waiting(planned: Plan) -> int:
    """Return how many shards are still missing; the cheap question comes first."""
    missing = sum(not path.exists() for path in planned.parts)
    return missing or sum(1 for _ in planned.left())
