"""How a method and its options are written: `rise(masks=500, seed=1)`."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Mapping
from typing import Any

LARGEST = 10**18


class MethodError(ValueError):
    """There is no such method, or the network does not have what it needs."""


def spelled(text: str) -> tuple[str, dict[str, Any]]:
    """Return the name and the options of a method as people write it.

    Raises:
        MethodError: what stands in the brackets is not `option=value, …`.

    Example:
        >>> spelled("rise(masks=500)")
        ('rise', {'masks': 500})
    """
    found = re.fullmatch(r"\s*([^()]*)\((.*)\)\s*", text, re.DOTALL)
    if found is None:
        return text, {}
    name, inside = found.groups()
    try:
        call = ast.parse(f"f({inside})", mode="eval").body
        assert isinstance(call, ast.Call)
        names = [keyword.arg for keyword in call.keywords]
        if call.args or None in names or len(set(names)) < len(names):
            raise ValueError("no names, or one twice")
        return name, {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (SyntaxError, ValueError, AssertionError, RecursionError, MemoryError) as error:
        raise MethodError(
            f"the options of {name.strip()!r} cannot be read; write them as in {name.strip()}(option=1)."
        ) from error


def canonical(name: str, options: Mapping[str, Any]) -> str:
    """Return how the method is written with these options.

    Example:
        >>> canonical("rise", {"masks": 500})
        'rise(masks=500)'
    """
    inside = ", ".join(f"{option}={value!r}" for option, value in options.items())
    return f"{name}({inside})" if options else name


def checked(name: str, usual: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all options with the given values, each of the kind of its usual value.

    Raises:
        MethodError: there is no such option, or its value is of another kind.

    Example:
        >>> checked("rise", {"masks": 4000, "seed": 0}, {"masks": 500})
        {'masks': 500, 'seed': 0}
    """
    values = dict(usual)
    for option, value in given.items():
        if option not in usual:
            near = difflib.get_close_matches(option, usual, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(usual)}."
            raise MethodError(f"{name} has no option {option!r}; {hint}")
        values[option] = _fitting(name, option, usual[option], value)
    return values


def _fitting(name: str, option: str, usual: Any, value: Any) -> Any:
    kind = type(usual)
    if isinstance(value, (int, float)) and not -LARGEST <= value <= LARGEST:
        raise MethodError(f"{name}({option}={value!r:.40}): give a finite number of at most 18 digits.")
    if usual is None or (value is None and kind is str):
        return value
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise MethodError(
            f"{name}({option}={value!r}): give a {kind.__name__} here, like the usual {usual!r}."
        )
    return value
