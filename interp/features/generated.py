"""What generators are given to be looked at: seeded noise, or pictures; and the pictures that they make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from interp.features.errors import FeatureError
from interp.features.statistics import Files, files_of
from interp.features.stream import InputBatch, input_batches
from interp.images import open_image
from interp.models import ImageModel
from interp.progress import Progress

COUNT = 256


@dataclass(frozen=True, eq=False)
class Samples:
    """Inputs of a generator, in an order of their own; the same again whenever they are asked for.

    Attributes:
        model: the generator.
        count: how many.
        seed: of the noise: standard normal, sample after sample.
        files: of a picture-to-picture network; empty for noise.
    """

    model: ImageModel = field(repr=False)
    count: int
    seed: int = 0
    files: tuple[Path, ...] = ()

    @cached_property
    def _noise(self) -> Tensor:
        shape = self.model.input_shape or ()
        source = torch.Generator().manual_seed(self.seed)
        with torch.inference_mode(False):
            return torch.randn(self.count, *shape, generator=source)

    def inputs(self, places: Sequence[int]) -> Tensor:
        """Return the network's inputs for some samples, `(B, ...)`, on its device and dtype.

        Raises:
            FeatureError: there is no such sample.
            ImageError: a file cannot be opened.
        """
        for place in places:
            if not 0 <= place < self.count:
                raise FeatureError(f"sample {place}: the samples are 0 … {self.count - 1}.")
        if self.files:
            return self.model.prepare([open_image(self.files[place]) for place in places])
        return self._noise[list(places)].to(device=self.model.device, dtype=self.model.dtype)

    def batches(
        self,
        batch_size: int,
        failed: dict[Path, str] | None = None,
        progress: Progress | None = None,
    ) -> Iterator[InputBatch]:
        """Yield all in order; files are decoded ahead.

        Args:
            batch_size: of all but the last.
            failed: gets the reason for each file that cannot be opened; without it the first ends all.
            progress: is told after each batch has been used.
        """
        if self.files:
            yield from input_batches(
                self.model, self.files, batch_size=batch_size, failed=failed, progress=progress
            )
            return
        for start in range(0, self.count, batch_size):
            places = tuple(range(start, min(start + batch_size, self.count)))
            yield InputBatch(places, self.inputs(places))
            if progress:
                progress(places[-1] + 1, self.count)

    def without(self, failed: Sequence[Path]) -> Samples:
        """Return the samples without some files."""
        kept = tuple(file for file in self.files if file not in set(failed))
        return self if not self.files else Samples(self.model, len(kept), self.seed, kept)


def samples_of(model: ImageModel, pictures: Files | None, count: int | None, seed: int) -> Samples:
    """Return what a generator is given.

    Args:
        model: of task "image". With an `input_shape` it takes noise, else pictures.
        pictures: for one that takes pictures.
        count: at most so many; of more pictures some that lie evenly in their order. Default: 256.
        seed: of the noise.

    Raises:
        FeatureError: the model makes no pictures, pictures are missing or of no use, or the count is below 1.
        ImageError: no such folder, or no picture in it.

    Example:
        >>> samples_of(interp.load("runs/noise/generator"), None, 4, seed=1).inputs([0, 3]).shape
        torch.Size([2, 100])
    """
    if model.task != "image":
        raise FeatureError(
            f"{model.name} does {model.task} and makes no pictures. Give a generator: of a `wgan` run the "
            "folder generator/ in it, or a model loaded with task='image'."
        )
    most = COUNT if count is None else count
    if most < 1:
        raise FeatureError(f"count={most}: give 1 or more samples.")
    if model.input_shape is not None:
        if pictures is not None:
            raise FeatureError(f"{model.name} makes its pictures of noise and takes none; leave them out.")
        return Samples(model, most, seed)
    if pictures is None:
        raise FeatureError(
            f"{model.name} makes pictures of pictures: give a folder of some. (A generator of noise is "
            "loaded with input_shape=(numbers,).)"
        )
    files = files_of(pictures)
    if len(files) > most:
        files = [files[i] for i in np.linspace(0, len(files) - 1, most).round().astype(int)]
    return Samples(model, len(files), seed, tuple(files))


def made_pictures(model: ImageModel, output: Tensor) -> list[Image.Image]:
    """Return the pictures that a network's output stands for, RGB.

    Raises:
        FeatureError: the output is none.

    Example:
        >>> model = interp.load("runs/noise/generator")
        >>> made_pictures(model, model.logits(model.blank(2)))[1].size
        (32, 32)
    """
    if output.dim() != 4 or output.shape[1] != model.preprocess.channels:
        raise FeatureError(
            f"{model.name} puts out {tuple(output.shape)}: no pictures (batch, {model.preprocess.channels}, "
            "height, width) of its preprocessing."
        )
    pixels = model.preprocess.inverse(output).mul(255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(one[..., 0] if one.shape[2] == 1 else one).convert("RGB") for one in pixels]
