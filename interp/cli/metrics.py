"""`interp metrics`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interp.cli.options import AsJson, app
from interp.cli.printing import say, show, show_json, table_of

if TYPE_CHECKING:
    from interp.metrics import Metric


@app.command()
def metrics(
    find: Annotated[str, typer.Argument(help="Only names, titles and questions with this in them.")] = "",
    silent: Annotated[
        bool, typer.Option("--silent", help="What each cannot tell, and not its formula.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the metrics of maps by their question: is it faithful, well placed, stable, simple, sane?"""
    from interp.metrics import metrics as registered

    known = [each for each in registered() if find.lower() in f"{each.name} {each.title} {each.kind}".lower()]
    if as_json:
        listed = "name title kind better limits formula paper silent passes maps truth tasks options"
        show_json([{key: getattr(metric, key) for key in listed.split()} for metric in known])
        return
    show(_metric_table(known, silent=silent))
    say(
        f"{len(known)} metrics. Cost: forward passes, and + n further maps of the method. "
        "--json has their papers and options, which are given as in 'deletion(steps=224)'."
    )


def _metric_table(known: Sequence[Metric], *, silent: bool) -> Any:
    """Return a table with a heading for each question."""
    from rich.text import Text

    grid = table_of("metric", "cost", "good", "what it cannot tell" if silent else "formula", right={1})
    grid.columns[0].no_wrap = True
    for kind in dict.fromkeys(metric.kind for metric in known):
        grid.add_row(Text(kind, style="bold"), "", "", "")
        for metric in known:
            if metric.kind == kind:
                about = metric.silent if silent else metric.formula
                grid.add_row(f"  {metric.name}", _cost(metric), _good(metric), Text(about))
    return grid


def _cost(metric: Metric) -> str:
    further = f"+ {metric.maps}" if metric.maps else ""
    return f"{metric.passes:.0f} {further}".strip() if metric.passes else further or "0"


def _good(metric: Metric) -> str:
    return {"higher": "high", "lower": "low", "neither": ""}[metric.better]
