from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from interp.views.colormaps import table
from interp.views.overlay import bar, covered, framed_heat, heat, overlay
from interp.views.scale import NO_POSITIVE_EVIDENCE, Scale

RAMP = np.arange(256, dtype=np.float32)[None]


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def hot(rows: int, columns: int, row: int, column: int) -> np.ndarray:
    values = np.zeros((rows, columns), dtype=np.float32)
    values[row, column] = 1
    return values


def pixels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture).astype(int)


@pytest.mark.parametrize("c", [1.0, 1e-7, 3.3e12])
def test_a_ramp_shows_every_row_of_the_table(c: float) -> None:
    values = RAMP * np.float32(c)

    shown = heat(values, Scale.of(values), (256, 1))

    assert (pixels(shown)[0] == table("magma")).all()


def test_a_constant_has_one_colour_of_the_table() -> None:
    shown = heat(np.full((3, 5), 0.4), Scale(0.0, 1.0, "positive"), (40, 30), "viridis")

    assert (pixels(shown) == table("viridis")[102]).all()


def test_floats_are_resized_and_then_coloured() -> None:
    shown = pixels(heat([[0.0, 1.0]], Scale(0.0, 1.0, "positive"), (64, 1)))[0]

    # Half way lies the middle of the table; the mean of its two ends is no colour of it.
    rows = {tuple(row) for row in table("magma")}
    assert all(tuple(pixel) in rows for pixel in shown)
    level = np.clip((np.arange(64) + 0.5) / 32 - 0.5, 0, 1)
    assert (shown == table("magma")[(level * 255 + 0.5).astype(int)]).all()


def test_nearest_keeps_the_cells() -> None:
    shown = pixels(heat([[0.0, 1.0]], Scale(0.0, 1.0, "positive"), (6, 1), interpolation="nearest"))[0]

    assert (shown == table("magma")[[0, 0, 0, 255, 255, 255]]).all()


def test_bicubic_never_leaves_the_table() -> None:
    values = hot(5, 5, 2, 2)

    shown = pixels(heat(values, Scale.of(values), (50, 50), interpolation="bicubic"))

    assert {tuple(p) for p in shown.reshape(-1, 3)} <= {tuple(row) for row in table("magma")}


def test_negative_values_are_cut_before_they_are_resized() -> None:
    negative, zero = np.array([[-100.0, 1.0]]), np.array([[0.0, 1.0]])

    one, other = (heat(v, Scale.of(v), (32, 4)) for v in (negative, zero))

    assert one.tobytes() == other.tobytes()


def test_signed_zero_is_neutral_and_signs_are_symmetric() -> None:
    values = np.array([[-2.0, -1.0, 0.0, 1.0, 2.0]])
    shown = pixels(heat(values, Scale.of(values, "signed"), (5, 1)))[0]
    turned = pixels(heat(-values, Scale.of(-values, "signed"), (5, 1)))[0]

    assert len(set(shown[2])) == 1
    assert (shown == turned[::-1]).all()
    assert shown[0, 2] > shown[0, 0]
    assert shown[4, 0] > shown[4, 2]


@pytest.mark.parametrize("c", [0.5, 1024.0, 2.0**-60, 3.7, 1e-9])
@pytest.mark.parametrize("display", ["positive", "signed", "range"])
def test_scaling_a_map_changes_the_bar_and_not_the_picture(c: float, display) -> None:
    values = np.random.default_rng(1).normal(size=(7, 7)).astype(np.float32)
    scaled = values * np.float32(c)

    assert (
        overlay(noise(60, 50), values, display=display).tobytes()
        == overlay(noise(60, 50), scaled, display=display).tobytes()
    )
    one, other = Scale.of(values, display), Scale.of(scaled, display)
    assert other.high == pytest.approx(one.high * c, rel=1e-6)
    assert other.text != one.text


def test_opacity_0_is_the_picture_and_1_is_the_heat() -> None:
    picture, values = noise(60, 40), hot(4, 6, 1, 2)

    assert overlay(picture, values, opacity=0.0).tobytes() == picture.tobytes()
    assert (
        overlay(picture, values, opacity=1.0).tobytes() == heat(values, Scale.of(values), (60, 40)).tobytes()
    )


def test_the_blend_is_the_formula() -> None:
    picture, values = noise(60, 40), hot(4, 6, 1, 2)
    exact = 0.3 * pixels(picture) + 0.7 * pixels(heat(values, Scale.of(values), (60, 40)))

    assert np.abs(pixels(overlay(picture, values, opacity=0.7)) - exact).max() < 1


