"""Our maps beside torchcam's and pytorch-grad-cam's: equal where they are right, and why not elsewhere.

Theirs are taken before they are scaled to 0 … 1. Where a peer differs, the test computes the formula, the
paper's where there is one, in plain torch; ours is that, and theirs is not.
"""

import copy

import numpy as np
import pytest
import pytorch_grad_cam
import torch
import torch.nn.functional as F
import torchvision
from nets import PooledLinear, inputs_for, model_of, only
from pytorch_grad_cam.utils import model_targets as asked
from pytorch_grad_cam.utils import svd_on_activations as svd
from torch import nn
from torchcam import methods as torchcam

from interp.methods import attribute, get

TARGET = 2


class Stages(nn.Module):
    """Batch norms, strides and a skip; nothing works in place, and the end is smooth or not."""

    def __init__(self, act=nn.ReLU):
        super().__init__()
        torch.manual_seed(1)
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU())
        self.body = nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6))
        self.act = nn.ReLU()
        self.tail = nn.Sequential(nn.Conv2d(6, 8, 3, padding=1), act(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.fc = nn.Linear(32, 5)
        settled(self)

    def forward(self, x):
        a = self.stem(x)
        return self.fc(self.tail(self.act(self.body(a) + a)))


def settled(net):
    """Return the network in float64, evaluating, with statistics as if it had been trained."""
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.uniform_(-0.3, 0.3)
            part.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.uniform_(part.bias, -0.3, 0.3)
    return net.double().eval()


def resnet():
    torch.manual_seed(2)
    return settled(torchvision.models.resnet18(weights=None, num_classes=5))


# The network, the size of its pictures, a layer whose output nothing changes in place.
NETS = {
    "pooled": (PooledLinear, (9, 11), "act"),
    "stages": (Stages, (16, 20), "act"),
    "signed": (Stages, (16, 20), "body"),
    "resnet18": (resnet, (64, 64), "layer3"),
}


@pytest.fixture(params=NETS)
def case(request):
    build, size, layer = NETS[request.param]
    return Beside(build(), size, layer)


class Beside:
    """A network, a layer and a few pictures, given to us and to both peers."""

    def __init__(self, net, size, layer, count=2):
        self.net, self.model, self.layer = net, model_of(net, size), layer
        self.inputs = inputs_for(self.model, count)

    def ours(self, method, target=TARGET):
        return only(attribute(self.model, self.inputs, target, [method], [self.layer]).maps, method).double()

    def recorded(self, target=TARGET):
        """Return the layer's activation and the gradient there, by autograd alone."""
        net = copy.deepcopy(self.net)
        kept = []
        net.get_submodule(self.layer).register_forward_hook(lambda *a: kept.append(a[2]) or a[2].clone())
        score = net(self.inputs)[:, target] if isinstance(target, int) else target(net(self.inputs))
        (gradient,) = torch.autograd.grad(score.sum(), kept)
        return kept[0].detach(), gradient

    def pytorch_grad_cam(self, kind, target=TARGET, *, weights=False, **settings):
        """Return pytorch-grad-cam's map of the layer, or its channels' weights, before ReLU and scaling."""
        net = copy.deepcopy(self.net)
        wanted = asked.ClassifierOutputTarget(target) if isinstance(target, int) else target
        kept, name = [], "get_cam_weights" if weights else "get_cam_image"
        with getattr(pytorch_grad_cam, kind)(net, [net.get_submodule(self.layer)], **settings) as cam:
            own = getattr(cam, name)
            setattr(cam, name, lambda *given: kept.append(own(*given)) or kept[-1])
            cam(self.inputs.clone(), [wanted] * len(self.inputs))
        return torch.as_tensor(np.asarray(kept[0])).double()

    def torchcam(self, kind, target=TARGET, change=None, **settings):
        """Return torchcam's map of the layer, after its ReLU and before its scaling."""
        net = copy.deepcopy(self.net)
        with getattr(torchcam, kind)(net, self.layer, **settings) as cam:
            if change is not None:
                change(cam)
            scores = net(self.inputs.clone())
            (found,) = cam(target, scores, normalized=False)
        return found.detach().double()


def close(ours, theirs, rtol=1e-5):
    """Whether two maps are the same in float32, in which ours are handed out; raises where they are not."""
    torch.testing.assert_close(ours, theirs, rtol=rtol, atol=rtol / 10 * float(theirs.abs().max()))
    assert theirs.abs().max() > 0
    return True


def off(theirs, right):
    """By what share of its length a map misses another, after both are scaled to length 1."""
    return float((theirs / theirs.norm() - right / right.norm()).norm())


def summed(weights, activation):
    return torch.einsum("bc,bchw->bhw", weights, activation)


# Where they are right.


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("grad-cam", "GradCAM"),
        ("hires-cam", "HiResCAM"),
        ("grad-cam-elementwise", "GradCAMElementWise"),
        ("layer-cam", "LayerCAM"),
        ("xgrad-cam", "XGradCAM"),
        ("shapley-cam", "ShapleyCAM"),
    ],
)
def test_pytorch_grad_cam_agrees(case, method, kind):
    assert close(case.ours(method), case.pytorch_grad_cam(kind))


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("grad-cam", "GradCAM"),
        ("layer-cam", "LayerCAM"),
        ("xgrad-cam", "XGradCAM"),
        ("finer-cam", "FinerCAM"),
    ],
)
def test_torchcam_agrees(case, method, kind):
    """Torchcam's maps have passed a ReLU."""
    assert close(case.ours(method).clamp(min=0), case.torchcam(kind))


