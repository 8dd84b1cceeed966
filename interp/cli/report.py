"""`interp report`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interp.cli.engines import EngineName, EngineOption, Gpus, Rank, Threads, engine_of, rank_of
from interp.cli.options import Classes, Model, Trust, app
from interp.cli.printing import complain, progress_bar, say
from interp.defaults import METHOD

if TYPE_CHECKING:
    from interp.report import Plan, Report, Slice
    from interp.report.scaling import Costs

_NAMED = 20  # failures that are said; all are in report.json


class PrecisionName(StrEnum):
    """Of the maps' values."""

    float32 = "float32"
    float16 = "float16"


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="Folder of pictures.")],
    model: Model = "efficientnet_lite0",
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the report.")] = Path("report"),
    classes: Classes = None,
    top: Annotated[int, typer.Option(min=0, help="How many likeliest classes to explain.")] = 3,
    method: Annotated[
        str, typer.Option(help="Method (`interp methods`), with options as in 'rise(masks=500)'.")
    ] = METHOD,
    layer: Annotated[
        str | None, typer.Option("--layer", "-l", help="Layer name or index (`interp layers`).")
    ] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Walk the folders inside too.")
    ] = False,
    truth: Annotated[
        str | None,
        typer.Option(help="True classes: 'folder' (names of the folders) or a table (.csv: picture, class)."),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures in one pass.")] = 16,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Say whether each picture's first map should be believed (48 passes, 5 maps)."
        ),
    ] = False,
    panels: Annotated[
        bool, typer.Option("--panels/--no-panels", help="Draw panels, small pictures and the contact sheet.")
    ] = True,
    precision: Annotated[
        PrecisionName, typer.Option(help="Of the maps in the files; float16 takes half the room.")
    ] = PrecisionName.float32,
    shard_size: Annotated[
        int | None, typer.Option(min=1, help="Pictures in one file of maps; all an interruption can lose.")
    ] = None,
    engine: EngineOption = EngineName.local,
    workers: Annotated[int, typer.Option(min=1, help="Of engine ray; also what --plan reckons with.")] = 1,
    gpus: Gpus = 0,
    threads: Threads = None,
    rank: Rank = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only say what it will cost; some pictures are measured for it.")
    ] = False,
    trust_pickle: Trust = False,
) -> None:
    """Write a report of a folder of pictures.

    An HTML page that opens offline, panels, a contact sheet and the raw maps. An interrupted report goes on
    where it stopped when the same command is given again.
    """
    from interp.models import load
    from interp.report import carry_out, find_pictures
    from interp.report import plan as planned_by

    mine, doer = rank_of(engine, rank), engine_of(engine, workers, gpus, threads)
    find_pictures(folder, recursive=recursive)
    planned = planned_by(
        load(model, trust_pickle=trust_pickle),
        folder,
        out,
        classes=classes or (),
        top_classes=top,
        method=method,
        layer=layer,
        batch_size=batch_size,
        recursive=recursive,
        truth=truth,
        panels=panels,
        precision=precision.value,
        shard_size=shard_size,
        check=check,
    )
    if plan:
        _tell(planned, workers)
        return
    with progress_bar("Explaining") as tick:
        made = carry_out(planned, engine=doer, rank=mine, progress=tick)
    _say(made, mine)


def _say(made: Report, mine: Slice | None) -> None:
    if made.waiting:
        shards = "1 shard is" if made.waiting == 1 else f"{made.waiting} shards are"
        say(f"rank {mine} is done; {shards} still to come from others. The last one writes the page.")
        return
    say(f"{made.pictures - len(made.failed)} pictures explained → {made.folder / 'index.html'}")
    for file, reason in list(made.failed.items())[:_NAMED]:
        complain(f"{file}: {reason}")
    if made.failed:
        more = " The reasons of all are in report.json." if len(made.failed) > _NAMED else ""
        complain(f"{len(made.failed)} of {made.pictures} pictures could not be explained.{more}")
        raise typer.Exit(1)


def _tell(planned: Plan, workers: int) -> None:
    """Say what a report will cost."""
    from interp.metrics.planning import in_words
    from interp.report.scaling import Crew, expected, measured

    left = sum(1 for _ in planned.left())
    cost = measured(planned)
    pictures, size = len(planned.files), planned.shard_size
    seconds = expected(left, cost.seconds * min(size, pictures), Crew(workers)) if left else 0.0
    by = "1 worker" if workers == 1 else f"{workers} workers, each like this machine"
    say(f"{pictures:,} pictures, in shards of {size}: {planned.count:,}, {left:,} of them still to be made.")
    say(f"measured on {cost.pictures} of them: {1000 * cost.seconds:.0f} ms and {_size(cost, 1)} for each.")
    say(f"in all about {in_words(seconds)} by {by}, and {_size(cost, pictures)}.")


def _size(cost: Costs, pictures: int) -> str:
    maps, panels = _bytes(pictures * cost.maps), _bytes(pictures * cost.panels)
    return f"{maps} of maps, {panels} of panels" if cost.panels else f"{maps} of maps"


def _bytes(count: float) -> str:
    """Return a size as people say it.

    Example:
        >>> _bytes(2_500_000)
        '2.5 MB'
    """
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} bytes" if unit == "bytes" else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
