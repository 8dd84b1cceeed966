"""What a card of a report's page shows: names, numbers, a small picture, and maps as text."""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from interp.explanation import drawn_share
from interp.methods import Method
from interp.metrics.trusting import WORDS
from interp.models import Labels
from interp.report.rows import ClassMap, Row
from interp.views import Scale, normalise, number

FINE, ROUGH = 64 * 64, 32 * 32
"""Maps of more values travel as the numbers of their colours: in a page of few pictures, and of many."""


def card(row: Row, name: str, method: Method, labels: Labels, most_values: int) -> dict[str, Any]:
    """Return what the page needs to draw one picture, as plain values.

    Args:
        row: the picture.
        name: what people call its file.
        method: that made its maps.
        labels: of the model, to name the true class.
        most_values: maps of more travel as the numbers of their colours, a byte each; the raw ones are
            in `maps.parquet`.
    """
    if row.error is not None:
        return {"file": name, "error": row.error}
    trust = row.maps[0].trust if row.maps else None
    return {
        "file": name,
        "size": row.size,
        "box": [round(edge, 3) for edge in row.box],
        "panel": row.panel,
        "thumbnail": base64.b64encode(row.thumbnail).decode(),
        "prediction": [[known.name, _finite(known.probability)] for known in row.prediction],
        "truth": None if row.truth is None else labels[row.truth],
        "trust": None if trust is None else [trust, _said(trust), row.maps[0].reasons],
        "maps": [_map(found, method, most_values) for found in row.maps],
    }


def _said(level: str) -> str:
    return next((words for known, words in WORDS.items() if known == level), level)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _map(found: ClassMap, method: Method, most_values: int) -> dict[str, Any]:
    scale = Scale.of(found.values, method.display, share=drawn_share(method))
    rounded = found.values.size > most_values
    values, unit = _rounded(found.values, scale) if rounded else _halves(found.values)
    return {
        "target": found.target,
        "probability": _finite(found.probability),
        "score": _finite(found.score),
        "height": found.values.shape[0],
        "width": found.values.shape[1],
        "values": base64.b64encode(values).decode(),
        "rounded": rounded,
        "unit": unit,
        "low": scale.low if math.isfinite(scale.low) else 0.0,
        "high": scale.high if math.isfinite(scale.high) else 0.0,
        "ends": [scale.ends[0], number((scale.low + scale.high) / 2), scale.ends[1]],
        "verdict": scale.verdict,
    }


def _rounded(values: npt.NDArray[np.float32], scale: Scale) -> tuple[bytes, float]:
    """Return the places of the values between the ends of the scale, as bytes."""
    return np.rint(255 * normalise(values, scale)).astype(np.uint8).tobytes(), 1.0


def _halves(values: npt.NDArray[np.float32]) -> tuple[bytes, float]:
    """Return the values as halves, which keep the digits that are shown, and what they were divided by.

    Values of gradients are far below what halves can hold; divided by a power of two they keep eleven bits.
    """
    largest = float(np.abs(values[np.isfinite(values)]).max(initial=0))
    unit = 2.0 ** math.floor(math.log2(largest)) if largest else 1.0
    return (values.astype(np.float64) / unit).astype("<f2").tobytes(), unit
