"""Our maps beside Captum's own, on networks that Captum can follow, and where it cannot."""

import copy

import numpy as np
import pytest
import torch
import torchvision
from captum import attr
from captum.attr._utils.lrp_rules import EpsilonRule, GammaRule
from nets import inputs_for, model_of, only
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from interp.methods import attribute

pytestmark = pytest.mark.filterwarnings("ignore:Setting .*backward hooks:UserWarning")

TARGET = 2


class Strided(nn.Module):
    """Strides, batch norms and ReLUs, each a module of its own, out of place and read by one."""

    def __init__(self, *, norm=True, bias=True):
        super().__init__()
        torch.manual_seed(0)
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 3, 2, 1, bias=bias), nn.Conv2d(6, 8, 3, padding=1, bias=bias)
        self.conv3 = nn.Conv2d(8, 8, 3, 2, bias=bias)
        self.norm1, self.norm2 = (nn.BatchNorm2d(n) if norm else nn.Identity() for n in (6, 8))
        self.act1, self.act2, self.act3 = nn.ReLU(), nn.ReLU(), nn.ReLU()
        self.pool, self.gap, self.flat = nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        self.fc = nn.Linear(8, 4, bias=bias)
        settled(self)

    def forward(self, x):
        x = self.act1(self.norm1(self.conv1(x)))
        x = self.pool(self.act2(self.norm2(self.conv2(x))))
        return self.fc(self.flat(self.gap(self.act3(self.conv3(x)))))


class Residual(nn.Module):
    """A skip with batch norm round which the ReLUs are modules of their own, or one and the same."""

    def __init__(self, *, shared=False):
        super().__init__()
        torch.manual_seed(1)
        self.stem, self.act1 = nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU()
        self.conv1, self.norm1 = nn.Conv2d(6, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.conv2, self.norm2 = nn.Conv2d(6, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.act2, self.act3 = (self.act1, self.act1) if shared else (nn.ReLU(), nn.ReLU())
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 4))
        settled(self)

    def forward(self, x):
        a = self.act1(self.stem(x))
        b = self.act2(self.norm1(self.conv1(a)))
        return self.head(self.act3(self.norm2(self.conv2(b)) + a))


class Turns(nn.Module):
    """Stands for a ReLU that a block calls twice: one module for each call, out of place."""

    def __init__(self):
        super().__init__()
        self.calls, self.next = nn.ModuleList([nn.ReLU(), nn.ReLU()]), 0

    def forward(self, x):
        self.next = 1 - self.next
        return self.calls[self.next](x)


def resnet(*, shared=False, smooth=False):
    """torchvision's, with its reused in-place ReLUs or, for Captum, with one for each call."""
    torch.manual_seed(2)
    net = settled(torchvision.models.resnet18(weights=None, num_classes=4))
    if smooth:
        net.maxpool = nn.AvgPool2d(2)
    if not shared:
        net.relu = nn.ReLU()
        for block in [*net.layer1, *net.layer2, *net.layer3, *net.layer4]:
            block.relu = Turns()
    return net


def settled(net):
    """Return the network in float64, evaluating, with statistics as if it had been trained."""
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.uniform_(-0.3, 0.3)
            part.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.uniform_(part.bias, -0.3, 0.3)
    return net.double().eval()


# The network, the size of its pictures, a layer.
NETS = {
    "strided": (Strided, (18, 22), "norm2"),
    "residual": (Residual, (16, 20), "conv2"),
    "resnet18": (resnet, (64, 64), "layer3"),
}
SMOOTH = {**NETS, "resnet18": (lambda: resnet(smooth=True), (64, 64), "layer3")}


@pytest.fixture(params=NETS)
def case(request):
    build, size, layer = NETS[request.param]
    return Beside(build(), size), layer


@pytest.fixture(params=SMOOTH)
def smooth_case(request):
    build, size, _ = SMOOTH[request.param]
    return Beside(build(), size)


