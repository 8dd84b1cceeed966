"""The registry of methods, which the command line, the explorer, the docs and the tests enumerate."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch

Needs = Literal["activations", "gradients", "head"]
Display = Literal["positive", "signed", "range"]
Function = Callable[..., torch.Tensor]


class MethodError(ValueError):
    """There is no such method, or the network does not have what it needs."""


@dataclass(frozen=True)
class Method:
    """A method with all that others must know of it.

    Attributes:
        name: what people type.
        title: what pictures say.
        family: the group it is listed in.
        needs: what its function gets. `activations`: `f(A)`; `gradients`: `f(A, g)`; `head`: `f(A, w)`
            with the linear weights of the target. `A` and `g` are `(B, C, h, w)`, `w` is `(B, C)`.
        display: how its published form is drawn: only its positive part, signed, or over its range.
        formula: one line.
        paper: where it comes from.
        cost: forward passes and backward passes of the network, in words.
        function: the maths; returns raw maps `(B, h, w)`.
    """

    name: str
    title: str
    family: str
    needs: Needs
    display: Display
    formula: str
    paper: str
    cost: str
    function: Function

    @property
    def targeted(self) -> bool:
        """Whether its map depends on the target."""
        return self.needs != "activations"


_REGISTRY: dict[str, Method] = {}
_COSTS: dict[Needs, str] = {
    "activations": "1 forward",
    "gradients": "1 forward, 1 backward to the layer",
    "head": "1 forward",
}


def method(
    name: str, title: str, *, family: str, needs: Needs, display: Display, formula: str, paper: str
) -> Callable[[Function], Function]:
    """Register the decorated function under `name`."""

    def register(function: Function) -> Function:
        if name in _REGISTRY:
            raise MethodError(f"the method {name!r} is registered twice.")
        _REGISTRY[name] = Method(name, title, family, needs, display, formula, paper, _COSTS[needs], function)
        return function

    return register


def methods() -> tuple[Method, ...]:
    """Return every registered method, in order of registration."""
    return tuple(_REGISTRY.values())


def get(name: str | Method) -> Method:
    """Return the method called `name`, whatever its capitals, spaces or underscores.

    Raises:
        MethodError: no such method, with near misses.

    Example:
        >>> get("Grad_CAM").title
        'Grad-CAM'
    """
    if isinstance(name, Method):
        return name
    key = str(name).strip().lower().replace("_", "-").replace(" ", "-").replace("++", "-plus-plus")
    if key in _REGISTRY:
        return _REGISTRY[key]
    bare = {known.replace("-", ""): known for known in _REGISTRY}
    if key.replace("-", "") in bare:
        return _REGISTRY[bare[key.replace("-", "")]]
    near = difflib.get_close_matches(key, _REGISTRY, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else "`interp methods` lists them."
    raise MethodError(f"there is no method {name!r}; {hint}")
