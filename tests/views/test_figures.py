import io
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from interp.views.figures import three_panel_figure
from interp.views.grid import grid_figure

VALUES = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
PICTURE = Image.fromarray(np.random.default_rng(1).integers(0, 256, (60, 80, 3), dtype=np.uint8))
TALL = PICTURE.resize((40, 100))
LONG = "tabby, tabby cat " * 60


def words(figure: Figure) -> list[Text]:
    return [t for t in figure.findobj(Text) if t.get_text() and t.get_visible()]


def said(figure: Figure) -> set[str]:
    return {t.get_text().replace("\n", " ") for t in words(figure)}


def assert_inside(figure: Figure) -> None:
    renderer = FigureCanvasAgg(figure).get_renderer()
    page = figure.bbox
    for text in words(figure):
        if not text.axes or text.axes.axison or text in text.axes.texts:
            box = text.get_window_extent(renderer)
            assert page.x0 <= box.x0 < box.x1 <= page.x1, text
            assert page.y0 <= box.y0 < box.y1 <= page.y1, text


def pictures(figure: Figure) -> np.ndarray:
    """left, bottom, width, height of every axes with a picture higher than a strip, in points."""
    inches = figure.get_size_inches() * 72
    places = [a.get_position() for a in figure.axes if a.images]
    boxes = np.array([[p.x0, p.y0, p.width, p.height] for p in places]) * np.tile(inches, 2)
    return boxes[boxes[:, 3] > 20].round(6)


def test_the_three_panels_and_the_bar_line_up() -> None:
    figure = three_panel_figure(PICTURE, VALUES, title="cat", bar_label="Grad-CAM, raw")

    boxes = pictures(figure)
    assert len(boxes) == 3
    assert len({tuple(b[1:]) for b in boxes}) == 1
    assert np.ptp(np.diff(boxes[:, 0])) < 1e-6
    bar = figure.axes[3].get_position()
    assert (bar.y0, bar.height) == pytest.approx(tuple(figure.axes[0].get_position().bounds[1::2]))
    # A picture of 4:3 in cells of 4:3: nothing is stretched.
    assert boxes[0, 2] / boxes[0, 3] == pytest.approx(4 / 3, rel=2e-3)


def test_the_bar_is_labelled_with_the_real_range() -> None:
    values = VALUES / VALUES.max() * 0.0123

    bar = three_panel_figure(PICTURE, values, title="cat").axes[3]

    assert bar.get_ylim() == pytest.approx((0, 0.0123))
    assert [t.get_text() for t in bar.get_yticklabels()] == ["0", "0.00615", "0.0123"]
    assert [t.get_verticalalignment() for t in bar.get_yticklabels()] == ["bottom", "center", "top"]


@pytest.mark.parametrize("picture", [PICTURE, TALL, PICTURE.resize((900, 60))])
@pytest.mark.parametrize("values", [VALUES, -np.abs(VALUES), VALUES * 1.23e-10, VALUES * np.nan])
def test_no_word_of_a_panel_leaves_the_figure(picture, values) -> None:
    for display in ("positive", "signed"):
        assert_inside(
            three_panel_figure(
                picture, values, title=LONG, caption=LONG, bar_label=LONG, display=display, height=1.5
            )
        )


def test_a_verdict_is_in_the_figure() -> None:
    figure = three_panel_figure(PICTURE, -np.abs(VALUES), title="cat")

    assert "no positive evidence" in said(figure)
    before, _, after = (np.asarray(a.images[0].get_array()) for a in figure.axes[:3])
    assert (before == after).all()


def grid(**more) -> Figure:
    maps = [[VALUES, VALUES * 3], [-np.abs(VALUES), None], [VALUES * 0 + 2, VALUES * np.nan]]
    given = {"row_labels": ["r1", "r2", LONG], "column_labels": ["c1", LONG], **more}
    return grid_figure(given.pop("pictures", PICTURE), maps, **given)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("several", [PICTURE, [PICTURE, TALL, TALL]])
