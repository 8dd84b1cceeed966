"""`interp channel`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from interp.cli.naming import plain
from interp.cli.options import Model, Trust, app
from interp.cli.printing import complain, progress_bar, say


@app.command()
def channel(
    channels: Annotated[list[int], typer.Argument(help="Numbers of the channels, from 0.")],
    images: Annotated[Path, typer.Option(help="Folder of pictures to find its examples in.")],
    layer: Annotated[
        str | None, typer.Option("--layer", "-l", help="Layer name or index; default: the deepest features.")
    ] = None,
    model: Model = "efficientnet_lite0",
    steps: Annotated[int, typer.Option(min=0, help="Of the picture made to drive it; 0: none.")] = 128,
    seed: Annotated[int, typer.Option(min=0, help="Of that picture.")] = 0,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path("channels"),
    again: Annotated[
        bool, typer.Option("--again", help="Replace the folder's examples of other pictures or settings.")
    ] = False,
    recursive: Annotated[
        bool, typer.Option("--recursive/--no-recursive", help="Whether to walk the folders inside it.")
    ] = True,
    trust_pickle: Trust = False,
) -> None:
    """Draw all about a channel on one page: what drives it, what it is made of, what it does.

    The examples of all channels are kept beside the pages, so another channel of the layer takes seconds.
    """
    from interp.features import channel_report, top_examples
    from interp.features.origin import channels_of, check_channel
    from interp.files import write_drawn
    from interp.images import pictures_in
    from interp.models import load

    loaded = load(model, trust_pickle=trust_pickle)
    name = loaded.layers.resolve(layer) if layer is not None else loaded.default_layer
    count = channels_of(loaded, name)
    for number in channels:
        check_channel(number, count, name)
    folder = out / plain(name)
    pictures = images if recursive else pictures_in(images, recursive=False)
    with progress_bar("looking for examples") as tick:
        examples = top_examples(loaded, name, pictures, out=folder, again=again, progress=tick)
    for file, reason in examples.failed.items():
        complain(reason if file in reason else f"{file}: {reason}")
    for number in channels:
        with progress_bar(f"channel {number}") as tick:
            found = channel_report(
                loaded, examples, number, visualised=steps > 0, steps=steps, seed=seed, progress=tick
            )
        path = folder / f"channel-{number}.png"
        with write_drawn(path) as drawn:
            found.figure().savefig(drawn, format="png")
        say(f"channel {number}: {_said(found.reached, float(found.about.maxima.max()))}")
        say(f"  → {path}")
        if found.visualisation is not None and not found.visualisation.finished:
            complain("interrupted; the page has the picture so far.")
            raise typer.Exit(130)


def _said(reached: float | None, most: float) -> str:
    if reached is None:
        return f"its maximum in the pictures {most:.3g}"
    return f"its maximum in the pictures {most:.3g}, in the one made for it {reached:.3g}"
