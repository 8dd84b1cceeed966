"""`interp dissect`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interp.cli.options import AsJson, Trust, app
from interp.cli.printing import complain, progress_bar, say, show, show_json, table_of

if TYPE_CHECKING:
    from interp.features import GeneratorDissection, UnitEffect
    from interp.models import ImageModel
    from interp.places import Place

INTERRUPTED = "nothing was written."
# Rows of the table, pictures of the second figure, samples that the effect is measured on.
_ROWS, _SHOWN, _MEASURED = 20, 5, 64
_LEAST = 0.005


@app.command()
def dissect(
    run: Annotated[
        str, typer.Argument(help="Folder of a `wgan`, `gan` or `superres` run, or as --model elsewhere.")
    ],
    layer: Annotated[
        str | None, typer.Option("--layer", "-l", help="Layer name or index; `interp layers` lists them.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of pictures, for a network that makes pictures of pictures.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="At most so many pictures are generated.")] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Of the noise.")] = 0,
    segment: Annotated[
        str | None,
        typer.Option(help="A segmentation, whose classes are the concepts; else brightness, hues, edges."),
    ] = None,
    quantile: Annotated[
        float | None,
        typer.Option(help="Share of a unit's activations that counts as strong, as 0.01; else the best."),
    ] = None,
    concept: Annotated[
        str | None, typer.Option(help="Draw and change the units that fit this one best.")
    ] = None,
    unit: Annotated[
        list[int] | None, typer.Option("--unit", "-u", help="Draw and change these; several times.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Without --unit, so many are changed together.")] = 4,
    place: Annotated[
        str, typer.Option(help="Where they are switched on: LEFT,TOP,RIGHT,BOTTOM in parts of the picture.")
    ] = "0.25,0.25,0.75,0.75",
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Picture to write; NAME-changed beside it.")
    ] = Path("dissect.png"),
    as_json: AsJson = False,
    trust_pickle: Trust = False,
) -> None:
    """Find what the units of a generator paint, switch them off and on, and look (GAN dissection)."""
    from interp.explanation import FIGURES, ExplanationError
    from interp.features import ablate_units, dissect_generator, insert_units, unit_effect
    from interp.files import write_drawn
    from interp.models import load

    if out.suffix.lower() not in FIGURES:
        raise ExplanationError(f"{out.name}: end the name in {', '.join(FIGURES)}.")
    where = _place(place)
    generator = _generator(run, trust_pickle)
    masks = None if segment is None else load(segment, trust_pickle=trust_pickle)
    name = _layer(generator, layer, run)
    out.parent.mkdir(parents=True, exist_ok=True)
    with progress_bar("dissecting", counted=False, interrupted=INTERRUPTED) as tick:
        found = dissect_generator(
            generator,
            name,
            images,
            concepts=masks,
            count=count,
            seed=seed,
            quantile=quantile,
            progress=tick,
        )
    wanted = concept or found.best(found.ranked()[0])[0]
    units = found.checked(unit) if unit else found.ranked(wanted)[:top]
    with progress_bar("switching units off and on", counted=False, interrupted=INTERRUPTED) as tick:
        effect = unit_effect(found, units, samples=_MEASURED, progress=tick)
        samples = found.top_samples(units, _SHOWN)
        off = ablate_units(found, units, samples=samples)
        on = insert_units(found, units, where, samples=samples)
        drawn = found.figure(unit or None, concept=concept)
        heading = f"{generator.name}, layer {found.layer}: {_listed(units)}"
        changed = off.figure(on, concept=wanted, heading=heading)
    beside = out.with_name(f"{out.stem}-changed{out.suffix}")
    for figure, path in ((drawn, out), (changed, beside)):
        with write_drawn(path) as packed:
            figure.savefig(packed, dpi=220, format=path.suffix[1:])
    for file, reason in found.failed.items():
        complain(reason if file in reason else f"{file}: {reason}")
    if as_json:
        about = {"units": list(units), "concept": wanted, "effects": dict(effect.effects)}
        show_json(found.to_json() | {"changed": about, "figures": [str(out), str(beside)]})
        return
    _show(found, wanted if concept else None)
    say(_said(effect))
    say(f"{generator.name}, layer {found.layer}, {found.samples.count} pictures → {out}, {beside}")


def _generator(run: str, trust_pickle: bool) -> ImageModel:
    """Return the generator: a `wgan` run's own model is its critic, and the generator lies beside it."""
    from interp.models import load

    inside = Path(run, "generator")
    return load(str(inside) if (inside / "model.json").is_file() else run, trust_pickle=trust_pickle)


def _layer(generator: ImageModel, layer: str | None, run: str) -> str:
    from interp.features import FeatureError

    if layer is not None:
        return generator.layers.resolve(layer)
    grids = [row for row in generator.layers if row.shape and len(row.shape) == 3 and max(row.shape[1:]) > 1]
    least = min((row.depth for row in grids), default=1)
    names = [row.name for row in grids if row.depth == least]
    raise FeatureError(
        f"--layer is missing: {generator.name} has {', '.join(names[:12])}. `interp layers` lists all."
    )


def _place(typed: str) -> Place:
    from interp.places import PlaceError, checked

    try:
        return checked([float(end) for end in typed.split(",")])
    except ValueError as error:
        if isinstance(error, PlaceError):
            raise
        raise PlaceError(f"--place {typed}: give LEFT,TOP,RIGHT,BOTTOM, as 0.25,0.25,0.75,0.75.") from None


def _listed(units: list[int]) -> str:
    return f"unit{'' if len(units) == 1 else 's'} {', '.join(map(str, units))}"


def _show(found: GeneratorDissection, concept: str | None) -> None:
    grid = table_of("unit", "concept", "IoU", "by chance", "strong", right={0, 2, 3, 4})
    ranked = found.ranked(concept)
    for unit in ranked[:_ROWS]:
        name = found.best(unit)[0] if concept is None else concept
        column = found.concepts.index(name)
        share = f"{100 * found.shares[unit, column]:g} %"
        numbers = [f"{values[unit, column]:.3f}" for values in (found.iou, found.chance)]
        grid.add_row(str(unit), name, *numbers, share)
    show(grid)
    if len(ranked) > _ROWS:
        say(f"{len(ranked) - _ROWS} units more; --json has all.")
    known: dict[str, Any] = found.detectors()
    said = ", ".join(f"{name} {len(units)}" for name, units in known.items()) or "none"
    say(f"units more than 0.05 above chance: {said}")


def _said(effect: UnitEffect) -> str:
    order = sorted(effect.effects.items(), key=lambda one: -abs(one[1]))[:5]
    told = ", ".join(f"{name} {100 * share:+.0f} %" for name, share in order if abs(share) >= _LEAST)
    return f"{_listed(list(effect.units))} on instead of off, where they are: {told or 'no concept changes'}"
