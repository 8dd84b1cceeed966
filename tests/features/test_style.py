"""Styles of pictures: Gram matrices of a network's own activations, and what does not change them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Classifier, UNet, calls_of, footprint, seeded, small_dynamic_unet
from PIL import Image
from torch import nn

import interp
from interp.features import FeatureError, gram, relative_distance, style
from interp.images import Preprocess
from interp.layers import LayerError

HALF = Preprocess((32, 32), (0.5,) * 3, (0.5,) * 3)


def picture(seed: int, size: tuple[int, int] = (40, 48)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture(scope="module")
def model():
    return interp.load(seeded(Classifier)(), preprocess=HALF)


def test_matrices_are_those_of_the_layers_outputs(model):
    pictures = [picture(seed) for seed in range(10)]  # more than one batch
    found = style(model, pictures, ["bn", "relu@0", "relu"], normalise="HW")
    outputs = calls_of(model.module, model.prepare(pictures))
    assert found.layers == ("bn", "relu@0", "relu")
    assert found.pictures == tuple(f"picture {number}" for number in range(10))
    for layer, (name, call) in zip(found.layers, [("bn", 0), ("relu", 0), ("relu", 1)], strict=True):
        torch.testing.assert_close(found.grams[layer], gram(outputs[name][call][0], "HW"))
    assert [view.size for view in found.views] == [(32, 32)] * 10
    halves = style(model, pictures, ["bn"])
    torch.testing.assert_close(halves.grams["bn"] * 6, found.grams["bn"])


def test_by_default_at_the_last_activation_of_each_grid(model):
    found = style(model, picture(1))
    assert found.layers == ("relu@1",)
    assert found.grams["relu@1"].shape == (1, 6, 6)


@pytest.mark.slow
def test_the_blocks_of_vgg():
    vgg = interp.load("torchvision:vgg16_bn", weights=None, preprocess=HALF)
    found = style(vgg, picture(1))
    assert found.layers == tuple(f"features.{number}" for number in (5, 12, 22, 32, 42))
    assert [len(matrices[0]) for matrices in found.grams.values()] == [64, 128, 256, 512, 512]


def test_a_learner_as_it_is(tmp_path):
    from fastai.vision.all import DataBlock, ImageBlock, Learner, MSELossFlat, Resize, get_image_files

    for number in range(4):
        picture(number).save(tmp_path / f"{number}.png")
    block = DataBlock(blocks=(ImageBlock, ImageBlock), get_items=get_image_files, item_tfms=Resize(32))
    loaders = block.dataloaders(tmp_path, bs=2, num_workers=0, device=torch.device("cpu"))
    network = seeded(Classifier)()
    learner = Learner(loaders, network, loss_func=MSELossFlat())
    found = style(interp.load(learner, preprocess=HALF), picture(1))
    own = style(interp.load(network, preprocess=HALF), picture(1))
    assert found.grams["relu@1"].equal(own.grams["relu@1"])


@pytest.mark.filterwarnings("ignore:UNet calls an activation function in the open")
@pytest.mark.parametrize("build", [UNet, small_dynamic_unet])
def test_u_nets_on_the_way_down_and_up(build):
    module = seeded(build)()
    before = footprint(module)
    found = style(interp.load(module, preprocess=HALF), [picture(1), picture(2)])
    assert len(found.layers) >= 3
    assert all(matrices.isfinite().all() for matrices in found.grams.values())
    assert all(matrices.abs().sum() > 0 for matrices in found.grams.values())
    assert footprint(module) == before


def test_one_channel_and_layers_that_put_channels_last():
    class Last(nn.Module):
        def forward(self, x):
            return x.permute(0, 2, 3, 1)

    module = nn.Sequential(nn.Conv2d(1, 5, 3, padding=1), nn.ReLU(), Last()).eval()
    grey = interp.load(module, preprocess=Preprocess((16, 24), (0.4,), (0.2,)), task="image")
    found = style(grey, picture(1), ["1", "2"])
    torch.testing.assert_close(found.grams["1"], found.grams["2"])


@pytest.mark.parametrize("guard", [torch.no_grad, torch.inference_mode])
def test_frozen_and_under_guards_it_is_the_same_and_carries_no_graph(guard):
    module = seeded(Classifier)().requires_grad_(False)
    expected = style(interp.load(seeded(Classifier)(), preprocess=HALF), picture(1)).grams["relu@1"]
    with guard():
        found = style(interp.load(module, preprocess=HALF), picture(1)).grams["relu@1"]
    assert found.equal(expected)
    assert not found.requires_grad
    assert not found.is_inference()
    (found.requires_grad_() * 2).sum().backward()  # for those who optimise towards it


def test_a_tiled_picture_has_the_same_style_where_edges_do_not_show():
    # Positions moved around, or repeated, change nothing: with wrapped edges or none of them.
    module = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1, padding_mode="circular"), nn.ReLU(), nn.Conv2d(6, 4, 1), nn.ReLU()
    ).double()
    pixels = torch.rand(1, 3, 8, 8, dtype=torch.float64)
    small, large = (module(one.tile(1, 1, times, times)) for one, times in ((pixels, 1), (pixels, 2)))
    for normalise in ("HW", "CHW"):
        torch.testing.assert_close(gram(large, normalise), gram(small, normalise))


def test_an_order_serves_all_pictures(model):
    found = style(model, [picture(1), picture(2)], ["bn"])
    assert sorted(found.order("bn")) == list(range(6))
    louder = {"bn": found.grams["bn"] * torch.tensor([1.0, 1e4])[:, None, None]}
    scaled = type(found)(**{**vars(found), "grams": louder})
    assert scaled.order("bn") == found.order("bn")


POSITIVE = st.floats(1e-6, 1e6)


@given(st.integers(1, 5), st.integers(0, 999), POSITIVE)
@settings(deadline=None, max_examples=100)
def test_the_distance_is_a_metric_that_knows_no_common_scale(channels, seed, scale):
    generator = torch.Generator().manual_seed(seed)
    sizes = 10 ** (4 * torch.rand(3, generator=generator, dtype=torch.float64) - 2)
    rows = torch.randn(3, channels, 2, 3, generator=generator, dtype=torch.float64)
    a, b, c = gram(rows) * sizes[:, None, None]
    ab, bc, ac = relative_distance(a, b), relative_distance(b, c), relative_distance(a, c)
    assert ab == relative_distance(b, a)
    assert relative_distance(a, a) == 0
    assert 0 < ab <= 1
    assert ac <= ab + bc + 1e-12
    torch.testing.assert_close(relative_distance(scale * a, scale * b), ab)


def test_the_distance_by_hand():
    one, other = torch.diag(torch.tensor([1.0, 0])), torch.diag(torch.tensor([0, 1.0]))
    assert float(relative_distance(one, other)) == pytest.approx(0.5**0.5)
    assert float(relative_distance(one, 3 * one)) == pytest.approx(0.5)
    assert float(relative_distance(one, 0 * one)) == 1
    assert float(relative_distance(0 * one, 0 * one)) == 0
    tiny = 1e-30 * torch.eye(2)  # whose squares are none in single precision
    assert float(relative_distance(tiny, 3 * tiny)) == pytest.approx(0.5)
    assert relative_distance(torch.stack([one, other]), one).tolist() == [0, pytest.approx(0.5**0.5)]


def test_names_of_files(model, tmp_path):
    picture(1).save(tmp_path / "stone.png")
    opened = Image.open(tmp_path / "stone.png")
    assert style(model, [tmp_path / "stone.png", str(tmp_path / "stone.png"), opened]).pictures == (
        "stone.png",
        "stone.png",
        "stone.png",
    )


def test_what_has_no_style_is_refused(model):
    with pytest.raises(FeatureError, match="pictures is empty; give one or more"):
        style(model, [])
    with pytest.raises(FeatureError, match="layers is empty; name one"):
        style(model, picture(1), [])
    with pytest.raises(FeatureError, match="layer 'bn' is named twice"):
        style(model, picture(1), ["bn", 1])
    with pytest.raises(LayerError, match="no layer 'nothing'"):
        style(model, picture(1), "nothing")
    with pytest.raises(FeatureError, match=r"layer 'fc' gives \(4,\) for a picture; give a layer with"):
        style(model, picture(1), "fc")
    with pytest.raises(FeatureError, match="matrices of 2 and 3 channels have no distance"):
        relative_distance(torch.eye(2), torch.eye(3))
    loud = seeded(Classifier)()
    loud.stem.weight.data *= 1e30
    with pytest.raises(FeatureError, match="layer 'stem' gives values that are not finite, or too large"):
        style(interp.load(loud, preprocess=HALF), picture(1), "stem")


def test_the_figure_says_which_channels_are_dead_in_all_pictures(model):
    found = style(model, [picture(1), picture(2)], ["bn"])
    for matrices in found.grams.values():
        matrices[:, 2] = matrices[:, :, 2] = 0
        matrices[0, 3] = matrices[0, :, 3] = 0
    words = [text.get_text() for text in found.figure().texts]
    assert "6 channels, 1 dead" in words
    assert "picture 1 − picture 0" in words
