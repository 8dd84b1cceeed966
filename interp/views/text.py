"""Words on pictures: one font everywhere, measured before it is drawn."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

from PIL import Image, ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

INK: Final = (26, 26, 26)
MUTED: Final = (96, 96, 96)
PAPER: Final = (255, 255, 255)

_BAND: Final = (0, 0, 0, 190)
# No line shows more; measuring a text costs time for every character.
_LONGEST: Final = 400


@lru_cache(maxsize=64)
def font(size: int, *, bold: bool = False) -> Font:
    """DejaVu Sans, which comes with matplotlib, or Pillow's own font where that is missing.

    Args:
        size: in pixels.
        bold: the bold cut.

    Example:
        >>> round(font(20).getlength("interp")) > 40
        True
    """
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    # find_spec finds the folder without the cost of the import.
    spec = find_spec("matplotlib")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder, "mpl-data", "fonts", "ttf", name)
        if path.is_file():
            # Raqm shares state between its calls; the basic layout gives every thread the same.
            return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
    return ImageFont.load_default(size)


def clean(text: str) -> str:
    r"""One line that any font can take: no line breaks, no control characters, no half surrogates.

    Example:
        >>> clean("a\n b\x00")
        'a  b'
    """
    head = text[: 2 * _LONGEST].encode("utf-8", "replace").decode("utf-8")
    return "".join(c if c.isprintable() else " " for c in head).strip()[:_LONGEST]


def shorten(text: str, face: Font, width: float) -> str:
    """The text, or as much of its beginning as fits, with … at the end.

    Args:
        text: one line.
        face: the font that it will be drawn with.
        width: in pixels.

    Returns:
        A text of at most that width; empty where not even … fits.

    Example:
        >>> shorten("a very long name", font(12), 60)
        'a very l…'
    """
    line = clean(text)
    if face.getlength(line) <= width:
        return line
    fits, too_long = 0, len(line)
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if face.getlength(line[:middle].rstrip() + "…") <= width:
            fits = middle
        else:
            too_long = middle
    cut = line[:fits].rstrip() + "…"
    return cut if face.getlength(cut) <= width else ""


def wrap(text: str, face: Font, width: float, lines: int) -> list[str]:
    """The text in at most `lines` lines, broken between words, the last one shortened.

    Args:
        text: any text.
        face: the font that it will be drawn with.
        width: of a line, in pixels.
        lines: at most so many.

    Returns:
        The lines, each of at most that width.

    Example:
        >>> wrap("no positive evidence", font(12), 90, 3)
        ['no positive', 'evidence']
    """
    words = clean(text).split()
    done: list[str] = []
    while words and len(done) < lines - 1:
        count = 1
        while count < len(words) and face.getlength(" ".join(words[: count + 1])) <= width:
            count += 1
        line, words = " ".join(words[:count]), words[count:]
        kept = line if face.getlength(line) <= width else _head(line, face, width)
        done.append(kept)
        if len(kept) < len(line):
            words.insert(0, line[len(kept) :])
    if words and lines > 0:
        done.append(shorten(" ".join(words), face, width))
    return [line for line in done if line]


def say(picture: Image.Image, words: str, where: Literal["below", "middle"] = "below") -> Image.Image:
    """The picture with words on a dark band, readable on any colours.

    Args:
        picture: RGB.
        words: what to say; wrapped to three lines at most.
        where: along the lower edge, or in the middle, no wider than the words.

    Returns:
        A new picture of the same size; unchanged outside the band.

    Example:
        >>> say(Image.new("RGB", (200, 100)), "no positive evidence").size
        (200, 100)
    """
    width, height = picture.size
    size = min(max(min(width, height) // 16, 10), 48)
    face, margin, step = font(size), size // 2, round(size * 1.3)
    most = min(3, max(1, (height - margin) // step))
    lines = balanced(words, face, width - 2 * margin, most)
    longest = round(max((face.getlength(line) for line in lines), default=0.0))
    across = width if where == "below" else min(longest + 2 * margin, width)
    band = Image.new("RGBA", (across, min(step * len(lines) + margin, height)), _BAND)
    top = height - band.height if where == "below" else (height - band.height) // 2
    result = picture.copy()
    result.paste(band, ((width - across) // 2, top), band)
    draw = ImageDraw.Draw(result)
    for index, line in enumerate(lines):
        middle = top + band.height / 2 + step * (index - (len(lines) - 1) / 2)
        draw.text((width / 2, middle), line, fill=PAPER, font=face, anchor="mm")
    return result


def balanced(text: str, face: Font, width: int, lines: int) -> list[str]:
    """The text wrapped into lines of about one length: no last line of one short word.

    Args:
        text: any text.
        face: the font that it will be drawn with.
        width: of a line, in pixels.
        lines: at most so many.

    Returns:
        As few lines as `wrap` gives.

    Example:
        >>> balanced("every position has the same value (3)", font(12), 220, 2)
        ['every position has', 'the same value (3)']
    """
    best = wrap(text, face, width, lines)
    for narrower in range(width, width // 2, -max(width // 20, 1)):
        tried = wrap(text, face, narrower, lines)
        if len(tried) > len(best) or " ".join(tried) != " ".join(best):
            break
        best = tried
    return best


def _head(line: str, face: Font, width: float) -> str:
    """As many characters of one long word as fit, at least one."""
    count = 1
    while count < len(line) and face.getlength(line[: count + 1]) <= width:
        count += 1
    return line[:count]
