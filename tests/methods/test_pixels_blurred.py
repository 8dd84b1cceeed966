"""Local attribution maps: closed forms, what they add up to, and what their notes say."""

import itertools
import math

import pytest
import torch
from nets import model_of
from torch import nn
from torchvision.transforms.v2.functional import gaussian_blur

from interp import targets
from interp.features import diffusion_index
from interp.images import Preprocess
from interp.methods import MethodError, attribute, get
from interp.methods.perturbing import blurred
from interp.models import ImageModel
from interp.targets import TargetError

SIZE = (13, 17)
MIDDLE = (0.3, 0.3, 0.7, 0.7)


def picture(channels=3, size=SIZE, seed=0):
    return torch.rand(1, channels, *size, generator=torch.Generator().manual_seed(seed)).double()


def restorer(*, channels=3, smooth=True, times=1):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(channels, 6, 3, padding=1),
        nn.Tanh() if smooth else nn.ReLU(),
        nn.Conv2d(6, channels * times**2, 3, padding=1),
        nn.PixelShuffle(times),
    ).double()


def image_model(net, size=SIZE, channels=3):
    prepared = Preprocess(size, (0.5,) * channels, (0.5,) * channels, fit="squish")
    return ImageModel(net, prepared, "restorer", task="image", activation="none")


def explained(model, inputs, target, method="lam"):
    found = attribute(model, inputs, target, [method])
    ((key, maps),) = found.maps.items()
    return maps[0], found.notes[key][0]


def missing(net, inputs, target, sigma=1.2):
    with torch.no_grad():
        start = blurred(inputs, sigma, math.ceil(3 * sigma))
        return float(target(net(inputs)) - target(net(start)))


