"""Seg-XRes-CAM lies between HiResCAM and Grad-CAM."""

import pytest
import torch
from nets import inputs_for, model_of, only, small_unet

from interp import targets
from interp.methods import MethodError, attribute, get


def drawn(*shape):
    generator = torch.Generator().manual_seed(len(shape))
    return torch.randn(*shape, generator=generator), torch.randn(*shape, generator=generator)


@pytest.mark.parametrize("grid", [(7,), (5, 7), (3, 4, 5)])
def test_a_window_of_one_is_hires_cam_and_the_whole_map_is_grad_cam(grid):
    activation, gradient = drawn(2, 6, *grid)
    one = get("seg-xres-cam", window=1).function(activation, gradient)
    assert torch.equal(one, get("hires-cam").function(activation, gradient))
    for window in (max(grid), 99):
        whole = get("seg-xres-cam", window=window).function(activation, gradient)
        torch.testing.assert_close(whole, get("grad-cam").function(activation, gradient))


@pytest.mark.parametrize("layer", ["layers.0.1", "layers.4"])
def test_the_same_on_a_region_of_a_segmentation(layer):
    model = model_of(small_unet(), (32, 32), task="segmentation")
    names = ["seg-xres-cam(window=1)", "hires-cam", "seg-xres-cam(window=32)", "grad-cam"]
    found = attribute(model, inputs_for(model), targets.box(0.2, 0.3, 0.7, 0.6, 1), names, [layer]).maps
    one, hires, whole, grad = (only(found, name) for name in names)
    assert float(hires.abs().max()) > 0
    assert torch.equal(one, hires)
    torch.testing.assert_close(whole, grad)


def test_windows_by_hand_with_those_that_the_border_cuts():
    gradient = torch.arange(12.0).reshape(1, 1, 3, 4)
    # Rows 0-1 and 2, columns 0-2 and 3 of 0 … 11, in windows of 2 and then of 3.
    two = torch.tensor([[2.5, 2.5, 4.5, 4.5], [2.5, 2.5, 4.5, 4.5], [8.5, 8.5, 10.5, 10.5]])
    three = torch.tensor([[5.0, 5.0, 5.0, 7.0]] * 3)
    ones = torch.ones_like(gradient)
    assert torch.equal(get("seg-xres-cam").function(ones, gradient)[0], two)
    torch.testing.assert_close(get("seg-xres-cam", window=3).function(ones, gradient)[0], three)


def test_a_window_longer_than_one_side_only():
    activation, gradient = drawn(1, 3, 2, 9)
    found = get("seg-xres-cam", window=4).function(activation, gradient)
    parts = [gradient[..., start : start + 4] for start in (0, 4, 8)]
    means = torch.cat([p.mean((2, 3), keepdim=True).expand_as(p) for p in parts], 3)
    torch.testing.assert_close(found, (means * activation).sum(1))


def test_no_window_is_a_sentence():
    with pytest.raises(MethodError, match=r"seg-xres-cam\(window=0\): give 1 or more"):
        get("seg-xres-cam", window=0).function(*drawn(1, 2, 3, 3))
