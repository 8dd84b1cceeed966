"""Extremal perturbations find the patch that decides, and nothing where nothing decides."""

import pytest
import torch
from nets import inputs_for, model_of, only
from torch import nn

from interp.methods import MethodError, attribute

SIZE = (24, 30)


class Patch(nn.Module):
    """The score is the mean of one patch of the picture; the other class does not look at it."""

    def __init__(self, rows, columns):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1, bias=False)
        with torch.no_grad():
            self.conv.weight.copy_(torch.eye(3)[..., None, None])
        self.rows, self.columns = rows, columns

    def forward(self, x):
        x = self.conv(x)
        inside = x[..., self.rows, self.columns].mean((1, 2, 3))
        return torch.stack([inside, torch.zeros_like(inside), inside.tanh() * 5], 1)


PLACES = [(slice(3, 11), slice(4, 13)), (slice(12, 20), slice(18, 27)), (slice(0, 8), slice(21, 30))]


def bright(model):
    """Noise around 1, so that every position would do if the network looked at it."""
    return 1 + 0.2 * inputs_for(model, 1)


def found_of(model, inputs, options="", target=0):
    name = f"extremal-perturbation({options})" if options else "extremal-perturbation"
    return only(attribute(model, inputs, target, [name]).maps, name)[0]


@pytest.mark.parametrize(
    ("place", "target", "variant"),
    [
        (PLACES[0], 0, "preserve"),
        (PLACES[1], 2, "preserve"),
        (PLACES[1], 0, "delete"),
        (PLACES[2], 2, "delete"),
    ],
)
def test_the_mask_finds_the_patch_that_decides(place, target, variant):
    net = Patch(*place)
    model = model_of(net, size=SIZE)
    area = 72 / (24 * 30)
    found = found_of(
        model, bright(model), f"area={area}, baseline='zero', variant='{variant}', steps=80", target
    )
    patch = torch.zeros(SIZE, dtype=torch.bool)
    patch[place] = True
    assert found[patch].mean() > 0.75
    assert found[~patch].mean() < 0.1
    assert float(found.mean()) == pytest.approx(area, abs=0.03)


@pytest.mark.parametrize("area", [0.05, 0.2, 0.5])
def test_the_area_is_held(area):
    model = model_of(Patch(*PLACES[0]), size=SIZE)
    found = found_of(model, bright(model), f"area={area}, baseline='zero', steps=80")
    assert found.min() >= 0
    assert found.max() <= 1
    assert float(found.mean()) == pytest.approx(area, abs=0.05)


@pytest.mark.parametrize(("steps", "missed"), [(3, True), (200, False)])
def test_an_area_that_is_missed_is_said(steps, missed):
    model = model_of(Patch(*PLACES[0]), size=SIZE)
    name = f"extremal-perturbation(baseline='zero', steps={steps}, area=0.1)"
    found = attribute(model, bright(model), 0, [name])
    area = float(only(found.maps, name).mean())
    assert (abs(area - 0.1) > 0.01) == missed
    assert [*found.notes.values()] == ([((f"area {area:.2g}",),)] if missed else [])


def test_the_unit_of_the_score_does_not_matter():
    model = model_of(Patch(*PLACES[0]).double(), size=SIZE)
    inputs = bright(model)
    one = found_of(model, inputs, "steps=15, baseline='zero'", lambda out: out[:, 0])
    for factor in (1e-6, 1e6):
        many = found_of(model, inputs, "steps=15, baseline='zero'", lambda out, f=factor: f * out[:, 0])
        torch.testing.assert_close(many, one, rtol=0, atol=1e-5)


def test_where_the_score_does_not_react_the_map_is_empty():
    model = model_of(Patch(*PLACES[0]), size=SIZE)
    assert not found_of(model, bright(model), "steps=20", target=1).any()


def test_what_a_blur_leaves_of_a_flat_picture_is_the_picture():
    model = model_of(Patch(*PLACES[0]), size=SIZE)
    flat = torch.ones(1, 3, *SIZE)
    assert float(found_of(model, flat, "steps=5").max()) <= 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("area=0.0", "part of the picture"),
        ("area=1.5", "part of the picture"),
        ("steps=0", "steps=0"),
        ("variant='keep'", "preserve or delete"),
        ("baseline='noise'", "black, white, zero, mean, blur"),
    ],
)
def test_options_that_do_not_fit(options, said):
    model = model_of(Patch(*PLACES[0]), size=SIZE)
    with pytest.raises(MethodError, match=said):
        found_of(model, bright(model), options)
