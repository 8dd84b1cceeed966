"""What the capture tools share: their error, tensors inside nested outputs, layers by name."""

from __future__ import annotations

import copy
import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import nn


class CaptureError(RuntimeError):
    """A network could not be copied, recorded or replayed; the message says why and what would work."""


def map_tensors(value: Any, function: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """Return `value` with `function` applied to every tensor in its tuples, lists and mappings."""
    if isinstance(value, torch.Tensor):
        return function(value)
    if isinstance(value, tuple):
        items = [map_tensors(item, function) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, list):
        return [map_tensors(item, function) for item in value]
    if isinstance(value, Mapping):
        mapped: Any = copy.copy(value)
        for key, item in value.items():
            mapped[key] = map_tensors(item, function)
        return mapped
    return value


def tensors_in(value: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors of nested tuples, lists and mappings, first to last."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from tensors_in(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors_in(item)


def split_call(layer: str) -> tuple[str, int]:
    """Split `name@call` into the module's name and which of its calls is meant (the last: -1)."""
    found = re.fullmatch(r"(.*)@(-?\d+)", layer, re.DOTALL)
    return (found[1], int(found[2])) if found else (layer, -1)


def submodule(module: nn.Module, name: str) -> nn.Module:
    """Return the module called `name`, or raise `CaptureError` with the nearest names."""
    try:
        return module.get_submodule(name)
    except AttributeError:
        known = [known for known, _ in module.named_modules() if known]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.3)
    hint = f"; did you mean {', '.join(map(repr, near))}?" if near else "."
    raise CaptureError(f"{type(module).__name__} has no layer {name!r}{hint}")
