"""A film of a picture that changes place by place, with the score as a curve beside it.

The order of the places goes to the browser once, so it makes every frame itself, as fine as there are places.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import numpy.typing as npt
import streamlit as st
from PIL import Image

from interp.explorer.parts.encoding import as_jpeg
from interp.explorer.words import say

LONGEST = 320
_LEVELS = 1 << 16


@dataclass(frozen=True)
class Way:
    """One way through the film: which places change first, and what becomes of the score.

    Attributes:
        name: of the way, the same in every scene.
        title: what the legend says.
        note: beside it, as the area under the curve.
        order: `(h, w)`, of each place the share of the places that change before it, 0 … 1.
        parts: of the picture that have changed, from 0 to 1.
        scores: at each.
    """

    name: str
    title: str
    note: str
    order: npt.NDArray[np.float32]
    parts: tuple[float, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True)
class Scene:
    """One film: from a picture to another.

    Attributes:
        title: on its button.
        note: on its button, in smaller letters.
        about: what to look for, in a sentence.
        done: how far it is, with `{part}`, as "32 % taken away".
        across: what the horizontal axis stands for.
        before: the first picture.
        after: the last one.
        ways: the first is the one that is on trial; the others are drawn quietly.
    """

    title: str
    note: str
    about: str
    done: str
    across: str
    before: Image.Image
    after: Image.Image
    ways: tuple[Way, ...]


def film(key: str, scenes: Sequence[Scene], *, score: str, shares: bool, waiting: str = "") -> None:
    """Draw films with a button to play, a slider and the curves.

    Args:
        key: of this element.
        scenes: one of them is seen at a time.
        score: what the vertical axis stands for.
        shares: whether scores are probabilities, which are said in per cent.
        waiting: what is still to come, under the curves.
    """
    orders: dict[str, str] = {}
    told = []
    for scene in scenes:
        size = _size(scene.before)
        for way in scene.ways:
            orders.setdefault(way.name, _packed(way.order, size))
        told.append(_told(scene, size))
    _component()(
        key=key,
        data={
            "scenes": told,
            "orders": orders,
            "score": score,
            "shares": shares,
            "waiting": waiting,
            "words": {
                "play": say("Play"),
                "pause": say("Pause"),
                "slider": say("How much of the picture has changed"),
                "watch": say("Press a line to watch its order"),
                "scenes": say("Films"),
                "chart": say("The score while the picture changes"),
            },
        },
    )


def _told(scene: Scene, size: tuple[int, int]) -> dict[str, object]:
    return {
        "title": scene.title,
        "note": scene.note,
        "about": scene.about,
        "done": scene.done,
        "across": scene.across,
        "before": as_jpeg(scene.before.resize(size)),
        "after": as_jpeg(scene.after.resize(size)),
        "ways": [
            {
                "name": way.name,
                "title": way.title,
                "note": way.note,
                "parts": list(way.parts),
                "scores": list(way.scores),
            }
            for way in scene.ways
        ],
    }


def _size(picture: Image.Image) -> tuple[int, int]:
    part = min(1.0, LONGEST / max(picture.size))
    return max(1, round(picture.width * part)), max(1, round(picture.height * part))


def _packed(order: npt.NDArray[np.float32], size: tuple[int, int]) -> str:
    """Return an order as text, two bytes a place of a picture of `size` = (width, height)."""
    width, height = size
    rows, columns = (
        np.arange(new) * old // new for new, old in zip((height, width), order.shape, strict=True)
    )
    levels = np.minimum(order[np.ix_(rows, columns)] * _LEVELS, _LEVELS - 1)
    return base64.b64encode(levels.astype("<u2").tobytes()).decode()


def _component() -> Callable[..., object]:
    here = files("interp.explorer.parts")
    script, style = ((here / f"film.{kind}").read_text(encoding="utf-8") for kind in ("js", "css"))
    return st.components.v2.component("interp.film", js=script, css=style)
