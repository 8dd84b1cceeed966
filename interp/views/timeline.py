"""The time axis of a training run: stages as bands, steps and epochs at their places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final

import numpy as np

from interp.views.checks import Numbers, ViewError
from interp.views.page import Page
from interp.views.plots import measured
from interp.views.text import font, wrap

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BANDS: Final = ("#F1F4F8", "#FFFFFF")
_STRIPS: Final = ("#D9E2EC", "#EAEEF3")
_EDGE: Final = "#B8C4D0"
_SIZE: Final = 8.0
# A moving mean over more steps hides what happens, over fewer it is as rough as the steps.
_LONGEST_MEAN: Final = 50.0


@dataclass(frozen=True)
class Stages:
    """Stages in order, each with its first and its last epoch.

    Attributes:
        names: one for each stage.
        edges: epochs done before each stage, and after the last one.
    """

    names: tuple[str, ...]
    edges: tuple[int, ...]

    @staticmethod
    def of(stages: Sequence[tuple[str, int]]) -> Stages:
        """The stages that have epochs, from (name, number of epochs).

        Raises:
            ViewError: there is no epoch at all, or a number is below 0.

        Example:
            >>> Stages.of([("head", 1), ("all", 3)]).edges
            (0, 1, 4)
        """
        for index, (name, count) in enumerate(stages):
            if count < 0:
                raise ViewError(f"stages[{index}]: {name!r} has {count} epochs; give 0 or more")
        held = [(name, count) for name, count in stages if count > 0]
        if not held:
            raise ViewError("stages: give at least one stage with at least one epoch")
        edges = accumulate((count for _, count in held), initial=0)
        return Stages(tuple(name for name, _ in held), tuple(edges))

    @property
    def epochs(self) -> int:
        """How many epochs there are in all."""
        return self.edges[-1]

    def ends(self) -> Numbers:
        """Where the values of each epoch stand: at its end."""
        return np.arange(1, self.epochs + 1, dtype=np.float64)

    def captions(self, width: float) -> tuple[list[str], str]:
        """What stands in each band, over `width` points, and one line that explains numbers."""
        room = [width * (b - a) / self.epochs - 6 for a, b in zip(self.edges, self.edges[1:], strict=False)]
        if all(measured(name, _SIZE) <= free for name, free in zip(self.names, room, strict=True)):
            return list(self.names), ""
        numbers = [str(index) for index in range(1, len(self.names) + 1)]
        shown = [n if measured(n, _SIZE) <= free + 4 else "" for n, free in zip(numbers, room, strict=True)]
        return shown, "  \N{MIDDLE DOT}  ".join(map(" ".join, zip(numbers, self.names, strict=True)))

    def explained(self, width: float) -> list[str]:
        """Lines under a figure that say which number is which stage; none where names fit."""
        return wrap(self.captions(width)[1], font(round(_SIZE * 10)), width * 10, 4)

    def strip(self, page: Page, left: float, top: float, width: float, height: float) -> None:
        """The bands' names above a plot."""
        axes = page.axes(left, top, width, height)
        axes.set_axis_off()
        axes.set_xlim(0, self.epochs)
        captions, _ = self.captions(width)
        for index, caption in enumerate(captions):
            start, end = self.edges[index : index + 2]
            axes.axvspan(start, end, color=_STRIPS[index % 2], linewidth=0)
            x = left + width * (start + end) / 2 / self.epochs
            room = width * (end - start) / self.epochs
            page.text(x, top + height / 2, caption, _SIZE, room, across="center")

    def shade(self, axes: Axes, numbers: int = 10) -> None:
        """Bands behind a plot, lines between them, and at most so many epochs along its axis."""
        for index, (start, end) in enumerate(zip(self.edges, self.edges[1:], strict=False)):
            axes.axvspan(start, end, color=_BANDS[index % 2], linewidth=0, zorder=0)
            if index:
                axes.axvline(start, color=_EDGE, linewidth=0.7, zorder=0.5)
        step = next(
            s * 10**ten for ten in range(9) for s in (1, 2, 5) if self.epochs / (s * 10**ten) <= numbers
        )
        axes.set_xlim(0, self.epochs)
        axes.set_xticks(range(0, self.epochs + 1, step))


def step_places(count: int, epoch: Numbers | None, epochs: int) -> Numbers:
    """Where each optimiser step stands on the axis of epochs.

    Args:
        count: of steps.
        epoch: for each step the epochs that were done before it, or None: all epochs had as many.
        epochs: of the whole run.

    Returns:
        float64 (count,): the steps of an epoch fill it evenly, the last one at its end.

    Raises:
        ViewError: `epoch` falls, or has values that are not finite or not of this run.

    Example:
        >>> step_places(4, None, 2).tolist()
        [0.5, 1.0, 1.5, 2.0]
        >>> step_places(3, np.array([0.0, 0.0, 1.0]), 2).tolist()
        [0.5, 1.0, 2.0]
    """
    if epoch is None:
        return np.arange(1, count + 1, dtype=np.float64) * (epochs / max(count, 1))
    whole = np.floor(epoch)
    inside = np.isfinite(whole).all() and (whole >= 0).all() and (whole < epochs).all()
    if not inside or (np.diff(whole) < 0).any():
        raise ViewError(f"steps['epoch']: give numbers from 0 to below {epochs} that never fall")
    _, first, member, sizes = np.unique(whole, return_index=True, return_inverse=True, return_counts=True)
    rank = np.arange(1, count + 1) - first[member]
    return np.asarray(whole + rank / sizes[member], dtype=np.float64)


def smoothed(values: Numbers) -> Numbers:
    """A moving mean that forgets: `m_t = b * m_(t-1) + (1 - b) * v_t`, over `1 - b^t`.

    `b` is 0.98, as fastai has it, and less for fewer than 2500 steps. NaN is left out and stays NaN.

    Args:
        values: one for each step.

    Returns:
        float64, of the same length.

    Example:
        >>> smoothed(np.array([1.0, float("nan"), 3.0])).tolist()
        [1.0, nan, 3.0]
    """
    beta = 1 - 1 / min(max(len(values) / 50, 1.0), _LONGEST_MEAN)
    result = np.full(len(values), np.nan)
    mean, weight = 0.0, 0.0
    for index in np.flatnonzero(np.isfinite(values)):
        mean = beta * mean + (1 - beta) * float(values[index])
        weight = beta * weight + (1 - beta)
        result[index] = mean / weight
    return result
