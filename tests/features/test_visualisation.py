"""The pictures that excite most: facts about the ascent, and about what it must leave alone."""

import numpy as np
import pytest
import torch
from networks import DYNAMIC_UNETS, Classifier, UNet, conv, footprint, hook_count
from PIL import Image
from torch import nn

import interp
from interp.features.errors import FeatureError
from interp.features.visualisation import (
    OUTPUT,
    ascend,
    channel,
    channels,
    class_logit,
    diversity,
    fourier,
    neuron,
    pixels,
    seer,
    visualise,
)
from interp.images import Preprocess
from interp.layers import LayerError

HALF = Preprocess((16, 16), (0.5,) * 3, (0.5,) * 3)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(1)
    return interp.load(Classifier(), preprocess=HALF)


def one_filter(kernel: torch.Tensor, size: int, preprocess: Preprocess | None = None) -> interp.ImageModel:
    layer = nn.Conv2d(kernel.shape[0], 1, kernel.shape[-1], bias=False)
    layer.weight.data = kernel[None]
    channels_in = (0.5,) * len(kernel)
    return interp.load(
        nn.Sequential(layer), preprocess=preprocess or Preprocess((size, size), channels_in, channels_in)
    )


def agreement(pictures: torch.Tensor, kernel: torch.Tensor) -> float:
    """Return the part of the kernel's weight where the picture is bright if and only if it is positive."""
    right = (pictures[0] > 0.5) == (kernel > 0)
    return float(kernel.abs()[right].sum() / kernel.abs().sum())


@pytest.mark.slow
@pytest.mark.parametrize("channels_in", [1, 3])
@pytest.mark.parametrize("basis", ["fourier", "pixels"])
def test_what_a_linear_filter_likes_is_the_filter(channels_in, basis):
    kernel = torch.randn(channels_in, 11, 11)
    found = visualise(
        one_filter(kernel, 11), channel("0", 0), steps=400, parametrisation=basis, transforms=()
    )
    assert agreement(found.pictures, kernel) > 0.95
    inverse = visualise(
        one_filter(kernel, 11), -channel("0", 0), steps=400, parametrisation=basis, transforms=()
    )
    assert agreement(1 - inverse.pictures, kernel) > 0.95


def test_one_neuron_of_a_larger_picture_is_the_filter_at_its_place():
    kernel = torch.randn(3, 5, 5)
    found = visualise(one_filter(kernel, 12), neuron("0", 0, (2, 3)), steps=400, transforms=())
    assert agreement(found.pictures[..., 2:7, 3:8], kernel) > 0.95


