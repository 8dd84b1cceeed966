"""Decoded and resized pictures in memory: each file is opened once, not once an epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal

import numpy as np
import psutil
import torch
from PIL import Image

from interp.images import Interpolation, open_image
from interp.training.data import open_mask
from interp.training.data.threads import in_threads

Kind = Literal["picture", "mask"]


class PictureStore:
    """Pictures or masks at the sizes given, as uint8 tensors.

    Nothing random happens before a picture is stored, so an epoch sees the same pixels whether they were
    kept or decoded again. Workers of a data loader that are forked after `fill` share the memory.

    Args:
        paths: of the files.
        sizes: (width, height) that each gets.
        kind: pictures become RGB `(3, H, W)`, masks stay indices `(H, W)`.
        interpolation: for pictures; masks take the nearest pixel.
        most: bytes to keep at most; default a third of the free memory. Larger sets are decoded each time.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        sizes: Sequence[tuple[int, int]],
        *,
        kind: Kind = "picture",
        interpolation: Interpolation = "bilinear",
        most: int | None = None,
    ) -> None:
        self.paths = tuple(paths)
        self.sizes = tuple(sizes)
        self.kind = kind
        self._filter = Image.Resampling[("nearest" if kind == "mask" else interpolation).upper()]
        channels = 1 if kind == "mask" else 3
        self._starts = np.concatenate([[0], np.cumsum([channels * w * h for w, h in self.sizes])])
        total = int(self._starts[-1])
        self.keeps = total <= (psutil.virtual_memory().available // 3 if most is None else most)
        self._bytes = torch.empty(total if self.keeps else 0, dtype=torch.uint8)
        self._filled = torch.zeros(len(self.paths), dtype=torch.bool)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        """Return the picture as uint8 `(3, H, W)`, the mask as uint8 `(H, W)`; not to be changed."""
        if not self.keeps:
            return self._decode(index)
        width, height = self.sizes[index]
        kept = self._bytes[int(self._starts[index]) : int(self._starts[index + 1])]
        kept = kept.view((height, width) if self.kind == "mask" else (3, height, width))
        if not self._filled[index]:
            kept.copy_(self._decode(index))
            self._filled[index] = True
        return kept

    def fill(self, progress: Callable[[int, int], None] | None = None, threads: int | None = None) -> None:
        """Decode everything now, in threads, if it is kept at all; `progress(done, count)`."""
        if not self.keeps or bool(self._filled.all()):
            return
        with closing(in_threads(self.__getitem__, range(len(self)), threads)) as decoded:
            for done, _ in enumerate(decoded, 1):
                if progress:
                    progress(done, len(self))

    def _decode(self, index: int) -> torch.Tensor:
        if self.kind == "mask":
            mask = Image.fromarray(open_mask(self.paths[index]))
            return torch.from_numpy(np.array(mask.resize(self.sizes[index], self._filter)))
        picture = open_image(self.paths[index]).resize(self.sizes[index], self._filter)
        return torch.from_numpy(np.array(picture)).permute(2, 0, 1)
