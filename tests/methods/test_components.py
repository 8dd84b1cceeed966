"""Maps of activations alone, and of the principal component of gradients times activations."""

import math

import pytest
import torch
import torch.nn.functional as F
from nets import PooledLinear, inputs_for, model_of, only
from sklearn.decomposition import KernelPCA

from interp import targets
from interp.methods import MethodError, attribute, get


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("shape", [(2, 5, 7, 9), (3, 40, 3, 4), (1, 3, 6)])
def test_eigen_grad_cam_is_the_first_singular_direction_on_the_side_of_hires_cam(shape):
    activation, gradient = random(*shape), random(*shape, seed=1)
    got = get("eigen-grad-cam").function(activation, gradient)
    matrix = (activation * gradient).flatten(2).transpose(1, 2)
    u, s, _ = torch.linalg.svd(matrix, full_matrices=False)
    wanted = (u[..., 0] * s[..., :1]).reshape(got.shape)
    torch.testing.assert_close(got.abs(), wanted.abs())
    hires = get("hires-cam").function(activation, gradient)
    assert ((got * hires).flatten(1).sum(1) > 0).all()
    torch.testing.assert_close(get("eigen-grad-cam").function(activation, -gradient), -got)


def test_eigen_grad_cam_is_hires_cam_where_the_terms_have_rank_one():
    pattern, share = random(1, 1, 4, 5), random(1, 6, 1, 1, seed=1)
    activation, gradient = pattern * share, torch.ones(1, 6, 4, 5, dtype=torch.float64)
    got = get("eigen-grad-cam").function(activation, gradient)
    hires = get("hires-cam").function(activation, gradient)
    torch.testing.assert_close(got / got.abs().max(), hires / hires.abs().max())


def test_evidence_against_stays_negative():
    model = model_of(PooledLinear())
    inputs = inputs_for(model, 2)
    found = [attribute(model, inputs, t, ["eigen-grad-cam"], ["act"]).maps for t in (1, targets.negative(1))]
    torch.testing.assert_close(
        *(sign * only(f, "eigen-grad-cam") for sign, f in zip((1, -1), found, strict=True))
    )


@pytest.mark.parametrize(
    ("kernel", "gamma"), [("sigmoid", 0.0), ("rbf", 0.0), ("rbf", 0.3), ("sigmoid", 0.05)]
)
def test_kpca_cam_is_scikit_learns_kernel_pca_with_the_object_up(kernel, gamma):
    activation = random(2, 6, 5, 7).relu()
    got = get("kpca-cam", kernel=kernel, gamma=gamma).function(activation)
    for found, own in zip(got, activation, strict=True):
        points = own.flatten(1).T - own.flatten(1).T.mean(0)
        wanted = KernelPCA(1, kernel=kernel, gamma=gamma or None, eigen_solver="dense").fit_transform(
            points.numpy()
        )
        torch.testing.assert_close(found.flatten().abs(), torch.from_numpy(wanted[:, 0]).abs())
        assert found.pow(3).sum() > 0


def test_kpca_cam_of_a_fine_layer_is_the_same_as_of_a_coarse_one():
    activation = random(1, 4, 12, 14).relu()
    large = F.pad(activation, (0, 6, 0, 6), mode="replicate")  # 360 positions, found by Lanczos
    points = large.flatten(2)[0].T
    wanted = KernelPCA(1, kernel="rbf", eigen_solver="dense").fit_transform(points.numpy())[:, 0]
    got = get("kpca-cam", kernel="rbf").function(large).flatten()
    torch.testing.assert_close(got.abs(), torch.from_numpy(wanted).abs())
    assert torch.equal(get("kpca-cam", kernel="rbf").function(large).flatten(), got)


def test_kpca_cam_refuses_layers_that_are_too_fine():
    with pytest.raises(MethodError, match="4900"):
        get("kpca-cam").function(torch.zeros(1, 1, 70, 70))
    with pytest.raises(MethodError, match="'sigmoid', 'rbf'"):
        get("kpca-cam", kernel="linear").function(torch.zeros(1, 1, 2, 2))
    with pytest.raises(MethodError, match="gamma"):
        get("kpca-cam", gamma=-1.0).function(torch.zeros(1, 1, 2, 2))


