"""Rows of a report that no network has made: numbers that a test knows, pictures of a few pixels."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

import interp
from interp.models import Prediction
from interp.report.pipeline import Job
from interp.report.rows import ClassMap, Row

ABOUT = {"model": {"weights_sha256": "0" * 64}, "versions": {}}
SIZE = (40, 30)


@cache
def model():
    return interp.load()


def job(folder: Path, **options) -> Job:
    return Job(model(), folder, options.pop("panels", folder), None, "grad-cam", "bn2", 1, **options)


@cache
def thumbnail() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", SIZE, (90, 120, 150)).save(buffer, "JPEG")
    return buffer.getvalue()


def row(number: int, *, truth: bool = True, file: str | None = None) -> Row:
    """Return picture `number`: it is class `number % 7`, predicted with `(number % 100) / 100`.

    Every tenth is predicted one class too high, so it is wrong; numbers that end in 99 could not be read.
    The second map is that of class 500.
    """
    file = file or f"folder {number // 100:03}/picture {number:05}.jpg"
    if number % 100 == 99:
        return Row(file, "it seems to be text.")
    names, sure = model().labels, number % 100 / 100
    first = number % 7 + (number % 10 == 0)
    values = np.linspace(0, 1 + number % 5, 6, dtype=np.float32).reshape(2, 3)
    return Row(
        file,
        size=SIZE,
        box=(5.0, 0.0, 35.0, 30.0),
        prediction=(Prediction(first, names[first], sure), Prediction(600, names[600], sure / 2)),
        maps=(
            ClassMap(names[first], first, sure, 1.0, values),
            ClassMap(names[500], 500, sure / 4, 0.5, values[::-1].copy()),
        ),
        thumbnail=thumbnail(),
        truth=number % 7 if truth else None,
    )


def rows(count: int, **options) -> Iterator[Row]:
    return (row(number, **options) for number in range(count))
