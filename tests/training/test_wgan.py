from itertools import pairwise

import pytest
import torch
from fastai.callback.core import Callback
from torch import nn

import interp
from interp.models import ModelError
from interp.training import Stage, train
from interp.training.adversarial import CriticDistance
from interp.training.recipe import Silent
from interp.training.wgan import carry, generate


class Seen(Callback):
    """Notes whose turn each step is, and the critic's largest weight when it judges."""

    order = 0

    def __init__(self):
        self.turns, self.largest, self.losses = [], [], []

    def after_loss(self):
        if self.training:
            critic = self.learn.model.critic
            self.largest.append(max(float(p.detach().abs().max()) for p in critic.parameters()))
            self.turns.append(self.learn.gan_trainer.gen_mode)
            self.losses.append(float(self.learn.loss.detach()))


def test_the_critic_has_its_turns_and_its_weights_stay_small(make, tmp_path):
    recipe = make(
        "wgan", stages=(Stage("s", 3, 1e-3, 16, batch=2, flat=True),), critic_turns=3, valid=0.05, clip=0.02
    )
    seen, learner_of, kept = Seen(), recipe.learner, []

    def learner(*arguments):
        made = learner_of(*arguments)
        made.add_cb(seen)
        return made

    def after_epoch(made, _run):
        kept.append(max(float(p.detach().abs().max()) for p in made.model.critic.parameters()))

    recipe.learner, recipe.after_epoch = learner, after_epoch
    rows = train(recipe, tmp_path / "run").rows
    assert seen.turns == [False, False, False, True, False] * 3  # eleven pictures: five steps an epoch
    assert max(seen.largest) <= 0.02 * (1 + 1e-6)
    assert max(kept) <= 0.02 * (1 + 1e-6)  # also the critic that validates and is saved
    for epoch, row in enumerate(rows):
        own = seen.losses[5 * epoch : 5 * epoch + 5]
        assert row["train_gen_loss"] == pytest.approx(own[3], rel=1e-5)
        assert row["train_crit_loss"] == pytest.approx(sum((*own[:3], own[4])) / 4, rel=1e-5)


def test_the_distance_is_the_mean_over_all_pictures():
    class Learn:
        class model:  # noqa: N801 - stands for a module
            critic = staticmethod(lambda pictures: pictures.flatten(1).sum(1, keepdim=True))

        training = False

    metric, chance = CriticDistance(), torch.Generator().manual_seed(0)
    real, made = torch.rand(2, 5, 3, 4, 4, generator=chance)
    for part in (slice(0, 4), slice(4, 5)):
        Learn.yb, Learn.pred = (real[part],), made[part]
        metric.accumulate(Learn)
    assert metric.value == pytest.approx(float((made - real).flatten(1).sum(1).mean()), rel=1e-5)
    metric.reset()
    assert metric.value is None


def chain(*widths):
    torch.manual_seed(len(widths))
    pairs = pairwise(widths)
    return nn.Sequential(*(nn.Sequential(nn.Linear(a, b), nn.BatchNorm1d(b)) for a, b in pairs))


def test_what_is_carried_over():
    small, large = chain(2, 4, 8), chain(2, 4, 8, 16)
    own = {key: value.clone() for key, value in large.state_dict().items()}
    assert carry(small, large, from_end=False) == 2
    for key, value in large.state_dict().items():
        assert value.equal(own[key] if key.startswith("2.") else small.state_dict()[key])
    small, large = chain(8, 4, 2), chain(16, 8, 4, 2)
    own = {key: value.clone() for key, value in large.state_dict().items()}
    assert carry(small, large, from_end=True) == 2
    for key, value in large.state_dict().items():
        place, rest = key.split(".", 1)
        expected = own[key] if place == "0" else small.state_dict()[f"{int(place) - 1}.{rest}"]
        assert value.equal(expected)
    assert not any(a is b for a in small.parameters() for b in large.parameters())
    assert carry(chain(3, 5), chain(2, 4), from_end=False) == 0


def test_growing_keeps_the_ends_that_both_sizes_have(make):
    recipe = make("wgan", stages=(Stage("a", 1, 1e-3, 16, flat=True), Stage("b", 1, 1e-3, 32, flat=True)))
    recipe.prepare(Silent())
    networks = recipe.networks()
    small = dict(networks)
    recipe.grow(recipe.stages[0], networks)
    assert networks == small
    recipe.grow(recipe.stages[1], networks)
    noise, pictures = torch.zeros(2, 8), torch.zeros(2, 3, 32, 32)
    assert networks["generator"](noise).shape == pictures.shape
    assert networks["critic"](pictures).shape == (2, 1)
    first, grown = (next(iter(m["critic"].parameters())) for m in (small, networks))
    assert first.equal(grown)
    outputs = [[p for p in m["generator"].parameters() if p.dim() == 4][-1] for m in (small, networks)]
    assert outputs[0].equal(outputs[1])


def test_generated_pictures_depend_on_the_seed_only_and_the_mode_is_put_back(make):
    recipe = make("wgan")
    recipe.prepare(Silent())
    generator = recipe.networks()["generator"].train()
    before = torch.get_rng_state()
    first = generate(generator, 8, 4)
    assert first.shape == (4, 3, 16, 16)
    assert first.abs().max() <= 1
    assert generate(generator, 8, 4).equal(first)
    assert not generate(generator, 8, 4, seed=1).equal(first)
    assert generator.training
    assert torch.get_rng_state().equal(before)


def test_both_networks_are_saved(finished):
    folder = finished("wgan")
    critic = interp.load(folder)
    generator = interp.load(folder / "generator")
    assert critic.preprocess.size == (32, 32)
    made = generate(generator.module, 8, 3)
    assert made.shape == (3, 3, 32, 32)
    assert critic.logits(made).shape == (3, 1)


def test_a_generator_knows_that_it_takes_noise(finished, tmp_path):
    generator = interp.load(finished("wgan") / "generator")
    assert generator.blank(2).shape == (2, 8)
    shapes = [row.shape for row in generator.layers if row.depth == 1]
    assert shapes[0] == (8, 1, 1)
    assert shapes[-1] == (3, 32, 32)
    generator.save(tmp_path / "again")
    assert interp.load(tmp_path / "again").input_shape == (8,)
    with pytest.raises(ModelError, match=r"takes inputs of \(8,\), and pictures are not made into those"):
        interp.explain(generator, torch.zeros(3, 32, 32))


def test_a_bare_generator_makes_pictures_of_noise():
    bare = nn.Sequential(nn.Linear(5, 3 * 4 * 6), nn.Tanh(), nn.Unflatten(1, (3, 4, 6)))
    model = interp.load(bare, input_shape=(5,))
    assert (model.task, model.activation) == ("image", "none")
    assert model.preprocess.size == (4, 6)
    assert model.preprocess.inverse(torch.ones(3, 4, 6)).min() == 1


def test_a_size_that_is_no_power_of_two_is_said_before_training(make):
    with pytest.raises(ModelError, match=r"size \(a power of two\) is 48"):
        make("wgan", stages=(Stage("s", 1, 1e-3, 48, flat=True),))
