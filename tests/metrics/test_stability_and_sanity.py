"""Complexity, stability and sanity: closed forms, and networks whose symmetries are known."""

import math

import pytest
import torch
from captum.metrics import sensitivity_max
from torch import nn
from trials import SUM, Linear, class_target, trial_of, trial_on_map

from interp.dense import RegionTarget
from interp.logits import CallableTarget
from interp.metrics import MetricError, get

PICTURE = torch.rand(1, 3, 12, 16, generator=torch.Generator().manual_seed(2))


def net(kernel=1, symmetric=False):
    torch.manual_seed(1)
    first = nn.Conv2d(3, 5, kernel, padding=kernel // 2, padding_mode="replicate")
    if symmetric:
        with torch.no_grad():
            first.weight.copy_((first.weight + first.weight.flip(-1)) / 2)
    return nn.Sequential(
        first,
        nn.ReLU(),
        nn.Conv2d(5, 6, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 4),
    ).eval()


def mapped(module, method="hirescam", layer="3", target=None, inputs=PICTURE, **settings):
    target = target or class_target(1)
    trial = trial_of(module, inputs, torch.empty(0), method=method, target=target, layer=layer, **settings)
    map = trial.again(inputs)[0]
    return type(trial)(trial.probe, trial.method, map)


@pytest.mark.parametrize("count", [1, 2, 7, 49])
def test_sparseness_and_entropy_of_a_uniform_map_and_of_one_position(count):
    uniform, single = torch.full((1, count), -3.0), torch.zeros(1, count)
    single[0, -1] = 5
    assert get("sparseness")(trial_on_map(uniform)).value == pytest.approx(0)
    assert get("sparseness")(trial_on_map(single)).value == pytest.approx(1 - 1 / count)
    assert get("entropy")(trial_on_map(uniform)).value == pytest.approx(1 if count > 1 else 0)
    assert get("entropy")(trial_on_map(single)).value == pytest.approx(0)


def test_sparseness_is_the_mean_difference_over_twice_the_mean():
    map = torch.rand(5, 6, generator=torch.Generator().manual_seed(0))
    flat = map.flatten().double()
    expected = (flat[:, None] - flat).abs().mean() / (2 * flat.mean())
    assert get("sparseness")(trial_on_map(map)).value == pytest.approx(float(expected))


@pytest.mark.parametrize("name", ["sparseness", "entropy", "max-sensitivity"])
def test_a_map_of_zeros_has_no_number_but_a_reason(name):
    trial = trial_of(net(), PICTURE, torch.zeros(12, 16), layer="3", target=class_target())
    found = get(name)(trial)
    assert math.isnan(found.value)
    assert found.note == "the map is 0 everywhere"


def test_a_map_that_is_not_finite_has_no_number_but_a_reason():
    found = get("deletion")(trial_on_map(torch.full((3, 3), math.nan)))
    assert math.isnan(found.value)
    assert found.note == "the map is not finite"


def test_the_gradient_of_a_linear_network_is_never_sensitive():
    weight = torch.randn(1, 3, 12, 16, generator=torch.Generator().manual_seed(4))
    trial = mapped(Linear(weight), "saliency", "", SUM)
    assert get("max-sensitivity")(trial).value == 0


def test_max_sensitivity_is_captum_s_on_the_same_noise(monkeypatch):
    trial = mapped(net(3), "hirescam")
    found = get("max-sensitivity(samples=4, seed=3)")(trial).value
    noise = torch.rand(4, 3, 12, 16, generator=torch.Generator().manual_seed(3))

    def same(inputs, radius):
        return inputs + radius * (2 * noise - 1)

    theirs = sensitivity_max(
        lambda inputs: (trial.again(inputs if isinstance(inputs, torch.Tensor) else inputs[0])[:, None],),
        PICTURE,
        perturb_func=same,
        perturb_radius=0.02,
        n_perturb_samples=4,
        norm_ord="fro",
    )
    assert found == pytest.approx(float(theirs), rel=1e-4)
    assert found > 0


def test_a_network_that_cannot_tell_left_from_right_agrees_with_its_mirror_image():
    assert get("flip-agreement")(mapped(net(3, symmetric=True))).value == pytest.approx(1, abs=1e-6)
    assert get("flip-agreement")(mapped(net(3))).value < 0.999


def test_a_network_of_single_positions_agrees_under_every_shift():
    assert get("shift-agreement(by=3)")(mapped(net(1))).value == pytest.approx(1, abs=1e-6)


def test_a_map_that_knows_nothing_does_not_move_with_the_picture():
    trial = mapped(net(1), "random")
    assert get("shift-agreement(by=3)")(trial).value < 0.5
    assert get("flip-agreement")(trial).value < 0.5


def test_regions_move_with_the_picture():
    dense = nn.Sequential(nn.Conv2d(3, 5, 1), nn.ReLU(), nn.Conv2d(5, 2, 1)).eval()
    region = torch.zeros(12, 16, dtype=torch.bool)
    region[5:7, 5:9] = True
    target = RegionTarget(1, region, "there")
    trial = mapped(dense, "hirescam", "1", target, task="segmentation")
    assert get("flip-agreement")(trial).value == pytest.approx(1, abs=1e-6)
    assert get("shift-agreement(by=2)")(trial).value == pytest.approx(1, abs=1e-6)


def test_what_cannot_be_moved_is_refused():
    trial = mapped(net(1), target=CallableTarget(lambda output: output[:, 0], "mine"))
    for name in ("flip-agreement", "shift-agreement"):
        with pytest.raises(MetricError, match="cannot move what 'mine' asks for"):
            get(name)(trial)


def test_chance_alone_changes_with_the_seed():
    assert get("seed-agreement")(mapped(net(1))).value == 1
    assert abs(get("seed-agreement")(mapped(net(1), "random")).value) < 0.3
    assert get("seed-agreement")(mapped(net(1), "smoothgrad(samples=4)", "")).value > 0.3


def test_a_map_that_needs_no_weights_survives_their_randomisation():
    found = get("randomisation")(mapped(net(3), "random"))
    assert found.value == pytest.approx(1)
    assert found.curves["SSIM"].scores == pytest.approx([1] * 4)
    assert found.curves["rank correlation"].parts == pytest.approx((0, 1 / 3, 2 / 3, 1))


def test_a_map_that_needs_the_weights_does_not_and_the_network_stays_as_it_was():
    module = net(3)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    trial = mapped(module)
    twin_before = [value.clone() for value in trial.probe.module.parameters()]
    found = get("randomisation(seed=1)")(trial)
    assert abs(found.value) < 0.8
    assert all(value.equal(before[name]) for name, value in module.state_dict().items())
    assert all(a.equal(b) for a, b in zip(trial.probe.module.parameters(), twin_before, strict=True))
    assert found == get("randomisation(seed=1)")(trial)


def test_activations_alone_do_not_know_the_class():
    assert get("random-class")(mapped(net(3), "activation-mean")).value == pytest.approx(1)
    assert get("random-class(classes=3)")(mapped(net(3))).value < 0.99


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("random-class(classes=4)", "give 1 to 3"),
        ("randomisation(steps=0)", "give 1 or more"),
        ("max-sensitivity(radius=0.0)", "give more than 0"),
        ("max-sensitivity(samples=0)", "give 1 or more"),
        ("shift-agreement(by=40.0)", "give more than 0"),
        ("seed-agreement(seeds=0)", "give 1 or more"),
    ],
)
def test_wrong_options_are_refused_in_a_sentence(name, sentence):
    with pytest.raises(MetricError, match=sentence):
        get(name)(mapped(net()))
