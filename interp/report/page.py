"""The page of a report: one HTML file that draws its maps itself and needs nothing from outside."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from interp.explanation import drawn_share
from interp.files import write_whole
from interp.methods import Method, get
from interp.report.pipeline import Job
from interp.report.rows import ClassMap, Row
from interp.views import Scale, default_for, normalise, number, table

MOST_VALUES = 64 * 64


def write_page(job: Job, about: dict[str, Any], rows: Iterator[Row], path: Path) -> None:
    """Write `index.html`: prediction, picture, map and overlay, other classes on a click.

    Maps travel as raw values and are coloured in the browser with the same table and scale as everywhere
    else, so opacity and class change at once and the file stays small. Those of many values travel as the
    numbers of their colours, a quarter of the size; the raw ones are in `maps.parquet`.
    """
    method = get(job.method)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("interp.report"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    pictures = [_picture(row, job.shown(row.file), method) for row in rows]
    text = environment.get_template("report.html.j2").render(
        title=f"{job.model.name} · {method.title}",
        model=job.model.name,
        method=method,
        layer=job.layer,
        about=about,
        pictures=[picture for picture in pictures if not picture["error"]],
        failed=[picture for picture in pictures if picture["error"]],
        drawing={
            "colours": base64.b64encode(table(default_for(method.display)).tobytes()).decode(),
            "nothing": 0.5 if method.display == "signed" else 0.0,
        },
    )
    with write_whole(path) as part:
        part.write_text(text, encoding="utf-8")


def _picture(row: Row, name: str, method: Method) -> dict[str, Any]:
    return {
        "file": name,
        "error": row.error,
        "size": row.size,
        "box": [round(edge, 3) for edge in row.box],
        "panel": row.panel,
        "thumbnail": base64.b64encode(row.thumbnail).decode(),
        "prediction": row.prediction,
        "maps": [_map(found, method) for found in row.maps],
    }


def _map(found: ClassMap, method: Method) -> dict[str, Any]:
    scale = Scale.of(found.values, method.display, share=drawn_share(method))
    rounded = found.values.size > MOST_VALUES
    return {
        "target": found.target,
        "probability": found.probability,
        "score": found.score,
        "height": found.values.shape[0],
        "width": found.values.shape[1],
        "values": _values(found, scale, rounded=rounded),
        "rounded": rounded,
        "low": scale.low if np.isfinite(scale.low) else 0.0,
        "high": scale.high if np.isfinite(scale.high) else 0.0,
        "ends": [scale.ends[0], number((scale.low + scale.high) / 2), scale.ends[1]],
        "verdict": scale.verdict,
    }


def _values(found: ClassMap, scale: Scale, *, rounded: bool) -> str:
    """Return a map in base64: raw, as float32, or `rounded` to its places between the ends, as bytes."""
    if rounded:
        raw = np.rint(255 * normalise(found.values, scale)).astype(np.uint8).tobytes()
    else:
        raw = found.values.astype("<f4").tobytes()
    return base64.b64encode(raw).decode()
