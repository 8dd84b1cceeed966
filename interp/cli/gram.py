"""`interp gram`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interp.cli.options import AsJson, Model, Trust, app
from interp.cli.printing import complain, progress_bar, say, show, show_json, table_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from interp.features import NearestStyles, PerceptualTerms, Style, StyleDistances
    from interp.models import ImageModel


@app.command()
def gram(
    pictures: Annotated[list[Path], typer.Argument(help="One picture, or several to compare.")],
    model: Model = "efficientnet_lite0",
    layer: Annotated[
        list[str] | None,
        typer.Option(
            "--layer",
            "-l",
            help="Layer name or index; several times. Default: the last activation of each grid.",
        ),
    ] = None,
    normalise: Annotated[
        str, typer.Option(help="What a matrix is divided by: CHW (all values) or HW (positions).")
    ] = "CHW",
    folder: Annotated[
        Path | None, typer.Option(help="Find the pictures in this folder that are nearest to one by style.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="How many nearest pictures; with --folder.")] = 10,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the figures.")] = Path("gram"),
    as_json: AsJson = False,
    trust_pickle: Trust = False,
) -> None:
    """Compare pictures by style. Gram matrices say which channels fire together, wherever that is."""
    from interp.features import FeatureError
    from interp.models import load

    if normalise not in ("HW", "CHW"):
        raise FeatureError(f"--normalise {normalise}: give CHW or HW.")
    if folder is not None and len(pictures) > 1:
        raise FeatureError(f"--folder compares one picture with a folder; {len(pictures)} are given.")
    loaded = load(model, trust_pickle=trust_pickle)
    if folder is not None:
        _nearest(loaded, pictures[0], folder, layer, count, out, as_json)
    else:
        _compare(loaded, usable := _usable(pictures), layer, normalise, out, as_json)
        if len(usable) < len(pictures):
            raise typer.Exit(1)


def _usable(pictures: list[Path]) -> list[Path]:
    """Return the pictures that can be opened, and say why the others cannot; with none left, fail."""
    from interp.images import ImageError, open_image

    usable, failed = [], []
    for picture in pictures:
        try:
            open_image(picture)
            usable.append(picture)
        except ImageError as error:
            failed.append(error)
    if not usable and len(failed) == 1:
        raise failed[0]
    for reason in failed:
        complain(reason)
    if not usable:
        raise ImageError(f"none of the {len(pictures)} pictures could be used.")
    if failed:
        complain(f"{len(failed)} of {len(pictures)} pictures could not be used.")
    return usable


def _nearest(
    model: ImageModel,
    picture: Path,
    folder: Path,
    layers: list[str] | None,
    count: int,
    out: Path,
    as_json: bool,
) -> None:
    from interp.features import nearest_by_style

    with progress_bar("Comparing") as tick:
        found = nearest_by_style(model, picture, folder, layers, count=count, progress=tick)
    files = _save({"nearest": found.figure()}, out)
    if as_json:
        show_json(_about_nearest(found) | {"figures": files})
    else:
        grid = table_of("distance", *found.layers, "picture", right=set(range(len(found.layers) + 1)))
        for match in found.matches:
            grid.add_row(*(f"{d:.3f}" for d in (match.distance, *match.by_layer)), str(match.file))
        show(grid)
        say(f"nearest of {found.searched} pictures to {found.picture} → {files[0]}")
    for file, reason in found.failed.items():
        complain(reason if file.name in reason else f"{file}: {reason}")


def _about_nearest(found: NearestStyles) -> dict[str, Any]:
    matches = [
        {"file": str(one.file), "distance": one.distance, "by_layer": list(one.by_layer)}
        for one in found.matches
    ]
    failed = {str(file): reason for file, reason in found.failed.items()}
    return {
        "model": found.model,
        "picture": found.picture,
        "layers": list(found.layers),
        "searched": found.searched,
        "nearest": matches,
        "failed": failed,
    }


def _compare(
    model: ImageModel,
    pictures: Sequence[Path],
    layers: list[str] | None,
    normalise: str,
    out: Path,
    as_json: bool,
) -> None:
    from interp.features import style, style_distances

    found = style(model, pictures, layers, normalise=normalise)  # type: ignore[arg-type]
    distances = style_distances(found) if len(pictures) > 1 else None
    terms = _terms(model, pictures, found) if len(pictures) == 2 else None
    figures = {"gram": found.figure()}
    if distances is not None:
        figures["distances"] = distances.figure()
    if terms is not None:
        figures["terms"] = terms.figure()
    files = _save(figures, out)
    if as_json:
        show_json(_about(found, distances, terms) | {"figures": files})
        return
    _show_matrices(found)
    if distances is not None:
        _show_distances(distances)
    if terms is not None:
        said = ", ".join(f"{name} {value:.3g}" for name, value in terms.values.items())
        say(f"perceptual loss {terms.total:.3g}: {said}")
    for file in files:
        say(f"  → {file}")


def _terms(model: ImageModel, pictures: Sequence[Path], found: Style) -> PerceptualTerms:
    """Return the terms at the layers compared: as the course does at the last three, else unweighted."""
    from interp.features import perceptual_terms
    from interp.features.perceptual_terms import COURSE_WEIGHTS

    layers = found.layers[-len(COURSE_WEIGHTS) :]
    weights = COURSE_WEIGHTS if len(layers) == len(COURSE_WEIGHTS) else (1.0,) * len(layers)
    return perceptual_terms(model, *pictures, layers=layers, layer_weights=weights)


def _show_matrices(found: Style) -> None:
    grid = table_of("picture", "layer", "channels", "dead", "directions", "‖G‖", right={2, 3, 4, 5})
    for row in _matrices(found):
        numbers = (row["channels"], len(row["dead"]), f"{row['directions']:.2f}", f"{row['norm']:.3g}")
        grid.add_row(row["picture"], row["layer"], *map(str, numbers))
    show(grid)


def _show_distances(distances: StyleDistances) -> None:
    grid = table_of("distance", *distances.layers, "mean", right=set(range(1, len(distances.layers) + 2)))
    for row in _pairs(distances):
        numbers = (*row["by_layer"], row["mean"])
        grid.add_row(" – ".join(row["pictures"]), *(f"{number:.3f}" for number in numbers))
    show(grid)


def _about(found: Style, distances: StyleDistances | None, terms: PerceptualTerms | None) -> dict[str, Any]:
    about: dict[str, Any] = {
        "model": found.model,
        "layers": list(found.layers),
        "normalise": found.normalise,
        "matrices": _matrices(found),
    }
    if distances is not None:
        about["distances"] = _pairs(distances)
    if terms is not None:
        weights = dict(zip(terms.layers, terms.layer_weights, strict=True))
        about["perceptual"] = {"total": terms.total, "terms": terms.values, "layer_weights": weights}
    return about


def _matrices(found: Style) -> list[dict[str, Any]]:
    from interp.features import dead_channels, spectrum

    rows = []
    for number, picture in enumerate(found.pictures):
        for layer in found.layers:
            matrix = found.grams[layer][number]
            used = float(spectrum(matrix).square().sum())
            rows.append(
                {
                    "picture": picture,
                    "layer": layer,
                    "channels": len(matrix),
                    "dead": list(dead_channels(matrix)),
                    # A layer that is 0 everywhere has no spectrum.
                    "directions": 1 / used if used == used else 0.0,
                    "norm": float(matrix.norm()),
                }
            )
    return rows


def _pairs(distances: StyleDistances) -> list[dict[str, Any]]:
    count = len(distances.pictures)
    return [
        {
            "pictures": [distances.pictures[a], distances.pictures[b]],
            "by_layer": distances.values[:, a, b].tolist(),
            "mean": float(distances.mean[a, b]),
        }
        for a in range(count)
        for b in range(a + 1, count)
    ]


def _save(figures: dict[str, Figure], out: Path) -> list[str]:
    from interp.files import write_drawn

    out.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        with write_drawn(out / f"{name}.png") as drawn:
            figure.savefig(drawn, dpi=144, format="png")
    return [str(out / f"{name}.png") for name in figures]
