"""The grid pointing game on a network that knows colours, and on the default network."""

import math
from pathlib import Path

import pytest
import torch
from nets import model_of
from PIL import Image
from torch import nn

from interp.metrics import MetricError, grid_game

SAMPLES = Path(__file__).parents[2] / "sample_images"
COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255))


class Colours(nn.Module):
    """Red, green, blue and white, each by one channel that is on where it is seen, and summed up."""

    def __init__(self, size=None):
        super().__init__()
        self.size = size
        self.seen = nn.Conv2d(3, 4, 1)
        with torch.no_grad():
            weight = torch.tensor([[1.0, -1, -1], [-1, 1, -1], [-1, -1, 1], [0.5, 0.5, 0.5]])
            self.seen.weight.copy_(weight[..., None, None])
            self.seen.bias.copy_(torch.tensor([-2.0, -2, -2, -1]))
        self.on = nn.ReLU()
        self.head = nn.Linear(4, 4)
        with torch.no_grad():
            self.head.weight.copy_(torch.eye(4))
            self.head.bias.zero_()

    def forward(self, inputs):
        if self.size and tuple(inputs.shape[2:]) != self.size:
            raise RuntimeError("one size only")
        return self.head(self.on(self.seen(inputs)).mean((2, 3)))


def pictures(colours=COLOURS):
    return [Image.new("RGB", (12, 12), colour) for colour in colours]


@pytest.mark.parametrize("method", ["hirescam", "grad-cam", "consensus-cam", "occlusion(window=2, stride=2)"])
def test_a_method_that_sees_the_reason_gets_everything(method):
    found = grid_game(model_of(Colours(), size=(6, 6)), pictures(), method, layer="on")
    assert found.classes == (0, 1, 2, 3)
    assert found.shares == pytest.approx([1.0] * 4, abs=1e-6)
    assert found.value == pytest.approx(1)


def test_a_map_that_knows_nothing_gets_its_part_of_the_area():
    found = grid_game(model_of(Colours(), size=(20, 20)), pictures(), "random", layer="on")
    assert found.chance == 0.25
    assert found.value == pytest.approx(0.25, abs=0.01)  # of one map, all parts add up to 1
    assert sum(found.shares) == pytest.approx(1)


def test_where_a_map_shows_nothing_the_share_is_unknown_and_counts_nothing():
    model = model_of(Colours(), size=(6, 6))
    with torch.no_grad():
        model.module.head.weight.neg_()
        model.module.head.bias.copy_(torch.tensor([1.0, 0, 0, 0]))
    with pytest.raises(MetricError, match="are both"):
        grid_game(model, pictures())
    found = grid_game(model_of(Colours(), size=(6, 6)), pictures(), "activation-abs", layer="on")
    assert all(0 < share < 1 for share in found.shares)
    assert not any(math.isnan(share) for share in found.shares)


@pytest.mark.parametrize(
    ("count", "sentence"),
    [(1, "1 pictures make no square"), (3, "3 pictures make no square"), (0, "no square")],
)
def test_pictures_that_make_no_square_are_refused(count, sentence):
    with pytest.raises(MetricError, match=sentence):
        grid_game(model_of(Colours(), size=(6, 6)), pictures()[:count])


def test_two_pictures_of_one_class_are_refused():
    with pytest.raises(MetricError, match="pictures 1 and 2 are both"):
        grid_game(model_of(Colours(), size=(6, 6)), pictures((COLOURS[0], COLOURS[0], *COLOURS[2:])))


def test_a_network_of_one_size_cannot_play():
    with pytest.raises(MetricError, match="cannot see a grid of 2 × 2 pictures"):
        grid_game(model_of(Colours((6, 6)), size=(6, 6)), pictures())


def test_the_default_network_finds_its_pictures(default_model):
    names = ["cat.jpg", "rocket.jpg", "coffee.jpg", "cameraman.jpg"]
    files = [SAMPLES / name for name in names if (SAMPLES / name).exists()]
    assert len(files) == 4
    found = grid_game(default_model, files)
    assert found.value > 0.8
    assert found.value > grid_game(default_model, files, "grad-cam").value
