"""Several runs side by side: one metric of all of them over the epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from interp.explorer import links
from interp.explorer.figures import as_png_bytes, scrolled
from interp.explorer.sentences import told_on_page
from interp.explorer.taking import Download, offer
from interp.explorer.words import say
from interp.training import good_when
from interp.views import number, runs_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from interp.training import RunRecord

MOST = 10


@st.fragment
def draw_comparison(record: RunRecord, records: Mapping[str, RunRecord]) -> None:
    """Draw a metric of this run and others that have it."""
    with told_on_page():
        _compared(record, records)


def _compared(record: RunRecord, records: Mapping[str, RunRecord]) -> None:
    others = [name for name, each in records.items() if each is not record and _shared([record, each])]
    if not others:
        return
    st.subheader(say("Which run is better?"), anchor=False)
    alike = [name for name in others if records[name].recipe == record.recipe]
    links.remember("training_with", alike[: MOST - 1], others)
    # A link may name more than the list lets people choose, or one of them twice.
    state = st.session_state
    state["training_with"] = list(dict.fromkeys(state["training_with"]))[: MOST - 1]
    first, second = st.columns([2, 1])
    first.multiselect(
        say("Compare with"),
        others,
        key="training_with",
        max_selections=MOST - 1,
        persist_state="session",
        placeholder=say("other runs"),
    )
    chosen = [record, *(records[name] for name in state["training_with"])]
    metrics = _shared(chosen)
    if len(chosen) == 1:
        st.caption(say("Choose another run to see both in one plot."))
        links.publish()
        return
    if not metrics:
        st.info(say("These runs have no metric in common; take away one."))
        links.publish()
        return
    default = record.best.metric if record.best and record.best.metric in metrics else metrics[-1]
    links.remember("training_metric", default, metrics)
    second.selectbox(say("Metric"), metrics, key="training_metric", persist_state="session")
    metric = state["training_metric"]
    drawn = as_png_bytes(comparison(chosen, metric))
    scrolled("comparison", drawn, _in_words(chosen, metric))
    file = Download(say("Comparison (PNG)"), f"{metric}.png", "image/png", lambda: drawn)
    offer(file, "training_compared")
    links.publish()


def comparison(chosen: list[RunRecord], metric: str) -> Figure:
    """Return one metric of several runs in one plot."""
    curves = {each.folder.name: each.epochs[metric] for each in chosen}
    return runs_figure(curves, metric=metric, good=good_when(metric))


def _shared(chosen: list[RunRecord]) -> list[str]:
    """Return the metrics that all of them have, in the order of the first."""
    return [name for name in chosen[0].metrics if all(name in each.metrics for each in chosen)]


def _in_words(chosen: list[RunRecord], metric: str) -> str:
    last = ", ".join(
        f"{each.folder.name} {number(float(values[np.isfinite(values)][-1]))}"
        for each in chosen
        for values in [each.epochs[metric]]
    )
    return say(
        "{metric} of {count} runs over the epochs. Last values: {last}.",
        metric=metric,
        count=len(chosen),
        last=last,
    )
