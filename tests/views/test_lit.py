"""The picture with light on what counts."""

import numpy as np
import pytest
from PIL import Image

from interp.views import lit

WHITE = Image.new("RGB", (64, 48), "white")


def test_light_is_where_the_weight_is_and_grey_where_nothing_is_seen():
    weights = np.zeros((32, 32))
    weights[:16, :16] = 1.0
    drawn = np.asarray(lit(WHITE, weights, (16, 0, 64, 48))).astype(int)
    assert (drawn[2:16, 20:32] == 255).all()  # all of the weight
    assert (drawn[40:, 56:] == 114).all()  # none: 0.45 of white
    assert (drawn[:, :16] == 153).all()  # outside: 0.6 of its grey


def test_more_weight_gives_more_light_by_its_root():
    weights = np.ones((8, 24))
    weights[:, 8:16] = 0.25
    weights[:, 16:] = 0.0
    drawn = np.asarray(lit(Image.new("RGB", (96, 32), "white"), weights))[16, [8, 48, 88], 0].astype(int)
    # Half of the way from 0.45 of white to white.
    assert drawn.tolist() == [255, pytest.approx(185, abs=2), 114]


def test_weights_that_are_no_map_are_refused():
    with pytest.raises(ValueError, match="height, width"):
        lit(WHITE, np.zeros(4))
