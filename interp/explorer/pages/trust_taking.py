"""What people take home from *Trust*: the curves as a figure, all numbers, and the code that gives them."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import streamlit as st

from interp.defaults import METHOD
from interp.explorer.asking import target_of
from interp.explorer.figures import as_png_bytes
from interp.explorer.pages.trust_asked import Case
from interp.explorer.pages.trust_curves import METRICS, Run, order_of, pictures
from interp.explorer.taking import Download, call, command_line, take_home
from interp.explorer.words import say
from interp.methods import INPUT
from interp.metrics import Measured, Trust, get
from interp.metrics.cascading import Forgotten
from interp.models import DEFAULT_MODEL
from interp.views import TrialLine, TrialPanel, trials_figure

FRAMES = (0.0, 0.25, 0.5, 0.75)
TESTS = ("deletion", "insertion")
# Figures are in English, as those of the command line.
WAYS = {
    "map": "this map",
    "random": "random order",
    "centre": "from the middle out",
    "elsewhere": "this map, put elsewhere",
}


def take(
    case: Case,
    runs: Sequence[Run],
    trusted: Trust | None,
    measured: Mapping[str, Measured],
    forgotten: Sequence[Forgotten] | None,
) -> None:
    """Draw the downloads, the code and the link."""
    st.markdown(f"**{say('Take it home')}**")
    stem = f"{Path(case.sight.picture.name).stem}.trust"
    take_home(
        "trust",
        [
            Download(say("Figure"), f"{stem}.png", "image/png", partial(_figure, case, runs)),
            Download(say("Curves"), f"{stem}.csv", "text/csv", partial(_table, runs)),
            Download(
                "JSON",
                f"{stem}.json",
                "application/json",
                partial(_json, case, runs, trusted, measured, forgotten),
            ),
        ],
        _python(case, measured),
        _command(case),
        say("Your picture stays with you: code and link name it, they do not contain it.")
        if case.sight.picture.path is None
        else "",
    )


def _figure(case: Case, runs: Sequence[Run]) -> bytes:
    seen, grey, soft = (np.asarray(picture) for picture in pictures(case))
    order = order_of(case.shown.map, seen.shape[:2])

    def frames(before: npt.NDArray[np.uint8], after: npt.NDArray[np.uint8]) -> list[Any]:
        return [(part, np.where((order < part)[..., None], after, before)) for part in FRAMES]

    lines = [
        [TrialLine(WAYS[run.name], run.curves[number].parts, run.curves[number].scores) for run in runs]
        for number in (0, 1)
    ]
    panels = [
        TrialPanel("Deletion", "Lower is better.", "taken away", lines[0], frames(seen, grey)),
        TrialPanel("Insertion", "Higher is better.", "put in", lines[1], frames(soft, seen)),
    ]
    name = case.shown.target.name
    score = f"probability of {name}" if case.shown.probability is not None else "score"
    drawn = trials_figure(panels, heading=case.shown.title, caption=case.shown.caption, score=score)
    return as_png_bytes(drawn, dpi=200)


def _table(runs: Sequence[Run]) -> bytes:
    """Return the curves as CSV, a line for each point."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["test", "order", "part", "score"])
    for run in runs:
        for test, curve in zip(TESTS, run.curves, strict=True):
            writer.writerows(
                [test, run.name, *point] for point in zip(curve.parts, curve.scores, strict=True)
            )
    return buffer.getvalue().encode()


def _json(
    case: Case,
    runs: Sequence[Run],
    trusted: Trust | None,
    measured: Mapping[str, Measured],
    forgotten: Sequence[Forgotten] | None,
) -> bytes:
    """Return everything that the page knows of the map."""
    curves = {
        test: {
            run.name: {"area": curve.area, "parts": curve.parts, "scores": curve.scores}
            for run, curve in ((run, run.curves[number]) for run in runs)
        }
        for number, test in enumerate(TESTS)
    }
    about = {
        "picture": case.sight.picture.name,
        "model": case.network.model.name,
        "target": case.shown.target.name,
        "probability": case.shown.probability,
        "method": case.method.name,
        "layer": case.shown.layer,
        "trust": None if trusted is None else trusted.to_json(),
        "curves": curves,
        "metrics": {
            name: {"value": _known(each.value), "chance": each.chance, "note": each.note}
            for name, each in measured.items()
        },
        "shuffled": None
        if forgotten is None
        else [
            {"part": each.part, "rank_correlation": each.rank, "ssim": _known(each.ssim)}
            for each in forgotten
        ],
    }
    return json.dumps(about, indent=1, ensure_ascii=False).encode()


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _asked(case: Case) -> dict[str, Any]:
    """Return what differs from the defaults of `explain`."""
    usual = (case.network.model.layers.default, INPUT)
    return {
        "target": None if case.target is None else target_of(case.network, case.target),
        "method": None if case.method.name == METHOD else case.method.name,
        "layer": None if case.shown.layer in usual else case.shown.layer,
    }


def _python(case: Case, measured: Mapping[str, Measured]) -> str:
    explain = call("interp.explain", case.network.name, case.sight.picture.source, **_asked(case))
    names = [*METRICS, *(name for name in measured if not get(name).truth)]
    return (
        f"import interp\n\nexplanation = {explain}\nprint(interp.trust(explanation))\n"
        f"found = interp.metrics.measure(explanation, {names!r})\n"
        "print({name: each.value for name, each in found.items()})\n"
    )


def _command(case: Case) -> str:
    asked = _asked(case)
    return command_line(
        "interp",
        "explain",
        case.sight.picture.source,
        "--check",
        model=None if case.network.name == DEFAULT_MODEL else case.network.name,
        **{"class": asked["target"]},
        method=asked["method"],
        layer=asked["layer"],
    )