@pytest.mark.parametrize("steps", [1, 2, 9])
@pytest.mark.parametrize("sigma", [0.3, 1.2, 5.0])
def test_of_a_linear_network_it_is_the_weight_times_what_the_blur_took_away(steps, sigma):
    torch.manual_seed(0)
    net = nn.Conv2d(3, 3, 3, padding=1).double()
    inputs, patch = picture(), targets.value((0.2, 0.3, 0.6, 0.7))
    given = inputs.clone().requires_grad_()
    (weight,) = torch.autograd.grad(patch(net(given)).sum(), given)
    wanted = (weight * (inputs - blurred(inputs, sigma)))[0].sum(0)
    got, _ = explained(image_model(net), inputs, patch, f"lam(sigma={sigma}, steps={steps})")
    torch.testing.assert_close(got, wanted.float(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    "target",
    [targets.gradient_energy(MIDDLE), targets.value((0.5, 0.5)), targets.band(0.1, 0.4)],
)
@pytest.mark.parametrize("times", [1, 2])
def test_of_a_smooth_network_it_adds_up_to_a_thousandth(target, times):
    net, inputs = restorer(times=times), picture()
    wanted = missing(net, inputs, target)
    got, notes = explained(image_model(net), inputs, target)
    assert float(got.double().sum()) == pytest.approx(wanted, rel=1e-3)
    assert notes[0] == f"Σ {float(got.double().sum()):.4g} of {wanted:.4g}"


@pytest.mark.parametrize(("sigma", "steps"), [(1.2, 25), (6.0, 50), (20.0, 50)])
def test_a_strong_blur_needs_hardly_more_steps(sigma, steps):
    net, inputs, target = restorer(), picture(size=(33, 35)), targets.gradient_energy(MIDDLE)
    wanted, model = missing(net, inputs, target, sigma), image_model(net, (33, 35))
    got, _ = explained(model, inputs, target, f"lam(sigma={sigma}, steps={steps})")
    assert float(got.double().sum()) == pytest.approx(wanted, rel=1e-3)


def test_more_steps_than_go_into_one_pass_are_the_same_way(monkeypatch):
    import interp.methods.pixels_blurred as module

    net, inputs, target = restorer(smooth=False), picture(), targets.gradient_energy()
    wanted, _ = explained(image_model(net), inputs, target, "lam(steps=7)")
    for size in (1, 3, 7):
        monkeypatch.setattr(module, "at_once", lambda _, size=size: size)
        got, _ = explained(image_model(net), inputs, target, "lam(steps=7)")
        torch.testing.assert_close(got, wanted)


def test_the_way_begins_with_the_blurred_picture_and_ends_with_the_sharp_one():
    seen = []
    net, inputs = restorer(), picture()

    def target(output):
        return output.sum((1, 2, 3))

    net.register_forward_pre_hook(lambda _, given: seen.extend(given[0].detach().clone()))
    model = image_model(net)
    assert attribute(model, inputs, target, ["lam(steps=8, sigma=1.0)"]).maps
    start, way = blurred(inputs, 1.0, 3)[0], seen[-8:]
    assert any(torch.equal(each, start) for each in seen[:-8])
    lengths = [float((b - a).norm()) for a, b in itertools.pairwise([start, *way, inputs[0]])]
    assert lengths[1:-1] == pytest.approx([lengths[1]] * 7, rel=0.05)
    assert [lengths[0], lengths[-1]] == pytest.approx([lengths[1] / 2] * 2, rel=0.05)


@pytest.mark.parametrize("sigma", [0.5, 1.2, 2.4])
def test_the_blur_is_torchvision_s_where_the_border_is_far(sigma):
    inputs, radius = picture(size=(40, 31)), 6
    inside = (..., slice(radius, -radius), slice(radius, -radius))
    wanted = gaussian_blur(inputs, [2 * radius + 1] * 2, [sigma] * 2)
    torch.testing.assert_close(blurred(inputs, sigma, radius)[inside], wanted[inside])


def test_only_what_the_patch_can_see_has_a_part():
    net, inputs = restorer(), picture(size=(21, 21))
    got, notes = explained(image_model(net, (21, 21)), inputs, targets.value((0.5, 0.5)))
    rows, columns = got.nonzero().amin(0), got.nonzero().amax(0)
    assert (rows.tolist(), columns.tolist()) == ([8, 8], [12, 12])
    assert notes[1] == f"DI {diffusion_index(got):.1f} (21×21)"
    assert diffusion_index(got) < 100 * 25 / 441


@pytest.mark.parametrize(("channels", "size"), [(1, (5, 3)), (1, (1, 9)), (3, (13, 17)), (3, (2, 2))])
def test_any_channels_and_odd_or_tiny_sizes(channels, size):
    net, inputs = restorer(channels=channels, times=2), picture(channels, size)
    got, _ = explained(image_model(net, size, channels), inputs, targets.gradient_energy(), "lam(sigma=7.5)")
    assert got.shape == size
    assert got.isfinite().all()
    wanted = missing(net, inputs, targets.gradient_energy(), 7.5)
    assert float(got.double().sum()) == pytest.approx(wanted, rel=0.02, abs=1e-9)


def test_a_picture_without_details_has_nothing_to_share_out():
    got, notes = explained(image_model(restorer()), torch.full((1, 3, *SIZE), 0.25).double(), targets.value())
    assert float(got.abs().max()) < 1e-12
    assert notes[0].startswith("Σ ")


def test_a_classifier_has_one_too():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    net = net.double()
    inputs = picture(size=(9, 11))
    got, _ = explained(model_of(net), inputs, 1)
    assert float(got.double().sum()) == pytest.approx(missing(net, inputs, lambda out: out[0, 1]), rel=1e-3)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("lam(steps=0)", "lam(steps=0): give 1 or more."),
        ("lam(sigma=0)", "lam(sigma=0.0): give 0.3 or more."),
        ("lam(sigma=-1.0)", "lam(sigma=-1.0): give 0.3 or more."),
    ],
)
def test_wrong_options_are_sentences(typed, said):
    with pytest.raises(MethodError) as refused:
        explained(image_model(restorer()), picture(), targets.value(), typed)
    assert str(refused.value) == said


def test_a_target_that_does_not_fit_is_a_sentence():
    with pytest.raises(TargetError, match="a single pixel has no differences"):
        explained(image_model(restorer()), picture(), targets.gradient_energy((0.5, 0.5)))


def test_how_far_it_is_is_told():
    told = []
    model, target = image_model(restorer()), targets.gradient_energy()
    attribute(model, picture(), target, ["lam"], progress=lambda done, total: told.append(done / total))
    assert len(told) > 5
    assert told == sorted(told)
    assert told[-1] == 1


def test_its_cost_goes_with_its_steps():
    assert get("lam(steps=10)").passes == 25
