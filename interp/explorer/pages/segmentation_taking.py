"""What people take away from the page *Segmentation*."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from interp.defaults import METHOD
from interp.explanation import Explanation
from interp.explorer.asking import logits, whole
from interp.explorer.page import Sight
from interp.explorer.pages.segmentation_asked import Asking
from interp.explorer.pages.segmentation_views import classes_over
from interp.explorer.taking import Download, call, command_line, take_home
from interp.explorer.words import say
from interp.methods import INPUT
from interp.views import Drawing


def take(sight: Sight, asked: Asking, explanation: Explanation, drawing: Drawing) -> None:
    """Draw the downloads of the map and of the classes, and the same as Python, command and link."""
    options = _options(drawing)
    full = partial(whole, explanation, sight.picture)
    stem = Path(sight.picture.name).stem
    st.markdown(f"**{say('Take it home')}**")
    take_home(
        "segmentation",
        [
            Download(say("Picture"), f"{stem}.png", "image/png", partial(_saved, full, ".png", options)),
            Download(
                say("Map"), f"{stem}.npz", "application/octet-stream", partial(_saved, full, ".npz", {})
            ),
            Download("JSON", f"{stem}.json", "application/json", partial(_saved, full, ".json", {})),
            *_classes(sight, stem, drawing),
        ],
        _python(sight, asked, explanation, options),
        _command(sight, asked, explanation, options),
        note(sight),
    )


def _options(drawing: Drawing) -> dict[str, Any]:
    """Return what differs from how maps are drawn when nobody says."""
    return {
        "opacity": None if drawing.opacity == Drawing().opacity else drawing.opacity,
        "colormap": drawing.colormap,
        "threshold": drawing.threshold,
        "interpolation": None if drawing.interpolation == "bilinear" else drawing.interpolation,
    }


def _differing(sight: Sight, explanation: Explanation) -> dict[str, str | None]:
    """Return the method and the layer, where they are not those of `explain`."""
    usual = (sight.network.model.layers.default, INPUT)
    return {
        "method": None if explanation.method.name == METHOD else explanation.method.name,
        "layer": None if explanation.layer in usual else explanation.layer,
    }


def _python(sight: Sight, asked: Asking, explanation: Explanation, options: dict[str, Any]) -> str:
    begun = call("interp.explain", sight.network.name, sight.picture.source)[:-1]
    target = "" if asked.python is None else f", {asked.python}"
    rest = [
        f", {name}={value!r}" for name, value in _differing(sight, explanation).items() if value is not None
    ]
    save = call("explanation.save", f"{Path(sight.picture.name).stem}.png", **options)
    return f"import interp\n\nexplanation = {begun}{target}{''.join(rest)})\n{save}\n"


def _command(sight: Sight, asked: Asking, explanation: Explanation, options: dict[str, Any]) -> str:
    drawn = {name: value for name, value in options.items() if name != "interpolation"}
    return command_line(
        "interp",
        "explain",
        sight.picture.source,
        model=sight.network.name,
        region=asked.command,
        measure=asked.measure,
        **{"class": asked.wanted},
        **_differing(sight, explanation),
        **drawn,
        smoothing=options["interpolation"],
    )


def _saved(full: Callable[[], Explanation], ending: str, options: dict[str, Any]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        given = {name: value for name, value in options.items() if value is not None}
        return full().save(Path(folder) / f"map{ending}", **given).read_bytes()


def note(sight: Sight) -> str:
    """Return what code and link leave to the reader."""
    if sight.picture.path is not None:
        return ""
    return say("Your picture stays with you: code and link name it, they do not contain it.")


def _classes(sight: Sight, stem: str, drawing: Drawing) -> list[Download]:
    if sight.network.model.task != "segmentation":
        return []
    made = partial(_classes_png, sight, drawing.opacity)
    return [Download(say("Classes"), f"{stem}_classes.png", "image/png", made)]


def _classes_png(sight: Sight, opacity: float) -> bytes:
    picture = sight.picture.picture
    box = sight.network.model.preprocess.box(picture.size)
    buffer = io.BytesIO()
    classes_over(picture, box, logits(sight.network, sight.picture).numpy(), opacity).save(buffer, "PNG")
    return buffer.getvalue()
