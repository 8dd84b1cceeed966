"""Relatives of Grad-CAM: each equals its closed form, and Grad-CAM where it must."""

import pytest
import torch
from nets import Block, PooledLinear, inputs_for, model_of, only
from torch import nn

from interp import targets
from interp.dense import RegionTarget
from interp.logits import LogitTarget
from interp.methods import MethodError, attribute, get

CLOSE = {"rtol": 1e-5, "atol": 1e-8}


def map_of(model, inputs, method, target, layer="act"):
    return only(attribute(model, inputs, target, [method], [layer]).maps, method)


def pooled(**settings):
    model = model_of(PooledLinear(**settings))
    inputs = inputs_for(model, 1)
    return model, inputs, model.module.act(model.module.conv(inputs)).detach()


def logit(index):
    return LogitTarget(((index, 1.0),), str(index))


def test_element_wise_grad_cam_by_hand():
    activation = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])
    gradient = torch.tensor([[[[1.0, -1.0]], [[-2.0, 0.5]]]])
    assert get("grad-cam-elementwise").function(activation, gradient).tolist() == [[[1.0, 2.0]]]


@pytest.mark.parametrize("target", [0, 2, targets.contrast(1, 3)])
def test_shapley_cam_is_grad_cam_on_pooling_and_linear(target):
    model, inputs, _ = pooled()
    got, wanted = (map_of(model, inputs, m, target) for m in ("shapley-cam", "grad-cam"))
    torch.testing.assert_close(got, wanted, **CLOSE)


def test_shapley_cam_of_a_quadratic_score_sums_to_the_score():
    model, inputs, activation = pooled(bias=False)
    got = map_of(model, inputs, "shapley-cam", lambda out: out[:, 0] ** 2 / 2)
    logits = model.logits(inputs)[0, 0]
    cam = torch.einsum("c,bchw->bhw", model.module.fc.weight[0].detach(), activation) / 99
    torch.testing.assert_close(got.double(), logits * cam / 2, **CLOSE)
    torch.testing.assert_close(got.double().sum(), logits**2 / 2, **CLOSE)


def test_shapley_cam_has_the_whole_hessian_of_the_papers_utility():
    model, inputs, activation = pooled(channels=3)

    def utility(a):
        logits = model.module.fc(a.mean((2, 3)))
        return logits[0, 1] + logits.log_softmax(1)[0, 1]

    found = torch.autograd.functional.hessian(utility, activation)
    bent = torch.einsum("bchwxyzt,xyzt->bchw", found, activation)
    gradient = torch.autograd.functional.jacobian(utility, activation)
    weights = (gradient - bent / 2).mean((2, 3))
    wanted = torch.einsum("bc,bchw->bhw", weights, activation)
    got = map_of(model, inputs, "shapley-cam(utility='rest')", 1)
    torch.testing.assert_close(got.double(), wanted, **CLOSE)
    with pytest.raises(MethodError, match="utility"):
        map_of(model, inputs, "shapley-cam(utility='softmax')", 1)


@pytest.mark.parametrize("layer", ["stem", "layer", "conv"])
def test_finer_cam_without_comparison_is_its_base(layer):
    model = model_of(Block())
    inputs = inputs_for(model, 2)
    for base in ("grad-cam", "layer-cam"):
        got = map_of(model, inputs, f"finer-cam(gamma=0, base={base!r})", 1, layer)
        torch.testing.assert_close(got, map_of(model, inputs, base, 1, layer))


def test_finer_cam_takes_away_the_mean_of_the_nearest_classes():
    model, inputs, _ = pooled()
    with torch.no_grad():
        model.module.fc.bias += torch.tensor([0.0, 5.0, 5.2, 4.9])  # 2 and 3 are like 1, and 0 is not
    got = map_of(model, inputs, "finer-cam(gamma=0.5, references=2)", 1)
    wanted = LogitTarget(((1, 1.0), (2, -0.25), (3, -0.25)), "by hand")
    torch.testing.assert_close(got, map_of(model, inputs, "grad-cam", wanted))
    difference = map_of(model, inputs, "finer-cam(gamma=0.5, references=2)", logit(1) - logit(2))
    wanted = LogitTarget(((1, 1.0), (2, -1.0), (3, -0.25), (0, -0.25), (3, 0.25), (0, 0.25)), "each its own")
    torch.testing.assert_close(difference, map_of(model, inputs, "grad-cam", wanted))


