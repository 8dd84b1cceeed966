"""Figures on a page: drawn by the views, shown as pictures with words for those who cannot see them."""

from __future__ import annotations

import hashlib
import io
import re
from typing import TYPE_CHECKING

import streamlit as st
from PIL import Image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 130
# Figures of more pixels are scrolled on narrow screens, as `style.css` says.
NARROW = 640


def figure(drawn: Figure, alt: str) -> None:
    """Show a figure as wide as there is room.

    Args:
        drawn: by one of `interp.views`.
        alt: what it shows, in a sentence.
    """
    st.image(as_png_bytes(drawn), alt=alt, width="stretch")


def scrolled(key: str, data: bytes, alt: str) -> None:
    """Show a picture of a figure in its own size; a screen too narrow for its words scrolls it.

    Args:
        key: of this figure; one on a page.
        data: of a PNG.
        alt: what it shows, in a sentence.
    """
    with Image.open(io.BytesIO(data)) as picture:
        kind = "wide" if picture.width > NARROW else "small"
    # A container's key becomes a class in CSS, and names that differ in other letters must stay apart.
    apart = hashlib.sha256(key.encode(errors="backslashreplace")).hexdigest()[:8]
    with st.container(key=f"{kind}-{re.sub('[^a-zA-Z0-9]', '-', key)}-{apart}"):
        st.image(data, alt=alt, width="content")


def as_png_bytes(drawn: Figure, dpi: int = DPI) -> bytes:
    """Return a figure as PNG, for a page or a download."""
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()
