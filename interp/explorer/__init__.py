"""The explorer: Streamlit pages on the public API. `main` is the whole app."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the explorer: everything that `streamlit run app.py` shows.

    What it stands on takes seconds to import, once in the life of a server; the first visitor is told so.
    """
    import streamlit as st

    place = st.empty()
    if "interp.explorer.frame" not in sys.modules:
        place.info("Opening interp … · 正在打开……", icon=":material/hourglass_top:")
    from interp.explorer import frame

    place.empty()
    frame.main()
