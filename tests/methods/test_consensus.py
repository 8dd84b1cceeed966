"""Consensus-CAM: by hand, and what its parts decide."""

import pytest
import torch
from nets import Block, inputs_for, model_of, only

from interp.methods import attribute
from interp.methods.consensus import consensus_cam


def stage(*rows):
    """One channel of evidence: the gradient is 1."""
    activation = torch.tensor([[rows]], dtype=torch.float32)
    return activation, torch.ones_like(activation)


def made(*stages):
    return consensus_cam(*zip(*stages, strict=True))


def test_two_stages_by_hand():
    fine, coarse = stage((4.0, -1.0), (2.0, 1.0)), stage((3.0,))
    wanted = 3 * torch.tensor([[[1.0, 0.0], [0.5, 0.25]]])
    torch.testing.assert_close(made(fine, coarse), wanted)


def test_exponents_double_from_stage_to_stage():
    half = stage((1.0, 0.5))
    found = made(half, half, half, half)[0, 0]
    torch.testing.assert_close(found, torch.tensor([1.0, 0.5 ** (0.25 + 0.5 + 1 + 2)]))


def test_the_scale_is_that_of_the_last_stage():
    fine, coarse = stage((4.0, 1.0), (2.0, 1.0)), stage((3.0, 1.0))
    torch.testing.assert_close(made(stage((400.0, 100.0), (200.0, 100.0)), coarse), made(fine, coarse))
    torch.testing.assert_close(made(fine, stage((30.0, 10.0))), 10 * made(fine, coarse))


def test_a_finer_stage_without_evidence_has_no_say_and_the_last_one_decides():
    coarse, against = stage((3.0, 1.0)), stage((-1.0, -2.0))
    torch.testing.assert_close(made(against, coarse), made(coarse))
    assert (made(coarse, against) == 0).all()


@pytest.mark.parametrize("grid", [(8,), (4, 6), (2, 4, 6)])
def test_signals_pictures_and_volumes(grid):
    fine, coarse = torch.rand(2, 3, *grid), torch.rand(2, 5, *[side // 2 for side in grid])
    assert made((fine, fine), (coarse, coarse)).shape == (2, *grid)


def test_it_rests_on_one_pass_through_all_stages():
    model = model_of(Block(), size=(24, 24))
    inputs = inputs_for(model, 2)
    names = [*model.layers.stages]
    assert names == ["stem", "relu"]
    got = only(attribute(model, inputs, 1, ["consensus-cam"]).maps, "consensus-cam")
    raw = attribute(model, inputs, 1, ["hires-cam(contrast=True)"], names).maps
    evidence = [raw[0, name, "hires-cam(contrast=True)"].unsqueeze(1) for name in names]
    wanted = consensus_cam(evidence, [torch.ones_like(each) for each in evidence])
    torch.testing.assert_close(got, wanted)
