"""`interp render`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from interp.cli.options import app
from interp.cli.printing import complain, progress_bar, say

INTERRUPTED = "the panels before this one are whole."


@app.command()
def render(
    path: Annotated[Path, typer.Argument(help="Folder of a report, its maps.parquet, or a part of that.")],
    where: Annotated[
        str | None,
        typer.Option(
            "--where",
            "-w",
            help="Which maps, as \"predicted = 'tiger cat' and probability < 0.5\". Columns: file, target, "
            "index, probability, score, rank, predicted, truth, wrong, trust, layer, method, width, height.",
        ),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of the pictures; else the report's small copies are drawn.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for panels; without --sheet: rendered.")
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Picture file for all of them on one sheet, the first 400.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Draw no more than so many.")] = 100,
) -> None:
    """Draw maps of a report that exists, chosen by a condition."""
    from interp.report import render as render_maps

    with progress_bar("Drawing", interrupted=INTERRUPTED) as tick:
        made = render_maps(path, where, images=images, out=out, sheet=sheet, limit=limit, progress=tick)
    if made.panels:
        say(f"{len(made.panels)} of {made.fitting} maps drawn → {made.panels[0].parent}")
    if made.sheet is not None:
        say(f"{made.drawn} of {made.fitting} maps drawn → {made.sheet}")
    if made.fitting > made.drawn:
        complain(f"{made.fitting:,} maps fit and --limit is {limit:,}; the others are not drawn.")
    if images is not None and made.small:
        complain(f"{made.small} pictures are not in {images} as they were; their small copies are drawn.")
    if made.blank:
        complain(
            f"{made.blank} pictures are not at hand, so only their maps are drawn; give --images FOLDER."
        )
