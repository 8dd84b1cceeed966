"""The kernels of a network's first convolution: what each looks for, in degrees and cycles per pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import torch
from torch import Tensor, nn

from interp.capture.structure import split_call
from interp.features.errors import FeatureError
from interp.models import ImageModel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FilterOrder = Literal["index", "strength", "orientation", "frequency", "colour"]

# Steps of 1/256 cycles per pixel: finer than a kernel of a few pixels can tell apart.
_SIDE: Final = 256
_AT_ONCE: Final = 16
# Under this the peak across is nearly as high: a spot or a checkerboard has no orientation to speak of.
_ORIENTED: Final = 0.25
# In these orders the key itself stands under the kernel.
_SAID: Final = ("strength", "colour")
_ANGLES: Final = "angle of the stripes (90° stand), cycles per pixel"


@dataclass(frozen=True, eq=False)
class KernelSpectrum:
    """Where the spectra of kernels peak; each tensor is `(N,)`.

    Attributes:
        orientation: of the stripes, in degrees from 0 to 180: 0 lies, 90 stands, 45 rises to the right. NaN
            of a flat kernel.
        frequency: of the stripes, in cycles per pixel of the input, 0 of a flat kernel; at most 0.5 along
            the axes and 0.71 along the diagonals.
        oriented: how much lower the spectrum is at the same frequency across: 0 (a spot, a checkerboard) to
            1 (stripes).
        colour: part of the kernel's energy that is not the same in all input channels: 0 (grey) to 1.
        strength: root of the kernel's energy, its L2 norm.
    """

    orientation: Tensor
    frequency: Tensor
    oriented: Tensor
    colour: Tensor
    strength: Tensor


@dataclass(frozen=True, eq=False)
class Filters:
    """The kernels of a convolution and where their spectra peak.

    Attributes:
        layer: name of the convolution.
        kernels: `(C_out, C_in, k, k)`, float32 on the CPU, for the normalised input.
        spectrum: orientation, frequency, colour and strength of each.
    """

    layer: str
    kernels: Tensor
    spectrum: KernelSpectrum

    def order(self, by: FilterOrder = "index") -> list[int]:
        """Return the numbers of all kernels, the first one first.

        Args:
            by: index; strength or colour, most first; orientation or frequency, least first. Kernels without
                an orientation come last.

        Raises:
            FeatureError: another word.

        Example:
            >>> first_filters(interp.load()).order("frequency")[0]
            14
        """
        if by not in get_args(FilterOrder):
            names = ", ".join(get_args(FilterOrder))
            raise FeatureError(f"filters cannot be ordered by {by!r}; give one of {names}.")
        if by == "index":
            return list(range(len(self.kernels)))
        keys = getattr(self.spectrum, by)
        if by == "orientation":
            keys = keys.where(self.spectrum.oriented >= _ORIENTED, torch.inf).nan_to_num(torch.inf)
        down = by in ("strength", "colour")
        return [int(index) for index in keys.argsort(descending=down, stable=True)]

    def figure(self, sort: FilterOrder = "index", top: int | None = None) -> Figure:
        """Draw the kernels on one scale around zero, each with its orientation and frequency.

        Raises:
            FeatureError: as `order`, or `top` is less than 1.
            ViewError: the kernels have neither 1 nor 3 input channels.

        Example:
            >>> first_filters(interp.load()).figure("orientation").savefig("filters.png")
        """
        from interp.views import filters_figure

        if top is not None and top < 1:
            raise FeatureError(f"top={top} shows no filter; give 1 or more.")
        chosen = self.order(sort)[:top]
        outputs, inputs, high, wide = self.kernels.shape
        return filters_figure(
            self.kernels[chosen].numpy(),
            labels=[f"#{index}" for index in chosen],
            captions=[self._caption(index, sort) for index in chosen],
            title=f"{self.layer}  ·  {outputs} kernels of {inputs} × {high} × {wide}",
            note=f"in order of {sort}" if sort in _SAID else f"in order of {sort}; {_ANGLES}",
        )

    def _caption(self, index: int, sort: FilterOrder) -> str:
        found = self.spectrum
        if sort in _SAID:
            return f"{sort} {float(getattr(found, sort)[index]):.2f}"
        if not found.frequency[index] > 0:
            return "flat"
        cycles = f"{float(found.frequency[index]):.2f}"
        if found.oriented[index] < _ORIENTED:
            return f"no angle  {cycles}"
        # 179.6 is written 0: angles go round.
        return f"{round(float(found.orientation[index])) % 180}°  {cycles}"


def first_filters(model: ImageModel, layer: str | int | None = None) -> Filters:
    """Return the kernels of the first convolution that runs, the one that sees the picture.

    Weight norm and other parametrisations are applied; the batch norm after it is not folded in.

    Args:
        model: from `interp.load`.
        layer: another two-dimensional convolution.

    Raises:
        LayerError: no such layer.
        FeatureError: the layer is no two-dimensional convolution, or the network has none.

    Example:
        >>> first_filters(interp.load()).kernels.shape
        torch.Size([32, 3, 3, 3])
    """
    wanted = None if layer is None else split_call(model.layers.resolve(layer))[0]
    found: dict[str, Tensor] = {}
    with model.twin() as private, torch.inference_mode(False), torch.no_grad():
        handles = []

        def keep(name: str, part: nn.Conv2d) -> None:
            # What the hooks of a weight norm made for this pass.
            found.setdefault(name, part.weight.detach().float().cpu().clone())

        def listen(name: str, part: nn.Conv2d) -> Any:
            return part.register_forward_hook(lambda *_: keep(name, part))

        try:
            for name, part in private.named_modules():
                if isinstance(part, nn.Conv2d) and wanted in (None, name):
                    handles.append(listen(name, part))
            private(model.blank())
        finally:
            for handle in handles:
                handle.remove()
    if not found:
        what = f"{model.name} has" if wanted is None else f"layer {wanted!r} is"
        raise FeatureError(f"{what} no two-dimensional convolution (Conv2d): there are no kernels.")
    name, kernels = next(iter(found.items()))
    return Filters(name, kernels, kernel_spectrum(kernels))


def kernel_spectrum(kernels: Tensor) -> KernelSpectrum:
    """Return where the spectrum of each kernel peaks.

    `P(f) = Σ_c |FT(K_c − mean K_c)|²`, with zeros around the kernel up to 256 × 256. A kernel of k pixels
    tells frequencies apart by about 1/k, so the numbers of a 3 × 3 kernel are coarse.

    Args:
        kernels: `(N, C, k, k')`; k and k' at most 256.

    Raises:
        FeatureError: the kernels have another number of dimensions, no value, or sides over 256.

    Example:
        >>> stripes = torch.tensor([[[[1.0, -1.0, 1.0, -1.0]] * 4]])
        >>> found = kernel_spectrum(stripes)
        >>> float(found.orientation), float(found.frequency)
        (90.0, 0.5)
    """
    if kernels.dim() != 4 or kernels.numel() == 0 or max(kernels.shape[2:]) > _SIDE:
        raise FeatureError(
            f"the kernels have the shape {tuple(kernels.shape)}; give (count, channels, height, width), "
            f"with sides of at most {_SIDE}."
        )
    kernels = kernels.detach().double().cpu()
    peaks = [_peaks(part) for part in torch.split(kernels, _AT_ONCE)]
    orientation, frequency, oriented = (torch.cat(parts).float() for parts in zip(*peaks, strict=True))
    grey = kernels.mean(1, keepdim=True)
    energy = kernels.square().sum((1, 2, 3))
    colour = (kernels - grey).square().sum((1, 2, 3)) / energy.clamp(min=torch.finfo(energy.dtype).tiny)
    return KernelSpectrum(orientation, frequency, oriented, colour.float(), energy.sqrt().float())


def _peaks(kernels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return orientation, frequency and orientedness of each kernel."""
    waves = kernels - kernels.mean((2, 3), keepdim=True)
    power = torch.fft.fft2(waves, s=(_SIDE, _SIDE)).abs().square().sum(1)
    # A real kernel's spectrum is the same on both sides, so one half is enough; rounding must not choose
    # between the two ends of the columns that are their own mirror.
    sides = power[:, :, : _SIDE // 2 + 1].clone()
    sides[:, _SIDE // 2 + 1 :, [0, -1]] = 0
    half = sides.flatten(1)
    best = half.argmax(1)
    high = half.gather(1, best[:, None])[:, 0]
    down, right = best // (_SIDE // 2 + 1), best % (_SIDE // 2 + 1)
    down = down.where(down <= _SIDE // 2, down - _SIDE)
    across = power[torch.arange(len(power)), right % _SIDE, -down % _SIDE]
    # The wave goes across its stripes, and rows go down.
    angle = (torch.atan2(-down.double(), right.double()).rad2deg() + 90) % 180
    flat = high <= 1e-12 * kernels.square().sum((1, 2, 3)).clamp(min=torch.finfo(high.dtype).tiny)
    frequency = torch.hypot(down.double(), right.double()) / _SIDE
    oriented = (1 - across / high.clamp(min=torch.finfo(high.dtype).tiny)).clamp(0, 1)
    return angle.where(~flat, torch.nan), frequency.where(~flat, 0.0), oriented.where(~flat, 0.0)
