"""Units switched off and on: exactly what they paint goes and comes, and nothing else."""

import numpy as np
import pytest
import torch
from painters import RED, painter, red_and_blue
from torch import nn

import interp
from interp.capture import CaptureError, replay, twin
from interp.features import FeatureError, ablate_units, dissect_generator, insert_units, unit_effect
from interp.features.unit_tail import tail_of
from interp.models.networks import BasicGeneratorNetwork
from interp.places import PlaceError

PLACE = (0.25, 0.5, 0.75, 0.75)
PIXELS = (slice(8, 12), slice(4, 12))


@pytest.fixture(scope="module")
def found():
    return dissect_generator(painter(), "units", concepts=red_and_blue, count=40)


@pytest.fixture(scope="module")
def basic():
    torch.manual_seed(0)
    return interp.load(BasicGeneratorNetwork(16, noise=8, features=8).build().eval(), input_shape=(8,))


def test_without_its_unit_the_rectangle_is_gone_and_nothing_else(found):
    change = ablate_units(found, [0], samples=range(40))
    shown = (found.samples.inputs(range(40))[:, 0] > 0).numpy()
    wanted = change.before.copy()
    wanted[:, *RED] = 0
    assert np.array_equal(change.after, wanted)
    assert shown.any()
    assert change.areas_before["red"][shown].tolist() == [24 / 256] * shown.sum()
    assert not change.areas_after["red"].any()
    assert change.changes == {"red": pytest.approx(-found.areas[0]), "blue": 0}
    assert (change.difference[shown][:, *RED] == 85).all()
    assert change.difference.sum() == shown.sum() * 24 * 85


def test_a_unit_that_is_switched_on_paints_exactly_where_it_was_asked(found):
    change = insert_units(found, [0], PLACE, samples=range(40))
    wanted = change.before.copy()
    wanted[:, *PIXELS, 0] = 255
    assert np.array_equal(change.after, wanted)
    assert change.areas_after["red"].tolist() == [1] * 40  # of the place
    assert change.places == (PLACE,) * 40
    assert change.values == (1.0,)


def test_at_a_place_only_the_place_is_switched_off(found):
    half = ablate_units(found, [0], place=(0, 0, 0.375, 1), samples=40)
    wanted = half.before.copy()
    wanted[:, :, :6, 0] = 0
    assert np.array_equal(half.after, wanted)


def test_the_mean_and_numbers_stand_in(found):
    mean = ablate_units(found, [0, 2], to="mean", samples=2)
    assert mean.values == pytest.approx((found.means[0], 0))
    number = insert_units(found, [2], PLACE, to=0.5, samples=2)
    assert (number.after[:, *PIXELS, 1] == 128).all()
    assert (number.after[:, *PIXELS, 1] > number.before[:, *PIXELS, 1]).all()


def test_the_causal_effect_of_a_painter_is_one(found):
    effect = unit_effect(found, [0], samples=40)
    assert effect.effects == {"red": 1, "blue": 0}
    assert effect.inserted["red"] == 1
    assert effect.ablated["red"] == 0
    again = unit_effect(found, [0], samples=40)
    assert again == effect
    other = unit_effect(found, [0], samples=40, seed=1)
    assert other.inserted["blue"] != effect.inserted["blue"]
    assert unit_effect(found, [2], samples=40).effects == {"red": 0, "blue": 0}


def whole_pass(module, layer, noise, change):
    """Run all of a network with a layer's output changed by a hook."""
    handle = module.get_submodule(layer).register_forward_hook(lambda *run: change(run[2].clone()))
    try:
        with torch.no_grad():
            return module(noise)
    finally:
        handle.remove()


@pytest.mark.parametrize("layer", ["0", "1", "1.1", "2", "3"])
def test_the_replay_is_a_whole_pass(basic, layer):
    found = dissect_generator(basic, layer, count=6)
    units = [0, 2]

    def changed(activation):
        activation[:, units] = torch.from_numpy(found.high[units])[:, None, None]
        return activation

    made = whole_pass(twin(basic.module), layer, found.samples.inputs(range(6)), changed)
    pixels = basic.preprocess.inverse(made).mul(255).round().byte().permute(0, 2, 3, 1).numpy()
    change = insert_units(found, units, (0, 0, 1, 1), samples=6)
    assert np.abs(change.after.astype(int) - pixels).max() <= 1
    assert (change.after != change.before).any()


