"""`interp report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from interp.cli.options import Classes, Model, Trust, app
from interp.cli.printing import complain, progress_bar, say
from interp.defaults import METHOD


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="Folder of pictures.")],
    model: Model = "efficientnet_lite0",
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the report.")] = Path("report"),
    classes: Classes = None,
    top: Annotated[int, typer.Option(min=0, help="How many likeliest classes to explain.")] = 3,
    method: Annotated[
        str, typer.Option(help="Method (`interp methods`), with options as in 'rise(masks=500)'.")
    ] = METHOD,
    layer: Annotated[
        str | None, typer.Option("--layer", "-l", help="Layer name or index (`interp layers`).")
    ] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Walk the folders inside too.")
    ] = False,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures in one pass.")] = 16,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Say whether each picture's first map should be believed (48 passes, 5 maps)."
        ),
    ] = False,
    trust_pickle: Trust = False,
) -> None:
    """Write a report of a folder of pictures.

    An HTML page that opens offline, panels, a contact sheet and the raw maps. An interrupted report goes on
    where it stopped when the same command is given again.
    """
    from interp.models import load
    from interp.report import find_pictures, write_report

    find_pictures(folder, recursive=recursive)
    loaded = load(model, trust_pickle=trust_pickle)
    with progress_bar("Explaining") as tick:
        made = write_report(
            loaded,
            folder,
            out,
            classes=classes or (),
            top_classes=top,
            method=method,
            layer=layer,
            batch_size=batch_size,
            check=check,
            recursive=recursive,
            progress=tick,
        )
    say(f"{made.pictures - len(made.failed)} pictures explained → {made.folder / 'index.html'}")
    for file, reason in made.failed.items():
        complain(f"{file}: {reason}")
    if made.failed:
        complain(f"{len(made.failed)} of {made.pictures} pictures could not be explained.")
        raise typer.Exit(1)
