"""RISE: what its masks are, and that its estimate has no bias."""

import pytest
import torch
from nets import PooledLinear, inputs_for, model_of, only
from test_occlusion import linear

from interp.methods import MethodError, attribute
from interp.methods.rise import _drawn


def found_of(model, inputs, name, target=1):
    return only(attribute(model, inputs, target, [name]).maps, name).double()


def covariances(size, cells):
    """The exact covariance of the masks' positions, `(H·W, H·W)`, over every shift, for cells kept or not."""
    drawn = _drawn(1, size, cells, 0.5, 0, paired=False)
    rows, columns = drawn.grids.shape[2:]
    one_hot = torch.eye(rows * columns).reshape(-1, 1, rows, columns)
    total = 0
    for y in range(drawn.cell):
        for x in range(drawn.cell):
            shifts = torch.tensor([[y, x]]).expand(len(one_hot), 2)
            shares = type(drawn)(one_hot, shifts, drawn.cell, size).masks(0, len(one_hot)).flatten(1).double()
            total = total + shares.T @ shares / 4
    return total / drawn.cell**2


@pytest.mark.parametrize("size", [(9, 11), (24, 17), (5, 5)])
@pytest.mark.parametrize("keep", [0.2, 0.5])
def test_masks_keep_every_position_equally_often(size, keep):
    masks = _drawn(4000, size, 4, keep, 3, paired=False).masks(0, 4000)
    assert masks.shape == (4000, 1, *size)
    assert masks.min() >= 0
    assert masks.max() <= 1
    assert float((masks.mean((0, 1)) - keep).abs().max()) < 5 * 0.5 / 4000**0.5


@pytest.mark.parametrize("paired", [False, True])
def test_on_a_linear_model_it_has_no_bias(paired):
    """`E[s(x ⊙ M) | kept] = b + Σ_q w_q x_q (p + cov(M_q, M) / p)`, within four standard errors."""
    model, weight = linear()
    inputs = inputs_for(model, 1)
    parts = (weight[1] * inputs[0]).sum(0).flatten()
    bias = model.module.fc.bias[1].detach()
    wanted = bias + 0.5 * parts.sum() + covariances((9, 11), 3) @ parts / 0.5
    runs = torch.stack(
        [
            found_of(model, inputs, f"rise(masks=60, cells=3, seed={seed}, paired={paired})")[0].flatten()
            for seed in range(60)
        ]
    )
    error = runs.std(0) / 60**0.5
    assert ((runs.mean(0) - wanted).abs() < 4.5 * error).all()
    assert error.max() < 0.2 * (wanted.max() - wanted.min())


def test_it_is_the_papers_sum_but_for_the_noise_of_the_mean():
    """With the score's mean at 0 both are the same; a large bias ruins the paper's sum, and not this."""
    model, _ = linear()
    inputs = inputs_for(model, 1)
    masks = _drawn(200, (9, 11), 7, 0.5, 0, paired=False).masks(0, 200).double()
    with torch.no_grad():
        scores = model.module(inputs * masks)[:, 1]
        centred = scores - scores.mean()
        model.module.fc.bias[1] -= scores.mean()
    paper = torch.einsum("n,nhw->hw", centred, masks[:, 0]) / 199 / 0.5
    before = found_of(model, inputs, "rise(masks=200)")[0]
    torch.testing.assert_close(before, paper, rtol=1e-5, atol=1e-7)
    with torch.no_grad():
        model.module.fc.bias[1] += 1000
    after = found_of(model, inputs, "rise(masks=200)")[0]
    torch.testing.assert_close(after - 1000, before, rtol=1e-4, atol=1e-3)
    plain = torch.einsum("n,nhw->hw", centred + 1000, masks[:, 0]) / 200 / 0.5 - 1000
    assert (plain - before).std() > 20 * before.std()


def test_more_masks_are_less_noise():
    model = model_of(PooledLinear(), size=(12, 12))
    inputs = inputs_for(model, 1)
    spreads = []
    for masks in (50, 800):
        runs = [found_of(model, inputs, f"rise(masks={masks}, seed={seed})") for seed in range(8)]
        spreads.append(float(torch.stack(runs).std(0).mean()))
    assert 2.5 < spreads[0] / spreads[1] < 6  # √16


def test_inverted_pairs_hear_less_of_what_opposite_masks_share():
    """An even score, how far from half of it is kept: no position matters, and pairs say so exactly."""
    model, _ = linear()
    inputs = torch.ones_like(inputs_for(model, 1))

    def even(output):
        return (output[:, 1] - middle).abs()

    with torch.no_grad():
        middle = model.module(0.5 * inputs)[0, 1]
    spread = [
        float(found_of(model, inputs, f"rise(masks=200, paired={paired})", even).std())
        for paired in (False, True)
    ]
    assert spread[1] < 1e-5 * spread[0]


def test_masks_are_the_same_for_every_picture_and_hear_nobodys_seed():
    one, two = (_drawn(20, (9, 11), 7, 0.5, seed, paired=False).masks(0, 20) for seed in (0, 1))
    assert torch.equal(one, _drawn(20, (9, 11), 7, 0.5, 0, paired=False).masks(0, 20))
    assert not torch.equal(one, two)
    model = model_of(PooledLinear())
    inputs = inputs_for(model, 1)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    found = found_of(model, inputs.repeat(2, 1, 1, 1), "rise(masks=30)")
    assert torch.equal(found[0], found[1])
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("masks=1", "masks=1"),
        ("cells=0", "cells=0"),
        ("keep=1.0", "between 0 and 1"),
        ("keep=0.3, paired=True", "only for 0.5"),
        ("masks=31, paired=True", "even number"),
    ],
)
def test_options_that_do_not_fit(options, said):
    model = model_of(PooledLinear())
    with pytest.raises(MethodError, match=said):
        found_of(model, inputs_for(model), f"rise({options})")
