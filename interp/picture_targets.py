"""Targets of outputs that are pictures: sums over a patch of values, differences, errors and frequencies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from interp.logits import TargetError
from interp.places import Place, in_words, spans
from interp.precision import in_full

# √½ cycles per pixel is the corner of the spectrum.
HIGHEST = 0.5**0.5


@dataclass(frozen=True)
class ValueTarget:
    """The output's value in a patch: `s = Σ_c Σ_(i,j) in patch x_c(i, j)`.

    Attributes:
        place: of a pixel or a box, in fractions; `None` for the whole output.
        channel: only this one; `None` for all.

    Example:
        >>> ValueTarget((0.0, 0.0))(torch.ones(1, 3, 4, 4))
        tensor([3.])
    """

    place: Place | None = None
    channel: int | None = None

    @property
    def name(self) -> str:
        """How it is called in pictures and reports."""
        of = "output" if self.channel is None else f"channel {self.channel}"
        return f"value of the {of}{_where(self.place)}"

    def __call__(self, output: torch.Tensor) -> torch.Tensor:
        """Return `(B,)` scores of `(B, C, H, W)` pictures.

        Raises:
            TargetError: the output is no picture, or has not so many channels.
        """
        found = patch(output, self.place)
        if self.channel is None:
            return found.sum((1, 2, 3))
        if not 0 <= self.channel < output.shape[1]:
            raise TargetError(f"{self.name} asks for channel {self.channel} of {output.shape[1]}.")
        return found[:, self.channel].sum((1, 2))

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"picture": "value", "place": _plain(self.place), "channel": self.channel, "name": self.name}


@dataclass(frozen=True)
class GradientEnergyTarget:
    """The sharpness of a patch: `s = Σ (x(i, j+1) − x(i, j))² + (x(i+1, j) − x(i, j))²`.

    Both pixels of a difference lie in the patch, and all channels count.

    Attributes:
        place: of a box, in fractions; `None` for the whole output.

    Example:
        >>> GradientEnergyTarget()(torch.tensor([[[[0.0, 2.0]]]]))
        tensor([4.])
    """

    place: Place | None = None

    @property
    def name(self) -> str:
        """How it is called in pictures and reports."""
        return f"gradient energy{_where(self.place)}"

    def __call__(self, output: torch.Tensor) -> torch.Tensor:
        """Return `(B,)` scores of `(B, C, H, W)` pictures.

        Raises:
            TargetError: the output is no picture, or the patch a single pixel.
        """
        found = patch(output, self.place)
        if found.shape[2:].numel() < 2:
            raise TargetError(f"{self.name}: a single pixel has no differences; give a box.")
        return found.diff(dim=3).square().sum((1, 2, 3)) + found.diff(dim=2).square().sum((1, 2, 3))

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"picture": "gradient_energy", "place": _plain(self.place), "name": self.name}


@dataclass(frozen=True, eq=False)
class ErrorTarget:
    """The error against a reference: `s = Σ_c Σ_(i,j) in patch (x_c(i, j) − r_c(i, j))²`.

    Attributes:
        reference: `(C, H, W)`, in the output's units.
        what: how it is called in pictures and reports.
        place: of a pixel or a box, in fractions; `None` for the whole output.
        saved: what gives the reference again; `None` where the caller has to.

    Example:
        >>> ErrorTarget(torch.zeros(1, 2, 2))(torch.ones(1, 1, 2, 2))
        tensor([4.])
    """

    reference: torch.Tensor = field(repr=False)
    what: str = "error against the reference"
    place: Place | None = None
    saved: str | None = None

    @property
    def name(self) -> str:
        """How it is called in pictures and reports."""
        return f"{self.what}{_where(self.place)}"

    def __call__(self, output: torch.Tensor) -> torch.Tensor:
        """Return `(B,)` scores of `(B, C, H, W)` pictures.

        Raises:
            TargetError: the output is no picture of the reference's shape.
        """
        if output.shape[1:] != self.reference.shape:
            raise TargetError(
                f"{self.name}: the reference has the shape {tuple(self.reference.shape)} and the output "
                f"{tuple(output.shape[1:])}; give a reference of the output's shape."
            )
        output = in_full(output)
        reference = self.reference.to(output.device, output.dtype)
        return patch(output - reference, self.place).square().sum((1, 2, 3))

    def to_json(self) -> dict[str, Any]:
        """Return plain values; only its name where the reference must be given again."""
        if self.saved is None:
            return {"callable": self.name}
        return {"picture": self.saved, "place": _plain(self.place), "name": self.name}


@dataclass(frozen=True)
class BandTarget:
    """The energy of a patch in a band of frequencies: `s = Σ_(low ≤ |f| < high) |F(f)|² / HW`.

    `F` is the discrete Fourier transform of the patch, so bands that together go from 0 to √½ cycles per
    pixel add up to `Σ x²` (Parseval).

    Attributes:
        low: lowest frequency, in cycles per pixel of the output; 0 is the mean.
        high: first frequency that is too high; 0.5 alternates from pixel to pixel.
        place: of a box, in fractions; `None` for the whole output.

    Example:
        >>> BandTarget(0.4, 0.6)(torch.tensor([[[[1.0, -1.0, 1.0, -1.0]]]]))
        tensor([4.])
    """

    low: float
    high: float
    place: Place | None = None

    @property
    def name(self) -> str:
        """How it is called in pictures and reports."""
        return f"energy from {self.low:g} to {self.high:g} cycles per pixel{_where(self.place)}"

    def __call__(self, output: torch.Tensor) -> torch.Tensor:
        """Return `(B,)` scores of `(B, C, H, W)` pictures.

        Raises:
            TargetError: the output is no picture, or the patch too small for a frequency of the band.
        """
        found = patch(output, self.place)
        height, width = found.shape[2:]
        down = torch.fft.fftfreq(height, device=output.device)[:, None]
        across = torch.fft.fftfreq(width, device=output.device)[None]
        frequency = (down**2 + across**2).sqrt()
        # The corner itself belongs to the last band, however it is rounded.
        last = self.high >= HIGHEST - 1e-6
        inside = (frequency >= self.low) & ((frequency < self.high) | last)
        if not inside.any():
            raise TargetError(
                f"{self.name}: a patch of {width} × {height} pixels has no frequency between them; give a "
                "larger box or a wider band."
            )
        spectrum = torch.fft.fft2(found)
        power = spectrum.real.square() + spectrum.imag.square()
        scores: torch.Tensor = (power * inside).sum((1, 2, 3)) / (height * width)
        return scores

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        band = [self.low, self.high]
        return {"picture": "band", "band": band, "place": _plain(self.place), "name": self.name}


def patch(output: torch.Tensor, place: Place | None) -> torch.Tensor:
    """Return a patch of `(B, C, H, W)` pictures, all of it for `None`, in full precision.

    Raises:
        TargetError: the output is no picture.
    """
    if output.dim() != 4:
        raise TargetError(
            f"the output {tuple(output.shape)} is no picture; values, errors and frequencies are asked of "
            "networks that make one."
        )
    if place is None:
        return in_full(output)
    rows, columns = spans(place, (output.shape[2], output.shape[3]))
    return in_full(output[:, :, rows, columns])


def _where(place: Place | None) -> str:
    return "" if place is None else f" {in_words(place)}"


def _plain(place: Place | None) -> list[float] | None:
    return None if place is None else list(place)
