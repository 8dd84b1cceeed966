"""The page *Segmentation* for networks that segment nothing: which to choose, or how to train one."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from interp.explorer.networks import Network, trained
from interp.explorer.settings import Settings
from interp.explorer.words import plain, say
from interp.files import read_json

COMMAND = "interp train segmentation FOLDER --out {runs}/streets"


def point_elsewhere(network: Network) -> None:
    """Say which network this page is for, and offer to open one."""
    st.info(
        say(
            "{name} gives no class to single pixels; this page is for networks that do.",
            name=plain(network.name),
        )
    )
    found = segmentations()
    if found:
        first = found[0]
        st.button(
            say("Open {name}", name=plain(Path(first).name)),
            on_click=_open,
            args=(first,),
            type="primary",
            icon=":material/interests:",
        )
        if len(found) > 1:
            others = ", ".join(plain(Path(name).name) for name in found[1:6])
            st.caption(say("Also in the side bar: {names}", names=others))
        return
    st.markdown(say("There is none among the trained networks yet. This command trains one:"))
    st.code(COMMAND.format(runs=Settings.of().runs), language="bash")
    st.caption(
        say("FOLDER has pictures in images and, by the same names, masks in labels. It comes here by itself.")
    )


def segmentations() -> list[str]:
    """Return the networks on offer that name every pixel, as `interp.load` takes them."""
    settings = Settings.of()
    names = [*map(str, trained(str(settings.runs))), *settings.models]
    return [name for name in dict.fromkeys(names) if _task(Path(name) / "model.json") == "segmentation"]


def _task(about: Path) -> str | None:
    """Return the task that a saved model names, without loading it."""
    try:
        said = read_json(about)
    except (OSError, ValueError):
        return None
    return said.get("task") if isinstance(said, dict) else None


def _open(name: str) -> None:
    st.session_state["model"] = name
    st.session_state["class"] = None