def test_cam():
    both = Beside(PooledLinear(), (9, 11), "act")
    assert close(both.ours("cam"), both.torchcam("CAM", fc_layer="fc"))


@pytest.mark.parametrize("utility", ["score", "rest"])
def test_shapley_cam_where_the_score_bends(utility):
    both = Beside(Stages(nn.GELU), (16, 20), "act")
    target = TARGET if utility == "score" else asked.ClassifierOutputReST(TARGET)
    theirs = both.pytorch_grad_cam("ShapleyCAM", target)
    assert close(both.ours(f"shapley-cam(utility={utility!r})"), theirs)
    assert off(theirs, both.ours("grad-cam")) > 1e-3


def test_kpca_cam(case):
    """The same up to a sign, which their solver leaves to chance and we turn to the strongest values."""
    for options, settings in [
        ("", {}),
        ("(kernel='rbf')", {"kernel": "rbf"}),
        ("(gamma=0.3)", {"gamma": 0.3}),
    ]:
        ours, theirs = case.ours("kpca-cam" + options), case.pytorch_grad_cam("KPCA_CAM", **settings)
        assert close(ours.abs(), theirs.abs(), rtol=1e-4)
        assert (ours.pow(3).sum((1, 2)) > 0).all()


def test_guided_backprop_of_modules_and_of_functions():
    """They replace modules called ReLU, so a function's gradient stays plain; ours is the same for both."""

    class Written(Stages):
        def forward(self, x):
            a = F.relu(self.stem[1](self.stem[0](x)))
            return self.fc(self.tail(F.relu(self.body(a) + a)))

    found = {}
    for net in (Stages(), Written()):
        both = Beside(net, (16, 20), "body", count=1)
        theirs = pytorch_grad_cam.GuidedBackpropReLUModel(copy.deepcopy(net))(both.inputs.clone(), TARGET)
        found[type(net)] = both.ours("guided-backprop")[0], torch.from_numpy(theirs).sum(2)
    assert close(*found[Stages])
    assert close(found[Written][0], found[Stages][0])
    assert off(found[Written][1], found[Stages][1]) > 0.05


def on_pooled(scale=1.0, *, count=2, **settings):
    """Return the network on which CAM exists, `scale` times as loud, and the paper's Grad-CAM++ of it."""
    net = PooledLinear(**settings)
    with torch.no_grad():
        net.fc.weight[TARGET] = torch.tensor([0.4, 0.1, 0.03, -0.2, 0.01], dtype=torch.float64)
        net.fc.weight *= scale
        net.fc.bias *= scale
    both = Beside(net, (9, 11), "act", count)
    activation, _ = both.recorded()
    heads = net.fc.weight[TARGET].detach()
    weights = heads.clamp(min=0) / (2 + heads * activation.mean((2, 3)))
    return both, activation, summed(weights, activation)


