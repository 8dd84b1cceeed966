"""The other checks of *Trust*: what each found, between its limits, and what it cannot tell."""

from __future__ import annotations

import html
import math

import numpy as np
import numpy.typing as npt
import streamlit as st

from interp.explanation import Explanation
from interp.explorer import links
from interp.explorer.choosing import duration
from interp.explorer.drawing import corners
from interp.explorer.pages.trust_asked import Case
from interp.explorer.pages.trust_words import ABOUT, GROUPS
from interp.explorer.parts import Picked
from interp.explorer.words import say, told
from interp.explorer.working import Meter, at_once, job
from interp.metrics import KINDS, Measured, Metric, measure, metrics
from interp.progress import Progress
from interp.sentences import is_sentence
from interp.views import number

TRUTH = "truth"
# In forward passes: what nobody need be asked before it is done.
QUICK = 8
_ELSEWHERE = ("deletion", "insertion", "randomisation", "displaced")
"""Shown on the page in other ways."""


def checks(case: Case) -> dict[str, Measured]:
    """Draw what all checks found, and return it by the metrics' names."""
    st.subheader(say("Other checks"))
    quick, slow = _offered(case)
    found = at_once(
        "trust-checks", case.key, lambda meter: _measured(case, quick, meter), title=say("Checking …")
    )
    found |= _placed(case)
    groups = st.container()
    more = job(
        "trust-more",
        case.key,
        lambda meter: _measured(case, slow, meter),
        button=say("Make the slow checks, too"),
        about=_about(case, slow),
    )
    found |= more or {}
    with groups:
        _draw(found)
    return found


def choose_truth(case: Case) -> Picked | None:
    """Return the box in which the class lies, as somebody drew it over this picture, or the link says."""
    before = st.session_state.get("_truth_of")
    st.session_state["_truth_of"] = case.question
    text = links.remember(TRUTH, None)
    if before not in (None, case.question):
        links.carry(TRUTH, None)
        return None
    picked = Picked.read(text)
    return None if picked is None or picked.is_point else picked


def pick_truth(place: Picked) -> None:
    """Take a box that was drawn as the place of the class; a click takes it away."""
    links.carry(TRUTH, None if place.is_point else place.text)


def _offered(case: Case) -> tuple[list[Metric], list[Metric]]:
    """Return the checks that take a moment, and those that take long."""
    fit = [
        metric
        for metric in metrics()
        if not metric.truth and metric.name not in _ELSEWHERE and _fits(metric, case)
    ]
    return [m for m in fit if _cost(m, case) <= QUICK], [m for m in fit if _cost(m, case) > QUICK]


def _fits(metric: Metric, case: Case) -> bool:
    seeded = "seed" in case.method.options
    return case.network.model.task in metric.tasks and (metric.name != "seed-agreement" or seeded)


def _cost(metric: Metric, case: Case) -> float:
    return metric.passes + metric.maps * case.method.passes


def _about(case: Case, asked: list[Metric]) -> str:
    names = " · ".join(_title(metric) for metric in asked)
    return f"{names} · {duration(case.network, sum(_cost(metric, case) for metric in asked))}"


def _measured(case: Case, asked: list[Metric], meter: Meter) -> dict[str, Measured]:
    """Return what the metrics say; where one cannot judge this map, why."""
    found: dict[str, Measured] = {}
    total = sum(_cost(metric, case) + 1 for metric in asked)
    before = 0.0
    for metric in asked:
        cost = _cost(metric, case) + 1

        def tell(done: float, of: float, before: float = before, cost: float = cost) -> None:
            meter(before + cost * done / max(of, 1), total)

        found[metric.name] = _one(case.explanation, metric, tell)
        before += cost
        meter(before, total)
    return found


def _one(
    explanation: Explanation,
    metric: Metric,
    tell: Progress | None,
    truth: npt.NDArray[np.bool_] | None = None,
) -> Measured:
    try:
        return measure(explanation, metric, truth=truth, progress=tell)[metric.name]
    except Exception as error:
        if not is_sentence(error):
            raise
        return Measured(math.nan, note=told(error))


