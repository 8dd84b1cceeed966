"""What Streamlit has no widget for: pictures that can be chosen, a viewer for maps, and films.

All are components of plain JavaScript that ask no server. What people do comes back as a trigger.
"""

from interp.explorer.parts.choices import Choice, choices
from interp.explorer.parts.encoding import as_jpeg, as_png
from interp.explorer.parts.film import Scene, Way, film
from interp.explorer.parts.viewer import Cell, Picked, viewer

__all__ = ["Cell", "Choice", "Picked", "Scene", "Way", "as_jpeg", "as_png", "choices", "film", "viewer"]
