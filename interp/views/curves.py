"""How a training went: losses, metrics, learning rate and momentum over the epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from interp.views.checks import Numbers, ViewError, as_numbers, same_length
from interp.views.page import FAMILY, Page, ink
from interp.views.plots import BLUE, GREEN, LINE, PURPLE, VERMILLION, even_ticks, log_ticks, plot, put
from interp.views.scale import number
from interp.views.text import MUTED
from interp.views.timeline import Stages, smoothed, step_places

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH: Final = 760.0
_LEFT: Final = 50.0
_INNER: Final = _WIDTH - _LEFT - 16
_MARGIN: Final = 12.0
_GAP: Final = 46.0
_LOSS_HIGH: Final = 185.0
_SMALL_HIGH: Final = 78.0
# Under a plot: its numbers, and room before the next title.
_UNDER: Final = 26.0
_TITLE: Final = 17.0


@dataclass(frozen=True)
class _Run:
    """The columns of a run, checked; `at` is where its steps stand on the axis of epochs."""

    stages: Stages
    at: Numbers
    steps: dict[str, Numbers]
    epochs: dict[str, Numbers]


def training_curves(
    steps: Mapping[str, npt.ArrayLike],
    epochs: Mapping[str, npt.ArrayLike],
    stages: Sequence[tuple[str, int]],
) -> Figure:
    """How a training went, over its epochs, with its stages as bands.

    The loss of the steps is drawn faint, and as a moving mean (`smoothed`); what explodes is cut off
    so that the rest can be seen. Each metric has a plot of its own with its last value beside its name.
    NaN is not drawn.

    Args:
        steps: columns of one value for each optimiser step: `loss`, and where known `lr` and
            `momentum`, drawn, and `epoch`, the epochs done before the step; without it all epochs
            are taken to have as many steps. Others are not drawn.
        epochs: columns of one value for each epoch: `train_loss`, `valid_loss`, and any metrics.
        stages: (name, number of epochs), in order.

    Returns:
        A figure of its own; no window and no global state of matplotlib knows it.

    Raises:
        ViewError: there is no epoch, or a column is not as long as the others or not of numbers.

    Example:
        >>> steps = {"loss": [2.0, 1.0, 0.5, 0.4], "lr": [1e-3] * 4, "momentum": [0.9] * 4}
        >>> epochs = {"valid_loss": [1.1, 0.6], "accuracy": [0.5, 0.8]}
        >>> len(training_curves(steps, epochs, [("head", 1), ("all", 1)]).axes) > 3
        True
    """
    run = _checked(steps, epochs, stages)
    groups = _metric_groups(run.epochs)
    columns = _columns([len(names) for _, names in groups])
    plans = [name for name in ("lr", "momentum") if np.isfinite(run.steps.get(name, np.empty(0))).any()]
    rows = [(heading, math.ceil(len(names) / columns)) for heading, names in groups]
    explained = run.stages.explained(_INNER)

    row_high = _TITLE + _SMALL_HIGH + _UNDER
    high = _MARGIN + _TITLE + 15 + _LOSS_HIGH + _UNDER + 14
    high += sum((18 if heading else 0) + count * row_high for heading, count in rows)
    high += (row_high + 10 if plans else 0) + 12 * len(explained)
    page = Page(_WIDTH, high + 2)
    top = _draw_loss(page, run)
    for (heading, names), (_, count) in zip(groups, rows, strict=True):
        if heading:
            page.text(_LEFT, top + 6, heading, 8.5, _INNER, muted=True)
            top += 18
        for index, name in enumerate(names):
            row, place = divmod(index, columns)
            _draw_metric(page, run, name, _cell(place, columns), top + row * row_high)
        top += count * row_high
    for index, name in enumerate(plans):
        _draw_plan(page, run, name, _cell(index, 2), top)
    top += row_high + 10 if plans else 0
    for index, line in enumerate(explained):
        page.text(_LEFT, top + 12 * index, line, 8, _INNER, muted=True)
    return page.figure


def _checked(
    steps: Mapping[str, npt.ArrayLike],
    epochs: Mapping[str, npt.ArrayLike],
    stages: Sequence[tuple[str, int]],
) -> _Run:
    order = Stages.of(stages)
    if "loss" not in steps:
        raise ViewError("steps: give a column 'loss', one value for each optimiser step")
    by_step = {name: as_numbers(values, f"steps[{name!r}]") for name, values in steps.items()}
    count = len(by_step["loss"])
    for name, values in by_step.items():
        same_length(f"steps[{name!r}]", len(values), count, "values of steps['loss']")
    by_epoch = {name: as_numbers(values, f"epochs[{name!r}]") for name, values in epochs.items()}
    for name, values in by_epoch.items():
        same_length(f"epochs[{name!r}]", len(values), order.epochs, "epochs of the stages")
    return _Run(order, step_places(count, by_step.get("epoch"), order.epochs), by_step, by_epoch)


def _metric_groups(epochs: Mapping[str, Numbers]) -> list[tuple[str, list[str]]]:
    """Metrics from 0 to 1 first, then the others; `feat_0` and `feat_1` are never parted."""
    names = [name for name in epochs if name not in ("train_loss", "valid_loss")]
    family = {name: name.rstrip("0123456789").rstrip("_") for name in names}
    wide = {family[name] for name in names if not _in_unit(epochs[name])}
    unit = [name for name in names if family[name] not in wide]
    other = [name for name in names if family[name] in wide]
    if not (unit and other):
        return [("", names)] if names else []
    return [("metrics from 0 to 1", unit), ("metrics of other ranges", other)]


def _columns(counts: list[int]) -> int:
    """Three or four plots beside each other: the fewer rows, then the fewer empty places."""
    return min((3, 4), key=lambda beside: (sum(math.ceil(n / beside) for n in counts), beside))


def _in_unit(values: Numbers) -> bool:
    finite = values[np.isfinite(values)]
    return bool(finite.size and finite.min() >= 0 and finite.max() <= 1)


def _cell(index: int, columns: int) -> tuple[float, float]:
    """(left, width) of one of several plots beside each other."""
    width = (_INNER - (columns - 1) * _GAP) / columns
    return _LEFT + index * (width + _GAP), width


def _draw_loss(page: Page, run: _Run) -> float:
    """The large plot; returns where the next thing may begin."""
    loss = run.steps["loss"]
    mean, valid = smoothed(loss), run.epochs.get("valid_loss", np.empty(0))
    bad = len(loss) - int(np.isfinite(loss).sum())
    note = f"{bad} of {len(loss)} steps have no finite loss" if bad else ""
    page.text(_LEFT, _MARGIN + 6, "loss", 10, 60, bold=True)
    page.text(_LEFT + 40, _MARGIN + 6, note, 8, 300, muted=True)
    top = _MARGIN + _TITLE
    run.stages.strip(page, _LEFT, top, _INNER, 14)
    axes = plot(page, _LEFT, top + 15, _INNER, _LOSS_HIGH)
    run.stages.shade(axes, 20)
    if len(loss) and np.array_equal(mean, loss, equal_nan=True):
        _line(axes, run.at, loss, BLUE, "training, each step")
    elif len(loss):
        axes.plot(run.at, loss, color=BLUE, alpha=0.25, linewidth=0.6, label="training, each step")
        _line(axes, run.at, mean, BLUE, "training, moving mean")
    elif "train_loss" in run.epochs:
        _dots(axes, run, run.epochs["train_loss"], BLUE, "training")
    if valid.size:
        _dots(axes, run, valid, VERMILLION, "validation")
    drawn = mean if len(loss) else run.epochs.get("train_loss", mean)
    _limit_loss(axes, np.concatenate([drawn, valid]), loss)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(
            loc="lower right",
            bbox_to_anchor=(1.0, 1.0 + 13 / _LOSS_HIGH),
            ncols=3,
            frameon=False,
            borderaxespad=0.2,
            prop={"family": FAMILY, "size": 8},
        )
    return _epochs_under(page, top + 15 + _LOSS_HIGH, _LEFT, _INNER) + 14


def _limit_loss(axes: Axes, drawn: Numbers, raw: Numbers) -> None:
    """All of the means, and of the steps what is no outlier; logarithmic where that spans decades."""
    drawn, raw = drawn[np.isfinite(drawn)], raw[np.isfinite(raw)]
    if not drawn.size:
        _nothing(axes)
        return
    # Means that run away at the end would hide the rest as surely as single steps do.
    top = min(float(drawn.max()), 40 * float(np.median(np.abs(drawn))) or math.inf)
    low = float(drawn.min())
    if low > 0 and top / low > 60:
        log_ticks(axes, "y", low / 1.5, top * 1.5)
        return
    if raw.size:
        top = min(max(top, float(np.percentile(raw, 99.5))), 2.5 * top)
        low = min(low, float(np.percentile(raw, 0.5)))
    even_ticks(axes, *_padded(low, top), 5)


def _draw_metric(page: Page, run: _Run, name: str, place: tuple[float, float], top: float) -> None:
    values, (left, width) = run.epochs[name], place
    finite = values[np.isfinite(values)]
    last = number(float(finite[-1])) if finite.size else ""
    page.text(left, top + 6, name, 8.5, width - 52, bold=True)
    page.text(left + width, top + 6, last, 8.5, 50, across="right")
    axes = plot(page, left, top + _TITLE, width, _SMALL_HIGH, 7)
    run.stages.shade(axes, 5)
    if not finite.size:
        _nothing(axes)
        return
    _dots(axes, run, values, GREEN, name, small=True)
    low, high = _padded(float(finite.min()), float(finite.max()))
    if _in_unit(values):
        # Points may touch 0 and 1, but no number beyond them is written.
        low, high = max(low, -0.04), min(high, 1.04)
    even_ticks(axes, low, high, 3)


def _draw_plan(page: Page, run: _Run, name: str, place: tuple[float, float], top: float) -> None:
    """The learning rate or the momentum, as it was planned."""
    values, (left, width) = run.steps[name].copy(), place
    title = "learning rate" if name == "lr" else name
    page.text(left, top + 6, title, 8.5, width, bold=True)
    axes = plot(page, left, top + _TITLE, width, _SMALL_HIGH, 7)
    run.stages.shade(axes, 10)
    if name == "lr":
        values[values <= 0] = np.nan
    finite = values[np.isfinite(values)]
    if finite.size:
        _line(axes, run.at, values, PURPLE if name == "momentum" else LINE)
        low, high = float(finite.min()), float(finite.max())
        if name == "lr":
            # One cycle ends so near to 0 that the rest would be a flat line.
            log_ticks(axes, "y", max(low, high * 1e-5) / 1.5, high * 1.5)
        else:
            even_ticks(axes, *_padded(low, high), 3)
    else:
        _nothing(axes)
    _epochs_under(page, top + _TITLE + _SMALL_HIGH, left, width)


def _line(axes: Axes, at: Numbers, values: Numbers, colour: str, label: str = "") -> None:
    """A line through the steps; a run of very few has no line, so it gets points."""
    few = len(values) < 4
    marker = "o" if few else ""
    axes.plot(
        at, values, color=colour, linewidth=1.5, marker=marker, markersize=3, label=label, clip_on=not few
    )


def _dots(axes: Axes, run: _Run, values: Numbers, colour: str, label: str, *, small: bool = False) -> None:
    """One point an epoch, joined; where an epoch has none the line is broken."""
    size = min(max((100 if small else 300) / run.stages.epochs, 1.4), 3.5 if small else 4.5)
    axes.plot(
        run.stages.ends(),
        values,
        color=colour,
        linewidth=1.2,
        marker="o",
        markersize=size,
        label=label,
        clip_on=False,
        zorder=3,
    )


def _padded(low: float, high: float) -> tuple[float, float]:
    """Limits with some air; a flat curve lies in their middle."""
    air = 0.07 * (high - low)
    if air <= 1e-9 * max(abs(low), abs(high)):
        air = 0.05 * max(abs(low), abs(high)) or 0.5
    return low - air, high + air


def _nothing(axes: Axes) -> None:
    axes.set_yticks([])
    put(axes, 0.5, 0.5, "no values", 8, transform=axes.transAxes, ha="center", va="center", color=ink(MUTED))


def _epochs_under(page: Page, bottom: float, left: float, width: float) -> float:
    page.text(left + width, bottom + 20, "epoch", 8, 40, across="right", muted=True)
    return bottom + _UNDER
