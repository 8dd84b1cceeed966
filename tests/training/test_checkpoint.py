import math

import pytest
import torch
from fastai.optimizer import Adam
from torch import nn

from interp.training.checkpoint import (
    Progress,
    load_networks,
    load_optimiser,
    load_progress,
    save_checkpoint,
)
from interp.training.stages import TrainingError


def networks():
    torch.manual_seed(0)
    return {"a": nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), "b": nn.Linear(4, 2)}


def adam(made):
    return Adam([list(network.parameters()) for network in made.values()], lr=0.1, wd=0.01)


def step(made, optimiser, seed):
    inputs = torch.randn(5, 3, generator=torch.Generator().manual_seed(seed))
    made["b"](made["a"](inputs)).square().sum().backward()
    optimiser.step()
    optimiser.zero_grad()


def test_going_on_from_a_checkpoint_is_going_on(tmp_path):
    path, made = tmp_path / "checkpoint.safetensors", networks()
    optimiser = adam(made)
    for seed in range(3):
        step(made, optimiser, seed)
    rows = [{"epoch": 1, "stage": "größer", "valid_loss": 0.1 + 0.2, "seconds": 1.5}]
    steps = {"epoch": [0.0, 1 / 3], "loss": [2.5, 1e-300], "lr": [1e-3, 1e-4], "momentum": [0.9, math.nan]}
    save_checkpoint(path, made, optimiser, Progress(1, 2, rows, steps))
    again = {"a": nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), "b": nn.Linear(4, 2)}
    load_networks(path, again)
    other = adam(again)
    load_optimiser(path, other)
    for seed in range(3, 6):
        step(made, optimiser, seed)
        step(again, other, seed)
    for name in made:
        ours, theirs = made[name].state_dict(), again[name].state_dict()
        assert all(ours[key].equal(theirs[key]) for key in ours)
    at = load_progress(path)
    assert (at.stage, at.epochs, at.rows) == (1, 2, rows)
    assert {key: at.steps[key] for key in ("epoch", "loss", "lr")} == {
        key: steps[key] for key in ("epoch", "loss", "lr")
    }
    assert at.steps["momentum"][0] == 0.9
    assert math.isnan(at.steps["momentum"][1])


def test_moments_go_to_where_the_weights_are(tmp_path):
    path, made = tmp_path / "checkpoint.safetensors", networks()
    optimiser = adam(made)
    step(made, optimiser, 0)
    save_checkpoint(path, made, optimiser, Progress())
    elsewhere = {name: network.to("meta") for name, network in networks().items()}
    other = adam(elsewhere)
    load_optimiser(path, other)
    held = [
        value for *_, state, _ in other.all_params() for value in state.values() if torch.is_tensor(value)
    ]
    assert held
    assert all(value.device.type == "meta" for value in held)


def test_between_stages_there_is_no_optimiser(tmp_path):
    path, made = tmp_path / "checkpoint.safetensors", networks()
    save_checkpoint(path, made, None, Progress(1))
    load_networks(path, made)
    with pytest.raises(TrainingError, match="was written by another optimiser"):
        load_optimiser(path, adam(made))


def test_a_failed_write_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    path, made = tmp_path / "checkpoint.safetensors", networks()
    save_checkpoint(path, made, None, Progress(1))
    before = path.read_bytes()

    def full(*_arguments, **_more):
        raise OSError("No space left on device")

    monkeypatch.setattr("interp.training.checkpoint.save_file", full)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(path, made, None, Progress(2))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_other_networks_and_broken_files_are_named(tmp_path):
    path, made = tmp_path / "checkpoint.safetensors", networks()
    save_checkpoint(path, made, None, Progress())
    with pytest.raises(TrainingError, match="does not fit the network 'b'; begin again in another folder"):
        load_networks(path, {"b": nn.Linear(7, 2)})
    whole = path.read_bytes()
    for broken in (b"", whole[:100], whole[: len(whole) // 2], b"\x80\x04pickle", b"\xff" * 500):
        path.write_bytes(broken)
        with pytest.raises(TrainingError, match="cannot be read"):
            load_progress(path)
    with pytest.raises(TrainingError, match="cannot be read"):
        load_progress(tmp_path / "nowhere")


def test_a_safetensors_file_of_somebody_else_is_named(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "model.safetensors"
    for metadata in (None, {"interp": "no json"}, {"interp": "[]"}, {"interp": "{}"}):
        save_file({"steps.loss": torch.zeros(1)}, path, metadata)
        with pytest.raises(TrainingError, match="cannot be read"):
            load_progress(path)
