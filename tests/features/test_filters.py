"""Where the spectra of kernels peak, seen on stripes that are known; which convolution comes first."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Beside, Classifier, UNet, footprint, seeded
from torch import nn

import interp
from interp.features.errors import FeatureError
from interp.features.filters import first_filters, kernel_spectrum
from interp.images import Preprocess
from interp.layers import LayerError

HALF = (0.5,) * 3


def gabor(size, orientation, frequency, phase):
    """Stripes under a Gaussian; rows go down, so the angle turns against them."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    across = math.radians(orientation - 90)
    wave = np.cos(2 * math.pi * frequency * (x * math.cos(across) - y * math.sin(across)) + phase)
    return torch.tensor(np.exp(-(x**2 + y**2) / (2 * (size / 4) ** 2)) * wave)


def turned_by(one, other):
    return abs((one - other + 90) % 180 - 90)


def loaded(module, side=32, channels=3, **more):
    stats = (0.5,) * channels
    return interp.load(module, preprocess=Preprocess((side, side), stats, stats), **more)


@settings(max_examples=40, deadline=None)
@given(
    size=st.sampled_from([9, 11, 15]),
    orientation=st.floats(0, 180),
    frequency=st.floats(0.2, 0.38),
    phase=st.floats(0, 2 * math.pi),
)
def test_stripes_of_a_gabor_are_found(size, orientation, frequency, phase):
    kernel = gabor(size, orientation, frequency, phase)
    found = kernel_spectrum(kernel.expand(1, 3, size, size))
    assert turned_by(float(found.orientation), orientation) < 3
    assert float(found.frequency) == pytest.approx(frequency, abs=0.02)
    assert float(found.oriented) > 0.9
    assert float(found.colour) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("rows", "orientation", "frequency"),
    [
        ([[1, -1, 1, -1]] * 4, 90, 0.5),
        ([[1] * 4, [-1] * 4, [1] * 4, [-1] * 4], 0, 0.5),
    ],
)
def test_upright_stripes_are_90_degrees_and_lying_ones_0(rows, orientation, frequency):
    found = kernel_spectrum(torch.tensor([[rows]], dtype=torch.float32))
    assert (float(found.orientation), float(found.frequency)) == (orientation, frequency)


def test_stripes_that_rise_to_the_right_are_45_degrees():
    y, x = np.mgrid[:12, :12]
    found = kernel_spectrum(torch.tensor(np.cos(2 * math.pi * 0.2 * (x + y)))[None, None])
    assert turned_by(float(found.orientation), 45) < 1
    assert float(found.frequency) == pytest.approx(0.2 * math.sqrt(2), abs=0.01)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 500), scale=st.floats(0.01, 100), shift=st.floats(-3, 3))
