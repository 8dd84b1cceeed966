"""Attributions to pixels add up, equal Captum's where Captum is right, and are right where it is not."""

import json
import subprocess
import sys
import threading
from typing import get_args

import pytest
import torch
import torch.nn.functional as F
import torchvision
from nets import Block, PooledLinear, inputs_for, model_of, only
from networks import footprint
from torch import nn

import interp
from interp.capture import twin
from interp.methods import INPUT, MethodError, attribute, get
from interp.methods.perturbing import Baseline, blurred

pytestmark = pytest.mark.filterwarnings("ignore:Setting .*backward hooks:UserWarning")

CLOSE = {"rtol": 1e-5, "atol": 1e-6}
SIGNED = ["input-x-gradient", "integrated-gradients(steps=4)", "deep-lift", "gradient-shap(samples=6)", "lrp"]


def explain(model, inputs, method, target=1):
    """Return the map of one picture, in double precision."""
    return only(attribute(model, inputs, target, [method]).maps, method)[0].double()


def said(model, inputs, method, target=1):
    (notes,) = attribute(model, inputs, target, [method]).notes[0, INPUT, get(method).name]
    return notes


def scored(module, inputs, target=1):
    with torch.no_grad():
        return module(inputs)[:, target]


def black(model, inputs):
    mean, std = (torch.tensor(v).view(1, -1, 1, 1) for v in (model.preprocess.mean, model.preprocess.std))
    return (-mean / std).expand_as(inputs).to(inputs)


