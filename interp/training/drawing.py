"""The figures that every recipe leaves in its run's folder; the views draw, this brings them their arrays."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from interp import views
from interp.images import Preprocess
from interp.training.learners import RateSearch
from interp.training.loaders import Augmentation
from interp.training.run import Run

Picture = NDArray[np.uint8]
_SHOWN = 12
_PLACE = ("epoch", "stage", "seconds")


def to_picture(values: torch.Tensor, preprocess: Preprocess) -> Picture:
    """Return a normalised `(3, H, W)` tensor as 8-bit `(H, W, 3)`."""
    shown = preprocess.inverse(values.detach().cpu()).mul(255).round().byte()
    return np.ascontiguousarray(shown.permute(1, 2, 0).numpy())


def draw_curves(run: Run) -> None:
    """Draw losses, metrics, learning rate and momentum of the run so far."""
    rows = run.at.rows
    names = dict.fromkeys(key for row in rows for key in row if key not in _PLACE)
    epochs = {name: np.array([row.get(name, np.nan) for row in rows], dtype=float) for name in names}
    steps = {key: np.array(values, dtype=float) for key, values in run.at.steps.items()}
    stages = [(stage, len(list(group))) for stage, group in groupby(str(row["stage"]) for row in rows)]
    run.figure("curves", views.training_curves(steps, epochs, stages))


def draw_rates(run: Run, found: RateSearch) -> Path:
    """Draw what the search for a learning rate saw."""
    figure = views.learning_rate_figure(np.array(found.rates), np.array(found.losses), found.suggestion)
    return run.figure("learning-rate", figure)


def first_batch(loaders: Any, count: int = _SHOWN) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the beginning of a training batch as the network gets it."""
    inputs, targets = loaders.train.one_batch()[:2]
    return inputs[:count].cpu(), targets[:count].cpu()


def draw_augmentations(run: Run, picture: Image.Image, preprocess: Preprocess, chosen: Augmentation) -> None:
    """Draw the same picture under nine random changes for either padding."""
    from dataclasses import replace

    from fastai.data.transforms import IntToFloatTensor
    from fastai.torch_core import TensorImage
    from fasttransform import Pipeline

    pixels = np.array(preprocess.view(picture))
    whole = torch.from_numpy(pixels).permute(2, 0, 1).expand(9, -1, -1, -1)
    rows: list[list[Picture]] = []
    seed = int(torch.randint(2**31, ()))
    for padding in ("zeros", "reflection"):
        torch.manual_seed(seed)  # the same changes in both rows
        steps = [IntToFloatTensor(), *replace(chosen, padding=padding).transforms()]
        changed = Pipeline(steps, split_idx=0)(TensorImage(whole.clone()))
        shown = changed.clamp(0, 1).mul(255).byte().permute(0, 2, 3, 1).numpy()
        rows.append([np.ascontiguousarray(each) for each in shown])
    heading = "One picture under nine augmentations"
    figure = views.picture_grid(rows, row_labels=["padding: zeros", "padding: reflection"], heading=heading)
    run.figure("augmentations", figure)


def rows_of(pictures: Sequence[Any], columns: int) -> list[list[Any]]:
    """Return a sequence in rows of `columns`."""
    return [list(pictures[i : i + columns]) for i in range(0, len(pictures), columns)]
