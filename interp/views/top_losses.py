"""The pictures that a model gets most wrong, each beside the heat of what it looked at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from interp.views.checks import ViewError, as_picture, same_length
from interp.views.page import Page
from interp.views.pictures import place_picture
from interp.views.plots import LINE_HEIGHT, RIGHT, WRONG, lines_at, measured
from interp.views.scale import number
from interp.views.text import clean, font, shorten

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MARGIN: Final = 12.0
_WIDE: Final = 132.0
_BETWEEN: Final = 3.0
_GAP: Final = 18.0
_SIZE: Final = 8.5
_DOT: Final = " \N{MIDDLE DOT} "


@dataclass(frozen=True)
class TopLoss:
    """What is said of one picture.

    Attributes:
        predicted: name of the class that the model says.
        actual: name of the class that it is.
        loss: of this picture.
        probability: of the predicted class, 0 to 1.

    Example:
        >>> TopLoss("cat", "dog", 2.3, 0.9).wrong
        True
    """

    predicted: str
    actual: str
    loss: float
    probability: float

    @property
    def wrong(self) -> bool:
        """Whether the prediction is another class."""
        return self.predicted != self.actual


def top_losses_figure(
    pictures: Sequence[npt.ArrayLike],
    overlays: Sequence[npt.ArrayLike | None],
    captions: Sequence[TopLoss],
) -> Figure:
    """Pictures beside their overlays, with truth, prediction and loss above each pair.

    A sign and a colour tell whether the prediction is right: a picture can have a high loss for
    little confidence alone.

    Args:
        pictures: uint8 (height, width, 3), of any sizes, in the order to show.
        overlays: the same pictures under their heat; None where there is none.
        captions: what is said of each.

    Returns:
        A figure of its own; no window and no global state of matplotlib knows it.

    Raises:
        ViewError: there is no picture, something is not a picture, or the numbers do not agree.

    Example:
        >>> grey = np.full((8, 8, 3), 128, np.uint8)
        >>> figure = top_losses_figure([grey], [grey], [TopLoss("cat", "dog", 2.31, 0.87)])
        >>> [text.get_text() for text in figure.texts]
        ['✗ actual dog · predicted cat 0.87 · loss 2.31']
    """
    if not len(pictures):
        raise ViewError("pictures: give at least one")
    same_length("overlays", len(overlays), len(pictures), "pictures")
    same_length("captions", len(captions), len(pictures), "pictures")
    pairs = [
        (as_picture(p, f"pictures[{i}]"), None if o is None else as_picture(o, f"overlays[{i}]"))
        for i, (p, o) in enumerate(zip(pictures, overlays, strict=True))
    ]
    columns = len(pairs) if len(pairs) <= 2 else (2 if len(pairs) == 4 else 3)
    shape = float(np.median([picture.width / picture.height for picture, _ in pairs]))
    high = _WIDE / min(max(shape, 0.6), 2.0)
    wide = 2 * _WIDE + _BETWEEN
    words = [caption_lines(caption, wide) for caption in captions]
    head = max(map(len, words)) * _SIZE * LINE_HEIGHT + 4
    rows = math.ceil(len(pairs) / columns)
    page = Page(
        2 * _MARGIN + columns * (wide + _GAP) - _GAP,
        2 * _MARGIN + rows * (head + high + _GAP) - _GAP,
    )
    for index, (picture, overlay) in enumerate(pairs):
        row, column = divmod(index, columns)
        x, y = _MARGIN + column * (wide + _GAP), _MARGIN + row * (head + high + _GAP)
        colour = WRONG if captions[index].wrong else RIGHT
        lines_at(page, x, y, words[index], _SIZE, wide, colour=colour)
        place_picture(page, picture, x, y + head, _WIDE, high)
        if overlay is not None:
            place_picture(page, overlay, x + _WIDE + _BETWEEN, y + head, _WIDE, high)
    return page.figure


def caption_lines(caption: TopLoss, room: float) -> list[str]:
    """Truth, prediction and loss in one line, or in two: long names give way, numbers never.

    Args:
        caption: what to say.
        room: the longest that a line may be, in points.

    Returns:
        One line or two.

    Example:
        >>> caption_lines(TopLoss("Bengal", "Egyptian Mau", 2.3, 0.9), 110)
        ['✗ actual Egyptian Mau', 'predicte… 0.90 · loss 2.3']
    """
    sign = "\N{BALLOT X}" if caption.wrong else "\N{CHECK MARK}"
    actual = f"{sign} actual {clean(caption.actual)}"
    predicted = f"predicted {clean(caption.predicted)}"
    numbers = f" {caption.probability:.2f}{_DOT}loss {number(caption.loss)}"
    whole = actual + _DOT + predicted + numbers
    if measured(whole, _SIZE) <= room:
        return [whole]
    face, free = font(round(_SIZE * 10)), room - measured(numbers, _SIZE)
    return [shorten(actual, face, room * 10), shorten(predicted, face, free * 10) + numbers]
