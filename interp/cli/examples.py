"""`interp examples`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from interp.cli.options import Model, Trust, app
from interp.cli.printing import complain, progress_bar, say


@app.command()
def examples(
    folder: Annotated[Path, typer.Argument(help="Folder of pictures.")],
    layer: Annotated[str, typer.Option("--layer", "-l", help="Layer name or index.")],
    channel: Annotated[
        list[int] | None,
        typer.Option("--channel", "-n", help="Channel; several times. Default: six that stand out."),
    ] = None,
    model: Model = "efficientnet_lite0",
    k: Annotated[int, typer.Option("-k", min=1, help="Pictures for each channel.")] = 9,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path("examples"),
    whole: Annotated[
        bool, typer.Option("--whole", help="Cut to all that a position sees, not to 90 % of the weight.")
    ] = False,
    recursive: Annotated[
        bool, typer.Option("--recursive/--no-recursive", help="Whether to walk the folders inside it.")
    ] = True,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures in one pass of the network.")] = 16,
    again: Annotated[
        bool, typer.Option("--again", help="Replace what the folder has of something else.")
    ] = False,
    trust_pickle: Trust = False,
) -> None:
    """Find the pictures that excite each channel most. What they share is what the channel stands for."""
    from interp.features import top_examples
    from interp.features.examples import FILE
    from interp.files import write_drawn
    from interp.images import pictures_in
    from interp.models import load

    pictures = folder if recursive else pictures_in(folder, recursive=False)
    loaded = load(model, trust_pickle=trust_pickle)
    with progress_bar("pictures") as moved:
        found = top_examples(
            loaded, layer, pictures, k=k, out=out, again=again, batch_size=batch_size, progress=moved
        )
    chosen = channel or found.strongest()
    for index in chosen:
        known = found.channel(index)
        names = ", ".join(example.file.name for example in known.examples[:3])
        best = known.examples[0].value if known.examples else float("nan")
        say(f"channel {index}: up to {best:.4g} (mean {known.mean:.4g} ± {known.std:.4g}): {names}, …")
    path = out / f"{'-'.join(map(str, chosen[:12]))}.png"
    with write_drawn(path) as drawn:
        found.figure(chosen, core=not whole).savefig(drawn, dpi=160, format="png")
    say(f"  → {path}")
    say(f"  → {out / FILE}: all {len(found)} channels of {found.layer.removesuffix('@0')}")
    for file, reason in found.failed.items():
        complain(reason if file in reason else f"{file}: {reason}")
