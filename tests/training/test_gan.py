from itertools import pairwise

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from run_folders import assert_same_end
from safetensors.torch import load_file

import interp
from interp.training import Stage, TrainingError, train
from interp.training.recipe import Silent

JOINED = (
    Stage("generator", 1, 1e-3, 32, batch=3, frozen=True, part="generator"),
    Stage("joined", 2, 1.3e-4, 64, batch=2, flat=True, part="gan"),
)


class Seen(Callback):
    """Notes, for each step of joined training, whose turn it is, the rate, and which weights change."""

    order = 0

    def __init__(self):
        self.steps, self.kinds = [], []

    def before_step(self):
        self._rate = self.opt.hypers[0]["lr"]
        self._turn = self.learn.gan_trainer.gen_mode
        self._before = {name: p.detach().clone() for name, p in self.learn.model.named_parameters()}

    def after_step(self):
        changed = {n for n, p in self.learn.model.named_parameters() if not p.equal(self._before[n])}
        inside = {name for name, _ in self.learn.model.generator.named_parameters(prefix="generator")}
        self.steps.append(
            {
                "epoch": self.epoch,
                "generator": self._turn,
                "rate": self._rate,
                "changed_generator": bool(changed & inside),
                "changed_critic": bool(changed - inside),
                "loss": float(self.learn.loss.detach()),
            }
        )


@pytest.fixture(scope="module")
def joined(make, tmp_path_factory):
    """Return (steps, rates after the epochs, recipe, networks, folder) of a short joined training."""
    recipe = make("gan", stages=JOINED, weight_decay=0.1)
    seen, kept = Seen(), {}
    learner_of, after_epoch = recipe.learner, recipe.after_epoch

    def learner(stage, networks, run):
        made = learner_of(stage, networks, run)
        if stage.part == "gan":
            made.add_cb(seen)
            kept["body"] = {n: p.detach().clone() for n, p in networks["generator"].named_parameters()}
            kept["networks"] = networks
        return made

    def rates(made, run):
        kept.setdefault("rates", []).append([hypers["lr"] for hypers in made.opt.hypers])
        return after_epoch(made, run)

    recipe.learner, recipe.after_epoch = learner, rates
    folder = tmp_path_factory.mktemp("joined") / "run"
    rows = train(recipe, folder).rows
    return seen.steps, kept, rows, folder


@pytest.mark.slow
def test_the_critic_learns_at_its_own_rate_and_the_rate_comes_back(joined):
    steps, kept, _, _ = joined
    assert {step["rate"] for step in steps if step["generator"]} == {1.3e-4}
    assert {step["rate"] for step in steps if not step["generator"]} == {5 * 1.3e-4}
    assert kept["rates"][1:] == [[1.3e-4]] * 2


def test_the_critic_begins_every_epoch(joined):
    steps, _, _, _ = joined
    for epoch in range(2):
        own = [step["generator"] for step in steps if step["epoch"] == epoch]
        assert own[0] is False
        assert True in own


def test_who_has_no_turn_does_not_change_not_even_by_weight_decay(joined):
    steps, _, _, _ = joined
    for step in steps:
        assert step["changed_generator"] == step["generator"]
        assert step["changed_critic"] == (not step["generator"])


def test_the_generators_body_learns_too_after_a_frozen_beginning(joined):
    _, kept, _, _ = joined
    before = kept["body"]
    after = dict(kept["networks"]["generator"].named_parameters())
    body = [name for name in before if name.startswith("layers.0.") and before[name].dim() == 4]
    assert len(body) > 10
    assert not [name for name in body if after[name].cpu().equal(before[name])]


def test_each_networks_loss_is_in_its_own_column(joined):
    steps, _, rows, _ = joined
    for epoch, row in enumerate(rows[1:]):
        for name, turn in (("train_gen_loss", True), ("train_crit_loss", False)):
            losses = [s["loss"] for s in steps if s["epoch"] == epoch and s["generator"] == turn]
            assert row[name] == pytest.approx(sum(losses) / len(losses), rel=1e-6)


