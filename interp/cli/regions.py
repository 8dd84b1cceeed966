"""Regions of a picture as they are typed: X,Y or LEFT,TOP,RIGHT,BOTTOM, "predicted", or KIND:VALUE."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from interp.cli.measures import Measure
    from interp.models import ImageModel
    from interp.targets import Query, Several

PREDICTED = "predicted"
FILES = ("mask", "truth", "missed", "invented")
BORDER = re.compile(r"(inner|outer)(?:\((\d{1,4})\))?:(.*)", re.S)
WIDTH = 3
_PLACE = (2, 4)
_CORNERS = 3


@dataclass(frozen=True)
class Region:
    """What was typed.

    Attributes:
        kind: "place", "polygon", "component", "predicted" or one of `FILES`.
        numbers: of a place, or the x and y of points in turn, in pixels of the picture.
        path: of a file, or of a folder with a file for each picture.
        borders: sides and widths of borders, the innermost first.
    """

    kind: str
    numbers: tuple[float, ...] = ()
    path: Path | None = None
    borders: tuple[tuple[str, int], ...] = ()


def read_regions(typed: Sequence[str], classes: Sequence[str]) -> list[Region]:
    """Return what was typed, checked as far as it can be without a picture.

    Raises:
        PlaceError: it is no region, and the message lists what is one; or it needs a class.
    """
    from interp.places import PlaceError

    found = [_read(text, text, ()) for text in typed]
    for text, region in zip(typed, found, strict=True):
        if region.kind in ("missed", "invented") and not classes:
            raise PlaceError(f"--region {text}: say what is {region.kind}; give --class, too.")
    return found


def _read(text: str, whole: str, borders: tuple[tuple[str, int], ...]) -> Region:
    from interp.places import PlaceError

    if found := BORDER.fullmatch(text):
        side, width, rest = found.groups()
        if width is not None and not int(width):
            raise PlaceError(f"--region {whole}: a border of 0 positions is none; give 1 or more.")
        return _read(rest, whole, ((side, int(width or WIDTH)), *borders))
    kind, colon, value = text.partition(":")
    if text == PREDICTED:
        return Region(PREDICTED, borders=borders)
    if colon and kind in FILES:
        path = Path(value).expanduser()
        if not value or not path.exists():
            raise PlaceError(f"--region {whole}: there is no file or folder {value!r}.")
        return Region(kind, path=path, borders=borders)
    if colon and kind == "component" and len(numbers := _numbers(value)) == 2:
        return Region(kind, numbers, borders=borders)
    if colon and kind == "polygon":
        points = [_numbers(point) for point in value.split(";")]
        if len(points) >= _CORNERS and all(len(point) == 2 for point in points):
            return Region(kind, tuple(end for point in points for end in point), borders=borders)
    if not colon and len(numbers := _numbers(text)) in _PLACE:
        return Region("place", numbers, borders=borders)
    raise PlaceError(
        f"--region {whole}: give X,Y of a pixel or LEFT,TOP,RIGHT,BOTTOM of a box, in pixels of the picture; "
        "'predicted'; polygon:X,Y;X,Y;X,Y; component:X,Y; mask:FILE.png; truth:, missed: or "
        "invented:LABELS.png; or inner: or outer: and one of these, for its border."
    )


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(map(float, text.split(",")))
    except ValueError:
        return ()


def check_task(model: ImageModel, regions: Sequence[Region], classes: Sequence[str]) -> None:
    """Refuse a network that gives nothing to every pixel, and of one that makes pictures classes and masks.

    Raises:
        PlaceError: a network that makes pictures has no such region.
        TargetError: the network has no regions, or no classes.
    """
    from interp.places import PlaceError
    from interp.targets import TargetError

    if model.task == "classification":
        raise TargetError(
            f"--region is for networks that segment or make pictures; {model.name} does {model.task}. Leave "
            "it out, or give the folder of another network with --model."
        )
    if model.task == "segmentation":
        return
    if classes:
        raise TargetError(f"{model.name} makes pictures and knows no classes; leave --class out.")
    if any(region.kind != "place" or region.borders for region in regions):
        raise PlaceError(
            f"{model.name} makes pictures: as --region, give X,Y of a pixel or LEFT,TOP,RIGHT,BOTTOM of a "
            "box."
        )


def region_target(
    model: ImageModel,
    picture: Path,
    regions: Sequence[Region],
    classes: Sequence[str],
    measure: Measure | None = None,
) -> Several:
    """Return every class at every region of one picture, all from one forward pass.

    Of a network that makes pictures it is what is measured in every region, or without one in all of it.

    Raises:
        ImageError: the picture, a mask or a reference cannot be opened.
        PlaceError: a region lies outside what the network sees of it.
    """
    from interp import targets
    from interp.cli.measures import measured

    if model.task == "image":
        if not regions:
            return targets.several(measured(measure, None, picture))
        places = (_place(model, picture, region) for region in regions)
        return targets.several(*(measured(measure, place, picture) for place in places))
    wanted: list[str | None] = [*classes] or [None]
    return targets.several(*(_query(model, picture, region, each) for region in regions for each in wanted))


def _query(model: ImageModel, picture: Path, region: Region, wanted: str | None) -> Query:
    from interp import targets

    query = _inside(model, picture, region, wanted)
    for side, width in region.borders:
        query = targets.border(query, "inner" if side == "inner" else "outer", width)
    return query


def _inside(model: ImageModel, picture: Path, region: Region, wanted: str | None) -> Query:
    from interp import targets
    from interp.images import open_image
    from interp.regions import seen_polygon

    if region.kind == PREDICTED:
        return targets.where_predicted(wanted)
    if region.path is not None:
        path = _file(region.path, picture)
        if region.kind == "mask":
            return targets.over(wanted, path)
        if region.kind == "truth":
            return targets.where_true(wanted, path)
        assert wanted is not None  # checked when it was read
        return targets.where_wrong(wanted, path, "missed" if region.kind == "missed" else "invented")
    if region.kind == "polygon":
        size = open_image(picture).size
        points = zip(region.numbers[::2], region.numbers[1::2], strict=True)
        return targets.polygon(seen_polygon(points, size, model.preprocess.box(size)), wanted)
    place = _place(model, picture, region)
    return targets.component(wanted, at=place) if region.kind == "component" else targets.at(place, wanted)


def _place(model: ImageModel, picture: Path, region: Region) -> tuple[float, ...]:
    """Return a pixel or a box of the picture in fractions of what the network sees."""
    from interp.images import open_image
    from interp.places import seen

    size = open_image(picture).size
    return seen(region.numbers, size, model.preprocess.box(size))


def _file(path: Path, picture: Path) -> Path:
    """Return the file of a picture: the one that was given, or the PNG of its name in a folder."""
    return path / f"{picture.stem}.png" if path.is_dir() else path