def test_grad_cam_plus_plus_of_pytorch_grad_cam():
    """Their ε of 10⁻⁶ stands beside g², which in a mean over positions is about as small: channels of small
    gradients fade. A score 10⁴ times as large leaves it behind, and they agree."""
    both, _, right = on_pooled()
    assert close(both.ours("grad-cam-plus-plus"), right)
    assert off(both.pytorch_grad_cam("GradCAMPlusPlus"), right) > 0.01
    loud, _, right = on_pooled(1e4)
    assert close(loud.ours("grad-cam-plus-plus"), right)
    assert close(loud.pytorch_grad_cam("GradCAMPlusPlus"), right)


def test_grad_cam_plus_plus_of_torchcam():
    """They divide a copy and drop it (`alpha[idx][mask].div_`), so that α is g² and w is Σ g² relu(g)."""
    for scale in (1.0, 1e4):
        both, activation, right = on_pooled(scale)
        assert close(both.ours("grad-cam-plus-plus"), right)
        theirs = both.torchcam("GradCAMpp")
        assert off(theirs, right) > 0.1
        _, gradient = both.recorded()
        undivided = (gradient.square() * gradient.clamp(min=0)).sum((2, 3))
        assert close(theirs, summed(undivided, activation))


def draws(shape, samples, seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator).double() for _ in range(samples)]


def test_smooth_grad_cam_plus_plus():
    """Torchcam means g² and g³ over all draws, but takes g of the last one alone. A is the clean picture's in
    α, where every g³ meets the A at its own place, not the channel's sum, and the last draw's in the map."""
    both = Beside(Stages(), (16, 20), "act", count=1)
    samples, seed = 4, 3
    spread = 0.3 * float(both.inputs.max() - both.inputs.min())
    noise = [spread * each for each in draws((3, 16, 20), samples, seed)]
    clean, both.inputs = both.inputs, both.inputs + torch.stack(noise)
    values, slopes = both.recorded()
    both.inputs = clean
    mean, second, third = values.mean(0), slopes.square().mean(0), slopes.pow(3).mean(0)
    denominator = 2 * second + mean.sum((1, 2), keepdim=True) * third
    alpha = torch.where(denominator > 0, second / denominator, 0)
    right = torch.einsum("c,chw->hw", (alpha * slopes.mean(0).relu()).sum((1, 2)), mean)
    assert close(both.ours(f"smooth-grad-cam-plus-plus(samples={samples}, noise=0.3, seed={seed})")[0], right)

    class Same:
        def __init__(self):
            self.left = iter(noise)

        def sample(self, size):
            return next(self.left).reshape(size)

    theirs = both.torchcam(
        "SmoothGradCAMpp", num_samples=samples, change=lambda cam: setattr(cam, "_distrib", Same())
    )
    assert off(theirs[0], right.clamp(min=0)) > 0.05
    alpha = second / (2 * second + (third * both.recorded()[0]).sum((2, 3)).view(-1, 1, 1) + 1e-8)
    formula = summed((alpha * slopes[-1].relu()).sum((1, 2))[None], values[-1:])
    assert close(theirs, formula.clamp(min=0), rtol=1e-4)


def test_smooth_grad_cam_plus_plus_without_noise():
    """Where nothing is random and g is the same at every place, torchcam's is the closed form, too."""
    both, _, right = on_pooled(1e4)
    assert close(both.ours("smooth-grad-cam-plus-plus(samples=2, noise=0.0)"), right)
    assert close(both.torchcam("SmoothGradCAMpp", num_samples=2, std=1e-12), right)


def centred(terms):
    return terms - terms.mean((2, 3), keepdim=True)


def first_direction(terms):
    """Return the projection on the first right singular vector, of either sign."""
    matrix = terms.flatten(2).transpose(1, 2)
    u, s, _ = torch.linalg.svd(matrix, full_matrices=False)
    return (u[..., 0] * s[..., :1]).reshape(terms.shape[0], *terms.shape[2:])


def test_eigen_cam(case):
    """They centre the channels, which the paper does not, and so lose what is active everywhere; and the sign
    is the solver's."""
    activation, _ = case.recorded()
    right = first_direction(activation)
    ours, theirs = case.ours("eigen-cam"), case.pytorch_grad_cam("EigenCAM")
    assert close(ours.abs(), right.abs(), rtol=1e-4)
    assert (ours.pow(3).sum((1, 2)) >= 0).all()
    assert off(theirs.abs(), right.abs()) > 0.05
    assert close(theirs.abs(), first_direction(centred(activation)).abs(), rtol=1e-4)


