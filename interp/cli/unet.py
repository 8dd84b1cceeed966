"""`interp unet`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interp.cli.options import AsJson, Model, Trust, app
from interp.cli.printing import progress_bar, say, show, show_json, table_of

if TYPE_CHECKING:
    from interp.features import UNet
    from interp.models import ImageModel
    from interp.targets import AnyTarget

INTERRUPTED = "nothing was written."


@app.command()
def unet(
    picture: Annotated[Path, typer.Argument(help="The picture.")],
    model: Model = "efficientnet_lite0",
    wanted: Annotated[
        str | None,
        typer.Option("--class", "-c", help="What the skips are worth for this class, where it is predicted."),
    ] = None,
    region: Annotated[
        str | None, typer.Option("--region", "-r", help="Or here; as of `interp explain`.")
    ] = None,
    measure: Annotated[
        str | None,
        typer.Option(help="Of a network that makes pictures: what is asked, as of `interp explain`."),
    ] = None,
    shown: Annotated[
        str, typer.Option("--show", help="In the boxes: mean (activation), or a method (`interp methods`).")
    ] = "mean",
    ablate: Annotated[
        list[str] | None,
        typer.Option(help="What is lost with each skip replaced: zero, mean or shuffled; several times."),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            help="Class numbers of the picture, or the picture to be made: the loss in IoU or PSNR."
        ),
    ] = None,
    over: Annotated[bool, typer.Option("--over", help="Draw the maps over the picture.")] = False,
    colormap: Annotated[str | None, typer.Option(help="As viridis; else the method's own.")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Picture to write.")] = Path("unet.png"),
    as_json: AsJson = False,
    trust_pickle: Trust = False,
) -> None:
    """Draw a U-Net with a picture in every box. How it goes down and up, and what its skips are worth."""
    from interp.explanation import FIGURES, ExplanationError
    from interp.features import unet_of
    from interp.files import write_drawn
    from interp.models import load
    from interp.views.colormaps import check_colormap

    if out.suffix.lower() not in FIGURES:
        raise ExplanationError(f"{out.name}: end the name in {', '.join(FIGURES)}.")
    if colormap is not None:
        check_colormap(colormap)
    loaded = load(model, trust_pickle=trust_pickle)
    target = _target(loaded, picture, wanted, region, measure)
    out.parent.mkdir(parents=True, exist_ok=True)
    # With no other word, the figure says what is lost, too, as soon as it can be measured.
    asked = ["zero"] if ablate is None and truth is not None else ablate or []
    with progress_bar(picture.name, counted=False, interrupted=INTERRUPTED) as tick:
        found = unet_of(
            loaded,
            picture,
            target,
            show=shown,
            ablate=asked,
            truth=_truth(loaded, truth),
            progress=tick,
        )
    with write_drawn(out) as drawn:
        found.figure(over=over, colormap=colormap).savefig(drawn, dpi=220, format=out.suffix[1:])
    if as_json:
        show_json(found.to_json() | {"figure": str(out)})
        return
    _show(found)
    say(f"{picture.name}: {found.shown} → {out}")


def _target(
    model: ImageModel, picture: Path, wanted: str | None, region: str | None, measure: str | None
) -> AnyTarget:
    from interp import targets
    from interp.cli.measures import check_measure, read_measure
    from interp.cli.regions import check_task, read_regions, region_target

    named: list[str] = [] if wanted is None else [wanted]
    asked = read_measure(measure)
    check_measure(model, asked)
    if region is not None or asked is not None:
        regions = read_regions([] if region is None else [region], named)
        check_task(model, regions, named)
        return region_target(model, picture, regions, named, asked)
    return None if wanted is None else targets.where_predicted(wanted)


def _truth(model: ImageModel, path: Path | None) -> Any:
    from interp.images.masks import open_mask

    return open_mask(path) if path is not None and model.task == "segmentation" else path


def _show(found: UNet) -> None:
    skips = [] if found.skips is None else found.skips.rows
    kinds = list(skips[0].ablations) if skips else []
    columns = ["grid", "down", "up", "made finer by", *(["skip"] if skips else []), *kinds]
    grid = table_of(*columns, right=set(range(4, len(columns))))
    for row in found.levels.rows:
        step, worth = found.upsamplings.get(row.size), found.worth(row.size)
        cells = [" × ".join(map(str, row.size)), row.encoder or "picture", row.decoder or ""]
        cells.append("" if step is None else step.kind)
        if skips:
            cells.append("" if worth is None else f"{100 * worth.share:.0f} %")
            cells += ["" if worth is None else _change(worth.ablations[kind]) for kind in kinds]
        grid.add_row(*cells)
    show(grid)
    if found.skips is not None:
        measured = "".join(f", {name} {value:.3g}" for name, value in found.skips.measures.items())
        say(f"skip: its part of |gradient × activation| for {found.skips.target.name}{measured}")


def _change(ablation: Any) -> str:
    for name, change in ablation.measures.items():
        return f"{name} {change:+.3f}"
    return f"score {ablation.score:+.4g}"