class Beside:
    """One network and one picture, given to us and to Captum."""

    def __init__(self, net, size):
        self.net, self.model = net, model_of(net, size)
        self.inputs = inputs_for(self.model)
        self.black = torch.full_like(self.inputs, -1)  # 0 ... 1 is prepared to -1 ... 1

    def ours(self, method, layer=None):
        layers = None if layer is None else [layer]
        return only(attribute(self.model, self.inputs, TARGET, [method], layers).maps, method)[0].double()

    def theirs(self, kind, layer=None, **asked):
        """Return Captum's attributions of the picture, `(C, *grid)`; its hooks stay on a copy."""
        net = copy.deepcopy(self.net)
        where = () if layer is None else (net.get_submodule(layer),)
        explainer = getattr(attr, kind)(net, *where)
        inputs = self.inputs.clone().requires_grad_()
        return explainer.attribute(inputs, target=TARGET, **asked)[0].detach().double()

    def change(self, baseline):
        with torch.no_grad():
            return float((self.net(self.inputs) - self.net(baseline))[0, TARGET])


def close(ours, theirs, rtol=1e-5):
    """Whether two maps are the same in float32, in which ours are handed out; raises where they are not."""
    torch.testing.assert_close(ours, theirs, rtol=rtol, atol=rtol / 10 * float(theirs.abs().max()))
    assert theirs.abs().max() > 0
    return True


def off(ours, theirs):
    """By what share of its length one map misses the other."""
    return float((ours - theirs).norm() / theirs.norm())


def test_grad_cam(case):
    """Captum's has the mean of the gradients, too, and one channel; no ReLU in either."""
    both, layer = case
    theirs = both.theirs("LayerGradCam", layer, relu_attributions=False)
    assert close(both.ours("grad-cam", layer), theirs[0])


def test_hires_cam_and_the_course(case):
    """HiResCAM is the sum over channels of Captum's gradient × activation."""
    both, layer = case
    theirs = both.theirs("LayerGradientXActivation", layer)
    assert close(both.ours("hires-cam", layer), theirs.sum(0))
    apart = both.theirs("LayerGradCam", layer, relu_attributions=False, attr_dim_summation=False)
    assert close(both.ours("grad-cam-course", layer), apart.mean(0))


def test_activations(case):
    both, layer = case
    net = copy.deepcopy(both.net)
    theirs = attr.LayerActivation(net, net.get_submodule(layer)).attribute(both.inputs)[0].detach()
    for method, reduced in {
        "activation-mean": theirs.mean(0),
        "activation-abs": theirs.abs().mean(0),
        "activation-max": theirs.amax(0),
        "activation-l2": theirs.norm(dim=0),
    }.items():
        assert close(both.ours(method, layer), reduced)


def test_saliency_and_input_x_gradient(case):
    """Saliency is the largest of Captum's colour channels; all others are summed over them."""
    both, _ = case
    assert close(both.ours("saliency"), both.theirs("Saliency").amax(0))
    assert close(both.ours("input-x-gradient"), both.theirs("InputXGradient").sum(0))


def test_integrated_gradients(case):
    both, _ = case
    for steps, name, baseline in [(7, "black", both.black), (4, "zero", both.black * 0)]:
        theirs = both.theirs("IntegratedGradients", n_steps=steps, baselines=baseline)
        assert close(both.ours(f"integrated-gradients(steps={steps}, baseline={name!r})"), theirs.sum(0))


def test_integrated_gradients_by_another_rule_go_to_the_same():
    """Captum's sum of rectangles, fine enough, comes to where our Gauss-Legendre sum is."""
    both = Beside(Strided(), (18, 22))
    theirs = both.theirs("IntegratedGradients", n_steps=4000, method="riemann_middle", baselines=both.black)
    assert off(both.ours("integrated-gradients(steps=400)"), theirs.sum(0)) < 1e-2
    assert off(both.ours("integrated-gradients(steps=4)"), theirs.sum(0)) > 3e-2


