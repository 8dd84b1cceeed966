"""A kernel of numbers applied to a picture by hand, as the first layer of a network does."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from interp.features.errors import FeatureError
from interp.images import Box, open_image
from interp.images.opening import Source

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class TooSmallError(FeatureError):
    """A picture has fewer pixels than a kernel needs."""


Border = Literal["valid", "zeros", "reflect"]
Kernel = tuple[tuple[float, ...], ...]

_LARGEST: Final = torch.finfo(torch.float32).max
_THIRD: Final = 5 / 18
_SIXTH: Final = 1 / 6

KERNELS: Final[Mapping[str, Kernel]] = MappingProxyType(
    {
        "bottom-right": ((0.0, -_THIRD, _SIXTH), (-_THIRD, -_THIRD, _SIXTH), (_SIXTH, _SIXTH, _SIXTH)),
        "edges": ((-1.0, -1.0, -1.0), (-1.0, 8.0, -1.0), (-1.0, -1.0, -1.0)),
        "sobel-x": ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0)),
        "sobel-y": ((-1.0, -2.0, -1.0), (0.0, 0.0, 0.0), (1.0, 2.0, 1.0)),
        "laplacian": ((0.0, 1.0, 0.0), (1.0, -4.0, 1.0), (0.0, 1.0, 0.0)),
        "sharpen": ((0.0, -1.0, 0.0), (-1.0, 5.0, -1.0), (0.0, -1.0, 0.0)),
        "blur": ((1 / 9,) * 3,) * 3,
    }
)
"""Kernels by name; bottom-right is that of fast.ai's Practical Deep Learning 2019, lesson 6."""


@dataclass(frozen=True, eq=False)
class Filtered:
    """A picture and what a kernel gives on it.

    Attributes:
        picture: RGB.
        kernel: `(k, k')`, float32.
        name: of the kernel, or its size.
        border: what was done at the border.
        values: `(H, W)`, float32, any sign.
        box: the centres of the kernel lay in this part of the picture; `values` cover it.
    """

    picture: Image.Image
    kernel: Tensor
    name: str
    border: Border
    values: Tensor
    box: Box

    def figure(self) -> Figure:
        """Draw the picture, the kernel with its numbers and the result beside each other.

        Example:
            >>> apply_kernel("sample_images/cat.jpg", "sobel-x").figure().savefig("edges.png")
        """
        from interp.views import kernel_figure

        said = {"valid": "no border", "zeros": "zeros around it", "reflect": "mirrored at its border"}
        size = f"{self.picture.width} × {self.picture.height}"
        return kernel_figure(
            self.picture,
            self.kernel.numpy(),
            self.values.numpy(),
            title=self.name,
            caption=f"picture of {size}, {said[self.border]}; values 0 … 1, sum over R, G and B",
            box=(self.box.left, self.box.top, self.box.right, self.box.bottom),
        )


def apply_kernel(
    picture: Source, kernel: str | npt.ArrayLike | Tensor, *, border: Border = "reflect"
) -> Filtered:
    """Apply a kernel to a picture as a convolution layer does: `y_ij = Σ_c Σ_uv K_uv x_c,i+u,j+v`.

    The kernel is not turned (a cross-correlation), is the same for R, G and B, and the three results are
    added up. (fast.ai Practical Deep Learning 2019, lesson 6.)

    Args:
        picture: anything that `interp.open_image` takes; its values are x / 255, 0 … 1.
        kernel: a name from `KERNELS`, text such as "1 0 -1; 2 0 -2; 1 0 -1", or numbers (k, k').
        border: valid gives a result smaller by the kernel less one; zeros and reflect (mirrored, the
            outermost pixels once) give one of the picture's size. The centre of an even side is the pixel
            before its middle.

    Raises:
        ImageError: the picture cannot be opened.
        TooSmallError: the picture is smaller than the kernel needs.
        FeatureError: there is no such kernel or border, or it is no table of finite numbers.

    Example:
        >>> apply_kernel(np.full((4, 4), 255, np.uint8), "blur", border="valid").values
        tensor([[3.0000, 3.0000],
                [3.0000, 3.0000]])
    """
    if border not in get_args(Border):
        raise FeatureError(f"border={border!r}: give valid, zeros or reflect.")
    name, numbers = read_kernel(kernel)
    opened = open_image(picture)
    high, wide = numbers.shape
    above, left = (high - 1) // 2, (wide - 1) // 2
    below, right = high // 2, wide // 2
    # A mirrored border cannot reach further than the picture does.
    needed = {"valid": (high, wide), "zeros": (1, 1), "reflect": (below + 1, right + 1)}[border]
    if opened.height < needed[0] or opened.width < needed[1]:
        raise TooSmallError(
            f"the picture of {opened.width} × {opened.height} pixels is too small for a kernel of {wide} × "
            f"{high} with border={border!r}; give a larger one, or border='zeros'."
        )
    pixels = torch.from_numpy(np.array(opened)).permute(2, 0, 1)[None].float() / 255
    # Before the border, as the kernel is the same for all channels.
    brightness = pixels.sum(1, keepdim=True)
    box = Box(0.0, 0.0, float(opened.width), float(opened.height))
    if border == "valid":
        box = Box(float(left), float(above), float(opened.width - right), float(opened.height - below))
    else:
        mode = "reflect" if border == "reflect" else "constant"
        brightness = F.pad(brightness, (left, right, above, below), mode=mode)
    with torch.inference_mode(False), torch.no_grad():
        values = F.conv2d(brightness, numbers[None, None])[0, 0]
    return Filtered(opened, numbers, name, border, values, box)


