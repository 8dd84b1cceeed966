"""The registry of methods, which the command line, the explorer, the docs and the tests enumerate."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import torch

from interp.methods.spelling import MethodError, canonical, checked, spelled
from interp.models.image_model import Task

__all__ = ["INPUT", "Method", "MethodError", "get", "method", "methods", "modifier"]

Needs = Literal["activations", "gradients", "head", "probe"]
Place = Literal["layer", "input"]
Asks = Literal["score", "contrast"]
Display = Literal["positive", "signed", "range"]
Function = Callable[..., torch.Tensor]

INPUT = "input"
"""What stands for the layer of methods whose map lies on the network's input."""
_QUICK = 4
TASKS: tuple[Task, ...] = ("classification", "segmentation", "image")


@dataclass(frozen=True)
class Method:
    """A method with all that others must know of it.

    Attributes:
        name: what people type, with the options that differ from the usual: `rise(masks=500)`.
        title: what pictures say.
        family: the group it is listed in.
        needs: what its function gets. `activations`: `f(A)`; `gradients`: `f(A, g)`; `head`: `f(A, w)`
            with the linear weights of the target; `probe`: `f(probe)`, a `Probe` of one picture. `A` and `g`
            are `(B, C, *grid)`, `w` is `(B, C)`; with `stages` above 1 they are lists, the finest first.
        place: whether its map lies on a layer's grid or on the network's input.
        display: how its published form is drawn: only its positive part, signed, or over its range.
        formula: one line.
        paper: where it comes from.
        passes: cost in forward passes at the default layer of the default network; a backward pass through
            all of it counts as two.
        tasks: kinds of networks that it works on.
        asks: what is differentiated: the target's score, or its contrast to the rivals (`contrast.py`).
        stages: at how many stages, up to the layer, it looks at once.
        branches: whether it takes for a layer of a transformer's block the same layer of all blocks of its
            stage (`applying.branches_of`), their channels one after the other.
        targeted: whether its map depends on the target.
        options: what can be set, with the values that are.
        function: the maths; returns raw maps `(B, *grid)`, with a probe `(*grid)`.
    """

    name: str
    title: str
    family: str
    needs: Needs
    place: Place
    display: Display
    formula: str
    paper: str
    passes: float
    tasks: tuple[Task, ...]
    asks: Asks
    stages: int
    branches: bool
    targeted: bool
    options: Mapping[str, Any] = field(hash=False)
    function: Function

    @property
    def signed(self) -> bool:
        """Whether both ends of its scale are drawn: evidence for, and evidence against."""
        return self.display == "signed"

    @property
    def quick(self) -> bool:
        """Whether people can wait for its map; all others are work that is begun, watched and cancelled."""
        return self.passes <= _QUICK


Modifier = Callable[[Method, Any], Method]
Cost = float | Callable[[Mapping[str, Any]], float]

_REGISTRY: dict[str, Method] = {}
_COSTS: dict[str, Cost] = {}
_MODIFIERS: dict[str, tuple[Any, Modifier]] = {}


def method(
    name: str,
    title: str,
    *,
    family: str,
    needs: Needs,
    display: Display,
    formula: str,
    paper: str,
    passes: Cost = 1.0,
    place: Place = "layer",
    asks: Asks = "score",
    stages: int = 1,
    branches: bool = False,
    targeted: bool = True,
    tasks: tuple[Task, ...] = TASKS,
) -> Callable[[Function], Function]:
    """Register the decorated function under `name`; its keyword-only parameters are the method's options.

    `passes` may be a function of the options. What rests on activations alone never depends on the target.
    """

    def register(function: Function) -> Function:
        if name in _REGISTRY:
            raise MethodError(f"the method {name!r} is registered twice.")
        parameters = inspect.signature(function).parameters.values()
        options = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
        cost = passes(options) if callable(passes) else passes
        _COSTS[name] = passes
        _REGISTRY[name] = Method(
            name=name,
            title=title,
            family=family,
            needs=needs,
            place=place,
            display=display,
            formula=formula,
            paper=paper,
            passes=float(cost),
            tasks=tasks,
            asks=asks,
            stages=stages,
            branches=branches,
            targeted=targeted and needs != "activations",
            options=options,
            function=function,
        )
        return function

    return register


def modifier(name: str, default: Any) -> Callable[[Modifier], Modifier]:
    """Register the decorated function as an option of every method: it gets the method and the value.

    It returns the changed method, or raises `MethodError` where the two do not go together.
    """

    def register(function: Modifier) -> Modifier:
        if name in _MODIFIERS:
            raise MethodError(f"the option {name!r} is registered twice.")
        _MODIFIERS[name] = (default, function)
        return function

    return register


def methods() -> tuple[Method, ...]:
    """Return every registered method, in order of registration."""
    return tuple(_REGISTRY.values())


def modifiers() -> dict[str, Any]:
    """Return the options that every method has, with their usual values."""
    return {name: default for name, (default, _) in _MODIFIERS.items()}


def get(name: str | Method, **options: Any) -> Method:
    """Return the method called `name`, whatever its capitals, spaces or underscores, with options set.

    Args:
        name: `"grad-cam"`, or with options as in Python, `"rise(masks=500, seed=1)"`.
        **options: the same, given directly. Every method also has those of `modifiers()`.

    Raises:
        MethodError: no such method or option, with near misses; or a value that does not fit.

    Example:
        >>> get("Grad_CAM").title
        'Grad-CAM'
        >>> get("rise", masks=500).name
        'rise(masks=500)'
    """
    if isinstance(name, Method):
        if not options:
            return name
        name = name.name
    typed, written = spelled(str(name))
    found = _REGISTRY[_key(typed, str(name))]
    return _with_options(found, {**written, **options})


def _key(typed: str, name: str) -> str:
    key = typed.strip().lower().replace("_", "-").replace(" ", "-").replace("++", "-plus-plus")
    if key in _REGISTRY:
        return key
    bare = {known.replace("-", ""): known for known in _REGISTRY}
    if key.replace("-", "") in bare:
        return bare[key.replace("-", "")]
    near = difflib.get_close_matches(key, _REGISTRY, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else "`interp methods` lists them."
    raise MethodError(f"there is no method {name!r}; {hint}")


def _with_options(base: Method, given: Mapping[str, Any]) -> Method:
    """Return the method with its own options set, and then changed by those that every method has."""
    usual = {**base.options, **modifiers()}
    values = checked(base.name, usual, given)
    changed = {option: value for option, value in values.items() if value != usual[option]}
    if not changed:
        return base
    own = {option: values[option] for option in base.options}
    cost = _COSTS[base.name]
    made = replace(
        base,
        passes=float(cost(own) if callable(cost) else cost),
        options=own,
        function=partial(base.function, **own) if own != base.options else base.function,
    )
    for option, (_, modify) in _MODIFIERS.items():
        if option in changed:
            made = modify(made, values[option])
    return replace(
        made,
        name=canonical(base.name, changed),
        title=canonical(base.title, changed),
        options={**own, **{option: values[option] for option in changed}},
    )