def test_deep_lift(smooth_case):
    """Without max-pooling right after a ReLU, where Captum's two rules disturb each other."""
    both = smooth_case
    theirs = both.theirs("DeepLift", baselines=both.black)
    assert close(both.ours("deep-lift"), theirs.sum(0))
    assert float(theirs.sum()) == pytest.approx(both.change(both.black), rel=1e-6)
    assert close(both.ours("deep-lift(baseline='zero')"), both.theirs("DeepLift").sum(0))


def test_guided_backprop(case):
    both, _ = case
    assert close(both.ours("guided-backprop"), both.theirs("GuidedBackprop").sum(0))


def test_guided_grad_cam(case):
    """Captum enlarges by repeating positions unless it is told to do so bilinearly."""
    both, layer = case
    theirs = both.theirs("GuidedGradCam", layer, interpolate_mode="bilinear")
    ours = both.ours(f"guided-grad-cam(layer={layer!r})")
    assert close(ours, theirs.sum(0))
    assert off(ours, both.theirs("GuidedGradCam", layer).sum(0)) > 0.05


REUSED = {
    "residual": (lambda shared: Residual(shared=shared), (16, 20)),
    "resnet18": (lambda shared: resnet(shared=shared, smooth=True), (64, 64)),
}


@pytest.mark.parametrize("name", REUSED)
def test_reused_relus_deep_lift(name):
    """Captum keeps one input and output for each module: with a ReLU that is called again it is wrong, or
    refuses. Ours gives each call its own, and is what Captum gives where each call is a module."""
    build, size = REUSED[name]
    apart, shared = (Beside(build(each), size) for each in (False, True))
    right = apart.theirs("DeepLift", baselines=apart.black).sum(0)
    ours = shared.ours("deep-lift")
    assert close(ours, right)
    assert float(ours.sum()) == pytest.approx(shared.change(shared.black), rel=1e-5)
    with pytest.raises((AssertionError, RuntimeError), match="more than once"):
        shared.theirs("DeepLift", baselines=shared.black)


@pytest.mark.parametrize("name", REUSED)
def test_reused_relus_guided_backprop(name):
    """Here Captum's hooks need to know nothing of a call but its gradient."""
    build, size = REUSED[name]
    apart, shared = (Beside(build(each), size) for each in (False, True))
    right = apart.theirs("GuidedBackprop").sum(0)
    assert close(shared.ours("guided-backprop"), right)
    assert close(shared.theirs("GuidedBackprop").sum(0), right)


class Fused(nn.Module):
    """The strided network with its batch norms within the convolutions, as they are in our LRP."""

    def __init__(self, net):
        super().__init__()
        conv1 = (
            fuse_conv_bn_eval(net.conv1, net.norm1) if isinstance(net.norm1, nn.BatchNorm2d) else net.conv1
        )
        conv2 = (
            fuse_conv_bn_eval(net.conv2, net.norm2) if isinstance(net.norm2, nn.BatchNorm2d) else net.conv2
        )
        self.convs = nn.ModuleList([conv1, conv2, net.conv3])
        self.acts = nn.ModuleList([net.act1, net.act2, net.act3])
        self.pool, self.gap, self.flat, self.fc = net.pool, net.gap, net.flat, net.fc

    def forward(self, x):
        x = self.acts[0](self.convs[0](x))
        x = self.pool(self.acts[1](self.convs[1](x)))
        return self.fc(self.flat(self.gap(self.acts[2](self.convs[2](x)))))


def lrp_of(both, gamma):
    """Return Captum's LRP: γ between two ReLUs, ε elsewhere, said to it layer by layer."""
    net = Fused(copy.deepcopy(both.net))
    for part in net.modules():
        part.rule = EpsilonRule()
    for conv in net.convs[1:]:
        conv.rule = GammaRule(gamma, set_bias_to_zero=False) if gamma else EpsilonRule()
    inputs = both.inputs.clone().requires_grad_()
    return attr.LRP(net).attribute(inputs, target=TARGET)[0].detach()


@pytest.mark.parametrize("norm", [True, False])
def test_lrp_with_the_epsilon_rule(norm):
    both = Beside(Strided(norm=norm), (18, 22))
    assert close(both.ours("lrp(gamma=0)"), lrp_of(both, 0).sum(0))


