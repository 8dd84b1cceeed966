"""What people take home from *Compare*."""

from __future__ import annotations

import io
import tempfile
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from interp.explanation import Explanation
from interp.explanations import Explanations
from interp.explorer.asking import class_targets, whole
from interp.explorer.page import Sight
from interp.explorer.pages.compare_maps import Asked, Groups, Key, Maps, groups
from interp.explorer.pictures import Chosen
from interp.explorer.taking import Download, call, command_line, take_home
from interp.explorer.words import say
from interp.models import DEFAULT_MODEL
from interp.views import Drawing

COLUMNS = {"method": "method", "layer": "layer", "class": "target"}


def take(
    sight: Sight, asked: Asked, found: Maps, drawing: Drawing, places: tuple[str, str], *, shared: bool
) -> None:
    """Draw the downloads, the code and the link; `places` are what stands across and down."""
    if not found.found:
        return
    stem = f"{Path(sight.picture.name).stem}-compared"
    options = {**_options(drawing), "columns": COLUMNS[places[0]], **({"shared": "row"} if shared else {})}
    calls = groups(asked.methods, asked.layers, found.refused, asked.on_input)
    order = _in_order(asked, found, *places)
    maps = tuple(found.found[key] for key in order)
    sort = _sort(sight, asked, places) if _rearranged(asked, order, calls, places) else None
    st.subheader(say("Take it home"), anchor=False)
    take_home(
        "compare",
        [
            Download(
                say("Picture (PNG)"), f"{stem}.png", "image/png", partial(_png, maps, sight.picture, options)
            ),
            Download(
                say("All maps (NPZ)"),
                f"{stem}.npz",
                "application/octet-stream",
                partial(npz, asked, found),
            ),
        ],
        _python(sight, asked, calls, stem, options, sort),
        _command(sight, asked, calls, options),
        ""
        if sight.picture.path
        else say("Your picture stays with you: code and link name it, they do not contain it."),
    )


def third_of(across: str, down: str) -> str:
    """Return what stands neither across nor down: the grid is repeated for each of its values."""
    return next(axis for axis in COLUMNS if axis not in (across, down))


def _in_order(asked: Asked, found: Maps, across: str, down: str) -> list[Key]:
    """Return the maps in the order of the page; those not made yet are left out."""
    every = product(range(len(asked.classes)), asked.places, asked.methods)
    ranked = sorted(every, key=lambda key: _rank(asked, key, (third_of(across, down), down, across)))
    return [key for key in ranked if key in found.found]


def _rank(asked: Asked, key: Key, axes: tuple[str, ...]) -> tuple[int, ...]:
    number, layer, method = key
    rank = {"class": number, "layer": asked.places.index(layer), "method": asked.methods.index(method)}
    return tuple(rank[axis] for axis in axes)


def _rearranged(asked: Asked, order: list[Key], calls: Groups, places: tuple[str, str]) -> bool:
    """Return whether the calls make the rows in another order than the page has them."""
    if len(calls) > 1:
        return True
    across, down = places
    made = [key for methods, layers in calls for key in product(range(len(asked.classes)), layers, methods)]
    axes = (third_of(across, down), down)
    one, other = (list(dict.fromkeys(_rank(asked, key, axes) for key in keys)) for keys in (order, made))
    return one != other


def _sort(sight: Sight, asked: Asked, places: tuple[str, str]) -> list[str]:
    """Return the lines of code that bring the maps into the order of the page."""
    across, down = places
    given = {
        "class": ("classes", [sight.network.model.labels[index] for index in asked.classes], "target.name"),
        "layer": ("layers", [*asked.places], "layer"),
        "method": ("methods", [*asked.methods], "method.name"),
    }
    lines = [f"{name} = {values!r}" for name, values, _ in given.values()]
    ranks = [
        f"{name}.index(e.{attribute})"
        for name, _, attribute in (given[axis] for axis in (third_of(across, down), down, across))
    ]
    return [*lines, f"found.sort(key=lambda e: ({', '.join(ranks)}))"]


def _options(drawing: Drawing) -> dict[str, Any]:
    """Return what differs from how maps are drawn when nobody says."""
    plain = Drawing()
    names = ("opacity", "colormap", "interpolation")
    return {n: getattr(drawing, n) for n in names if getattr(drawing, n) != getattr(plain, n)}


def _png(maps: tuple[Explanation, ...], picture: Chosen, options: dict[str, Any]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        full = Explanations(whole(each, picture) for each in maps)
        return full.save(Path(folder) / "grid.png", **options).read_bytes()


def npz(asked: Asked, found: Maps) -> bytes:
    """Return all raw maps, called "class index.layer.method", with the part of the picture they cover."""
    arrays = {
        f"{asked.classes[number]}.{layer}.{method}": each.values
        for (number, layer, method), each in found.found.items()
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def _classes(sight: Sight, asked: Asked) -> list[str | int]:
    names = class_targets(sight.network)
    return [names[index] for index in asked.classes]


def _python(
    sight: Sight,
    asked: Asked,
    calls: Groups,
    stem: str,
    options: dict[str, Any],
    sort: list[str] | None,
) -> str:
    picture = [sight.picture.source]
    lines = [
        "import interp",
        "from interp.targets import several",
        "",
        f"model = {call('interp.load', sight.network.name)}",
        f"asked = {call('several', *_classes(sight, asked))}",
    ]
    for number, (methods, layers) in enumerate(calls):
        sign = "+=" if number else "="
        lines.append(f"found {sign} interp.explain(model, {picture!r}, asked, {[*methods]!r}, {[*layers]!r})")
    lines.extend(sort or ())
    lines.append(call("found.save", f"{stem}.png", **options))
    return "\n".join(lines) + "\n"


def _command(sight: Sight, asked: Asked, calls: Groups, options: dict[str, Any]) -> str:
    """Return a command for each group of methods that work at the same layers."""
    given = {"smoothing" if name == "interpolation" else name: value for name, value in options.items()}
    row_scale = " --row-scale" if given.pop("shared", None) else ""
    lines = [
        command_line(
            "interp",
            "explain",
            sight.picture.source,
            model=None if sight.network.name == DEFAULT_MODEL else sight.network.name,
            **{"class": _classes(sight, asked)},
            method=list(methods),
            layer=list(layers),
            **given,
            out=f"compared-{number}" if len(calls) > 1 else None,
        )
        for number, (methods, layers) in enumerate(calls, 1)
    ]
    return "\n".join(f"{line}{row_scale}" for line in lines)
