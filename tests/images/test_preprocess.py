"""Preprocess equals torchvision and fastai bit for bit, and its box is where it says."""

import dataclasses
import json
import math
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision import transforms as T
from torchvision.transforms import InterpolationMode

from interp.images import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Box,
    Fit,
    ImageError,
    Interpolation,
    Preprocess,
    PreprocessError,
)

HALF = ((0.5,) * 3, (0.5,) * 3)
PICTURES = [(64, 48), (48, 64), (50, 50), (37, 91), (101, 33), (7, 5), (1, 1), (300, 199)]
TARGETS = [(32, 32), (33, 47), (47, 33), (31, 64)]


def picture(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    width, height = size
    values = np.random.default_rng(width * 1000 + height).integers(0, 256, (height, width, 3))
    return Image.fromarray(values.astype(np.uint8)).convert(mode)


@pytest.mark.parametrize("interpolation", get_args(Interpolation))
@pytest.mark.parametrize("resize", [None, 20, 40, 41])
@pytest.mark.parametrize("target", TARGETS)
def test_cover_is_torchvision_bit_for_bit(target, resize, interpolation):
    prepare = Preprocess(target, IMAGENET_MEAN, IMAGENET_STD, resize=resize, interpolation=interpolation)
    shape = T.Compose(
        [
            T.Resize(resize or min(target), InterpolationMode(interpolation)),
            T.CenterCrop(target),
        ]
    )
    numbers = T.Compose([T.ToTensor(), T.Normalize(IMAGENET_MEAN, IMAGENET_STD)])
    for size in PICTURES:
        image = picture(size)
        seen = shape(image)
        np.testing.assert_array_equal(np.asarray(prepare.view(image)), np.asarray(seen))
        assert torch.equal(prepare(image), numbers(seen))


@settings(derandomize=True, deadline=None, max_examples=60)
@given(*[st.integers(1, 90)] * 5)
def test_cover_is_torchvision_for_any_size(width, height, rows, columns, resize):
    if resize * max(width, height) / min(width, height) > 2000:
        return
    image = picture((width, height))
    seen = T.CenterCrop((rows, columns))(T.Resize(resize)(image))
    view = Preprocess((rows, columns), *HALF, resize=resize).view(image)
    np.testing.assert_array_equal(np.asarray(view), np.asarray(seen))


def fastai_view(image, target, method):
    from fastai.vision.augment import Resize
    from fastai.vision.core import PILImage

    transform = Resize(target, method=method, pad_mode="zeros")
    return transform(PILImage(image), split_idx=1)


@pytest.mark.parametrize("fit", ["crop", "squish", "pad"])
@pytest.mark.parametrize("target", TARGETS)
def test_the_other_fits_are_fastai_bit_for_bit(fit, target):
    prepare = Preprocess(target, *HALF, fit=fit)
    for size in PICTURES:
        if size == (1, 1) and fit == "crop" and target != (32, 32):
            continue  # fastai cuts out nothing and fails
        seen = fastai_view(picture(size), target, fit)
        np.testing.assert_array_equal(np.asarray(prepare.view(picture(size))), np.asarray(seen))


@settings(derandomize=True, deadline=None, max_examples=100)
@given(*[st.integers(2, 90)] * 2, *[st.integers(20, 60)] * 2, st.sampled_from(["crop", "squish", "pad"]))
def test_the_other_fits_are_fastai_for_any_size(width, height, rows, columns, fit):
    scale = min(width / columns, height / rows)
    if fit == "crop" and (int(scale * columns) < 1 or int(scale * rows) < 1):
        return
    seen = fastai_view(picture((width, height)), (rows, columns), fit)
    view = Preprocess((rows, columns), *HALF, fit=fit).view(picture((width, height)))
    np.testing.assert_array_equal(np.asarray(view), np.asarray(seen))


def test_fastai_numbers_are_ours():
    from fastai.data.transforms import IntToFloatTensor, Normalize
    from fastai.torch_core import TensorImage
    from fastai.vision.core import image2tensor

    image = picture((64, 48))
    batch = TensorImage(image2tensor(fastai_view(image, (32, 32), "crop")))[None]
    normalise = Normalize.from_stats(IMAGENET_MEAN, IMAGENET_STD, cuda=False)
    expected = normalise(IntToFloatTensor()(batch))[0]
    found = Preprocess((32, 32), IMAGENET_MEAN, IMAGENET_STD, fit="crop")(image)
    assert torch.equal(found, torch.Tensor(expected))


def test_very_thin_pictures_keep_at_least_a_pixel_where_fastai_fails():
    assert Preprocess((20, 60), *HALF, fit="crop").view(picture((1, 9))).size == (60, 20)


@pytest.mark.parametrize("fit", get_args(Fit))
@pytest.mark.parametrize("size", PICTURES)
def test_grey_models_get_the_grey_picture(fit, size):
    prepare = Preprocess((32, 24), (0.25,), (0.5,), fit=fit)
    image = picture(size)
    values = prepare(image)
    assert values.shape == (1, 32, 24)
    assert torch.equal(values, prepare(image.convert("L")))
    grey = np.asarray(prepare.view(image).convert("L"))
    np.testing.assert_allclose(values[0], (grey / 255 - 0.25) / 0.5, atol=1e-6)


def test_grey_pictures_for_colour_models():
    prepare = Preprocess((8, 8), *HALF)
    image = picture((20, 20), "L")
    assert torch.equal(prepare(image), prepare(image.convert("RGB")))


@pytest.mark.parametrize("mode", ["RGBA", "P", "I;16", "CMYK"])
def test_pictures_that_were_not_opened_here_are_refused(mode):
    with pytest.raises(ImageError, match=r"open_image"):
        Preprocess((8, 8), *HALF)(Image.new(mode, (9, 9)))


def test_the_picture_is_not_changed():
    image = picture((64, 48))
    before = image.tobytes()
    Preprocess((32, 32), *HALF)(image)
    assert image.tobytes() == before


@pytest.mark.parametrize("fit", get_args(Fit))
def test_inverse_gives_the_view_back(fit):
    prepare = Preprocess((32, 24), IMAGENET_MEAN, IMAGENET_STD, fit=fit)
    images = [picture(size) for size in PICTURES]
    batch = prepare.batch(images)
    restored = prepare.inverse(batch)
    assert batch.shape == restored.shape == (len(images), 3, 32, 24)
    for image, one, back in zip(images, batch, restored, strict=True):
        assert torch.equal(one, prepare(image))
        assert torch.equal(back, prepare.inverse(one))
        view = np.asarray(prepare.view(image)).transpose(2, 0, 1) / 255
        np.testing.assert_allclose(back, view, atol=1e-6)


def test_inverse_clamps_and_leaves_its_argument_alone():
    values = torch.tensor([-9.0, 0.0, 9.0]).reshape(1, 1, 3)
    restored = Preprocess((8, 8), (0.5,), (0.5,)).inverse(values)
    assert restored.flatten().tolist() == [0.0, 0.5, 1.0]
    assert values.flatten().tolist() == [-9.0, 0.0, 9.0]


@pytest.mark.parametrize("shape", [(3, 4), (1, 4, 4), (2, 1, 4, 4), (1, 1, 3, 4, 4)])
def test_inverse_refuses_other_shapes(shape):
    with pytest.raises(PreprocessError, match=r"shape"):
        Preprocess((8, 8), *HALF).inverse(torch.zeros(shape))


def test_an_empty_batch_is_refused():
    with pytest.raises(PreprocessError, match=r"at least one"):
        Preprocess((8, 8), *HALF).batch([])


@pytest.mark.parametrize(
    ("options", "size", "box"),
    [
        ({"resize": 40}, (80, 80), (8, 8, 72, 72)),
        ({}, (128, 64), (32, 0, 96, 64)),
        ({"resize": 16}, (64, 64), (-32, -32, 96, 96)),
        ({"fit": "crop"}, (100, 64), (18, 0, 82, 64)),
        ({"fit": "squish"}, (100, 64), (0, 0, 100, 64)),
        ({"fit": "pad"}, (128, 64), (0, -32, 128, 96)),
    ],
)
def test_box_is_where_the_red_rectangle_is(options, size, box):
    """Inside the box all is red, outside blue: the network sees red to its edges, and no blue."""
    prepare = Preprocess((32, 32), *HALF, interpolation="nearest", **options)
    assert prepare.box(size) == Box(*map(float, box))
    image = Image.new("RGB", size, (0, 0, 255))
    image.paste((255, 0, 0), box)
    view = np.asarray(prepare.view(image))
    outside = Image.new("RGB", size, (255, 0, 0))
    assert not view[..., 2].any()
    # Black borders stand where the box leaves the picture, and nowhere else.
    left, top, right, bottom = (side * 32 for side in box)
    rows, columns = np.mgrid[0:32, 0:32] + 0.5
    x = left / 32 + columns * (right - left) / 32 / 32
    y = top / 32 + rows * (bottom - top) / 32 / 32
    inside = (x >= 0) & (x < size[0]) & (y >= 0) & (y < size[1])
    np.testing.assert_array_equal(view[..., 0], np.where(inside, 255, 0))
    np.testing.assert_array_equal(np.asarray(prepare.view(outside)), view)


@pytest.mark.parametrize("fit", get_args(Fit))
@pytest.mark.parametrize("size", [(640, 480), (333, 517), (1000, 300)])
def test_a_cell_of_the_input_shows_what_the_box_says(fit, size):
    """A picture of its own coordinates: the input's pixel (i, j) has the coordinates of its cell."""
    prepare = Preprocess((48, 48), *HALF, fit=fit, resize=56 if fit == "cover" else None)
    columns, rows = np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5
    coded = np.zeros((size[1], size[0], 3), np.uint8)
    coded[..., 0] = np.rint(columns / size[0] * 255)
    coded[..., 1] = np.rint(rows / size[1] * 255)[:, None]
    view = np.asarray(prepare.view(Image.fromarray(coded))).astype(float)
    box = prepare.box(size)
    x = (box.left + (np.arange(48) + 0.5) * box.width / 48) / size[0] * 255
    y = (box.top + (np.arange(48) + 0.5) * box.height / 48) / size[1] * 255
    # Near the border the filter mixes in what lies outside.
    seen_x, seen_y = ((at > 2 * (at[1] - at[0])) & (at < 255 - 2 * (at[1] - at[0])) for at in (x, y))
    assert abs(view[24, 2:-2, 0] - x[2:-2])[seen_x[2:-2]].max() < 1.3
    assert abs(view[2:-2, 24, 1] - y[2:-2])[seen_y[2:-2]].max() < 1.3


sizes = st.tuples(st.integers(1, 2000), st.integers(1, 2000))
numbers = st.floats(-3, 3, allow_nan=False)
deviations = st.floats(0.01, 3)


@st.composite
def preprocesses(draw):
    channels = draw(st.sampled_from([1, 3]))
    fit = draw(st.sampled_from(get_args(Fit)))
    return Preprocess(
        draw(st.tuples(st.integers(1, 300), st.integers(1, 300))),
        tuple(draw(st.lists(numbers, min_size=channels, max_size=channels))),
        tuple(draw(st.lists(deviations, min_size=channels, max_size=channels))),
        fit,
        draw(st.none() | st.integers(1, 300)) if fit == "cover" else None,
        draw(st.sampled_from(get_args(Interpolation))),
    )


@settings(derandomize=True, deadline=None)
@given(preprocesses())
def test_json_there_and_back(prepare):
    assert Preprocess.from_json(json.loads(json.dumps(prepare.to_json()))) == prepare
    assert hash(Preprocess.from_json(prepare.to_json())) == hash(prepare)


def elongation(pair):
    return max(pair) / min(pair)


@settings(derandomize=True, deadline=None)
@given(preprocesses(), sizes)
def test_box_is_centred_and_has_the_shape_of_the_input(prepare, size):
    try:
        box = prepare.box(size)
    except ImageError:
        assert elongation(size) * elongation(prepare.size) > 60
        return
    assert Box(*json.loads(json.dumps(box.to_json()))) == box
    off_x, off_y = box.left + box.right - size[0], box.top + box.bottom - size[1]
    shape = box.width / box.height
    if prepare.fit == "squish":
        assert box.to_json() == [0, 0, *size]
    elif prepare.fit == "cover":
        # Half a pixel of the resized picture; its longer side may have lost up to a pixel.
        shorter = prepare.resize or min(prepare.size)
        pixel = min(size) / shorter * (1 + 1 / shorter)
        assert max(abs(off_x), abs(off_y)) <= pixel * 1.000001
        assert math.isclose(shape, prepare.size[1] / prepare.size[0], rel_tol=1.01 / shorter)
    else:
        # Half a pixel of the picture; each side of the part may have lost up to a pixel.
        assert max(abs(off_x), abs(off_y)) <= 1
        thin = min(box.width, box.height)
        assert math.isclose(shape, prepare.size[1] / prepare.size[0], rel_tol=1.01 / thin)


GOOD = {"size": [8, 8], "mean": [0.5], "std": [0.5]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sise": 3}, "'sise'"),
        ({"size": 8}, "size"),
        ({"size": [8]}, "size"),
        ({"size": [8, 8.0]}, "size"),
        ({"size": [8, True]}, "size"),
        ({"size": [0, 8]}, "size"),
        ({"size": [8, 8193]}, "8192"),
        ({"size": "88"}, "size"),
        ({"size": None}, "size"),
        ({"mean": 0.5}, "mean"),
        ({"mean": []}, "mean"),
        ({"mean": [0.5, 0.5]}, "mean"),
        ({"mean": ["0.5"]}, "mean"),
        ({"mean": [math.nan]}, "mean"),
        ({"mean": [10**400]}, "mean"),
        ({"mean": [0.5] * 3}, "equally many"),
        ({"std": [0]}, "std"),
        ({"std": [-1.0]}, "std"),
        ({"std": [1e-300]}, "std"),
        ({"std": [math.inf]}, "std"),
        ({"std": [True]}, "std"),
        ({"fit": "stretch"}, "squish"),
        ({"fit": []}, "squish"),
        ({"interpolation": "cubic"}, "bicubic"),
        ({"interpolation": 3}, "bicubic"),
        ({"resize": 0}, "resize"),
        ({"resize": 9.5}, "resize"),
        ({"resize": True}, "resize"),
        ({"resize": 10**9}, "resize"),
        ({"resize": 9, "fit": "pad"}, "resize"),
    ],
)
def test_wrong_settings_are_refused_in_words(change, words):
    with pytest.raises(PreprocessError) as caught:
        Preprocess.from_json({**GOOD, **change})
    assert words in str(caught.value)


@pytest.mark.parametrize("key", GOOD)
def test_missing_settings_are_named(key):
    settings_ = {k: v for k, v in GOOD.items() if k != key}
    with pytest.raises(PreprocessError, match=f"'{key}' is missing"):
        Preprocess.from_json(settings_)


@pytest.mark.parametrize("settings_", [None, [], "x", 3])
def test_settings_that_are_no_object(settings_):
    with pytest.raises(PreprocessError, match=r"not an object"):
        Preprocess.from_json(settings_)


@pytest.mark.parametrize("fit", ["cover", "pad"])
def test_a_long_thin_picture_does_not_fill_the_memory(fit):
    prepare = Preprocess((224, 224), *HALF, fit=fit)
    with pytest.raises(ImageError, match=r"1 x 1000000 pixels is too long and thin"):
        prepare(Image.new("RGB", (1, 1_000_000)))
    with pytest.raises(ImageError, match=r"too long and thin"):
        prepare.box((1, 1_000_000))


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (-1, 5)])
def test_box_of_nothing(size):
    with pytest.raises(ImageError, match=r"no pixels"):
        Preprocess((8, 8), *HALF).box(size)


def test_settings_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Preprocess((8, 8), *HALF).size = (9, 9)
