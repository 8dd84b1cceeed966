"""Metrics beside torchcam and Quantus: deletion with insertion, and ROAD, of one map of one picture.

All see the same network, picture and map. Quantus counts colour values where the others count positions, and
its steps must divide the number of positions, so it is compared at 48 and 192 steps. Its ROAD ends in an
IndexError for pictures with more than one channel; `Road` is the same without that fault.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import quantus
import torch
import torchvision
from contestants import FORWARD, INTERP, TORCHCAM, flops
from results import Check, Table, arguments, publish
from timing import Case, Rounds, interleave
from torch import nn
from torchcam.metrics import DeletionInsertionMetric

import interp
from interp.metrics import measure
from interp.metrics.curves import ordered
from interp.metrics.measuring import on_trial

QUANTUS = "Quantus"
ONE_WAY = "Quantus, strongest first only"
PICTURE = Path(__file__).parents[1] / "sample_images" / "cat.jpg"
NAMES = ("EfficientNet-Lite0", "ResNet-18")


@dataclass(frozen=True)
class Judged:
    """An explanation, and what those need who take none: the map has the picture's size."""

    explanation: interp.Explanation
    module: nn.Module
    inputs: torch.Tensor
    heat: torch.Tensor
    index: int

    @classmethod
    def of(cls, network: interp.ImageModel, method: str, picture: Path = PICTURE) -> Judged:
        network.module.eval()
        explanation = interp.explain(network, picture, method=method)
        with on_trial(explanation) as trial:
            ((index, _),) = trial.probe.target.terms
            picture, heat = trial.picture.clone(), trial.heat.clone()
        return cls(explanation, explanation.model.module, picture, heat, index)

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        return self.inputs.numpy(), np.array([self.index])

    def ranks(self, way: int) -> np.ndarray:
        """Return a map `(1, 1, H, W)` in the same order or its reverse: Quantus takes no negative map."""
        ranks = np.empty(self.heat.numel(), np.float32)
        ranks[ordered(self.heat, 0).numpy()[::-way]] = np.arange(1, ranks.size + 1)
        return ranks.reshape(1, 1, *self.heat.shape)


def model(name: str, seed: int) -> interp.ImageModel:
    if name == "EfficientNet-Lite0":
        return interp.load()
    torch.manual_seed(seed)
    return interp.load(torchvision.models.resnet18(weights=None).eval())


def ours(judged: Judged, *names: str) -> dict[str, Any]:
    return measure(judged.explanation, names)


def both(steps: int) -> tuple[str, str]:
    """Deletion, and insertion into a picture of zeros, as torchcam and Quantus have them."""
    return f"deletion(steps={steps})", f"insertion(steps={steps}, baseline='zero')"


class Given:
    """What torchcam's metrics take for an extractor: it hands out a map that was made before."""

    def __init__(self, module: nn.Module, heat: torch.Tensor) -> None:
        self.model, self.heat = module, heat

    def __call__(self, *_: object, **__: object) -> list[torch.Tensor]:
        return [self.heat[None]]

    def fuse_cams(self, cams: list[torch.Tensor]) -> torch.Tensor:
        return cams[0]

    def _hooks_off(self) -> nullcontext[None]:
        return nullcontext()


def torchcam_curves(judged: Judged, steps: int) -> dict[str, float]:
    extractor, softmax = Given(judged.module, judged.heat), functools.partial(torch.softmax, dim=-1)
    metric = DeletionInsertionMetric(extractor, softmax, steps=steps)
    with torch.no_grad():
        metric.update(judged.inputs, judged.index)
    return metric.summary()


def flipped(judged: Judged, steps: int) -> list[np.ndarray]:
    """Quantus's curves when the strongest go first, and the weakest: an insertion read backwards."""
    inputs, index = judged.arrays
    metric = quantus.PixelFlipping(
        features_in_step=inputs[0].size // steps, perturb_baseline=0.0, normalise=False, disable_warnings=True
    )
    return [np.array(metric(judged.module, inputs, index, a_batch=judged.ranks(way))[0]) for way in (1, -1)]


