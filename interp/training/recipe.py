"""What all recipes share: stages one after the other, each resumable at its last finished epoch."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from fastai.callback.core import Callback
from fastai.torch_core import rank_distrib
from torch import nn

from interp.training.callbacks import EpochChance, Journal, Teller
from interp.training.checkpoint import Progress, Row, load_optimiser
from interp.training.drawing import draw_rates
from interp.training.learners import RateSearch, begin, find_rate, fit
from interp.training.randomness import own_randomness
from interp.training.run import Run, open_run
from interp.training.stages import Stage


class Watcher(Protocol):
    """Is told how a run goes; `interp train` prints it."""

    def checking(self, done: int, count: int) -> None:
        """`done` of `count` pictures are read."""

    def stage(self, stage: Stage) -> None:
        """A stage begins, or goes on."""

    def moved(self, done: float) -> None:
        """This part of the whole run is done, 0 … 1."""

    def epoch(self, row: Row) -> None:
        """An epoch is finished."""


class Silent:
    """A watcher that says nothing."""

    def checking(self, done: int, count: int) -> None:
        """Say nothing."""

    def stage(self, stage: Stage) -> None:
        """Say nothing."""

    def moved(self, done: float) -> None:
        """Say nothing."""

    def epoch(self, row: Row) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class Trained:
    """A finished run: its folder, which `interp.load` opens, and one row for each epoch."""

    folder: Path
    rows: tuple[Row, ...]


class Recipe(ABC):
    """Data, networks, and a learner for each stage. The settings are plain values.

    Attributes:
        name: as in `interp train NAME`.
        settings: a frozen dataclass with `seed` and `to_json`.
        stages: in order.
    """

    name: ClassVar[str]
    settings: Any
    stages: tuple[Stage, ...]

    @abstractmethod
    def prepare(self, watcher: Watcher) -> Mapping[str, Any]:
        """Find and check the data, all of it, and return what identifies it."""

    @abstractmethod
    def networks(self) -> dict[str, nn.Module]:
        """Return the networks at their beginning; the generators are seeded."""

    @abstractmethod
    def learner(self, stage: Stage, networks: Mapping[str, nn.Module], run: Run) -> Any:
        """Return the learner of a stage."""

    @abstractmethod
    def finish(self, run: Run, networks: Mapping[str, nn.Module]) -> None:
        """Draw the last figures and write the finished model into the run's folder."""

    def before_stage(self, stage: Stage, learner: Any, run: Run) -> None:  # noqa: B027 - may do nothing
        """Draw what there is to see before a stage."""

    def after_stage(self, stage: Stage, learner: Any, run: Run) -> None:  # noqa: B027 - may do nothing
        """Draw what a stage has led to; may happen twice, when a run was stopped in between."""

    def start(self, stage: Stage, learner: Any) -> None:
        """Make the optimiser and freeze."""
        begin(learner, stage)


def train(
    recipe: Recipe, folder: str | Path, *, resume: bool = False, watcher: Watcher | None = None
) -> Trained:
    r"""Run a recipe and return what it made.

    A run may be stopped at any moment, by Ctrl-C or by kill -9. Resumed, it goes on from the last finished
    epoch with the optimiser as it was and the same chance, so on the CPU it ends as if never stopped.

    Args:
        recipe: `Classifier(ClassifierSettings("pets"))` or another.
        folder: of the run; made if it is not there.
        resume: go on with the run in `folder`; without one there it begins.
        watcher: is told how it goes.

    Raises:
        TrainingError: the folder has a run already, other settings than its run, or the loss is not finite.
        DataError: what is wrong with the data, all at once, before training begins.

    Example:
        >>> train(Classifier(ClassifierSettings("pets/images", regex=r"([^/]+)_\d+.jpg$")), "runs/pets")
    """
    folder, watcher = Path(folder), watcher or Silent()
    with own_randomness(recipe.settings.seed):
        data = recipe.prepare(watcher)
        config = {"recipe": recipe.name, "settings": recipe.settings.to_json(), "data": dict(data)}
        run = open_run(folder, config, resume=resume)
        networks = recipe.networks()
        run.restore(networks)
        for number in range(run.at.stage, len(recipe.stages)):
            _train_stage(recipe, number, networks, run, watcher)
        recipe.finish(run, networks)
        run.finish()
    return Trained(folder, tuple(run.at.rows))