class Remembering(nn.Module):
    """Keeps what a replay does not see, so that it cannot be replayed."""

    class First(nn.Module):
        def forward(self, noise):
            self.kept = noise.reshape(-1, 1, 2, 2)
            return self.kept.expand(-1, 3, 2, 2) * 1.0

    def __init__(self):
        super().__init__()
        self.first, self.second = Remembering.First(), nn.ReLU()

    def forward(self, noise):
        return torch.tanh(self.second(self.first(noise)) + self.first.kept)


def test_what_cannot_be_replayed_is_run_whole():
    model = interp.load(Remembering().eval(), input_shape=(4,))
    found = dissect_generator(model, "second", count=5)
    noise = found.samples.inputs(range(5))
    with model.twin() as private:
        with pytest.raises(CaptureError):
            replay(private, "second", noise)
        tail = tail_of(private, "second", noise)
        assert tail.output.equal(private(noise))
        assert tail.after(tail.activation).equal(tail.output)
        zeroed = tail.after(torch.zeros_like(tail.activation))
        assert zeroed.equal(torch.tanh(noise.reshape(-1, 1, 2, 2)).expand(-1, 3, 2, 2))
        assert not private.second._forward_hooks
    change = ablate_units(found, [0, 1, 2], samples=5)
    assert (change.after != change.before).any()


def test_nothing_is_left_after_a_change(basic):
    found = dissect_generator(basic, "2", count=3)
    ablate_units(found, [0], samples=3)
    with basic.twin() as private:
        for network in (basic.module, private):
            for part in network.modules():
                assert not part._forward_hooks
                assert "forward" not in vars(part)


def test_the_figure_has_both_beside_the_original(found):
    samples = found.top_samples([0], 2)
    off, on = ablate_units(found, [0], samples=samples), insert_units(found, [0], PLACE, samples=samples)
    figure = off.figure(on, concept="red", heading="painter")
    said = [text.get_text() for text in figure.texts]
    assert [word for word in said if word in ("original", "ablated", "inserted", "difference")] == [
        "original", "ablated", "difference", "inserted", "difference",
    ]  # fmt: skip
    assert "9 %" in said
    assert "0 \N{RIGHTWARDS ARROW} 100 %" in said
    assert any("lightest 85 of 255" in word for word in said)
    assert len(figure.axes) == 10
    with pytest.raises(FeatureError, match="other samples cannot be drawn beside"):
        off.figure(ablate_units(found, [0], samples=1))
    with pytest.raises(FeatureError, match="concept 'sky'"):
        off.figure(concept="sky")


def test_what_does_not_fit_is_said(found):
    with pytest.raises(FeatureError, match="to='one': give zero, mean, high, or a number"):
        ablate_units(found, [0], to="one")
    for to in (float("nan"), float("inf"), [1.0], None, True):
        with pytest.raises(FeatureError, match="give zero, mean, high, or a number"):
            insert_units(found, [0], PLACE, to=to)
    for numbers in ([1.5], [True], "ab", None, True, {1: 2}, [[1]]):
        with pytest.raises(FeatureError, match=r"samples=.*give whole numbers, as \[0, 3\]"):
            ablate_units(found, [0], samples=numbers)
        with pytest.raises(FeatureError, match=r"units=.*give whole numbers, as \[0, 3\]"):
            ablate_units(found, numbers)
    for place in (0.5, None, "ab", [(0.1, 0.1, 0.5, 0.5)]):
        with pytest.raises(PlaceError, match="is none"):
            ablate_units(found, [0], place=place)
    with pytest.raises(FeatureError, match="samples=0: give 1 or more"):
        ablate_units(found, [0], samples=0)
    with pytest.raises(FeatureError, match="samples: there is none"):
        ablate_units(found, [0], samples=[])
    with pytest.raises(FeatureError, match="unit 3"):
        insert_units(found, [3], PLACE)
    with pytest.raises(PlaceError, match="is none"):
        insert_units(found, [0], (0.1, 2))
    with pytest.raises(FeatureError, match="side=0: give a part"):
        unit_effect(found, [0], side=0)


def test_numpy_s_numbers_and_arrays_are_numbers(found):
    """And a place of two is the position that it lies in."""
    wanted = insert_units(found, [1], (0.25, 0.5, 0.75, 0.75), to=2.0, samples=3)
    same = insert_units(
        found, np.array([1]), np.array([0.25, 0.5, 0.75, 0.75]), to=np.float32(2), samples=np.int64(3)
    )
    assert np.array_equal(wanted.after, same.after)
    assert same.samples == insert_units(found, [1], PLACE, samples=torch.arange(3)).samples == (0, 1, 2)
    one = insert_units(found, [1], (0.25, 0.5), samples=1)
    assert one.places == ((0.25, 0.5),)