class Linear(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.fc = nn.Linear(4, 3, bias=False)
        self.double()

    def forward(self, x):
        return self.fc(self.conv(x).mean((2, 3)))


class Plain(nn.Module):
    """Every activation a module of its own, out of place, read by one: what Captum can do by itself."""

    def __init__(self, act=nn.ReLU, *, bias=True, classes=4):
        super().__init__()
        torch.manual_seed(5)
        self.conv1, self.act1 = nn.Conv2d(3, 6, 3, padding=1, bias=bias), act()
        self.pool = nn.MaxPool2d(2)
        self.conv2, self.act2 = nn.Conv2d(6, 8, 3, padding=1, bias=bias), act()
        self.gap, self.flat = nn.AdaptiveAvgPool2d(1), nn.Flatten()
        self.fc = nn.Linear(8, classes, bias=bias)
        self.double()

    def forward(self, x):
        x = self.pool(self.act1(self.conv1(x)))
        return self.fc(self.gap(self.act2(self.conv2(x))).flatten(1))


class Written(Plain):
    """The same network, written as Captum's hooks cannot follow it."""

    def __init__(self, how, **settings):
        super().__init__(**settings)
        self.how = how
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        relu = {
            "reused": self.relu,
            "functional": F.relu,
            "in place": F.relu_,
            "method": lambda x: x.relu_(),
            "clamped": lambda x: x.clamp(min=0),
        }[self.how]
        x = F.max_pool2d(relu(self.conv1(x)), 2)
        return self.fc(relu(self.conv2(x)).mean((2, 3)))


def smooth(net):
    """Return the network with pooling that has no kinks, which an integral over few steps would miss."""
    net.pool = nn.AvgPool2d(2)
    return net


WAYS = ["reused", "functional", "in place", "method", "clamped"]


def by_captum(method, module, inputs, target=1, **settings):
    from captum import attr

    private = twin(module)
    made = getattr(attr, method)(private)
    return made.attribute(inputs.clone().requires_grad_(), target=target, **settings)[0].detach()


def test_saliency_is_the_largest_absolute_gradient():
    model = model_of(Block())
    inputs = inputs_for(model).requires_grad_()
    (gradient,) = torch.autograd.grad(twin(model.module)(inputs)[:, 1].sum(), inputs)
    found = explain(model, inputs.detach(), "saliency")
    torch.testing.assert_close(found, gradient[0].abs().amax(0).double(), **CLOSE)
    product = explain(model, inputs.detach(), "input-x-gradient")
    torch.testing.assert_close(product, (inputs * gradient)[0].sum(0).detach().double(), **CLOSE)


@pytest.mark.parametrize("baseline", get_args(Baseline))
def test_on_a_linear_network_contributions_are_exact(baseline):
    model = model_of(Linear())
    inputs = inputs_for(model)
    picture = inputs.clone().requires_grad_()
    (weight,) = torch.autograd.grad(twin(model.module)(picture)[:, 1].sum(), picture)
    start = {
        "black": -1.0,
        "white": 1.0,
        "zero": 0.0,
        "mean": inputs.mean((2, 3), keepdim=True),
        "blur": blurred(inputs, 20 / 224 * min(inputs.shape[2:])),
    }[baseline]
    for method in ("integrated-gradients", "deep-lift"):
        found = explain(model, inputs, f"{method}(baseline={baseline!r})")
        torch.testing.assert_close(found, ((inputs - start) * weight)[0].sum(0), **CLOSE)
    if baseline == "zero":
        for method in ("input-x-gradient", "lrp"):
            torch.testing.assert_close(explain(model, inputs, method), found, **CLOSE)


def test_the_blur_keeps_a_plain_picture_and_takes_details():
    model = model_of(Linear(), size=(20, 30))
    flat = torch.full((1, 3, 20, 30), 0.7, dtype=torch.float64)
    assert explain(model, flat, "integrated-gradients(baseline='blur')").abs().max() < 1e-12
    noise = torch.randn(1, 3, 20, 30, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert blurred(noise, 2.0).std() < 0.3 * noise.std()


def test_integrated_gradients_add_up_and_say_how_nearly():
    model = model_of(smooth(Plain(nn.Softplus)))
    inputs = inputs_for(model)
    wanted = float(scored(model.module, inputs) - scored(model.module, black(model, inputs)))
    found = explain(model, inputs, "integrated-gradients")
    assert float(found.sum()) == pytest.approx(wanted, rel=1e-4)
    assert said(model, inputs, "integrated-gradients") == (f"Σ {wanted:.4g} of {wanted:.4g}",)
    start = black(model, inputs)
    plain = by_captum("IntegratedGradients", model.module, inputs, n_steps=50, baselines=start)
    torch.testing.assert_close(found, plain.sum(0), **CLOSE)
    rough = float(explain(model, inputs, "integrated-gradients(steps=1)").sum())
    assert said(model, inputs, "integrated-gradients(steps=1)") == (f"Σ {rough:.4g} of {wanted:.4g}",)


@pytest.mark.parametrize("act", [nn.ReLU, nn.ReLU6, nn.GELU, nn.Hardswish, nn.Tanh, nn.Sigmoid, nn.PReLU])
def test_deep_lift_adds_up_with_every_activation(act):
    model = model_of(Plain(act))
    inputs = 3 * inputs_for(model)
    wanted = float(scored(model.module, inputs) - scored(model.module, black(model, inputs)))
    assert float(explain(model, inputs, "deep-lift").sum()) == pytest.approx(wanted, rel=1e-5)
    assert said(model, inputs, "deep-lift") == (f"Σ {wanted:.4g} of {wanted:.4g}",)


@pytest.mark.parametrize(
    "pool",
    [
        nn.MaxPool2d(3, 2, 1),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.MaxPool2d((2, 3), (1, 2), (1, 0)),
        nn.AdaptiveMaxPool2d((3, 4)),
        nn.AdaptiveMaxPool2d(1),
    ],
    ids=str,
)
def test_deep_lift_adds_up_through_max_pooling(pool):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 5, 3), pool, nn.Flatten(), nn.LazyLinear(3)).double()
    net(torch.zeros(1, 3, 11, 14, dtype=torch.float64))
    model = model_of(net, size=(11, 14))
    inputs = inputs_for(model)
    wanted = float(scored(net, inputs) - scored(net, black(model, inputs)))
    assert float(explain(model, inputs, "deep-lift").sum()) == pytest.approx(wanted, rel=1e-5)
    if pool.__class__ is nn.MaxPool2d and not pool.ceil_mode and pool.stride == 2:
        theirs = by_captum("DeepLift", net, inputs, baselines=black(model, inputs))
        assert abs(float(theirs.sum()) - wanted) > 0.01 * abs(wanted)  # why windows are laid side by side


