"""What all recipes share: stages one after the other, each resumable at its last finished epoch."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from fastai.torch_core import rank_distrib
from torch import nn

from interp.training.callbacks import EpochChance, Journal, Teller
from interp.training.checkpoint import Progress, Row, load_optimiser
from interp.training.data import Problems
from interp.training.drawing import draw_rates
from interp.training.learners import RateSearch, begin, find_rate, fit
from interp.training.randomness import own_randomness
from interp.training.run import Run, join_run, open_run, refuse_existing
from interp.training.settings import Settings
from interp.training.stages import Stage, TrainingError


class Watcher(Protocol):
    """Is told how a run goes; `interp train` prints it."""

    def checking(self, done: float, count: float) -> None:
        """`done` of `count` pictures are read."""

    def left_out(self, summary: str) -> None:
        """These data cannot be used, and the run goes on without them."""

    def stage(self, stage: Stage) -> None:
        """A stage begins, or goes on."""

    def moved(self, done: float) -> None:
        """This part of the whole run is done, 0 … 1."""

    def epoch(self, row: Row) -> None:
        """An epoch is finished."""


class Silent:
    """A watcher that says nothing."""

    def checking(self, done: float, count: float) -> None:
        """Say nothing."""

    def left_out(self, summary: str) -> None:
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


def without_bad(problems: Problems, settings: Settings, watcher: Watcher) -> frozenset[int]:
    """Return the numbers of the items to leave out.

    Raises:
        DataError: there are problems, and nobody asked to go on without what has them.
    """
    if problems and settings.skip_bad:
        watcher.left_out(problems.summary())
    else:
        problems.raise_if_any()
    return problems.bad


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

    def grow(self, stage: Stage, networks: dict[str, nn.Module]) -> None:  # noqa: B027 - may do nothing
        """Put networks for the stage's size in the place of smaller ones."""

    def after_epoch(self, learner: Any, run: Run) -> None:  # noqa: B027 - may do nothing
        """Draw what an epoch has led to."""

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
    if _is_first():
        refuse_existing(folder, resume=resume)
    with own_randomness(recipe.settings.seed):
        data = recipe.prepare(watcher)
        config = {"recipe": recipe.name, "settings": recipe.settings.to_json(), "data": dict(data)}
        run = open_run(folder, config, resume=resume) if _is_first() else join_run(folder)
        networks = recipe.networks()
        for number in range(run.at.stage + (run.at.epochs > 0)):
            _grow(recipe, number, networks)
        run.restore(networks)
        for number in range(run.at.stage, len(recipe.stages)):
            _train_stage(recipe, number, networks, run, watcher)
        if _is_first():
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


def _grow(recipe: Recipe, number: int, networks: dict[str, nn.Module]) -> None:
    with own_randomness(recipe.settings.seed, number):
        recipe.grow(recipe.stages[number], networks)


def _train_stage(
    recipe: Recipe, number: int, networks: dict[str, nn.Module], run: Run, watcher: Watcher
) -> None:
    stage = recipe.stages[number]
    watcher.stage(stage)
    _grow(recipe, number, networks)
    with own_randomness(recipe.settings.seed, number):
        learner = recipe.learner(stage, networks, run)
        recipe.start(stage, learner)
        _halve(recipe, learner)
    if run.at.epochs:
        load_optimiser(run.checkpoint, learner.opt)
    elif _is_first():
        with own_randomness(recipe.settings.seed, number):
            recipe.before_stage(stage, learner, run)
    if run.at.epochs < stage.epochs:
        journal = _watch(learner, recipe, number, networks, run, watcher)
        with _distributed(learner):
            fit(learner, stage, run.at.epochs)
        if journal.failure:
            raise TrainingError(journal.failure)
    if _is_first():
        with own_randomness(recipe.settings.seed, number):
            recipe.after_stage(stage, learner, run)
    run.at.stage, run.at.epochs = number + 1, 0
    if _is_first():
        run.keep_stage(number, stage.name, networks)
        run.save(networks, None)


def _halve(recipe: Recipe, learner: Any) -> None:
    """Train in half precision on CUDA; a GAN's two optimisations would share one loss scale."""
    wanted = recipe.settings.mixed_precision and learner.dls.device.type == "cuda"
    if wanted and not hasattr(learner, "gan_trainer"):
        import fastai.callback.fp16  # noqa: F401 - gives Learner its to_fp16

        learner.to_fp16()


def _watch(
    learner: Any,
    recipe: Recipe,
    number: int,
    networks: Mapping[str, nn.Module],
    run: Run,
    watcher: Watcher,
) -> Journal:
    starts = _shares(recipe.stages)

    def finished(learner: Any) -> None:
        if _is_first():
            run.save(networks, learner.opt)
            watcher.epoch(run.at.rows[-1])
            with own_randomness(recipe.settings.seed):
                recipe.after_epoch(learner, run)

    def moved(part: float) -> None:
        watcher.moved(starts[number] + part * (starts[number + 1] - starts[number]))

    journal = Journal(recipe.stages[number], run.at, finished)
    learner.add_cbs([EpochChance(recipe.settings.seed, number), journal, Teller(moved)])
    return journal


def _shares(stages: Sequence[Stage]) -> list[float]:
    """Return where in the whole work each stage begins, and 1: work grows with the pictures' area."""
    # A frozen body needs no gradients of its convolutions' weights, but those that its batch norms need.
    work = [stage.epochs * stage.size**2 * (0.75 if stage.frozen else 1.0) for stage in stages]
    return [sum(work[:i]) / sum(work) for i in range(len(work) + 1)]


def _is_first() -> bool:
    return int(rank_distrib()) == 0


def _distributed(learner: Any) -> Any:
    """Return fastai's context for several processes under `accelerate launch`, else one that does nothing."""
    if not any(key.startswith("ACCELERATE_") for key in os.environ):
        return nullcontext()
    import fastai.distributed  # noqa: F401 - gives Learner its distrib_ctx

    return learner.distrib_ctx(in_notebook=False)
