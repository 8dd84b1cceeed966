"""Occlusion on networks that are linear in the pixels, where every drop is known."""

import pytest
import torch
from nets import inputs_for, model_of, only
from torch import nn

from interp.methods import MethodError, attribute, get
from interp.methods.occlusion import _starts
from interp.methods.perturbing import blurred


class Linear(nn.Module):
    """A weighted sum of all pixels; a convolution that does nothing gives it a layer."""

    def __init__(self, size, classes=3):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 3, 1, bias=False)
        self.fc = nn.Linear(3 * size[0] * size[1], classes)
        with torch.no_grad():
            self.conv.weight.copy_(torch.eye(3)[..., None, None])
        self.double()

    def forward(self, x):
        return self.fc(self.conv(x).flatten(1))


def linear(size=(9, 11)):
    net = Linear(size)
    weight = net.fc.weight.detach().unflatten(1, (3, *size))
    return model_of(net, size=size), weight


def found_of(model, inputs, name, target=1):
    return only(attribute(model, inputs, target, [name]).maps, name).double()


@pytest.mark.parametrize("baseline", ["zero", "mean", "blur"])
@pytest.mark.parametrize(("window", "stride"), [(1, 1), (3, 1), (4, 3), (9, 5), (0.3, 0.2)])
def test_on_a_linear_model(window, stride, baseline):
    model, weight = linear()
    inputs = inputs_for(model, 2)
    found = found_of(model, inputs, f"occlusion(window={window}, stride={stride}, baseline='{baseline}')")
    size = window if window >= 1 else round(9 * window)
    step = stride if stride >= 1 else round(9 * stride)
    for row, picture in enumerate(inputs):
        instead = {
            "zero": 0 * picture,
            "mean": picture.mean((1, 2), keepdim=True),
            "blur": blurred(picture[None], 20 / 224 * 9)[0],
        }[baseline]
        worth = (weight[1] * (picture - instead)).sum(0)
        total, count = torch.zeros(2, 9, 11, dtype=torch.float64)
        for top in sorted({*range(0, 9 - size, step), 9 - size}):
            for left in sorted({*range(0, 11 - size, step), 11 - size}):
                place = slice(top, top + size), slice(left, left + size)
                total[place] += worth[place].sum()
                count[place] += 1
        assert count.min() >= 1
        torch.testing.assert_close(found[row], total / count, rtol=1e-5, atol=1e-7)


def test_windows_of_one_pixel_are_the_pixels_own_parts_of_the_score():
    model, weight = linear()
    inputs = inputs_for(model, 1)
    found = found_of(model, inputs, "occlusion(window=1, stride=1)")
    torch.testing.assert_close(found[0], (weight[1] * inputs[0]).sum(0), rtol=1e-5, atol=1e-7)
    bias = model.module.fc.bias[1].detach()
    torch.testing.assert_close(found.sum() + bias, model.module(inputs)[0, 1].detach())


@pytest.mark.parametrize(
    ("length", "window", "stride"), [(9, 3, 3), (9, 3, 2), (10, 4, 4), (5, 5, 1), (7, 1, 1)]
)
def test_the_last_window_ends_with_the_picture(length, window, stride):
    starts = _starts(length, window, stride)
    assert starts == sorted(set(starts))
    assert starts[0] == 0
    assert starts[-1] + window == length
    assert {p for s in starts for p in range(s, s + window)} == set(range(length))


def test_what_it_costs_depends_on_the_options():
    assert get("occlusion(window=56, stride=56)").passes == 17
    assert get("occlusion(window=1, stride=1)").passes == 224**2 + 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("window=0", "window=0"),
        ("window=12", "1 to 9 pixels"),
        ("window=2, stride=3", "gaps"),
        ("stride=-1", "stride=-1"),
        ("baseline='grey'", "black, white, zero, mean, blur"),
    ],
)
def test_options_that_do_not_fit(options, said):
    model, _ = linear()
    with pytest.raises(MethodError, match=said):
        found_of(model, inputs_for(model), f"occlusion({options})")


def test_a_blur_keeps_what_is_flat_and_the_mean_of_what_is_not():
    flat = torch.full((1, 2, 6, 7), 0.3)
    torch.testing.assert_close(blurred(flat, 2.0), flat)
    dot = torch.zeros(1, 1, 41, 41)
    dot[..., 20, 20] = 1
    torch.testing.assert_close(blurred(dot, 3.0).sum(), torch.tensor(1.0))
    assert torch.equal(blurred(dot, 0.0), dot)
    spread = (blurred(dot, 3.0)[0, 0].sum(0) * (torch.arange(41) - 20) ** 2).sum().sqrt()
    assert float(spread) == pytest.approx(3.0, rel=0.02)


def test_the_border_goes_on_for_ever_under_a_blur():
    picture = torch.randn(1, 2, 5, 7, dtype=torch.float64)
    wide = torch.nn.functional.pad(picture, (20, 20, 20, 20), mode="replicate")
    torch.testing.assert_close(blurred(picture, 1.7), blurred(wide, 1.7)[..., 20:-20, 20:-20])
