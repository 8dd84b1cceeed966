"""What must not change a map, over the whole registry."""

import copy
import math

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nets import (
    EVERY,
    GENERAL,
    HOMOGENEOUS,
    NEVER_FLAT,
    TARGETED,
    Block,
    PooledLinear,
    inputs_for,
    model_of,
    only,
)
from torch import nn

from interp import targets
from interp.capture import CaptureError
from interp.methods import INPUT, attribute, get
from interp.targets import LogitTarget, TargetError

CLOSE = {"rtol": 1e-4, "atol": 1e-6}


def maps(model, inputs, methods, target=1, layers=("act",)):
    return attribute(model, inputs, target, methods, layers).maps


def close(got, wanted, share=1e-5):
    """Whether two maps are the same; raises with the largest difference where they are not."""
    torch.testing.assert_close(got, wanted, rtol=0, atol=share * float(wanted.abs().max()) + 1e-12)
    return True


@pytest.mark.parametrize("method", EVERY)
def test_a_batch_is_its_pictures_one_by_one(method):
    model = model_of(PooledLinear())
    inputs = inputs_for(model, 5)
    asked = [0, 3, targets.contrast(1, 2), None, 2]
    together = only(maps(model, inputs, [method], asked), method)
    for row in range(5):
        alone = only(maps(model, inputs[row : row + 1], [method], asked[row]), method)
        assert close(together[row], alone[0])


@pytest.mark.parametrize("method", TARGETED)
def test_other_pictures_in_the_batch_do_not_matter(method):
    model = model_of(PooledLinear())
    inputs = inputs_for(model, 3)
    before = only(maps(model, inputs, [method]), method)[0]
    inputs[1:] = 100 * torch.randn(2, *inputs.shape[1:], generator=torch.Generator().manual_seed(7))
    assert close(only(maps(model, inputs, [method]), method)[0], before)


@pytest.mark.parametrize("factor", [1e-6, 0.5, 1e5])
@pytest.mark.parametrize("method", HOMOGENEOUS)
def test_scaling_the_target_leaves_the_normalised_map(method, factor):
    model = model_of(PooledLinear())
    inputs = inputs_for(model, 2)
    one = LogitTarget(((1, 1.0),), "one")
    plain = only(maps(model, inputs, [method], one), method)
    scaled = only(maps(model, inputs, [method], factor * one), method)
    for a, b in zip(plain, scaled, strict=True):
        assert close(b / b.abs().max(), a / a.abs().max())


@pytest.mark.parametrize("method", [m for m in EVERY if m not in TARGETED])
def test_activation_methods_do_not_see_the_target(method):
    model = model_of(PooledLinear())
    inputs = inputs_for(model, 2)
    first = only(maps(model, inputs, [method], 0), method)
    assert torch.equal(first, only(maps(model, inputs, [method], targets.negative(3)), method))


@pytest.mark.parametrize("layer", ["stem", "stem.1", "layer", "layer.1", "relu@0", "conv"])
@pytest.mark.parametrize("method", GENERAL)
def test_in_place_networks_give_the_map_of_out_of_place_ones(method, layer):
    model, other = model_of(Block(change=True)), model_of(Block(change=False))
    inputs = inputs_for(model, 2)
    got = only(maps(model, inputs, [method], layers=[layer]), method)
    assert close(got, only(maps(other, inputs, [method], layers=[layer]), method))


class Aliased(nn.Module):
    """Adds what its in-place ReLU wrote over: were the ReLU not in place, it would be another network."""

    def __init__(self, *, inplace):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3)
        self.relu = nn.ReLU(inplace)
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        a = self.conv(x)
        b = self.relu(a)
        return self.fc((2 * b + (a if self.relu.inplace else b)).mean((2, 3)))


@pytest.mark.parametrize("method", GENERAL)
def test_a_network_that_needs_its_in_place_relu_is_explained_as_what_it_computes(method):
    net = Aliased(inplace=True).train()
    model, other = model_of(net), model_of(Aliased(inplace=False))
    inputs = inputs_for(model, 2)
    assert close(*(only(maps(m, inputs, [method], layers=["conv"]), method) for m in (model, other)))
    assert net.training
    assert net.relu.inplace


