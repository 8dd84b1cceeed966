"""The explorer: Streamlit pages on the public API. `main` is the whole app."""

from interp.explorer.frame import main, show
from interp.explorer.page import Page

__all__ = ["Page", "main", "show"]
