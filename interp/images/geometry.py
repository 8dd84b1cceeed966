"""Which rectangle of a picture is cut out, in integers as torchvision and fastai round them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Box:
    """A rectangle in the pixel coordinates of a picture; (0, 0) is its top left corner.

    Cell (i, j) of a map of h x w cells that covers the box spans
    [left + j width / w, left + (j + 1) width / w] x [top + i height / h, top + (i + 1) height / h].

    Args:
        left: x of the left edge, in pixels; negative if it lies outside the picture.
        top: y of the upper edge.
        right: x of the right edge.
        bottom: y of the lower edge.

    Example:
        >>> Box(10.0, 0.0, 30.0, 20.0).width
        20.0
    """

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Right edge minus left edge, in pixels."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Lower edge minus upper edge, in pixels."""
        return self.bottom - self.top

    def to_json(self) -> list[float]:
        """[left, top, right, bottom]; `Box(*box.to_json()) == box`."""
        return [self.left, self.top, self.right, self.bottom]


def shorter_side_to(side: int, width: int, height: int) -> tuple[int, int]:
    """(width, height) after torchvision's `Resize(side)`; it cuts the longer side to an integer.

    Example:
        >>> shorter_side_to(256, 640, 480)
        (341, 256)
    """
    if width <= height:
        return side, int(side * height / width)
    return int(side * width / height), side


def torchvision_part(size: tuple[int, int], width: int, height: int) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of torchvision's `CenterCrop(size)`; size is (height, width).

    Example:
        >>> torchvision_part((224, 224), 341, 256)
        (58, 16, 282, 240)
    """
    left, top = _centred(width, size[1]), _centred(height, size[0])
    return left, top, left + size[1], top + size[0]


def _centred(have: int, want: int) -> int:
    """Where torchvision's `center_crop` starts; it rounds borders down and cuts to even."""
    return -((want - have) // 2) if want > have else round((have - want) / 2)


def fastai_part(size: tuple[int, int], width: int, height: int, *, pad: bool) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) that fastai's `Resize(size)` cuts before it resizes.

    The operations are in the order of its `encodes`, for the same rounding.

    Example:
        >>> fastai_part((10, 10), 20, 10, pad=True)
        (0, -5, 20, 15)
    """
    across, down = width / size[1], height / size[0]
    scale = max(across, down) if pad else min(across, down)
    # At least one pixel, where fastai fails on very thin pictures.
    part_width, part_height = max(1, int(scale * size[1])), max(1, int(scale * size[0]))
    left, top = int(0.5 * (width - part_width)), int(0.5 * (height - part_height))
    return left, top, left + part_width, top + part_height
