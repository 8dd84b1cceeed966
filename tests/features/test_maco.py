"""MACO: the magnitude is constant at every step, the phases are free."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Classifier
from PIL import Image

import interp
from interp.features.errors import FeatureError
from interp.features.visualisation import (
    ascend,
    channel,
    colour_basis,
    maco,
    magnitude_of,
    typical_magnitude,
    visualise,
)
from interp.features.visualisation.maco import hermitian
from interp.features.visualisation.parametrisation import frequencies, from_colours
from interp.images import Preprocess


def waves(pictures: torch.Tensor) -> torch.Tensor:
    basis = colour_basis(pictures.shape[1]).double()
    values = torch.einsum("dc,bchw->bdhw", torch.linalg.inv(basis), torch.logit(pictures.double()))
    return torch.fft.rfft2(values, norm="ortho")


@given(st.sampled_from([1, 3]), st.integers(1, 17), st.integers(1, 17), st.integers(0, 5))
@settings(deadline=None)
def test_the_magnitude_is_the_pictures_magnitude(channels, height, width, seed):
    shape = (2, channels, height, width)
    fixed = typical_magnitude((height, width), channels) + 0.01
    found = maco(shape, magnitude=fixed, seed=seed).pictures()
    assert found.shape == shape
    torch.testing.assert_close(waves(found).abs().float(), fixed.expand(2, -1, -1, -1), atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("size", [(12, 12), (11, 14), (12, 9), (7, 13)])
def test_the_magnitude_is_constant_at_every_step_and_the_mean_small(size):
    torch.manual_seed(0)
    model = interp.load(Classifier(), preprocess=Preprocess(size, (0.5,) * 3, (0.5,) * 3))
    start = maco((1, 3, *size), seed=2)
    begun = start.parameters[0].detach().clone()
    fixed, seen = typical_magnitude(size), []

    def look(*_):
        seen.append(waves(start.pictures().detach()))

    visualise(model, channel("body.1", 1), steps=12, parametrisation=start, progress=look)
    assert len(seen) == 12
    for step in seen:
        torch.testing.assert_close(step.abs().float()[0], fixed, atol=2e-4, rtol=1e-3)
        assert (step[..., 0, 0].abs() < 5).all()
    assert (seen[0] - seen[-1]).abs().max() > 0.1  # while the phases did move
    assert not start.parameters[0].equal(begun)


def test_phases_begin_uniform():
    phases = maco((4, 3, 40, 40), seed=1).parameters[0].detach().flatten()
    assert -math.pi <= phases.min() < -0.99 * math.pi
    assert 0.99 * math.pi < phases.max() <= math.pi
    counts = torch.histc(phases, 16, -math.pi, math.pi) / len(phases)
    assert (counts - 1 / 16).abs().max() < 0.01


def test_columns_that_are_their_own_mirror_stay_uniform_too():
    phases = hermitian(maco((8, 3, 41, 40), seed=1).parameters[0].detach(), 40)
    for column in (phases[..., 1:, 0], phases[..., 1:, -1]):
        assert column.equal(-column.flip(-1))
        assert column.std().item() == pytest.approx(math.pi / math.sqrt(3), rel=0.05)


def test_a_seed_is_a_picture():
    model = interp.load(Classifier(), preprocess=Preprocess((16, 16), (0.5,) * 3, (0.5,) * 3))
    first, again, other = (
        visualise(model, channel("stem", 0), steps=3, parametrisation="maco", seed=seed) for seed in (1, 1, 2)
    )
    assert first.pictures.equal(again.pictures)
    assert not first.pictures.equal(other.pictures)
    same, each = (maco((2, 1, 8, 8), same=same).pictures() for same in (True, False))
    assert same[0].equal(same[1])
    assert not each[0].equal(each[1])


def test_an_ascent_finds_what_is_looked_for():
    wanted = torch.randn(1, 16, 16, generator=torch.Generator().manual_seed(0))
    found = ascend(
        maco((1, 1, 16, 16)), lambda pictures: ((pictures - 0.5) * wanted).sum((1, 2, 3)), steps=60
    )
    assert found.history[-1] > 2 * found.history[0].abs()


@pytest.mark.parametrize("channels", [1, 3])
def test_the_magnitude_of_pictures_is_the_mean_over_them(channels):
    chance = np.random.default_rng(0)
    pictures = [Image.fromarray(chance.integers(20, 230, (10, 14, 3), np.uint8)) for _ in range(3)]
    said = []
    found = magnitude_of(pictures, (10, 14), channels=channels, progress=lambda *now: said.append(now))
    prepare = Preprocess((10, 14), (0.0,) * channels, (1.0,) * channels)
    values = from_colours(prepare.batch(pictures), colour_basis(channels))
    window = np.outer(np.hanning(12)[1:-1], np.hanning(16)[1:-1])
    window = torch.from_numpy(window / np.sqrt((window**2).mean())).float()
    centred = values - values.mean((2, 3), keepdim=True)
    expected = torch.fft.rfft2(centred * window, norm="ortho").abs().mean(0)
    expected[:, 0, 0] = values.mean((0, 2, 3)) * math.sqrt(140)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert said == [(1, 3), (2, 3), (3, 3)]
    picture = maco((1, channels, 10, 14), magnitude=found).pictures()
    mean = from_colours(picture.detach(), colour_basis(channels)).mean((0, 2, 3))
    torch.testing.assert_close(mean, values.mean((0, 2, 3)), atol=1e-4, rtol=1e-3)


def test_black_and_white_pictures_saturate_nothing():
    pictures = [Image.new("RGB", (8, 8), colour) for colour in ("black", "white", "black")]
    found = magnitude_of(pictures, (8, 8))
    assert found.isfinite().all()
    assert (found[:, 0, 0].abs() / 8 < 5).all()  # the mean of a picture before the sigmoid


@given(st.integers(4, 40), st.integers(4, 40))
@settings(deadline=None, max_examples=20)
def test_the_typical_magnitude_falls_and_has_no_mean(height, width):
    found = typical_magnitude((height, width))
    assert found[:, 0, 0].eq(0).all()
    rest = frequencies((height, width)).flatten()[1:].argsort()
    assert (found[0].flatten()[1:][rest].diff() <= 1e-5).all()
    # A picture of it has the same deviation, whatever its size.
    assert waves(maco((1, 3, height, width)).pictures().detach()).abs().square().mean() > 0
    values = from_colours(maco((1, 3, height, width)).pictures().detach(), colour_basis(3))
    larger = from_colours(maco((1, 3, 2 * height, 2 * width)).pictures().detach(), colour_basis(3))
    torch.testing.assert_close(values.std((0, 2, 3)), larger.std((0, 2, 3)), atol=0.02, rtol=0.05)


def test_what_does_not_fit_is_refused():
    with pytest.raises(
        FeatureError, match=r"magnitude has the shape \(3, 8, 5\) for pictures of \(1, 3, 8, 12\)"
    ):
        maco((1, 3, 8, 12), magnitude=typical_magnitude((8, 8)))
    with pytest.raises(FeatureError, match="no picture to take the magnitude of"):
        magnitude_of([], (8, 8))


@pytest.mark.parametrize("channels", [1, 4])
def test_colours_of_other_channels_are_refused(channels, tmp_path):
    with pytest.raises(FeatureError, match="for pictures of 3 channel"):
        maco((1, 3, 8, 8), colours=torch.eye(channels))
    with pytest.raises(FeatureError, match="for pictures of 3 channel"):
        magnitude_of([np.zeros((8, 8, 3), np.uint8)], (8, 8), colours=torch.eye(channels))
