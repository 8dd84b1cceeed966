"""One picture: its maps by many methods from one forward pass, each judged by many metrics."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from PIL import Image
from torch import nn

from interp.explaining import probability_of
from interp.methods import INPUT, Attribution, Method, attribute
from interp.methods.sooner import MANY, Copies
from interp.metrics.measuring import trial_of
from interp.metrics.registry import Metric
from interp.metrics.results import Row
from interp.metrics.trial import Measured, Trial
from interp.metrics.truths import on_input
from interp.models import ImageModel
from interp.sentences import is_sentence
from interp.targets import Seen, TargetLike, about

NO_MASK = "there is no mask of this picture"


@dataclass(frozen=True, eq=False)
class Court:
    """What is the same for every picture.

    Attributes:
        model: the network.
        private: its twin, lent for as long as this is used.
        copies: of the twin.
        methods: that are judged.
        metrics: that judge.
        layer: of the maps that lie on a layer.
        target: what is asked of every picture.
    """

    model: ImageModel
    private: nn.Module = field(repr=False)
    copies: Copies = field(repr=False)
    methods: Sequence[Method]
    metrics: Sequence[Metric]
    layer: str
    target: TargetLike = None


@contextmanager
def court(
    model: ImageModel, methods: Sequence[Method], metrics: Sequence[Metric], layer: str, target: TargetLike
) -> Iterator[Court]:
    """Yield a `Court` that has a twin of the model."""
    with model.twin() as private, torch.inference_mode(False), torch.no_grad():
        copies = Copies(private, model.blank())
        # Made of an empty picture, so that it is the same whichever picture comes first.
        copies.get(MANY)
        yield Court(model, private, copies, methods, metrics, layer, target)


def judged(
    court: Court, name: str, picture: Image.Image, mask: Any, done: Callable[[int], None] = lambda _: None
) -> list[Row]:
    """Return a row for every method and metric.

    Args:
        court: the network, the methods and the metrics.
        name: of the picture.
        picture: opened.
        mask: where the target really is, or None; see `truths.on_input`.
        done: is told how many methods are judged.

    Raises:
        ImageError, PreprocessError, TargetError, MethodError: nothing can be asked of this picture.
    """
    model = court.model
    inputs = model.prepare([picture])
    seen = Seen(picture, model.preprocess)
    maps, refused = _maps(court, inputs, about(court.target, seen))
    first = next(iter(maps.values()))
    target = first.targets[0][0]
    whole = Row(name, target.name, probability_of(model, first.output, target))
    truth, why = _truth(court, mask, seen, inputs, target)
    rows = []
    for number, method in enumerate(court.methods, start=1):
        layer = INPUT if method.place == "input" else court.layer
        start = replace(whole, layer=layer, method=method.name)
        if method.name in refused:
            rows += [replace(start, metric=each.name, note=refused[method.name]) for each in court.metrics]
        else:
            made = maps[method.name]
            map = made.maps[0, layer, method.name][0].detach()
            trial = trial_of(
                model, court.private, inputs, made.output, target, method, layer, map, truth, court.copies
            )
            rows += [_row(start, trial, each, why) for each in court.metrics]
        done(number)
    return rows


def _row(start: Row, trial: Trial, metric: Metric, why: str) -> Row:
    begun = time.perf_counter()
    found = Measured(float("nan"), note=why) if metric.truth and why else _measured(trial, metric)
    return replace(
        start,
        metric=metric.name,
        value=float(found.value),
        chance=found.chance,
        note=found.note,
        seconds=time.perf_counter() - begun,
    )


def _measured(trial: Trial, metric: Metric) -> Measured:
    try:
        return metric(trial)
    except Exception as error:
        if not is_sentence(error):
            raise
        return Measured(float("nan"), note=str(error))


def _maps(
    court: Court, inputs: torch.Tensor, target: TargetLike
) -> tuple[dict[str, Attribution], dict[str, str]]:
    """Return what holds the map of each method, and why others have none."""
    try:
        found = attribute(court.model, inputs, target, court.methods, _layers(court))
        return {method.name: found for method in court.methods}, {}
    except Exception as error:
        if not is_sentence(error) or len(court.methods) == 1:
            raise
        first = error
    # One of them does not go with this network, or all fail for the same reason.
    maps, refused = {}, {}
    for method in court.methods:
        try:
            maps[method.name] = attribute(court.model, inputs, target, [method], _layers(court))
        except Exception as error:
            if not is_sentence(error):
                raise
            refused[method.name] = str(error)
    if not maps:
        raise first
    return maps, refused


def _layers(court: Court) -> list[str] | None:
    return None if court.layer == INPUT else [court.layer]


def _truth(
    court: Court, mask: Any, seen: Seen, inputs: torch.Tensor, target: Any
) -> tuple[torch.Tensor | None, str]:
    """Return where the target is, or why nobody knows; only where a metric asks."""
    if not any(metric.truth for metric in court.metrics):
        return None, ""
    if mask is None:
        return None, NO_MASK
    try:
        truth = on_input(mask, seen, tuple(inputs.shape[2:]), target)
    except Exception as error:
        if not is_sentence(error):
            raise
        return None, str(error)
    return truth, ""