def test_the_sign_of_eigen_cam():
    """An object before a background: in theirs it may come out negative, and their ReLU then deletes it."""
    turned = 0
    for seed in range(60):
        generator = torch.Generator().manual_seed(seed)
        direction = torch.randn(16, 1, 1, generator=generator)
        activation = 0.3 * torch.randn(1, 16, 14, 14, generator=generator)
        activation[0, :, 4:9, 3:8] += 5 * direction / direction.norm()
        ours = get("eigen-cam").function(activation)[0]
        theirs = svd.get_2d_projection(activation.numpy())[0]
        assert ours[4:9, 3:8].mean() > 0
        turned += bool(theirs[4:9, 3:8].mean() < 0)
    assert turned > 3


def test_eigen_grad_cam(case):
    """Centred, too, and with the solver's sign: evidence against may be drawn as evidence for."""
    activation, gradient = case.recorded()
    terms = gradient * activation
    right = first_direction(terms)
    right = right * (right * terms.sum(1)).sum((1, 2), keepdim=True).sign()
    assert close(case.ours("eigen-grad-cam"), right, rtol=1e-4)
    theirs = case.pytorch_grad_cam("EigenGradCAM")
    assert off(theirs.abs(), right.abs()) > 0.01
    assert close(theirs.abs(), first_direction(centred(terms)).abs(), rtol=1e-4)


def test_fem(case):
    """The paper counts where a channel stands out by the channel's mean. They multiply the activation itself
    by the share of places where it stands out, so that nothing is cut to those places."""
    activation, _ = case.recorded()
    std, mean = torch.std_mean(activation, (2, 3), correction=0, keepdim=True)
    for deviations in (1, 2):
        stands_out = activation > mean + deviations * std
        right = (mean * stands_out).sum(1)
        ours = case.ours(f"fem(deviations={deviations:.1f})")
        theirs = case.pytorch_grad_cam("FEM", k=deviations)
        assert close(ours, right)
        assert off(theirs, right) > 0.05
        assert close(theirs, summed(stands_out.double().mean((2, 3)), activation))


def test_finer_cam_of_pytorch_grad_cam():
    """They weigh the rivals by their probabilities and differentiate these; the paper takes the mean."""
    both = Beside(Stages(), (16, 20), "act", count=1)
    with torch.no_grad():
        logits = both.net(both.inputs)[0]
    nearest = (logits - logits[TARGET]).abs().argsort().tolist()[1:4]
    right, theirs = (
        both.pytorch_grad_cam("GradCAM", target)
        for target in (
            lambda out: out[TARGET] - 0.6 * out[nearest].mean(),
            asked.FinerWeightedTarget(TARGET, nearest, 0.6),
        )
    )
    assert close(both.ours("finer-cam"), right)
    assert off(theirs, right) > 0.01


def masked_scores(both, masks, target=TARGET):
    """Return the score of the picture seen through each mask `(K, *size)`."""
    with torch.no_grad():
        return torch.stack([both.net(both.inputs * mask)[0, target] for mask in masks])


def to_one(maps):
    low, high = (bound((1, 2), keepdim=True) for bound in (maps.amin, maps.amax))
    return torch.where(high > low, (maps - low) / (high - low), 0)


def enlarged(maps, size, **settings):
    return F.interpolate(maps[None], size, mode="bilinear", **({"align_corners": False} | settings))[0]


def scored_map(activation, scores):
    """Return `Σ_k α_k A_k`, α the softmax of the scores."""
    return torch.einsum("k,khw->hw", scores.softmax(0), activation)


def test_score_cam_on_the_grid_of_the_input():
    """Where a mask needs no enlarging and no channel is constant, all three are the same."""
    both = Beside(PooledLinear(), (9, 11), "act", count=2)
    ours = both.ours("score-cam")
    assert close(ours, both.torchcam("ScoreCAM").double(), rtol=2e-5)
    assert close(ours, both.pytorch_grad_cam("ScoreCAM"), rtol=2e-5)


