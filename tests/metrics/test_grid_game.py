"""The grid pointing game on a network that knows colours, and on the default network."""

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from nets import model_of
from PIL import Image
from torch import nn

import interp
from interp.metrics import MetricError, grid_game
from interp.metrics.disconnected import apart, disconnected, together

SAMPLES = Path(__file__).parents[2] / "sample_images"
COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255))


class Colours(nn.Module):
    """Red, green, blue and white, each by one channel that is on where it is seen, and summed up."""

    def __init__(self, size_only=None):
        super().__init__()
        self.size = size_only
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


@pytest.mark.slow
def test_the_default_network_finds_its_pictures(default_model):
    names = ["cat.jpg", "rocket.jpg", "coffee.jpg", "cameraman.jpg"]
    files = [SAMPLES / name for name in names if (SAMPLES / name).exists()]
    assert len(files) == 4
    found = grid_game(default_model, files)
    assert found.value > 0.8
    assert found.value > grid_game(default_model, files, "grad-cam").value


def half_red():
    """A green picture whose left quarter is red; the class is still green."""
    picture = Image.new("RGB", (12, 12), COLOURS[1])
    picture.paste(COLOURS[0], (0, 0, 3, 12))
    return picture


def disconnected_game(method, size=(12, 12), **kwargs):
    red, _, blue, white = pictures()
    model = model_of(Colours(**kwargs), size=size)
    return grid_game(model, [red, half_red(), blue, white], method, layer="on", connected=False)


@given(
    batch=st.integers(1, 3), side=st.integers(1, 3), channels=st.integers(1, 2), height=st.integers(1, 4),
    width=st.integers(1, 4),
)  # fmt: skip
def test_cells_lie_row_by_row_and_come_apart_again(batch, side, channels, height, width):
    cells = torch.rand(batch * side**2, channels, height, width)
    grid = together(cells, side)
    assert grid.shape == (batch, channels, side * height, side * width)
    rows = [torch.cat(list(cells[start : start + side]), -1) for start in range(0, side**2, side)]
    assert grid[0].equal(torch.cat(rows, -2))
    assert apart(grid, side).equal(cells)


def test_a_disconnected_class_sees_its_own_picture_only():
    model = model_of(Colours(), size=(12, 12))
    red, green, blue, white = (model.prepare([each]) for each in pictures())
    alone, layer = disconnected(model, 2, (0, 1, 2, 3), "on")
    assert layer == "network.on.whole"
    assert tuple(alone.labels) == tuple(model.labels[index] for index in range(4))
    for grid in ((red, green, blue, white), (red, red, red, red), (blue, green, white, red)):
        own = torch.stack([model.logits(cell)[0, index] for index, cell in enumerate(grid)])
        assert alone.logits(together(torch.cat(grid), 2))[0].equal(own)


@pytest.mark.parametrize(
    "method", ["hires-cam", "layer-cam", "consensus-cam", "occlusion(window=2, stride=2)"]
)
def test_what_is_local_shows_nothing_of_other_pictures(method):
    assert disconnected_game(method).shares == pytest.approx([1.0] * 4, abs=1e-6)


def test_grad_cam_shows_a_channel_wherever_it_is_on():
    # The weight of red is the mean of its gradient, which is 0 in the other three pictures, and the same
    # everywhere: the red quarter of the second picture is shown, too. 1 / (1 + 1/4) of it lies right.
    found = disconnected_game("grad-cam")
    assert found.shares[0] == pytest.approx(0.8)
    assert found.shares[2] == pytest.approx(1.0)


def test_a_network_of_one_size_can_play_disconnected():
    assert disconnected_game("hires-cam", size=(6, 6), size_only=(6, 6)).value == pytest.approx(1)


def test_methods_that_add_up_all_layers_cannot_play_disconnected():
    with pytest.raises(MetricError, match="FullGrad adds up layers that see one picture"):
        disconnected_game("fullgrad")


def test_a_layer_without_places_is_refused():
    with pytest.raises(MetricError, match=r"head puts out \(4,\)"):
        disconnected(model_of(Colours(), size=(6, 6)), 2, (0, 1, 2, 3), "head")


@pytest.mark.slow
def test_on_its_own_picture_a_map_is_that_of_the_picture_alone(default_model):
    files = [SAMPLES / name for name in ("cat.jpg", "rocket.jpg", "coffee.jpg", "cameraman.jpg")]
    for method in ("saliency", "hires-cam"):
        found = grid_game(default_model, files, method, connected=False)
        assert found.shares == pytest.approx([1.0] * 4, abs=1e-4)
        alone = interp.explain(default_model, files[3], found.classes[3], method)
        height, width = alone.map.shape
        own = found.maps[3][height:, width:]
        assert (own / own.abs().max()).sub(alone.map / alone.map.abs().max()).abs().max() < 1e-4
    assert grid_game(default_model, files, "grad-cam", connected=False).value < 0.95
