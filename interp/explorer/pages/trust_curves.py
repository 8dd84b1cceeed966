"""The film of *Trust*: the picture is taken away, or put in, and the score falls, or rises, beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from interp.explanation import Explanation
from interp.explorer.asking import explained
from interp.explorer.pages.trust_asked import Case
from interp.explorer.parts import Scene, Way
from interp.explorer.words import say
from interp.explorer.working import Meter, at_once, kept
from interp.methods import INPUT
from interp.methods.fusing import enlarged
from interp.methods.perturbing import blurred
from interp.metrics import Curve, Measured, measure
from interp.metrics.curves import SOFT, ordered
from interp.progress import Progress, part_of

METRICS = ("deletion(steps=16)", "insertion(steps=16)")
_RANDOM = ("random", "random(seed=1)", "random(seed=2)")


@dataclass(frozen=True)
class Run:
    """What became of the score on one way.

    Attributes:
        name: "map", or that of a control.
        map: whose order it was, raw; of several the first.
        curves: taking away, and putting in.
    """

    name: str
    map: torch.Tensor
    curves: tuple[Curve, Curve]


def own(case: Case) -> Run:
    """Return the curves of the map that is on trial, measured when nobody has."""

    def run(meter: Meter) -> Run:
        return Run("map", case.shown.map, _measured(case.explanation, meter))

    return at_once("trust-curves", case.key, run, title=say("Taking the picture away …"))


def controls(case: Case) -> tuple[Run, ...] | None:
    """Return the curves of what knows nothing, where they were measured."""
    usual, elsewhere = kept("trust-controls", _key(case)), kept("trust-elsewhere", case.key)
    return None if usual is None or elsewhere is None else (*usual, elsewhere)


def measure_controls(case: Case) -> None:
    """Measure the curves of what knows nothing, and keep them."""
    at_once("trust-controls", _key(case), lambda meter: _usual(case, meter), title=_waiting())
    at_once("trust-elsewhere", case.key, lambda meter: _elsewhere(case, meter), title=_waiting())


def _waiting() -> str:
    return say("The same for orders that know nothing …")


def _key(case: Case) -> tuple[object, ...]:
    return (*case.question, _layer(case))


def _layer(case: Case) -> str:
    """Return where the controls lie: a map on the input is compared with those on the usual layer."""
    return case.network.model.default_layer if case.shown.layer == INPUT else case.shown.layer


def _usual(case: Case, progress: Progress) -> tuple[Run, Run]:
    names = (*_RANDOM, "centre")
    made = explained(case.network, case.sight.picture, (case.target,), names, (_layer(case),))
    found = [
        _measured(case.with_map(each), part_of(progress, number, len(made)))
        for number, each in enumerate(made)
    ]
    chance = tuple(_mean([curves[way] for curves in found[:-1]]) for way in (0, 1))
    return Run("random", made[0].map, (chance[0], chance[1])), Run("centre", made[-1].map, found[-1])


def _elsewhere(case: Case, progress: Progress) -> Run:
    """Return what the map says when it is put elsewhere: as coherent, at places that mean nothing."""
    map = case.shown.map
    moved = map.roll([side // 2 for side in map.shape], tuple(range(map.dim())))
    return Run("elsewhere", moved, _measured(replace(case.explanation, map=moved), progress))


def _measured(explanation: Explanation, progress: Progress) -> tuple[Curve, Curve]:
    found: dict[str, Measured] = measure(explanation, METRICS, progress=progress)
    taken, put = (next(iter(found[name].curves.values())) for name in METRICS)
    return taken, put


def _mean(curves: list[Curve]) -> Curve:
    scores = np.mean([curve.scores for curve in curves], 0)
    return Curve(curves[0].parts, tuple(scores.tolist()))


def titles() -> dict[str, str]:
    """Return what the ways are called."""
    return {
        "map": say("This map"),
        "random": say("Random order"),
        "centre": say("From the middle out"),
        "elsewhere": say("This map, put elsewhere"),
    }


def scenes(case: Case, runs: tuple[Run, ...]) -> tuple[Scene, Scene]:
    """Return the two films, with one way through them for each run."""
    seen, grey, soft = pictures(case)
    orders = {run.name: order_of(run.map, (seen.height, seen.width)) for run in runs}
    taken, put = (
        tuple(
            Way(
                run.name,
                titles()[run.name],
                say("area {area}", area=f"{run.curves[number].area:.3f}"),
                orders[run.name],
                run.curves[number].parts,
                run.curves[number].scores,
            )
            for run in runs
        )
        for number in (0, 1)
    )
    return (
        Scene(
            say("Taking away"),
            taken[0].note,
            say("The strongest places of the map go first. If it is right, the score falls at once."),
            say("{part} % taken away"),
            say("of the picture is taken away"),
            seen,
            grey,
            taken,
        ),
        Scene(
            say("Putting in"),
            put[0].note,
            say("The strongest places come first into a blur. If the map is right, the score rises at once."),
            say("{part} % put in"),
            say("of the picture is put in"),
            soft,
            seen,
            put,
        ),
    )


def pictures(case: Case) -> tuple[Image.Image, Image.Image, Image.Image]:
    """Return what the network sees: the picture, nothing, and the picture without its details."""
    model = case.network.model
    inputs = model.prepare([case.sight.picture.picture]).float().cpu()
    soft = blurred(inputs, SOFT * min(inputs.shape[2:]))
    seen, grey, vague = (_image(model.preprocess.inverse(each)[0]) for each in (inputs, 0 * inputs, soft))
    return seen, grey, vague


def _image(values: torch.Tensor) -> Image.Image:
    pixels = (values * 255).round().byte().permute(1, 2, 0).numpy()
    return Image.fromarray(pixels.squeeze(-1) if pixels.shape[2] == 1 else pixels).convert("RGB")


def order_of(map: torch.Tensor, size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Return of each place on the input the share of places that go before it, as the metrics order them."""
    order = ordered(enlarged(map[None].float(), size)[0], seed=0)
    rank = torch.empty(len(order))
    rank[order] = torch.arange(len(order), dtype=torch.float32) / len(order)
    return rank.reshape(size).numpy()