@pytest.mark.parametrize(
    "scale", [(0.485, 0.226), (0.0, 1 / 255), (0.5, 0.5)], ids=["imagenet", "255", "half"]
)
def test_the_models_own_normalisation_is_applied(scale):
    mean, std = scale
    kernel = torch.randn(3, 7, 7)
    model = one_filter(kernel, 7, Preprocess((7, 7), (mean,) * 3, (std,) * 3))
    found = visualise(model, channel("0", 0), steps=400, transforms=())
    assert agreement(found.pictures, kernel) > 0.95
    expected = ((found.pictures - mean) / std * kernel).sum((1, 2, 3))
    torch.testing.assert_close(found.values, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.peaks, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("basis", ["fourier", "pixels"])
def test_a_seed_gives_the_same_picture_to_the_last_bit(model, basis):
    first, again, other = (
        visualise(model, channel("body.1", 2), steps=6, seed=seed, parametrisation=basis)
        for seed in (4, 4, 5)
    )
    assert first.pictures.equal(again.pictures)
    assert first.history.equal(again.history)
    assert not first.pictures.equal(other.pictures)
    torch.randn(3)  # the caller's random numbers play no part
    assert visualise(model, channel("body.1", 2), steps=6, seed=4, parametrisation=basis).pictures.equal(
        first.pictures
    )


def test_the_callers_random_numbers_are_left_alone(model):
    state = torch.get_rng_state()
    visualise(model, channel("stem", 0), steps=2)
    assert torch.get_rng_state().equal(state)


def test_the_value_rises_and_is_that_of_the_clean_picture(model):
    found = visualise(model, channel("body.1", 2), steps=40)
    assert found.history.shape == (40, 1)
    assert found.history[-5:].mean() > found.history[0].mean()
    inputs = model.preprocess.batch(found.images)
    with model.twin() as private, interp.capture.record(private, ["body.1"]) as recording:
        private(inputs)
    seen = recording["body.1"][:, 2]
    torch.testing.assert_close(found.values, seen.mean((1, 2)), atol=0.02, rtol=0)
    torch.testing.assert_close(found.peaks, seen.amax((1, 2)), atol=0.05, rtol=0)


def test_a_batch_is_its_channels_one_by_one(model):
    together = visualise(model, channels("body.1", [1, 4, 2]), steps=8, seed=3)
    for place, number in enumerate([1, 4, 2]):
        alone = visualise(model, channel("body.1", number), steps=8, seed=3)
        torch.testing.assert_close(together.pictures[place], alone.pictures[0], atol=1e-3, rtol=0)
        torch.testing.assert_close(together.values[place], alone.values[0], atol=1e-3, rtol=1e-3)
    assert together.names == ("body.1:1", "body.1:4", "body.1:2")


def test_diversity_makes_pictures_unlike(model):
    plain, diverse = (
        visualise(model, channel("body.1", 2) + weight * diversity("bn"), steps=40, batch=2, lr=0.2)
        for weight in (0, 20)
    )
    see = seer(model, ["bn"])
    alike = [float(diversity("bn")(see(found.pictures)).mean()) for found in (plain, diverse)]
    assert alike[1] > alike[0] + 0.05
    assert not plain.pictures[0].equal(plain.pictures[1])


def test_a_class_by_name_or_index_is_the_logit_of_the_output():
    model = interp.load(Classifier(), preprocess=HALF, labels=["a", "b", "c", "d"])
    by_name, by_index = (visualise(model, class_logit(wanted), steps=4) for wanted in ("c", 2))
    assert by_name.pictures.equal(by_index.pictures)
    inputs = (by_name.pictures - 0.5) / 0.5
    torch.testing.assert_close(by_name.values, model.logits(inputs)[:, 2], atol=1e-4, rtol=1e-4)
    assert by_name.peaks.equal(by_name.values.new_tensor([torch.nan])) or by_name.peaks.isnan().all()


def test_the_model_is_left_as_it_was():
    module = Classifier().train()
    for parameter in module.stem.parameters():
        parameter.requires_grad_(False)
    model = interp.load(module, preprocess=HALF)
    before = footprint(module)
    visualise(model, channel("body.1", 0) + class_logit(1), steps=3)
    with pytest.raises(FeatureError):
        visualise(model, channel("body.1", 99), steps=3)
    assert footprint(module) == before
    assert hook_count(module) == 0
    assert all(parameter.grad is None for parameter in module.parameters())


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_it_works_whatever_the_caller_has_switched_off(model, mode):
    expected = visualise(model, channel("relu", 0), steps=4)
    with mode():
        found = visualise(model, channel("relu", 0), steps=4)
    assert found.pictures.equal(expected.pictures)
    assert not found.pictures.requires_grad


@pytest.mark.parametrize("layer", ["down1", "bottom", "up2", "up1.2", OUTPUT])
def test_every_level_of_a_u_net(layer):
    torch.manual_seed(0)
    model = interp.load(UNet().eval(), preprocess=HALF)
    found = visualise(model, channel(layer, 1), steps=25)
    assert found.values > found.history[0]


def test_fastais_u_net_in_a_learner(tmp_path):
    from fastai.vision.all import (
        CrossEntropyLossFlat,
        DataBlock,
        ImageBlock,
        Learner,
        MaskBlock,
        Resize,
        get_image_files,
    )

    for number in range(4):
        Image.fromarray(np.full((40, 40, 3), 60 * number, np.uint8)).save(tmp_path / f"{number}.png")
    block = DataBlock(
        (ImageBlock, MaskBlock(["a", "b", "c"])), get_items=get_image_files, item_tfms=Resize(32)
    )
    dls = block.dataloaders(tmp_path, bs=2, num_workers=0, device=torch.device("cpu"))
    network = DYNAMIC_UNETS["plain"]()
    learner = Learner(dls, network, loss_func=CrossEntropyLossFlat(axis=1))
    before = footprint(network)
    model = interp.load(learner)
    for objective in (channel("layers.0.2", 1), channel("layers.5", 0), class_logit("b")):
        found = visualise(model, objective, steps=12)
        assert found.pictures.shape == (1, 3, 32, 32)
        assert found.values > found.history[0]
    assert footprint(network) == before


def test_what_did_not_count_is_see_through(model):
    found = visualise(model, neuron("stem", 1, (3, 4)), steps=4, transforms=())
    alpha = np.asarray(found.transparent[0])[..., 3]
    counted = found.importance[0].numpy() > 0
    assert counted.sum() == 9  # what a 3 × 3 kernel sees
    assert (alpha[counted] == 255).all()
    assert (alpha[~counted] == 0).all()


def test_the_figure_has_names_and_values(model):
    found = visualise(model, channels("stem", [0, 1]), steps=1)
    words = [text.get_text() for text in found.figure(best=[1.0, 2.0], heading="Stem").texts]
    assert "stem:0" in words
    assert any(word.endswith("pictures 2") for word in words)


def test_grey_any_size_and_not_square():
    body = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    model = interp.load(body, preprocess=Preprocess((28, 28), (0.13,), (0.31,)))
    found = visualise(model, channel("0", 1), steps=3, size=(21, 34))
    assert found.pictures.shape == (1, 1, 21, 34)
    assert found.arrays[0].shape == (21, 34, 3)
    assert found.images[0].size == (34, 21)
    assert visualise(model, class_logit(1), steps=1, size=19).pictures.shape == (1, 1, 19, 19)


def test_half_weights_see_float_pictures(model):
    half = interp.load(Classifier().bfloat16(), preprocess=HALF)
    found = visualise(half, channel("body.1", 1), steps=3)
    assert found.pictures.dtype == torch.float32
    assert found.values.isfinite().all()
    assert next(half.module.parameters()).dtype == torch.bfloat16


def test_a_size_that_the_network_does_not_take():
    model = interp.load(
        nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(2 * 14 * 14, 2)), preprocess=HALF
    )
    with pytest.raises(FeatureError, match=r"does not run on pictures of 9 × 12 .* its own is 16 × 16"):
        visualise(model, channel("2", 0), size=(9, 12), steps=1)
    assert visualise(model, channel("0", 0), size=(9, 12), steps=1).pictures.shape == (1, 3, 9, 12)


