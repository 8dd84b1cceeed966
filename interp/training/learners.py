"""fastai learners, made the same way by every recipe."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from fastai.callback.core import Callback, TrainEvalCallback
from fastai.learner import CastToTensor, Learner, Recorder
from fastai.optimizer import Adam
from fastai.torch_core import to_device
from torch import nn

import fastai.callback.schedule  # noqa: F401  isort: skip - gives Learner its schedules
from interp.models.networks import layer_groups
from interp.training.stages import Stage, TrainingError


def core_callbacks(*, train_metrics: bool = False) -> list[Any]:
    """Return what every learner needs; fastai's own progress bars and printed table are left out."""
    return [TrainEvalCallback(), Recorder(add_time=False, train_metrics=train_metrics), CastToTensor()]


def make_learner(
    loaders: Any,
    network: nn.Module,
    loss: Any,
    metrics: Sequence[Any] = (),
    *,
    weight_decay: float | None = None,
    keep_statistics: bool = False,
) -> Any:
    """Return a fastai `Learner` with Adam, decoupled weight decay and the network's layer groups.

    Args:
        loaders: for training and validation.
        network: goes to the loaders' device.
        loss: as fastai takes it.
        metrics: as fastai takes them.
        weight_decay: not of batch norms and biases.
        keep_statistics: the batch norms of all groups but the last keep their statistics, and learn nothing
            while they are frozen.
    """
    return Learner(
        loaders,
        network.to(loaders.device),
        loss_func=loss,
        opt_func=Adam,
        splitter=parameter_groups,
        metrics=list(metrics),
        wd=weight_decay,
        train_bn=not keep_statistics,
        default_cbs=False,
        cbs=[*core_callbacks(), *([KeepStatistics()] if keep_statistics else [])],
    )


class KeepStatistics(Callback):  # type: ignore[misc]
    """Keeps the batch norms of all layer groups but the last in eval mode while the rest trains."""

    def before_train(self) -> None:
        """Put them in eval mode, after fastai has put everything in training mode."""
        for _, group in layer_groups(self.learn.model)[:-1]:
            for part in group.modules():
                if isinstance(part, nn.modules.batchnorm._BatchNorm):
                    part.eval()


def parameter_groups(network: nn.Module) -> list[list[nn.Parameter]]:
    """Return the weights of every layer group."""
    return [list(group.parameters()) for _, group in layer_groups(network)]


def begin(learner: Any, stage: Stage) -> None:
    """Make the optimiser and freeze what the stage freezes."""
    learner.create_opt()
    frozen = stage.frozen and len(learner.opt.param_lists) > 1
    (learner.freeze if frozen else learner.unfreeze)()


def fit(learner: Any, stage: Stage, start: int = 0) -> None:
    """Train the epochs of a stage from `start` on; `begin` comes before."""
    with learner.no_logging():
        if stage.flat:
            learner.fit(stage.epochs, stage.rate, start_epoch=start)
        else:
            learner.fit_one_cycle(stage.epochs, stage.rate, pct_start=stage.pct_start, start_epoch=start)


@dataclass(frozen=True)
class RateSearch:
    """What `find_rate` saw: rates, smoothed losses, and the rate in the middle of the steepest descent."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggestion: float


def find_rate(learner: Any, stage: Stage, steps: int = 100) -> RateSearch:
    """Raise the learning rate from 1e-7 to 10 in a mock training and suggest one.

    The weights come back as they were.

    Raises:
        TrainingError: the losses do not show a descent.
    """
    begin(learner, stage)
    with tempfile.TemporaryDirectory() as place, _path(learner, place), learner.no_logging():
        try:
            found = learner.lr_find(num_it=steps, show_plot=False)
        except (IndexError, ValueError, RuntimeError) as error:
            raise TrainingError(
                f"no learning rate can be suggested ({error}); give one: --stage 'lr=1e-3'."
            ) from error
    losses = [float(loss) for loss in learner.recorder.losses]
    return RateSearch(tuple(learner.recorder.lrs), tuple(losses), float(found.valley))


@contextmanager
def _path(learner: Any, place: str) -> Iterator[None]:
    from pathlib import Path

    before = learner.path
    learner.path = Path(place)
    try:
        yield
    finally:
        learner.path = before


def best_device(asked: str | None) -> torch.device:
    """Return the device asked for, else CUDA, MPS or the CPU, whichever is there first.

    Raises:
        TrainingError: the device is not there.
    """
    if asked is None:
        asked = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        return torch.empty(0, device=asked).device
    except (RuntimeError, AssertionError) as error:
        raise TrainingError(f"device {asked!r} is not there; give cpu, cuda or mps.") from error


def spread(loader: Any, count: int) -> Any:
    """Return a batch of `count` validation samples, evenly spread: neighbours are often of one kind."""
    places = np.linspace(0, len(loader.dataset) - 1, min(count, len(loader.dataset)))
    loader.before_iter()
    batch = loader.do_batch([loader.do_item(int(place)) for place in places])
    return loader.after_batch(to_device(batch, loader.device))


def outputs(
    network: nn.Module, batches: Iterable[Any]
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Yield (inputs, outputs, targets) of validation batches on the CPU, in eval mode.

    Args:
        network: its modes are put back.
        batches: a validation loader, or batches of it.
    """
    modes = [(part, part.training) for part in network.modules()]
    network.eval()
    try:
        for inputs, targets in batches:
            batch = inputs.as_subclass(torch.Tensor)
            with torch.no_grad():
                made = network(batch)
            yield batch.cpu(), made.float().cpu(), targets.as_subclass(torch.Tensor).cpu()
    finally:
        for part, training in modes:
            part.training = training
