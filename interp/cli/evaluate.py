"""`interp evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interp.cli.engines import EngineName, EngineOption, Gpus, Rank, Threads, engine_of, rank_of
from interp.cli.options import AsJson, Model, Trust, app
from interp.cli.printing import AGAIN, complain, progress_bar, say, show, show_json, table_of

if TYPE_CHECKING:
    from interp.metrics import Evaluation
    from interp.metrics.evaluation import Summary

_ROWS = 10  # of failed pictures that are named


@app.command()
def evaluate(
    folder: Annotated[Path, typer.Argument(help="Folder of pictures.")],
    masks: Annotated[
        Path | None,
        typer.Option(help="Folder of masks, each called like its picture: where the target really is."),
    ] = None,
    boxes: Annotated[
        Path | None,
        typer.Option(help="Table (.csv) of boxes instead: picture, left, top, right, bottom in pixels."),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help="Method (`interp methods`), with options as in 'rise(masks=500)'; several times."),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="Metric (`interp metrics`), with options as in 'road(steps=4)'; several times."),
    ] = None,
    model: Model = "efficientnet_lite0",
    classes: Annotated[
        str | None, typer.Option("--class", "-c", help="Class name or index; else each picture's likeliest.")
    ] = None,
    layer: Annotated[
        str | None, typer.Option("--layer", "-l", help="Layer name or index (`interp layers`).")
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="At most so many pictures, drawn by the seed.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path("evaluation"),
    seed: Annotated[int, typer.Option(min=0, help="Of the draw of pictures and of the intervals.")] = 0,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Walk the folders inside too.")
    ] = False,
    shard_size: Annotated[
        int | None, typer.Option(min=1, help="Pictures in one file; all an interruption can lose.")
    ] = None,
    engine: EngineOption = EngineName.local,
    workers: Annotated[int, typer.Option(min=1, help="Of engine ray.")] = 1,
    gpus: Gpus = 0,
    threads: Threads = None,
    rank: Rank = None,
    as_json: AsJson = False,
    trust_pickle: Trust = False,
) -> None:
    """Find out which method to use for a model: many pictures, methods and metrics, with intervals.

    Writes a table of all numbers, their means with 95 % intervals, a figure and an HTML page that opens
    offline. An interrupted evaluation goes on where it stopped when the same command is given again.
    """
    from interp.metrics import MetricError, plan
    from interp.metrics.boxes import read_boxes
    from interp.metrics.planning import METHODS, in_words
    from interp.models import load

    if masks is not None and boxes is not None:
        raise MetricError("give --masks or --boxes, not both.")
    mine, doer = rank_of(engine, rank), engine_of(engine, workers, gpus, threads)
    truth = masks if boxes is None else read_boxes(boxes)
    planned = plan(
        load(model, trust_pickle=trust_pickle),
        folder,
        method or METHODS,
        metric or None,
        truth=truth,
        target=classes,
        layer=layer,
        out=out,
        seed=seed,
        count=count,
        recursive=recursive,
        shard_size=shard_size,
    )
    left = planned.left_of(mine)
    if left:
        say(
            f"{left} pictures × {len(planned.methods)} methods × {len(planned.metrics)} metrics: "
            f"about {planned.passes_of(left):,.0f} forward passes, some "
            f"{in_words(planned.seconds_of(left))} here.",
            err=True,
        )
        with progress_bar("Evaluating", interrupted=AGAIN) as tick:
            made = planned.run_slice(mine, tick, doer)
    else:
        made = planned.run_slice(mine)
    if made is None:
        say(f"rank {mine} is done; others are not. The last one writes the table and the page.")
        return
    summary = made.summary()
    if as_json:
        show_json(_as_json(made, summary))
    else:
        _say(made, summary)
    failed = made.failed
    for picture, reason in list(failed.items())[:_ROWS]:
        complain(f"{picture}: {reason}")
    if failed:
        complain(f"{len(failed)} of {len(failed) + summary.pictures} pictures could not be judged.")
        raise typer.Exit(1 if summary.pictures else 2)


def _say(made: Evaluation, summary: Summary) -> None:
    from interp.metrics.evaluation_files import notes

    show(_table(summary))
    say("Mean over pictures ± half its 95 % interval; * the best, = not told apart from it.")
    for name in summary.methods:
        if words := summary.verdicts[name]:
            say(f"  {name}: {', '.join(words)}")
    for note in notes(made):
        say(f"  {note}")
    say(summary.answer)
    if made.folder is not None:
        say(f"→ {made.folder / 'index.html'}")


def _table(summary: Summary) -> Any:
    """Return the table: a row for each method, a column for each metric."""
    from rich.text import Text

    heads = [f"{summary.titles[metric.name]} {_good(metric.better)}".strip() for metric in summary.metrics]
    grid = table_of("method", "mean rank ↓", *heads, right=set(range(1, len(heads) + 2)))
    ranks = {rank.method: rank for rank in summary.ranks}
    for name in summary.methods:
        found = [ranks[name], *(summary.cell(name, metric.name) for metric in summary.metrics)]
        control = "a control" in summary.verdicts[name]
        grid.add_row(Text(name, style="dim" if control else ""), *map(_cell, found))
    return grid


def _cell(found: Any) -> Any:
    from rich.text import Text

    from interp.metrics.evaluation_files import number, spread

    mark = {"best": "*", "alike": "="}.get(found.apart, " ")
    text = f"{number(found.value.mean)}{mark} {spread(found.value)}".rstrip()
    return Text(text, style="bold" if found.apart == "best" else "")


def _good(better: str) -> str:
    return {"higher": "↑", "lower": "↓"}.get(better, "")


def _as_json(made: Evaluation, summary: Summary) -> dict[str, Any]:
    verdicts: dict[str, Sequence[str]] = dict(summary.verdicts)
    return {
        "answer": summary.answer,
        "pictures": summary.pictures,
        "failed": made.failed,
        "verdicts": verdicts,
        "summary": summary.rows(),
        "folder": None if made.folder is None else str(made.folder),
    }