def test_the_switch_is_at_the_threshold(joined):
    steps, _, _, _ = joined
    for before, now in pairwise(steps):
        if before["epoch"] == now["epoch"]:
            assert now["generator"] == (not before["generator"] and before["loss"] < 0.9)


@pytest.mark.slow
def test_an_uneven_rate_resumes_to_the_last_digit(make, tmp_path):

    from interp.training.recipe import Silent

    # Times five and divided by five this rate is another number.
    rate = next(r for r in (k * 1e-6 for k in range(11, 999)) if r * 5 / 5 != r)
    stages = (Stage("joined", 2, rate, 64, batch=2, flat=True, part="gan"),)

    class Stop(Silent):
        def epoch(self, row):
            if row["epoch"] == 1:
                raise KeyboardInterrupt

    train(make("gan", stages=stages), tmp_path / "whole" / "run")
    with pytest.raises(KeyboardInterrupt):
        train(make("gan", stages=stages), tmp_path / "parts" / "run", watcher=Stop())
    train(make("gan", stages=stages), tmp_path / "parts" / "run", resume=True)
    assert_same_end(tmp_path / "parts" / "run", tmp_path / "whole" / "run")


@pytest.mark.slow
def test_a_critic_that_learns_again_sees_what_the_generator_makes_now(make, tmp_path):
    stages = (
        Stage("critic", 1, 1e-3, 64, batch=6, part="critic"),
        Stage("joined", 1, 1e-3, 64, batch=2, flat=True, part="gan"),
        Stage("critic again", 1, 1e-3, 64, batch=6, part="critic"),
    )
    train(make("gan", stages=stages), tmp_path / "run")
    first, again = (tmp_path / "run" / "generations" / number for number in ("01", "03"))
    assert len(list(first.iterdir())) == len(list(again.iterdir())) == 12
    assert all((again / path.name).read_bytes() != path.read_bytes() for path in first.iterdir())


@pytest.mark.slow
def test_generations_are_what_the_generator_makes(make, finished, pairs):
    folder = finished("gan")
    recipe = make("gan")
    recipe.prepare(Silent())
    generator = recipe.networks()["generator"]
    kept = load_file(folder / "checkpoints" / "01-frozen.safetensors")
    prefix = "network.generator."
    generator.load_state_dict({k.removeprefix(prefix): v for k, v in kept.items() if k.startswith(prefix)})
    preprocess = recipe.preprocess(recipe.stages[1])
    with torch.no_grad():
        made = generator.eval()(preprocess(interp.images.open_image(pairs / "low" / "03.png"))[None])
    expected = preprocess.inverse(made[0]).mul(255).round().permute(1, 2, 0).numpy()
    saved = np.asarray(interp.images.open_image(folder / "generations" / "02" / "000003.png"))
    assert np.abs(saved - expected).max() <= 1


@pytest.mark.slow
def test_the_critic_is_a_model_of_its_own(finished, pairs):
    model = interp.load(finished("gan") / "critic")
    assert model.labels.names == ("real",)
    assert model.activation == "sigmoid"
    ((prediction,),) = model.predict([pairs / "high" / "00.png"])
    assert 0 < prediction.probability < 1


@pytest.mark.parametrize(
    ("stage", "said"),
    [
        (Stage("s", 1, 1e-3, 64), "the stage 's' has part=''; give generator, critic or gan"),
        (Stage("s", 1, 1e-3, 64, part="gan"), "needs a constant rate"),
        (Stage("s", 1, 1e-3, 48, part="critic"), "the stage 's' has size=48; the critic needs 64 or more"),
        (Stage("s", 1, 1e-3, 32, part="gan", flat=True), "has size=32; the critic needs 64 or more"),
    ],
)
def test_stages_that_cannot_be(make, stage, said):
    with pytest.raises(TrainingError, match=said):
        make("gan", stages=(stage,))
