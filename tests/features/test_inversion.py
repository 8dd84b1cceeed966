"""What a layer knows of a picture: all of it behind an invertible layer, its texture behind a Gram matrix."""

import numpy as np
import pytest
import torch
from networks import Classifier, NoGradInside, UNet
from PIL import Image
from torch import nn

import interp
from interp.features.errors import FeatureError
from interp.features.inversion import invert
from interp.images import Preprocess
from interp.layers import LayerError

HALF = Preprocess((24, 32), (0.5,) * 3, (0.5,) * 3)


@pytest.fixture(scope="module")
def picture():
    ramp = np.linspace(40, 215, 32, dtype=np.uint8)[None].repeat(24, 0)
    return Image.fromarray(np.stack([ramp, ramp[:, ::-1], 255 - ramp], -1))


def loaded(network):
    return interp.load(network, preprocess=HALF)


class Invertible(nn.Module):
    """Colours mixed by a rotation and nothing lost, then a head."""

    def __init__(self):
        super().__init__()
        self.mix = nn.Conv2d(3, 3, 1, bias=False)
        self.mix.weight.data = torch.linalg.qr(torch.randn(3, 3))[0][:, :, None, None]
        self.nothing = nn.Conv2d(3, 2, 1)
        nn.init.zeros_(self.nothing.weight)
        nn.init.zeros_(self.nothing.bias)
        self.head = nn.Linear(5, 2)

    def forward(self, x):
        mixed = self.mix(x)
        return self.head(torch.cat([mixed, self.nothing(mixed)], 1).mean((2, 3)))


@pytest.mark.slow
def test_what_keeps_everything_gives_the_picture_back(picture):
    model = loaded(Invertible())
    found = invert(model, picture, "mix", steps=300, lr=0.3)
    assert found.distances[0] < 0.1
    assert found.cosines[0] > 0.99
    assert (found.pictures[0] - found.original).abs().mean() < 0.03


def test_more_steps_come_nearer_and_the_figures_are_those_of_the_pictures(picture):
    model = loaded(Classifier())
    few, more = (invert(model, picture, ["stem", "body.1"], steps=steps) for steps in (5, 60))
    assert all(a < b for a, b in zip(more.distances, few.distances, strict=True))
    inputs = (torch.cat([more.pictures, more.original[None]]) - 0.5) / 0.5
    with torch.no_grad():
        first, _, wanted = model.module.eval().stem(inputs)
    assert more.distances[0] == pytest.approx(float((first - wanted).norm() / wanted.norm()), rel=1e-4)
    assert more.gains[0] == pytest.approx(float(first.norm() / wanted.norm()), rel=1e-4)


def test_a_caricature_has_more_of_the_same(picture):
    found = invert(loaded(Classifier()), picture, ["body.1"], kind="caricature", steps=120)
    assert found.gains[0] > 1.1
    assert found.cosines[0] > 0.7


def test_style_keeps_gram_matrices_and_no_place(picture):
    model = loaded(Classifier())
    found = invert(model, picture, ["stem", "body.1"], kind="style", steps=80)
    assert max(found.distances) < 0.35
    with torch.no_grad():
        made, wanted = (
            model.module.eval().stem((x[None] - 0.5) / 0.5) for x in (found.pictures[0], found.original)
        )
    assert (made - wanted).norm() / wanted.norm() > 2 * found.distances[0]


def test_the_same_seed_gives_the_same_bits_and_leaves_nothing_on_the_model(picture):
    network = Classifier().train()
    model = loaded(network)
    with torch.inference_mode():
        found = [
            invert(model, picture, "body.1", kind="caricature", steps=4, seed=seed).pictures
            for seed in (3, 3, 4)
        ]
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    assert network.training
    assert all(p.grad is None and p.requires_grad for p in network.parameters())
    assert not any(part._forward_hooks for part in network.modules())


def test_every_level_of_a_unet_has_its_picture(picture):
    model = loaded(UNet())
    found = invert(model, picture, steps=3)
    assert found.layers == tuple(model.layers.stages)
    assert len(found.layers) >= 3
    assert found.pictures.shape == (len(found.layers), 3, 24, 32)
    assert len(found.figure().axes) == len(found.layers) + 1


def test_progress_is_told_over_all_layers_and_stop_keeps_what_is_there(picture):
    told = []
    found = invert(
        loaded(Classifier()),
        picture,
        ["stem", "body.1"],
        steps=5,
        progress=lambda *now: told.append(now),
        stop=lambda: len(told) == 7,
    )
    assert told == [(step, 10) for step in range(1, 8)]
    assert not found.finished
    assert len(found.pictures) == len(found.layers) == 2


def test_what_cannot_be_is_said(picture):
    model = loaded(Invertible())
    with pytest.raises(FeatureError, match="kind='copy' is none of"):
        invert(model, picture, "mix", kind="copy")
    with pytest.raises(FeatureError, match="nothing but zeros"):
        invert(model, picture, "nothing")
    with pytest.raises(LayerError, match="no layer 'mox'"):
        invert(model, picture, "mox")
    with pytest.raises(FeatureError, match="layers is empty"):
        invert(model, picture, [])


@pytest.mark.parametrize("guard", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("layer", ["inner", "backbone", "head"])
def test_a_layer_that_no_gradient_comes_back_from_is_refused(picture, guard, layer):
    loaded = interp.load(NoGradInside(guard), preprocess=Preprocess((16, 16), (0.5,) * 3, (0.5,) * 3))
    with pytest.raises(FeatureError, match=f"no gradient reaches the picture from layer '{layer}'"):
        invert(loaded, picture, layer, steps=1)


def test_a_layer_twice_is_refused(picture):
    loaded = interp.load(Classifier(), preprocess=Preprocess((16, 16), (0.5,) * 3, (0.5,) * 3))
    with pytest.raises(FeatureError, match="layer 'stem' is named twice"):
        invert(loaded, picture, ["stem", 0], kind="style", steps=1)
