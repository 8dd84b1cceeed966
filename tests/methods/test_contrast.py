"""The contrast to the rivals: the direction of the log-odds, without its vanishing."""

import pytest
import torch

from interp.dense import RegionTarget
from interp.logits import CallableTarget, LogitTarget
from interp.methods import MethodError, get
from interp.methods.contrast import contrast


def gradient(score, output):
    return torch.autograd.grad(score.sum(), output)[0]


CAT, DOG = LogitTarget(((0, 1.0),), "cat"), LogitTarget(((2, 1.0),), "dog")


def test_of_a_leading_class_its_gradient_is_that_of_the_contrast():
    output = torch.randn(5, 4, dtype=torch.float64)
    output[:, 0] = output.amax(1)
    output.requires_grad_()
    p = output.softmax(1)[:, :1].detach()
    found = gradient(contrast(CAT, output, "softmax"), output)
    torch.testing.assert_close(found, gradient(output.log_softmax(1)[:, 0], output) / (1 - p))


def test_no_rival_weighs_more_than_e_times_the_class():
    output = torch.tensor([[0.0, 50.0, 1.0, -1.0]], dtype=torch.float64, requires_grad=True)
    found = gradient(contrast(CAT, output, "softmax"), output)[0]
    weights = torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64).softmax(0)
    torch.testing.assert_close(found, torch.cat([torch.ones(1), -weights]))
    assert float(found.sum()) == pytest.approx(0, abs=1e-12)


def test_a_certain_network_still_has_a_gradient():
    output = torch.tensor([[200.0, 1.0, 0.0]], requires_grad=True)
    assert (gradient(output.log_softmax(1)[:, 0], output) == 0).all()
    found = gradient(contrast(CAT, output, "softmax"), output)
    torch.testing.assert_close(found, torch.tensor([[1.0, -0.7310586, -0.2689414]]))


def test_sums_scales_and_contrasts():
    output = torch.randn(3, 4)
    both = contrast(CAT, output, "softmax") + contrast(DOG, output, "softmax")
    torch.testing.assert_close(contrast(CAT + DOG, output, "softmax"), both)
    torch.testing.assert_close(contrast(-CAT, output, "softmax"), -contrast(CAT, output, "softmax"))
    assert torch.equal(contrast(CAT - DOG, output, "softmax"), (CAT - DOG)(output))


@pytest.mark.parametrize(("activation", "classes"), [("sigmoid", 4), ("none", 4), ("softmax", 1)])
def test_without_rivals_it_is_the_score(activation, classes):
    output = torch.randn(3, classes)
    assert torch.equal(contrast(CAT, output, activation), output[:, 0])


def test_a_region_has_the_contrast_of_each_of_its_positions():
    output = torch.randn(1, 3, 4, 5)
    region = torch.zeros(4, 5, dtype=torch.bool)
    region[1, 2:4] = True
    pixels = output[0, :, 1, 2:4].T
    wanted = contrast(LogitTarget(((1, 1.0),), "road"), pixels, "softmax").sum()
    torch.testing.assert_close(contrast(RegionTarget(1, region, "road"), output, "softmax")[0], wanted)


def test_callables_are_left_alone():
    output = torch.randn(3, 4)
    assert torch.equal(contrast(CallableTarget(lambda o: o[:, 1], "mine"), output, "softmax"), output[:, 1])


def test_it_is_an_option_of_methods_that_differentiate():
    assert get("grad-cam(contrast=True)").asks == "contrast"
    for name in ("eigen-cam", "cam", "rise"):
        with pytest.raises(MethodError, match="does not differentiate"):
            get(name, contrast=True)
