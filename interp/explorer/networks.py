"""The network that a visitor looks into: loaded once for everybody."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from interp.explorer.links import remember
from interp.explorer.settings import Settings
from interp.explorer.words import say
from interp.models import DEFAULT_MODEL, ImageModel, available, load


@dataclass(frozen=True)
class Network:
    """A loaded model.

    Attributes:
        model: shared by every session; each thread runs a twin of it.
        name: what `interp.load` takes.
        version: changes when its file does, so that no map of an older one is shown.
    """

    model: ImageModel
    name: str
    version: str


def choose_network() -> Network | None:
    """Draw the choice of a network and return it, or None where it has to be downloaded first."""
    here, remote = _offered()
    remember("model", DEFAULT_MODEL, {*here, *remote})
    mark = say("downloads")
    short = {name: Path(name).name if Path(name).is_dir() else name for name in here}
    alone = Counter(short.values())
    titles = {name: title if alone[title] == 1 else name for name, title in short.items()}
    titles |= {name: f"{name} ({mark})" for name in remote}
    st.selectbox(
        say("Network"),
        list(titles),
        key="model",
        format_func=titles.__getitem__,
        persist_state="session",
        on_change=_forget,
    )
    name = st.session_state["model"]
    if name in remote and name not in _fetched():
        st.info(say("The weights of {name} are not on this machine as far as is known.", name=name))
        st.button(say("Download and open"), on_click=_fetched().add, args=(name,))
        return None
    return network(name, _version(name))


def _forget() -> None:
    st.session_state["class"] = None


def network_of(name: str) -> Network:
    """Return a network that is on this machine, by what `interp.load` takes."""
    return network(name, _version(name))


@st.cache_resource(max_entries=4, show_spinner=False)
def network(name: str, version: str) -> Network:
    """Load a network once for everybody; of more than four the one used longest ago is let go."""
    return Network(load(name), name, version)


def _version(name: str) -> str:
    files = [Path(name) / part for part in ("model.json", "model.safetensors")]
    return " ".join(str(file.stat().st_mtime_ns) for file in files if file.is_file())


@st.cache_resource(show_spinner=False)
def _fetched() -> set[str]:
    """Return the names that somebody asked to download since the start."""
    return set()


def _offered() -> tuple[list[str], list[str]]:
    """Return what is on this machine and what would have to be fetched."""
    settings = Settings.of()
    runs = [str(run) for run in trained(str(settings.runs))]
    offline, remote = _registered()
    here = [*offline, *settings.models, *runs]
    return list(dict.fromkeys(here)), [name for name in remote if name not in here]


@st.cache_resource(show_spinner=False)
def _registered() -> tuple[list[str], list[str]]:
    entries = available()
    return [e.name for e in entries if e.offline], [e.name for e in entries if not e.offline]


@st.cache_resource(max_entries=4, show_spinner=False, ttl=10)
def trained(folder: str) -> tuple[Path, ...]:
    """Return the folders of finished models inside the folder of runs."""
    place = Path(folder)
    if not place.is_dir():
        return ()
    folders = (about.parent for about in place.glob("*/model.json"))
    return tuple(sorted(folder for folder in folders if (folder / "model.safetensors").is_file()))
