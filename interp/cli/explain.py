"""`interp explain` and `interp remake`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from interp.cli.naming import plain, unused
from interp.cli.options import Classes, Model, Trust, app
from interp.cli.printing import complain, progress_bar, say
from interp.defaults import METHOD

if TYPE_CHECKING:
    from interp.explanations import Explanations
    from interp.methods import Method
    from interp.progress import Progress
    from interp.targets import AnyTarget
    from interp.views import Drawing, Interpolation

INTERRUPTED = "the pictures before this one are saved, and nothing half-written is left."


@app.command()
def explain(
    pictures: Annotated[list[Path], typer.Argument(help="Pictures to explain.")],
    model: Model = "efficientnet_lite0",
    classes: Classes = None,
    top: Annotated[
        int, typer.Option(min=1, help="Explain the likeliest classes; without --class and --region.")
    ] = 1,
    region: Annotated[
        list[str] | None,
        typer.Option(
            "--region",
            "-r",
            help="Of a segmentation: X,Y or LEFT,TOP,RIGHT,BOTTOM in pixels of the picture; 'predicted', "
            "where the class is predicted; polygon:X,Y;X,Y;X,Y, component:X,Y, mask:FILE, truth:, missed: or "
            "invented:LABELS; or the border of any, inner:REGION, outer:REGION. With --class, else the class "
            "found there. Of a network that makes pictures, X,Y or a box. Several times.",
        ),
    ] = None,
    measure: Annotated[
        str | None,
        typer.Option(
            help="In the region of a picture that is made, or in all of it: gradient-energy (sharpness; "
            "boxes), value (pixels), beyond-bicubic, band:LOW,HIGH or error:FILE."
        ),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help="Method (`interp methods`), with options as in 'rise(masks=500)'; several times."),
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option("--layer", "-l", help="Layer name or index, or 'stages'; may be given several times."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path("explanations"),
    save: Annotated[
        list[str] | None, typer.Option(help="png (default), pdf, svg, webp, json or npz; several times.")
    ] = None,
    opacity: Annotated[float, typer.Option(help="Share of the heat over the picture, 0 to 1.")] = 0.6,
    colormap: Annotated[
        str | None, typer.Option(help="As magma, viridis or, for signed maps, RdBu_r; else the method's own.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Part of the maximum, 0 to 1, under which the picture has no heat.")
    ] = None,
    smoothing: Annotated[
        str, typer.Option(help="Between the cells of a map: nearest, bilinear or bicubic.")
    ] = "bilinear",
    columns: Annotated[
        str | None, typer.Option(help="What the columns of a grid are: target, layer or method.")
    ] = None,
    row_scale: Annotated[bool, typer.Option("--row-scale", help="One scale for each row of a grid.")] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="Say whether each map should be believed (48 passes, 5 further maps)."),
    ] = False,
    trust_pickle: Trust = False,
) -> None:
    """Explain pictures. Several methods, layers or classes make a grid for each picture."""
    from interp import targets
    from interp.arranging import check_columns
    from interp.cli.measures import check_measure, read_measure
    from interp.cli.regions import check_task, read_regions, region_target
    from interp.explaining import explain as explain_pictures
    from interp.explanation import FIGURES, ExplanationError
    from interp.images import ImageError
    from interp.methods import get
    from interp.models import load
    from interp.places import PlaceError
    from interp.views import Drawing

    drawing = Drawing(opacity, colormap, threshold, cast("Interpolation", smoothing))
    placing = {"columns": check_columns(columns), "shared": "row" if row_scale else False}
    regions, asked = read_regions(region or [], classes or []), read_measure(measure)
    whole = targets.several(*classes) if classes else targets.top(top)
    layers: Any = "stages" if layer == ["stages"] else layer
    kinds = [kind.lower().lstrip(".") for kind in save or ["png"]]
    known = [ending.lstrip(".") for ending in (*FIGURES, ".json", ".npz")]
    if wrong := [kind for kind in kinds if kind not in known]:
        raise ExplanationError(f"--save {wrong[0]}: give one of {', '.join(known)}.")
    loaded = load(model, trust_pickle=trust_pickle)
    check_measure(loaded, asked)
    if regions or asked:
        check_task(loaded, regions, classes or [])
    out.mkdir(parents=True, exist_ok=True)
    methods = [get(name) for name in method or [METHOD]]
    failed = 0
    used: set[str] = set()
    for picture in pictures:
        try:
            target: AnyTarget = whole
            if regions or asked:
                target = region_target(loaded, picture, regions, classes or [], asked)
            with _watched(methods, picture.name) as tick:
                found = explain_pictures(loaded, [picture], target, methods, layers, progress=tick)
        except (ImageError, PlaceError, targets.TargetError) as error:
            # Without a region, what cannot be asked of one picture can be asked of none.
            if isinstance(error, targets.TargetError) and not (regions or asked):
                raise
            failed += 1
            complain(error if isinstance(error, ImageError) else f"{picture.name}: {error}")
            continue
        for explanation in found:
            said = explanation.scale.verdict or explanation.scale.text
            say(f"{picture.name}: {explanation.title} · {explanation.caption}: {said}")
            if (context := explanation.asked_context) is not None:
                say(f"  {context.words}")
        if check:
            found = _checked(found, picture.name)
        for written in _save(found, out, unused(picture.stem, used), kinds, drawing, placing):
            say(f"  → {written}")
    if failed:
        complain(f"{failed} of {len(pictures)} pictures could not be explained.")
        raise typer.Exit(1)


@contextmanager
def _watched(methods: Sequence[Method], words: str) -> Iterator[Progress | None]:
    """Yield what moves a bar, where a method takes long enough to watch it."""
    if all(method.quick for method in methods):
        yield None
        return
    with progress_bar(words, counted=False, interrupted=INTERRUPTED) as tick:
        yield tick


def _checked(found: Explanations, words: str) -> Explanations:
    """Say of each map whether it should be believed, and return the maps with that in their captions."""
    from interp.metrics import truster
    from interp.progress import part_of

    bar = progress_bar(f"checks {words}", counted=False, interrupted=INTERRUPTED)
    with bar as tick, truster(found[0].model) as judge:
        said = [judge(each, part_of(tick, number, len(found))) for number, each in enumerate(found)]
    for explanation, verdict in zip(found, said, strict=True):
        about = f"{explanation.target.name}, {explanation.method.title}: " if len(found) > 1 else ""
        say(f"  {about}{verdict}")
    return type(found)(verdict.beside(each) for each, verdict in zip(found, said, strict=True))


def _save(
    found: Explanations,
    out: Path,
    stem: str,
    kinds: Sequence[str],
    drawing: Drawing,
    placing: dict[str, Any],
) -> Iterator[Path]:
    choices = asdict(drawing)
    for kind in kinds:
        if len(found) == 1:
            yield found[0].save(out / f"{stem}.{kind}", **choices)
        elif kind in ("json", "npz"):
            for each in found:
                parts = (each.target.name, each.layer, each.method.name)
                yield each.save(out / f"{stem}.{'.'.join(map(plain, parts))}.{kind}")
        else:
            yield found.save(out / f"{stem}.{kind}", **choices, **placing)


@app.command()
def remake(
    saved: Annotated[Path, typer.Argument(help="A .json written by `interp explain --save json`.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Picture to write.")] = Path("remade.png"),
) -> None:
    """Make an explanation again from its JSON. The map must be the same, byte for byte."""
    from interp.explaining import remake as remake_explanation

    again = remake_explanation(saved)
    say(f"the same map again: {again.title} · {again.caption} → {again.save(out)}")