def test_score_cam_on_a_coarser_grid():
    """The paper enlarges a channel and then brings it to 0 … 1. Torchcam does it the other way round, so that
    its masks end short of 0 and 1. pytorch-grad-cam's enlarging puts the outer places' centres on the border
    of the picture, where they are not, nor are they drawn there."""
    both = Beside(Stages(), (16, 20), "act", count=1)
    activation = both.recorded()[0][0]
    size = both.inputs.shape[2:]
    right = scored_map(activation, masked_scores(both, to_one(enlarged(activation, size))))
    assert close(both.ours("score-cam")[0], right)
    early = scored_map(activation, masked_scores(both, enlarged(to_one(activation), size)))
    on_border = to_one(enlarged(activation, size, align_corners=True))
    corners = scored_map(activation, masked_scores(both, on_border))
    for theirs, formula in [(both.torchcam("ScoreCAM"), early), (both.pytorch_grad_cam("ScoreCAM"), corners)]:
        assert close(theirs[0], formula, rtol=1e-4)
        assert (theirs[0] - right).abs().max() > 1e-4 * right.abs().max()


def test_score_cam_of_constant_channels():
    """A channel that is the same everywhere has no mask. Both peers make it an empty one, and give it the
    weight of an empty picture; where that has a high score, a map that shows nothing outweighs all others."""
    net = PooledLinear(channels=6)
    with torch.no_grad():
        net.conv.weight[[1, 4]] = 0
        net.conv.bias[[1, 4]] = torch.tensor([3.0, 0.7], dtype=torch.float64)
        net.conv.weight[[0, 2, 3, 5]] *= 5
        net.fc.weight[TARGET] = -3.0
    both = Beside(net, (9, 11), "act", count=1)
    activation = both.recorded()[0][0]
    scores = masked_scores(both, to_one(activation))
    live = [0, 2, 3, 5]
    right = scored_map(activation[live], scores[live])
    assert close(both.ours("score-cam")[0], right)
    for theirs in (both.torchcam("ScoreCAM"), both.pytorch_grad_cam("ScoreCAM")):
        assert off(theirs[0], right) > 0.1
        assert close(theirs[0], scored_map(activation, scores), rtol=1e-4)


def test_ss_cam():
    """The noise is the channel's, and the mask is made of the noisy channel. Torchcam adds it to the mask,
    which then reaches far below 0 and above 1: the picture is no longer masked."""
    both = Beside(PooledLinear(), (9, 11), "act", count=1)
    activation = both.recorded()[0][0]
    samples = 3
    noise = [2 * activation.std(correction=0) * each for each in draws((1, *activation.shape), samples, 0)]
    scores = [masked_scores(both, to_one(activation + each[0])) for each in noise]
    right = scored_map(activation, torch.stack(scores).mean(0))
    assert close(both.ours(f"ss-cam(samples={samples})")[0], right)
    seen = []

    def watch(cam):
        own = cam._masked_input_chunk

        def masks(given, *rest):
            seen.append((float(given.min()), float(given.max())))
            return own(given, *rest)

        cam._masked_input_chunk = masks

    torch.manual_seed(0)
    theirs = both.torchcam("SSCAM", num_samples=samples, change=watch)
    assert (theirs[0] - right).abs().max() > 1e-3 * right.abs().max()
    assert min(low for low, _ in seen) < -4
    assert max(high for _, high in seen) > 5
    quiet = both.torchcam("SSCAM", num_samples=2, std=1e-12)
    assert close(both.ours("ss-cam(samples=2, std=0.0)"), quiet, rtol=2e-5)


def test_is_cam():
    """On the way from the empty to the masked picture nothing is brighter than the picture. Torchcam adds the
    steps up, 1/N, 3/N, 6/N, …, and scores pictures up to (N + 1) / 2 times as bright."""
    both = Beside(PooledLinear(), (9, 11), "act", count=1)
    activation = both.recorded()[0][0]
    masks, steps = to_one(activation), 10

    def along(way):
        return scored_map(activation, torch.stack([masked_scores(both, k * masks) for k in way]).mean(0))

    right = along([n / steps for n in range(1, steps + 1)])
    assert close(both.ours(f"is-cam(samples={steps})")[0], right)
    theirs = both.torchcam("ISCAM", num_samples=steps)
    assert (theirs[0] - right).abs().max() > 1e-2 * right.abs().max()
    assert close(theirs[0], along([n * (n + 1) / 2 / steps for n in range(1, steps + 1)]), rtol=2e-5)
    assert close(both.ours("is-cam(samples=1)"), both.torchcam("ISCAM", num_samples=1), rtol=2e-5)