def _placed(case: Case) -> dict[str, Measured]:
    """Return what the checks of the place say, where somebody has drawn where the class is."""
    picked = choose_truth(case)
    if picked is None:
        return {}
    truth = inside(case, picked)
    if not truth.any():
        st.info(say("The box lies outside of what the network sees."))
        return {}
    asked = [metric for metric in metrics() if metric.truth]
    return {metric.name: _one(case.explanation, metric, None, truth) for metric in asked}


def inside(case: Case, picked: Picked) -> npt.NDArray[np.bool_]:
    """Return where on the network's input a box of the picture lies, `(H, W)` bool."""
    left, top, right, bottom = corners(case.shown)
    width, height = case.shown.picture.size
    rows, columns = case.network.model.preprocess.size
    x = (left + (np.arange(columns) + 0.5) / columns * (right - left)) / width
    y = (top + (np.arange(rows) + 0.5) / rows * (bottom - top)) / height
    across = (picked.left <= x) & (x < picked.right)
    return ((picked.top <= y) & (y < picked.bottom))[:, None] & across


def _title(metric: Metric) -> str:
    return say(ABOUT[metric.name][0]) if metric.name in ABOUT else metric.title


def _draw(found: dict[str, Measured]) -> None:
    known = {metric.name: metric for metric in metrics()}
    groups = []
    for kind in KINDS:
        cards = [_card(known[name], each) for name, each in found.items() if known[name].kind == kind]
        if cards:
            head = f"<h4>{_safe(say(GROUPS[kind]))}</h4><div class='interp-checks'>{''.join(cards)}</div>"
            groups.append(f"<section style='flex-grow:{len(cards)};--cards:{len(cards)}'>{head}</section>")
    st.html(f"<div class='interp-groups'>{''.join(groups)}</div>")


def _card(metric: Metric, found: Measured) -> str:
    title = _safe(_title(metric))
    about = _safe(say(ABOUT[metric.name][1])) if metric.name in ABOUT else ""
    if math.isnan(found.value):
        value, bar = "–", f"<p class='why'>{_safe(say(found.note))}</p>"
    else:
        value, bar = _safe(_written(found.value)), _bar(metric, found)
    more = (
        f"<details><summary>{_safe(say('What it cannot tell'))}</summary><p>{_safe(say(metric.silent))}</p>"
        f"<p class='formula'>{_safe(say(metric.title))} · <code>{_safe(say(metric.formula))}</code> · "
        f"{_safe(metric.paper)}</p></details>"
    )
    if found.chance is not None and not math.isnan(found.value):
        value = f"<small>{_safe(say('chance {value}', value=_written(found.chance)))}</small> {value}"
    head = f"<div class='head'><b>{title}</b><span>{value}</span></div>"
    return f"<div class='check'>{head}{bar}<p>{about}</p>{more}</div>"


def _bar(metric: Metric, found: Measured) -> str:
    """Return the value between its limits, with what chance gets and which end is good."""
    low, high = limits(metric, found)
    at = 100 * (found.value - low) / (high - low)
    zero = 100 * (max(low, 0.0) - low) / (high - low)
    left, right = min(at, zero), max(at, zero)
    mark = ""
    if found.chance is not None:
        place = 100 * (found.chance - low) / (high - low)
        mark = f"<i class='chance' style='left:{place:.1f}%'></i>"
    fill = f"<i class='fill' style='left:{left:.1f}%;width:{right - left:.1f}%'></i>"
    dot = f"<i class='dot' style='left:{at:.1f}%'></i>"
    last = _written(high) + (" …" if math.isinf(metric.limits[1]) else "")
    better = {"higher": say("higher is better →"), "lower": say("← lower is better"), "neither": ""}
    ends = f"<span>{_written(low)}</span><span>{_safe(better[metric.better])}</span><span>{last}</span>"
    return f"<div class='bar' aria-hidden='true'>{fill}{mark}{dot}</div><div class='ends'>{ends}</div>"


def limits(metric: Metric, found: Measured) -> tuple[float, float]:
    """Return the ends of a metric's bar; where it has none, far enough for its value."""
    low, high = metric.limits
    if math.isinf(high):
        high = max(1.25, 1.1 * found.value)
    return low, high


def _written(value: float) -> str:
    return f"{value:.2f}".replace("-", "−") if abs(value) < 10 else number(value)


def _safe(text: str) -> str:
    return html.escape(text, quote=True)
