"""The registry of metrics, which the command line, the explorer, the docs and the tests enumerate."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from interp.methods.registry import TASKS
from interp.methods.spelling import MethodError, canonical, checked, spelled
from interp.metrics.trial import Measured, MetricError, Trial
from interp.models.image_model import Task

Kind = Literal["faithfulness", "localisation", "stability", "complexity", "sanity"]
Better = Literal["higher", "lower", "neither"]
Function = Callable[..., Measured]

KINDS: tuple[Kind, ...] = ("faithfulness", "localisation", "stability", "complexity", "sanity")


@dataclass(frozen=True)
class Metric:
    """A metric with all that others must know of it.

    Attributes:
        name: what people type, with the options that differ from the usual: `deletion(steps=224)`.
        title: what tables say.
        kind: the question it belongs to.
        better: which end is good.
        limits: the smallest and the largest value there can be.
        formula: one line.
        paper: where it comes from.
        silent: what it cannot tell, one sentence.
        passes: cost in forward passes of the network, the making of maps left out.
        maps: how many further maps of the method it makes.
        truth: whether it needs to know where the target really is.
        tasks: kinds of networks that it works on.
        options: what can be set, with the values that are.
        function: judges a `Trial`.
    """

    name: str
    title: str
    kind: Kind
    better: Better
    limits: tuple[float, float]
    formula: str
    paper: str
    silent: str
    passes: float
    maps: int
    truth: bool
    tasks: tuple[Task, ...]
    options: Mapping[str, Any] = field(hash=False)
    function: Function

    def __call__(self, trial: Trial) -> Measured:
        """Judge one map.

        Raises:
            MetricError: it cannot judge this one.
        """
        if trial.probe.model.task not in self.tasks:
            raise MetricError(
                f"{self.title} works for {' and '.join(self.tasks)}; {trial.probe.model.name} does "
                f"{trial.probe.model.task}."
            )
        if self.truth:
            _check_truth(self.title, trial)
        if not bool(trial.map.isfinite().all()):
            return Measured(float("nan"), note="the map is not finite")
        return self.function(trial)


Cost = float | Callable[[Mapping[str, Any]], float]
_REGISTRY: dict[str, Metric] = {}
_COSTS: dict[str, tuple[Cost, Cost]] = {}


def metric(
    name: str,
    title: str,
    *,
    kind: Kind,
    better: Better,
    limits: tuple[float, float],
    formula: str,
    paper: str,
    silent: str,
    passes: Cost = 0.0,
    maps: Cost = 0,
    truth: bool = False,
    tasks: tuple[Task, ...] = TASKS,
) -> Callable[[Function], Function]:
    """Register the decorated function under `name`; its keyword-only parameters are the metric's options.

    `passes` and `maps` may be functions of the options.
    """

    def register(function: Function) -> Function:
        if name in _REGISTRY:
            raise MetricError(f"the metric {name!r} is registered twice.")
        parameters = inspect.signature(function).parameters.values()
        options = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
        _COSTS[name] = passes, maps
        _REGISTRY[name] = Metric(
            name=name,
            title=title,
            kind=kind,
            better=better,
            limits=limits,
            formula=formula,
            paper=paper,
            silent=silent,
            passes=_cost(passes, options),
            maps=int(_cost(maps, options)),
            truth=truth,
            tasks=tasks,
            options=options,
            function=function,
        )
        return function

    return register


def metrics() -> tuple[Metric, ...]:
    """Return every registered metric, in the order of the questions that they belong to."""
    return tuple(sorted(_REGISTRY.values(), key=lambda each: KINDS.index(each.kind)))


def get(name: str | Metric, **options: Any) -> Metric:
    """Return the metric called `name`, with options set.

    Args:
        name: `"deletion"`, or with options as in Python, `"deletion(steps=224)"`.
        **options: the same, given directly.

    Raises:
        MetricError: no such metric or option, with near misses; or a value that does not fit.

    Example:
        >>> get("deletion", steps=224).name
        'deletion(steps=224)'
    """
    if isinstance(name, Metric):
        if not options:
            return name
        name = name.name
    try:
        typed, written = spelled(str(name))
        base = _found(typed)
        values = checked(base.name, base.options, {**written, **options})
    except MethodError as error:
        raise MetricError(str(error)) from None
    changed = {option: value for option, value in values.items() if value != base.options[option]}
    if not changed:
        return base
    passes, maps = _COSTS[base.name]
    return replace(
        base,
        name=canonical(base.name, changed),
        title=canonical(base.title, changed),
        passes=_cost(passes, values),
        maps=int(_cost(maps, values)),
        options=values,
        function=partial(base.function, **values),
    )


def _found(typed: str) -> Metric:
    key = typed.strip().lower().replace("_", "-").replace(" ", "-")
    if key in _REGISTRY:
        return _REGISTRY[key]
    near = difflib.get_close_matches(key, _REGISTRY, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(_REGISTRY)}."
    raise MetricError(f"there is no metric {typed.strip()!r}; {hint}")


def _cost(cost: Cost, options: Mapping[str, Any]) -> float:
    return float(cost(options) if callable(cost) else cost)


def _check_truth(title: str, trial: Trial) -> None:
    if trial.truth is None:
        raise MetricError(f"{title} needs to know where the target really is; give a mask or a box.")
    if tuple(trial.truth.shape) != trial.size:
        sizes = (" × ".join(map(str, shape)) for shape in (tuple(trial.truth.shape), trial.size))
        raise MetricError("the mask has {} positions, the network's input {}.".format(*sizes))
    if not bool(trial.truth.any()):
        raise MetricError("the mask is empty; the target is nowhere on what the network sees.")
