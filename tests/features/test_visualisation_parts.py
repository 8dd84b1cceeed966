"""Parametrisations, colours, transforms and objectives, each by itself."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from interp.features.errors import FeatureError
from interp.features.visualisation import (
    OUTPUT,
    Move,
    Objective,
    channel,
    channels,
    class_logit,
    colour_basis,
    direction,
    diversity,
    fourier,
    neuron,
    pixels,
)
from interp.features.visualisation.objectives import evaluate, largest
from interp.features.visualisation.parametrisation import frequencies
from interp.models.labels import LabelError, Labels

SHAPES = st.tuples(st.integers(1, 3), st.sampled_from([1, 3]), st.integers(1, 21), st.integers(1, 21))
MAKE = st.sampled_from([fourier, pixels])


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@given(SHAPES, MAKE, st.integers(0, 3))
@settings(deadline=None)
def test_any_shape_is_a_picture_and_a_seed_is_a_picture(shape, make, seed):
    first, again, other = make(shape, seed=seed), make(shape, seed=seed), make(shape, seed=seed + 1)
    found = first.pictures()
    assert found.shape == shape == first.shape
    assert found.min() >= 0
    assert found.max() <= 1
    assert found.equal(again.pictures())
    assert not found.equal(other.pictures())


@given(SHAPES, MAKE)
@settings(deadline=None)
def test_a_picture_survives_the_round_trip(shape, make):
    pictures = noise(*shape).clamp(0.01, 0.99)
    torch.testing.assert_close(make(shape, start=pictures).pictures(), pictures, atol=2e-5, rtol=0)


def test_black_and_white_come_back_half_a_step_of_eight_bits_inside():
    pictures = torch.tensor([0.0, 1.0]).repeat(18).reshape(1, 3, 3, 4)
    for make in (fourier, pixels):
        found = make(pictures.shape, start=pictures).pictures()
        assert (found - pictures).abs().max() < 0.51 / 255


@given(st.integers(6, 40), st.integers(6, 40))
@settings(deadline=None, max_examples=25)
def test_parameters_of_unit_deviation_are_a_picture_of_unit_deviation(height, width):
    start = fourier((64, 1, height, width), seed=3)
    with torch.no_grad():
        start.parameters[0].mul_(4)  # it began with a quarter
    assert torch.logit(start.pictures()).square().mean().sqrt().item() == pytest.approx(1, rel=0.1)


def test_the_same_noise_for_all_or_noise_for_each():
    same, each = (fourier((2, 3, 8, 9), same=same).pictures() for same in (True, False))
    assert same[0].equal(same[1])
    assert not each[0].equal(each[1])
    assert fourier((1, 3, 8, 9)).pictures()[0].equal(same[0])


def test_low_frequencies_move_most():
    start = fourier((1, 1, 32, 32))
    (gradient,) = torch.autograd.grad(start.pictures()[..., 0, 0].sum(), start.parameters)
    size = gradient.norm(dim=-1)[0, 0]
    assert size[0, 1] > 3 * size[0, 10]
    assert frequencies((6, 4))[3, 2] == math.hypot(0.5, 0.5)


def test_a_parametrisation_is_made_whatever_the_mode():
    with torch.inference_mode():
        start = fourier((1, 3, 8, 8))
    assert start.pictures().requires_grad


def test_impossible_pictures_are_refused():
    with pytest.raises(FeatureError, match=r"pictures of the shape \(1, 2, 8, 8\) cannot be"):
        fourier((1, 2, 8, 8))
    with pytest.raises(FeatureError, match=r"start has the shape \(1, 3, 4, 4\); give \(1, 3, 8, 8\)"):
        pixels((1, 3, 8, 8), start=noise(1, 3, 4, 4))
    with pytest.raises(FeatureError, match=r"colours has the shape \(1, 1\) for pictures of 3"):
        fourier((1, 3, 8, 8), colours=colour_basis(1))


def test_the_colours_of_own_pictures_have_their_covariance():
    mix = torch.tensor([[0.9, 0.2, 0.0], [0.9, 0.0, -0.1], [0.9, -0.2, 0.1]])
    pictures = torch.einsum("dc,nchw->ndhw", mix, noise(4, 3, 60, 60)) / 4 + 0.3
    basis = colour_basis(pictures)
    covariance = torch.cov(pictures.movedim(1, 0).flatten(1))
    expected = covariance / torch.linalg.eigvalsh(covariance).max()
    torch.testing.assert_close(basis @ basis.T, expected, atol=1e-4, rtol=0)
    assert (basis[:, 0] > 0.5).all()  # brightness first, and bright
    assert basis.norm(dim=0).max().item() == pytest.approx(1)


def test_colours_of_grey_of_imagenet_and_of_nothing():
    assert colour_basis(1).tolist() == [[1]]
    assert colour_basis(noise(2, 1, 4, 4)).tolist() == [[1]]
    assert colour_basis().norm(dim=0).max().item() == pytest.approx(1)
    with pytest.raises(FeatureError, match="have one colour"):
        colour_basis(torch.full((1, 3, 4, 4), 0.5))
    with pytest.raises(FeatureError, match="colours of 4 channels"):
        colour_basis(4)


@given(st.integers(1, 17), st.integers(1, 17), st.integers(1, 17), st.integers(1, 17))
@settings(deadline=None)
def test_a_move_gives_the_size_asked_for_and_stays_in_range(height, width, high, wide):
    generator = torch.Generator().manual_seed(height)
    for padding in ("reflect", "grey"):
        found = Move(0.3, (0.5, 2), 90, padding, (high, wide))(noise(2, 3, height, width), generator)
        assert found.shape == (2, 3, high, wide)
        assert found.min() >= -1e-6
        assert found.max() <= 1 + 1e-6


def test_a_move_by_nothing_changes_nothing():
    pictures, generator = noise(1, 1, 6, 8), torch.Generator().manual_seed(0)
    torch.testing.assert_close(Move(0, (1, 1), 0)(pictures, generator), pictures)
    cut = Move(0, (1, 1), 0, size=(6, 8))(pictures, generator)
    torch.testing.assert_close(cut, pictures)


def test_a_quarter_turn_is_a_quarter_turn(monkeypatch):
    pictures = noise(1, 2, 7, 7)
    monkeypatch.setattr(
        torch, "rand", lambda *_, **__: torch.tensor([0.5, 1.0, 0.5, 0.5], dtype=torch.float64)
    )
    found = Move(0, (1, 1), 90)(pictures, torch.Generator())
    torch.testing.assert_close(found, pictures.rot90(1, (2, 3)), atol=1e-5, rtol=0)


def test_moves_are_drawn_from_the_generator_and_alike_for_a_batch():
    pictures = noise(1, 3, 16, 16).expand(2, -1, -1, -1)
    draws = [Move()(pictures, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert draws[0].equal(draws[1])
    assert not draws[0].equal(draws[2])
    assert draws[0][0].equal(draws[0][1])
    generator = torch.Generator().manual_seed(1)
    assert not Move()(pictures, generator).equal(Move()(pictures, generator))


def test_impossible_moves_are_refused():
    for wrong in ({"jitter": -0.1}, {"scale": (0, 1)}, {"scale": (2, 1)}, {"rotation": -1}):
        with pytest.raises(FeatureError, match="a jitter is 0 … 1"):
            Move(**wrong)
    with pytest.raises(FeatureError, match="padding='black' is neither"):
        Move(padding="black")


# Two pictures, two channels, 2 × 3 positions.
SEEN = {
    "conv": torch.tensor([[[[1.0, 2, 3], [4, 5, 6]], [[0, 0, 0], [0, 0, 12]]]]).repeat(2, 1, 1, 1)
    * torch.tensor([1.0, -1.0])[:, None, None, None],
    "fc": torch.tensor([[3.0, -4.0], [0.5, 2.0]]),
    OUTPUT: torch.tensor([[1.0, 7.0], [2.0, 8.0]]),
}
LABELS = Labels(("cat", "dog"))


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (channel("conv", 0), [3.5, -3.5]),
        (channel("fc", 1), [-4, 2]),
        (neuron("conv", 0), [5, -5]),  # row 1, column 1
        (neuron("conv", 1, (1, 2)), [12, -12]),
        (neuron("fc", 0), [3, 0.5]),
        (class_logit(1), [7, 8]),
        (class_logit("cat"), [1, 2]),
        (direction("fc", [1, -1]), [7, -1.5]),
        (direction("fc", [0.6, -0.8], power=2), [5, 0.01 * -1.3]),
        (direction("conv", [1, 2], position=(1, 2)), [30, -30]),
        (direction("conv", [2, 0]), [7, -7]),
        (channel("fc", 0) + channel("fc", 1), [-1, 2.5]),
        (channel("fc", 0) - channel("fc", 1), [7, -1.5]),
        (channel("fc", 0) * channel("fc", 1), [-12, 1]),
        (-channel("fc", 0), [-3, -0.5]),
        (2 * channel("fc", 0), [6, 1]),
        (channel("fc", 0) * 2, [6, 1]),
        (1 - channel("fc", 0), [-2, 0.5]),
        (channel("fc", 0) - 1, [2, -0.5]),
        (sum([channel("fc", 0), class_logit("dog")]), [10, 8.5]),
        (-(channel("fc", 0) - 2 * (channel("fc", 1) + 1)) * 0.5, [-4.5, 2.75]),
    ],
    ids=lambda value: value.name if isinstance(value, Objective) else "",
)
def test_values_by_hand(objective, expected):
    torch.testing.assert_close(objective(SEEN, LABELS), torch.tensor(expected).float())


def test_names_say_what_is_computed():
    a, b = channel("x", 1), channel("y", 2)
    assert (a + 0.5 * b).name == "x:1 + 0.5 · y:2"
    assert (a - (b - a)).name == "x:1 − (y:2 − x:1)"
    assert (-(a + b)).name == "−(x:1 + y:2)"
    assert ((a + b) * b).name == "(x:1 + y:2) · y:2"
    assert (a + b + a).layers == ("x", "y")
    assert neuron("x", 1, (2, 3)).name == "x:1 (2, 3)"


def test_what_does_not_add_says_so():
    with pytest.raises(TypeError, match="unsupported operand"):
        channel("x", 1) + "y"


def test_tokens_have_their_channels_last():
    tokens = {
        "block": torch.tensor([[[1.0, 5.0], [3.0, 9.0], [2.0, 1.0]]])
    }  # one picture, 3 tokens, 2 channels
    assert channel("block", 1)(tokens).tolist() == [5]
    assert direction("block", [1, 0])(tokens).tolist() == [2]


def test_diversity_is_the_mean_negative_cosine_of_grams():
    one, two = torch.zeros(2, 3, 2, 2)
    one[0], two[1] = 1.0, 5.0  # Grams with a single entry each, at unlike places
    seen = {"conv": torch.stack([one, two, 2 * two])}
    assert diversity("conv")(seen).tolist() == pytest.approx([0, -0.5, -0.5])
    with pytest.raises(FeatureError, match="batch=2 or more"):
        diversity("conv")({"conv": one[None]})


def test_each_picture_has_its_own_objective():
    objectives = [channel("conv", 1), 2 * class_logit("dog")]
    assert evaluate(objectives, SEEN, LABELS).tolist() == [2, 16]
    assert evaluate([channel("fc", 0)], SEEN).tolist() == [3, 0.5]
    assert [one.unit for one in channels("conv", [4, 2])] == [("conv", 4), ("conv", 2)]
    with pytest.raises(FeatureError, match="3 objectives for 2 pictures"):
        evaluate(channels("conv", [0, 1, 0]), SEEN)


def test_a_pictures_gradient_is_its_own():
    leaf = SEEN["conv"].clone().requires_grad_()
    evaluate(channels("conv", [0, 1]), {"conv": leaf}).sum().backward()
    assert leaf.grad[0, 0].eq(1 / 6).all()
    assert leaf.grad[0, 1].eq(0).all()
    assert leaf.grad[1, 0].eq(0).all()


def test_the_largest_activation_of_the_one_channel():
    assert largest(channel("conv", 0), SEEN).tolist() == [6, -1]
    assert largest(neuron("conv", 1, (0, 0)), SEEN).tolist() == [12, 0]
    assert largest(channel("conv", 0) + 1, SEEN).isnan().all()


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (channel("conv", 2), r"layer 'conv' has no channel 2: its channels are 0 … 1"),
        (neuron("conv", 0, (2, 0)), r"has no position \(2, 0\): its grid is 2 × 3"),
        (neuron("fc", 0, (0, 0)), "layer 'fc' has no grid of positions"),
        (direction("fc", [1, 2, 3]), "the direction has 3 numbers, and layer 'fc' has 2 channels"),
        (Objective("mine", ("fc",), lambda seen, _: seen["fc"]), r"'mine' gave \(2, 2\) for 2 picture"),
    ],
)
def test_what_is_not_there_is_named(objective, message):
    with pytest.raises(FeatureError, match=message):
        objective(SEEN)


def test_classes_are_found_by_the_labels():
    with pytest.raises(LabelError, match="no class 'cow'"):
        class_logit("cow")(SEEN, LABELS)
    with pytest.raises(FeatureError, match="power=-1"):
        direction("fc", [1, 2], power=-1)
