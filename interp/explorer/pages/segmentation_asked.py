"""What is asked of a segmentation: a class over a region; and the answers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol

import streamlit as st

import interp
from interp import targets
from interp.explanation import Explanation
from interp.explorer.asking import areas, class_targets, logits, target_of
from interp.explorer.drawing import shrunk
from interp.explorer.networks import Network
from interp.explorer.page import Sight
from interp.explorer.pages.segmentation_regions import Region
from interp.explorer.parts import Picked
from interp.explorer.pictures import Chosen
from interp.features import Levels, levels_of
from interp.methods import INPUT, Method, MethodError
from interp.places import Place, positions, seen
from interp.progress import Progress

WHERE_PREDICTED = Region()


@dataclass(frozen=True)
class Question:
    """A class over a region.

    Attributes:
        pixels: the place in pixels of the picture, two numbers or four; `None` where there is none.
        place: the same in fractions of what the network sees.
        wanted: name or index of the class; `None` for the one that is predicted there.
        region: which, and whether only its border.
    """

    pixels: tuple[int, ...] | None = None
    place: Place | None = None
    wanted: str | int | None = None
    region: Region = WHERE_PREDICTED

    @property
    def query(self) -> targets.TargetLike:
        """What `interp.explain` is asked."""
        if self.python is None:
            return None
        found = self._query()
        return found if self.region.border is None else targets.border(found, *self.region.border)

    def _query(self) -> targets.TargetLike:
        kind, truth, place = self.region.kind, self.region.truth, self.place
        if kind == "predicted":
            return targets.where_predicted(self.wanted)
        if truth is not None:
            if kind == "truth":
                return targets.where_true(self.wanted, truth.numbers)
            assert self.wanted is not None
            return targets.where_wrong(
                self.wanted, truth.numbers, "missed" if kind == "missed" else "invented"
            )
        assert place is not None
        return (
            targets.component(self.wanted, at=place)
            if kind == "component"
            else targets.at(place, self.wanted)
        )

    @property
    def python(self) -> str | None:
        """The same as Python; `None` where nothing need be said."""
        region, border = self.region, self.region.border
        if region.kind == "predicted" and self.wanted is None and border is None:
            return None
        inner = f"interp.targets.{self._python()}"
        if border is None:
            return inner
        return f"interp.targets.border({inner}, {', '.join(map(repr, border))})"

    def _python(self) -> str:
        kind, truth = self.region.kind, self.region.truth
        wanted = [] if self.wanted is None else [repr(self.wanted)]
        place = ", ".join(map(str, self.place or ()))
        if kind == "predicted":
            return f"where_predicted({', '.join(wanted)})"
        if truth is not None:
            source = repr(truth.source)
            if kind == "truth":
                return f"where_true({self.wanted!r}, {source})"
            return f"where_wrong({self.wanted!r}, {source}, {kind!r})"
        if kind == "component":
            return f"component({', '.join([*wanted, f'at=({place})'])})"
        return f"{'pixel' if len(self.place or ()) == 2 else 'box'}({', '.join([place, *wanted])})"

    @property
    def command(self) -> str | None:
        """The same as a command's `--region`."""
        region = self.region
        pixels = ",".join(map(str, self.pixels or ()))
        truth = "" if region.truth is None else region.truth.source
        found = {"place": pixels, "component": f"component:{pixels}", "predicted": "predicted"}.get(
            region.kind, f"{region.kind}:{truth}"
        )
        if region.border is not None:
            side, width = region.border
            return f"{side}({width}):{found}"
        return None if region.kind == "predicted" and self.wanted is None else found

    measure = None


class Asking(Protocol):
    """A question of whatever kind, by its `repr`."""

    @property
    def query(self) -> targets.TargetLike:
        """What `interp.explain` is asked."""

    @property
    def python(self) -> str | None:
        """The same as Python; `None` where nothing need be said."""

    @property
    def command(self) -> str | None:
        """The same as a command's `--region`; `None` where nothing need be said."""

    @property
    def wanted(self) -> str | int | None:
        """The class, if one was chosen."""

    @property
    def measure(self) -> str | None:
        """The same as a command's `--measure`, of networks that make pictures."""


