"""Score-CAM and its kin, against a plain loop over the channels."""

import pytest
import torch
import torch.nn.functional as F
from nets import PooledLinear, inputs_for, model_of
from torch import nn

from interp.methods import MethodError, attribute, get
from interp.methods.probe import Probe

NAMES = ["score-cam", "ss-cam", "is-cam"]


class Silent(PooledLinear):
    """Two of its six channels are constant: one at 0, one at 0.7."""

    def __init__(self):
        super().__init__(channels=6)
        with torch.no_grad():
            self.conv.weight[[1, 4]] = 0
            self.conv.bias[[1, 4]] = torch.tensor([-1.0, 0.7], dtype=torch.float64)


def found_of(model, inputs, name, layer="act", target=1):
    return attribute(model, inputs, target, [name], [layer]).maps[0, layer, get(name).name].double()


def by_hand(net, picture, target=1, *, steps=(1.0,), softmax=True):
    """Score-CAM of one picture, one channel after the other."""
    with torch.no_grad():
        activation = net.act(net.conv(picture[None]))
        large = F.interpolate(activation, size=picture.shape[1:], mode="bilinear", align_corners=False)[0]
        empty = net(torch.zeros_like(picture[None]))[0, target]
        kept, increases = [], []
        for channel, mask in enumerate(large):
            if mask.max() > mask.min():
                mask = (mask - mask.min()) / (mask.max() - mask.min())
                scores = [net(step * mask * picture[None])[0, target] for step in steps]
                kept.append(channel)
                increases.append(sum(scores) / len(scores) - empty)
        alpha = torch.stack(increases)
        alpha = alpha.softmax(0) if softmax else alpha
        return torch.einsum("k,khw->hw", alpha, activation[0, kept])


def close(got, wanted):
    """Whether two maps are the same; raises with the largest difference where they are not."""
    torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-7)
    return True


def test_score_cam_is_the_loop_over_channels_and_constant_ones_weigh_nothing():
    net = Silent()
    model = model_of(net)
    inputs = inputs_for(model, 2)
    found = found_of(model, inputs, "score-cam")
    increases = found_of(model, inputs, "score-cam(weights='increase')")
    for row, picture in enumerate(inputs):
        assert close(found[row], by_hand(net, picture))
        assert close(increases[row], by_hand(net, picture, softmax=False))


def test_the_authors_weights_are_the_increase_of_a_probability():
    net = Silent()
    model = model_of(net)
    inputs = inputs_for(model, 1)
    got = found_of(model, inputs, "score-cam(weights='increase')", target=lambda out: out.softmax(1)[:, 2])

    class Probability(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.act = net.conv, net.act

        def forward(self, x):
            return net(x).softmax(1)

    assert close(got[0], by_hand(Probability(), inputs[0], 2, softmax=False))


def test_masks_lie_on_the_input_of_a_network_that_makes_it_smaller():
    torch.manual_seed(0)
    net = PooledLinear()
    net.conv = nn.Conv2d(3, 5, 3, stride=3).double()
    model = model_of(net, size=(20, 26))
    inputs = inputs_for(model, 1)
    assert close(found_of(model, inputs, "score-cam")[0], by_hand(net, inputs[0]))


def test_the_chosen_channels_are_the_strongest_or_most_varied_or_have_the_largest_part_of_the_score():
    net = PooledLinear(channels=6)
    model = model_of(net)
    inputs = inputs_for(model, 1)
    activation = net.act(net.conv(inputs)).detach()
    parts = net.fc.weight[1].detach() * activation.mean((2, 3))[0]
    worths = {
        "mean": activation[0].flatten(1).abs().mean(1),
        "variance": activation[0].flatten(1).var(1),
        "gradient": parts,
    }
    assert len({int(worth.argmax()) for worth in worths.values()}) > 1
    for by, worth in worths.items():
        best = worth.argsort(descending=True)[:2]

        def chosen(picture, kept=best):
            some = activation[0, kept]
            low, high = some.amin((1, 2), keepdim=True), some.amax((1, 2), keepdim=True)
            scores = net(((some - low) / (high - low))[:, None] * picture)[:, 1].detach()
            return torch.einsum("k,khw->hw", scores.softmax(0), some)

        assert close(found_of(model, inputs, f"score-cam(channels=2, by='{by}')")[0], chosen(inputs))


@pytest.mark.parametrize("name", NAMES)
def test_fast_is_the_64_strongest_channels(name):
    model = model_of(PooledLinear(channels=80))
    inputs = inputs_for(model, 1)
    few = "samples=2" if name != "score-cam" else "seed=0"
    found = found_of(model, inputs, f"{name}(fast=True, {few})")
    assert found.equal(found_of(model, inputs, f"{name}(channels=64, {few})"))
    assert not found.equal(found_of(model, inputs, f"{name}({few})"))
    assert get(f"{name}(fast=True)").passes < get(name).passes / 8


def test_as_many_groups_as_channels_are_the_channels():
    model = model_of(PooledLinear(channels=6))
    inputs = inputs_for(model, 2)
    assert close(found_of(model, inputs, "score-cam(groups=6)"), found_of(model, inputs, "score-cam"))
    assert close(found_of(model, inputs, "score-cam(groups=50)"), found_of(model, inputs, "score-cam"))


@pytest.mark.parametrize("weights", ["softmax", "increase"])
def test_groups_of_equal_channels_cost_nothing(weights):
    net, double = PooledLinear(channels=3, seed=1), PooledLinear(channels=6)
    with torch.no_grad():
        of = [0, 1, 1, 2, 1, 0]
        double.conv.weight.copy_(net.conv.weight[of])
        double.conv.bias.copy_(net.conv.bias[of])
    model = model_of(double)
    inputs = inputs_for(model, 1)
    for seed in range(20):  # k-means may start two clusters in the same channels; then it is another answer
        got = found_of(model, inputs, f"score-cam(groups=3, weights='{weights}', seed={seed})")
        wanted = found_of(model, inputs, f"score-cam(weights='{weights}')")
        if torch.allclose(got, wanted, rtol=1e-5):
            return
    pytest.fail("three groups never were the three kinds of channels")


def test_ss_cam_without_noise_and_is_cam_of_one_step_are_score_cam():
    model = model_of(Silent())
    inputs = inputs_for(model, 2)
    wanted = found_of(model, inputs, "score-cam")
    assert close(found_of(model, inputs, "ss-cam(std=0, samples=3)"), wanted)
    assert close(found_of(model, inputs, "is-cam(samples=1)"), wanted)


def test_is_cam_is_the_mean_over_the_way_from_the_empty_picture():
    net = Silent()
    model = model_of(net)
    inputs = inputs_for(model, 1)
    got = found_of(model, inputs, "is-cam(samples=4)")[0]
    assert close(got, by_hand(net, inputs[0], steps=(0.25, 0.5, 0.75, 1.0)))


def test_ss_cam_has_its_own_noise():
    model = model_of(PooledLinear())
    inputs = inputs_for(model, 1)
    first = found_of(model, inputs, "ss-cam(samples=3)")
    torch.manual_seed(99)
    state = torch.get_rng_state()
    assert torch.equal(first, found_of(model, inputs, "ss-cam(samples=3)"))
    assert torch.equal(state, torch.get_rng_state())
    assert not torch.equal(first, found_of(model, inputs, "ss-cam(samples=3, seed=1)"))
    assert not torch.equal(first, found_of(model, inputs, "ss-cam(samples=3, std=0.5)"))


def test_ss_cam_noise_follows_the_scale_of_the_layer():
    """The same network with all channels ten times as large, and the head as much smaller."""
    net, large = PooledLinear(), PooledLinear()
    with torch.no_grad():
        large.conv.weight.mul_(10)
        large.conv.bias.mul_(10)
        large.fc.weight.div_(10)
    inputs = inputs_for(model_of(net), 1)
    assert close(
        found_of(model_of(large), inputs, "ss-cam(samples=3)"),
        10 * found_of(model_of(net), inputs, "ss-cam(samples=3)"),
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("score-cam(channels=-1)", "channels=-1"),
        ("score-cam(groups=2, channels=2)", "give one of them"),
        ("score-cam(fast=True, channels=2)", "give one of them"),
        ("score-cam(by='size')", "mean, variance, gradient"),
        ("is-cam(weights='sum')", "softmax or increase"),
        ("ss-cam(samples=0)", "samples=0"),
        ("ss-cam(std=-1)", "std=-1"),
    ],
)
def test_options_that_do_not_fit(name, said):
    model = model_of(PooledLinear())
    with pytest.raises(MethodError, match=said):
        found_of(model, inputs_for(model), name)