class Normalising(nn.Module):
    """Changes its own input in place, and multiplies with it later."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.act = nn.Conv2d(3, 3, 3, padding=1)
        self.fc = nn.Linear(3, 3)

    def forward(self, x):
        x.sub_(0.25).div_(0.5)
        return self.fc((x * self.act(x)).mean((2, 3)))


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_inputs_stay_as_they_were_even_where_the_network_changes_them(mode):
    model = model_of(Normalising())
    with mode():
        inputs = inputs_for(model, 2)
        kept = inputs.clone()
        first = maps(model, inputs, ["grad-cam"])
        again = maps(model, inputs, ["grad-cam"])
        assert torch.equal(inputs, kept)
        assert torch.equal(first[0, "act", "grad-cam"], again[0, "act", "grad-cam"])
        assert model.default_layer == "act"


def state_of(module):
    """Everything that an explanation might leave behind on a module."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        "modules": [(name, id(part), type(part), part.training) for name, part in module.named_modules()],
        "attributes": [sorted(vars(part)) for part in module.modules()],
        "hooks": [[list(getattr(part, kind).items()) for kind in hooks] for part in module.modules()],
        "inplace": [getattr(part, "inplace", None) for part in module.modules()],
        "flags": [(name, p.requires_grad, p.grad, id(p)) for name, p in module.named_parameters()],
        "values": {
            name: ((id(t), t._version, t.data_ptr()), t.clone())
            for name, t in (*module.named_parameters(), *module.named_buffers())
        },
    }


def assert_same(before, after):
    values, now = before.pop("values"), after.pop("values")
    assert before == after
    assert values.keys() == now.keys()
    for name, (kept, tensor) in values.items():
        assert kept == now[name][0]
        assert torch.equal(tensor, now[name][1])


class Interrupted(KeyboardInterrupt):
    pass


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("fails", [None, ValueError, Interrupted])
def test_the_users_model_is_as_it_was(training, fails):
    net = Block().train(training)
    net.layer.eval()
    net.stem[0].weight.requires_grad_(False)
    calls = []
    net.relu.register_forward_hook(lambda *_: calls.append(1) and None)
    model = model_of(net)
    net.fc.weight.grad = torch.ones_like(net.fc.weight)
    grad = net.fc.weight.grad
    before = state_of(net)
    before["flags"] = [(n, r, g is grad, i) for n, r, g, i in before["flags"]]

    def target(output):
        if fails:
            raise fails("stop")
        return output[:, 1]

    methods = GENERAL
    inputs = inputs_for(model, 2)
    if fails:
        with pytest.raises(fails):
            attribute(model, inputs, target, methods, ["layer"])
    else:
        attribute(model, inputs, target, methods, ["layer"])
    after = state_of(net)
    after["flags"] = [(n, r, g is grad, i) for n, r, g, i in after["flags"]]
    assert_same(before, after)
    assert (grad == 1).all()
    fails = None
    attribute(model, inputs, target, methods, ["layer"])  # and it still works


@pytest.mark.parametrize("method", EVERY)
@pytest.mark.parametrize("mode", ["frozen", "no_grad", "inference_mode", "train()"])
def test_the_same_map_whatever_mode_the_caller_is_in(method, mode):
    inputs = inputs_for(model_of(PooledLinear()), 2)
    wanted = only(maps(model_of(PooledLinear()), inputs, [method]), method)
    net = PooledLinear()
    if mode == "frozen":
        net.requires_grad_(False)
    if mode == "train()":
        net.train()
    outside = {"no_grad": torch.no_grad, "inference_mode": torch.inference_mode}.get(mode, torch.enable_grad)
    with outside():
        model = model_of(net)  # twins and table are made in there, too
        prepared = inputs.clone()
        got = only(maps(model, prepared, [method], layers=[model.layers.resolve("act")]), method)
        assert torch.equal(got, wanted)


@pytest.mark.parametrize("method", EVERY)
def test_a_half_precision_model_is_close_and_finite(method):
    inputs = inputs_for(model_of(PooledLinear()), 2).float()
    wanted = only(maps(model_of(PooledLinear().float()), inputs, [method]), method)
    got = only(maps(model_of(PooledLinear().bfloat16()), inputs.bfloat16(), [method]), method)
    assert got.dtype == torch.float32
    assert got.isfinite().all()
    assert close(got, wanted, share=0.06)


@pytest.mark.parametrize("method", [m for m in EVERY if m not in NEVER_FLAT])
@pytest.mark.parametrize("value", ["zero", "constant", "dead"])
def test_flat_activations_give_no_nan(method, value):
    net = PooledLinear(relu=value == "dead")
    with torch.no_grad():
        net.conv.weight.zero_()
        net.conv.bias.fill_({"zero": 0.0, "constant": 0.7, "dead": -1.0}[value])
    model = model_of(net)
    found = only(maps(model, inputs_for(model, 2), [method]), method)
    assert found.isfinite().all()
    assert float(found.max() - found.min()) <= 1e-6