def test_deep_lift_by_hand():
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.Flatten(), nn.Linear(2, 1)).double()
    with torch.no_grad():
        net[0].weight.fill_(2.0), net[0].bias.fill_(-1.0)
        net[3].weight.copy_(torch.tensor([[1.0, -3.0]])), net[3].bias.fill_(5.0)
    model = interp.models.ImageModel(net, interp.images.Preprocess((1, 2), (0.0,), (1.0,)), "hand")
    inputs = torch.tensor([[[[2.0, 0.25]]]], dtype=torch.float64)
    # 2x − 1 goes from −1 to 3 and to −0.5; its ReLU from 0 to 3 and to 0.
    assert explain(model, inputs, "deep-lift", 0).tolist() == [[3.0, 0.0]]
    # x = 2: z = 4 − 1, of which the picture brought 4; the score is 3 + 5, of which this brought 3.
    torch.testing.assert_close(explain(model, inputs, "lrp", 0), torch.tensor([[4.0, 0.0]]).double())


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize(
    "method", ["deep-lift", "guided-backprop", "guided-grad-cam", "lrp", "lrp(gamma=1.0)"]
)
def test_however_the_network_is_written(method, how):
    model, other = model_of(Plain()), model_of(Written(how))
    inputs = inputs_for(model)
    method = method.replace("cam", "cam(layer='conv2')")
    torch.testing.assert_close(explain(other, inputs, method), explain(model, inputs, method), **CLOSE)


@pytest.mark.parametrize(
    ("method", "captums"), [("deep-lift", "DeepLift"), ("guided-backprop", "GuidedBackprop")]
)
def test_captum_agrees_where_it_can_follow(method, captums):
    model = model_of(smooth(Plain()))
    inputs = inputs_for(model)
    settings = {"baselines": black(model, inputs)} if method == "deep-lift" else {}
    plain = by_captum(captums, model.module, inputs, **settings)
    torch.testing.assert_close(explain(model, inputs, method), plain.sum(0), **CLOSE)


def test_captum_loses_a_rule_where_one_follows_another():
    """Its hooks on the tensor between a ReLU and a max-pooling run in the wrong order."""
    model = model_of(Plain())
    inputs = inputs_for(model)
    start = black(model, inputs)
    wanted = float(scored(model.module, inputs) - scored(model.module, start))
    theirs = float(by_captum("DeepLift", model.module, inputs, baselines=start).sum())
    assert abs(theirs - wanted) > 0.01 * abs(wanted)
    assert float(explain(model, inputs, "deep-lift").sum()) == pytest.approx(wanted, rel=1e-5)


def test_captum_agrees_on_lrp_where_it_can_follow():
    from captum.attr import LRP

    net = Plain()
    private = twin(net)
    parts = [private.conv1, private.act1, private.pool, private.conv2, private.act2, private.gap]
    rebuilt = nn.Sequential(*parts, _Squeezed(private.fc))
    model = model_of(net)
    inputs = inputs_for(model)
    theirs = LRP(rebuilt).attribute(inputs.clone().requires_grad_(), target=1)
    torch.testing.assert_close(explain(model, inputs, "lrp(gamma=0.0)"), theirs[0].sum(0).detach(), **CLOSE)


class _Squeezed(nn.Module):
    def __init__(self, linear):
        super().__init__()
        self.linear = linear

    def forward(self, x):
        return self.linear(x.flatten(1))


class Residual(nn.Module):
    """Bias-free, with a skip, a concatenation, max-pooling and batch norm without constants."""

    def __init__(self, *, bias=False):
        super().__init__()
        torch.manual_seed(2)
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1, bias=bias)
        self.conv2, self.norm = nn.Conv2d(6, 6, 3, padding=1, bias=bias), nn.BatchNorm2d(6)
        self.conv3 = nn.Conv2d(6, 6, 3, padding=1, bias=bias)
        self.fc = nn.Linear(12, 3, bias=bias)
        self.norm.running_var.uniform_(0.5, 1.5)
        self.double()

    def forward(self, x):
        a = F.relu(self.conv1(x))
        b = F.relu(self.norm(self.conv2(a)))
        b = self.conv3(b)
        b += a
        both = torch.cat([F.max_pool2d(F.relu_(b), 3, 2), F.avg_pool2d(a, 3, 2)], 1)
        return self.fc(both.mean((2, 3)))


@pytest.mark.parametrize("gamma", [0.0, 0.25, 3.0])
@pytest.mark.parametrize("target", [0, 2, lambda output: output[:, 0] - 2 * output[:, 1]])
def test_lrp_hands_on_all_of_the_score(gamma, target):
    model = model_of(Residual())
    inputs = inputs_for(model)
    with torch.no_grad():
        output = model.module.eval()(inputs)
    score = float(target(output) if callable(target) else output[:, target])
    found = explain(model, inputs, f"lrp(gamma={gamma})", target)
    assert float(found.sum()) == pytest.approx(score, rel=1e-5)
    plain = explain(model, inputs, "input-x-gradient", target)
    assert (float((found - plain).abs().max()) < 1e-6) == (gamma == 0)


