"""Figures on a page: drawn by the views, shown as pictures with words for those who cannot see them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 130


def figure(drawn: Figure, alt: str) -> None:
    """Show a figure as wide as there is room.

    Args:
        drawn: by one of `interp.views`.
        alt: what it shows, in a sentence.
    """
    st.image(as_png_bytes(drawn), alt=alt, width="stretch")


def as_png_bytes(drawn: Figure, dpi: int = DPI) -> bytes:
    """Return a figure as PNG, for a page or a download."""
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()