def search_rate(
    recipe: Recipe, folder: str | Path, *, watcher: Watcher | None = None
) -> tuple[RateSearch, Path]:
    """Look for a learning rate of the recipe's first stage and draw what was seen; nothing is trained.

    Args:
        recipe: whose first stage is meant.
        folder: where `figures/learning-rate.png` goes.
        watcher: is told how the reading of the data goes.

    Returns:
        What was seen, and the figure's path.

    Example:
        >>> found, figure = search_rate(recipe, "runs/pets")
        >>> found.suggestion
    """
    folder = Path(folder)
    with own_randomness(recipe.settings.seed):
        recipe.prepare(watcher or Silent())
        folder.mkdir(parents=True, exist_ok=True)
        run = Run(folder, Progress())
        networks = recipe.networks()
        learner = recipe.learner(recipe.stages[0], networks, run)
        found = find_rate(learner, recipe.stages[0])
    return found, draw_rates(run, found)


def _train_stage(
    recipe: Recipe, number: int, networks: Mapping[str, nn.Module], run: Run, watcher: Watcher
) -> None:
    stage = recipe.stages[number]
    watcher.stage(stage)
    with own_randomness(recipe.settings.seed, number):
        learner = recipe.learner(stage, networks, run)
        recipe.start(stage, learner)
    if run.at.epochs:
        load_optimiser(run.checkpoint, learner.opt)
    elif _is_first():
        with own_randomness(recipe.settings.seed, number):
            recipe.before_stage(stage, learner, run)
    if run.at.epochs < stage.epochs:
        learner.add_cbs(_callbacks(recipe, number, networks, run, watcher))
        with _distributed(learner):
            fit(learner, stage, run.at.epochs)
    if _is_first():
        with own_randomness(recipe.settings.seed, number):
            recipe.after_stage(stage, learner, run)
        run.at.stage, run.at.epochs = number + 1, 0
        run.keep_stage(number, stage.name, networks)
        run.save(networks, None)


def _callbacks(
    recipe: Recipe, number: int, networks: Mapping[str, nn.Module], run: Run, watcher: Watcher
) -> list[Callback]:
    starts = _shares(recipe.stages)

    def finished(learner: Any) -> None:
        if _is_first():
            run.save(networks, learner.opt)
            watcher.epoch(run.at.rows[-1])

    def moved(part: float) -> None:
        watcher.moved(starts[number] + part * (starts[number + 1] - starts[number]))

    stage = recipe.stages[number]
    return [EpochChance(recipe.settings.seed, number), Journal(stage, run.at, finished), Teller(moved)]


def _shares(stages: Sequence[Stage]) -> list[float]:
    """Return where in the whole work each stage begins, and 1: work grows with the pictures' area."""
    # A frozen body needs no backward pass, which is half to two thirds of a step.
    work = [stage.epochs * stage.size**2 * (0.5 if stage.frozen else 1.0) for stage in stages]
    return [sum(work[:i]) / sum(work) for i in range(len(work) + 1)]


def _is_first() -> bool:
    return int(rank_distrib()) == 0


def _distributed(learner: Any) -> Any:
    """Return fastai's context for several processes under `accelerate launch`, else one that does nothing."""
    if not any(key.startswith("ACCELERATE_") for key in os.environ):
        return nullcontext()
    import fastai.distributed  # noqa: F401 - gives Learner its distrib_ctx

    return learner.distrib_ctx(in_notebook=False)
