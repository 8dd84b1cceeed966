"""Pictures of a generator before and after its units were changed, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from interp.features.errors import FeatureError
from interp.places import positions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from interp.features.unit_changes import UnitChange


def changes_figure(changes: Sequence[UnitChange], concept: str | None, heading: str) -> Figure:
    """Draw what `UnitChange.figure` draws: a row for each sample, all differences on one scale.

    Raises:
        FeatureError: the changes have not the same samples, or the concept is none of theirs.

    Example:
        >>> changes_figure([ablate_units(found, [7])], "bright", "unit 7")
    """
    from interp.views import Scale, heat, number, outlined, picture_grid

    first = changes[0]
    if any(change.samples != first.samples for change in changes):
        raise FeatureError("changes of other samples cannot be drawn beside each other; give both the same.")
    if concept is not None and concept not in first.areas_after:
        raise FeatureError(f"concept {concept!r}: there are {', '.join(first.areas_after)}.")
    differences = [change.difference for change in changes]
    most = max(float(one.max()) for one in differences)
    scale = Scale(0.0, most or 1.0, "positive")
    rows: list[list[npt.ArrayLike]] = []
    titles = []
    for i, before in enumerate(first.before):
        row: list[npt.ArrayLike] = [before]
        said = [_said(first, i, concept, before=True)]
        for change, difference in zip(changes, differences, strict=True):
            region = positions(change.places[i], before.shape[:2]).numpy()
            after = change.after[i] if region.all() else outlined(change.after[i], region, faded=0)
            row += [after, np.asarray(heat(difference[i], scale, (before.shape[1], before.shape[0])))]
            said += [_said(change, i, concept, before=False), ""]
        rows.append(row)
        titles.append(said)
    columns = ["original", *(word for change in changes for word in (change.done, "difference"))]
    note = f"Difference: mean over the colours, black 0, lightest {number(most)} of 255."
    if concept is not None:
        note += (
            f" Above the pictures: how much of them is {concept}; where there is a line, of what is inside."
        )
    return picture_grid(
        rows,
        titles=titles if concept is not None else None,
        row_labels=[f"sample {place}" for place in first.samples],
        column_labels=columns,
        heading=heading,
        note=note,
    )


def _said(change: UnitChange, sample: int, concept: str | None, *, before: bool) -> str:
    if concept is None:
        return ""
    shares = [f"{100 * areas[concept][sample]:.0f}" for areas in (change.areas_before, change.areas_after)]
    if change.places[sample] == (0.0, 0.0, 1.0, 1.0):
        return f"{shares[0] if before else shares[1]} %"
    return "" if before else f"{shares[0]} \u2192 {shares[1]} %"
