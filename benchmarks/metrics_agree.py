"""Whether interp's metrics give the numbers of torchcam's and Quantus's where their definitions are the same.

Real maps of two methods on two pictures. Where a definition differs in one thing, that thing is made the same
here: the same noise, the same other class, a tolerance of 0. `docs/peers.md` says what differs, and why.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import quantus
import torch
from metrics import PICTURE, Given, Judged, flipped, model, torchcam_curves
from quantus.functions.perturb_func import noisy_linear_imputation
from quantus.functions.similarity_func import correlation_spearman
from results import Check, Table, publish
from torchcam.metrics import ClassificationMetric

from interp.logits import LogitTarget
from interp.metrics import Trial, get
from interp.metrics.imputation import imputed
from interp.metrics.likeness import rank_correlation
from interp.metrics.measuring import on_trial

METHODS = ("grad-cam", "saliency")
PICTURES = ("cat.jpg", "rocket.jpg")
STEPS = 32
ROUNDING = 1e-5
SIDE = 240  # 48 of Quantus's steps then end between positions; at 224 they end between the colours of one
QUIET = {"disable_warnings": True}

Pair = tuple[str, float]


def of_the_map(judged: Judged, trial: Trial) -> Iterator[Pair]:
    """Metrics that look at the map alone, at the size of the picture."""
    inputs, index = judged.arrays
    large, seen = replace(trial, map=trial.heat), trial.evidence[None, None].numpy()
    truth = torch.zeros(trial.size, dtype=torch.bool)
    truth[30:210, 40:190] = True
    large = replace(large, truth=truth)

    def theirs(metric: Callable[..., list[float]], array: np.ndarray) -> float:
        mask = truth[None, None].numpy()
        return float(metric(None, inputs, index, a_batch=array.copy(), s_batch=mask, batch_size=1)[0])

    heat = trial.heat[None, None].numpy()
    yield "sparseness, Quantus", get("sparseness")(large).value - theirs(quantus.Sparseness(**QUIET), heat)
    entropy = theirs(quantus.Complexity(**QUIET), heat) / np.log(heat.size)
    yield "entropy × log N, Quantus's Complexity", get("entropy")(large).value - entropy
    mass = theirs(quantus.RelevanceMassAccuracy(**QUIET), seen)
    yield "relevance-mass of what is shown, Quantus", get("relevance-mass")(large).value - mass
    ranks = theirs(quantus.RelevanceRankAccuracy(**QUIET), judged.ranks(1))
    distinct = replace(large, map=torch.from_numpy(judged.ranks(1)[0, 0]))
    yield "rank-accuracy of a map without ties, Quantus", get("rank-accuracy")(distinct).value - ranks
    points = theirs(quantus.PointingGame(**QUIET), judged.ranks(1))
    yield "pointing-game(tolerance=0), Quantus", get("pointing-game", tolerance=0.0)(distinct).value - points


def of_the_network(judged: Judged, trial: Trial) -> Iterator[Pair]:
    """Deletion, insertion, drop and increase: of a map without ties."""
    distinct = replace(judged, heat=torch.from_numpy(judged.ranks(1)[0, 0]))
    ranked = replace(trial, map=distinct.heat)
    found = torchcam_curves(distinct, STEPS)
    deleted = get("deletion", steps=STEPS)(ranked)
    inserted = get("insertion", steps=STEPS, baseline="zero")(ranked)
    yield "deletion, torchcam", deleted.value - found["deletion_auc"]
    yield "insertion, torchcam", inserted.value - found["insertion_auc"]
    steps = 48
    strongest, weakest = flipped(distinct, steps)
    curve = get("deletion", steps=steps)(ranked).curves["deletion"].scores
    yield "deletion's curve, Quantus's PixelFlipping", largest(curve[1:], strongest)
    curve = get("insertion", steps=steps, baseline="zero")(ranked).curves["insertion"].scores
    yield "insertion's curve, PixelFlipping of the reverse", largest(curve[:-1], weakest[::-1])

    metric = ClassificationMetric(
        Given(judged.module, trial.evidence), functools.partial(torch.softmax, dim=-1)
    )
    with torch.no_grad():
        metric.update(judged.inputs, judged.index)
    yield "average-drop, torchcam", get("average-drop")(trial).value - metric.summary()["avg_drop"]
    yield "increase, torchcam", get("increase")(trial).value - metric.summary()["conf_increase"]


def of_gaps(judged: Judged, trial: Trial) -> Iterator[Pair]:
    given = trial.picture[0]
    gone = torch.from_numpy(judged.ranks(1)[0, 0]) <= given[0].numel() / 2
    theirs = noisy_linear_imputation(given.numpy(), np.flatnonzero(gone.numpy()), noise=0.0)
    yield "ROAD's imputation, Quantus", largest(imputed(given, gone, 0.0, 0).numpy(), theirs)


def of_other_maps(judged: Judged, trial: Trial) -> Iterator[Pair]:
    """Metrics that ask for further maps: with the same noise, and the same other class."""
    inputs, index = judged.arrays
    radius, samples = 0.02, 4
    noise = torch.rand(samples, *trial.picture.shape[1:], generator=torch.Generator().manual_seed(0))
    draws = iter(radius * (2 * noise - 1).numpy())

    def explained(model: object, inputs: np.ndarray, targets: np.ndarray, **_: object) -> np.ndarray:
        target = LogitTarget(((int(targets[0]), 1.0),), "class")
        found = trial.again(torch.from_numpy(np.asarray(inputs, np.float32)), target)
        # Quantus takes no map that is coarser than the picture; repeating changes neither norms nor ranks.
        for side in (1, 2):
            found = found.repeat_interleave(trial.size[side - 1] // trial.map.shape[side - 1], side)
        return found[None].numpy()

    def shaken(arr: np.ndarray, indices: np.ndarray, **_: object) -> np.ndarray:
        return arr + next(draws).reshape(arr.shape)

    metric = quantus.MaxSensitivity(nr_samples=samples, perturb_func=shaken, lower_bound=radius, **QUIET)
    found = metric(judged.module, inputs, index, explain_func=explained)
    ours = get("max-sensitivity", samples=samples, radius=radius)(trial).value
    yield "max-sensitivity with the same noise, Quantus", ours - float(found[0])

    metric = quantus.RandomLogit(similarity_func=correlation_spearman, normalise=False, **QUIET)
    found = metric(judged.module, inputs, index, explain_func=explained)
    np.random.seed(metric.seed)
    drawn = int(np.random.randint(0, metric.num_classes - 1, 1)[0])
    other = trial.again(trial.picture, LogitTarget(((drawn + (drawn >= judged.index), 1.0),), "other"))[0]
    yield (
        "random-class of the same class, Quantus's RandomLogit",
        rank_correlation(trial.map, other) - float(found[0]),
    )


def largest(ours: object, theirs: object) -> float:
    return float(np.abs(np.asarray(ours) - np.asarray(theirs)).max())


def main() -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    network = model("EfficientNet-Lite0", 0)
    network = replace(network, preprocess=replace(network.preprocess, size=(SIDE, SIDE)))
    differences: dict[str, list[float]] = {}
    for picture in PICTURES:
        for method in METHODS:
            judged = Judged.of(network, method, PICTURE.with_name(picture))
            with on_trial(judged.explanation) as trial:
                for part in (of_the_map, of_the_network, of_gaps, of_other_maps):
                    for name, difference in part(judged, trial):
                        differences.setdefault(name, []).append(abs(float(difference)))
    rows = [(name, f"{max(found):.1e}") for name, found in differences.items()]
    note = f"{' and '.join(METHODS)} of {' and '.join(PICTURES)}; EfficientNet-Lite0 at {SIDE} pixels."
    table = Table("Where definitions are the same", ("", "largest difference"), rows, note)
    checks = [Check(name, max(found), ROUNDING) for name, found in differences.items()]
    publish("metrics_agree", "Agreement of metrics", [table], checks, differences, 1)


if __name__ == "__main__":
    main()
