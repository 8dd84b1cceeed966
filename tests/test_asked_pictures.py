"""What is asked of networks that make pictures."""

import itertools
import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import interp
from interp import targets
from interp.explanation import ExplanationError
from interp.images import ImageError, Preprocess
from interp.models import Labels
from interp.picture_targets import ErrorTarget
from interp.places import PlaceError
from interp.targets import TargetError, resolve

PATCH = (0.25, 0.0, 0.75, 0.5)


@pytest.fixture
def output():
    return torch.randn(2, 3, 8, 12, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def photo():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))


def enlarger(times=2):
    """Return a network that enlarges: nearest, then a 3 × 3 convolution."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Upsample(scale_factor=times), nn.Conv2d(4, 3, 1))
    prepare = Preprocess((10, 15), (0.5,) * 3, (0.25,) * 3, fit="squish")
    return interp.load(net, preprocess=prepare, task="image", activation="none")


def test_value_sums_the_patch_of_each_picture(output):
    torch.testing.assert_close(targets.value()(output), output.sum((1, 2, 3)))
    torch.testing.assert_close(targets.value(PATCH)(output), output[:, :, :4, 3:9].sum((1, 2, 3)))
    torch.testing.assert_close(targets.value((0.99, 0.5), channel=1)(output), output[:, 1, 4, 11])
    with pytest.raises(TargetError, match="channel 3 of 3"):
        targets.value(channel=3)(output)
    with pytest.raises(TargetError, match="an index, 0 or more"):
        targets.value(channel=-1)


def test_gradient_energy_of_a_ramp_is_its_slope_squared_times_the_differences():
    ramp = 3.0 * torch.arange(12.0).expand(1, 2, 8, 12)
    assert targets.gradient_energy()(ramp).item() == 2 * 8 * 11 * 9
    assert targets.gradient_energy(PATCH)(ramp).item() == 2 * 4 * 5 * 9
    assert targets.gradient_energy()(torch.ones(1, 3, 8, 12)).item() == 0
    with pytest.raises(TargetError, match="a single pixel has no differences"):
        targets.gradient_energy((0.5, 0.5))(ramp)


@pytest.mark.parametrize("place", [None, PATCH])
def test_bands_add_up_to_the_energy_of_the_patch(output, place):
    """Parseval."""
    edges = [0.0, 0.1, 0.33, 0.5, 0.7072]
    parts = [targets.band(low, high, place)(output) for low, high in itertools.pairwise(edges)]
    whole = targets.band(0, 1, place)(output)
    torch.testing.assert_close(sum(parts), whole)
    torch.testing.assert_close(
        whole, (output if place is None else output[:, :, :4, 3:9]).square().sum((1, 2, 3))
    )


def test_a_wave_lies_in_its_own_band_and_the_mean_in_the_lowest():
    wave = torch.cos(2 * torch.pi * 3 / 12 * torch.arange(12.0)).expand(1, 1, 8, 12)
    energy = wave.square().sum().item()
    assert targets.band(0.24, 0.26)(wave).item() == pytest.approx(energy)
    assert targets.band(0.0, 0.24)(wave).item() == pytest.approx(0, abs=1e-4)
    assert targets.band(0.0, 0.05)(wave + 2).item() == pytest.approx(4 * 96, rel=1e-5)


@pytest.mark.parametrize(
    "band", [(0.3, 0.2), (-0.1, 0.2), (0.2, 0.2), ("a", 0.2), (float("nan"), 1), (0.8, 0.9)]
)
def test_what_is_no_band(band):
    with pytest.raises(TargetError, match="give two frequencies"):
        targets.band(*band)


def test_a_patch_too_small_for_a_band_is_a_sentence(output):
    with pytest.raises(TargetError, match="a patch of 1 × 1 pixels has no frequency"):
        targets.band(0.1, 0.2, (0.5, 0.5))(output)


def test_the_error_s_gradient_is_twice_the_difference(output):
    reference = torch.randn(3, 8, 12, generator=torch.Generator().manual_seed(1))
    given = output[:1].clone().requires_grad_()
    (target,) = resolve(targets.error(reference, PATCH), output[0], Labels(()), "image")
    (gradient,) = torch.autograd.grad(target(given).sum(), given)
    wanted = torch.zeros_like(given)
    wanted[..., :4, 3:9] = 2 * (given.detach() - reference)[..., :4, 3:9]
    torch.testing.assert_close(gradient, wanted)
    with pytest.raises(TargetError, match="give a reference of the output's shape"):
        resolve(targets.error(reference[:, 1:]), output[0], Labels(()), "image")


def test_a_reference_picture_becomes_what_the_network_would_have_made(photo):
    model = enlarger(times=1)
    found = interp.explain(
        model, photo, targets.error(photo.transpose(Image.Transpose.ROTATE_180)), layer="0"
    )
    inputs = model.prepare([photo])
    wanted = (model.logits(inputs) - inputs.flip(-1, -2)).square().sum().item()
    assert found.score == pytest.approx(wanted, rel=1e-4)


def test_beyond_bicubic_is_zero_for_a_network_that_is_bicubic(photo):
    prepare = Preprocess((10, 15), (0.5,) * 3, (0.25,) * 3, fit="squish")
    net = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Upsample(scale_factor=2, mode="bicubic"))
    with torch.no_grad():
        net[0].weight.copy_(torch.eye(3)[:, :, None, None])
        net[0].bias.zero_()
    model = interp.load(net, preprocess=prepare, task="image", activation="none")
    assert interp.explain(model, photo, targets.beyond_bicubic(), layer="0").score == pytest.approx(
        0, abs=1e-6
    )
    with torch.no_grad():
        net[0].bias.fill_(0.5)
    found = interp.explain(model, photo, targets.beyond_bicubic(PATCH), layer="0")
    assert found.score == pytest.approx(0.25 * found.target.reference[:, :10, 7:22].numel(), rel=1e-4)


SAVED = [
    targets.value(PATCH),
    targets.value((0.5, 0.5), channel=1),
    targets.gradient_energy(PATCH),
    targets.band(0.1, 0.4, PATCH),
    targets.beyond_bicubic(PATCH),
    targets.negative(targets.gradient_energy()),
    targets.contrast(targets.band(0.25, 0.7), targets.band(0, 0.25)),
]


@pytest.mark.parametrize("query", SAVED)
def test_explanations_are_made_again_from_their_json(query, photo):
    model = enlarger()
    found = interp.explain(model, photo, query, "hires-cam", "0")
    again = interp.remake(found.to_json(), model=model)
    assert torch.equal(again.map, found.map)
    assert (again.target.name, again.score) == (found.target.name, found.score)


def test_names():
    corners = "in the box (0.25, 0.00) – (0.75, 0.50)"
    for target, name in [
        (targets.value(), "value of the output"),
        (targets.value((0.5, 0.5), channel=1), "value of the channel 1 at (0.50, 0.50)"),
        (targets.gradient_energy(PATCH), f"gradient energy {corners}"),
        (targets.band(0.25, 0.5), "energy from 0.25 to 0.5 cycles per pixel"),
        (ErrorTarget(torch.zeros(3, 2, 2), place=PATCH), f"error against the reference {corners}"),
    ]:
        assert target.name == name


def test_a_reference_must_be_given_again(photo):
    model = enlarger()
    query = targets.error(photo)
    found = interp.explain(model, photo, query, layer="0")
    assert json.loads(found.to_json())["target"] == {"callable": "error against the reference"}
    with pytest.raises(ExplanationError, match="or has a reference picture; give it again"):
        interp.remake(found.to_json(), model=model)
    assert torch.equal(interp.remake(found.to_json(), model=model, target=query).map, found.map)


def test_without_the_picture_a_reference_picture_is_a_sentence(output, photo):
    for query in (targets.error(photo), targets.beyond_bicubic()):
        with pytest.raises(TargetError, match="ask through interp"):
            resolve(query, output[0], Labels(()), "image")


def test_wrong_outputs_places_and_files_are_sentences(tmp_path):
    for query in (targets.value(), targets.gradient_energy(), targets.band(0, 1)):
        with pytest.raises(TargetError, match="is no picture"):
            query(torch.zeros(1, 5))
    with pytest.raises(PlaceError, match="from 0 to 1"):
        targets.value((3, 4))
    with pytest.raises(ImageError):
        targets.error(tmp_path / "none.png")


@pytest.mark.parametrize(
    "saved", [{"picture": "x"}, {"picture": "band", "band": [0.5, "a"]}, {"picture": "value", "channel": "a"}]
)
def test_broken_json(saved):
    with pytest.raises(TargetError):
        targets.from_json(saved)


def test_half_precision_has_frequencies_too(output):
    whole = targets.band(0.1, 0.3)(output)
    torch.testing.assert_close(targets.band(0.1, 0.3)(output.bfloat16()), whole, rtol=0.02, atol=0.1)