HASHES: dict[str | type[Any], Callable[[Any], Any]] = {
    Network: repr,
    Chosen: lambda chosen: chosen.digest,
    Question: repr,  # in which a ground truth is its digest
}


def question(
    sight: Sight, picked: Picked | None, wanted: str | None, region: Region | None = None
) -> Question:
    """Return what is asked about a region, by default about a click or a box.

    Raises:
        PlaceError: the network does not see the place.
    """
    asked = None if wanted is None else target_of(sight.network, wanted)
    region = region or Region("predicted" if picked is None else "place")
    if picked is None:
        return Question(wanted=_class_of(sight, asked, None, region), region=region)
    size = sight.picture.picture.size
    pixels = pixels_of(picked, size)
    box = sight.network.model.preprocess.box(size)
    place = seen(pixels, size, box)
    if region.kind in ("place", "component"):
        return Question(pixels, place, asked, region)
    return Question(wanted=_class_of(sight, asked, place, region), region=region)


def _class_of(sight: Sight, asked: str | int | None, place: Place | None, region: Region) -> str | int | None:
    """Return the class that is meant where no place is part of the question.

    Whoever clicked means the class that is predicted there. A ground truth needs one: else it is that of the
    largest region.
    """
    if asked is not None or (place is None and region.kind == "predicted"):
        return asked
    index = areas(sight.network, sight.picture)[0][0] if place is None else class_at(sight, place)
    return class_targets(sight.network)[index]


def class_at(sight: Sight, place: Place) -> int:
    """Return the class that is predicted at a pixel, or at most positions of a box."""
    output = logits(sight.network, sight.picture)
    there = positions(place, (output.shape[1], output.shape[2]))
    return int(output.argmax(0)[there].bincount().argmax())


def pixels_of(picked: Picked, size: tuple[int, int]) -> tuple[int, ...]:
    """Return a place in pixels of a picture of `size` = (width, height), as the commands take it."""
    width, height = size
    x, y = (min(int(part * side), side - 1) for part, side in ((picked.left, width), (picked.top, height)))
    if picked.is_point:
        return x, y
    return x, y, max(round(picked.right * width), x + 1), max(round(picked.bottom * height), y + 1)


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs={Network: repr})
def levels(network: Network) -> Levels:
    """Return the levels of a network's U."""
    return levels_of(network.model)


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs=HASHES)
def answered(
    network: Network, picture: Chosen, asked: Asking, method: str, layers: tuple[str, ...]
) -> dict[str, Explanation]:
    """Return the maps that answer, by layer, over a picture of the screen's size; not to be changed.

    Raises:
        MethodError, TargetError, PlaceError: it cannot be answered, in a sentence.
    """
    return answered_now(network, picture, asked, method, layers, None)


def answered_now(
    network: Network,
    picture: Chosen,
    asked: Asking,
    method: str,
    layers: tuple[str, ...],
    progress: Progress | None,
) -> dict[str, Explanation]:
    """Do what `answered` does, tell how far it is, and keep nothing of it."""
    found = interp.explain(
        network.model, [picture.picture], asked.query, method, list(layers), progress=progress
    )
    small = shrunk(found[0])
    return {each.layer: replace(each, picture=small.picture, box=small.box) for each in found}


def answered_where_it_works(
    network: Network, picture: Chosen, asked: Asking, method: Method
) -> dict[str, Explanation]:
    """Return the maps of a quick method at all levels of the U where it works, or on the input.

    Raises:
        MethodError, TargetError, PlaceError: it works at none of them.
    """
    layers = (INPUT,) if method.place == "input" else levels(network).layers
    try:
        return answered(network, picture, asked, method.name, layers)
    except MethodError:
        found: dict[str, Explanation] = {}
        for layer in layers:
            with suppress(MethodError):
                found |= answered(network, picture, asked, method.name, (layer,))
        if not found:
            raise
        return found
