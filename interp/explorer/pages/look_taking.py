"""What people take home from *Look*."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from interp.defaults import METHOD
from interp.explanation import Explanation
from interp.explorer.asking import name_of, predicted, target_of, whole
from interp.explorer.page import Sight
from interp.explorer.taking import Download, call, command_line, take_home
from interp.explorer.words import say
from interp.methods import INPUT
from interp.models import DEFAULT_MODEL
from interp.report import write_report
from interp.views import Drawing


def take(sight: Sight, explanation: Explanation, drawing: Drawing) -> None:
    """Draw the downloads, the code and the link of one map."""
    options = {
        "opacity": None if drawing.opacity == Drawing().opacity else drawing.opacity,
        "colormap": drawing.colormap,
        "threshold": drawing.threshold,
        "interpolation": None if drawing.interpolation == "bilinear" else drawing.interpolation,
    }
    full = partial(whole, explanation, sight.picture)
    stem = Path(sight.picture.name).stem
    target = st.session_state.get("class")
    page = partial(_page, sight, explanation, target)
    values = partial(_saved, full, ".npz", {})
    st.markdown(f"**{say('Take it home')}**")
    take_home(
        "look",
        [
            Download(say("Picture"), f"{stem}.png", "image/png", partial(_saved, full, ".png", options)),
            Download(say("Map"), f"{stem}.npz", "application/octet-stream", values),
            Download("JSON", f"{stem}.json", "application/json", partial(_saved, full, ".json", {})),
            # It has maps of more classes, which would take as long again.
            *([Download(say("Page"), f"{stem}.html", "text/html", page)] if explanation.method.quick else []),
        ],
        _python(sight, explanation, options),
        _command(sight, explanation, options),
        say("Your picture stays with you: code and link name it, they do not contain it.")
        if sight.picture.path is None
        else "",
    )


def _asked(sight: Sight, explanation: Explanation) -> dict[str, Any]:
    """Return what differs from the defaults of `explain`."""
    target = st.session_state.get("class")
    usual = (sight.network.model.layers.default, INPUT)
    return {
        "target": None if target is None else target_of(sight.network, target),
        "method": None if explanation.method.name == METHOD else explanation.method.name,
        "layer": None if explanation.layer in usual else explanation.layer,
    }


def _python(sight: Sight, explanation: Explanation, options: dict[str, Any]) -> str:
    asked = _asked(sight, explanation)
    explain = call("interp.explain", sight.network.name, sight.picture.source, **asked)
    save = call("explanation.save", f"{Path(sight.picture.name).stem}.map.png", **options)
    return f"import interp\n\nexplanation = {explain}\n{save}\n"


def _command(sight: Sight, explanation: Explanation, options: dict[str, Any]) -> str:
    asked = _asked(sight, explanation)
    model = None if sight.network.name == DEFAULT_MODEL else sight.network.name
    drawn = {name: value for name, value in options.items() if name != "interpolation"}
    return command_line(
        "interp",
        "explain",
        sight.picture.source,
        model=model,
        **{"class": asked["target"]},
        method=asked["method"],
        layer=asked["layer"],
        **drawn,
        smoothing=options["interpolation"],
    )


def _saved(full: Callable[[], Explanation], ending: str, options: dict[str, Any]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        given = {name: value for name, value in options.items() if value is not None}
        return full().save(Path(folder) / f"map{ending}", **given).read_bytes()


def _page(sight: Sight, explanation: Explanation, target: str | None) -> bytes:
    """Return the page that `interp report` writes, for this one picture."""
    likeliest = {name_of(sight.network, each) for each in predicted(sight.network, sight.picture)}
    more = [] if target is None or target in likeliest else [target_of(sight.network, target)]
    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder) / "pictures"
        pictures.mkdir()
        sight.picture.picture.save(pictures / "picture.png", compress_level=1)
        report = write_report(
            sight.network.model,
            pictures,
            Path(folder) / "report",
            classes=more,
            top_classes=5,
            method=explanation.method,
            layer=explanation.layer,
            names={"picture.png": sight.picture.name},
        )
        return (report.folder / "index.html").read_bytes()
