"""`interp enhance`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from interp.cli.naming import unused
from interp.cli.options import Model, Trust, app
from interp.cli.printing import complain, say


@app.command()
def enhance(
    pictures: Annotated[list[Path], typer.Argument(help="Pictures to enhance.")],
    model: Model,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results, as PNG.")] = Path(
        "enhanced"
    ),
    size: Annotated[int | None, typer.Option(min=1, help="Pixels of the result's shorter side.")] = None,
    scale: Annotated[
        float | None, typer.Option(min=0.01, help="Times as large as the picture; instead of --size.")
    ] = None,
    tile: Annotated[
        int | None,
        typer.Option(min=1, help="Run in tiles of so many pixels; default: only if memory is short."),
    ] = None,
    trust_pickle: Trust = False,
) -> None:
    """Enhance whole pictures with a picture-to-picture model.

    Without --size and --scale a picture keeps its size, or gets the size that the model was trained for if
    it is smaller. One that fails does not stop the others.
    """
    from interp.files import write_drawn
    from interp.images import ImageError, open_image
    from interp.models import load
    from interp.training.enhancing import EnhanceError, Enhancer

    if size is not None and scale is not None:
        raise EnhanceError("--size and --scale say the same; give one of them.")
    enhancer = Enhancer(load(model, trust_pickle=trust_pickle))
    out.mkdir(parents=True, exist_ok=True)
    failed = 0
    used: set[str] = set()
    for picture in pictures:
        try:
            opened = open_image(picture)
            wanted = size if scale is None else max(1, round(min(opened.size) * scale))
            enhanced = enhancer(opened, size=wanted, tile=tile)
        except (ImageError, EnhanceError) as error:
            failed += 1
            complain(error if picture.name in str(error) else f"{picture.name}: {error}")
            continue
        target = out / f"{unused(picture.stem, used)}.png"
        with write_drawn(target) as drawn:
            enhanced.save(drawn, "PNG")
        before, after = (f"{width} × {height}" for width, height in (opened.size, enhanced.size))
        say(f"{picture.name}: {before} → {after} → {target}")
    if failed:
        complain(f"{failed} of {len(pictures)} pictures could not be enhanced.")
        raise typer.Exit(1)
