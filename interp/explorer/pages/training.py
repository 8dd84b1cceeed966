"""*Training*: the runs of `interp train`, also one that goes on now."""

from __future__ import annotations

import html
import math
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from interp.explorer import links
from interp.explorer.figures import as_png_bytes, scrolled
from interp.explorer.networks import trained
from interp.explorer.page import Page
from interp.explorer.pages.training_compare import draw_comparison
from interp.explorer.pages.training_figures import draw_figures
from interp.explorer.pages.training_taking import draw_taking
from interp.explorer.sentences import told_on_page
from interp.explorer.settings import Settings
from interp.explorer.words import plain, say, told
from interp.training import TrainingError, read_run, runs_in
from interp.views import number

if TYPE_CHECKING:
    from interp.training import RunRecord, RunState

RECIPES = {
    "classifier": "Classifier",
    "segmentation": "Segmentation (U-Net)",
    "superres": "Super-resolution (U-Net)",
    "gan": "Super-resolution with a GAN",
    "wgan": "Pictures from noise (WGAN)",
}
STATES = {"finished": "finished", "going on": "going on", "stopped": "stopped"}
# Which page looks into what a recipe makes.
PAGE_OF = {"classifier": "look", "segmentation": "segmentation"}
EVERY = 5.0
TABLE = "overflow: auto; max-height: 22rem"
FIRST_COMMANDS = (
    ("classifier", "interp train classifier PICTURES --out {runs}/mine"),
    ("segmentation", "interp train segmentation PICTURES-AND-MASKS --out {runs}/streets"),
    ("superres", "interp crappify GOOD POOR && interp train superres POOR GOOD --out {runs}/sharper"),
    ("wgan", "interp train wgan PICTURES --out {runs}/noise"),
)


def draw() -> None:
    """Draw the page."""
    folders = {path.name: path for path in runs_in(Settings.of().runs)}
    if not folders:
        _no_run(Settings.of().runs)
        return
    records = {name: read(path) for name, path in folders.items()}
    newest = max(records, key=lambda name: records[name].written)
    name = links.remember("training_run", newest, folders)
    st.selectbox(
        say("Run"),
        sorted(records, key=lambda each: -records[each].written),
        key="training_run",
        format_func=lambda each: _titled(records[each]),
        persist_state="session",
    )
    name = st.session_state["training_run"]
    record = records[name]
    live = _choose_live(record)
    st.fragment(_run, run_every=EVERY if live else None)(folders[name], record.state())
    if record.finished:
        _look_into(record)
    draw_comparison(record, records)
    draw_taking(record)


def _no_run(runs: Path) -> None:
    st.info(say("There is no training run in the folder {folder} yet.", folder=plain(str(runs))))
    st.subheader(say("Make one"), anchor=False)
    st.write(
        say(
            "Give a folder of pictures, with one folder inside for each class, and run this in a terminal. "
            "A few hundred pictures take some minutes. This page shows the run from its first epoch on."
        )
    )
    for recipe, command in FIRST_COMMANDS:
        title = RECIPES[recipe]
        st.caption(say(title))
        st.code(command.format(runs=runs), language="bash", wrap_lines=True)
    st.caption(say("Are your runs in another folder? Start the explorer with it:"))
    st.code("interp app --runs FOLDER", language="bash")


def read(folder: Path) -> RunRecord:
    """Return what a run's folder tells, read anew when one of its files has changed."""
    return _read(folder, stamp(folder))


def stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Return what changes with a run's files."""
    names = ("config.json", "history.csv", "steps.csv", "checkpoint.safetensors", "model.json", "figures")
    seen = []
    for name in names:
        try:
            about = (folder / name).stat()
        except OSError:
            continue
        seen.append((name, about.st_mtime_ns, about.st_size))
    return tuple(seen)


@st.cache_resource(max_entries=64, show_spinner=False)
def _read(folder: Path, seen: tuple[tuple[str, int, int], ...]) -> RunRecord:
    return read_run(folder)


def _titled(record: RunRecord) -> str:
    title, state = RECIPES.get(record.recipe, "Unknown"), STATES[record.state()]
    return f"{record.folder.name} · {say(title)} · {say(state)}"


def _choose_live(record: RunRecord) -> bool:
    if record.finished:
        return False
    links.remember("training_live", True)
    st.toggle(say("Refresh every 5 s"), key="training_live", persist_state="session")
    return bool(st.session_state["training_live"])


def _run(folder: Path, was: RunState) -> None:
    """Draw a run as it stands now; alone once every five seconds while it goes on."""
    with told_on_page():
        _as_it_stands(folder, was)


def _as_it_stands(folder: Path, was: RunState) -> None:
    record = read(folder)
    if record.state() != was:
        st.rerun()  # what stands below depends on it
    for sentence in record.problems:
        st.warning(plain(told(TrainingError(sentence))))
    _facts(record)
    st.subheader(say("Is it getting better?"), anchor=False)
    if record.stages:
        scrolled("curves", _curves(folder, stamp(folder)), _in_words(record))
        st.caption(_how_to_read(record))
        with st.expander(say("Every epoch in numbers")):
            _epochs(record)
    else:
        st.info(say("No epoch is finished yet; the curves come with the first one."))
    draw_figures(record)
    _asked(record)
    links.publish()


def _how_to_read(record: RunRecord) -> str:
    if record.recipe in ("gan", "wgan"):
        return say(
            "Two networks play against each other, so their losses need not fall: each gets harder to fool. "
            "The bands are the stages."
        )
    return say(
        "The training loss falls as long as it learns its own pictures. Only where the validation "
        "loss falls, too, does it learn what holds for others. The bands are the stages."
    )


