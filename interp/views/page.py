"""A matplotlib figure measured in points, so that pictures, words and bars line up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from PIL import Image

from interp.views.colormaps import check_colormap, default_for
from interp.views.panel import bar_labels
from interp.views.scale import Scale
from interp.views.text import INK, MUTED, balanced, font, shorten, wrap

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INCH: Final = 72.0
# Pixels of pictures inside the figures: sharp on a projector, light in a notebook.
PIXELS_PER_INCH: Final = 220
# Beside a scale bar: the widest number there is, as "≤ −0.000475".
ROOM_FOR_NUMBERS: Final = 58.0
FAMILY: Final = "DejaVu Sans"
# The font's size of a bar's label.
LABEL: Final = 8.5
_MOST_LINES: Final = 3

_BESIDE: Final[dict[float, Literal["bottom", "center", "top"]]] = {
    0.0: "bottom",
    0.5: "center",
    1.0: "top",
}


class Page:
    """A figure measured in points from its upper left corner.

    Attributes:
        figure: what is drawn on; no window and no global state of matplotlib knows it.
        width: of the figure, in points.
        height: of the figure, in points.

    Example:
        >>> Page(144, 72).figure.get_size_inches().tolist()
        [2.0, 1.0]
    """

    def __init__(self, width: float, height: float) -> None:
        # Slow to import, and most callers of the package want no figure.
        from matplotlib.figure import Figure

        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / INCH, height / INCH), dpi=144, facecolor="white")

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Empty axes in a rectangle of the page."""
        bottom = self.height - top - height
        w, h = self.width, self.height
        return self.figure.add_axes((left / w, bottom / h, width / w, height / h))

    def picture(self, left: float, top: float, width: float, height: float, picture: Image.Image) -> Axes:
        """A picture that fills a rectangle of the page."""
        axes = self.axes(left, top, width, height)
        axes.imshow(picture, aspect="auto", interpolation="antialiased")
        axes.set_axis_off()
        return axes

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        room: float,
        *,
        lines: int = 1,
        bold: bool = False,
        muted: bool = False,
        across: Literal["left", "center", "right"] = "left",
        down: Literal["center", "top", "bottom"] = "center",
        upwards: bool = False,
    ) -> None:
        """Words at a point, shortened to `room` points and to so many lines.

        Args:
            x: from the left, in points.
            y: from the top, in points.
            text: what to say.
            size: of the font, in points.
            room: the longest that a line may be, in points.
            lines: at most so many.
            bold: in the bold cut.
            muted: in grey.
            across: which part of the words lies at x.
            down: which part of the words lies at y.
            upwards: turned, to be read from below.
        """
        # Measured ten times larger: whole pixels of a font of 8 are too coarse.
        face = font(round(size * 10), bold=bold)
        words = shorten(text, face, room * 10)
        if lines > 1:
            words = "\n".join(wrap(text, face, room * 10, lines))
        self.figure.text(
            x / self.width,
            1 - y / self.height,
            words,
            fontsize=size,
            fontfamily=FAMILY,
            fontweight="bold" if bold else "normal",
            color=ink(MUTED if muted else INK),
            ha=across,
            va=down,
            multialignment=across,
            rotation=90 if upwards else 0,
            # A $ in the name of a file is no formula.
            parse_math=False,
        )

    def bar(
        self,
        left: float,
        top: float,
        width: float,
        height: float,
        scale: Scale,
        colormap: str | None,
        label: str,
    ) -> None:
        """A colour bar whose ticks are the range's own ends and middle; grey under a verdict."""
        from matplotlib import colormaps
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        name = check_colormap(colormap or default_for(scale.display))
        axes = self.axes(left, top, width, height)
        labels = bar_labels(scale)
        if scale.verdict is None:
            colours = ScalarMappable(Normalize(scale.low, scale.high), colormaps[name])
            self.figure.colorbar(colours, cax=axes)
            places = [scale.low + part * (scale.high - scale.low) for _, part in labels]
        else:
            axes.set_facecolor("0.84")
            axes.set_xticks([])
            axes.yaxis.tick_right()
            places = [part for _, part in labels]
        axes.set_yticks(places, [text for text, _ in labels])
        axes.minorticks_off()
        for tick, (_, part) in zip(axes.get_yticklabels(), labels, strict=True):
            # Numbers at the ends stay between the upper and the lower edge of the pictures.
            tick.set_verticalalignment(_BESIDE[part])
            tick.set_fontfamily(FAMILY)
        axes.tick_params(axis="y", labelsize=8, length=2.5, width=0.6, color="0.4")
        for spine in axes.spines.values():
            spine.set_visible(False)
        if label:
            x = left + width + ROOM_FOR_NUMBERS + label_room(label, height) / 2
            middle, lines = top + height / 2, lines_of(label, LABEL, height)
            self.text(x, middle, label, LABEL, height, lines=lines, muted=True, across="center", upwards=True)


def lines_of(text: str, size: float, room: float) -> int:
    """How many lines of `room` points a text needs, three at most.

    Example:
        >>> lines_of("Grad-CAM, raw, 1 % beyond", 8.5, 80)
        2
    """
    return max(len(wrap(text, font(round(size * 10)), room * 10, _MOST_LINES)), 1)


def label_room(label: str, height: float) -> float:
    """How wide the label beside a bar of that height is, in points; 0 of none."""
    return 14.0 + 11.0 * (lines_of(label, LABEL, height) - 1) if label else 0.0


def say_on(axes: Axes, words: str, width: float, size: float, where: Literal["below", "middle"]) -> None:
    """Words on a dark band over a picture that is `width` points wide."""
    lines = balanced(words, font(round(size * 10)), round((width - 14) * 10), 5)
    y, anchor = (0.05, "bottom") if where == "below" else (0.5, "center")
    axes.text(
        0.5,
        y,
        "\n".join(lines),
        transform=axes.transAxes,
        ha="center",
        va=anchor,
        fontsize=size,
        fontfamily=FAMILY,
        color="white",
        parse_math=False,
        bbox={"facecolor": (0, 0, 0, 0.75), "edgecolor": "none", "pad": 3.0},
    )


def ink(colour: tuple[int, int, int]) -> tuple[float, float, float]:
    """A colour of Pillow as matplotlib wants it.

    Example:
        >>> ink((255, 0, 0))
        (1.0, 0.0, 0.0)
    """
    return colour[0] / 255, colour[1] / 255, colour[2] / 255