def parse_kernel(text: str) -> Tensor:
    """Return the kernel that a text means: numbers or fractions, rows ended by `;` or a new line.

    Without rows, as many numbers as a square has are a square kernel.

    Raises:
        FeatureError: something is no number, or the rows are not equally long.

    Example:
        >>> parse_kernel("0 -5/3 1; -5/3 -5/3 1; 1 1 1")[0]
        tensor([ 0.0000, -1.6667,  1.0000])
    """
    rows = [re.split(r"[\s,]+", row.strip(" \t,")) for row in re.split(r"[;\n]", text) if row.strip(" \t,")]
    try:
        numbers = [[_number(word.replace("\N{MINUS SIGN}", "-")) for word in row] for row in rows]
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        raise FeatureError(f"the kernel {text!r:.80} has something that is no number ({error}).") from error
    side = math.isqrt(len(numbers[0])) if len(numbers) == 1 else 0
    if side > 1 and side * side == len(numbers[0]):
        numbers = [numbers[0][i * side : (i + 1) * side] for i in range(side)]
    if not numbers or len({len(row) for row in numbers}) != 1:
        lengths = ", ".join(str(len(row)) for row in numbers) or "no"
        raise FeatureError(f"the kernel {text!r:.80} has rows of {lengths} numbers; give equal rows.")
    return torch.tensor(numbers)


def _number(word: str) -> float:
    # Not a Fraction of all: that of 1e9999999 is a whole number of ten million digits.
    value = float(Fraction(word)) if "/" in word else float(word)
    if not abs(value) <= _LARGEST:
        raise ValueError(f"{word:.20} is not finite, or too large")
    return value


def read_kernel(kernel: str | npt.ArrayLike | Tensor) -> tuple[str, Tensor]:
    """Return what to call a kernel, and its numbers `(k, k')`.

    Raises:
        FeatureError: it is no name, text or table of finite numbers in two dimensions.

    Example:
        >>> read_kernel("1 0; 0 -1")[0]
        '2 × 2 kernel'
    """
    if isinstance(kernel, str):
        key = kernel.strip().lower().replace("_", "-").replace(" ", "-")
        if key in KERNELS:
            return key, torch.tensor(KERNELS[key])
        if re.search(r"[a-z]{3}", key):
            near = difflib.get_close_matches(key, KERNELS, n=2, cutoff=0.5)
            hint = (
                f"did you mean {' or '.join(near)}?"
                if near
                else f"give one of {', '.join(KERNELS)}, or numbers."
            )
            raise FeatureError(f"there is no kernel {kernel!r:.80}; {hint}")
        numbers = parse_kernel(kernel)
    else:
        plain = kernel.detach().cpu() if isinstance(kernel, Tensor) else kernel
        try:
            numbers = torch.from_numpy(np.array(plain, dtype=np.float32))
        except (TypeError, ValueError) as error:
            raise FeatureError(f"the kernel is no table of numbers ({error}).") from error
    if numbers.dim() != 2 or numbers.numel() == 0 or not bool(numbers.isfinite().all()):
        raise FeatureError(
            f"the kernel has the shape {tuple(numbers.shape)}; give finite numbers, (rows, columns)."
        )
    return f"{numbers.shape[0]} × {numbers.shape[1]} kernel", numbers
