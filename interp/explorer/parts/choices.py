"""Pictures and bars that are buttons: a gallery, a strip of stages, the classes that a network considers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

import streamlit as st
from PIL import Image

from interp.explorer.parts.encoding import as_jpeg

Kind = Literal["tiles", "maps", "strip", "bars"]


@dataclass(frozen=True)
class Choice:
    """One button.

    Attributes:
        value: what the setting becomes when it is pressed.
        title: what it says.
        note: in smaller letters.
        image: shown on it.
        share: length of its bar, 0 … 1.
    """

    value: str
    title: str
    note: str = ""
    image: Image.Image | None = None
    share: float | None = None


def choices(
    key: str,
    label: str,
    items: Sequence[Choice],
    chosen: str | None,
    kind: Kind,
    setting: str,
    also: Callable[[], None] = lambda: None,
) -> None:
    """Draw buttons, one of which sets `setting` in the session's state when it is pressed.

    Args:
        key: of this element.
        label: what is chosen here, for those who cannot see it.
        items: the buttons.
        chosen: value of the one that is pressed.
        kind: `tiles` of pictures, `maps` whose cells and words are seen, a `strip` of pictures with words,
            or `bars`.
        setting: key of the session's state.
        also: called after the setting was set.
    """

    def choose() -> None:
        value = st.session_state[key].chosen
        if value in {item.value for item in items}:
            st.session_state[setting] = value
            also()

    _component()(
        key=key,
        data={
            "label": label,
            "kind": kind,
            "items": [
                {
                    "value": item.value,
                    "title": item.title,
                    "note": item.note,
                    "image": None if item.image is None else as_jpeg(item.image),
                    "share": item.share,
                    "chosen": item.value == chosen,
                }
                for item in items
            ],
        },
        on_chosen_change=choose,
    )


def _component() -> Callable[..., object]:
    here = files("interp.explorer.parts")
    script, style = ((here / f"choices.{kind}").read_text(encoding="utf-8") for kind in ("js", "css"))
    return st.components.v2.component("interp.choices", js=script, css=style)