def test_nothing_after_the_layer_runs():
    class Fuse(nn.Module):
        armed = False

        def forward(self, x):
            if Fuse.armed:
                raise AssertionError("this came after the layer")
            return x

    model = interp.load(nn.Sequential(conv(3, 4), nn.Conv2d(4, 2, 1, bias=False), Fuse()), preprocess=HALF)
    early, late = seer(model, ["0"]), seer(model, [OUTPUT])
    Fuse.armed = True
    assert early(torch.rand(1, 3, 16, 16))["0"].shape == (1, 4, 16, 16)
    with pytest.raises(AssertionError, match="came after"):
        late(torch.rand(1, 3, 16, 16))


@pytest.mark.parametrize("shut", [-100.0, 100.0], ids=["below", "above six"])
def test_a_channel_that_the_noise_does_not_move_is_found_all_the_same(shut):
    layer = nn.Conv2d(3, 2, 5)
    layer.weight.data = torch.randn(2, 3, 5, 5) * 4
    layer.bias.data = torch.tensor([0.0, shut])
    model = interp.load(nn.Sequential(layer, nn.ReLU6(inplace=True)), preprocess=HALF)
    start = seer(model, ["1"])(fourier((1, 3, 16, 16)).pictures())["1"]
    assert start[0, 1].unique().tolist() == [0.0 if shut < 0 else 6.0]  # no gradient comes through
    found = visualise(model, channels("1", [0, 1]), steps=60, size=5, transforms=())
    assert agreement(found.pictures[1:], layer.weight[1].detach()) > 0.75


