"""One step of a recipe's training, with all that happens around it, against a plain PyTorch loop."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from fastai.callback.schedule import ParamScheduler, combined_cos
from fastai.data.core import DataLoaders
from fastai.losses import CrossEntropyLossFlat
from results import Check, Table, arguments, ms, publish, times
from timing import interleave
from torch import nn

from interp.models.networks import ClassifierNetwork
from interp.training import Stage
from interp.training.callbacks import EpochChance, Journal, Teller
from interp.training.checkpoint import Progress
from interp.training.learners import begin, make_learner

PLAIN, AGAIN, INTERP = "plain PyTorch", "plain PyTorch, again", "interp"
BACKBONES = {"EfficientNet-Lite0": "efficientnet_lite0", "ResNet-18": "torchvision:resnet18"}
BATCH, SIZE, CLASSES, STEPS = 16, 160, 10, 1000
NOTE = (
    f"Batch {BATCH} of {SIZE} px, median (quartiles) over {{rounds}} interleaved rounds; ratios are taken "
    "within a round. The plain loop: forward, cross-entropy, backward, torch's AdamW and OneCycleLR."
)


class Repeated:
    """A loader that gives the same batch again and again."""

    def __init__(self, batch: tuple[torch.Tensor, torch.Tensor]) -> None:
        self.batch, self.dataset, self.rng = batch, self, None

    def __len__(self) -> int:
        return STEPS

    def __iter__(self) -> Any:
        return iter([self.batch] * STEPS)

    def to(self, _device: Any) -> Repeated:
        return self


def plain(network: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> Callable[[], object]:
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-4, total_steps=10**6)
    network.train()
    inputs, targets = batch

    def step() -> None:
        loss = nn.functional.cross_entropy(network(inputs), targets)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        schedule.step()
        if not math.isfinite(float(loss.detach())):
            raise ValueError(loss)

    return step


def ours(network: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> Callable[[], object]:
    stage = Stage("timed", epochs=1, lr=1e-4, size=SIZE, batch=BATCH)
    loader = Repeated(batch)
    loaders = DataLoaders(loader, loader, device=torch.device("cpu"))
    learner = make_learner(loaders, network, CrossEntropyLossFlat(), weight_decay=1e-2)
    begin(learner, stage)
    schedules = {
        "lr": combined_cos(0.25, 4e-6, 1e-4, 1e-9),
        "mom": combined_cos(0.25, 0.95, 0.85, 0.95),
    }
    learner.add_cbs([Journal(stage, Progress(), print), Teller(lambda _: None), ParamScheduler(schedules)])
    learner.add_cbs([EpochChance(0, 0)])
    learner.n_epoch, learner.epoch, learner.dl, learner.n_iter = 10**6, 0, loader, STEPS
    for event in ("before_fit", "before_epoch", "before_train"):
        learner(event)
    return lambda: learner.one_batch(0, batch)


def main() -> None:
    options = arguments(__doc__ or "", seconds=60).parse_args()
    torch.set_num_threads(options.threads)
    chance = torch.Generator().manual_seed(options.seed)
    pictures = torch.randn(BATCH, 3, SIZE, SIZE, generator=chance)
    batch = pictures, torch.randint(CLASSES, (BATCH,), generator=chance)
    tables, checks, data = [], [], {}
    for name, backbone in BACKBONES.items():
        networks = [ClassifierNetwork(backbone, CLASSES).build() for _ in range(3)]
        cases = {
            PLAIN: plain(networks[0], batch),
            AGAIN: plain(networks[1], batch),
            INTERP: ours(networks[2], batch),
        }
        rounds = interleave(cases, seconds=options.seconds, least=options.rounds, seed=options.seed)
        rows = [(case, ms(rounds, case), times(rounds, case, PLAIN)) for case in cases]
        tables.append(Table(name, ("", "ms", "time, × plain"), rows, NOTE.format(rounds=len(rounds))))
        found = rounds.ratio(INTERP, PLAIN).median
        checks.append(Check(f"{name}: time of a step, × the plain loop", found, 1.05))
        data[name] = {"seconds": rounds.seconds}
    publish("training_step", "A training step", tables, checks, data, options.threads)


if __name__ == "__main__":
    main()
