"""Pixels of every depth and mode, as eight-bit RGB."""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from interp.images.errors import ImageError

_WITH_ALPHA = {"1", "L", "P", "RGB", "LA", "PA", "RGBA"}
_PREMULTIPLIED = {"La": "LA", "RGBa": "RGBA"}
# These readers fill mode "I" with sixteen-bit numbers that use the full range.
_SIXTEEN_BIT_READERS = {"PNG", "PPM", "JPEG2000"}

# `ImageOps.exif_transpose` also writes the metadata anew, which fails where they are damaged.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def pil_to_rgb(image: Image.Image, name: str) -> Image.Image:
    """Makes a loaded Pillow image an upright RGB image of its own, without metadata.

    Args:
        image: Any mode; it is not changed.
        name: What the picture is called in errors.

    Returns:
        Mode RGB; transparency is composited on white.

    Raises:
        ImageError: If a floating-point image has no finite value.

    Example:
        >>> pil_to_rgb(Image.new("LA", (2, 2), (0, 0)), "glass").getpixel((0, 0))
        (255, 255, 255)
    """
    upright = _UPRIGHT.get(_orientation(image))
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        rgb = _deep_to_grey(image, name).convert("RGB")
    elif image.mode in _PREMULTIPLIED:
        rgb = _on_white(image.convert(_PREMULTIPLIED[image.mode]))
    elif image.mode in _WITH_ALPHA and image.has_transparency_data:
        rgb = _on_white(image)
    else:
        rgb = image.convert("RGB")
    if upright is not None:
        rgb = rgb.transpose(upright)
    # An orientation that stayed behind would be applied again by the next reader.
    rgb.info = {}
    return rgb


def pixels_hash(picture: Image.Image) -> str:
    """Returns the SHA-256 of a picture's RGB pixels, as 64 hexadecimal digits.

    Example:
        >>> pixels_hash(Image.new("RGB", (1, 1)))[:8]
        '709e80c8'
    """
    return hashlib.sha256(picture.convert("RGB").tobytes()).hexdigest()


def array_to_rgb(array: NDArray[Any], name: str) -> Image.Image:
    """Makes an array an RGB image.

    Args:
        array: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), the last with alpha; bool, uint8, uint16
            or floating point. Values are scaled as `scale_to_bytes` says.
        name: What the picture is called in errors.

    Returns:
        Mode RGB; alpha is composited on white.

    Raises:
        ImageError: If the shape, the type or the values are none of these.

    Example:
        >>> array_to_rgb(np.ones((2, 3)), "ones").size
        (3, 2)
    """
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise ImageError(
            f"{name} has the shape {array.shape}, which is no picture. Give (height, width) "
            "or (height, width, channels) for NumPy, (channels, height, width) for torch, with "
            "1, 3 or 4 channels."
        )
    colour = scale_to_bytes(array[..., :3], name)
    if array.shape[2] == 1:
        return Image.fromarray(colour[..., 0]).convert("RGB")
    if array.shape[2] == 3:
        return Image.fromarray(colour)
    alpha = array[..., 3:]
    if alpha.dtype.kind == "f" and not ((alpha >= 0) & (alpha <= 1)).all():
        raise ImageError(f"{name} has alpha values outside [0, 1]. Scale them first.")
    both = np.concatenate([colour, scale_to_bytes(alpha, name)], axis=2)
    return _on_white(Image.fromarray(both))


def scale_to_bytes(values: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """Scales values to 0 ... 255; nothing is clipped.

    bool: 255 x. uint8: x. uint16: round(255 x / 65535). Floating point and 32-bit integers:
    round(255 x) if all finite values lie in [0, 1], else round(255 (x - min) / (max - min)) over
    the finite values; a constant outside [0, 1] becomes 0. Values that are not finite become 0.

    Args:
        values: Any shape.
        name: What the picture is called in errors.

    Returns:
        uint8, same shape.

    Raises:
        ImageError: If no value is finite, or the type is another one.

    Example:
        >>> scale_to_bytes(np.array([-1.0, 0.0, 1.0]), "ramp").tolist()
        [0, 128, 255]
    """
    kind, width = values.dtype.kind, values.dtype.itemsize
    if (kind, width) == ("u", 1):
        return np.ascontiguousarray(values, dtype=np.uint8)
    if kind == "b":
        return values.astype(np.uint8) * np.uint8(255)
    if (kind, width) == ("u", 2):
        return ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    if kind == "f" or (kind, width) == ("i", 4):
        return _stretch(values.astype(np.float64), name)
    raise ImageError(f"{name} has values of type {values.dtype}. Give bool, uint8, uint16 or floating point.")


def _stretch(values: NDArray[np.float64], name: str) -> NDArray[np.uint8]:
    finite = np.isfinite(values)
    if not finite.any():
        raise ImageError(f"{name} has no finite value, only NaN or infinity.")
    low = float(values.min(where=finite, initial=np.inf))
    high = float(values.max(where=finite, initial=-np.inf))
    values[~finite] = low
    if low < 0 or high > 1:
        # Halves, because the difference of two large numbers may not fit.
        span = high / 2 - low / 2
        values = (values / 2 - low / 2) / span if span > 0 else np.zeros_like(values)
    values = np.rint(values * 255)
    values[~finite] = 0
    return values.astype(np.uint8)


def _deep_to_grey(image: Image.Image, name: str) -> Image.Image:
    values: NDArray[Any] = np.asarray(image)
    if image.mode == "I" and image.format in _SIXTEEN_BIT_READERS:
        values = values.clip(0, 65535).astype(np.uint16)
    grey = scale_to_bytes(values, name)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey = np.where(values == transparent, np.uint8(255), grey)
    return Image.fromarray(grey)


def _on_white(image: Image.Image) -> Image.Image:
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:
        # Damaged metadata raise nearly everything, and say nothing about the pixels.
        return 1
    return value if isinstance(value, int) else 1