def test_everything_at_once_is_one_at_a_time():
    model = model_of(Block())
    inputs = inputs_for(model, 3)
    layers = ["stem", "layer", "conv"]
    asked = [0, 2, targets.contrast(3, 1), lambda out: out.square().sum(1)]
    found = attribute(model, inputs, targets.several(*asked), GENERAL, layers).maps
    places = [(layer if get(m).place == "layer" else INPUT, get(m).name) for layer in layers for m in GENERAL]
    assert list(found) == [(n, *place) for n in range(4) for place in dict.fromkeys(places)]
    for (number, layer, method), got in found.items():
        wanted = attribute(model, inputs, asked[number], [method], None if layer == INPUT else [layer]).maps
        assert torch.equal(got, wanted[0, layer, method]), (number, layer, method)


def test_pictures_with_fewer_targets_than_others():
    model = model_of(PooledLinear())
    inputs = inputs_for(model, 2)
    found = attribute(model, inputs, [targets.top(3), 1], ["grad-cam", "cam"], ["act"])
    assert [len(own) for own in found.targets] == [3, 1]
    alone = attribute(model, inputs[:1], targets.top(3), ["grad-cam", "cam"], ["act"])
    for method in ("grad-cam", "cam"):
        assert close(found.maps[2, "act", method][0], alone.maps[2, "act", method][0])
        assert (found.maps[2, "act", method][1] == 0).all()


class Reused(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(4)
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.fc = nn.Linear(3, 2)

    def forward(self, x):
        for _ in range(3):
            x = self.conv(x).tanh()
        return self.fc(x.mean((2, 3)))


class Unrolled(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.calls = nn.ModuleList([copy.deepcopy(net.conv) for _ in range(3)])
        self.fc = net.fc

    def forward(self, x):
        for conv in self.calls:
            x = conv(x).tanh()
        return self.fc(x.mean((2, 3)))


@pytest.mark.parametrize("method", GENERAL)
def test_every_call_of_a_reused_module_can_be_picked(method):
    net = Reused()
    model, unrolled = model_of(net), model_of(Unrolled(net))
    inputs = inputs_for(model, 2)
    names = ["conv@0", "conv@1", "conv@2", "conv"]
    found = maps(model, inputs, [method], layers=names)
    wanted = maps(unrolled, inputs, [method], layers=["calls.0", "calls.1", "calls.2"])
    if get(method).place == "input":
        assert close(only(found, method), only(wanted, method))
        return
    for call in range(3):
        assert close(found[0, f"conv@{call}", get(method).name], wanted[0, f"calls.{call}", get(method).name])
    assert torch.equal(found[0, "conv", get(method).name], found[0, "conv@2", get(method).name])


@pytest.mark.parametrize("count", [0, 1, 3])
def test_as_many_targets_as_pictures_or_one(count):
    model = model_of(PooledLinear())
    with pytest.raises(TargetError, match=f"{count} targets? for 2 pictures"):
        attribute(model, inputs_for(model, 2), [0] * count)


@pytest.mark.parametrize("wrong", [lambda out: out.sum(), lambda out: out[:, :2], lambda out: 3.0])
def test_a_callable_must_give_one_score_for_each_picture(wrong):
    model = model_of(PooledLinear())
    with pytest.raises(TargetError, match="one score for each picture"):
        attribute(model, inputs_for(model, 2), wrong)


def test_a_target_beside_the_layer_is_said_in_words():
    model = model_of(PooledLinear())
    with pytest.raises(CaptureError, match="does not depend on"):
        attribute(model, inputs_for(model, 1), lambda out: torch.ones(len(out)), ["grad-cam"], ["act"])


@pytest.mark.slow
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(1, 13), st.integers(2, 13), st.integers(1, 6), st.integers(1, 5), st.integers(1, 3))
def test_all_methods_on_the_default_layer_of_tiny_nets(height, width, channels, classes, batch):
    net = nn.Sequential(
        nn.Conv2d(3, channels, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, classes),
    )
    model = model_of(net, size=(height, width))
    inputs = inputs_for(model, batch)
    layer = model.default_layer
    # Of five positions none lies two standard deviations above the mean, and fem says so.
    methods = [method for method in EVERY if method != "fem" or height * width > 5]
    for (_, name, method), found in attribute(model, inputs, None, methods).maps.items():
        assert name == (layer if get(method).place == "layer" else INPUT)
        assert found.shape == (batch, height, width), method
        assert found.dtype == torch.float32
        assert found.isfinite().all(), method
        assert not found.requires_grad
        assert math.isfinite(float(found.sum()))
