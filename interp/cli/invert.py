"""`interp invert`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from interp.cli.naming import unused
from interp.cli.options import Model, Trust, app
from interp.cli.printing import complain, progress_bar, say


@app.command()
def invert(
    pictures: Annotated[list[Path], typer.Argument(help="Pictures.")],
    layer: Annotated[
        list[str] | None,
        typer.Option("--layer", "-l", help="Layer name or index; several times. Default: every stage."),
    ] = None,
    model: Model = "efficientnet_lite0",
    kind: Annotated[
        str,
        typer.Option(
            help="inversion (what a layer knows), caricature (more of what it sees) or style (its texture)."
        ),
    ] = "inversion",
    steps: Annotated[int, typer.Option(min=1, help="For each layer.")] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Of the noise to begin with.")] = 0,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path("inversions"),
    trust_pickle: Trust = False,
) -> None:
    """Make a picture again from what each layer makes of it.

    Ctrl-C ends the picture at hand and keeps it as far as it is.
    """
    from interp.features.inversion import invert as invert_picture
    from interp.files import write_drawn
    from interp.images import ImageError
    from interp.models import load

    loaded = load(model, trust_pickle=trust_pickle)
    chosen: Any = layer or None
    out.mkdir(parents=True, exist_ok=True)
    used: set[str] = set()
    failed = 0
    for picture in pictures:
        try:
            with progress_bar(picture.name) as tick:
                found = invert_picture(
                    loaded,
                    picture,
                    chosen,
                    kind=kind,  # type: ignore[arg-type]
                    steps=steps,
                    seed=seed,
                    progress=tick,
                )
        except ImageError as error:
            failed += 1
            complain(error)
            continue
        for name, distance in zip(found.layers, found.distances, strict=True):
            say(f"{picture.name}: {name}: distance {distance:.3g}")
        path = out / f"{unused(picture.stem, used)}.{kind}.png"
        with write_drawn(path) as drawn:
            found.figure().savefig(drawn, format="png")
        say(f"  → {path}")
        if not found.finished:
            complain("stopped; the last picture is as far as it came.")
            raise typer.Exit(130)
    if failed:
        complain(f"{failed} of {len(pictures)} pictures could not be used.")
        raise typer.Exit(1)
