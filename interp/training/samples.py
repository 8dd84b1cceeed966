"""What a data loader asks for: one sample, its random crop a function of (seed, epoch, number)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from fastai.torch_core import TensorBase, TensorCategory, TensorImage, TensorMask

from interp.images.geometry import torchvision_part
from interp.training.randomness import mixed
from interp.training.store import PictureStore


class Source(Protocol):
    """Makes samples; `chance` is `None` for validation, else a seed for what is random in it."""

    def __len__(self) -> int: ...

    def sample(self, index: int, chance: int | None) -> tuple[torch.Tensor, ...]:
        """Return the input and the target of sample `index`."""
        ...


class Samples(torch.utils.data.Dataset[tuple[torch.Tensor, ...]]):
    """Some of a source's samples, for training or validation."""

    n_inp = 1

    def __init__(self, source: Source, indices: Sequence[int], *, training: bool, seed: int) -> None:
        self.source = source
        self.indices = tuple(indices)
        self.split_idx = 0 if training else 1  # fastai: random transforms run on split 0 only
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, ...]:
        index = self.indices[number]
        chance = mixed(self.seed, self.epoch, index) if self.split_idx == 0 else None
        return self.source.sample(index, chance)


def crop(picture: torch.Tensor, size: tuple[int, int], chance: int | None) -> torch.Tensor:
    """Return the part of `size` (height, width): a random one, or the centre as `Preprocess` cuts it."""
    height, width = picture.shape[-2:]
    left, top, _, _ = torchvision_part(size, width, height)
    if chance is not None:
        top, left = mixed(chance, 0) % (height - size[0] + 1), mixed(chance, 1) % (width - size[1] + 1)
    return picture[..., top : top + size[0], left : left + size[1]]


@dataclass(frozen=True)
class LabelledSource:
    """Pictures with a class each: `(3, H, W)` and a number."""

    pictures: PictureStore
    labels: Sequence[int]
    size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.pictures)

    def sample(self, index: int, chance: int | None) -> tuple[torch.Tensor, ...]:
        """Return the cropped picture and its class."""
        picture = crop(self.pictures[index], self.size, chance)
        return TensorImage(picture), TensorCategory(self.labels[index])


@dataclass(frozen=True)
class PairedSource:
    """Pictures with a mask or another picture of the same place each; both get the same crop."""

    inputs: PictureStore
    targets: PictureStore
    size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.inputs)

    def sample(self, index: int, chance: int | None) -> tuple[torch.Tensor, ...]:
        """Return the cropped input and the target, cropped at the same place."""
        kind = TensorMask if self.targets.kind == "mask" else TensorImage
        picture = crop(self.inputs[index], self.size, chance)
        return TensorImage(picture), kind(crop(self.targets[index], self.size, chance))


@dataclass(frozen=True)
class NoiseSource:
    """Noise to make a picture of, and a real picture: standard normal `(length,)`, `(3, H, W)`."""

    pictures: PictureStore
    size: tuple[int, int]
    length: int

    def __len__(self) -> int:
        return len(self.pictures)

    def sample(self, index: int, chance: int | None) -> tuple[torch.Tensor, ...]:
        """Return noise, the same for each validation sample in every epoch, and the cropped picture."""
        generator = torch.Generator().manual_seed(index if chance is None else chance)
        noise = torch.randn(self.length, generator=generator)
        return TensorBase(noise), TensorImage(crop(self.pictures[index], self.size, chance))
