import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from interp.features import FeatureError, clustered_order, cosine, dead_channels, gram, neighbours

SHAPES = st.tuples(*(st.integers(1, 5) for _ in range(4)))
NORMALISE = st.sampled_from(["HW", "CHW"])


def activation(shape, dtype=torch.float64) -> torch.Tensor:
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(sum(shape)))


@given(SHAPES, NORMALISE)
@settings(deadline=None)
def test_it_is_the_einsum(shape, normalise):
    features = activation(shape)
    _, channels, height, width = shape
    count = height * width * (channels if normalise == "CHW" else 1)
    expected = torch.einsum("bchw,bdhw->bcd", features, features) / count
    torch.testing.assert_close(gram(features, normalise), expected)


def test_by_hand():
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, -1.0]]]])  # rows (1, 2) and (3, -1)
    assert gram(features, "HW").tolist() == [[[2.5, 0.5], [0.5, 5.0]]]
    assert gram(features).tolist() == [[[1.25, 0.25], [0.25, 2.5]]]


@given(SHAPES, NORMALISE)
@settings(deadline=None)
def test_symmetric_positive_semidefinite_and_blind_to_place(shape, normalise):
    features = activation(shape)
    found = gram(features, normalise)
    torch.testing.assert_close(found, found.mT)  # some processors round a row otherwise than a column
    assert torch.linalg.eigvalsh(found).min() > -1e-12
    order = torch.randperm(shape[2] * shape[3], generator=torch.Generator().manual_seed(1))
    moved = features.flatten(2)[..., order].reshape(shape)
    torch.testing.assert_close(gram(moved, normalise), found)


def test_a_batch_is_its_pictures_one_by_one():
    features = activation((3, 4, 5, 6))
    torch.testing.assert_close(gram(features), torch.cat([gram(one[None]) for one in features]))


def test_gradients_are_those_of_finite_differences():
    features = activation((2, 3, 2, 4)).requires_grad_()
    assert torch.autograd.gradcheck(gram, (features,))
    assert torch.autograd.gradcheck(lambda x: gram(x, "HW"), (features,))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_single(dtype):
    features = torch.full((1, 2, 64, 64), 20.0, dtype=dtype)  # the sum is 1.6 million, beyond float16
    assert gram(features, "HW").equal(torch.full((1, 2, 2), 400.0))


def test_autocast_does_not_reach_it():
    features = torch.randn(1, 4, 32, 32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = gram(features)
    assert found.dtype == torch.float32
    assert found.equal(gram(features))


def test_what_is_no_activation_is_refused():
    with pytest.raises(ValueError, match=r"has the shape \(2, 3\); give \(B, C, H, W\)"):
        gram(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="normalise='C' is neither 'HW' nor 'CHW'"):
        gram(torch.zeros(1, 1, 1, 1), "C")


@given(SHAPES)
@settings(deadline=None)
def test_tiles_of_one_activation_have_the_same_matrix(shape):
    features = activation(shape)
    for normalise in ("HW", "CHW"):
        torch.testing.assert_close(gram(features.tile(1, 1, 2, 2), normalise), gram(features, normalise))


@given(SHAPES)
@settings(deadline=None)
def test_cosines_are_those_of_the_channels_and_know_no_scale(shape):
    features = activation(shape)
    rows = torch.nn.functional.normalize(features.flatten(2), dim=2)
    found = cosine(gram(features))
    torch.testing.assert_close(found, rows @ rows.mT)
    assert found.diagonal(dim1=1, dim2=2).eq(1).all()
    assert found.abs().max() <= 1
    loud = features * torch.logspace(-3, 3, shape[1], dtype=torch.float64)[:, None, None]
    torch.testing.assert_close(cosine(gram(loud, "HW")), found)


def test_numbers_at_the_edge_of_single_precision_still_have_a_cosine():
    features = torch.tensor([[3e18, 3e18], [3e-18, 0.0]]).view(1, 2, 1, 2)
    torch.testing.assert_close(cosine(gram(features))[0], torch.tensor([[1, 0.5**0.5], [0.5**0.5, 1]]))


def test_dead_channels_are_listed_and_have_no_cosine():
    features = activation((1, 4, 3, 3))
    features[:, [0, 2]] = 0
    matrix = gram(features)[0]
    assert dead_channels(matrix) == (0, 2)
    assert cosine(matrix)[[0, 2]].eq(0).all()
    assert cosine(matrix)[:, [0, 2]].eq(0).all()
    assert cosine(matrix).isfinite().all()
    assert clustered_order(matrix) == (1, 3, 0, 2)
    assert neighbours(matrix, 0) == ()
    assert [one.channel for one in neighbours(matrix, 1)] == [3]
    assert clustered_order(torch.zeros(3, 3)) == (0, 1, 2)


@given(st.integers(1, 24), st.integers(0, 9))
@settings(deadline=None, max_examples=30)
def test_an_order_names_every_channel_once_and_does_not_depend_on_chance(channels, seed):
    features = torch.rand(1, channels, 3, 4, generator=torch.Generator().manual_seed(seed))
    matrix = gram(features)[0]
    order = clustered_order(matrix)
    assert sorted(order) == list(range(channels))
    assert order == clustered_order(matrix.clone()) == clustered_order(7 * matrix)


@given(st.integers(2, 9), st.integers(2, 9), st.integers(0, 99))
@settings(deadline=None, max_examples=30)
def test_two_planted_groups_come_out_as_two_blocks(one, other, seed):
    generator = torch.Generator().manual_seed(seed)
    # Each group fires on a half of the picture of its own, each channel a little in its own way.
    features = 0.2 * torch.rand(one + other, 4, 6, generator=generator)
    features[:one, :2] += 1
    features[one:, 2:] += 1
    mixed = torch.randperm(one + other, generator=generator)
    order = clustered_order(gram(features[mixed][None])[0])
    groups = [int(mixed[channel]) < one for channel in order]
    assert groups == sorted(groups) or groups == sorted(groups, reverse=True)


def test_the_order_is_the_shortest_way_through_its_tree():
    # On a line the tree leaves only one order (and its mirror image) without a step back.
    angles = torch.tensor([0.9, 0.1, 0.5, 0.3, 0.7])
    features = torch.stack([angles.cos(), angles.sin()], 1).view(1, 5, 1, 2)
    assert clustered_order(gram(features)[0]) == (0, 4, 2, 3, 1)


def test_neighbours_are_the_largest_cosines():
    matrix = gram(activation((1, 9, 4, 4)))[0]
    values = cosine(matrix)
    found = neighbours(matrix, 4, 3)
    expected = sorted((c for c in range(9) if c != 4), key=lambda c: -values[4, c])
    assert [one.channel for one in found] == expected[:3]
    assert [one.cosine for one in found] == [float(values[4, c]) for c in expected[:3]]
    assert len(neighbours(matrix, 4, 99)) == 8


def test_what_is_no_gram_matrix_is_refused():
    with pytest.raises(FeatureError, match=r"the shape \(2, 3\); give \(C, C\) or \(B, C, C\)"):
        cosine(torch.zeros(2, 3))
    for function in (clustered_order, dead_channels, lambda matrix: neighbours(matrix, 0)):
        with pytest.raises(FeatureError, match=r"the shape \(1, 2, 2\); give one Gram matrix \(C, C\)"):
            function(torch.zeros(1, 2, 2))
    with pytest.raises(FeatureError, match="values that are not finite"):
        clustered_order(torch.full((3, 3), float("nan")))
    with pytest.raises(FeatureError, match=r"channel -1 is outside 0 … 2\."):
        neighbours(torch.eye(3), -1)