def test_leaky_eyes_see_the_same(model):
    pictures = torch.rand(2, 3, 16, 16)
    for layer in ("relu", "body.1", OUTPUT):
        plain, leaky = (seer(model, [layer], leaky=leaky)(pictures)[layer] for leaky in (False, True))
        assert plain.equal(leaky)


def test_progress_and_stop(model):
    said = []
    found = visualise(
        model,
        channel("stem", 0),
        steps=9,
        progress=lambda *now: said.append(now),
        stop=lambda: len(said) == 4,
    )
    assert said == [(1, 9), (2, 9), (3, 9), (4, 9)]
    assert not found.finished
    assert found.history.shape == (4, 1)
    assert found.pictures.equal(visualise(model, channel("stem", 0), steps=4).pictures)


def test_control_c_gives_the_picture_so_far(model):
    def interrupt(done, _):
        if done == 3:
            raise KeyboardInterrupt

    found = visualise(model, channel("stem", 0), steps=9, progress=interrupt)
    assert not found.finished
    assert found.pictures.equal(visualise(model, channel("stem", 0), steps=3).pictures)
    assert visualise(model, channel("stem", 0), steps=3).finished


def test_no_step_is_the_noise(model):
    found = visualise(model, channel("stem", 0), steps=0)
    assert found.pictures.equal(fourier((1, 3, 16, 16)).pictures().detach())
    assert found.history.shape == (0, 1)
    assert found.finished


def test_an_ascent_from_a_picture_goes_on_from_there(model):
    cat = torch.rand(1, 3, 16, 16)
    found = visualise(
        model, channel("stem", 0), steps=1, lr=1e-3, parametrisation=pixels(cat.shape, start=cat)
    )
    assert 0 < (found.pictures - cat).abs().max() < 0.01


def test_pixels_that_count_are_those_that_the_score_sees():
    found = ascend(pixels((1, 1, 6, 6)), lambda pictures: pictures[..., :3].sum((1, 2, 3)), steps=5)
    assert found.importance[..., :3].eq(5).all()
    assert found.importance[..., 3:].eq(0).all()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"objective": []}, FeatureError, "there is no objective"),
        ({"objective": channels("stem", [0, 1]), "batch": 2}, FeatureError, "batch=2 for 2 objective"),
        ({"batch": 0}, FeatureError, "batch=0 for 1 objective"),
        ({"size": 0}, FeatureError, "size=0"),
        ({"steps": -1}, FeatureError, "steps=-1"),
        ({"parametrisation": "wavelets"}, FeatureError, "'wavelets' is none of"),
        ({"parametrisation": pixels((2, 3, 8, 8))}, FeatureError, r"makes pictures of \(2, 3, 8, 8\)"),
        ({"objective": channel("nothing", 0)}, LayerError, "no layer 'nothing'"),
        ({"objective": channel("stem", 6)}, FeatureError, r"has no channel 6: its channels are 0 … 5"),
    ],
)
def test_what_cannot_be_is_said(model, arguments, error, message):
    with pytest.raises(error, match=message):
        visualise(model, **{"objective": channel("stem", 0), "steps": 1, **arguments})


class ChannelsLast(nn.Module):
    """Cut from the picture, and its channels stand last."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.act = nn.ReLU()
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        with torch.no_grad():
            x = self.conv(x)
        return self.fc(self.act(x.permute(0, 2, 3, 1)).mean((1, 2)))


@pytest.mark.parametrize("layer", ["conv", "act", "fc"])
def test_a_graph_that_is_cut_is_said(layer):
    loaded = interp.load(ChannelsLast(), preprocess=Preprocess((16, 24), (0.5,) * 3, (0.5,) * 3))
    with pytest.raises(FeatureError, match=f"no gradient reaches the picture from layer '{layer}'"):
        visualise(loaded, channel(layer, 0), steps=1)


def test_a_slope_that_is_not_finite_is_said():
    start = pixels((2, 1, 4, 4))
    with pytest.raises(FeatureError, match="values that are not finite"):
        ascend(start, lambda pictures: (pictures * 0).sqrt().sum((1, 2, 3)), steps=2)
    assert start.pictures().isfinite().all()