class Road(quantus.ROAD):
    """Quantus's ROAD with an order of positions; its own is of colour values, which leave the mask."""

    def evaluate_batch(
        self, model: Any, x_batch: np.ndarray, y_batch: np.ndarray, a_batch: np.ndarray, **_: object
    ) -> list[np.ndarray]:
        order = np.argsort(-a_batch.reshape(len(a_batch), -1), axis=1)
        right = []
        for percentage in self.percentages:
            gone = order[:, : int(self.a_size * percentage / 100)]
            changed = [self.perturb_func(arr=x, indices=at) for x, at in zip(x_batch, gone, strict=True)]
            right.append(np.argmax(model.predict(np.stack(changed)), axis=-1) == y_batch)
        return [np.stack(right, axis=1).astype(int)]


def quantus_road(judged: Judged, parts: int, ways: tuple[int, ...]) -> list[dict[float, float]]:
    percentages = [100 * step / (parts + 1) for step in range(1, parts + 1)]
    inputs, index = judged.arrays
    found = []
    for way in ways:
        metric = Road(percentages=percentages, normalise=False, disable_warnings=True)
        found.append(metric(judged.module, inputs, index, a_batch=judged.ranks(way)))
    return found


@dataclass(frozen=True)
class Duel:
    title: str
    cases: Mapping[str, Case]
    required: Mapping[str, float]


def duels(judged: Judged, many: bool) -> list[Duel]:
    def curves(steps: int, rival: str, run: Callable[..., object]) -> Duel:
        mine, theirs = functools.partial(ours, judged, *both(steps)), functools.partial(run, judged, steps)
        return Duel(f"deletion and insertion, {steps} steps", {INTERP: mine, rival: theirs}, {rival: 2})

    road = {
        INTERP: functools.partial(ours, judged, "road(steps=9)"),
        QUANTUS: functools.partial(quantus_road, judged, 9, (1, -1)),
        ONE_WAY: functools.partial(quantus_road, judged, 9, (1,)),
    }
    if many:
        return [curves(224, TORCHCAM, torchcam_curves), curves(192, QUANTUS, flipped)]
    return [
        curves(32, TORCHCAM, torchcam_curves),
        curves(48, QUANTUS, flipped),
        Duel("ROAD, 9 parts", road, {QUANTUS: 5}),
    ]


def rows(duel: Duel, timed: Rounds, work: Mapping[str, float]) -> list[tuple[str, ...]]:
    return [
        (
            f"{duel.title}: {case}",
            f"{timed.time(case).median / 1e3:.2f}",
            timed.ratio(case, INTERP).text(2),
            f"{work[case]:.1f}",
        )
        for case in duel.cases
    ]


def main() -> None:
    parser = arguments(__doc__ or "", seconds=0)
    parser.add_argument("--networks", nargs="+", default=list(NAMES), help="of %(default)s")
    parser.add_argument("--many", action="store_true", help="224 and 192 steps; into metrics_many.md")
    parser.add_argument(
        "--cpu", action="store_true", help="count CPU time, where other work shares the cores"
    )
    parser.set_defaults(rounds=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clock = time.process_time if options.cpu else time.perf_counter
    tables, held, data = [], [], {}
    for name in options.networks:
        judged = Judged.of(model(name, options.seed), "grad-cam")
        with torch.no_grad():
            forward = flops(functools.partial(judged.module, judged.inputs))
        lines: list[tuple[str, ...]] = []
        for duel in duels(judged, options.many):
            work = {case: flops(run) / forward for case, run in duel.cases.items()}  # and warms up
            timed = interleave(
                duel.cases, seconds=options.seconds, least=options.rounds, warmup=0, clock=clock
            )
            lines += rows(duel, timed, work)
            for rival, least in duel.required.items():
                ratio = timed.ratio(rival, INTERP).median
                held.append(Check(f"{name}, {duel.title}: {rival} ÷ {INTERP}", ratio, least, True))
            data[f"{name}, {duel.title}"] = {"seconds": timed.seconds, "work": work}
        columns = (name, "CPU s" if options.cpu else "s", "time, × interp", f"FLOPs, × {FORWARD}")
        note = f"{options.rounds} interleaved rounds, {judged.inputs.shape[-1]} pixels, a map of Grad-CAM."
        tables.append(Table(name, columns, lines, note))
        tables[-1].show()
    publish(
        "metrics_many" if options.many else "metrics",
        "Metrics beside torchcam and Quantus",
        tables,
        held,
        data,
        options.threads,
    )


if __name__ == "__main__":
    main()
