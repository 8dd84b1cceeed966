"""Activations of a layer, their order, and what each channel adds to a class."""

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Classifier, Reused, UNet, calls_of, footprint, seeded
from PIL import Image
from torch import nn

import interp
from interp.features.activations import activation_of, activations_of, class_activation_of
from interp.features.channel_average import average_map
from interp.features.errors import FeatureError
from interp.images import ImageError, Preprocess
from interp.layers import LayerError

HALF = (0.5,) * 3


def pictures(count=3, size=(40, 50)):
    pixels = np.random.default_rng(5).integers(0, 256, (count, *size, 3), dtype=np.uint8)
    return [Image.fromarray(one) for one in pixels]


def loaded(build, side=32, channels=3):
    stats = (0.5,) * channels
    return interp.load(build(), preprocess=Preprocess((side, side), stats, stats))


@pytest.fixture(scope="module")
def classifier():
    return loaded(seeded(Classifier))


class PooledLinear(nn.Module):
    """Global average pooling and a linear layer right after the features."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 5, 3), nn.ReLU(inplace=True), nn.Conv2d(5, 7, 3), nn.Tanh()
        )
        self.fc = nn.Linear(7, 4)

    def forward(self, x):
        return self.fc(self.features(x).mean((2, 3)))


@pytest.mark.parametrize("layer", ["stem", "bn", "relu@0", "relu@1", "relu", "body.0"])
def test_values_are_what_the_layer_gave_whatever_is_written_over_them(classifier, layer):
    picture = pictures(1)[0]
    seen = calls_of(seeded(Classifier)(), classifier.prepare([picture]))
    name, _, call = layer.partition("@")
    expected = seen[name][int(call) if call else -1][0][0]

    found = activation_of(classifier, picture, layer)

    assert found.layer == layer
    assert found.values.dtype == torch.float32
    torch.testing.assert_close(found.values, expected)


def test_each_call_of_a_reused_layer_can_be_asked_for():
    model = loaded(seeded(Reused), side=16)
    picture = pictures(1)[0]
    seen = calls_of(seeded(Reused)(), model.prepare([picture]))["conv"]
    found = [activation_of(model, picture, f"conv@{call}").values for call in range(3)]
    for one, expected in zip(found, seen, strict=True):
        torch.testing.assert_close(one, expected[0][0])
    assert not torch.equal(found[0], found[2])
    with pytest.raises(LayerError, match="calls are @0 … @2"):
        activation_of(model, picture, "conv@3")


def test_pictures_of_a_batch_equal_single_ones(classifier):
    given = pictures(5)
    alone = [activation_of(classifier, picture, "relu").values for picture in given]
    for batch_size in (1, 2, 5, 9):
        together = activations_of(classifier, given, "relu", batch_size=batch_size)
        for one, other in zip(alone, together, strict=True):
            torch.testing.assert_close(one, other.values)


def test_the_view_is_what_the_network_saw(classifier):
    picture = pictures(1)[0]
    found = activation_of(classifier, picture)
    assert found.layer == classifier.default_layer
    seen = np.asarray(found.view, dtype=np.float32) / 255
    inputs = classifier.preprocess.inverse(classifier.prepare([picture]))[0].permute(1, 2, 0)
    assert np.allclose(seen, inputs.numpy(), atol=1e-5)


def test_contributions_are_weight_times_mean_where_pooling_and_a_linear_layer_follow():
    model = loaded(seeded(PooledLinear))
    picture = pictures(1)[0]
    for index in range(4):
        found = class_activation_of(model, picture, "features.3", index)
        expected = model.module.fc.weight[index].detach() * found.values.mean((1, 2))
        torch.testing.assert_close(found.contributions.values, expected)
        score = model.logits(model.prepare([picture]))[0, index] - model.module.fc.bias[index].detach()
        torch.testing.assert_close(found.contributions.values.sum(), score)


def test_contributions_are_mean_activation_times_summed_slope_by_brute_force():
    model = loaded(seeded(PooledLinear))
    inner, picture = "features.0", pictures(1)[0]
    found = class_activation_of(model, picture, inner, 2)
    module = model.module.double()
    inputs = model.prepare([picture])
    values = module.features[0](inputs).detach()
    step, slopes = 1e-6, []
    for channel in range(values.shape[1]):
        ends = []
        for sign in (1, -1):
            moved = values.clone()
            moved[:, channel] += sign * step
            ends.append(module.fc(module.features[1:](moved).mean((2, 3)))[0, 2])
        slopes.append((ends[0] - ends[1]) / (2 * step))
    expected = values[0].mean((1, 2)) * torch.stack(slopes).detach()
    torch.testing.assert_close(found.contributions.values, expected.float(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("call", [0, 1, 2])
def test_contributions_of_one_call_of_a_reused_layer(call):
    model = loaded(seeded(Reused), side=16)
    picture, module = pictures(1)[0], seeded(Reused)()
    x = model.prepare([picture])
    for number in range(3):
        x = module.conv(x)
        if number == call:
            x = asked = x.detach().requires_grad_()
        x = module.act(x)
    slopes = torch.autograd.grad(module.fc(x.mean((2, 3)))[0, 1], asked)[0][0].sum((1, 2))

    found = class_activation_of(model, picture, f"conv@{call}", 1)

    torch.testing.assert_close(found.contributions.values, asked[0].detach().mean((1, 2)) * slopes)


def test_the_predicted_class_is_asked_for_by_default_and_contrasts_subtract(classifier):
    picture = pictures(1)[0]
    best = int(classifier.logits(classifier.prepare([picture])).argmax())
    default = class_activation_of(classifier, picture)
    named = class_activation_of(classifier, picture, target=best)
    assert default.contributions.target == classifier.labels[best]
    assert torch.equal(default.contributions.values, named.contributions.values)
    one, other = (class_activation_of(classifier, picture, target=index).contributions for index in (0, 1))
    contrast = class_activation_of(classifier, picture, target=interp.targets.contrast(0, 1)).contributions
    torch.testing.assert_close(contrast.values, one.values - other.values)
    with pytest.raises(FeatureError, match="2 targets were asked for"):
        class_activation_of(classifier, picture, target=interp.targets.top(2))


def test_orders(classifier):
    found = class_activation_of(classifier, pictures(1)[0], "stem", 1)
    strengths = found.values.abs().mean((1, 2))
    assert found.order() == strengths.argsort(descending=True).tolist()
    assert found.order("class") == found.contributions.values.argsort(descending=True).tolist()
    assert found.order("index") == list(range(6))
    with pytest.raises(FeatureError, match="cannot be ordered by 'size'"):
        found.order("size")
    with pytest.raises(FeatureError, match="no class was asked for"):
        activation_of(classifier, pictures(1)[0], "stem").order("class")


def test_equal_channels_stay_in_order(classifier):
    found = activation_of(classifier, pictures(1)[0], "stem")
    flat = type(found)(found.layer, torch.ones(300, 2, 2), found.view)
    assert flat.order() == list(range(300))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), channels=st.integers(1, 9))
def test_averages_over_channels_by_hand(seed, channels):
    values = torch.randn(channels, 3, 4, generator=torch.Generator().manual_seed(seed))
    numbers = values.double().numpy()
    assert np.allclose(average_map(values, "mean"), numbers.sum(0) / channels, atol=1e-6)
    assert np.allclose(average_map(values, "abs"), np.abs(numbers).sum(0) / channels, atol=1e-6)
    assert np.allclose(average_map(values, "l2"), np.linalg.norm(numbers, axis=0), atol=1e-6)
    order = torch.randperm(channels, generator=torch.Generator().manual_seed(seed))
    for kind in ("mean", "abs", "l2"):
        torch.testing.assert_close(average_map(values[order], kind), average_map(values, kind))


def test_what_cannot_be_averaged_is_said():
    with pytest.raises(FeatureError, match="no average 'median'"):
        average_map(torch.zeros(1, 2, 2), "median")
    with pytest.raises(FeatureError, match=r"shape \(2, 2\)"):
        average_map(torch.zeros(2, 2))


def test_a_u_net_is_asked_for_its_largest_region():
    preprocess = Preprocess((32, 32), HALF, HALF)
    model = interp.load(seeded(UNet)(), preprocess=preprocess, task="segmentation")
    before = footprint(model.module)
    picture = pictures(1)[0]
    for layer in (model.layers.stages[0], model.layers.stages[-1], None):
        found = class_activation_of(model, picture, layer)
        assert found.contributions.values.shape == found.values.shape[:1]
        assert found.contributions.values.abs().sum() > 0
        torch.testing.assert_close(found.values, activation_of(model, picture, layer).values)
    assert footprint(model.module) == before


@pytest.mark.slow
def test_a_network_of_our_own_u_nets():
    from interp.models.networks import UNetNetwork

    module = UNetNetwork("torchvision:resnet18", outputs=2, height=32, width=48).build()
    model = interp.load(module, preprocess=Preprocess((32, 48), HALF, HALF), task="segmentation")
    found = class_activation_of(model, pictures(1)[0])
    assert found.layer == model.default_layer
    assert tuple(found.values.shape) == model.layers[found.layer].shape
    assert found.figure(top=3).axes


def test_a_learner_and_one_channel(tmp_path):
    from fastai.vision.all import ImageDataLoaders, Learner, MSELossFlat, PILImageBW, Resize

    files = [tmp_path / f"{number}.png" for number in range(4)]
    for file, picture in zip(files, pictures(4), strict=True):
        picture.convert("L").save(file)
    data = ImageDataLoaders.from_name_func(
        tmp_path,
        files,
        lambda name: "even" if int(name[0]) % 2 == 0 else "odd",
        item_tfms=Resize(16),
        img_cls=PILImageBW,
        bs=2,
        num_workers=0,
    )
    module = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    model = interp.load(Learner(data, module, loss_func=MSELossFlat(), path=tmp_path))
    module.train()
    before = footprint(module)

    found = class_activation_of(model, files[1], "0", "odd")

    assert model.preprocess.channels == 1
    torch.testing.assert_close(found.values, module[0](model.prepare([Image.open(files[1])]))[0].detach())
    assert found.values.min() < 0  # the ReLU in place came after
    assert found.contributions.target == "odd"
    assert footprint(module) == before
    assert found.figure("class").axes


@pytest.mark.parametrize("guard", [torch.no_grad, torch.inference_mode])
def test_frozen_models_inside_no_grad_give_the_same(classifier, guard):
    picture = pictures(1)[0]
    expected = class_activation_of(classifier, picture, "bn", 0)
    module = seeded(Classifier)().requires_grad_(False)
    with guard():
        frozen = interp.load(module, preprocess=classifier.preprocess)
        found = class_activation_of(frozen, picture, "bn", 0)
    torch.testing.assert_close(found.values, expected.values)
    torch.testing.assert_close(found.contributions.values, expected.contributions.values)


def test_half_precision_comes_back_as_float32():
    model = interp.load(seeded(PooledLinear)().bfloat16(), preprocess=Preprocess((32, 32), HALF, HALF))
    full = loaded(seeded(PooledLinear))
    found, expected = (class_activation_of(one, pictures(1)[0], "features.3", 0) for one in (model, full))
    assert found.values.dtype == found.contributions.values.dtype == torch.float32
    torch.testing.assert_close(found.contributions.values, expected.contributions.values, rtol=0.1, atol=0.02)


def test_channels_last_layers_are_turned():
    module = torchvision.models.convnext._convnext(
        [torchvision.models.convnext.CNBlockConfig(8, None, 2)], 0.0, None, False, num_classes=3
    )
    model = interp.load(module, preprocess=Preprocess((48, 48), HALF, HALF))
    inner = next(row.name for row in model.layers if row.name.endswith("block.3"))
    found = class_activation_of(model, pictures(1)[0], inner, 0)
    assert tuple(found.values.shape) == (32, 12, 12)
    assert found.contributions.values.shape == (32,)


def test_what_cannot_be_given_is_said(classifier, tmp_path):
    picture = pictures(1)[0]
    with pytest.raises(FeatureError, match=r"'fc' gives \(1, 4\), no map of positions"):
        activation_of(classifier, picture, "fc")
    with pytest.raises(FeatureError, match="batch_size=0"):
        activations_of(classifier, [picture], batch_size=0)
    with pytest.raises(FeatureError, match="top=0"):
        activation_of(classifier, picture).figure(top=0)
    with pytest.raises(LayerError, match="no layer 'steam'"):
        activation_of(classifier, picture, "steam")
    with pytest.raises(ImageError, match=r"none\.png"):
        activation_of(classifier, tmp_path / "none.png")