@pytest.mark.parametrize("cell", [1.2, 2.5])
def test_the_cells_of_a_grid_line_up_and_words_stay_inside(shared, several, cell) -> None:
    figure = grid(shared=shared, pictures=several, native=True, title=LONG, bar_label=LONG, cell=cell)

    boxes = pictures(figure)
    columns = 2 if several is PICTURE else 3
    assert len(boxes) == 3 * columns
    assert len(set(boxes[:, 0])) == columns
    assert len(set(boxes[:, 1])) == 3
    assert len({tuple(b) for b in boxes[:, 2:]}) == 1
    assert_inside(figure)


@pytest.mark.parametrize("native", [False, True])
def test_numbers_of_narrow_cells_do_not_run_into_each_other(native) -> None:
    values = VALUES * 1.2345e-10
    figure = grid_figure(
        TALL,
        [[values, values]] * 2,
        row_labels=["a", "b"],
        column_labels=["c", LONG],
        display="signed",
        native=native,
        cell=1.2,
    )

    renderer = FigureCanvasAgg(figure).get_renderer()
    places = [t.get_window_extent(renderer) for t in figure.texts if t.get_text()]
    assert len(places) == 2 + 2 + 4 * (3 if native else 2)
    assert not [(a, b) for a, b in combinations(places, 2) if a.overlaps(b)]
    assert not any("…" in t.get_text() for t in figure.texts if "10" in t.get_text())


def test_words_stand_in_cells_with_nothing_to_draw() -> None:
    texts = said(grid())

    assert "no positive evidence" in texts
    assert "no map" in texts
    assert "flat map: every position has the same value (2)" in texts
    assert any(t.startswith("map has non-finite values") for t in texts)


def test_each_cell_says_its_own_range_and_resolution() -> None:
    maps = [[np.array([[0.0, 0.5]]), np.array([[0.0], [30.0]])]]

    texts = said(grid_figure(PICTURE, maps, row_labels=["r"], column_labels=["a", "b"], native=True))

    assert {"0", "0.5", "30", "1×2", "2×1"} <= texts


def test_a_shared_scale_makes_colours_comparable() -> None:
    maps = [[np.array([[0.0, 1.0]]), np.array([[0.0, 4.0]])]]
    labels = {"row_labels": ["r"], "column_labels": ["a", "b"]}

    own = grid_figure(PICTURE, maps, **labels)
    shared = grid_figure(PICTURE, maps, shared=True, **labels)

    def drawn(figure: Figure) -> list[bytes]:
        return [a.images[0].get_array().tobytes() for a in figure.axes if a.images]

    assert drawn(own)[0] == drawn(own)[2]
    assert drawn(shared)[0] != drawn(shared)[1]
    assert shared.axes[-1].get_ylim() == (0, 4)
    assert {"0 … 1", "0 … 4"} <= said(shared)


@pytest.mark.parametrize("cell", [1.2, 2.5])
def test_words_about_a_row_of_several_displays_stay_inside_and_clear_of_the_numbers(cell) -> None:
    figure = grid_figure(
        TALL,
        [[VALUES, VALUES]],
        row_labels=["r"],
        column_labels=["a", "b"],
        display=[["positive", "signed"]],
        shared="row",
        native=True,
        cell=cell,
    )

    assert_inside(figure)
    renderer = FigureCanvasAgg(figure).get_renderer()
    places = [t.get_window_extent(renderer) for t in figure.texts if t.get_text()]
    assert not [(a, b) for a, b in combinations(places, 2) if a.overlaps(b)]
    (note,) = [text for text in said(figure) if "share one scale" in text]
    assert "…" not in note