def test_finer_cam_without_rivals_is_its_base():
    model, inputs, _ = pooled(classes=1)
    torch.testing.assert_close(*(map_of(model, inputs, m, 0) for m in ("finer-cam", "grad-cam")))
    model, inputs, _ = pooled()
    torch.testing.assert_close(
        *(map_of(model, inputs, m, lambda out: out[:, 0] * out[:, 1]) for m in ("finer-cam", "grad-cam"))
    )


def test_finer_cam_of_a_region_has_the_rivals_of_the_region():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.ReLU(), nn.Conv2d(5, 3, 1)).double()
    model = model_of(net, size=(6, 8), task="segmentation")
    inputs = inputs_for(model, 1)
    region = torch.rand(6, 8) < 0.4
    sums = (model.logits(inputs)[0] * region).sum((1, 2))
    rival = min((0, 2), key=lambda c: float((sums[c] - sums[1]).abs()))
    got = map_of(model, inputs, "finer-cam(references=1)", RegionTarget(1, region, "r"), "1")
    one, other = (map_of(model, inputs, "grad-cam", RegionTarget(c, region, "r"), "1") for c in (1, rival))
    torch.testing.assert_close(got, one - 0.6 * other, **CLOSE)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("finer-cam(gamma=-1.0)", "gamma"),
        ("finer-cam(references=0)", "references"),
        ("finer-cam(base='eigen-cam')", "uses gradients"),
        ("finer-cam(base='grad-kam')", "did you mean"),
        ("smooth-grad-cam-plus-plus(samples=0)", "samples"),
        ("smooth-grad-cam-plus-plus(noise=-0.1)", "noise"),
    ],
)
def test_values_that_do_not_fit_are_said_in_words(typed, said):
    model, inputs, _ = pooled()
    with pytest.raises(MethodError, match=said):
        map_of(model, inputs, typed, 0)


@pytest.mark.parametrize("layer", ["stem", "layer", "conv"])
def test_smooth_grad_cam_plus_plus_without_noise_is_grad_cam_plus_plus(layer):
    model = model_of(Block())
    inputs = inputs_for(model, 2)
    got = map_of(model, inputs, "smooth-grad-cam-plus-plus(samples=3, noise=0)", 1, layer)
    torch.testing.assert_close(
        got, map_of(model, inputs, "grad-cam-plus-plus", 1, layer), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("samples", [1, 11])
def test_smooth_grad_cam_plus_plus_takes_all_its_means_over_the_same_draws(samples):
    model, inputs, _ = pooled()
    generator = torch.Generator().manual_seed(4)
    sigma = 0.3 * (inputs.max() - inputs.min())
    noise = [torch.randn(inputs.shape[1:], generator=generator).to(inputs) for _ in range(samples)]
    drawn = torch.cat([inputs + sigma * each for each in noise])
    values = model.module.act(model.module.conv(drawn)).detach()

    def score(a):  # a gradient that depends on the draw
        logits = model.module.fc(a.mean((2, 3)))
        return logits[:, 1] + logits[:, 0] ** 2

    slopes = torch.autograd.functional.jacobian(lambda a: score(a).sum(), values)
    mean = values.mean(0)
    second, third = slopes.square().mean(0), slopes.pow(3).mean(0)
    alpha = second / (2 * second + mean.sum((1, 2), keepdim=True) * third)
    weights = (alpha * slopes.mean(0).relu()).sum((1, 2))
    wanted = torch.einsum("c,chw->hw", weights, mean)
    typed = f"smooth-grad-cam-plus-plus(samples={samples}, noise=0.3, seed=4)"
    got = map_of(model, inputs, typed, lambda out: out[:, 1] + out[:, 0] ** 2)
    torch.testing.assert_close(got[0].double(), wanted, **CLOSE)


def test_smooth_grad_cam_plus_plus_keeps_what_a_tiny_gradient_says():
    model, inputs, _ = pooled()
    typed = "smooth-grad-cam-plus-plus(samples=2)"
    one, tiny = (map_of(model, inputs, typed, c * logit(1)) for c in (1e-6, 1e-18))
    torch.testing.assert_close(tiny * 1e12, one, rtol=1e-4, atol=0)
