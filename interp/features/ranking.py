"""The highest values of each channel in a stream of pictures: a state that can be saved and gone on from."""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from interp.features.statistics import Moments, channel_moments
from interp.files import check_file, write_whole

Floats = npt.NDArray[np.float32]
Whole = npt.NDArray[np.int64]

# So many pictures' maxima are kept for histograms; of more, evenly drawn ones.
MOST_MAXIMA: Final = 8192
_LARGEST: Final = 2**31
# What a damaged or foreign file raises.
_UNREADABLE: Final = (
    OSError, ValueError, KeyError, TypeError, EOFError, MemoryError, RecursionError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Ranking:
    """The highest values of each channel so far; a new one for each batch, so none is ever half done.

    Attributes:
        done: how many files have been looked at, broken ones too.
        pictures: how many of them are in here.
        values: `(C, k)`, highest first; -inf where there is none.
        means: `(C, k)`, over positions: among equal values the larger one is first, then the earlier picture.
        places: `(C, k)`, of the pictures in the list of files; -1 where there is none.
        positions: `(C, k)`, where in the layer's grid, row by row.
        moments: of each channel's activations.
        active: `(C,)`, how many activations are above 0.
        maxima: `(pictures, C)`, of every `step`-th picture, for histograms.
        step: 1 up to `MOST_MAXIMA` pictures, then 2, 4, …
        grid: (rows, columns) of the layer; (0, 0) before the first picture.
        failed: file → reason.
    """

    done: int
    pictures: int
    values: Floats
    means: Floats
    places: Whole
    positions: Whole
    moments: Moments
    active: Whole
    maxima: Floats
    step: int = 1
    grid: tuple[int, int] = (0, 0)
    failed: dict[str, str] = field(default_factory=dict)

    @classmethod
    def empty(cls, channels: int, k: int) -> Ranking:
        """Return the ranking of no picture."""
        nothing = np.full((channels, k), -1, np.int64)
        return cls(
            done=0,
            pictures=0,
            values=np.full((channels, k), -np.inf, np.float32),
            means=np.full((channels, k), -np.inf, np.float32),
            places=nothing,
            positions=nothing,
            moments=Moments.none((channels,)),
            active=np.zeros(channels, np.int64),
            maxima=np.zeros((0, channels), np.float32),
        )

    def merged(
        self, activations: Tensor, places: tuple[int, ...], *, done: int, failed: dict[str, str]
    ) -> Ranking:
        """Return the ranking with a batch more: `(B, C, h, w)` of the pictures at `places`, which ascend."""
        highest, where = peaks(activations)
        moments = self.moments
        # One by one: then the sums are the same for every size of batches.
        for activation in activations:
            moments = moments.merged(channel_moments(activation))
        average = activations.detach().float().mean((2, 3)).cpu().numpy()
        values = np.concatenate([self.values, highest.T], 1)
        means = np.concatenate([self.means, np.nan_to_num(average, nan=-np.inf).T], 1)
        came_from = np.broadcast_to(np.array(places, np.int64), highest.T.shape)
        # Behind ReLU6 and the like many pictures reach the same limit, so the mean decides. Old ones stand
        # first, and the sort is stable.
        best = np.lexsort((-means, -values), axis=1)[:, : self.values.shape[1]]
        numbers = range(self.pictures, self.pictures + len(places))
        kept = [row for number, row in zip(numbers, highest, strict=True) if number % self.step == 0]
        maxima, step = (
            np.concatenate([self.maxima, np.reshape(kept, (len(kept), highest.shape[1]))]),
            self.step,
        )
        while len(maxima) > MOST_MAXIMA:
            maxima, step = maxima[::2], 2 * step
        return Ranking(
            done=done,
            pictures=self.pictures + len(places),
            values=np.take_along_axis(values, best, 1),
            means=np.take_along_axis(means, best, 1),
            places=np.take_along_axis(np.concatenate([self.places, came_from], 1), best, 1),
            positions=np.take_along_axis(np.concatenate([self.positions, where.T], 1), best, 1),
            moments=moments,
            active=self.active + (activations > 0).sum((0, 2, 3)).cpu().numpy(),
            maxima=maxima.astype(np.float32, copy=False),
            step=step,
            grid=(activations.shape[2], activations.shape[3]),
            failed=dict(failed),
        )

    def save(self, path: Path, key: str) -> None:
        """Write it whole, or not at all; `key` says of what it is."""
        about = {"key": key, "done": self.done, "pictures": self.pictures, "count": self.moments.count}
        about |= {"step": self.step, "grid": self.grid, "failed": self.failed}
        with write_whole(path) as part, part.open("wb") as file:
            np.savez(
                file,
                about=np.array(json.dumps(about)),
                values=self.values,
                means=self.means,
                places=self.places,
                positions=self.positions,
                mean=self.moments.mean,
                squares=self.moments.squares,
                active=self.active,
                maxima=self.maxima,
            )

    @classmethod
    def load(cls, path: Path, key: str) -> Ranking | None:
        """Return what `save` wrote, or None if there is nothing, or something of another key."""
        try:
            check_file(path)
            _check_size(path)
            with np.load(path, allow_pickle=False) as stored:
                about = json.loads(str(stored["about"]))
                if about["key"] != key:
                    return None
                return cls(
                    done=about["done"],
                    pictures=about["pictures"],
                    values=stored["values"],
                    means=stored["means"],
                    places=stored["places"],
                    positions=stored["positions"],
                    moments=Moments(about["count"], stored["mean"], stored["squares"]),
                    active=stored["active"],
                    maxima=stored["maxima"],
                    step=about["step"],
                    grid=tuple(about["grid"]),
                    failed=about["failed"],
                )
        # A checkpoint that cannot be read is no reason not to begin again.
        except _UNREADABLE:
            return None


def _check_size(path: Path) -> None:
    """Refuse a file that unpacks to more than a ranking can be."""
    with zipfile.ZipFile(path) as packed:
        if sum(one.file_size for one in packed.infolist()) > _LARGEST:
            raise ValueError(f"{path.name} unpacks to more than {_LARGEST:,} bytes")


def peaks(activations: Tensor) -> tuple[Floats, Whole]:
    """Return the maximum of each channel of each picture, and a position that has it: `(B, C)` both.

    Of several positions with the maximum it is the one nearest to their middle, the first of those. Positions
    are counted row by row. NaN counts as -inf.

    Example:
        >>> peaks(torch.tensor([[[[2.0, 2.0, 2.0]]]]))
        (array([[2.]], dtype=float32), array([[1]]))
    """
    flat = activations.detach().flatten(2).float()
    highest = flat.amax(2)
    if bool(highest.isnan().any()):
        flat = flat.nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
        highest = flat.amax(2)
    reached = flat == highest[..., None]
    numbers = torch.arange(flat.shape[2], device=flat.device)
    rows, columns = numbers // activations.shape[3], numbers % activations.shape[3]
    # In whole numbers, as which of equal distances is the smaller must not depend on rounding.
    count = reached.sum(2, keepdim=True)
    down = rows * count - (reached * rows).sum(2, keepdim=True)
    across = columns * count - (reached * columns).sum(2, keepdim=True)
    distance = torch.where(reached, down.square() + across.square(), torch.iinfo(torch.int64).max)
    nearest = distance == distance.amin(2, keepdim=True)
    # Not argmax: which of equal ones it gives depends on the device.
    where = torch.where(nearest, numbers, flat.shape[2]).amin(2)
    return highest.cpu().numpy(), where.cpu().numpy()
