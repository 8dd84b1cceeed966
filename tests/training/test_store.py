from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image

from interp.images import ImageError
from interp.training.store import PictureStore

SIZES = ((9, 7), (5, 12), (16, 16))


@pytest.fixture
def files(tmp_path):
    """Three noisy pictures, the second of which is to be turned upright, and their masks."""
    chance = np.random.default_rng(0)
    pictures, masks = [], []
    for number in range(3):
        pixels = Image.fromarray(chance.integers(0, 256, (20, 30, 3), dtype=np.uint8))
        exif = Image.Exif()
        exif[0x0112] = 6 if number == 1 else 1
        pictures.append(tmp_path / f"{number}.png")
        pixels.save(pictures[-1], exif=exif)
        masks.append(tmp_path / f"{number}_mask.png")
        Image.fromarray(chance.integers(0, 31, (20, 30), dtype=np.uint8)).save(masks[-1])
    return pictures, masks


@pytest.mark.parametrize("most", [None, 0])
def test_pictures_are_those_of_pillow(files, most):
    store = PictureStore(files[0], SIZES, most=most)
    assert store.keeps == (most is None)
    for index, (path, size) in enumerate(zip(files[0], SIZES, strict=True)):
        picture = Image.open(path)
        if index == 1:
            picture = picture.transpose(Image.Transpose.ROTATE_270)
        expected = np.asarray(picture.resize(size, Image.Resampling.BILINEAR))
        for _ in range(2):  # decoded, then kept
            assert np.array_equal(store[index].permute(1, 2, 0).numpy(), expected)
            assert store[index].dtype == torch.uint8


@pytest.mark.parametrize("most", [None, 0])
def test_masks_keep_their_numbers(files, most):
    store = PictureStore(files[1], SIZES, kind="mask", most=most)
    for index, (path, size) in enumerate(zip(files[1], SIZES, strict=True)):
        numbers = np.asarray(Image.open(path))
        assert np.array_equal(
            store[index], np.asarray(Image.open(path).resize(size, Image.Resampling.NEAREST))
        )
        assert set(np.unique(store[index])) <= set(np.unique(numbers))


def test_what_is_kept_survives_its_file_and_fits_the_limit_exactly(files):
    total = sum(3 * width * height for width, height in SIZES)
    assert not PictureStore(files[0], SIZES, most=total - 1).keeps
    store = PictureStore(files[0], SIZES, most=total)
    told = []
    store.fill(lambda *progress: told.append(progress))
    assert told == [(1, 3), (2, 3), (3, 3)]
    before = [store[index].clone() for index in range(3)]
    for path in files[0]:
        path.unlink()
    assert all(store[index].equal(before[index]) for index in range(3))
    with pytest.raises(ImageError):
        PictureStore(files[0], SIZES)[0]


def test_threads_fill_it_as_one_does(files):
    paths, sizes = files[0] * 20, SIZES * 20
    alone, together = PictureStore(paths, sizes), PictureStore(paths, sizes)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(together.__getitem__, list(range(60)) * 3))
    assert all(alone[index].equal(together[index]) for index in range(60))


def test_no_pictures():
    store = PictureStore([], [])
    store.fill()
    assert len(store) == 0
