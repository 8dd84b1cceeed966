"""From a picture to a network's input and back, and which part of the picture the network sees."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self, get_args

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from interp.images.errors import ImageError
from interp.images.geometry import Box, fastai_part, shorter_side_to, torchvision_part

Fit = Literal["cover", "crop", "squish", "pad"]
Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_MAX_SIDE = 8192
# Cover and pad make a long, thin picture larger before they make it smaller.
_MAX_BETWEEN = 2**28


class PreprocessError(ValueError):
    """A preprocessing setting, or a tensor given to it, is wrong; the message says which."""


@dataclass(frozen=True)
class Preprocess:
    """How a picture becomes a network's input: fitted to `size`, then (x / 255 - mean) / std.

    - cover: shorter side to `resize`, then the centre of `size`; black where the resized picture
      is smaller than `size`. Equal to torchvision's `Resize` and `CenterCrop`, bit for bit.
    - crop: the largest centre part of `size`'s shape, then resized. Equal to fastai's
      `Resize(size, method="crop")` on validation pictures.
    - squish: resized to `size`, whatever the shape.
    - pad: black borders to `size`'s shape, then resized. Equal to fastai's `method="pad",
      pad_mode="zeros"`.

    Args:
        size: (height, width) of the network's input, each 1 ... 8192.
        mean: Of one channel (grey, Pillow's "L") or three (RGB), in units of x / 255.
        std: As many, positive.
        fit: How the picture comes to the shape of `size`.
        resize: Only for cover: the shorter side after resizing, 1 ... 8192. None is min(size),
            which leaves black borders if `size` is not square and the picture is closer to it.
        interpolation: Pillow's filter, without its reducing gap.

    Raises:
        PreprocessError: If a setting has a wrong type or value.

    Example:
        >>> prepare = Preprocess((224, 224), IMAGENET_MEAN, IMAGENET_STD, resize=256)
        >>> prepare(Image.new("RGB", (640, 480))).shape
        torch.Size([3, 224, 224])
        >>> prepare.box((640, 480))
        Box(left=108.85630498533725, top=30.0, right=529.266862170088, bottom=450.0)
    """

    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fit: Fit = "cover"
    resize: int | None = None
    interpolation: Interpolation = "bilinear"

    def __post_init__(self) -> None:
        # Lists (from JSON) become tuples, so that equal settings are equal and can be hashed.
        object.__setattr__(self, "size", _sides(self.size))
        object.__setattr__(self, "mean", _numbers(self.mean, "mean"))
        object.__setattr__(self, "std", _numbers(self.std, "std"))
        if len(self.mean) != len(self.std):
            raise PreprocessError(
                f"mean has {len(self.mean)} values and std {len(self.std)}. Give equally many."
            )
        if min(self.std) < 1e-6:
            raise PreprocessError(f"std is {list(self.std)}. It must be positive (from 1e-6).")
        _choice(self.fit, Fit, "fit")
        _choice(self.interpolation, Interpolation, "interpolation")
        if self.resize is not None:
            _side(self.resize, "resize")
            if self.fit != "cover":
                raise PreprocessError(f"resize is for fit='cover' only, not for {self.fit!r}.")

    @property
    def channels(self) -> int:
        """1 (grey) or 3 (RGB)."""
        return len(self.mean)

    def __call__(self, image: Image.Image) -> Tensor:
        """Makes a picture the network's input.

        Args:
            image: As `open_image` returns it: mode RGB (or L), upright.

        Returns:
            float32 (C, H, W) on the CPU.

        Raises:
            ImageError: If the mode is another one, or the picture is too long and thin.

        Example:
            >>> Preprocess((2, 2), (0.5,), (0.5,))(Image.new("L", (9, 9), 255))[0, 0, 0]
            tensor(1.)
        """
        pixels = np.array(self._fitted(image))
        if pixels.ndim == 2:
            pixels = pixels[..., None]
        values = torch.from_numpy(pixels).permute(2, 0, 1).contiguous().float().div_(255)
        mean, std = self._statistics(values)
        return values.sub_(mean).div_(std)

    def batch(self, images: Sequence[Image.Image]) -> Tensor:
        """Makes several pictures, of any sizes, one input: float32 (B, C, H, W).

        Raises:
            PreprocessError: If there is no picture.
            ImageError: As a call with one picture.

        Example:
            >>> prepare = Preprocess((2, 2), (0.5,), (0.5,))
            >>> prepare.batch([Image.new("L", (9, 9)), Image.new("L", (5, 7))]).shape
            torch.Size([2, 1, 2, 2])
        """
        if not images:
            raise PreprocessError("There is no picture to make a batch of. Give at least one.")
        return torch.stack([self(image) for image in images])

    def inverse(self, values: Tensor) -> Tensor:
        """Undoes the normalisation: clamp(x std + mean, 0, 1).

        Args:
            values: Floating point (C, H, W) or (B, C, H, W), any H and W, any device.

        Returns:
            float32, same shape and device, in [0, 1].

        Raises:
            PreprocessError: If the shape is another one.

        Example:
            >>> Preprocess((2, 2), (0.5,), (0.5,)).inverse(torch.zeros(1, 1, 1))
            tensor([[[0.5000]]])
        """
        if values.ndim not in (3, 4) or values.shape[-3] != self.channels:
            raise PreprocessError(
                f"The tensor has the shape {tuple(values.shape)}. Give ({self.channels}, height, "
                f"width) or (batch, {self.channels}, height, width)."
            )
        values = values.float()
        mean, std = self._statistics(values)
        return (values * std + mean).clamp(0, 1)

    def view(self, image: Image.Image) -> Image.Image:
        """What the network sees of a picture, before the normalisation: RGB of `size`.

        Raises:
            ImageError: As a call with one picture.

        Example:
            >>> Preprocess((20, 30), (0.5,), (0.5,)).view(Image.new("RGB", (99, 99))).size
            (30, 20)
        """
        return self._fitted(image).convert("RGB")

    def box(self, image_size: tuple[int, int]) -> Box:
        """The rectangle of the original picture that the network's input covers, exactly.

        Args:
            image_size: (width, height) of the picture, as Pillow's `image.size`.

        Returns:
            In the picture's pixels; larger than the picture where the input has black borders.

        Raises:
            ImageError: If the picture has no pixels, or is too long and thin.

        Example:
            >>> Preprocess((10, 10), (0.5,), (0.5,), fit="pad").box((20, 10))
            Box(left=0.0, top=-5.0, right=20.0, bottom=15.0)
        """
        (width, height), (left, top, right, bottom) = self._plan(image_size)
        across, down = image_size[0] / width, image_size[1] / height
        return Box(left * across, top * down, right * across, bottom * down)

    def to_json(self) -> dict[str, Any]:
        """The settings as plain JSON values, for `from_json`."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, settings: Mapping[str, Any]) -> Self:
        """Makes it again from `to_json`.

        Args:
            settings: size, mean and std; fit, resize and interpolation may be missing.

        Raises:
            PreprocessError: If a key is unknown or missing, or a value has a wrong type or range.

        Example:
            >>> Preprocess.from_json({"size": [8, 8], "mean": [0.5], "std": [0.5]}).fit
            'cover'
        """
        if not isinstance(settings, Mapping):
            raise PreprocessError(f"The settings are a {type(settings).__name__}, not an object.")
        known = [field.name for field in fields(cls)]
        unknown = [key for key in settings if key not in known]
        missing = [key for key in ("size", "mean", "std") if key not in settings]
        if unknown or missing:
            what = f"{unknown[0]!r} is unknown" if unknown else f"{missing[0]!r} is missing"
            raise PreprocessError(f"In the settings {what}. The keys are {', '.join(known)}.")
        return cls(**settings)

    def _plan(self, image_size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int, int, int]]:
        """(width, height) the picture has when it is cut, and the part that is cut out there."""
        width, height = image_size
        if width < 1 or height < 1:
            raise ImageError(f"The picture has no pixels: its size is {width} x {height}.")
        if self.fit == "cover":
            width, height = shorter_side_to(self.resize or min(self.size), width, height)
            part = torchvision_part(self.size, width, height)
        elif self.fit == "squish":
            part = (0, 0, width, height)
        else:
            part = fastai_part(self.size, width, height, pad=self.fit == "pad")
        left, top, right, bottom = part
        if max(width * height, (right - left) * (bottom - top)) > _MAX_BETWEEN:
            raise ImageError(
                f"The picture of {image_size[0]} x {image_size[1]} pixels is too long and thin "
                f"for fit={self.fit!r}. Crop it first, or use fit='crop' or 'squish'."
            )
        return (width, height), part

    def _fitted(self, image: Image.Image) -> Image.Image:
        if image.mode not in ("RGB", "L"):
            raise ImageError(f"The picture has the mode {image.mode}. Open it with open_image.")
        mode = "L" if self.channels == 1 else "RGB"
        if image.mode != mode:
            image = image.convert(mode)
        filter_ = Image.Resampling[self.interpolation.upper()]
        between, part = self._plan(image.size)
        if self.fit == "cover":
            return image.resize(between, filter_).crop(part)
        height, width = self.size
        return image.crop(part).resize((width, height), filter_)

    def _statistics(self, like: Tensor) -> tuple[Tensor, Tensor]:
        mean, std = (
            torch.tensor(numbers, dtype=torch.float32, device=like.device).view(-1, 1, 1)
            for numbers in (self.mean, self.std)
        )
        return mean, std


def _sides(value: Any) -> tuple[int, int]:
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise PreprocessError(f"size is {value!r}. Give (height, width).")
    return _side(value[0], "size"), _side(value[1], "size")


def _side(value: Any, key: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MAX_SIDE:
        raise PreprocessError(f"{key} has {value!r}. Give whole numbers from 1 to {_MAX_SIDE}.")
    return value


def _numbers(value: Any, key: str) -> tuple[float, ...]:
    if not isinstance(value, (tuple, list)) or len(value) not in (1, 3):
        raise PreprocessError(f"{key} is {value!r}. Give 1 number (grey) or 3 numbers (RGB).")
    for number in value:
        real = isinstance(number, (int, float)) and not isinstance(number, bool)
        if not real or not abs(number) <= 1e6:
            raise PreprocessError(f"{key} has {number!r}. Give finite numbers up to 1e6.")
    return tuple(float(number) for number in value)


def _choice(value: Any, choices: Any, key: str) -> None:
    if value not in get_args(choices):
        allowed = ", ".join(get_args(choices))
        raise PreprocessError(f"{key} is {value!r}. Give one of {allowed}.")