def test_ablation_cam_behind_a_relu():
    """Equal for a positive score. They divide by the score with its sign, as the paper does, so that a
    negative one turns the map round; we divide by its size."""
    for index in range(4):
        both = Beside(PooledLinear(), (9, 11), "act", count=1)
        sign = float(both.model.logits(both.inputs)[0, index].sign())
        theirs = both.pytorch_grad_cam("AblationCAM", index)
        assert close(both.ours("ablation-cam", index), sign * theirs, rtol=1e-4)


def test_ablation_cam_of_a_layer_with_negative_values():
    """They set the channel to its least value − 10⁷ where the paper sets it to 0, and as the least value is
    looked up again for every row of a batch, each channel gets 10⁷ less than the one before it."""
    both = Beside(Stages(), (16, 20), "body", count=1)
    activation = both.recorded()[0]
    tail = nn.Sequential(both.net.act, both.net.tail, both.net.fc)
    with torch.no_grad():
        skip = both.net.stem(both.inputs)
        score = tail(activation + skip)[0, TARGET]
        without = []
        for channel in range(activation.shape[1]):
            ablated = activation.clone()
            ablated[:, channel] = 0
            without.append(tail(ablated + skip)[0, TARGET])
    weights = (score - torch.stack(without)) / score.abs()
    assert close(both.ours("ablation-cam"), summed(weights[None], activation))
    theirs = both.pytorch_grad_cam("AblationCAM", weights=True)[0] * score.sign()
    assert off(theirs, weights) > 0.1
    linear = Beside(PooledLinear(relu=False), (9, 11), "act", count=1)
    in_turn, together = (
        linear.pytorch_grad_cam("AblationCAM", weights=True, batch_size=size)[0] for size in (1, 5)
    )
    ratios = together / in_turn
    torch.testing.assert_close(ratios, torch.arange(1.0, 6.0).double(), rtol=1e-3, atol=0)


def test_fullgrad():
    """The paper scales all of a layer's terms together. They scale every channel by itself, so that one which
    says next to nothing counts as much as the loudest."""
    net = PooledLinear(channels=4)
    with torch.no_grad():
        net.fc.weight[TARGET] = 1e4 * torch.tensor([0.002, 0.4, -0.1, 0.02], dtype=torch.float64)
    both = Beside(net, (9, 11), "act", count=1)
    inputs = both.inputs.clone().requires_grad_()
    made = net.conv(inputs)
    by_input, by_made = torch.autograd.grad(net.fc(net.act(made).mean((2, 3)))[0, TARGET], [inputs, made])
    terms = [
        (inputs * by_input).detach()[0].abs(),
        (net.conv.bias.view(-1, 1, 1) * by_made).detach()[0].abs(),
    ]
    together = sum(((each - each.min()) / (each.max() - each.min())).sum(0) for each in terms)
    alone = sum(to_one(each).sum(0) for each in terms)
    assert close(both.ours("fullgrad")[0], together)
    theirs = fullgrad_of(both)
    assert off(theirs, together) > 0.05
    assert close(theirs, to_one(alone[None])[0], rtol=1e-4)


def fullgrad_of(both):
    """Return pytorch-grad-cam's FullGrad, scaled to 0 … 1, as no other form of it is to be had."""
    cam = pytorch_grad_cam.FullGrad(copy.deepcopy(both.net), [])
    inputs = both.inputs.clone().requires_grad_()
    inputs.retain_grad()
    found = cam(inputs, [asked.ClassifierOutputTarget(TARGET)])
    return torch.from_numpy(found[0]).double()


@pytest.mark.parametrize("layer", ["layer4.1.bn2", "layer3.0.bn1"])
def test_a_layer_that_is_overwritten(layer):
    """torchvision's ResNets go on in place after their batch norms. Both peers keep a view of the output and
    find there what the next layer has written; torchcam also takes the gradient behind it."""
    both = Beside(resnet(), (64, 64), layer, count=1)
    activation, gradient = both.recorded()
    assert activation.min() < 0
    right = summed(gradient.mean((2, 3)), activation)
    assert close(both.ours("grad-cam"), right)
    assert off(both.pytorch_grad_cam("GradCAM"), right) > 0.05
    assert off(both.torchcam("GradCAM"), right.clamp(min=0)) > 0.05


