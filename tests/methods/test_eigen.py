"""EigenCAM equals the first singular direction, with the object on the positive side."""

import math

import pytest
import torch

from interp.methods import get

eigen_cam = get("eigen-cam").function


def by_svd(activation):
    matrix = activation.flatten(2).transpose(1, 2)
    u, s, _ = torch.linalg.svd(matrix, full_matrices=False)
    return (u[..., 0] * s[..., :1]).reshape(activation.shape[0], *activation.shape[2:])


def object_on_background(seed, background):
    """A patch of strong activation along one direction, before noise and a background along the other."""
    generator = torch.Generator().manual_seed(seed)
    direction = torch.randn(16, generator=generator)
    direction /= direction.norm()
    side = int(torch.randint(3, 8, (), generator=generator))
    top, left = (int(torch.randint(0, 14 - side, (), generator=generator)) for _ in range(2))
    mask = torch.zeros(14, 14, dtype=torch.bool)
    mask[top : top + side, left : left + side] = True
    activation = 0.3 * torch.randn(16, 14, 14, generator=generator)
    activation += direction[:, None, None] * torch.where(mask, 5.0, background)
    return activation, mask


@pytest.mark.parametrize("shape", [(2, 5, 7, 9), (3, 40, 3, 4), (1, 6, 2, 3), (2, 1, 4, 4), (1, 9, 1, 2)])
@pytest.mark.parametrize("relu", [True, False])
def test_equals_the_svd_up_to_sign(shape, relu):
    activation = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    activation = activation.relu() if relu else activation
    got, wanted = eigen_cam(activation), by_svd(activation)
    flip = torch.sign((got * wanted).sum((1, 2), keepdim=True))
    torch.testing.assert_close(got, wanted * flip, rtol=1e-7, atol=1e-9)
    assert (got.pow(3).sum((1, 2)) >= 0).all()


@pytest.mark.parametrize("background", [0.0, -0.5])
def test_the_object_is_positive_in_200_cases(background):
    cases = [object_on_background(seed, background) for seed in range(200)]
    maps = eigen_cam(torch.stack([activation for activation, _ in cases]))
    for found, (_, mask) in zip(maps, cases, strict=True):
        assert found[mask].mean() > 0
        assert found[mask].mean() > found[~mask].mean()


def test_relu_activations_give_a_map_of_one_sign():
    activation = torch.rand(4, 12, 6, 5, generator=torch.Generator().manual_seed(1))
    assert (eigen_cam(activation) >= 0).all()


@pytest.mark.parametrize("factor", [1e-25, 1e25, 3.0])
def test_is_homogeneous_and_does_not_overflow(factor):
    activation = torch.randn(2, 6, 5, 5, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(
        eigen_cam(activation * factor) / factor, eigen_cam(activation), rtol=1e-3, atol=1e-5
    )


def test_nothing_gives_zeros():
    assert (eigen_cam(torch.zeros(2, 4, 3, 3)) == 0).all()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_picture_that_is_not_finite_spoils_only_its_own_map(bad):
    activation = torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(3))
    alone = eigen_cam(activation[1:])
    activation[0, 1, 1, 1] = bad
    found = eigen_cam(activation)
    assert found[0].isnan().all()
    assert torch.equal(found[1:], alone)
