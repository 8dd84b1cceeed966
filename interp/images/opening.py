"""Opens a picture from anywhere as RGB, or says in a sentence why that cannot be."""

import io
import os
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    IcoImagePlugin,
    Image,
    ImageFile,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PcxImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    SgiImagePlugin,
    TgaImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)
from torch import Tensor

from interp.images.errors import ImageError
from interp.images.pixels import array_to_rgb, pil_to_rgb
from interp.images.reading import LIMITS, Limits, check_bytes, name_of, read_file, read_path
from interp.images.sniff import describe

try:
    from PIL import AvifImagePlugin
except ImportError:  # Pillow before 11.3
    _AVIF: tuple[type[ImageFile.ImageFile], ...] = ()
else:
    _AVIF = (AvifImagePlugin.AvifImageFile,)

# Imported above, so that no thread ever sees a half-filled registry. TGA comes last because it has
# no signature. What runs other programs (EPS, WMF) or decodes pixel by pixel in Python is left out.
_READERS: tuple[type[ImageFile.ImageFile], ...] = (
    JpegImagePlugin.JpegImageFile,  # and MPO
    PngImagePlugin.PngImageFile,
    GifImagePlugin.GifImageFile,
    BmpImagePlugin.BmpImageFile,
    TiffImagePlugin.TiffImageFile,
    WebPImagePlugin.WebPImageFile,
    *_AVIF,
    Jpeg2KImagePlugin.Jpeg2KImageFile,
    PpmImagePlugin.PpmImageFile,
    IcoImagePlugin.IcoImageFile,
    PcxImagePlugin.PcxImageFile,
    SgiImagePlugin.SgiImageFile,
    TgaImagePlugin.TgaImageFile,
)
_FORMATS = tuple(str(reader.format) for reader in _READERS)

Source = str | os.PathLike[str] | bytes | bytearray | BinaryIO | Image.Image | NDArray[Any] | Tensor
"""Whatever `open_image` opens."""


def open_image(source: Source, *, limits: Limits = LIMITS) -> Image.Image:
    """Opens a picture as upright eight-bit RGB, fully loaded.

    The content decides the format, not the name. The first frame of an animation is taken, EXIF
    orientation is applied, transparency is composited on white, colour profiles are ignored.
    Sixteen-bit grey is divided by 65535. 32-bit and floating-point pixels count as [0, 1] if they
    lie there, and are stretched from minimum to maximum otherwise; NaN and infinity become black.

    Calls in several threads do not disturb each other, if each has its own file object or lazy
    Pillow image. Pillow's global settings are never changed; `PIL.Image.MAX_IMAGE_PIXELS` still
    warns from 89 million pixels on, and forbids twice as many.

    Args:
        source: A path; the bytes of a file; a binary file object, read from its start; a Pillow
            image, as it stands (opened lazily, it gets loaded); an array (H, W) or (H, W, 1 | 3 |
            4); a tensor (H, W) or (1 | 3 | 4, H, W). Arrays and tensors: bool, uint8, uint16 or
            floating point.
        limits: How large the picture may be.

    Returns:
        Mode RGB, at least 1 x 1, without metadata, independent of the source.

    Raises:
        ImageError: Whatever is wrong, in a sentence that names the picture.

    Example:
        >>> open_image(np.zeros((20, 30), dtype=np.uint8)).size
        (30, 20)
    """
    name = name_of(source)
    try:
        return _open(source, name, limits)
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(
            f"{name} has more pixels than Pillow allows (PIL.Image.MAX_IMAGE_PIXELS). Make it smaller first."
        ) from error
    except MemoryError as error:
        raise ImageError(f"{name} needs more memory than there is. Make it smaller.") from error
    except Exception as error:
        # Pillow's readers raise nearly everything when they meet a damaged file.
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200].rstrip(".")
        raise ImageError(
            f"{name} cannot be read; it may be damaged or cut off ({reason}). "
            "Copy it again, or save it anew as PNG."
        ) from error


def _open(source: Any, name: str, limits: Limits) -> Image.Image:
    if isinstance(source, Image.Image):
        return _convert(source, name, limits)
    if isinstance(source, Tensor):
        source = _tensor_to_array(source, name)
    if isinstance(source, np.ndarray):
        height, width = (*source.shape, 1, 1)[:2]
        _check_pixels((width, height), name, limits)
        return array_to_rgb(source, name)
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
    elif isinstance(source, (str, os.PathLike)):
        data = read_path(os.fsdecode(source), name, limits)
    elif callable(getattr(source, "read", None)):
        data = read_file(source, name, limits)
    else:
        raise ImageError(
            f"{name} is not something that can be opened. Give a path, bytes, a binary file "
            "object, a Pillow image, a NumPy array or a torch tensor."
        )
    check_bytes(len(data), name, limits)
    return _decode(data, name, limits)


def _decode(data: bytes, name: str, limits: Limits) -> Image.Image:
    if not data:
        raise ImageError(f"{name} is empty. Copy or download it again.")
    _check_icon(data, name, limits)
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            return _convert(image, name, limits)
    except UnidentifiedImageError as error:
        raise ImageError(f"{name} {describe(data)}") from error


def _convert(image: Image.Image, name: str, limits: Limits) -> Image.Image:
    if isinstance(image, ImageFile.ImageFile) and image.format in ("EPS", "WMF"):
        raise ImageError(f"{name} holds a drawing ({image.format}). Export it as PNG or JPEG first.")
    _check_pixels(image.size, name, limits)
    image.load()
    return pil_to_rgb(image, name)


def _check_pixels(size: tuple[int, int], name: str, limits: Limits) -> None:
    if min(size) < 1:
        raise ImageError(f"{name} has no pixels: its size is {size[0]} x {size[1]}.")
    if size[0] * size[1] > limits.pixels:
        raise ImageError(
            f"{name} has {size[0]} x {size[1]} pixels, more than the {limits.pixels:,} allowed. "
            "Make it smaller, or raise Limits.pixels."
        )


def _check_icon(data: bytes, name: str, limits: Limits) -> None:
    """Icons are decoded while they are opened, so the sizes within are looked up before."""
    if data[:4] != b"\x00\x00\x01\x00":
        return
    for entry in range(int.from_bytes(data[4:6], "little")):
        field = 6 + 16 * entry + 12
        start = int.from_bytes(data[field : field + 4], "little")
        if data[start : start + 4] == b"\x89PNG":
            sides = [int.from_bytes(data[start + at : start + at + 4], "big") for at in (16, 20)]
        else:
            sides = [
                abs(int.from_bytes(data[start + at : start + at + 4], "little", signed=True)) for at in (4, 8)
            ]
        if sides[0] * sides[1] > 2 * limits.pixels:  # the mask doubles the height
            _check_pixels((sides[0], sides[1]), name, limits)


def _tensor_to_array(tensor: Tensor, name: str) -> NDArray[Any]:
    if tensor.ndim not in (2, 3):
        shape = tuple(tensor.shape)
        hint = " Take one picture of the batch." if tensor.ndim == 4 else ""
        raise ImageError(f"{name} has the shape {shape}, not (channels, height, width).{hint}")
    tensor = tensor.detach().cpu()
    array: NDArray[Any] = (tensor.double() if tensor.is_floating_point() else tensor).numpy()
    return array if array.ndim == 2 else np.moveaxis(array, 0, -1)