def test_scale_and_a_constant_change_nothing_and_a_quarter_turn_turns(seed, scale, shift):
    kernels = torch.randn(2, 3, 7, 7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    plain, other = kernel_spectrum(kernels), kernel_spectrum(scale * kernels + shift)
    torch.testing.assert_close(plain.orientation, other.orientation)
    torch.testing.assert_close(plain.frequency, other.frequency)
    turned = kernel_spectrum(torch.rot90(kernels, 1, (2, 3)))
    angles = zip(
        plain.orientation.tolist(), turned.orientation.tolist(), plain.frequency.tolist(), strict=True
    )
    for one, two, frequency in angles:
        steps = frequency * max(abs(math.sin(math.radians(one))), abs(math.cos(math.radians(one))))
        # At half a cycle per pixel stripes that rise and stripes that fall are the same.
        assert steps > 0.499 or turned_by(one + 90, two) < 1e-3
    torch.testing.assert_close(plain.frequency, turned.frequency)
    torch.testing.assert_close(scale * plain.strength, kernel_spectrum(scale * kernels).strength)


def test_spots_have_no_orientation_and_flat_kernels_no_frequency():
    y, x = np.mgrid[-4:5, -4:5]
    spot = torch.tensor(np.exp(-(x**2 + y**2) / 4))[None, None]
    assert float(kernel_spectrum(spot).oriented) < 0.1
    flat = kernel_spectrum(torch.cat([torch.zeros(1, 1, 3, 3), torch.full((1, 1, 3, 3), 0.1)]))
    assert flat.orientation.isnan().all()
    assert flat.frequency.tolist() == [0, 0]
    assert flat.oriented.tolist() == [0, 0]
    assert flat.colour.tolist() == [0, 0]


def test_colour_is_the_part_of_the_energy_that_differs_between_channels():
    grey = torch.randn(1, 1, 5, 5).expand(1, 3, 5, 5)
    red = torch.zeros(1, 3, 5, 5)
    red[:, 0] = grey[:, 0]
    opponent = torch.cat([grey[:, :1], -grey[:, :1], torch.zeros(1, 1, 5, 5)], 1)
    found = kernel_spectrum(torch.cat([grey, red, opponent]))
    torch.testing.assert_close(found.colour, torch.tensor([0, 2 / 3, 1]), rtol=0, atol=1e-6)
    torch.testing.assert_close(found.strength[0], grey.norm())


def test_many_kernels_equal_single_ones():
    kernels = torch.randn(37, 2, 5, 3)
    together = kernel_spectrum(kernels)
    for index in (0, 15, 16, 36):
        alone = kernel_spectrum(kernels[index : index + 1])
        assert float(alone.orientation) == float(together.orientation[index])
        assert float(alone.frequency) == float(together.frequency[index])


def test_no_kernel_is_no_spectrum():
    for shape in ((3, 3), (0, 3, 3, 3), (1, 1, 300, 3)):
        with pytest.raises(FeatureError, match="the kernels have the shape"):
            kernel_spectrum(torch.zeros(shape))


@pytest.mark.parametrize(
    ("build", "layer"),
    [(Classifier, "stem"), (UNet, "down1.0"), (Beside, "stem")],
    ids=["in place", "unet", "1x1"],
)
def test_the_first_convolution_that_runs_is_taken(build, layer):
    module = seeded(build)()
    before = footprint(module)
    found = first_filters(loaded(module))
    assert found.layer == layer
    assert torch.equal(found.kernels, module.get_submodule(layer).weight.detach())
    assert footprint(module) == before


class Backwards(nn.Module):
    """Its convolutions run in another order than they stand in."""

    def __init__(self):
        super().__init__()
        self.second = nn.Conv2d(4, 2, 3)
        self.first = nn.utils.weight_norm(nn.Conv2d(1, 4, 5))

    def forward(self, x):
        return self.second(self.first(x)).mean((2, 3))


def test_order_of_running_counts_and_weight_norm_is_applied():
    module = Backwards()
    with torch.no_grad():
        module.first.weight_g.mul_(3)
    found = first_filters(loaded(module, channels=1))
    assert found.layer == "first"
    norms = found.kernels.flatten(1).norm(dim=1)
    torch.testing.assert_close(norms, module.first.weight_g.detach().flatten())
    assert first_filters(loaded(module, channels=1), "second").kernels.shape == (2, 4, 3, 3)


def test_orders():
    found = first_filters(loaded(nn.Sequential(nn.Conv2d(3, 12, 7), nn.Flatten())))
    for by, sign in (("strength", -1), ("colour", -1), ("frequency", 1)):
        keys = getattr(found.spectrum, by).tolist()
        assert found.order(by) == sorted(range(12), key=lambda index: sign * keys[index])
    turned = found.order("orientation")
    with_angle = [i for i in turned if found.spectrum.oriented[i] >= 0.25]
    assert turned[: len(with_angle)] == with_angle
    angles = found.spectrum.orientation[with_angle].tolist()
    assert angles == sorted(angles)
    assert found.order() == list(range(12))
    assert found.figure("colour", top=5).axes


def test_what_has_no_kernels_is_said():
    model = loaded(nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2)), name="flat")
    with pytest.raises(FeatureError, match="flat has no two-dimensional convolution"):
        first_filters(model)
    classifier = loaded(seeded(Classifier)())
    with pytest.raises(FeatureError, match="layer 'bn' is no two-dimensional convolution"):
        first_filters(classifier, "bn")
    with pytest.raises(LayerError, match="no layer 'nothing'"):
        first_filters(classifier, "nothing")
    with pytest.raises(FeatureError, match="cannot be ordered by 'size'"):
        first_filters(classifier).order("size")
    with pytest.raises(FeatureError, match="top=0"):
        first_filters(classifier).figure(top=0)
