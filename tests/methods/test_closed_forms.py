"""Every map equals its closed form on nets whose answer is known by hand."""

import pytest
import torch
from nets import PooledLinear, Tail, inputs_for, model_of
from torch import nn

from interp import targets
from interp.methods import attribute, get
from interp.targets import LogitTarget

NAMES = ["cam", "grad-cam", "grad-cam-course", "hires-cam", "xgrad-cam", "layer-cam", "grad-cam-plus-plus"]
CLOSE = {"rtol": 2e-6, "atol": 1e-9}  # maps are float32, the expected ones double

QUERIES = {
    "one class": (2, {2: 1.0}),
    "another": (0, {0: 1.0}),
    "contrast": (targets.contrast(1, 3), {1: 1.0, 3: -1.0}),
    "negative": (targets.negative(1), {1: -1.0}),
    "sum": (2.5 * LogitTarget(((0, 1.0),), "a") + LogitTarget(((3, 1.0),), "b"), {0: 2.5, 3: 1.0}),
}


def expected(activation, w):
    """The closed forms of GAP + linear; `w` is the linear weight of the target, `(C,)`."""
    positions, channels = activation.shape[2] * activation.shape[3], activation.shape[1]

    def over(weights):
        return torch.einsum("bc,bchw->bhw", weights, activation)

    cam = over(w.expand(len(activation), -1))
    mean = activation.mean((2, 3))
    return {
        "cam": cam,
        "grad-cam": cam / positions,
        "grad-cam-course": cam / positions / channels,
        "hires-cam": cam / positions,
        "xgrad-cam": cam / positions,
        "layer-cam": over(w.clamp(min=0).expand(len(activation), -1)) / positions,
        "grad-cam-plus-plus": over(w.clamp(min=0) / (2 + w * mean)),
    }


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("relu", [True, False])
def test_pooling_and_linear(relu, bias, query):
    net = PooledLinear(relu=relu, bias=bias)
    model = model_of(net)
    inputs = inputs_for(model, 3)
    with torch.no_grad():
        activation = net.act(net.conv(inputs))
    ask, terms = QUERIES[query]
    w = sum(c * net.fc.weight.detach()[i] for i, c in terms.items())
    found = attribute(model, inputs, ask, NAMES, ["act"])
    for name, wanted in expected(activation, w).items():
        got = found.maps[0, "act", name]
        assert got.dtype == torch.float32
        if name == "grad-cam-plus-plus" and not relu:
            continue  # its own test below: the paper's formula needs activations of a ReLU
        torch.testing.assert_close(
            got.double(), wanted, **CLOSE, msg=lambda text, name=name: f"{name} {text}"
        )
    scores = sum(c * found.output[:, i] for i, c in terms.items())
    constant = sum(c * net.fc.bias[i] for i, c in terms.items()) if bias else 0
    torch.testing.assert_close(
        found.maps[0, "act", "hires-cam"].double().sum((1, 2)), scores - constant, **CLOSE
    )
    torch.testing.assert_close(found.maps[0, "act", "cam"].double().mean((1, 2)), scores - constant, **CLOSE)


@pytest.mark.parametrize("scale", [1.0, 1e-3, 40.0, 1e-9])
def test_grad_cam_plus_plus_has_no_epsilon_and_scales_as_its_formula_says(scale):
    net = PooledLinear(channels=7)
    model = model_of(net)
    inputs = inputs_for(model, 2)
    activation = net.act(net.conv(inputs)).detach()
    w, mean = scale * net.fc.weight[1].detach(), activation.mean((2, 3))
    weights = w.clamp(min=0) / (2 + w * mean)
    kept = torch.where(2 + w * mean > 0, weights, 0)
    wanted = torch.einsum("bc,bchw->bhw", kept, activation)
    found = attribute(model, inputs, scale * LogitTarget(((1, 1.0),), "c"), ["grad-cam-plus-plus"], ["act"])
    got = found.maps[0, "act", "grad-cam-plus-plus"].double()
    assert got.max() > 0
    torch.testing.assert_close(got, wanted, rtol=2e-6, atol=1e-9 * scale)


def test_grad_cam_plus_plus_keeps_what_a_tiny_gradient_says():
    activation = torch.rand(1, 4, 5, 6, dtype=torch.float64)
    gradient = (
        torch.tensor([1e-12, 3e-12, -1e-12, 0.0], dtype=torch.float64).view(1, 4, 1, 1).expand(1, 4, 5, 6)
    )
    got = get("grad-cam-plus-plus").function(activation, gradient)
    wanted = 30 * (1e-12 * activation[:, 0] + 3e-12 * activation[:, 1]) / 2
    torch.testing.assert_close(got, wanted, rtol=1e-9, atol=0)


