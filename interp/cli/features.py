"""`interp features`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interp.cli.naming import plain, unused
from interp.cli.options import Model, Trust, app
from interp.cli.printing import complain, say

if TYPE_CHECKING:
    from PIL import Image

    from interp.features.activations import Order
    from interp.features.channel_average import Average
    from interp.models import ImageModel

SORTS = ("strength", "class", "index")
AVERAGES = ("abs", "mean", "l2")


@app.command()
def features(
    pictures: Annotated[list[Path] | None, typer.Argument(help="Pictures to look at.")] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(
            "--layer", "-l", help="Layer name or index; several times. Without it, the strip of stages too."
        ),
    ] = None,
    model: Model = "efficientnet_lite0",
    sort: Annotated[
        str | None, typer.Option(help="Channels by strength, class (what they add to it) or index.")
    ] = None,
    class_: Annotated[
        str | None, typer.Option("--class", "-c", help="Class for --sort class; default: the predicted one.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="So many channels.")] = 24,
    average: Annotated[str, typer.Option(help="Of a stage's channels: abs, mean or l2.")] = "abs",
    over: Annotated[bool, typer.Option("--over", help="Draw the channels over the picture.")] = False,
    shared: Annotated[bool, typer.Option("--shared", help="Draw all channels on one scale.")] = False,
    filters: Annotated[
        bool, typer.Option("--filters", help="Draw the kernels of the first convolution; needs no picture.")
    ] = False,
    kernel: Annotated[
        str | None,
        typer.Option(help='Apply a kernel by hand: sobel-x, bottom-right, … or "0 -1 0; -1 5 -1; 0 -1 0".'),
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="Also what a layer's position over this pixel sees: 160,90 (x,y).")
    ] = None,
    size: Annotated[
        int, typer.Option(min=8, help="With --kernel: shrink pictures to so many pixels at most.")
    ] = 400,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path("features"),
    trust_pickle: Trust = False,
) -> None:
    """Draw what layers put out for pictures. Channels, averages through the stages, first kernels.

    One picture that fails does not stop the others.
    """
    from interp.features.errors import FeatureError
    from interp.features.kernels import read_kernel

    sources = pictures or []
    by = sort or ("class" if class_ is not None else "strength")
    if not sources and not filters:
        raise FeatureError("there is no picture; give one or more, or --filters.")
    if average not in AVERAGES:
        raise FeatureError(f"--average {average}: give one of {', '.join(AVERAGES)}.")
    if by not in SORTS or (class_ is not None and by != "class"):
        raise FeatureError(f"--sort {by}: give one of {', '.join(SORTS)}; with --class only class.")
    if kernel is not None and (layer or filters or sort or class_ is not None):
        raise FeatureError("--kernel runs no network; leave --layer, --sort, --class and --filters out.")
    if kernel is not None:
        read_kernel(kernel)
        _each(sources, out, lambda picture, stem: _kernel(picture, stem, out, kernel, size))
        return
    from interp.models import load

    pixel = None if at is None else _pixel(at)
    loaded = load(model, trust_pickle=trust_pickle)
    if filters:
        _filters(loaded, out)
    asked = _Asked(layer or [], by, class_, top, average, over, shared, pixel)  # type: ignore[arg-type]
    _each(sources, out, lambda picture, stem: _channels(loaded, picture, stem, out, asked))


@dataclass(frozen=True)
class _Asked:
    """Which channels, of which layers, drawn how."""

    layers: Sequence[str]
    sort: Order
    class_: str | None
    top: int
    average: Average
    over: bool
    shared: bool
    at: tuple[float, float] | None


def _each(pictures: Sequence[Path], out: Path, work: Callable[[Path, str], Iterator[str]]) -> None:
    """Do the work for each picture and say what came of it."""
    from interp.features.errors import FeatureError
    from interp.images import ImageError

    out.mkdir(parents=True, exist_ok=True)
    failed = 0
    used: set[str] = set()
    for picture in pictures:
        try:
            for said in work(picture, unused(picture.stem, used)):
                say(said)
        except (ImageError, FeatureError) as error:
            failed += 1
            complain(error if picture.name in str(error) else f"{picture.name}: {error}")
    if failed:
        complain(f"{failed} of {len(pictures)} pictures could not be drawn.")
        raise typer.Exit(1)


def _channels(
    model: ImageModel,
    picture: Path,
    stem: str,
    out: Path,
    asked: _Asked,
) -> Iterator[str]:
    from interp.features import activation_of, class_activation_of, strip_of
    from interp.images import open_image

    opened = open_image(picture)
    if not asked.layers:
        strip = strip_of(model, opened, average=asked.average)
        yield f"{picture.name}: {len(strip.layers)} stages: {', '.join(strip.layers)}"
        yield _saved(strip.figure(over=asked.over), out / f"{stem}.stages.png")
    for layer in asked.layers or [model.default_layer]:
        if asked.sort == "class":
            found = class_activation_of(model, opened, layer, asked.class_)
        else:
            found = activation_of(model, opened, layer)
        first = ", ".join(f"#{channel}" for channel in found.order(asked.sort)[:5])
        shape = " × ".join(map(str, found.values.shape))
        by = f"for {found.contributions.target}" if found.contributions else f"by {asked.sort}"
        yield f"{picture.name}: {found.layer}, {shape}, {by}: {first}"
        figure = found.figure(asked.sort, asked.top, shared=asked.shared, over=asked.over)
        yield _saved(figure, out / f"{stem}.{plain(found.layer)}.png")
        if asked.at is not None:
            yield from _seen(model, opened, layer, asked.at, out / f"{stem}.{plain(found.layer)}.sees.png")


def _seen(
    model: ImageModel, picture: Image.Image, layer: str, pixel: tuple[float, float], path: Path
) -> Iterator[str]:
    from interp.features import receptive_fields

    fields = receptive_fields(model, layer)
    found = fields.at(fields.position(pixel, picture.size))
    yield f"row {found.position[0]}, column {found.position[1]} {found.summary}"
    yield _saved(found.figure(picture), path)


def _pixel(typed: str) -> tuple[float, float]:
    from interp.features.errors import FeatureError

    try:
        x, y = map(float, typed.split(","))
    except ValueError:
        raise FeatureError(f"--at {typed}: give a pixel of the picture as X,Y, such as 160,90.") from None
    return x, y


def _filters(model: ImageModel, out: Path) -> None:
    from interp.features import first_filters

    found = first_filters(model)
    out.mkdir(parents=True, exist_ok=True)
    say(f"{found.layer}: {' × '.join(map(str, found.kernels.shape))}")
    say(_saved(found.figure("orientation"), out / "filters.png"))


def _kernel(picture: Path, stem: str, out: Path, kernel: str, size: int) -> Iterator[str]:
    from interp.features import KERNELS, apply_kernel
    from interp.images import open_image

    found = apply_kernel(_shrunk(open_image(picture), size), kernel)
    values = found.values
    yield f"{picture.name}: {found.name}: {float(values.min()):.4g} … {float(values.max()):.4g}"
    name = found.name if found.name in KERNELS else "kernel"
    yield _saved(found.figure(), out / f"{stem}.{name}.png")


def _shrunk(picture: Image.Image, size: int) -> Image.Image:
    from PIL import Image

    # On a camera's pixels edges are wider than a kernel, and the figure would blur what it gives.
    small = picture.copy()
    small.thumbnail((size, size), Image.Resampling.LANCZOS)
    return small


def _saved(figure: Any, path: Path) -> str:
    from interp.files import write_drawn

    with write_drawn(path) as drawn:
        figure.savefig(drawn, format=path.suffix[1:])
    return f"  → {path}"