def test_lrp_of_a_region_hands_on_its_score():
    torch.manual_seed(1)
    net = nn.Sequential(
        nn.Conv2d(3, 5, 3, 2, 1, bias=False), nn.ReLU(True), nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.Conv2d(5, 4, 3, padding=1, bias=False), nn.ReLU(), nn.Conv2d(4, 2, 1, bias=False),
    ).double()  # fmt: skip
    model = model_of(net, size=(10, 12), task="segmentation")
    inputs = inputs_for(model)

    def region(output):
        return output[:, 1, 2:7, 3:9].sum((1, 2))

    for method in ("lrp", "lrp(gamma=0.0)"):
        found = explain(model, inputs, method, region)
        assert float(found.sum()) == pytest.approx(float(region(net(inputs)).detach()), rel=1e-5)


def test_batch_norm_becomes_part_of_the_convolution_before_it():
    net = Residual(bias=True).eval()
    with torch.no_grad():
        net.norm.bias.uniform_(-1, 1), net.norm.running_mean.uniform_(-1, 1)
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    fused = twin(net)
    fused.conv2, fused.norm = fuse_conv_bn_eval(fused.conv2, fused.norm), nn.Identity()
    inputs = inputs_for(model_of(net))
    torch.testing.assert_close(
        explain(model_of(net), inputs, "lrp"), explain(model_of(fused), inputs, "lrp"), **CLOSE
    )


@pytest.mark.parametrize("bias", [False, True])
def test_guided_backprop_of_a_tensor_with_two_readers(bias):
    """A hook on a tensor sees what all of its readers hand back; the ReLU's own is what is meant."""

    class Read(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(3)
            self.conv = nn.Conv2d(3, 4, 3, bias=bias)
            self.fc = nn.Linear(4, 2)
            self.act = nn.ReLU()
            self.double()

        def forward(self, x):
            a = self.conv(x)
            return self.fc((self.act(a) - 2 * a).mean((2, 3)))

    model = model_of(Read())
    inputs = inputs_for(model).requires_grad_()
    a = model.module.conv(inputs)
    back = model.module.fc.weight[1] / a[0, 0].numel()
    own = back.clamp(min=0).view(1, -1, 1, 1) * (a > 0) - 2 * back.view(1, -1, 1, 1)
    (wanted,) = torch.autograd.grad(a, inputs, own)
    found = explain(model, inputs.detach(), "guided-backprop")
    torch.testing.assert_close(found, wanted[0].sum(0), **CLOSE)


def test_guided_grad_cam_is_the_product():
    model = model_of(Block(), size=(20, 24))
    inputs = inputs_for(model)
    found = attribute(
        model, inputs, 1, ["guided-backprop", "grad-cam", "guided-grad-cam(layer='stem')"], ["stem"]
    )
    coarse = only(found.maps, "grad-cam").clamp(min=0)[None]
    fine = F.interpolate(coarse, (20, 24), mode="bilinear", align_corners=False)[0]
    product = only(found.maps, "guided-backprop") * fine
    torch.testing.assert_close(only(found.maps, "guided-grad-cam(layer='stem')"), product, **CLOSE)
    usual = explain(model, inputs, "guided-grad-cam")
    named = explain(model, inputs, f"guided-grad-cam(layer={model.default_layer!r})")
    assert torch.equal(usual, named)


@pytest.mark.parametrize("method", ["guided-backprop", "guided-grad-cam"])
def test_without_relus_nothing_is_guided_and_that_is_said(method):
    model = model_of(Plain(nn.GELU))
    with pytest.raises(MethodError, match="has none: it has gelu"):
        attribute(model, inputs_for(model), 1, [method])
    mixed = Plain()
    mixed.act2 = nn.SiLU()
    assert said(model_of(mixed), inputs_for(model), method) == ("plain gradient of silu",)
    linear = model_of(Linear())
    plain = by_captum("Saliency", linear.module, inputs_for(linear), abs=False)
    torch.testing.assert_close(explain(linear, inputs_for(linear), "guided-backprop"), plain.sum(0), **CLOSE)


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.gate = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1)
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        a = self.conv(x).relu()
        return self.fc((a * self.gate(a.mean((2, 3), keepdim=True)).sigmoid()).mean((2, 3)))