def test_a_row_may_have_its_own_box_and_display() -> None:
    maps = [[VALUES], [VALUES]]
    figure = grid_figure(
        PICTURE,
        maps,
        row_labels=["a", "b"],
        column_labels=["c"],
        boxes=[(20, 0, 60, 60), None],
        display=["positive", "signed"],
    )

    boxed, whole = (
        np.asarray(a.images[0].get_array()) for a in figure.axes if a.images and a.get_position().height > 0.1
    )
    grey = (np.ptp(boxed.astype(int), axis=2) == 0).all(axis=0)
    assert grey[: len(grey) // 4 - 1].all()
    assert not (np.ptp(whole.astype(int), axis=2) == 0).all(axis=0).any()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"row_labels": ["a"]}, "row_labels: 1 given for 3 rows"),
        ({"column_labels": ["a"]}, r"maps\[0\]: 2 maps for 1 columns"),
        ({"pictures": [PICTURE]}, "pictures: 1 given for 3 rows"),
        ({"boxes": [None]}, "boxes: 1 given for 3 rows"),
        ({"display": ["signed"]}, "display: 1 given for 3 rows"),
        ({"display": ["signed", "range", "range"], "shared": True}, "no scale in common"),
        ({"display": [["signed"], "range", "range"]}, r"display\[0\]: 1 given for 2 columns"),
        ({"display": "red"}, "display 'red'"),
        ({"cell": 0.5}, "cell 0.5"),
    ],
)
def test_grids_that_do_not_fit_together_are_refused(more, message) -> None:
    with pytest.raises(ValueError, match=message):
        grid(**more)


def test_dollars_are_no_formula() -> None:
    figure = three_panel_figure(PICTURE, VALUES, title=r"a $\nosuch$ b", caption="$", bar_label="$x$")

    figure.savefig(io.BytesIO(), format="svg")
    assert r"a $\nosuch$ b" in said(figure)


@pytest.mark.slow
def test_threads_give_the_same_bytes() -> None:
    def draw(index: int) -> bytes:
        page = io.BytesIO()
        three_panel_figure(PICTURE, VALUES + index, title=f"{index}", height=1.2).savefig(page, format="png")
        return page.getvalue()

    alone = [draw(i) for i in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(draw, list(range(4)) * 2)) == alone * 2


@pytest.mark.slow
def test_figures_need_no_pyplot_and_importing_the_views_no_matplotlib() -> None:
    code = """
import sys
import interp.views as v
from PIL import Image
assert "matplotlib" not in sys.modules and "torch" not in sys.modules
cat = Image.new("RGB", (40, 30))
v.three_panel_figure(cat, [[0.0, 1.0]], title="a").savefig(sys.stdout.buffer)
v.grid_figure(cat, [[[[0.0, 1.0]]]], row_labels=["a"], column_labels=["b"], shared=True)
assert "matplotlib.pyplot" not in sys.modules and "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_captions_and_labels_that_need_more_than_a_line_are_not_cut() -> None:
    caption = "Grad-CAM · layer · 7×7 · net · 46 % of the evidence outside the region, 13 % beyond 6 px"
    caption += " (of the area 88 %, at least 6 % on this grid)"
    label = "Smooth Grad-CAM++(samples=8, noise=0.15), raw, 1 % beyond"
    figure = three_panel_figure(TALL, VALUES, title="cat", caption=caption, bar_label=label)
    assert {caption, label} <= said(figure)
    assert_inside(figure)
    plain = three_panel_figure(TALL, VALUES, title="cat", caption="Grad-CAM", bar_label="raw")
    assert (figure.get_size_inches() > plain.get_size_inches()).all()
    assert np.allclose(pictures(figure), pictures(plain))
    grid = grid_figure(
        PICTURE,
        [[VALUES]],
        row_labels=["a"],
        column_labels=["b"],
        shared=True,
        bar_label="Smooth Grad-CAM++, raw, 1 % beyond",
        cell=1.2,
    )
    assert "Smooth Grad-CAM++, raw, 1 % beyond" in said(grid)
    assert_inside(grid)
