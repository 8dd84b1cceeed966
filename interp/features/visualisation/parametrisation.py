"""What is optimised in place of pixels, and how it becomes pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from interp.features.errors import FeatureError
from interp.features.visualisation.colour import colour_basis

# Of the picture before the sigmoid. As soft as this, no pixel is saturated when the ascent begins.
_CONTRAST = 0.25
# The outermost values of eight bits, half a step inside, so that their logits are finite.
_DARKEST = 0.5 / 255


@dataclass(frozen=True, eq=False)
class Parametrisation:
    """Some tensors to optimise, and how they become pictures.

    Attributes:
        parameters: leaves that ask for gradients; the optimiser changes them in place.
        decode: parameters → `(B, C, H, W)` of 0 … 1.
        shape: of the pictures.
        lr: a learning rate of Adam that suits the parameters.

    Example:
        >>> noise = fourier((1, 3, 64, 64))
        >>> noise.pictures().shape, noise.parameters[0].shape
        (torch.Size([1, 3, 64, 64]), torch.Size([1, 3, 64, 33, 2]))
    """

    parameters: tuple[Tensor, ...]
    decode: Callable[..., Tensor]
    shape: tuple[int, int, int, int]
    lr: float = 0.1

    def pictures(self) -> Tensor:
        """Return what the parameters are now, `(B, C, H, W)` of 0 … 1."""
        return self.decode(*self.parameters)


@torch.inference_mode(False)
def fourier(
    shape: tuple[int, int, int, int],
    *,
    seed: int = 0,
    same: bool = False,
    start: Tensor | None = None,
    colours: Tensor | None = None,
    device: torch.device | str = "cpu",
) -> Parametrisation:
    """Return pictures as waves: `sigmoid(K · irfft2(s · z))`, `s ∝ 1 / max(f, 1 / max(H, W))`.

    z of unit deviation gives values of unit deviation. A step on z changes low frequencies most, as those
    of photographs are strongest, and K turns independent channels into the colours of photographs. So the
    ascent finds patterns, not the high-frequency noise that it finds among pixels. (Olah,
    Mordvintsev, Schubert: "Feature Visualization", 2017.)

    Args:
        shape: `(B, C, H, W)`; C is 1 (grey) or 3 (RGB), H and W may be odd and unlike.
        seed: of the noise to begin with; the same on every device.
        same: begin all pictures of the batch with the same noise.
        start: `(B, C, H, W)` pictures of 0 … 1 to begin with, in place of noise.
        colours: K, `(C, C)`, as `colour_basis` gives it; default: that of ImageNet.
        device: where the parameters live.

    Raises:
        FeatureError: the shape or that of `start` cannot be.

    Example:
        >>> cat = model.preprocess.inverse(model.prepare([interp.open_image("sample_images/cat.jpg")]))
        >>> bool((fourier(cat.shape, start=cat).pictures() - cat).abs().max() < 0.003)
        True
    """
    shape = _checked(shape, start)
    basis = basis_of(colours, shape[1])
    weights = _weights(shape[2:])

    def decode(spectrum: Tensor) -> Tensor:
        scaled = torch.view_as_complex(spectrum) * weights.to(spectrum.device)
        return to_colours(torch.fft.irfft2(scaled, s=shape[2:], norm="ortho"), basis)

    if start is None:
        waves = _noise((*shape[:2], *weights.shape, 2), seed, same) * _CONTRAST
    else:
        before = from_colours(start.detach().float().cpu(), basis)
        waves = torch.view_as_real(torch.fft.rfft2(before, norm="ortho") / weights)
    return Parametrisation((_leaf(waves, device),), decode, shape)


@torch.inference_mode(False)
def pixels(
    shape: tuple[int, int, int, int],
    *,
    seed: int = 0,
    same: bool = False,
    start: Tensor | None = None,
    device: torch.device | str = "cpu",
) -> Parametrisation:
    """Return pictures as pixels, each by itself: `sigmoid(z)`.

    Args:
        shape: `(B, C, H, W)`.
        seed: of the noise to begin with; the same on every device.
        same: begin all pictures of the batch with the same noise.
        start: `(B, C, H, W)` pictures of 0 … 1 to begin with, in place of noise.
        device: where the parameters live.

    Raises:
        FeatureError: the shape or that of `start` cannot be.

    Example:
        >>> pixels((2, 1, 8, 9)).pictures().shape
        torch.Size([2, 1, 8, 9])
    """
    shape = _checked(shape, start)
    first = _noise(shape, seed, same) * _CONTRAST if start is None else _logit(start.detach().float().cpu())
    return Parametrisation((_leaf(first, device),), torch.sigmoid, shape)


def to_colours(values: Tensor, basis: Tensor) -> Tensor:
    """Return pictures of 0 … 1 for independent channels of any values: `sigmoid(K · values)`.

    Example:
        >>> to_colours(torch.zeros(1, 3, 2, 2), colour_basis(3)).unique()
        tensor([0.5000])
    """
    return torch.einsum("dc,bchw->bdhw", basis.to(values.device), values).sigmoid()


def from_colours(pictures: Tensor, basis: Tensor) -> Tensor:
    """Undo `to_colours`; pixels that are quite black or white come back half a step of eight bits inside.

    Example:
        >>> from_colours(torch.full((1, 3, 2, 2), 0.5), colour_basis(3)).abs().max()
        tensor(0.)
    """
    inverse = torch.linalg.inv(basis.double()).float()
    return torch.einsum("dc,bchw->bdhw", inverse.to(pictures.device), _logit(pictures))


def frequencies(size: tuple[int, int]) -> Tensor:
    """Return the frequency of each coefficient of `rfft2` in cycles per pixel, `(H, W // 2 + 1)`.

    Example:
        >>> frequencies((4, 4))[0]
        tensor([0.0000, 0.2500, 0.5000])
    """
    height, width = size
    return torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None])


def _weights(size: tuple[int, int]) -> Tensor:
    """Return what each coefficient is multiplied by; of unit deviation they give such pictures."""
    height, width = size
    weights = 1 / frequencies(size).clamp(min=1 / max(size))
    # A column stands for its mirror image, too; of the two that are their own, only half is real.
    count = torch.full((weights.shape[1],), 2.0)
    count[0] = 0.5
    if width % 2 == 0:
        count[-1] = 0.5
    power = (weights.square() * count).sum() * 2 / (height * width)
    return weights / power.sqrt()


def _noise(shape: tuple[int, ...], seed: int, same: bool) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    if not same:
        return torch.randn(shape, generator=generator)
    return torch.randn((1, *shape[1:]), generator=generator).expand(shape)


def _leaf(values: Tensor, device: torch.device | str) -> Tensor:
    return values.to(device).clone(memory_format=torch.contiguous_format).requires_grad_()


def _logit(pictures: Tensor) -> Tensor:
    return torch.logit(pictures, eps=_DARKEST)


def basis_of(colours: Tensor | None, channels: int) -> Tensor:
    """Return K as given, or that of ImageNet.

    Raises:
        FeatureError: it is of another number of channels.
    """
    basis = colour_basis(channels) if colours is None else colours.detach().float().cpu()
    if basis.shape != (channels, channels):
        raise FeatureError(
            f"colours has the shape {tuple(basis.shape)} for pictures of {channels} channel(s); "
            f"give ({channels}, {channels})."
        )
    return basis


def _checked(shape: tuple[int, ...], start: Tensor | None) -> tuple[int, int, int, int]:
    if len(shape) != 4 or min(shape) < 1 or shape[1] not in (1, 3):
        raise FeatureError(
            f"pictures of the shape {tuple(shape)} cannot be; give (batch, 1 or 3, height, width)."
        )
    if start is not None and tuple(start.shape) != tuple(shape):
        raise FeatureError(f"start has the shape {tuple(start.shape)}; give {tuple(shape)}.")
    batch, channels, height, width = shape
    return batch, channels, height, width
