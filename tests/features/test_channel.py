"""What a channel does to the classes, what it is made of, and the page that says so."""

import numpy as np
import pytest
import torch
from matplotlib.text import Text
from networks import Classifier, UNet
from PIL import Image
from torch import nn

import interp
from interp.features import (
    FeatureError,
    channel_report,
    class_effects,
    gram,
    mean_gram,
    neighbours,
    origin_of,
    top_examples,
)
from interp.features.channel import strongest
from interp.features.origin import channels_of
from interp.images import Preprocess
from interp.views import number as shortened

HALF = Preprocess((16, 24), (0.5,) * 3, (0.5,) * 3)


class PooledLinear(nn.Module):
    """Global average pooling and a linear layer after a 3×3 convolution with groups."""

    def __init__(self, classes=5):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.mix = nn.Conv2d(4, 6, 1, groups=2)
        self.relu = nn.ReLU()
        self.fc = nn.Linear(6, classes)

    def forward(self, x):
        return self.fc(self.relu(self.mix(self.conv(x))).mean((2, 3)))


class LastChannels(nn.Module):
    """A layer that puts its channels last, as ConvNeXt's blocks."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 7, 1)
        self.turned = nn.Linear(7, 5)
        self.fc = nn.Linear(5, 2)

    def forward(self, x):
        return self.fc(self.turned(self.conv(x).permute(0, 2, 3, 1)).mean((1, 2)))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(1)
    return interp.load(PooledLinear(), preprocess=HALF, labels=[f"thing {i}" for i in range(5)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for number in range(12):
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), np.uint8)).save(place / f"{number:02}.png")
    return place


def test_without_a_channel_a_class_loses_its_weight_times_the_mean(model):
    inputs = torch.randn(19, 3, 16, 24)  # more than one batch
    network = model.module
    with torch.no_grad():
        activations = network.relu(network.mix(network.conv(inputs)))
    for channel in range(6):
        wanted = network.fc.weight[:, channel] * activations[:, channel].mean()
        assert torch.allclose(class_effects(model, "relu", channel, inputs), wanted.detach(), atol=1e-6)


def test_channels_that_come_last_are_taken_away_as_well():
    loaded = interp.load(LastChannels(), preprocess=HALF)
    inputs = torch.randn(2, 3, 16, 24)
    with torch.no_grad():
        turned = loaded.module.turned(loaded.module.conv(inputs).permute(0, 2, 3, 1))
        wanted = loaded.module.fc.weight[:, 3] * turned[..., 3].mean()
    assert channels_of(loaded, "turned") == 5
    assert torch.allclose(class_effects(loaded, "turned", 3, inputs), wanted, atol=1e-6)


def test_effects_on_a_segmentation_are_means_over_positions():
    loaded = interp.load(UNet(), preprocess=HALF, task="segmentation")
    inputs = torch.randn(2, 3, 16, 24)
    effects = class_effects(loaded, "up1", 1, inputs)
    with torch.no_grad():
        kept = {}
        handle = loaded.module.eval().up1.register_forward_hook(lambda _m, _a, out: kept.update(out=out))
        loaded.module(inputs)
        handle.remove()
        wanted = loaded.module.logits.weight[:, 1, 0, 0] * kept["out"][:, 1].mean()
    assert torch.allclose(effects, wanted, atol=1e-6)
    assert class_effects(interp.load(UNet(), preprocess=HALF, task="image"), "up1", 1, inputs) is None


def test_the_mean_gram_matrix_is_that_of_the_pictures(model):
    inputs = torch.randn(18, 3, 16, 24)
    network = model.module
    with torch.no_grad():
        single = gram(network.relu(network.mix(network.conv(inputs))), "HW")
    found = mean_gram(model, "relu", inputs)
    assert torch.allclose(found.float(), single.mean(0), atol=1e-6)
    assert len(neighbours(found, 0, 3)) == 3


@pytest.mark.parametrize(
    ("layer", "channel", "maker", "inputs", "first"),
    [
        ("conv", 2, "conv", (0, 1, 2), True),
        ("relu", 1, "mix", (0, 1), False),
        ("mix", 5, "mix", (2, 3), False),
    ],
)
def test_a_channel_is_made_by_the_last_convolution_before_it(model, layer, channel, maker, inputs, first):
    found = origin_of(model, layer, channel)
    assert (found.layer, found.inputs, found.sees_picture) == (maker, inputs, first)
    assert torch.equal(found.weights, model.module.get_submodule(maker).weight[channel].detach())
    assert found.spatial == (maker == "conv")


def test_a_linear_layer_on_channels_last_is_an_origin():
    loaded = interp.load(LastChannels(), preprocess=HALF)
    found = origin_of(loaded, "turned", 3)
    assert (found.layer, found.inputs, found.sees_picture) == ("turned", tuple(range(7)), False)
    assert torch.equal(found.weights[:, 0, 0], loaded.module.turned.weight[3].detach())
    assert not found.spatial


def test_a_layer_without_a_convolution_has_no_origin():
    loaded = interp.load(nn.Sequential(nn.Conv2d(3, 7, 1), nn.PixelUnshuffle(2)), preprocess=HALF)
    assert origin_of(loaded, "1", 0) is None
    assert not any(part._forward_hooks for part in loaded.module.modules())


def test_a_channel_that_is_not_there_is_named(model):
    for ask in (lambda: origin_of(model, "relu", 6), lambda: class_effects(model, "relu", -1, model.blank())):
        with pytest.raises(FeatureError, match=r"give one of 0 … 5"):
            ask()
    with pytest.raises(FeatureError, match="give a layer with channels, height and width"):
        origin_of(model, "fc", 0)


def test_the_strongest_effects_are_those_of_both_signs():
    assert strongest(torch.tensor([0.5, -0.1, 0.0, 2.0, -3.0]), up=1, down=1) == [3, 4]
    assert strongest(torch.tensor([-1.0, -2.0])) == [0, 1]
    assert strongest(torch.zeros(4)) == []


@pytest.mark.parametrize(("layer", "channel"), [("conv", 1), ("relu", 4)])
def test_the_page_has_every_panel(model, folder, layer, channel):
    examples = top_examples(model, layer, folder, k=3)
    told = []
    found = channel_report(model, examples, channel, steps=2, progress=lambda *now: told.append(now))
    assert told == [(1, 2), (2, 2)]
    assert found.layer == layer
    assert len(found.crops) == 3
    assert found.reached == pytest.approx(float(found.visualisation.peaks[0]))
    assert dict(found.effects).keys() <= set(model.labels)
    assert {near.channel for near, _ in found.neighbours}.isdisjoint({channel})
    words = [text.get_text() for text in found.figure().texts]
    assert any(f"channel {channel} of {layer}" in text for text in words)
    assert "its maximum on 12 pictures" in words


def test_the_page_stands_without_a_drawn_picture_and_with_a_lost_one(model, folder, tmp_path):
    for file in list(folder.iterdir())[:6]:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    examples = top_examples(model, "relu", tmp_path, k=2)
    examples.channel(0).examples[0].file.unlink()
    found = channel_report(model, examples, 0, visualised=False)
    assert found.reached is None
    left = examples.channel(0).examples[1]
    assert [example for example, _ in found.crops] == [left]
    words = [text.get_text() for axes in found.figure().axes for text in axes.texts]
    assert "not drawn" in words
    everywhere = [text.get_text() for text in found.figure().findobj(Text)]
    assert shortened(left.value) in everywhere
    assert shortened(examples.channel(0).examples[0].value) not in everywhere


def test_the_page_of_a_network_with_a_reused_layer_and_of_a_unet(folder):
    for network in (Classifier(), UNet()):
        loaded = interp.load(network, preprocess=HALF)
        layer = loaded.default_layer
        report = channel_report(loaded, top_examples(loaded, layer, folder, k=2), 0, steps=1)
        assert report.visualisation.pictures.shape == (1, 3, 16, 24)
        assert all(p.grad is None for p in network.parameters())
        assert report.figure().axes
