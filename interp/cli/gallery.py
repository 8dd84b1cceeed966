"""`interp gallery`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from interp.cli.options import Model, Trust, app
from interp.cli.printing import progress_bar, say

INTERRUPTED = "nothing was written."


@app.command()
def gallery(
    picture: Annotated[Path, typer.Argument(help="The picture.")],
    wanted: Annotated[
        str | None, typer.Option("--class", "-c", help="Class name or index; default: what is predicted.")
    ] = None,
    model: Model = "efficientnet_lite0",
    method: Annotated[
        list[str] | None, typer.Option(help="Only these methods (`interp methods`); several times.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="All methods without their shortcuts: many minutes.")
    ] = False,
    columns: Annotated[int, typer.Option(min=1, help="Maps in a row.")] = 8,
    out: Annotated[Path, typer.Option("--out", "-o", help="Picture to write.")] = Path("gallery.png"),
    trust_pickle: Trust = False,
) -> None:
    """Show all methods on one picture in one figure. A minute or two, because some pass many times."""
    from interp.all_methods import gallery as made
    from interp.all_methods import writable
    from interp.models import load

    writable(out)
    loaded = load(model, trust_pickle=trust_pickle)
    target = int(wanted) if wanted is not None and wanted.isdigit() else wanted
    with progress_bar("methods", counted=False, interrupted=INTERRUPTED) as progress:
        found = made(loaded, picture, target, method, short=not full, progress=progress)
    for name, why in found.refused.items():
        say(f"{name}: {why}")
    shown, all_of_them = len(found.explanations), len(found.explanations) + len(found.refused)
    say(f"{shown} of {all_of_them} methods → {found.save(out, columns)}")