@pytest.mark.parametrize(
    ("box", "where"),
    [
        (None, (20, 30, 30, 45)),
        ((10, 20, 50, 60), (20, 30, 30, 40)),
        ((-20, -30, 20, 10), (0, 0, 0, 0)),
        ((30, 30, 110, 150), (50, 60, 70, 90)),
        ((-40, -60, 40, 60), (0, 0, 0, 0)),
        ((-10, -10, 30, 30), (0, 0, 10, 10)),
        ((10.4, 20.6, 50.4, 60.6), (20, 31, 30, 41)),
    ],
)
def test_one_hot_cell_lands_on_its_own_pixels(box, where) -> None:
    """The cell in row 1, column 1 of a 4x4 map covers the second quarter of the box."""
    black = Image.new("RGB", (80 if box else 40 * 2, 120 if box else 60), "black")
    if box is None:
        where = (20, 15, 40, 30)

    shown = overlay(black, hot(4, 4, 1, 1), box=box, opacity=1.0, interpolation="nearest")

    is_hot = (pixels(shown) == table("magma")[255]).all(axis=2)
    expected = np.zeros_like(is_hot)
    left, top, right, bottom = where
    expected[top:bottom, left:right] = True
    assert (is_hot == expected).all()


boxes = st.tuples(st.floats(-60, 90), st.floats(-60, 90), st.floats(0.05, 150), st.floats(0.05, 150)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


@settings(deadline=None, max_examples=150)
@given(
    st.integers(1, 70), st.integers(1, 70), boxes, st.integers(1, 9), st.integers(1, 9), st.integers(0, 999)
)
def test_any_box_heats_what_it_covers_and_nothing_else(width, height, box, rows, columns, seed) -> None:
    values = np.random.default_rng(seed).random((rows, columns), dtype=np.float32) + 0.5
    picture = noise(width, height, seed)
    centre_x, centre_y = np.arange(width) + 0.5, np.arange(height) + 0.5
    inside = np.logical_and.outer(
        (box[1] <= centre_y) & (centre_y < box[3]), (box[0] <= centre_x) & (centre_x < box[2])
    )

    shown = pixels(overlay(picture, values, box=box, opacity=1.0, scale=Scale(0.0, 1.5, "positive")))
    plain = pixels(overlay(picture, values, box=box, opacity=0.0, scale=Scale(0.0, 1.5, "positive")))

    assert (shown[~inside] == plain[~inside]).all()
    assert (plain[inside] == pixels(picture)[inside]).all()
    # Outside there is no colour at all.
    assert (np.ptp(plain[~inside], axis=-1) == 0).all()
    left, top, right, bottom = covered((width, height), box)
    assert inside.sum() == (right - left) * (bottom - top)


@pytest.mark.slow
@settings(deadline=None, max_examples=150)
@given(boxes.filter(lambda b: min(b[2] - b[0], b[3] - b[1]) > 12), st.integers(0, 999))
def test_the_map_is_sampled_at_the_very_centres_of_pixels(box, seed) -> None:
    """Bilinear values by hand, for maps coarser than the picture."""
    levels = np.random.default_rng(seed).random((5, 4), dtype=np.float32)
    scale = Scale(0.0, 1.0, "positive")
    left, top, right, bottom = covered((70, 60), box)

    def along(cells: int, low: float, high: float, first: int, last: int) -> np.ndarray:
        at = (np.arange(first, last) + 0.5 - low) / (high - low) * cells - 0.5
        return np.maximum(1 - np.abs(np.clip(at, 0, cells - 1)[:, None] - np.arange(cells)), 0)

    exact = along(5, box[1], box[3], top, bottom) @ levels @ along(4, box[0], box[2], left, right).T
    shown = pixels(overlay(Image.new("RGB", (70, 60)), levels, box=box, scale=scale, opacity=1.0))
    rows = {tuple(row): index for index, row in enumerate(table("magma").tolist())}
    found = [[rows[tuple(p)] for p in line] for line in shown[top:bottom, left:right].tolist()]

    if found and found[0]:
        assert np.abs(np.array(found) - exact * 255).max() < 0.502


def test_the_threshold_leaves_weak_evidence_plain() -> None:
    picture, values = noise(40, 10), np.array([[0.0, 0.29, 0.31, 1.0]])

    shown = overlay(picture, values, threshold=0.3, interpolation="nearest")

    drawn = (pixels(shown) != pixels(picture)).any(axis=(0, 2)).reshape(4, 10)
    assert drawn.all(axis=1).tolist() == [False, False, True, True]
    assert drawn.any(axis=1).tolist() == [False, False, True, True]


def test_the_threshold_of_a_signed_map_counts_both_signs() -> None:
    picture, values = noise(40, 10), np.array([[-1.0, -0.2, 0.2, 0.9]])

    shown = overlay(picture, values, threshold=0.5, display="signed", interpolation="nearest")

    drawn = (pixels(shown) != pixels(picture)).any(axis=(0, 2)).reshape(4, 10)
    assert drawn.any(axis=1).tolist() == [True, False, False, True]


@pytest.mark.parametrize(
    ("values", "display"),
    [
        (-np.ones((7, 7)), "positive"),
        (np.zeros((7, 7)), "signed"),
        (np.full((7, 7), 3.0), "range"),
        (np.full((7, 7), np.nan), "positive"),
    ],
)
def test_with_a_verdict_there_are_words_and_no_heat(values, display) -> None:
    picture = noise(200, 200)

    bare = overlay(picture, values, display=display, words=False)
    said = overlay(picture, values, display=display)

    assert bare.tobytes() == picture.tobytes()
    changed = (pixels(said) != pixels(picture)).any(axis=(1, 2))
    assert not changed[:140].any()
    assert changed[-12:].all()


def test_the_heat_of_a_verdict_is_the_colour_of_nothing() -> None:
    for display, row in (("positive", 0), ("signed", 128), ("range", 0)):
        scale = Scale(-2.0, -1.0, display, NO_POSITIVE_EVIDENCE)
        assert (
            pixels(heat([[-1.0, -2.0]], scale, (9, 9)))
            == table({"positive": "magma", "signed": "RdBu_r", "range": "viridis"}[display])[row]
        ).all()


def test_framed_heat_is_heat_in_the_box_and_grey_outside() -> None:
    values = hot(4, 4, 1, 2)
    scale = Scale.of(values)

    shown = framed_heat(values, scale, (60, 40), box=(10, 0, 50, 40))

    assert shown.crop((10, 0, 50, 40)).tobytes() == heat(values, scale, (40, 40)).tobytes()
    assert shown.crop((0, 0, 10, 40)).getcolors() == [(400, (214, 214, 214))]


def test_a_box_beside_the_picture_heats_nothing() -> None:
    picture = noise(30, 20)

    shown = overlay(picture, [[0.0, 1.0]], box=(100, 0, 150, 20), opacity=1.0)

    assert (np.ptp(pixels(shown), axis=-1) == 0).all()


def test_bars_run_upwards_and_to_the_right() -> None:
    scale = Scale(0.0, 1.0, "positive")

    assert (pixels(bar(scale, None, (4, 256)))[::-1, 2] == table("magma")).all()
    assert (pixels(bar(scale, "cividis", (256, 4)))[1] == table("cividis")).all()
    assert bar(Scale(-1.0, 0.0, "positive", NO_POSITIVE_EVIDENCE), None, (4, 99)).getcolors() == [
        (396, (214, 214, 214))
    ]


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_pictures_of_any_mode(mode: str) -> None:
    picture = noise(30, 20).convert(mode)

    assert overlay(picture, [[0.0, 1.0]], opacity=0.0).tobytes() == picture.convert("RGB").tobytes()


def test_arguments_are_left_as_they_are() -> None:
    picture, values = noise(30, 20), hot(3, 3, 1, 1)
    before = picture.tobytes(), values.copy()

    overlay(picture, values, box=(3, 3, 20, 15))

    assert picture.tobytes() == before[0]
    assert (values == before[1]).all()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"opacity": 1.2}, "opacity 1.2"),
        ({"threshold": -0.1}, "threshold -0.1"),
        ({"interpolation": "lanczos"}, "'nearest', 'bilinear', 'bicubic'"),
        ({"box": (5, 0, 5, 10)}, "left < right"),
        ({"box": (0, 0, float("nan"), 10)}, "left < right"),
        ({"colormap": "jet"}, "no colormap 'jet'"),
        ({"display": "abs"}, "display 'abs'"),
    ],
)
def test_wrong_arguments_are_named(wrong, words) -> None:
    with pytest.raises(ValueError, match=words):
        overlay(noise(10, 10), [[0.0, 1.0]], **wrong)


def test_threads_give_the_same_bytes() -> None:
    values = np.random.default_rng(0).normal(size=(7, 7))
    args = [(noise(90, 70, seed), values * sign) for seed in range(12) for sign in (1, -abs(values))]
    alone = [overlay(*a).tobytes() for a in args]

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda a: overlay(*a).tobytes(), args * 4))

    assert together == alone * 4
