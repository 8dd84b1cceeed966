"""What Streamlit has no widget for: pictures that can be chosen, and a viewer for maps.

Both are components of plain JavaScript that ask no server. What people do comes back as a trigger.
"""

from interp.explorer.parts.choices import Choice, choices
from interp.explorer.parts.encoding import as_jpeg, as_png
from interp.explorer.parts.viewer import Cell, Picked, viewer

__all__ = ["Cell", "Choice", "Picked", "as_jpeg", "as_png", "choices", "viewer"]
