"""U-Noise: the mask of a linear score is known, and noise spares what decides."""

import pytest
import torch
from nets import inputs_for, model_of, only
from torch import nn

from interp.methods import MethodError, attribute
from interp.targets import over

SIZE = (16, 20)


class Weighted(nn.Module):
    """Class 0 is `Σ w · x`, class 1 reacts to nothing, class 2 bends: noise moves its mean."""

    def __init__(self, weights):
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 1)
        self.register_buffer("weights", weights)

    def forward(self, x):
        value = (x.sum(1) * self.weights).sum((1, 2))
        bent = (x.square().sum(1) * self.weights).sum((1, 2))
        return torch.stack([value, 0 * value, bent], 1)


def weights():
    found = torch.full(SIZE, 0.01)
    found[2:8, 3:9] = 1
    found[10:14, 12:18] = -0.5
    return found


def found_of(model, options, target=0):
    name = f"u-noise({options})" if options else "u-noise"
    return only(attribute(model, inputs_for(model), target, [name]).maps, name)[0]


@pytest.mark.parametrize("seed", range(3))
def test_a_linear_score_tolerates_noise_as_the_closed_form_says(seed):
    given = weights()
    model = model_of(Weighted(given), size=SIZE)
    sigma = 1 - found_of(model, f"cells=16, seed={seed}")
    strong, half, weak = (sigma[given == value] for value in (1, -0.5, 0.01))
    assert torch.equal(weak, torch.ones_like(weak))
    torch.testing.assert_close(half, 2 * strong[0].expand_as(half), rtol=0.1, atol=0)
    torch.testing.assert_close(strong, strong[0].expand_as(strong), rtol=0.1, atol=0)
    # E(Δ²) of a linear score is a sum of squares; the level of all is found by drawing.
    share = float((given * sigma).square().sum() / given.square().sum())
    assert 0.05 < share**0.5 < 0.2


def test_a_score_that_bends_is_spared_where_it_bends():
    given = weights().abs()
    model = model_of(Weighted(given), size=SIZE)
    found = found_of(model, "cells=16", 2)
    assert found[given == 1].min() > 0.5
    assert found[given == 0.01].max() < 0.3


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_the_unit_of_the_score_does_not_matter_to_u_noise(factor):
    model = model_of(Weighted(weights()).double(), size=SIZE)
    one = found_of(model, "steps=6", lambda out: out[:, 0])
    torch.testing.assert_close(found_of(model, "steps=6", lambda out: factor * out[:, 0]), one)


def test_a_score_that_does_not_react_gives_an_empty_map():
    model = model_of(Weighted(weights()), size=SIZE)
    assert not found_of(model, "steps=4", 1).any()


def test_the_seed_is_all_that_is_random():
    model = model_of(Weighted(weights()), size=SIZE)
    state = torch.get_rng_state()
    first, again, other = (found_of(model, f"steps=5, seed={seed}") for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_score_that_still_moves_is_said():
    model = model_of(Weighted(weights()), size=SIZE)
    # One step away from where it starts, the mask of so small a change is out of reach.
    notes = attribute(model, inputs_for(model), 0, ["u-noise(steps=1, change=0.001)"]).notes
    ((said,),) = next(iter(notes.values()))
    assert said.startswith("score moves by ")


def test_regions_of_a_segmentation():
    torch.manual_seed(0)
    net = nn.Conv2d(3, 2, 3, padding=1)
    model = model_of(net, size=SIZE, task="segmentation")
    mask = torch.zeros(SIZE, dtype=torch.bool)
    mask[4:9, 5:12] = True
    found = found_of(model, "cells=16", over(0, mask))
    near = torch.zeros(SIZE, dtype=torch.bool)
    near[3:10, 4:13] = True
    assert found[mask].mean() > 0.8
    assert not found[~near].any()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("steps=0", "steps=0"),
        ("cells=0", "cells=0"),
        ("samples=3", "an even number"),
        ("samples=64", "an even number"),
        ("strength=0.0", "more than 0"),
        ("change=1.0", "a part of 1"),
    ],
)
def test_options_of_u_noise_that_do_not_fit(options, said):
    model = model_of(Weighted(weights()), size=SIZE)
    with pytest.raises(MethodError, match=said):
        found_of(model, options)
