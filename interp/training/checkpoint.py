"""Checkpoints in safetensors: weights, optimiser, log and position, in one file, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from interp.files import check_file, write_whole
from interp.models.saved import safetensors_told
from interp.training.stages import TrainingError

Row = dict[str, Any]
_ABOUT = {"stage", "epochs", "rows", "optimiser"}
_STEP_COLUMNS = ("epoch", "loss", "lr", "momentum")


@dataclass
class Progress:
    """How far a run is: stages and epochs that are finished, and what they logged.

    Attributes:
        stage: number of the stage under way.
        epochs: finished in that stage.
        rows: one for each finished epoch of the run.
        steps: for each step of the run how many epochs were done before it (`epoch`, with fractions), its
            `loss`, `lr` and `momentum`.
    """

    stage: int = 0
    epochs: int = 0
    rows: list[Row] = field(default_factory=list)
    steps: dict[str, list[float]] = field(default_factory=lambda: {column: [] for column in _STEP_COLUMNS})


def save_checkpoint(path: Path, networks: Mapping[str, nn.Module], optimiser: Any, at: Progress) -> None:
    """Write everything that a run needs to go on from `at`; `optimiser` may be `None` between stages."""
    tensors = {
        f"network.{name}.{key}": tensor.detach().contiguous().clone()
        for name, network in networks.items()
        for key, tensor in network.state_dict().items()
    }
    tensors |= {f"steps.{key}": torch.tensor(values, dtype=torch.float64) for key, values in at.steps.items()}
    plain: list[dict[str, Any]] = []
    for number, state in enumerate(_states(optimiser)):
        held = {key: value for key, value in state.items() if isinstance(value, torch.Tensor)}
        tensors |= {f"optimiser.{number}.{key}": value.contiguous() for key, value in held.items()}
        plain.append({key: value for key, value in state.items() if key not in held})
    about = {"stage": at.stage, "epochs": at.epochs, "rows": at.rows, "optimiser": plain}
    with write_whole(path) as part, safetensors_told():
        save_file(tensors, part, metadata={"interp": json.dumps(about)})


def load_progress(path: Path) -> Progress:
    """Return how far the run of a checkpoint is.

    Raises:
        TrainingError: the file is broken or none of ours.
    """
    about, tensors = _read(path, "steps.")
    steps = {key.removeprefix("steps."): values.tolist() for key, values in tensors.items()}
    return Progress(about["stage"], about["epochs"], about["rows"], steps)


def load_networks(path: Path, networks: Mapping[str, nn.Module]) -> None:
    """Fill the networks with the weights of a checkpoint."""
    for name, network in networks.items():
        prefix = f"network.{name}."
        _, tensors = _read(path, prefix)
        try:
            network.load_state_dict({key.removeprefix(prefix): value for key, value in tensors.items()})
        except RuntimeError as error:
            raise TrainingError(
                f"{path} does not fit the network {name!r}; begin again in another folder."
            ) from error


def load_optimiser(path: Path, optimiser: Any) -> None:
    """Give an optimiser the moments it had when the checkpoint was written."""
    about, tensors = _read(path, "optimiser.")
    states = _states(optimiser)
    if len(about["optimiser"]) != len(states):
        raise TrainingError(f"{path} was written by another optimiser; begin again in another folder.")
    places = [parameter.device for parameter, _, _, _ in optimiser.all_params()]
    for number, (state, plain) in enumerate(zip(states, about["optimiser"], strict=True)):
        prefix = f"optimiser.{number}."
        held = {key.removeprefix(prefix): v for key, v in tensors.items() if key.startswith(prefix)}
        state.update(plain | {key: value.to(places[number]) for key, value in held.items()})


def _states(optimiser: Any) -> list[dict[str, Any]]:
    if optimiser is None:
        return []
    # fastai keeps a state for every weight, in the order of its groups.
    for parameter, _, _, _ in optimiser.all_params():
        optimiser.state[parameter]
    return [optimiser.state[parameter] for parameter, _, _, _ in optimiser.all_params()]


def _read(path: Path, prefix: str) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    try:
        check_file(path)
        with safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {})["interp"])
            if not _is_ours(about):
                raise ValueError("it is no checkpoint of a run")
            return about, {key: file.get_tensor(key) for key in _keys(file) if key.startswith(prefix)}
    except (OSError, SafetensorError, KeyError, ValueError, RecursionError) as error:
        raise TrainingError(f"{path} cannot be read ({error}); begin again in another folder.") from error


def _is_ours(about: Any) -> bool:
    """Whether the text beside the tensors says what `save_checkpoint` writes, each of its kind."""
    return (
        isinstance(about, dict)
        and about.keys() >= _ABOUT
        and all(type(about[key]) is int and about[key] >= 0 for key in ("stage", "epochs"))
        and all(isinstance(about[key], list) for key in ("rows", "optimiser"))
        and all(isinstance(row, dict) for key in ("rows", "optimiser") for row in about[key])
    )


def _keys(file: Any) -> list[str]:
    return list(file.keys())
