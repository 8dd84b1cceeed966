"""What holds for every recipe."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from run_folders import RECIPES, assert_same_end, end_of

import interp
from interp.images import open_image
from interp.training import Stage, TrainingError, search_rate, train

SLOW_RECIPES = [
    name if name in ("classifier", "wgan") else pytest.param(name, marks=pytest.mark.slow) for name in RECIPES
]


@pytest.mark.parametrize("name", SLOW_RECIPES)
def test_the_finished_run_is_a_model_that_runs_no_code(finished, name):
    folder = finished(name)
    kinds = {path.suffix for path in folder.rglob("*") if path.is_file()}
    assert kinds == {".safetensors", ".json", ".csv", ".png"}
    model = interp.load(folder)
    assert model.task == {"segmentation": "segmentation", "superres": "image", "gan": "image"}.get(
        name, "classification"
    )
    history = json.loads((folder / "model.json").read_text())["history"]
    assert history["recipe"] == name
    assert len(history["epochs"]) == len(end_of(folder)[1])
    assert not (folder / "checkpoint.safetensors").exists()


@pytest.mark.parametrize("name", SLOW_RECIPES)
def test_nothing_temporary_is_left(finished, name):
    assert not [path for path in finished(name).rglob("*") if path.name.startswith(".")]


@pytest.mark.parametrize("name", SLOW_RECIPES)
def test_figures_are_there_and_are_pictures(finished, name):
    figures = {path.stem: path for path in (finished(name) / "figures").iterdir()}
    assert "curves" in figures
    for path in figures.values():
        assert np.asarray(open_image(path)).std() > 5


@pytest.mark.parametrize("name", SLOW_RECIPES)
def test_the_log_has_a_row_for_each_epoch_and_each_step(make, finished, name):
    stages = make(name).stages
    _, history, steps = end_of(finished(name))
    assert [row["stage"] for row in history] == [stage.name for stage in stages for _ in range(stage.epochs)]
    assert [int(row["epoch"]) for row in history] == list(range(1, len(history) + 1))
    columns, *lines = (line.split(",") for line in steps.splitlines())
    values = np.array(lines, float)
    assert columns == ["epoch", "loss", "lr", "momentum"]
    assert (np.diff(values[:, 0]) > 0).all()
    for number, row in enumerate(history):
        own = values[(values[:, 0] >= number) & (values[:, 0] < number + 1)]
        assert float(row["train_loss"]) == pytest.approx(own[:, 1].mean(), rel=1e-9)


def test_the_same_seed_gives_the_same_and_another_something_else(make, finished, tmp_path):
    train(make("classifier"), tmp_path / "again" / "classifier")
    assert_same_end(tmp_path / "again" / "classifier", finished("classifier"))
    train(make("classifier", seed=1), tmp_path / "other")
    weights, history, _ = end_of(tmp_path / "other")
    expected, expected_history, _ = end_of(finished("classifier"))
    floats = [key for key in weights if weights[key].is_floating_point()]
    assert not any(
        weights[key].equal(expected[key]) for key in floats if "weight" in key and weights[key].dim() > 1
    )
    assert history != expected_history


@pytest.mark.slow
@pytest.mark.parametrize("name", ["classifier", pytest.param("superres", marks=pytest.mark.slow)])
def test_a_recipe_used_twice_begins_anew(make, finished, name, tmp_path):
    recipe = make(name)
    train(recipe, tmp_path / "first" / name)
    train(recipe, tmp_path / "second" / name)
    assert_same_end(tmp_path / "second" / name, finished(name))


@pytest.mark.slow
def test_workers_change_nothing(make, finished, tmp_path):
    train(make("classifier", workers=2), tmp_path / "classifier")
    assert_same_end(tmp_path / "classifier", finished("classifier"))


@pytest.mark.slow
def test_the_caller_is_left_alone(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def surroundings():
        return (
            random.getstate(),
            np.random.get_state()[1].tolist(),
            torch.get_rng_state().tolist(),
            torch.get_num_threads(),
            torch.is_grad_enabled(),
            torch.get_default_dtype(),
            Path.cwd(),
        )

    stages = (Stage("only", 1, 1e-3, 32, batch=6),)
    before = surroundings()
    recipe = make("classifier", stages=stages)
    assert surroundings() == before
    search_rate(recipe, "rates")
    assert surroundings() == before
    train(recipe, "run")
    assert surroundings() == before
    with pytest.raises(TrainingError):
        train(recipe, "run")
    assert surroundings() == before
    assert {path.name for path in tmp_path.iterdir()} == {"rates", "run"}


@pytest.mark.slow
def test_a_search_for_a_rate_trains_nothing(make, finished, tmp_path):
    recipe = make("classifier")
    found, figure = search_rate(recipe, tmp_path / "run" / "classifier")
    assert figure == tmp_path / "run" / "classifier" / "figures" / "learning-rate.png"
    assert open_image(figure).width > 100
    assert 1e-7 < found.suggestion < 10
    assert len(found.rates) == len(found.losses) > 10
    assert found.rates[0] == pytest.approx(1e-7)
    assert [path.name for path in (tmp_path / "run" / "classifier").iterdir()] == ["figures"]
    train(recipe, tmp_path / "run" / "classifier")
    assert_same_end(tmp_path / "run" / "classifier", finished("classifier"))


def test_a_loss_that_is_no_number_stops_the_run_with_a_sentence(make, tmp_path):
    recipe = make(
        "superres", stages=(Stage("wild", 3, 1e3, 32, batch=3, flat=True),), loss="mse", weight_norm=False
    )

    with pytest.raises(
        TrainingError, match=r"the loss is (nan|inf) in epoch \d of the stage 'wild': the rate"
    ):
        train(recipe, tmp_path / "run")
    assert not (tmp_path / "run" / "model.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize(("low", "first"), [(1e-4, 1e-4), (None, 1e-3)])
def test_rates_of_the_layer_groups(make, flat, low, first, tmp_path):
    """The first group's rate is lr_low or a tenth; at its highest with one cycle, all the time when flat."""
    recipe = make("classifier", stages=(Stage("s", 4, 1e-2, 32, batch=3, lr_low=low, flat=flat),))
    seen = []
    learner_of = recipe.learner

    def learner(*arguments):
        made = learner_of(*arguments)
        made.add_cb(_Rates(seen))
        return made

    recipe.learner = learner
    train(recipe, tmp_path / "run")
    highest = [max(rates) for rates in zip(*seen, strict=True)]
    assert len(highest) == 3
    tolerance = {"rel": 1e-9} if flat else {"rel": 0.05}  # of 24 steps none is right at the top
    assert highest[0] == pytest.approx(first, **tolerance)
    assert highest[2] == pytest.approx(1e-2, **tolerance)
    middle = np.sqrt(first * 1e-2) if low else first
    assert highest[1] == pytest.approx(middle, **tolerance)
    if flat:
        assert len({tuple(rates) for rates in seen}) == 1


