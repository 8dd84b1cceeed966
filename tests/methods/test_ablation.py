"""Ablation-CAM: its closed form, the score's sign, and what runs for it."""

import copy

import pytest
import torch
from nets import Block, PooledLinear, Tail, inputs_for, model_of
from torch import nn

from interp import targets
from interp.methods import MethodError, attribute
from interp.targets import LogitTarget


def found_of(model, inputs, target, layer="act", name="ablation-cam"):
    return attribute(model, inputs, target, [name], [layer]).maps[0, layer, name].double()


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("channels", [0, 1, 3])
@pytest.mark.parametrize("index", [0, 1, 2, 3])
def test_pooling_and_linear(index, channels, relu):
    """`w_k · mean(A_k) / |s|`; to first order, too, since everything is linear."""
    net = PooledLinear(relu=relu)
    model = model_of(net)
    inputs = inputs_for(model, 3)
    with torch.no_grad():
        activation = net.act(net.conv(inputs))
        scores = net(inputs)[:, index]
    weights = net.fc.weight[index].detach() * activation.mean((2, 3)) / scores.abs()[:, None]
    wanted = torch.einsum("bc,bchw->bhw", weights, activation)
    name = f"ablation-cam(channels={channels})" if channels else "ablation-cam"
    torch.testing.assert_close(found_of(model, inputs, index, name=name), wanted, rtol=1e-5, atol=1e-9)


def test_a_negative_score_does_not_turn_the_map():
    """Evidence stays evidence when a bias makes the score negative; at 0 the map is not divided."""
    net = PooledLinear()
    inputs = inputs_for(model_of(net), 1)
    score = net(inputs)[0, 1].item()
    maps = []
    for wanted in (2.0, -2.0, 0.0):
        moved = copy.deepcopy(net)
        with torch.no_grad():
            moved.fc.bias[1] += wanted - score
            if wanted == 0:  # to the last bit
                moved.fc.bias[1] -= moved(inputs)[0, 1]
                assert moved(inputs)[0, 1] == 0
        maps.append(found_of(model_of(moved), inputs, 1))
    torch.testing.assert_close(maps[1], maps[0], rtol=1e-5, atol=1e-9)
    torch.testing.assert_close(maps[2], 2 * maps[0], rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize(
    ("layer", "net"), [("features", Tail()), ("stem.1", Block().double()), ("layer", Block().double())]
)
def test_a_channel_weighs_what_the_score_loses_without_it(layer, net):
    """Every channel set to 0 by a hook, through tails that are not linear."""
    net = net.eval()
    model = model_of(net, size=(16, 18))
    inputs = inputs_for(model, 1)
    kept = {}

    def run(channel):
        def hook(_module, _args, output):
            kept["activation"] = output.clone()
            output = output.clone()
            if channel is not None:
                output[:, channel] = 0
            return output

        handle = copied.get_submodule(layer).register_forward_hook(hook)
        try:
            return copied(inputs.clone())[0, 1].item()
        finally:
            handle.remove()

    copied = copy.deepcopy(net)
    with torch.no_grad():
        score = run(None)
        without = [run(channel) for channel in range(kept["activation"].shape[1])]
        weights = (score - torch.tensor(without, dtype=torch.float64)) / abs(score)
        wanted = torch.einsum("c,chw->hw", weights, kept["activation"][0])
    torch.testing.assert_close(found_of(model, inputs, 1, layer)[0], wanted, rtol=1e-5, atol=1e-8)


class Counted(nn.Module):
    """Counts the pictures that come by."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, x):
        self.seen.append(len(x))
        return x


def test_only_the_tail_runs_and_a_silent_channel_not_at_all():
    net = PooledLinear(channels=40)
    with torch.no_grad():
        net.conv.weight[10:] = 0
        net.conv.bias[10:] = -1
    seen = []
    before, after = nn.Identity(), nn.Identity()
    before.forward = lambda x: seen.append(("before", len(x))) or x
    after.forward = lambda x: seen.append(("after", len(x))) or x
    net.conv = nn.Sequential(before, net.conv)
    net.fc = nn.Sequential(after, net.fc)
    model = model_of(net)
    inputs = inputs_for(model, 1)
    found_of(model, inputs, 1)  # twins are made
    seen.clear()
    found_of(model, inputs, 1)
    counts = {side: sum(n for name, n in seen if name == side) for side in ("before", "after")}
    assert counts["before"] <= 4  # for the output, the activation and what the replay remembers
    assert counts["after"] <= 4 + 2 + 1 + 10  # and the replay's own check, the score and ten channels


def test_the_largest_channels_are_exact_and_the_others_first_order():
    model = model_of(Block().double(), size=(16, 18))
    inputs = inputs_for(model, 1)
    exact = found_of(model, inputs, 1, "stem.1")
    assert torch.equal(found_of(model, inputs, 1, "stem.1", "ablation-cam(channels=8)"), exact)
    near = found_of(model, inputs, 1, "stem.1", "ablation-cam(channels=7)")
    far = found_of(model, inputs, 1, "stem.1", "ablation-cam(channels=1)")
    assert not torch.equal(near, exact)
    assert (near - exact).norm() < (far - exact).norm()


def test_contrasts_sums_and_options():
    model = model_of(PooledLinear())
    inputs = inputs_for(model, 2)
    both = LogitTarget(((0, 2.0), (1, 2.0)), "both")
    assert found_of(model, inputs, targets.contrast(1, 3)).isfinite().all()
    assert found_of(model, inputs, both).shape == (2, 9, 11)
    with pytest.raises(MethodError, match="channels=-3"):
        found_of(model, inputs, 1, name="ablation-cam(channels=-3)")
