"""`interp games`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interp.cli.options import AsJson, Model, Trust, app
from interp.cli.printing import complain, progress_bar, say, show, show_json, table_of

if TYPE_CHECKING:
    from interp.metrics import Games


@app.command()
def games(
    folder: Annotated[Path, typer.Argument(help="Folder of pictures; no labels are needed.")],
    model: Model = "efficientnet_lite0",
    method: Annotated[
        list[str] | None,
        typer.Option(help="Method (`interp methods`), with options as in 'rise(masks=500)'; several times."),
    ] = None,
    disconnected: Annotated[
        bool,
        typer.Option("--disconnected", help="Each class sees its own picture only (DiFull), not the grid."),
    ] = False,
    grids: Annotated[int, typer.Option(min=1, help="How many grids.")] = 20,
    side: Annotated[int, typer.Option(min=2, help="Pictures of a row, and of a column.")] = 2,
    sure: Annotated[
        float, typer.Option(min=0, max=1, help="Only pictures whose class has this probability take part.")
    ] = 0.9,
    layer: Annotated[
        str | None, typer.Option("--layer", "-l", help="Layer name or index (`interp layers`).")
    ] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Walk the folders inside too.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of how the pictures are dealt.")] = 0,
    as_json: AsJson = False,
    trust_pickle: Trust = False,
) -> None:
    """Put pictures of different classes into grids, and see whose picture each map lies on.

    The share of what a map shows that lies on its own class's picture: a test with a known truth and without
    labels. With --disconnected what lies elsewhere is certainly wrong.
    """
    from interp.metrics import play
    from interp.metrics.planning import METHODS
    from interp.models import load

    loaded = load(model, trust_pickle=trust_pickle)
    with progress_bar("Playing", counted=False) as tick:
        played = play(
            loaded,
            folder,
            method or METHODS,
            grids=grids,
            side=side,
            connected=not disconnected,
            sure=sure,
            layer=layer,
            recursive=recursive,
            seed=seed,
            progress=tick,
        )
    if as_json:
        show_json(_as_json(played))
    else:
        _say(played)
    for name, reason in played.refused.items():
        complain(f"{name}: {reason}")


def _say(played: Games) -> None:
    grid = table_of("method", "on its own picture ↑", "± half its 95 % interval", right={1, 2})
    marks = {"best": "*", "alike": "="}
    for cell in played.ranking():
        if cell.pictures:
            half = cell.value.half
            mark = marks.get(cell.apart, " ")
            grid.add_row(cell.method, f"{cell.value.mean:.3f}{mark}", "" if half != half else f"{half:.3f}")
    show(grid)
    seen = "sees the whole grid" if played.connected else "sees its own picture only"
    count = f"{len(played.grids)} grid{'s' * (len(played.grids) != 1)}"
    say(f"{count}; each class {seen}; a map that knows nothing gets {played.chance:.3g}.")
    say("* the best, = not told apart from it.")


def _as_json(played: Games) -> dict[str, Any]:
    return {
        "connected": played.connected,
        "chance": played.chance,
        "grids": [list(grid) for grid in played.grids],
        "methods": [
            {
                "method": cell.method,
                "mean": None if not cell.pictures else cell.value.mean,
                "low": None if cell.value.low != cell.value.low else cell.value.low,
                "high": None if cell.value.high != cell.value.high else cell.value.high,
                "told_apart": cell.apart,
            }
            for cell in played.ranking()
        ],
        "refused": played.refused,
    }