def _facts(record: RunRecord) -> None:
    now = time.time()
    of = f" / {record.epochs_planned}" if record.epochs_planned else ""
    facts = {say("State"): _state(record, now), say("Epochs"): f"{len(record.stages)}{of}"}
    if record.best is not None:
        where = say("best {metric}, epoch {epoch}", metric=record.best.metric, epoch=record.best.epoch)
        facts[where] = number(record.best.value)
    facts[say("Time")] = duration(record.seconds)
    with st.container(horizontal=True, key="training-facts"):
        for name, value in facts.items():
            st.metric(name, value, border=True)
    if record.best is None:
        st.caption(_why_no_best(record))
    if record.state(now) != "finished":
        _unfinished(record, now)


def _state(record: RunRecord, now: float) -> str:
    state = STATES[record.state(now)]
    return say(state)


def _why_no_best(record: RunRecord) -> str:
    if record.recipe == "wgan":
        return say("No number says how good pictures from noise are. Look at the samples.")
    return say("No epoch has been measured.")


def _unfinished(record: RunRecord, now: float) -> None:
    ago = duration(max(now - record.written, 0.0))
    if not record.recipe and not record.stages:
        st.caption(say("Nothing was trained here."))
    elif record.state(now) == "going on":
        left = record.epochs_planned - len(record.stages)
        took = record.epochs.get("seconds", np.empty(0))
        took = took[np.isfinite(took)]
        if len(took) and left > 0:
            rest = duration(left * float(median(took.tolist())))
            st.caption(say("The last file was written {ago} ago; about {rest} to go.", ago=ago, rest=rest))
        else:
            st.caption(say("The last file was written {ago} ago.", ago=ago))
    else:
        st.caption(
            say(
                "Nothing was written for {ago}: it was interrupted, or is slow. "
                "The command below goes on with it.",
                ago=ago,
            )
        )


def duration(seconds: float) -> str:
    """Return a time in words: seconds, minutes, hours or days."""
    if seconds < 100:
        return say("{count} s", count=round(seconds))
    if seconds < 6000:
        return say("{count} min", count=round(seconds / 60))
    if seconds < 172_800:
        return say("{count} h", count=f"{seconds / 3600:.1f}")
    return say("{count} days", count=round(seconds / 86_400))


@st.cache_data(max_entries=16, show_spinner=False)
def _curves(folder: Path, seen: tuple[tuple[str, int, int], ...]) -> bytes:
    return as_png_bytes(read_run(folder).figure())


def _in_words(record: RunRecord) -> str:
    last = ", ".join(
        f"{name} {number(float(values[np.isfinite(values)][-1]))}"
        for name, values in record.epochs.items()
        if name in record.metrics
    )
    return say(
        "Learning curves of {name} over {count} epochs. Last values: {last}.",
        name=record.folder.name,
        count=len(record.stages),
        last=last,
    )


def _epochs(record: RunRecord) -> None:
    columns = list(record.epochs)
    rows = [
        [str(epoch), stage, *(_shown(float(record.epochs[name][epoch - 1])) for name in columns)]
        for epoch, stage in enumerate(record.stages, 1)
    ]
    table(["epoch", "stage", *columns], rows)


def _shown(value: object) -> str:
    if isinstance(value, float):
        return number(value) if math.isfinite(value) else ""
    return "" if value in (None, "", False) else str(value)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Draw a table that everybody can read, scrolled where it is larger than the screen."""
    head = "".join(f"<th scope='col'>{html.escape(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    drawn = f"<table class='interp-table'><tr>{head}</tr>{body}</table>"
    st.html(f"<div style='{TABLE}' tabindex='0'>{drawn}</div>")


def _asked(record: RunRecord) -> None:
    """Draw what was asked: stages, data, settings, versions."""
    with st.expander(say("Settings, data and versions")):
        if record.planned:
            st.caption(say("Stages of the training"))
            stages = [stage.to_json() for stage in record.planned]
            table(list(stages[0]), [[_shown(value) for value in stage.values()] for stage in stages])
        if record.data:
            st.caption(say("Data"))
            st.json(dict(record.data), expanded=True)
        if record.settings:
            st.caption(say("Settings"))
            st.json(dict(record.settings), expanded=False)
        if record.versions:
            said = " · ".join(f"{name} {value}" for name, value in record.versions.items())
            st.html(f"<p>{html.escape(say('Made with {versions}', versions=said))}</p>")


def _look_into(record: RunRecord) -> None:
    from interp.explorer.pages import PAGES  # this page is one of them

    wanted = PAGE_OF.get(record.recipe, "inside")
    page = next((page for page in PAGES if page.name == wanted), None)
    if page is None:
        return
    st.button(
        say("Look into it: {page}", page=say(page.title)),
        type="primary",
        icon=page.icon,
        key="training_look",
        on_click=_choose,
        args=(str(record.folder),),
    )
    if st.session_state.pop("_training_go", False):
        # A page is known by its address, so this one stands for that of the menu.
        st.switch_page(st.Page(lambda: None, title=page.title, url_path=page.name))


def _choose(folder: str) -> None:
    trained.clear()  # it may have been finished a moment ago
    st.session_state["model"] = folder
    st.session_state["class"] = None
    st.session_state["_training_go"] = True


PAGE = Page(
    "training",
    "Training",
    ":material/show_chart:",
    "How a network came to be what it is: what it learned from, whether it got better, "
    "where it is still wrong.",
    draw,
    (),
)
