"""`interp layers`."""

from __future__ import annotations

from typing import Annotated

import typer

from interp.cli.options import AsJson, Trust, app
from interp.cli.printing import show, show_json, table_of


@app.command()
def layers(
    model: Annotated[str, typer.Argument(help="As --model of the other commands.")] = "efficientnet_lite0",
    depth: Annotated[int, typer.Option(min=1, help="How deep to go into nested layers.")] = 2,
    as_json: AsJson = False,
    trust_pickle: Trust = False,
) -> None:
    """List a model's layers. Names, shapes, stages, and the one that is explained by default."""
    from dataclasses import asdict

    from interp.models import load

    loaded = load(model, trust_pickle=trust_pickle) if _trained(model) else load(model, weights=None)
    table = loaded.layers
    if as_json:
        about = {"model": loaded.name, "default": table.default, "stages": table.stages}
        show_json({**about, "layers": [asdict(row) for row in table]})
        return
    shown = [row for row in table if row.depth <= depth]
    ends = {name.partition("@")[0] for name in table.stages}
    grid = table_of(
        "#", "layer", "type", "output", "parameters", "trainable", "calls", "stage", right={0, 4, 5, 6}
    )
    for row in shown:
        mark = " ● default" if row.name == (table.default or "").partition("@")[0] else ""
        stage = "" if row.stage is None else f"{row.stage}{' end' if row.name in ends else ''}"
        shape = "did not run" if row.shape is None else "×".join(map(str, row.shape))
        grid.add_row(
            str(row.index),
            "  " * (row.depth - 1) + row.name,
            row.type,
            shape,
            f"{row.parameters:,}",
            f"{row.trainable:,}",
            str(row.calls),
            stage + mark,
        )
    show(grid)
    deeper = len(table) - len(shown)
    note = (
        f"{deeper} deeper layers not shown; --depth {max(row.depth for row in table)} shows all."
        if deeper
        else ""
    )
    typer.echo(f"{loaded.name}: {len(table)} layers, {len(table.stages)} stages. {note}".rstrip())


def _trained(model: str) -> bool:
    """Whether weights matter: the shapes of a named network are the same without them."""
    return not model.startswith(("torchvision:", "timm:"))
