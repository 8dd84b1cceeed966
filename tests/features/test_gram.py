import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from interp.features import gram

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
    assert found.equal(found.mT)
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
