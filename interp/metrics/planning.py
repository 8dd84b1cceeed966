"""What an evaluation will do: which pictures, methods and metrics, at what cost."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from interp.images import pictures_in
from interp.methods import INPUT, Method
from interp.methods import get as get_method
from interp.metrics.registry import Metric, get
from interp.metrics.trial import MetricError
from interp.models import ImageModel
from interp.targets import TargetLike

METHODS = (
    "consensus-cam",
    "grad-cam",
    "hires-cam",
    "layer-cam",
    "eigen-cam",
    "integrated-gradients(steps=16)",
    "edges",
    "centre",
    "random",
)
"""The usual ones: what is used most, one of pixels, one that ignores the class, three controls."""
METRICS = (
    "deletion(steps=16)",
    "insertion(steps=16)",
    "road(steps=4)",
    "randomisation(steps=1)",
    "random-class",
    "flip-agreement",
    "sparseness",
)
"""The usual ones, quick of every kind; with masks also those of `PLACED`."""
PLACED = ("relevance-mass", "pointing-game")
_AT_ONCE = 8


def chosen_methods(names: Sequence[str | Method]) -> list[Method]:
    """Return the methods, each once."""
    found = {method.name: method for method in map(get_method, names)}
    if not found:
        raise MetricError("there is no method to evaluate; give one or more.")
    return list(found.values())


def chosen_metrics(names: Sequence[str | Metric] | None, model: ImageModel, *, truth: bool) -> list[Metric]:
    """Return the metrics, each once.

    Args:
        names: of metrics; None for the usual ones that go with the network, and with the truth.
        model: the network.
        truth: whether there are masks.

    Raises:
        MetricError: one needs masks, or does not work for networks of this kind.
    """
    if names is None:
        usual = [get(name) for name in (*METRICS, *(PLACED if truth else ()))]
        return [metric for metric in usual if model.task in metric.tasks]
    found = {metric.name: metric for metric in map(get, names)}
    if not found:
        raise MetricError("there is no metric to judge by; give one or more.")
    for metric in found.values():
        if metric.truth and not truth:
            raise MetricError(
                f"{metric.name} needs to know where the target really is: give a folder of masks "
                "(truth=, --masks), or leave it out."
            )
        if model.task not in metric.tasks:
            raise MetricError(
                f"{metric.title} works for {' and '.join(metric.tasks)}; {model.name} does {model.task}."
            )
    return list(found.values())


def chosen_pictures(
    given: str | Path | Sequence[str | Path], *, recursive: bool, count: int | None, seed: int
) -> list[tuple[str, Path]]:
    """Return the pictures of a folder, or of a list of files, each with its name.

    Args:
        given: a folder or files.
        recursive: whether to walk the folders inside too.
        count: at most so many, drawn by the seed; a folder in order often begins with one class.
        seed: of the draw.

    Raises:
        ImageError: no such folder, or no picture in it.
        MetricError: there is no picture, or two have one name.
    """
    if count is not None and count < 1:
        raise MetricError(f"count={count}: give 1 or more.")
    if isinstance(given, (str, Path)):
        folder = Path(given)
        found = [
            (path.relative_to(folder).as_posix(), path) for path in pictures_in(folder, recursive=recursive)
        ]
    else:
        found = [(Path(path).name, Path(path)) for path in given]
    if not found:
        raise MetricError("there is no picture to evaluate on; give one or more.")
    if len({name for name, _ in found}) < len(found):
        raise MetricError("two pictures have one name; give them other names, or a folder.")
    if count is None or count >= len(found):
        return found
    places = np.random.default_rng(seed).choice(len(found), count, replace=False)
    return [found[place] for place in sorted(places.tolist())]


def chosen_layer(model: ImageModel, methods: Sequence[Method], layer: str | int | None) -> str:
    """Return the layer that all maps on layers are made at; `"input"` where none is."""
    if all(method.place == "input" for method in methods):
        return INPUT
    return model.default_layer if layer is None else model.layers.resolve(layer)


def chosen_target(model: ImageModel, target: TargetLike) -> TargetLike:
    """Return what is asked of every picture; a class that does not exist fails here.

    Raises:
        LabelError: there is no such class.
    """
    if target is None or target == "top":
        return None
    if isinstance(target, (str, int)) and model.task == "classification":
        return model.labels.find(target, len(model.labels) or int(model.logits(model.blank()).shape[1]))
    return target


def told_target(model: ImageModel, target: TargetLike) -> str:
    """Return what is asked in a word: "top", a class, or "given" for what cannot be written down."""
    if target is None:
        return "top"
    if isinstance(target, int):
        return model.labels[target]
    return target if isinstance(target, str) else "given"


def cost(methods: Sequence[Method], metrics: Sequence[Metric]) -> float:
    """Return how many forward passes one picture costs, about.

    Example:
        >>> cost([get_method("grad-cam")], [get("deletion"), get("flip-agreement")])
        35.0
    """
    judging = sum(metric.passes for metric in metrics)
    further = sum(metric.maps for metric in metrics)
    return sum(judging + method.passes * (1 + further) for method in methods)


def pace(model: ImageModel) -> float:
    """Return how many seconds a forward pass takes here and now."""
    inputs = model.blank(_AT_ONCE)
    model.logits(inputs)
    begun = time.perf_counter()
    model.logits(inputs)
    if torch.cuda.is_available() and model.device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - begun) / _AT_ONCE


def in_words(seconds: float) -> str:
    """Return a time as people say it.

    Example:
        >>> in_words(200)
        '3 minutes'
    """
    units = [("hour", 3600), ("minute", 60), ("second", 1)]
    unit, size = next((each for each in units if seconds >= 1.5 * each[1]), units[-1])
    number = max(1, round(seconds / size))
    return f"{number} {unit}{'' if number == 1 else 's'}"