def test_what_has_no_rule_is_said():
    model = model_of(Gated())
    inputs = inputs_for(model)
    first, second = said(model, inputs, "deep-lift")
    assert first == "no rule for mul"
    assert second.startswith("Σ ")
    with pytest.raises(MethodError, match="LRP has no rule for sigmoid"):
        attribute(model, inputs, 1, ["lrp"])
    normed = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.Flatten(), nn.LazyLinear(2))
    normed(inputs)
    with pytest.raises(MethodError, match="LRP has no rule for group_norm in layer '1'"):
        attribute(model_of(normed), inputs, 1, ["lrp"])


class Own(torch.autograd.Function):
    """A ReLU whose inside nobody can watch."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * (ctx.saved_tensors[0] > 0)


class OwnReLU(nn.Module):
    def forward(self, x):
        return Own.apply(x)


def test_functions_with_a_gradient_of_their_own_are_said():
    net = Plain()
    net.act1 = OwnReLU()
    model, inputs = model_of(net), inputs_for(model_of(net))
    assert said(model, inputs, "deep-lift")[0] == "no rule for Own"
    for method in ("guided-backprop", "guided-grad-cam"):
        assert said(model, inputs, method) == ("plain gradient of Own",)
    with pytest.raises(MethodError, match=r"LRP has no rule for Own\. Take"):
        attribute(model, inputs, 1, ["lrp"])
    net.act2 = OwnReLU()
    with pytest.raises(MethodError, match="has none: it has Own"):
        attribute(model_of(net), inputs, 1, ["guided-backprop"])


def test_hooks_on_the_backward_pass_are_no_functions_of_the_networks():
    net = Plain()
    model, inputs = model_of(net), inputs_for(model_of(net))
    wanted = explain(model, inputs, "lrp")
    handle = net.conv2.register_full_backward_hook(lambda *_: None)
    torch.testing.assert_close(explain(model, inputs, "lrp"), wanted)
    handle.remove()


def other_input(kind):
    """A network of a signal, or of six channels, and what is the convolution's there."""
    torch.manual_seed(0)
    shape, conv, norm = {
        "signal": ((12, 64), nn.Conv1d, nn.BatchNorm1d),
        "channels": ((6, 16, 20), nn.Conv2d, nn.BatchNorm2d),
        "volume": ((2, 6, 8, 10), nn.Conv3d, nn.BatchNorm3d),
    }[kind]
    net = nn.Sequential(conv(shape[0], 8, 5, padding=2), norm(8), nn.ReLU(), conv(8, 4, 3, 2), nn.ReLU())
    side = net(torch.zeros(2, *shape)).flatten(1).shape[1]
    net = nn.Sequential(*net, nn.Flatten(), nn.Linear(side, 3)).double().eval()
    return interp.load(net, input_shape=shape), torch.randn(1, *shape, dtype=torch.float64)


@pytest.mark.parametrize("kind", ["signal", "channels", "volume"])
def test_inputs_that_are_no_pictures(kind):
    model, inputs = other_input(kind)
    grid = inputs.shape[2:]
    for method in (*EVERY_ONE, "vargrad(samples=3)"):
        assert explain(model, inputs, method).shape == grid
    score = float(scored(model.module, inputs))
    spread = {"black": 0 * inputs, "zero": 0 * inputs, "mean": inputs.mean((*range(2, inputs.dim()),), True)}
    for baseline, start in spread.items():
        wanted = score - float(scored(model.module, start.expand_as(inputs)))
        for method in ("deep-lift", "integrated-gradients"):
            found = float(explain(model, inputs, f"{method}(baseline={baseline!r})").sum())
            assert found == pytest.approx(wanted, abs=1e-5 if method == "deep-lift" else 0.02 * abs(score))
    with pytest.raises(MethodError, match="give black, zero, mean, blur"):
        attribute(model, inputs, 1, ["deep-lift(baseline='white')"])


class Cut(Plain):
    @torch.no_grad()
    def forward(self, x):
        return super().forward(x)


