"""Run a trained picture-to-picture network on whole pictures of any size."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

import psutil
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from interp.images import open_image
from interp.images.opening import Source
from interp.layers import main_output
from interp.models import ImageModel
from interp.training.footprint import Footprint, footprint
from interp.training.tiling import reach, run_tiled

MARGIN = 32
LONGEST = 8192
# Measured on the CPU: resident memory rose by 1.5 … 2.2 times the tensors alive; the rest is workspace.
WORKSPACE = 2.5
# Others may take some of what is free now.
SHARE = 0.8


class EnhanceError(ValueError):
    """A picture cannot be enhanced; the message says why and what would work."""


def enhance(
    model: ImageModel,
    picture: Source,
    *,
    size: int | None = None,
    tile: int | None = None,
    free: int | None = None,
) -> Image.Image:
    """Return what a picture-to-picture network makes of a whole picture: `clamp(f(x) std + mean, 0, 1)`.

    The picture is resized with the filter of the model's preprocessing, padded by reflection to multiples
    of the network's stride, and cropped back. Where the pass would not fit into memory, as measured on two
    small inputs, it runs in tiles that overlap by at least three margins. A margin is as wide as what an
    output depends on, from 32 pixels up to a quarter of a tile.

    Tiles give what the whole gives only where no output depends on what lies beyond the margin. U-Nets
    differ a little; self-attention, squeeze-and-excitation and instance normalisation look at the whole
    input, so with them each tile is a picture of its own.

    Args:
        model: of task "image", whose output is normalised as its input and has the same size.
        picture: whatever `open_image` takes.
        size: of the shorter side of the result, in pixels; default: the picture's own, at least the shorter
            side that the model was trained for.
        tile: run in tiles of this many pixels a side, margins included; default: only if need be.
        free: bytes that may be used; default: four fifths of what is free on the model's device.

    Returns:
        Mode RGB; L for a model of grey pictures.

    Raises:
        EnhanceError: the model makes no pictures of its input's size, the size or the tile is impossible,
            or memory is short.
        ImageError: the picture cannot be opened.

    Example:
        >>> enhance(interp.load("runs/superres"), "small.jpg", size=512).save("large.png")
    """
    return Enhancer(model)(picture, size=size, tile=tile, free=free)


class Enhancer:
    """`enhance` for several pictures: what is measured of the network is kept for the next one.

    Args:
        model: as `enhance` takes it.

    Raises:
        EnhanceError: the model has another task.

    Example:
        >>> enhancer = Enhancer(interp.load("runs/superres"))
        >>> for name in ("a", "b"):
        ...     enhancer(f"{name}.jpg").save(f"{name}.png")
    """

    def __init__(self, model: ImageModel) -> None:
        if model.task != "image":
            raise EnhanceError(
                f"{model.name} does {model.task} and makes no pictures. Give a model that does, or say that "
                "this one does: interp.load(..., task='image')."
            )
        self.model = model

    def __call__(
        self, picture: Source, *, size: int | None = None, tile: int | None = None, free: int | None = None
    ) -> Image.Image:
        """Return the enhanced picture; arguments and errors as `enhance`."""
        prepared = self._prepared(open_image(picture), size)
        height, width = prepared.shape[-2:]
        down, across = -height % self.stride, -width % self.stride
        # A reflection cannot be wider than what it reflects.
        mode = "reflect" if down < height and across < width else "replicate"
        padded = F.pad(prepared, (0, across, 0, down), mode=mode)
        output = self._fitting(padded, free) if tile is None else self._tiled(padded, tile)
        if not output.isfinite().all():
            raise EnhanceError(f"{self.model.name} puts out values that are no finite numbers.")
        values = self.model.preprocess.inverse(output[0, :, :height, :width])
        pixels = values.mul(255).round().byte().permute(1, 2, 0).numpy()
        return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)

    @cached_property
    def stride(self) -> int:
        """Pixels for one position of the network's coarsest grid; inputs get multiples of it."""
        table = self.model.layers
        side = self.model.preprocess.size[0]
        coarsest = min((table[name].shape[1] for name in table.stages), default=side)
        return side // coarsest if side % coarsest == 0 else 2 ** round(math.log2(side / coarsest))

    @cached_property
    def footprint(self) -> Footprint:
        """The memory of a pass, measured on two small inputs."""
        with self.model.twin() as private:
            return footprint(private, self.model.blank(), self._up(max(64, 2 * self.stride)))

    @cached_property
    def reach(self) -> int:
        """How far away lie the inputs on which an output depends, in pixels; measured on noise."""
        side = self._up(max(256, 2 * self.stride))
        shape = (1, self.model.preprocess.channels, side, side)
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        try:
            with self.model.twin() as private:
                return reach(private, noise.to(self.model.device, self.model.dtype), self.stride)
        except torch.OutOfMemoryError:
            return side  # nobody knows: the widest margins

    def _prepared(self, picture: Image.Image, size: int | None) -> Tensor:
        """Return the whole picture as an input, `(1, C, H, W)` on the CPU, its shorter side `size`."""
        preprocess = self.model.preprocess
        shorter = min(picture.size)
        if size is None:
            size = max(shorter, *preprocess.size)
        width, height = (round(side * size / shorter) for side in picture.size)
        if size < 1 or max(width, height) > LONGEST:
            raise EnhanceError(f"a size of {width} × {height} pixels is impossible; sides are 1 … {LONGEST}.")
        whole = replace(preprocess, size=(height, width), fit="squish", resize=None)
        return whole(picture)[None].to(self.model.dtype)

    def _fitting(self, inputs: Tensor, free: int | None) -> Tensor:
        """Run whole if that fits into memory, else in the largest tiles that do."""
        free = _free(self.model.device) if free is None else free
        need = 0
        for tile in self._tiles(max(inputs.shape[-2:])):
            need = int(
                WORKSPACE * self.footprint.bytes_at(math.prod(min(tile, s) for s in inputs.shape[-2:]))
            )
            if need > free:
                continue
            try:
                return self._tiled(inputs, tile)
            except torch.OutOfMemoryError:
                continue
        raise EnhanceError(
            f"{self.model.name} needs {_mib(need)} of memory even in tiles, and {_mib(free)} can be used. "
            "Close other programs, or use another device."
        )

    def _tiles(self, longest: int) -> Iterator[int]:
        """Yield sides of tiles to try, from the whole picture to the least."""
        tile = longest
        while tile > self._least:
            yield tile
            tile = self._down(tile * 4 // 5)
        yield self._least

    def _tiled(self, inputs: Tensor, tile: int) -> Tensor:
        """Return the output, float32 on the CPU, in tiles; whole if a tile covers it."""
        tile, margin = self._down(tile), 0
        if tile < max(inputs.shape[-2:]):
            if tile < self._least:
                raise EnhanceError(
                    f"tiles of {tile} pixels are too small for {self.model.name}; give {self._least} or more."
                )
            margin = min(self._up(max(MARGIN, self.reach)), self._down(tile // 4))
        with self.model.twin() as private, torch.inference_mode(False), torch.no_grad():

            def run(part: Tensor) -> Tensor:
                output = main_output(private(part.to(self.model.device, copy=True)))
                if output.shape != part.shape:
                    raise EnhanceError(
                        f"{self.model.name} makes {tuple(output.shape[1:])} of {tuple(part.shape[1:])}; "
                        "enhancing needs pictures of the same size."
                    )
                return output

            return run_tiled(run, inputs, tile, margin)

    @property
    def _least(self) -> int:
        return 4 * self._up(MARGIN)

    def _up(self, side: int) -> int:
        return -(-side // self.stride) * self.stride

    def _down(self, side: int) -> int:
        return side // self.stride * self.stride


def _free(device: torch.device) -> int:
    if device.type != "cuda":
        return int(SHARE * psutil.virtual_memory().available)
    cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(SHARE * (torch.cuda.mem_get_info(device)[0] + cached))


def _mib(count: int) -> str:
    return f"{count / 2**20:,.0f} MiB"
