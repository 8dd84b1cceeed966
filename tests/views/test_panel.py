from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from interp.views.overlay import framed_heat, overlay
from interp.views.panel import three_panel
from interp.views.scale import Scale

VALUES = np.random.default_rng(0).normal(size=(7, 7)).astype(np.float32)
PICTURE = Image.fromarray(np.random.default_rng(1).integers(0, 256, (96, 128, 3), dtype=np.uint8))
LONG = "tabby, tabby cat " * 200


def columns_of(panel: Image.Image, height: int, width: int) -> list[Image.Image]:
    """The three pictures, found by where the rows and columns are not white."""
    dark = (np.asarray(panel) < 250).any(axis=2)
    bottom = int(np.flatnonzero(dark[:, 20])[-1]) + 1
    margin, gap = height // 14, height // 28
    return [
        panel.crop((margin + i * (width + gap), bottom - height, margin + i * (width + gap) + width, bottom))
        for i in range(3)
    ]


def test_the_panel_shows_the_picture_the_map_and_the_overlay() -> None:
    scale = Scale.of(VALUES)

    views = columns_of(three_panel(PICTURE, VALUES, title="t", height=96), 96, 128)

    expected = [PICTURE, framed_heat(VALUES, scale, PICTURE.size), overlay(PICTURE, VALUES)]
    assert [v.tobytes() for v in views] == [e.tobytes() for e in expected]


def test_the_box_goes_with_the_picture_when_it_is_resized() -> None:
    values = np.ones((2, 2)) * [[1, 2], [3, 4]]

    views = columns_of(three_panel(PICTURE, values, title="t", height=192, box=(16, 0, 112, 96)), 192, 256)

    grey = (np.asarray(views[1]) == 214).all(axis=(0, 2))
    assert np.flatnonzero(~grey).tolist() == list(range(32, 224))


def test_a_verdict_is_said_twice_and_no_heat_is_drawn() -> None:
    panel = three_panel(PICTURE, -np.abs(VALUES), title="t", height=192)
    small, coloured, drawn = columns_of(panel, 192, 256)

    assert small.crop((0, 0, 256, 150)).tobytes() == drawn.crop((0, 0, 256, 150)).tobytes()
    assert small.tobytes() != drawn.tobytes()
    assert coloured.crop((0, 0, 256, 80)).getcolors() == [(256 * 80, (0, 0, 3))]
    assert np.asarray(coloured)[80:112].max() == 255


def test_scaling_a_map_changes_only_the_numbers() -> None:
    one, other = (np.asarray(three_panel(PICTURE, VALUES * c, title="t", height=96)) for c in (1.0, 8.0))

    changed = np.flatnonzero((one != other).any(axis=(0, 2)))
    assert changed.size
    # Margin, three pictures, gaps and the bar itself.
    assert changed[0] > 6 + 3 * (128 + 3) + 6


@pytest.mark.parametrize("height", [64, 224, 448])
@pytest.mark.parametrize("shape", [(96, 96), (30, 300), (300, 30)])
@pytest.mark.parametrize("scale", [1.0, -1.234e-10, 7.77e-9])
def test_words_stay_inside_the_margins_and_off_the_pictures(height, shape, scale) -> None:
    picture = Image.new("RGB", shape, "white")
    values = np.abs(VALUES) * np.float32(scale)

    panel = three_panel(picture, values, title=LONG, caption=LONG, height=height, display="range")

    dark = (np.asarray(panel) < 200).any(axis=2)
    rows, columns = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
    margin = height // 14
    assert columns[0] >= margin - 1
    assert panel.width - 1 - columns[-1] >= margin // 4
    assert rows[0] >= margin // 2
    assert panel.height - 1 - rows[-1] >= margin - 1


def test_panels_of_one_shape_have_one_size() -> None:
    sizes = {
        three_panel(PICTURE, values, title=title, caption="c").size
        for values in (VALUES, -np.abs(VALUES), VALUES * 1e-9, VALUES * np.nan)
        for title in ("", "cat", LONG)
    }

    assert len(sizes) == 1


@pytest.mark.parametrize("title", ["猫", "\udcff.jpg", "a\nb", "", "🐈 مرحبا", "$x^2$"])
def test_any_title(title: str) -> None:
    assert (
        three_panel(PICTURE, VALUES, title=title, caption=title).size
        == three_panel(PICTURE, VALUES, title="cat", caption="c" if title else "").size
    )


def test_too_small_to_read_is_refused() -> None:
    with pytest.raises(ValueError, match="height 40"):
        three_panel(PICTURE, VALUES, title="t", height=40)


def test_threads_give_the_same_bytes() -> None:
    args = [(VALUES * sign, f"title {i} " * i) for i in range(12) for sign in (1, -abs(VALUES))]

    def draw(arg: tuple[np.ndarray, str]) -> bytes:
        return three_panel(PICTURE, arg[0], title=arg[1], caption=arg[1], height=160).tobytes()

    alone = [draw(a) for a in args]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(draw, args * 3))

    assert together == alone * 3


def test_a_caption_of_several_lines_is_not_cut_and_moves_the_pictures_down() -> None:
    tall = PICTURE.resize((60, 120))
    caption = "Grad-CAM · layer · 7×7 · net · 46 % of the evidence outside the region, 13 % beyond 6 px"
    one = three_panel(tall, VALUES, title="cat", caption=caption)
    wide = three_panel(tall, VALUES, title="cat", caption=caption, caption_lines=3)
    assert (wide.width, one.height) == (one.width, three_panel(tall, VALUES, title="", caption="c").height)
    added = wide.height - one.height
    assert added > 0
    assert np.array_equal(np.asarray(wide)[-224:], np.asarray(one)[-224:])
    short = three_panel(tall, VALUES, title="cat", caption="c", caption_lines=3)
    assert short.size == one.size