@pytest.mark.parametrize(
    "method",
    [
        *("saliency", "deep-lift", "lrp", "guided-backprop", "gradient-shap(samples=2)", "fullgrad"),
        *("fullgrad-signed", "extremal-perturbation(steps=2)", "shapley-cam"),
    ],
)
def test_what_cuts_its_graph_is_told_so_and_a_target_without_one_too(method):
    model, layers = model_of(Cut()), ["conv2"]
    with pytest.raises(interp.capture.CaptureError, match="carries no gradient"):
        attribute(model, inputs_for(model), 1, [method], layers)
    model = model_of(Plain())
    with pytest.raises((MethodError, interp.capture.CaptureError), match="does not depend on"):
        attribute(model, inputs_for(model), lambda output: torch.ones(len(output)), [method], layers)


def test_smoothgrad_is_the_mean_of_noisy_gradients_and_vargrad_their_variance():
    model = model_of(PooledLinear())
    inputs = inputs_for(model)
    generator = torch.Generator().manual_seed(3)
    spread = 0.2 * float(inputs.max() - inputs.min())
    noise = torch.stack([torch.randn(inputs.shape[1:], generator=generator) for _ in range(11)]).double()
    points = (inputs + spread * noise).requires_grad_()
    (gradients,) = torch.autograd.grad(model.module(points)[:, 1].sum(), points)
    options = "(samples=11, noise=0.2, seed=3)"
    smooth, variance = (explain(model, inputs, name + options) for name in ("smoothgrad", "vargrad"))
    torch.testing.assert_close(smooth, gradients.mean(0).abs().amax(0), **CLOSE)
    torch.testing.assert_close(variance, gradients.var(0, unbiased=False).sum(0), rtol=1e-4, atol=1e-9)
    torch.testing.assert_close(
        explain(model, inputs, "smoothgrad(noise=0.0)"), explain(model, inputs, "saliency")
    )
    linear = model_of(Linear().float())
    assert (explain(linear, inputs.float(), "vargrad") == 0).all()  # not only nearly


def test_gradient_shap_adds_up_in_expectation():
    model = model_of(Linear())
    inputs = inputs_for(model)
    (note,) = said(model, inputs, "gradient-shap(samples=20)")
    total, wanted = (float(part) for part in note.removeprefix("Σ ").split(" of "))
    assert total == pytest.approx(wanted, rel=1e-3)  # on a linear network chance has no say
    found = explain(model, inputs, "gradient-shap(samples=20)")
    assert float(found.sum()) == pytest.approx(total, rel=1e-3)


@pytest.mark.parametrize("name", ["smoothgrad(samples=3)", "vargrad(samples=3)", "gradient-shap(samples=3)"])
def test_chance_is_the_methods_own(name):
    model = model_of(Block())
    inputs = inputs_for(model)
    state = torch.random.get_rng_state()
    first = explain(model, inputs, name)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(99)
    assert torch.equal(explain(model, inputs, name), first)
    assert not torch.equal(explain(model, inputs, name.replace(")", ", seed=1)")), first)


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("integrated-gradients(steps=0)", "steps=0.*1 or more"),
        ("integrated-gradients(baseline='grey')", "black, white, zero, mean, blur"),
        ("deep-lift(baseline='')", "black, white"),
        ("smoothgrad(samples=0)", "samples=0.*1 or more"),
        ("smoothgrad(noise=-1)", "noise=-1.*0 or more"),
        ("smoothgrad(noise=1e999)", "noise=inf"),
        ("vargrad(samples=1)", "2 or more"),
        ("gradient-shap(samples=0)", "1 or more"),
        ("lrp(gamma=-0.5)", "gamma=-0.5.*0 or more"),
    ],
)
def test_options_that_do_not_fit(typed, text):
    model = model_of(Block())
    with pytest.raises(MethodError, match=text):
        attribute(model, inputs_for(model), 1, [typed])


EVERY_ONE = ["saliency", *SIGNED, "smoothgrad(samples=3)", "guided-backprop", "guided-grad-cam"]


@pytest.mark.parametrize("method", EVERY_ONE)
def test_the_twin_is_left_as_it_was(method):
    net = Block(change=True)
    model = model_of(net)
    inputs = inputs_for(model)
    with model.twin() as private:
        before = footprint(private)
    attribute(model, inputs, 1, [method])
    with model.twin() as private:
        assert footprint(private) == before