def test_refine_cam():
    """Of LayerCAM maps torchcam's product is the same; of its own Grad-CAM++ maps it is not. pytorch-grad-cam
    first enlarges each map to the picture and multiplies there, not on the grid of the finest."""
    net = resnet()
    both = Beside(net, (64, 64), "layer4", count=1)
    stages = list(both.model.layers.stages[-4:])
    inputs = both.inputs
    found = {}
    for base in ("LayerCAM", "GradCAMpp"):
        with torchcam.RefineCAM(copy.deepcopy(net), stages, base_method=getattr(torchcam, base)) as cam:
            (found[base],) = cam(TARGET, cam.model(inputs))
    assert close(both.ours("layer-cam(fuse='refine')"), found["LayerCAM"].double(), rtol=1e-4)
    assert off(found["GradCAMpp"].double(), both.ours("refine-cam")) > 0.05
    private = copy.deepcopy(net)
    layers = [private.get_submodule(name) for name in stages]
    cam = pytorch_grad_cam.RefineCAM(private, layers, base_method=pytorch_grad_cam.LayerCAM)
    theirs = torch.from_numpy(cam(inputs, [asked.ClassifierOutputTarget(TARGET)])).double()
    maps = attribute(both.model, inputs, TARGET, ["layer-cam"], stages).maps
    product = torch.stack([drawn(maps[0, name, "layer-cam"].double(), (64, 64)) for name in stages]).prod(0)
    assert close(theirs, to_one(product), rtol=1e-3)


def test_eigen_smoothing(case):
    """The first component of the terms of a map: theirs is of the centred terms, and of the solver's sign."""
    activation, gradient = case.recorded()
    terms = gradient.mean((2, 3), keepdim=True) * activation
    right = first_direction(terms)
    right = right * (right * terms.sum(1)).sum((1, 2), keepdim=True).sign()
    assert close(case.ours("grad-cam(eigen=True)"), right, rtol=1e-4)
    theirs = torch.from_numpy(svd.get_2d_projection(terms.numpy())).double()
    assert off(theirs.abs(), right.abs()) > 0.01


def test_augment():
    """The mean of six maps: ours of the maps as they are, theirs of each stretched to 0 … 1, where the
    weakest counts as much as the strongest."""
    both = Beside(Stages(), (16, 20), "stem", count=1)
    clean, raw, scaled = both.inputs, [], []
    for mirrored in (False, True):
        for factor in (0.9, 1.0, 1.1):
            both.inputs = factor * (clean.flip(3) if mirrored else clean)
            activation, gradient = both.recorded()
            found = summed(gradient.mean((2, 3)), activation)
            raw.append(found.flip(2) if mirrored else found)
            scaled.append(drawn(raw[-1], clean.shape[2:]))
    both.inputs = clean
    assert close(both.ours("grad-cam(augment=True)"), torch.stack(raw).mean(0))
    net = copy.deepcopy(both.net)
    with pytorch_grad_cam.GradCAM(net, [net.stem]) as cam:
        theirs = cam(clean.clone(), [asked.ClassifierOutputTarget(TARGET)], aug_smooth=True)
    assert close(torch.from_numpy(theirs).double(), torch.stack(scaled).mean(0), rtol=1e-3)


def drawn(maps, size):
    """Return maps as pytorch-grad-cam hands them out: the positive part from 0 to 1, at the input's size."""
    return to_one(enlarged(to_one(maps.clamp(min=0)), size))


def test_legrad():
    """Given our head, torchcam's is the same. By itself it shows the head the mean of all tokens, where
    torchvision's own head reads the class token alone."""
    torch.manual_seed(0)
    net = torchvision.models.VisionTransformer(32, 8, 3, 2, 24, 48, num_classes=5).double().eval()
    nn.init.normal_(net.heads.head.weight)
    model = model_of(net, size=(32, 32))
    both = Beside(net, (32, 32), model.default_layer, count=2)
    ours = both.ours("legrad")

    def theirs(head):
        private = copy.deepcopy(net)
        with torchcam.LeGrad(private, list(private.encoder.layers), score_projection=head) as cam:
            private(both.inputs)
            (found,) = cam(TARGET, normalized=False)
        return found.double()

    assert close(ours, theirs(lambda tokens: net.heads(net.encoder.ln(tokens)[:, 0])))
    assert off(theirs(None), ours) > 0.05
