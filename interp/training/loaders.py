"""fastai's data loaders over samples, with the course's augmentation and the model's own statistics."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import torch
from fastai.data.core import DataLoaders, TfmdDL
from fastai.data.transforms import IntToFloatTensor, Normalize
from fastai.vision.augment import aug_transforms

from interp.images import Preprocess
from interp.training.samples import Samples, Source
from interp.training.stages import TrainingError

Padding = Literal["zeros", "reflection", "border"]


@dataclass(frozen=True)
class Augmentation:
    """Random changes of training pictures, in fastai's terms; the defaults are fastai's own.

    Args:
        rotate: degrees at most, either way.
        zoom: magnification at most.
        lighting: strength of brightness and contrast changes, 0 … 1.
        warp: strength of the perspective warp, 0 … 1.
        chance: that each of them happens.
        flip: whether to mirror left and right half of the time.
        padding: what lies outside the picture.
    """

    rotate: float = 10.0
    zoom: float = 1.1
    lighting: float = 0.2
    warp: float = 0.2
    chance: float = 0.75
    flip: bool = True
    padding: Padding = "reflection"

    def __post_init__(self) -> None:
        if self.padding not in get_args(Padding):
            raise TrainingError(f"padding={self.padding!r}: give zeros, reflection or border.")

    def transforms(self) -> list[Any]:
        """Return fastai's batch transforms."""
        made: list[Any] = aug_transforms(
            max_rotate=self.rotate,
            max_zoom=self.zoom,
            max_lighting=self.lighting,
            max_warp=self.warp,
            p_affine=self.chance,
            p_lighting=self.chance,
            do_flip=self.flip,
            pad_mode=self.padding,
        )
        return made

    def to_json(self) -> dict[str, Any]:
        """Return plain values; `Augmentation(**values)` is the same."""
        return asdict(self)


COURSE_AUGMENTATION = Augmentation(rotate=20, zoom=1.3, lighting=0.4, warp=0.4, chance=1.0)
"""The course's values for pets."""

MIRRORED = Augmentation(rotate=0, zoom=1, lighting=0, warp=0, chance=0)
"""Only left and right, half of the time."""


def data_loaders(
    source: Source,
    splits: tuple[Sequence[int], Sequence[int]],
    *,
    batch: int,
    preprocess: Preprocess,
    augmentation: Augmentation,
    seed: int,
    workers: int | None = None,
    device: torch.device | None = None,
) -> Any:
    """Return fastai `DataLoaders`: augmented training batches, plain validation batches, both normalised.

    Args:
        source: of the samples.
        splits: numbers of the training samples and of the validation samples.
        batch: samples in a step; the last, smaller training batch is dropped, unless it is the only one.
        preprocess: gives mean and standard deviation.
        augmentation: of the training pictures, on the device, a whole batch at once.
        seed: for random crops.
        workers: processes that decode; default none where the pictures are kept in memory.
        device: of the batches.

    Raises:
        TrainingError: there is one training sample.
    """
    train, valid = splits
    if len(train) < 2:  # batch norms cannot learn from one
        raise TrainingError("there is only one picture to train on; give two at least.")
    on = device or torch.device("cpu")
    norm = Normalize.from_stats(list(preprocess.mean), list(preprocess.std), cuda=on.type == "cuda")
    common: dict[str, Any] = {
        "num_workers": workers_for(source) if workers is None else workers,
        "device": on,
    }
    return DataLoaders(
        TfmdDL(
            Samples(source, train, training=True, seed=seed),
            bs=min(batch, len(train)),
            shuffle=True,
            drop_last=True,
            after_batch=[IntToFloatTensor(), *augmentation.transforms(), norm],
            **common,
        ),
        TfmdDL(
            Samples(source, valid, training=False, seed=seed),
            bs=min(batch, len(valid)),
            after_batch=[IntToFloatTensor(), norm],
            **common,
        ),
        device=on,
    )


def workers_for(source: Source) -> int:
    """Return 0 where every picture is kept in memory, else a process for each core, at most 8."""
    stores = [store for store in vars(source).values() if hasattr(store, "keeps")]
    return 0 if all(store.keeps for store in stores) else min(8, os.cpu_count() or 1)
