"""The figures that a run has drawn, each with what it says."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from interp.explorer import links
from interp.explorer.figures import scrolled
from interp.explorer.words import plain, say, told
from interp.images import ImageError, Limits, open_image

if TYPE_CHECKING:
    from interp.training import RunRecord

LIMITS = Limits(pixels=60_000_000)
CAPTIONS = {
    "batch": "A batch as the network gets it while it learns: {what}",
    "augmentations": "One picture under nine random changes, with black or with mirrored edges. "
    "The network learns not to mind them.",
    "confusion": "Rows: what a picture is. Columns: what the network says. "
    "Beside the diagonal are its mistakes.",
    "top-losses": "The validation pictures that it found hardest, with the heat map of what it looked at.",
    "iou": "How well each class is found: the overlap of prediction and truth, as a share of both together. "
    "The line is the mean.",
    "learning-rate": "The loss while the learning rate rose from step to step. "
    "The suggestion is the middle of the longest descent.",
}
BATCHES = {
    "classifier": "pictures with their classes, changed at random.",
    "segmentation": "pictures with their masks, changed alike at random.",
    "superres": "poor pictures above, the good ones that it should make of them below.",
    "gan": "poor pictures above, the good ones that it should make of them below.",
}
RESULTS = {
    "classifier": "Validation pictures with what they are and what the network says.",
    "segmentation": "Validation pictures, their masks, what the network says, and where it is wrong.",
    "superres": "Validation pictures: what it got, what it made of it, what it should be.",
    "gan": "Validation pictures: what it got, what it made of it, what it should be.",
}


def draw_figures(record: RunRecord) -> None:
    """Draw the figures in the order of a training: data, results, mistakes."""
    figures = {path.stem: path for path in record.figures if path.stem != "curves"}
    learned = [name for name in figures if name in ("batch", "augmentations") or name.startswith("real-")]
    wrong = [name for name in ("top-losses", "confusion", "iou") if name in figures]
    results = [name for name in figures if name.startswith("predictions-")]
    samples = [name for name in figures if re.fullmatch(r"samples-\d+", name)]
    rates = [name for name in ("learning-rate",) if name in figures]
    others = [name for name in figures if name not in {*learned, *wrong, *results, *samples, *rates}]
    _section(say("Which learning rate?"), record, figures, rates)
    _section(say("What did it learn from?"), record, figures, learned)
    if results:
        st.subheader(say("What does it make of pictures that it never saw?"), anchor=False)
        _chosen(record, figures, results, "training_result", say("After which stage"), _stage)
    if samples:
        st.subheader(say("What does it make of noise?"), anchor=False)
        _chosen(record, figures, samples, "training_sample", say("After which epoch"), _epoch)
    _section(say("Where is it wrong?"), record, figures, wrong)
    _section(say("More figures"), record, figures, others)


def _section(title: str, record: RunRecord, figures: dict[str, Path], names: Sequence[str]) -> None:
    if names:
        st.subheader(title, anchor=False)
    for name in names:
        show_file(figures[name], caption(record.recipe, name))


def _chosen(
    record: RunRecord,
    figures: dict[str, Path],
    names: Sequence[str],
    key: str,
    label: str,
    titled: Callable[[str], str],
) -> None:
    """Draw one of several figures of a kind, the last one at first."""
    links.remember(key, names[-1], names)
    if len(names) > 1:
        st.select_slider(
            label, names, key=key, format_func=lambda name: plain(titled(name)), persist_state="session"
        )
    name: str = st.session_state[key]
    words = caption(record.recipe, name)
    show_file(figures[name], f"{titled(name)}. {words}")


def _stage(name: str) -> str:
    number, _, stage = name.removeprefix("predictions-").partition("-")
    if number == "0":
        return say("Before the training")
    return say("After stage {name}", name=stage or number)


def _epoch(name: str) -> str:
    return say("Epoch {number}", number=int(name.removeprefix("samples-")))


def caption(recipe: str, name: str) -> str:
    """Return what a figure of a run shows."""
    if name == "batch":
        what = BATCHES.get(recipe, "pictures.")
        return say("A batch as the network gets it while it learns: {what}", what=say(what))
    if name.startswith("predictions-"):
        about = RESULTS.get(recipe, "Validation pictures.")
        return say(about)
    if name.startswith("samples-"):
        return say("Pictures that the generator made of the same noise each time.")
    if name.startswith("real-"):
        return say("Real pictures of the folder, as the critic sees them.")
    words = CAPTIONS.get(name)
    return say(words) if words else name


def show_file(path: Path, words: str) -> None:
    """Draw a figure's file with its caption, or say why it cannot be read."""
    try:
        data = _checked(path, path.stat().st_mtime_ns)
    except (ImageError, OSError) as error:
        st.warning(plain(told(error)))
        return
    scrolled(f"figure-{path.stem}", data, words)
    st.caption(plain(words))


@st.cache_data(max_entries=48, show_spinner=False)
def _checked(path: Path, written: int) -> bytes:
    open_image(path, limits=LIMITS)
    return path.read_bytes()