def test_kpca_cam_of_a_picture_that_is_not_finite_spoils_only_its_own_map():
    activation = random(2, 3, 4, 4)
    activation[0, 0, 0, 0] = torch.nan
    found = get("kpca-cam").function(activation)
    assert found[0].isnan().all()
    torch.testing.assert_close(found[1:], get("kpca-cam").function(activation[1:]))


def test_fem_by_hand():
    activation = torch.zeros(1, 2, 3, 4)
    activation[0, 0, 1, 2] = 12.0  # mean 1, deviation 3.3: stands out
    activation[0, 1] = 5.0  # flat: does not
    wanted = torch.zeros(3, 4)
    wanted[1, 2] = 1.0
    assert torch.equal(get("fem").function(activation)[0], wanted)
    assert torch.equal(get("fem", deviations=3.3).function(activation)[0], wanted)  # √11 is 3.32
    assert torch.equal(get("fem").function(-activation)[0], torch.zeros(3, 4))
    with pytest.raises(MethodError, match="deviations"):
        get("fem", deviations=-1.0).function(activation)


@pytest.mark.parametrize("shape", [(2, 2), (5,), (1, 1), (1, 2, 2)])
def test_fem_refuses_layers_where_nothing_can_stand_out(shape):
    activation = torch.zeros(1, 1, *shape)
    activation.view(-1)[0] = 1.0
    with pytest.raises(MethodError, match=f"the layer has {math.prod(shape)} positions"):
        get("fem").function(activation)
    if math.prod(shape) > 1:
        fewer = 0.99 * math.sqrt(math.prod(shape) - 1)
        assert get("fem", deviations=fewer).function(activation).count_nonzero() == 1


def test_fem_of_many_deviations_can_be_combined():
    assert get("fem", deviations=5.0, eigen=True).function(random(1, 3, 7, 7)).shape == (1, 7, 7)


@pytest.mark.parametrize("name", ["random", "random-cam"])
def test_controls_know_their_seed_and_not_the_target(name):
    activation = random(3, 4, 5, 6)
    state = torch.get_rng_state()
    one, again, other = (get(name, seed=seed).function(activation) for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)
    assert not get(name).targeted


def test_the_random_map_is_noise_between_0_and_1_and_nothing_for_a_flat_layer():
    found = get("random").function(random(2, 3, 20, 20))
    assert torch.equal(found[0], found[1])
    assert 0 <= found.min() < 0.05
    assert 0.95 < found.max() < 1
    assert (get("random").function(torch.ones(1, 3, 4, 4)) == 0).all()


def test_random_cam_is_a_sum_of_channels():
    activation = random(1, 5, 6, 7)
    found = get("random-cam").function(activation).flatten()
    left = torch.linalg.lstsq(activation.flatten(2)[0].T, found[:, None]).residuals
    assert left.numel() == 0 or left.max() < 1e-12
    weights = torch.linalg.lstsq(activation.flatten(2)[0].T, found[:, None]).solution
    assert weights.abs().max() <= 1


def test_the_centre_is_a_gaussian_in_the_middle_and_nothing_for_a_flat_layer():
    found = get("centre", width=1.0).function(random(2, 3, 2, 5))
    assert torch.equal(found[0], found[1])
    rows, columns = torch.tensor([0.5, 0.5]), torch.tensor([0.8, 0.4, 0.0, 0.4, 0.8])
    wanted = torch.exp(-(rows.square()[:, None] + columns.square()) / 2)
    torch.testing.assert_close(found[0].float(), wanted)
    assert (get("centre").function(torch.ones(1, 3, 4, 4)) == 0).all()
    with pytest.raises(MethodError, match=r"centre\(width=0\.0\): give more than 0"):
        get("centre", width=0.0).function(random(1, 3, 4, 4))


def test_edges_are_the_gradient_of_the_picture_and_not_of_the_network():
    model = model_of(PooledLinear(), size=(4, 6))
    ramp = torch.arange(6.0).expand(1, 3, 4, 6).to(model.dtype)
    found = attribute(model, ramp, [1], ["edges"]).maps[0, "input", "edges"][0]
    inside, border = 3**0.5, 3**0.5 / 2
    wanted = torch.tensor([border, inside, inside, inside, inside, border]).expand(4, 6)
    torch.testing.assert_close(found, wanted)
    assert not get("edges").targeted
