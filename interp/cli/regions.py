"""Regions of a picture as they are typed: X,Y or LEFT,TOP,RIGHT,BOTTOM in pixels, or "predicted"."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from interp.models import ImageModel
    from interp.targets import Query, Several

PREDICTED = "predicted"
# Numbers of pixels, or None for where the class is predicted.
Region = tuple[float, ...] | None


def read_regions(typed: Sequence[str]) -> list[Region]:
    """Return what was typed as numbers.

    Raises:
        PlaceError: it is not 2 or 4 numbers with commas between them, nor "predicted".
    """
    from interp.places import PlaceError

    found: list[Region] = []
    for text in typed:
        try:
            numbers = None if text == PREDICTED else tuple(map(float, text.split(",")))
        except ValueError:
            numbers = ()
        if numbers is not None and len(numbers) not in (2, 4):
            raise PlaceError(
                f"--region {text}: give X,Y of a pixel or LEFT,TOP,RIGHT,BOTTOM of a box, in pixels of the "
                "picture, or 'predicted'."
            )
        found.append(numbers)
    return found


def check_task(model: ImageModel) -> None:
    """Refuse a network that gives no class to every pixel.

    Raises:
        TargetError: it does something else.
    """
    from interp.targets import TargetError

    if model.task != "segmentation":
        raise TargetError(
            f"--region is for networks that segment; {model.name} does {model.task}. Leave it out, or give "
            "the folder of a segmentation with --model."
        )


def region_target(
    model: ImageModel, picture: Path, regions: Sequence[Region], classes: Sequence[str]
) -> Several:
    """Return every class at every region of one picture, all from one forward pass.

    Raises:
        ImageError: the picture cannot be opened.
        PlaceError: a region lies outside what the network sees of it.
    """
    from interp import targets
    from interp.images import open_image
    from interp.places import seen

    size = open_image(picture).size
    box = model.preprocess.box(size)

    def query(region: Region, wanted: str | None) -> Query:
        if region is None:
            return targets.where_predicted(wanted)
        return targets.at(seen(region, size, box), wanted)

    wanted: list[str | None] = [*classes] or [None]
    return targets.several(*(query(region, each) for region in regions for each in wanted))
