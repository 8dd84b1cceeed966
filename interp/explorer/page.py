"""What a page is, and what it is given: the picture and the network that are looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from interp.explorer.networks import Network
from interp.explorer.pictures import Chosen
from interp.models import Task


@dataclass(frozen=True)
class Sight:
    """What is looked at on every page."""

    picture: Chosen
    network: Network


@dataclass(frozen=True)
class Page:
    """One page of the explorer.

    Attributes:
        name: in its address.
        title: in English; `say` has the other languages.
        icon: of the Material set that Streamlit brings along.
        about: a line under the title, in English.
        draw: draws it, given the `Sight`; given nothing when it has no tasks.
        tasks: of the networks that it can look into; none where it needs neither picture nor network.
        asked: says what is asked, in the strip that stays in sight; `None` for the class.
        one_picture: whether it looks at one picture. If not, and it has tasks, `draw` gets the `Network`.
    """

    name: str
    title: str
    icon: str
    about: str
    draw: Callable[..., None]
    tasks: tuple[Task, ...] = ("classification", "segmentation", "image")
    one_picture: bool = True
    asked: Callable[[Sight], str | None] | None = None
