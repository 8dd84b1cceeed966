"""Small pictures and masks, each different."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def put(tmp_path):
    """Write a picture of noise or a given array under the temporary folder, and return its path."""

    def write(name, values=None, *, size=(12, 8)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if values is None:
            chance = np.random.default_rng(sum(name.encode()))
            values = chance.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(values).save(path)
        return path

    return write


@pytest.fixture
def put_pair(put):
    """Write a picture and its mask of classes 0 and 1."""

    def write(picture, mask):
        put(picture)
        put(mask, np.tile(np.array([0, 1], np.uint8), (8, 6)))

    return write
