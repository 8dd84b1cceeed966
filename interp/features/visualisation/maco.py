"""MACO: pictures whose waves are as strong as those of photographs, and only their phases are optimised."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from interp.features.errors import FeatureError
from interp.features.visualisation.parametrisation import (
    Parametrisation,
    basis_of,
    frequencies,
    from_colours,
    to_colours,
)
from interp.images import Preprocess, open_image
from interp.images.opening import Source
from interp.progress import Progress

# Deviation and fall before the sigmoid, fitted to 250 photographs of as many ImageNet classes: of brightness,
# yellow against blue and green against purple in ImageNet's colours; and of grey.
_RGB = ((1.84, 1.44), (1.54, 1.45), (1.46, 1.29))
_GREY = ((1.00, 1.47),)


@torch.inference_mode(False)
def maco(
    shape: tuple[int, int, int, int],
    *,
    seed: int = 0,
    same: bool = False,
    magnitude: Tensor | None = None,
    colours: Tensor | None = None,
    device: torch.device | str = "cpu",
) -> Parametrisation:
    """Return pictures as phases of waves: `sigmoid(K · irfft2(m · exp(i φ)))`, m fixed, φ uniform at first.

    The columns of the spectrum that hold a wave and its mirror image are kept Hermitian, so that m is the
    picture's magnitude at every step and not only on paper; the mean stays as it is, so that nothing
    saturates. (Fel et al.: "Unlocking Feature Visualization for Deep Networks with MAgnitude Constrained
    Optimization", 2023.)

    Args:
        shape: `(B, C, H, W)`; C is 1 (grey) or 3 (RGB).
        seed: of the phases to begin with; the same on every device.
        same: begin all pictures of the batch with the same phases.
        magnitude: m, `(C, H, W // 2 + 1)`, `magnitude_of` your own pictures; default: `typical_magnitude`.
        colours: K, `(C, C)`, the same as for m; default: that of ImageNet.
        device: where the phases live.

    Raises:
        FeatureError: the shape cannot be, or that of m or K does not fit it.

    Example:
        >>> maco((1, 3, 64, 48)).parameters[0].shape
        torch.Size([1, 3, 64, 25])
    """
    _, channels, height, width = shape
    fixed = typical_magnitude((height, width), channels) if magnitude is None else magnitude.detach().float()
    if fixed.shape != (channels, height, width // 2 + 1):
        raise FeatureError(
            f"magnitude has the shape {tuple(fixed.shape)} for pictures of {tuple(shape)}; give "
            f"({channels}, {height}, {width // 2 + 1}): magnitude_of(pictures, ({height}, {width}))."
        )
    basis = basis_of(colours, channels)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.rand((1 if same else shape[0], *fixed.shape), generator=generator)
    phases = ((2 * drawn - 1) * math.pi).expand(shape[0], *fixed.shape).to(device).clone()
    fixed = fixed.to(device)

    def decode(phase: Tensor) -> Tensor:
        angles = hermitian(phase, width)
        waves = torch.polar(fixed.expand_as(angles), angles)
        return to_colours(torch.fft.irfft2(waves, s=(height, width), norm="ortho"), basis)

    return Parametrisation((phases.requires_grad_(),), decode, (*shape,), lr=0.1)


def hermitian(phase: Tensor, width: int) -> Tensor:
    """Return the phases of an `rfft2` that a real picture can have.

    Of the first column, and of the last when the width is even, the lower half is the upper's mirror image,
    with the other sign; what is its own mirror image is 0 or π, the mean's 0.

    Args:
        phase: `(..., H, W // 2 + 1)`.
        width: W.

    Example:
        >>> hermitian(torch.full((4, 2), 0.5), 3)[:, 0]
        tensor([0.0000, 0.5000, 0.0000, -0.5000])
    """
    first = _odd(phase[..., :1])
    mean = torch.zeros_like(first[..., :1, :])
    columns = [torch.cat([mean, first[..., 1:, :]], dim=-2)]
    if width == 1:
        return columns[0]
    if width % 2 == 1:
        return torch.cat([*columns, phase[..., 1:]], dim=-1)
    return torch.cat([*columns, phase[..., 1:-1], _odd(phase[..., -1:])], dim=-1)


def _odd(column: Tensor) -> Tensor:
    height = column.shape[-2]
    upper = column[..., 1 : (height + 1) // 2, :]
    parts = [_real(column[..., :1, :]), upper]
    if height % 2 == 0:
        parts.append(_real(column[..., height // 2 : height // 2 + 1, :]))
    return torch.cat([*parts, -upper.flip(-2)], dim=-2)


def _real(phase: Tensor) -> Tensor:
    """Return the nearer of 0 and π."""
    return torch.where(phase.detach().cos() < 0, math.pi, 0.0)


def magnitude_of(
    pictures: Sequence[Source],
    size: tuple[int, int],
    *,
    channels: int = 3,
    colours: Tensor | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """Return how strong each wave is in pictures: the mean of `|rfft2(window · K⁻¹ · logit(picture))|`.

    Hann's window takes the jump from one edge to the opposite one away, which would be a cross of waves along
    the rows and columns, and lines in every picture made of them.

    Args:
        pictures: files or opened pictures; the largest centre of `size`'s shape is taken.
        size: (height, width) of the pictures to make.
        channels: 1 (grey) or 3 (RGB).
        colours: K; default: that of ImageNet.
        progress: is told after each picture.

    Returns:
        `(C, H, W // 2 + 1)`, of an orthonormal transform. The mean's is the mean's own, with its sign: of
        bright and dark pictures together it is nearly nothing.

    Raises:
        FeatureError: there is no picture, or K is of another number of channels.
        ImageError: one cannot be opened.

    Example:
        >>> magnitude_of(interp.images.pictures_in("sample_images")[:3], (64, 64)).shape
        torch.Size([3, 64, 33])
    """
    if not pictures:
        raise FeatureError("there is no picture to take the magnitude of; give one at least.")
    prepare = Preprocess(size, (0.0,) * channels, (1.0,) * channels, fit="crop")
    basis = basis_of(colours, channels)
    height, width = prepare.size
    window = _window(height)[:, None] * _window(width)
    total = torch.zeros(channels, height, width // 2 + 1, dtype=torch.float64)
    for number, picture in enumerate(pictures, start=1):
        values = from_colours(prepare(open_image(picture))[None], basis)[0]
        mean = values.mean((1, 2), keepdim=True)
        strength = torch.fft.rfft2((values - mean) * window, norm="ortho").abs()
        strength[:, 0, 0] = mean.flatten() * math.sqrt(height * width)
        total += strength
        if progress is not None:
            progress(number, len(pictures))
    return (total / len(pictures)).float()


def _window(length: int) -> Tensor:
    """Return Hann's window of unit power, without its zeros."""
    window = torch.hann_window(length + 2, periodic=False)[1:-1]
    return window / window.square().mean().sqrt()


def typical_magnitude(size: tuple[int, int], channels: int = 3) -> Tensor:
    """Return a magnitude as photographs have it, in numbers: `a / f^b` with a and b of each colour channel.

    No photograph is in it, only two numbers for each channel: how far it deviates, and how fast its waves
    weaken. The magnitude of your own pictures says more.

    Args:
        size: (height, width) of the pictures to make.
        channels: 1 (grey) or 3 (RGB in ImageNet's colours).

    Returns:
        `(C, H, W // 2 + 1)`, as `magnitude_of` gives it; that of the mean is 0.

    Example:
        >>> typical_magnitude((64, 64)).shape
        torch.Size([3, 64, 33])
    """
    height, width = size
    wave = frequencies(size).clamp(min=1 / max(size))
    # Each column between the first and the last stands for its mirror image, too.
    count = torch.full((width // 2 + 1,), 2.0)
    count[0] = 1
    if width % 2 == 0:
        count[-1] = 1
    rows = []
    for deviation, fall in _GREY if channels == 1 else _RGB:
        falling = wave**-fall
        falling[0, 0] = 0
        power = (falling.square() * count).sum() / (height * width)
        rows.append(falling * (deviation / power.clamp(min=1e-12).sqrt()))
    return torch.stack(rows)