@pytest.mark.parametrize("gamma", [0.25, 2.0])
def test_lrp_with_the_gamma_rule(gamma):
    """Equal without constants. Captum amplifies the weights only, the paper's rule the constants too."""
    plain = Beside(Strided(norm=False, bias=False), (18, 22))
    assert close(plain.ours(f"lrp(gamma={gamma})"), lrp_of(plain, gamma).sum(0))
    with_constants = Beside(Strided(norm=False), (18, 22))
    assert off(with_constants.ours(f"lrp(gamma={gamma})"), lrp_of(with_constants, gamma).sum(0)) > 1e-3


def test_occlusion(case):
    """Captum's is the mean over the windows at a position, too; ours has one window for all colours."""
    both, _ = case
    window, stride = {18: (6, 4), 16: (8, 4), 64: (32, 16)}[both.inputs.shape[2]]
    theirs = both.theirs("Occlusion", sliding_window_shapes=(3, window, window), strides=(3, stride, stride))
    assert (theirs == theirs[:1]).all()
    assert close(both.ours(f"occlusion(window={window}, stride={stride})"), theirs[0])


def test_occlusion_where_windows_do_not_fit():
    """Captum's last window is cut off by the border, ours ends with it and is as large as all others."""
    both = Beside(Strided(), (18, 22))
    given = both.inputs
    theirs = both.theirs("Occlusion", sliding_window_shapes=(3, 8, 8), strides=(3, 7, 7))
    ours = both.ours("occlusion(window=8, stride=7)")

    def by_hand(rows, columns):
        total, covered = torch.zeros(2, 18, 22, dtype=torch.float64)
        for top in rows:
            for left in columns:
                changed = given.clone()
                changed[..., top : top + 8, left : left + 8] = 0
                total[top : top + 8, left : left + 8] += both.change(changed)
                covered[top : top + 8, left : left + 8] += 1
        return total / covered

    assert close(ours, by_hand((0, 7, 10), (0, 7, 14)))
    assert close(theirs[0], by_hand((0, 7, 14), (0, 7, 14)))


def test_gradient_shap_of_the_same_draws(case, monkeypatch):
    """Captum draws baselines from a list and points by numpy: given ours, both are the same map."""
    both, _ = case
    samples = 9
    drawn = torch.rand(samples, 4, generator=torch.Generator().manual_seed(5)).double()
    colours = (2 * drawn[:, 1:] - 1).reshape(samples, 3, 1, 1).expand(samples, *both.inputs.shape[1:])
    # We draw 8 at a time on a CPU, and the ninth after them: its numbers follow.
    monkeypatch.setattr(np.random, "choice", lambda count, size: np.arange(count))
    monkeypatch.setattr(np.random, "uniform", lambda *_: drawn[:, 0].numpy())
    theirs = both.theirs("GradientShap", baselines=colours.contiguous(), n_samples=samples, stdevs=0.0)
    assert close(both.ours(f"gradient-shap(samples={samples}, seed=5)"), theirs.sum(0))


def test_smoothgrad_and_vargrad_of_the_same_draws():
    """Captum's NoiseTunnel of the signed gradient; reduced over colours only afterwards."""
    both = Beside(Strided(), (18, 22))
    samples, noise = 6, 0.3
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([torch.randn(3, 18, 22, generator=generator) for _ in range(samples)]).double()
    spread = noise * float(both.inputs.max() - both.inputs.min())
    theirs = {}
    for kind in ("smoothgrad", "vargrad"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch, "normal", lambda mean, std: mean + std * drawn)
            tunnel = attr.NoiseTunnel(attr.Saliency(copy.deepcopy(both.net)))
            theirs[kind] = tunnel.attribute(
                both.inputs, nt_type=kind, nt_samples=samples, stdevs=spread, target=TARGET, abs=False
            )[0].detach()
    options = f"(samples={samples}, noise={noise})"
    assert close(both.ours("smoothgrad" + options), theirs["smoothgrad"].abs().amax(0))
    assert close(both.ours("vargrad" + options), theirs["vargrad"].sum(0))
