"""What happens around fastai's loop: chance by epoch, the log, checkpoints, progress."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from typing import Any

import torch
from fastai.callback.core import Callback, CancelFitException
from fastai.torch_core import rank_distrib

from interp.training.checkpoint import Progress, Row
from interp.training.randomness import mixed, seed_everything
from interp.training.stages import Stage

_EVERY = 50


class EpochChance(Callback):  # type: ignore[misc]
    """Makes what is random in an epoch a function of (seed, stage, epoch)."""

    order = -20  # before everything that draws a number

    def __init__(self, seed: int, stage: int) -> None:
        self._seed, self._stage = seed, stage

    def before_epoch(self) -> None:
        """Seed the generators, the order of the samples and their crops."""
        # Processes beside each other shuffle alike, for each takes its part, and augment differently.
        seed_everything(self._seed, self._stage, self.epoch, rank_distrib())
        loader = self.learn.dls.train
        inner = getattr(loader, "dl", loader)
        for each in (loader, inner):
            each.rng = random.Random(mixed(self._seed, self._stage, self.epoch))
        inner.dataset.epoch = mixed(self._stage, self.epoch)


class Journal(Callback):  # type: ignore[misc]
    """Logs every step and epoch in `at`, and hands every finished epoch over."""

    order = 90  # after the recorder

    def __init__(self, stage: Stage, at: Progress, finished: Callable[[Any], None]) -> None:
        self._stage, self._at, self._finished = stage, at, finished
        self._first = at.epochs
        self.failure: str | None = None  # said by whoever called fit: fastai rewrites what callbacks raise

    def before_epoch(self) -> None:
        """Begin an epoch's own log."""
        self._began = time.perf_counter()
        self._losses: list[torch.Tensor] = []
        self._rates: list[tuple[float, float]] = []

    def after_batch(self) -> None:
        """Keep a step's loss, still on its device, and its rate and momentum."""
        if not self.training:
            return
        self._losses.append(self.loss.detach())
        hypers = self.opt.hypers[-1]
        self._rates.append((float(hypers["lr"]), float(hypers.get("mom", math.nan))))
        if len(self._losses) % _EVERY == 0 or self.loss.device.type == "cpu":
            self._check(float(self._losses[-1]))

    def after_epoch(self) -> None:
        """Write the epoch's row; epochs that a resumed run skips have nothing to say."""
        if self.epoch < self._first:
            return
        losses = [float(loss) for loss in self._losses]
        self._at.steps["epoch"] += [len(self._at.rows) + i / len(losses) for i in range(len(losses))]
        self._at.steps["loss"] += losses
        self._at.steps["lr"] += [rate for rate, _ in self._rates]
        self._at.steps["momentum"] += [momentum for _, momentum in self._rates]
        mean = sum(losses) / len(losses) if losses else math.nan
        self._check(mean)
        self._at.rows.append(self._row(mean))
        self._at.epochs = self.epoch + 1
        self._finished(self.learn)

    def _row(self, mean: float) -> Row:
        recorder = self.learn.recorder
        logged = dict(zip(recorder.metric_names, recorder.log, strict=False))
        logged = {key: float(value) for key, value in logged.items() if value is not None}
        place = {"epoch": len(self._at.rows) + 1, "stage": self._stage.name}
        seconds = round(time.perf_counter() - self._began, 2)
        return place | {"train_loss": mean} | _without(logged, "epoch", "train_loss") | {"seconds": seconds}

    def _check(self, loss: float) -> None:
        if not math.isfinite(loss):
            self.failure = (
                f"the loss is {loss} in epoch {self.epoch + 1} of the stage {self._stage.name!r}: the rate "
                f"{self._stage.lr:g} is too high. Begin again with a lower one; --find-lr suggests it."
            )
            raise CancelFitException


class Teller(Callback):  # type: ignore[misc]
    """Tells how much of a stage is done, 0 … 1, after every batch."""

    order = 95

    def __init__(self, moved: Callable[[float], None]) -> None:
        self._moved = moved

    def after_batch(self) -> None:
        """Tell; a validation batch counts a third of a training batch, for it has no backward pass."""
        train, valid = len(self.learn.dls.train), len(self.learn.dls.valid) / 3
        done = self.iter + 1 if self.training else train + (self.iter + 1) / 3
        self._moved((self.epoch + done / (train + valid)) / self.learn.n_epoch)


def _without(row: Row, *keys: str) -> Row:
    return {key: value for key, value in row.items() if key not in keys}
