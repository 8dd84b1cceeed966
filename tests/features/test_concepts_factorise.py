"""Planted concepts come back, strengths are least squares, and what cannot be factorised is refused."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment, nnls

from interp.features.concepts import encode, factorise
from interp.features.concepts.factorise import explained_by, rows_of
from interp.features.errors import FeatureError


def planted(seed, rows=400, channels=60, concepts=6):
    """Sparse supports that overlap, and rows that are often of one concept alone."""
    chance = np.random.default_rng(seed)
    bank = chance.random((concepts, channels)) * (chance.random((concepts, channels)) < 0.25)
    strengths = chance.exponential(1, (rows, concepts)) * (chance.random((rows, concepts)) < 0.3)
    return torch.from_numpy(strengths).float(), torch.from_numpy(bank).float()


def nearest(found, true):
    """Return the cosine of each true concept with the one that is assigned to it."""
    cosines = torch.nn.functional.normalize(found, dim=1) @ torch.nn.functional.normalize(true, dim=1).T
    rows, columns = linear_sum_assignment(-cosines.numpy())
    return cosines[rows, columns]


@pytest.mark.parametrize("seed", range(5))
def test_planted_concepts_are_recovered(seed):
    strengths, bank = planted(seed)
    found = factorise(strengths @ bank, 6)
    assert nearest(found.bank, bank).min() > 0.99
    assert found.explained > 0.999
    assert (found.bank >= 0).all()
    assert (found.strengths >= 0).all()


def test_planted_concepts_are_recovered_under_noise():
    strengths, bank = planted(11)
    noise = torch.randn(400, 60, generator=torch.Generator().manual_seed(0))
    assert nearest(factorise(strengths @ bank + 0.02 * noise, 6).bank, bank).min() > 0.99


def test_error_and_explained_are_those_of_the_product():
    activations = torch.rand(50, 20)
    found = factorise(activations, 4)
    rest = activations - found.strengths @ found.bank
    assert found.error == pytest.approx(float(rest.norm()), rel=1e-4)
    assert found.explained == pytest.approx(
        1 - float(rest.square().sum() / activations.square().sum()), rel=1e-4
    )


def test_concepts_have_length_one_and_the_strongest_comes_first():
    strengths, bank = planted(2)
    found = factorise(strengths @ bank, 6)
    assert torch.allclose(found.bank.norm(dim=1), torch.ones(6), atol=1e-5)
    energies = found.strengths.square().sum(0)
    assert (energies[:-1] >= energies[1:]).all()


@pytest.mark.parametrize("unit", [1e-20, 1e-3, 1e6])
def test_the_unit_of_the_activations_does_not_matter(unit):
    strengths, bank = planted(3)
    one, other = factorise(strengths @ bank, 6), factorise(strengths @ bank * unit, 6)
    assert torch.allclose(one.bank, other.bank, atol=1e-4)
    assert torch.allclose(one.strengths, other.strengths / unit, atol=1e-3)


def test_equal_activations_give_equal_concepts():
    activations = torch.rand(80, 30)
    assert torch.equal(factorise(activations, 5).bank, factorise(activations.clone(), 5).bank)


def test_negative_values_count_as_zero():
    activations = torch.randn(60, 12)
    assert torch.equal(factorise(activations, 3).bank, factorise(activations.clamp(min=0), 3).bank)


def test_more_concepts_never_explain_less():
    strengths, bank = planted(4)
    explained = [factorise(strengths @ bank, count).explained for count in range(1, 7)]
    assert explained == sorted(explained)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    concepts=st.integers(1, 8),
    channels=st.integers(1, 12),
    rows=st.integers(1, 5),
)
def test_strengths_are_the_least_squares_without_negative_numbers(seed, concepts, channels, rows):
    chance = np.random.default_rng(seed)
    bank, activations = chance.random((concepts, channels)), chance.random((rows, channels))
    found = encode(torch.from_numpy(activations), torch.from_numpy(bank)).double().numpy()
    assert (found >= 0).all()
    for row, strengths in zip(activations, found, strict=True):
        _, least = nnls(bank.T, row)
        assert np.linalg.norm(row - strengths @ bank) == pytest.approx(least, abs=1e-5)


def test_encoding_what_was_factorised_gives_its_strengths_again():
    strengths, bank = planted(5)
    found = factorise(strengths @ bank, 6)
    assert torch.allclose(encode(strengths @ bank, found.bank), found.strengths, atol=0.02)


def test_maps_are_encoded_position_by_position():
    maps, bank = torch.rand(2, 7, 3, 4), torch.rand(3, 7)
    heat = encode(maps, bank)
    assert heat.shape == (2, 3, 3, 4)
    assert torch.equal(heat[1, :, 2, 1], encode(maps[1, :, 2, 1][None], bank)[0])
    assert explained_by(maps, heat, bank) == pytest.approx(
        1 - float((rows_of(maps) - rows_of(heat) @ bank).square().sum() / maps.square().sum()), abs=1e-5
    )


def test_a_concept_of_zeros_gets_no_strength():
    bank = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    assert encode(torch.tensor([[2.0, 2.0]]), bank).tolist() == [[0.0, 2.0]]


@pytest.mark.parametrize(
    ("activations", "concepts", "words"),
    [
        (torch.rand(3, 9), 4, "give 1 … 3"),
        (torch.rand(9, 3), 0, "concepts=0 for 9 positions of 3 channels"),
        (torch.rand(9), 1, r"shape \(9,\)"),
        (-torch.rand(9, 3), 2, "no activation is above 0"),
        (torch.full((9, 3), float("nan")), 2, "not finite"),
    ],
)
def test_what_cannot_be_factorised_is_said(activations, concepts, words):
    with pytest.raises(FeatureError, match=words):
        factorise(activations, concepts)


def test_a_bank_of_other_channels_is_refused():
    with pytest.raises(FeatureError, match="concepts of 5 channels"):
        encode(torch.rand(2, 4), torch.rand(3, 5))
