"""The files of an evaluation: the rows, the summary as table, figure and page, and how it was made."""

from __future__ import annotations

import base64
import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from interp.files import json_text, read_json, write_whole
from interp.methods import get as get_method

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from interp.metrics.evaluation import Evaluation
    from interp.metrics.summary import Cell, Interval, Rank

TABLE, ABOUT = "evaluation.parquet", "evaluation.json"
MINUS = "\N{MINUS SIGN}"


def write_files(made: Evaluation, out: Path) -> None:
    """Write an evaluation into a folder, each file whole or not at all, last the one that says it is done."""
    summary = made.summary()
    with write_whole(out / "summary.csv") as part:
        part.write_text(summary.csv(), encoding="utf-8")
    picture = io.BytesIO()
    figure_of(made).savefig(picture, format="png")
    with write_whole(out / "summary.png") as part:
        part.write_bytes(picture.getvalue())
    with write_whole(out / "index.html") as part:
        part.write_text(page_of(made, picture.getvalue()), encoding="utf-8")
    told = {
        **made.about,
        "pictures": made.pictures,
        "failed": made.failed,
        "answer": summary.answer,
        "verdicts": summary.verdicts,
    }
    with write_whole(out / ABOUT) as part:
        part.write_text(json_text(told), encoding="utf-8")


def read_about(path: Path) -> dict[str, Any]:
    """Return what an `evaluation.json` says; nothing where there is none that can be read."""
    try:
        found = read_json(path)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def figure_of(made: Evaluation) -> Figure:
    """Return the figure of an evaluation: the mean of every method by every metric, with its interval."""
    from interp.views.evaluation import MetricColumn, evaluation_figure

    summary = made.summary()
    controls = [get_method(name).family == "control" for name in summary.methods]
    ranks = {rank.method: rank for rank in summary.ranks}
    columns = [MetricColumn("mean rank", "lower", tuple(_dot(ranks[name]) for name in summary.methods))]
    for metric in summary.metrics:
        found = [summary.cell(name, metric.name) for name in summary.methods]
        chance = [cell.chance for cell in found if not math.isnan(cell.chance)]
        mean = sum(chance) / len(chance) if chance else None
        columns.append(
            MetricColumn(summary.titles[metric.name], metric.better, tuple(map(_dot, found)), mean)
        )
    model = made.about["model"]["name"]
    return evaluation_figure(
        columns,
        summary.methods,
        controls,
        [
            ", ".join(word for word in summary.verdicts[name] if word != "a control")
            for name in summary.methods
        ],
        heading=f"Which method for {model}?",
        caption=f"{counted(summary.pictures, 'picture')}, {where(made)}. {summary.answer}",
    )


def _dot(given: Cell | Rank) -> Any:
    from interp.views.evaluation import MetricDot

    return MetricDot(given.value.mean, given.value.low, given.value.high, given.apart)


def page_of(made: Evaluation, figure: bytes) -> str:
    """Return the page: one HTML file that needs nothing from outside."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("interp.metrics"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["number"] = number
    environment.filters["spread"] = spread
    summary = made.summary()
    ranks = {rank.method: rank for rank in summary.ranks}
    return environment.get_template("evaluation.html.j2").render(
        model=made.about["model"]["name"],
        about=made.about,
        where=where(made),
        pictures=counted(summary.pictures, "picture"),
        summary=summary,
        ranks=ranks,
        notes=notes(made),
        failed=made.failed,
        figure=base64.b64encode(figure).decode(),
    )


def notes(made: Evaluation) -> list[str]:
    """Return why numbers are missing, each reason once with how many there are."""
    reasons: dict[tuple[str, str], int] = {}
    for row in made.table.select(["method", "metric", "note"]).to_pylist():
        if row["note"] and row["metric"]:
            key = row["metric"], row["note"]
            reasons[key] = reasons.get(key, 0) + 1
    return [f"{metric}: {count} × {reason}" for (metric, reason), count in reasons.items()]


def where(made: Evaluation) -> str:
    """Return at which layer, and for which class."""
    layer, target = made.about["layer"], made.about["target"]
    asked = {"top": "predicted class", "given": "as asked"}.get(target, target)
    return f"{asked}, {'maps of pixels' if layer == 'input' else f'layer {layer}'}"


def counted(number: int, what: str) -> str:
    """Return a number of things in words."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def number(value: float) -> str:
    """Return a mean as tables have it; three digits after the point, fewer of large ones."""
    if math.isnan(value):
        return "–"
    text = f"{value:.3f}" if abs(value) < 10 else f"{value:.3g}"
    return (text.removeprefix("-") if float(text) == 0 else text).replace("-", MINUS)


def spread(value: Interval) -> str:
    """Return half the width of an interval, as `±.021`; empty where there is none."""
    if math.isnan(value.low):
        return ""
    half = f"{value.half:.3f}" if value.half < 10 else f"{value.half:.3g}"
    return f"±{half.removeprefix('0')}"
