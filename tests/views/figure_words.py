"""What is written on a figure, and whether all of it can be read."""

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text


def words(figure: Figure) -> list[str]:
    return [t.get_text() for t in figure.findobj(Text) if t.get_text() and t.get_visible()]


def assert_inside(figure: Figure) -> None:
    """No word that is drawn leaves the page."""
    renderer, page = FigureCanvasAgg(figure).get_renderer(), figure.bbox
    figure.draw(renderer)
    for text in figure.findobj(Text):
        hidden = text.axes is not None and not text.axes.axison and text not in text.axes.texts
        if text.get_text() and text.get_visible() and not hidden:
            box = text.get_window_extent(renderer)
            assert page.x0 <= box.x0 < box.x1 <= page.x1, text
            assert page.y0 <= box.y0 < box.y1 <= page.y1, text