def _Rates(seen):  # noqa: N802 - makes a callback
    from fastai.callback.core import Callback

    class Rates(Callback):
        def before_step(self):
            seen.append([hypers["lr"] for hypers in self.opt.hypers])

    return Rates()


@pytest.mark.slow
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("name", ["classifier", "segmentation"])
def test_a_frozen_body_learns_in_its_batch_norms_at_most_and_then_whole(make, name, keep, tmp_path):
    stages = make(name).stages
    recipe = make(name, stages=(stages[0], stages[1]), keep_statistics=keep)
    kept, networks_of, after = {}, recipe.networks, recipe.after_stage

    def networks():
        made = networks_of()
        (network,) = made.values()
        kept["network"], kept["states"] = network, [state_of(network)]
        return made

    def after_stage(*arguments):
        kept["states"].append(state_of(kept["network"]))
        return after(*arguments)

    def state_of(network):
        return {key: value.clone() for key, value in network.state_dict().items()}

    recipe.networks, recipe.after_stage = networks, after_stage
    train(recipe, tmp_path / "run")
    network, (begin, frozen, whole) = kept["network"], kept["states"]
    norms = {
        f"{path}.{key}"
        for path, module in network.named_modules()
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)
        for key in module.state_dict()
    }
    body = "body." if name == "classifier" else "layers.0."
    inside = [key for key in begin if key.startswith(body) and begin[key].is_floating_point()]
    assert all(frozen[key].equal(begin[key]) for key in inside if key not in norms)
    assert all(frozen[key].equal(begin[key]) == keep for key in inside if key in norms)
    assert all(whole[key].equal(frozen[key]) == (keep and "running" in key) for key in inside)
    head = [key for key in begin if not key.startswith((body, "sfs")) and begin[key].is_floating_point()]
    learnt = [key for key in head if begin[key].numel() > 1]
    assert learnt
    assert not [key for key in learnt if frozen[key].equal(begin[key])]