def test_grad_cam_plus_plus_is_the_papers_alpha_where_that_is_defined():
    torch.manual_seed(0)
    activation = torch.rand(2, 3, 4, 5, dtype=torch.float64)
    gradient = torch.randn(2, 3, 4, 5, dtype=torch.float64) / 30
    alpha = gradient**2 / (2 * gradient**2 + activation.sum((2, 3), keepdim=True) * gradient**3)
    weights = (alpha * gradient.relu()).sum((2, 3))
    wanted = (weights[..., None, None] * activation).sum(1)
    torch.testing.assert_close(get("grad-cam-plus-plus").function(activation, gradient), wanted)


def test_grad_cam_plus_plus_ignores_positions_whose_alpha_has_no_meaning():
    activation = torch.full((1, 1, 2, 2), -1.0)
    gradient = torch.full((1, 1, 2, 2), 0.5)  # 2 + 0.5 · (−4) = 0
    assert (get("grad-cam-plus-plus").function(activation, gradient) == 0).all()


def test_layer_cam_and_hires_cam_by_hand():
    activation = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])
    gradient = torch.tensor([[[[1.0, -1.0]], [[-2.0, 0.5]]]])
    assert get("hires-cam").function(activation, gradient).tolist() == [[[-5.0, 0.0]]]
    assert get("layer-cam").function(activation, gradient).tolist() == [[[1.0, 2.0]]]
    assert get("grad-cam").function(activation, gradient).tolist() == [[[-0.75 * 3, -0.75 * 4]]]
    assert get("grad-cam-course").function(activation, gradient).tolist() == [[[-1.125, -1.5]]]


def test_xgrad_cam_weighs_gradients_by_activation_and_a_silent_channel_not_at_all():
    torch.manual_seed(1)
    activation = torch.rand(2, 4, 3, 5, dtype=torch.float64)
    gradient = torch.randn(2, 4, 3, 5, dtype=torch.float64)
    activation[0, 2] = 0
    share = activation / activation.sum((2, 3), keepdim=True)
    weights = (share * gradient).sum((2, 3)).nan_to_num(0)
    wanted = (weights[..., None, None] * activation).sum(1)
    torch.testing.assert_close(get("xgrad-cam").function(activation, gradient), wanted)
    # its axiom: the map sums to Σ g ⊙ A, as HiResCAM's does
    hires = get("hires-cam").function(activation, gradient)
    torch.testing.assert_close(wanted.sum((1, 2)), hires.sum((1, 2)))


def test_activation_maps_by_hand():
    activation = torch.tensor([[[[3.0, -1.0]], [[-4.0, 2.0]]]])
    assert get("activation-mean").function(activation).tolist() == [[[-0.5, 0.5]]]
    assert get("activation-abs").function(activation).tolist() == [[[3.5, 1.5]]]
    assert get("activation-max").function(activation).tolist() == [[[3.0, 2.0]]]
    assert get("activation-l2").function(activation)[0, 0, 0] == 5


@pytest.mark.parametrize("layer", ["features", "tail.1", "tail.2", "tail.4"])
def test_hires_cam_is_complete_through_a_bias_free_relu_and_max_pool_tail(layer):
    model = model_of(Tail(), size=(14, 17))
    inputs = inputs_for(model, 3, seed=5)
    found = attribute(model, inputs, targets.several(0, 1, 2), ["hires-cam"], [layer])
    for number in range(3):
        total = found.maps[number, layer, "hires-cam"].double().sum((1, 2))
        torch.testing.assert_close(total, found.output[:, number], rtol=1e-5, atol=1e-6)


def test_segmentation_head_over_a_mask():
    torch.manual_seed(2)
    net = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 3, 1)).double()
    model = model_of(net, size=(8, 10), task="segmentation")
    inputs = inputs_for(model, 2)
    mask = torch.rand(8, 10) < 0.3
    found = attribute(model, inputs, lambda out: out[:, 1][:, mask].sum(1), ["grad-cam", "hires-cam"], ["1"])
    logit = found.output[:, 1] - net[2].bias[1].detach()
    share = mask.double().mean()
    torch.testing.assert_close(found.maps[0, "1", "grad-cam"].double(), share * logit, **CLOSE)
    torch.testing.assert_close(found.maps[0, "1", "hires-cam"].double(), mask * logit, **CLOSE)


def test_cam_says_when_the_network_has_no_such_head():
    from interp.methods import MethodError

    model = model_of(Tail(), size=(14, 17))
    with pytest.raises(MethodError, match="global average pooling"):
        attribute(model, inputs_for(model), 0, ["cam"], ["features"])
    pooled = model_of(PooledLinear())
    with pytest.raises(MethodError, match="global average pooling"):  # same channels, not the pooled layer
        attribute(pooled, inputs_for(pooled), 0, ["cam"], ["conv"])
    with pytest.raises(targets.TargetError, match="not callables"):
        attribute(pooled, inputs_for(pooled), lambda out: out[:, 0], ["cam"], ["act"])


def test_a_layer_without_positions_is_refused_in_words():
    from interp.methods import MethodError

    model = model_of(PooledLinear())
    with pytest.raises(MethodError, match=r"Such layers are .act., .conv."):
        attribute(model, inputs_for(model), 0, ["grad-cam"], ["fc"])