@pytest.mark.parametrize("method", EVERY_ONE)
def test_a_target_that_does_not_depend_on_the_picture(method):
    model = model_of(PooledLinear())
    with pytest.raises((MethodError, RuntimeError), match=r"depend on|gradient"):
        attribute(model, inputs_for(model), lambda out: torch.ones(len(out)), [method])


@pytest.mark.parametrize("method", ["deep-lift", "guided-backprop", "lrp"])
def test_a_network_that_goes_another_way_each_time_is_refused(method):
    calls = []

    class Moody(PooledLinear):
        def forward(self, x):
            calls.append(1)
            return super().forward(x if len(calls) % 2 else x.relu().tanh())

    model = model_of(Moody())
    with pytest.raises(MethodError, match=r"another way|something else"):
        attribute(model, inputs_for(model), 1, [method])


@pytest.mark.parametrize("method", ["deep-lift", "guided-backprop", "lrp", "integrated-gradients(steps=80)"])
def test_torchvisions_resnet(method):
    torch.manual_seed(0)
    net = torchvision.models.resnet18(num_classes=5)
    model = model_of(net, size=(64, 64))
    inputs = inputs_for(model)
    net.eval()
    wanted = float(scored(net, inputs) - scored(net, black(model, inputs)))
    found = explain(model, inputs, method)
    if method == "deep-lift":
        assert float(found.sum()) == pytest.approx(wanted, rel=1e-3)
    if method == "integrated-gradients(steps=80)":
        assert float(found.sum()) == pytest.approx(wanted, rel=0.1)
    if method == "guided-backprop":
        assert not torch.allclose(found, explain(model, inputs, "input-x-gradient"))
    assert found.isfinite().all()


def small_unet():
    from fastai.vision.models.unet import DynamicUnet

    torch.manual_seed(0)
    encoder = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(inplace=True)),
        nn.Sequential(nn.Conv2d(4, 8, 3, 2, 1), nn.ReLU(inplace=True)),
        nn.Sequential(nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU(inplace=True)),
    )
    return model_of(DynamicUnet(encoder, 3, (32, 32)).eval(), size=(32, 32), task="segmentation")


def test_a_region_of_fastais_unet():
    model = small_unet()
    inputs = inputs_for(model)

    def region(output):
        return output[:, 1, 4:20, 6:30].sum((1, 2))

    with torch.no_grad():
        wanted = float(region(model.module(inputs)) - region(model.module(black(model, inputs))))
    assert float(explain(model, inputs, "deep-lift", region).sum()) == pytest.approx(wanted, rel=1e-3)
    for method in ("guided-grad-cam", "lrp", "saliency"):
        found = explain(model, inputs, method, region)
        assert found.isfinite().all()
        assert found.abs().max() > 0


def test_guided_backprop_beside_saliency_in_two_threads():
    model = model_of(Block(), size=(16, 16))
    inputs = inputs_for(model)
    pair = ["guided-backprop", "guided-grad-cam", "saliency", "deep-lift"]
    alone = {method: explain(model, inputs, method) for method in pair}
    wrong = []

    def work(method):
        found = [explain(model, inputs, method) for _ in range(8)]
        wrong.extend(method for each in found if not torch.equal(each, alone[method]))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=work, args=[method]) for method in pair]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(before)
    assert wrong == []


def test_notes_reach_caption_and_json():
    model = model_of(Plain(), size=(9, 11))
    picture = torchvision.transforms.functional.to_pil_image(torch.rand(3, 9, 11))
    one = interp.explain(model, picture, 1, "deep-lift")
    assert one.notes == (one.caption.split(" · ")[-1],)
    assert one.notes[0].startswith("Σ ")
    assert json.loads(one.to_json())["notes"] == list(one.notes)
    assert interp.remake(one.to_json(), model=model).notes == one.notes
    assert interp.explain(model, picture, 1, "saliency").notes == ()


def test_notes_of_a_batch_stand_with_their_picture():
    model = model_of(Plain())
    found = attribute(model, inputs_for(model, 3), [0, 1, 2], ["deep-lift", "saliency"])
    ((key, rows),) = found.notes.items()
    assert key == (0, INPUT, "deep-lift")
    for row in range(3):
        total = found.maps[key][row].double().sum()
        assert rows[row][0].startswith(f"Σ {float(total):.3g}"[:5])


@pytest.mark.slow
def test_captum_is_imported_when_it_is_needed():
    code = "import sys, interp.methods as m; print(m.get('deep-lift').title, 'captum' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["DeepLift", "False"]
