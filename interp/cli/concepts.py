"""`interp concepts`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interp.cli.options import Model, Trust, app
from interp.cli.printing import complain, progress_bar, say, show, table_of

if TYPE_CHECKING:
    from interp.features.concepts import ClassConcepts, ConceptBank, PictureConcepts
    from interp.models import ImageModel

_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".pdf", ".svg")


@app.command()
def concepts(
    where: Annotated[Path, typer.Argument(metavar="PICTURE|FOLDER", help="A picture, or many in a folder.")],
    model: Model = "efficientnet_lite0",
    layer: Annotated[
        str | None, typer.Option("--layer", "-l", help="Layer name or index; default: the deepest.")
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="How many concepts. [default: 5 of a picture, 10 of a folder]")
    ] = None,
    of: Annotated[
        str | None,
        typer.Option("--class", "-c", help="Of a folder: the class whose concepts are looked for."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="With --class: all pictures, not only those predicted as the class.")
    ] = False,
    on: Annotated[Path | None, typer.Option(help="Of a folder: show the concepts on this picture.")] = None,
    examples: Annotated[int, typer.Option(min=1, help="Of a folder: so many examples of each concept.")] = 6,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Figure to write, or a folder that is there.")
    ] = Path("concepts.png"),
    trust_pickle: Trust = False,
) -> None:
    """Find what a layer's activations are made of: in one picture, a folder, or the pictures of a class."""
    from interp.features.errors import FeatureError
    from interp.files import write_drawn
    from interp.images import open_image
    from interp.models import load

    if not where.is_dir() and (of is not None or every or on is not None):
        raise FeatureError("--class, --all and --on are for a folder of pictures, not for a single one.")
    if every and of is None:
        raise FeatureError("--all says which pictures of a class to take; give --class, too.")
    file = _figure_file(out)
    file.parent.mkdir(parents=True, exist_ok=True)
    if on is not None:
        open_image(on)  # Not after minutes with the folder.
    loaded = load(model, trust_pickle=trust_pickle)
    with warnings.catch_warnings(record=True) as warned:
        if not where.is_dir():
            from interp.features.concepts import deep_feature_factorisation

            found = deep_feature_factorisation(loaded, where, layer, concepts=count or 5)
            _say_picture(found)
            figure = found.figure()
        else:
            bank: ConceptBank | ClassConcepts
            if of is None:
                bank = _of_folder(loaded, where, layer, count or 10, examples)
            else:
                bank = _of_class(loaded, where, of, every, layer, count or 10, examples)
            figure = bank.figure(None if on is None else bank.on(loaded, on), examples=examples)
    for warning in warned:
        complain(warning.message)
    with write_drawn(file) as drawn:
        figure.savefig(drawn, format=file.suffix[1:])
    say(f"  → {file}")


def _figure_file(out: Path) -> Path:
    from interp.features.errors import FeatureError

    if out.is_dir():
        return out / "concepts.png"
    if out.suffix.lower() not in _ENDINGS:
        raise FeatureError(f"--out {out}: give a folder that is there, or a file of {', '.join(_ENDINGS)}.")
    return out


def _of_folder(model: ImageModel, folder: Path, layer: str | None, count: int, examples: int) -> ConceptBank:
    from interp.features.concepts import concepts_of
    from interp.features.concepts.picture import counted

    with progress_bar("pictures") as progress:
        bank = concepts_of(model, folder, layer, concepts=count, examples=examples, progress=progress)
    _say_left_out(bank)
    explained = f"{bank.explained:.0%} of the activations explained"
    say(f"{bank.layer}: {count} concepts of {counted(bank.pictures)}, {explained}")
    return bank


def _of_class(
    model: ImageModel, folder: Path, of: str, every: bool, layer: str | None, count: int, examples: int
) -> ClassConcepts:
    from interp.features.concepts import craft
    from interp.features.concepts.picture import counted
    from interp.images import pictures_in

    pictures = pictures_in(folder) if every else folder
    with progress_bar("pictures") as progress:
        found = craft(model, pictures, of, layer, concepts=count, examples=examples, progress=progress)
    _say_left_out(found.concepts)
    say(f"{found.concepts.layer}: {count} concepts of {found.target} in {counted(len(found.files))}")
    table = table_of("concept", "importance", "score falls by", right={0, 1, 2})
    for number, (part, fall) in enumerate(
        zip(found.importance.tolist(), found.fall.tolist(), strict=True), 1
    ):
        table.add_row(str(number), f"{part:.3f}", f"{fall:.3f}")
    show(table)
    return found


def _say_left_out(bank: ConceptBank) -> None:
    for reason in bank.failed.values():
        complain(reason)


def _say_picture(found: PictureConcepts) -> None:
    table = table_of("concept", "alone it would be", "")
    say(f"{found.layer}: {len(found.bank)} concepts explain {found.explained:.0%} of its activations")
    if found.said:
        for number, said in enumerate(found.said, 1):
            table.add_row(str(number), said.name, f"{said.probability:.0%}")
        show(table)
