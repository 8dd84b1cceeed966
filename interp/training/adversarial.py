"""What GANs share: fastai's GAN learner, made safe to stop and resume."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from fastai.callback.core import Callback
from fastai.learner import Metric
from fastai.optimizer import Adam
from fastai.vision.gan import GANLearner, set_freeze_model
from torch import nn

from interp.training.learners import core_callbacks
from interp.training.stages import Stage, TrainingError


def check_flat(stages: Sequence[Stage]) -> None:
    """Raise a `TrainingError` unless every stage has a constant rate."""
    for stage in stages:
        if not stage.flat:
            raise TrainingError(
                f"the stage {stage.name!r} trains a GAN and needs a constant rate (flat): one cycle would "
                "bring the momentum back, which GANs do without."
            )


class EpochsAlike(Callback):  # type: ignore[misc]
    """Begins every epoch with the network that begins the first; validation leaves the generator's turn."""

    order = -15  # after chance is seeded, before fastai's trainer looks whose turn it is

    def before_epoch(self) -> None:
        """Give the turn back."""
        self.learn.gan_trainer.gen_mode = self.learn.gan_trainer.gen_first

    def before_batch(self) -> None:
        """Note whose batch it is: when metrics are asked, the switcher has passed the turn on."""
        self.learn.generators_batch = self.learn.gan_trainer.gen_mode


class CriticRate(Callback):  # type: ignore[misc]
    """Lets the critic learn at a multiple of the generator's rate.

    fastai's multiplies and divides, which leaves another last digit for one rate in nine, and needs a place
    before the switcher.
    """

    order = -14

    def __init__(self, multiple: float) -> None:
        self._multiple = multiple
        self._rate: float | None = None

    def before_batch(self) -> None:
        """Raise the rate for the critic's step."""
        if self.training and not self.learn.gan_trainer.gen_mode:
            self._rate = self.opt.hypers[0]["lr"]
            self.opt.set_hyper("lr", self._rate * self._multiple)

    def after_batch(self) -> None:
        """Give the rate back as it was."""
        if self._rate is not None:
            self.opt.set_hyper("lr", self._rate)
            self._rate = None


class Clip(Callback):  # type: ignore[misc]
    """Keeps the critic's weights within ± `most`.

    fastai clips before each batch, so that the last step of an epoch would be judged and saved unclipped.
    """

    def __init__(self, most: float) -> None:
        self._most = most

    def before_fit(self) -> None:
        """Clip the weights to begin with."""
        for parameter in self.learn.model.critic.parameters():
            parameter.data.clamp_(-self._most, self._most)

    def after_step(self) -> None:
        """Clip them again."""
        self.before_fit()


class FrozenRest(Callback):  # type: ignore[misc]
    """Keeps the network whose turn it is not out of the step.

    fastai leaves its gradients at zero, not away, so Adam would go on decaying its weights and moments.
    """

    def before_step(self) -> None:
        """Drop the gradients of what is frozen."""
        for parameter in self.learn.model.parameters():
            if not parameter.requires_grad:
                parameter.grad = None


class TurnLoss(Metric):  # type: ignore[misc]
    """The mean loss of one of the two networks over the batches in which it has the turn."""

    def __init__(self, name: str, *, generator: bool) -> None:
        self._name, self._generator = name, generator
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self._losses: list[Any] = []

    def accumulate(self, learn: Any) -> None:
        """Add a batch, if it is the network's."""
        if learn.generators_batch == self._generator:
            self._losses.append(learn.loss.detach())

    @property
    def value(self) -> float | None:
        """The mean so far; `None` if the network has had no turn."""
        return sum(map(float, self._losses)) / len(self._losses) if self._losses else None

    @property
    def name(self) -> str:
        """Its column in the log, after `train_` or `valid_`."""
        return self._name


class CriticDistance(Metric):  # type: ignore[misc]
    """`mean critic(generated) − mean critic(real)`: what a Wasserstein critic tells them apart by."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self._sum, self._count = 0.0, 0

    def accumulate(self, learn: Any) -> None:
        """Add a validation batch, in which the generator has the turn."""
        if learn.training:
            return
        critic = learn.model.critic
        real = learn.yb[0].as_subclass(type(learn.pred))
        self._sum += float((critic(learn.pred) - critic(real)).mean()) * len(real)
        self._count += len(real)

    @property
    def value(self) -> float | None:
        """The mean so far."""
        return self._sum / self._count if self._count else None

    @property
    def name(self) -> str:
        """Its column in the log."""
        return "distance"


def gan_learner(
    loaders: Any,
    networks: tuple[nn.Module, nn.Module],
    losses: tuple[Callable[..., Any], Callable[..., Any]],
    *,
    switcher: Callback,
    callbacks: Sequence[Any] = (),
    metrics: Sequence[Any] = (),
    weight_decay: float,
    switch_eval: bool,
    clip: float | None = None,
) -> Any:
    """Return fastai's GAN learner with Adam of momentum 0 and 0.99, as the course has it.

    Args:
        loaders: inputs of the generator with real pictures.
        networks: generator and critic, all of whose weights learn.
        losses: of the generator (critic's verdict, output, target) and of the critic (real, fake).
        switcher: whose turn it is.
        callbacks: more of them.
        metrics: of the validation set.
        weight_decay: decoupled.
        switch_eval: whether the network whose turn it is not is in eval mode.
        clip: the critic's weights stay within ± this.
    """
    clipping = () if clip is None else (Clip(clip),)
    for network in networks:
        network.to(loaders.device)
        set_freeze_model(network, True)  # means: let it learn. Else a frozen body never enters the optimiser
    learner = GANLearner(
        loaders,
        *networks,
        *losses,
        switcher=switcher,
        switch_eval=switch_eval,
        show_img=False,
        opt_func=partial(Adam, mom=0.0, sqr_mom=0.99),
        splitter=lambda model: [list(model.parameters())],
        wd=weight_decay,
        default_cbs=False,
        cbs=[*core_callbacks(train_metrics=True), EpochsAlike(), FrozenRest(), *clipping, *callbacks],
    )
    # Those of fastai would count a loss from before the network's last turn.
    turns = [TurnLoss("gen_loss", generator=True), TurnLoss("crit_loss", generator=False)]
    learner.metrics = [*turns, *metrics]
    return learner