@pytest.mark.parametrize("name", [*NAMES, "ablation-cam"])
def test_a_layer_without_positions_is_refused_in_words(name):
    model = model_of(PooledLinear())
    with pytest.raises(MethodError, match="needs positions"):
        found_of(model, inputs_for(model), name, layer="fc")


@pytest.mark.parametrize(
    "name", [*NAMES, "ablation-cam", "occlusion", "rise(masks=40)", "extremal-perturbation"]
)
def test_it_stops_within_a_pass_when_told_to(name):
    model = model_of(PooledLinear(channels=40))
    passes = []

    class StoppedError(Exception):
        pass

    def progress(done, total):
        assert 0 <= done <= total
        if done:
            raise StoppedError

    net_run = Probe.run

    def counting(self, inputs):
        passes.append(len(inputs))
        return net_run(self, inputs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Probe, "run", counting)
        with pytest.raises(StoppedError):
            attribute(model, inputs_for(model), 1, [name], ["act"], progress=progress)
    assert sum(passes) <= 14


class Grid(nn.Module):
    """A small classifier of signals, pictures or volumes."""

    def __init__(self, dimensions):
        super().__init__()
        torch.manual_seed(0)
        self.conv = [nn.Conv1d, nn.Conv2d, nn.Conv3d][dimensions - 1](2, 5, 3, padding=1)
        self.act = nn.ReLU()
        self.fc = nn.Linear(5, 3)

    def forward(self, x):
        return self.fc(self.act(self.conv(x)).flatten(2).mean(2))


@pytest.mark.parametrize("size", [(40,), (4, 5, 6)])
@pytest.mark.parametrize(
    "name",
    [
        "score-cam",
        "score-cam(groups=2)",
        "ss-cam(samples=2)",
        "is-cam(samples=2)",
        "ablation-cam",
        "occlusion(window=3, stride=2, baseline='blur')",
        "rise(masks=20)",
        "extremal-perturbation(steps=4)",
    ],
)
def test_signals_and_volumes(name, size):
    model = model_of(Grid(len(size)), input_shape=(2, *size))
    inputs = torch.randn(1, 2, *size, generator=torch.Generator().manual_seed(0))
    (found,) = attribute(model, inputs, 1, [name], ["act"]).maps.values()
    assert found.shape == (1, *size)
    assert found.isfinite().all()
    assert found.any()
