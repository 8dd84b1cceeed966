"""`interp visualize`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interp.cli.naming import plain, unused
from interp.cli.options import Classes, Model, Trust, app
from interp.cli.printing import complain, progress_bar, say

if TYPE_CHECKING:
    from torch import Tensor

    from interp.features.visualisation import Objective, Visualisation
    from interp.models import ImageModel

# Pictures of one batch: more are no faster, and only take memory.
_TOGETHER = 6
# Twice that fills the memory of most machines, and the system ends the process without a word.
_LARGEST = 4096
_SINGLE = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
_PAGES = (*_SINGLE, ".pdf", ".svg")


@app.command()
def visualize(
    model: Model = "efficientnet_lite0",
    layer: Annotated[
        str | None, typer.Option("--layer", "-l", help="Layer name or index; default: the deepest features.")
    ] = None,
    channel: Annotated[
        list[int] | None,
        typer.Option("--channel", "-n", help="Channel of the layer, from 0; may be given several times."),
    ] = None,
    neuron: Annotated[
        bool, typer.Option("--neuron", help="Excite a channel at the centre only, not everywhere.")
    ] = False,
    classes: Classes = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps of the ascent.")] = 128,
    size: Annotated[
        str | None, typer.Option(help="Pixels: 224, or 192x256 (height x width); default: the model's own.")
    ] = None,
    maco: Annotated[
        bool, typer.Option("--maco", help="Waves as strong as those of photographs; only phases change.")
    ] = False,
    images: Annotated[
        Path | None, typer.Option(help="With --maco: folder of pictures whose waves are the measure.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the noise and the moves.")] = 0,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder, or a file: a picture, or a figure of several.")
    ] = Path("visualized"),
    trust_pickle: Trust = False,
) -> None:
    """Make pictures that excite channels, neurons or classes most. Ctrl-C keeps the pictures so far."""
    from interp.features import FeatureError
    from interp.models import load

    _known_ending(out)
    if images is not None and not maco:
        raise FeatureError("--images is for --maco only; add --maco, or leave it out.")
    loaded = load(model, trust_pickle=trust_pickle)
    objectives = _objectives(loaded, layer, channel or [], neuron, classes or [])
    pixels = _size(size, loaded)
    magnitude = _magnitude(images, pixels, loaded) if images else None
    found = _visualised(loaded, objectives, pixels, steps, seed, maco, magnitude)
    for name, value in ((name, value) for one in found for name, value in _reached(one)):
        say(f"{name}: {value:.3g}")
    for written in _written(found, out):
        say(f"  → {written}")
    if not all(one.finished for one in found) or sum(map(len, found)) < len(objectives):
        complain(f"interrupted after {len(found[-1].history)} of {steps} steps; this is the picture so far.")
        raise typer.Exit(130)


def _objectives(
    model: ImageModel, layer: str | None, numbers: list[int], neuron: bool, classes: list[str]
) -> list[Objective]:
    from interp.features import FeatureError
    from interp.features import visualisation as make

    if not numbers and (layer is not None or neuron):
        raise FeatureError("--layer and --neuron need a --channel.")
    if not numbers and not classes:
        raise FeatureError("nothing to visualise: give --channel (with --layer) or --class.")
    where = model.layers.resolve(layer) if layer is not None else model.default_layer if numbers else ""
    one = make.neuron if neuron else make.channel
    return [
        *(one(where, number) for number in numbers),
        *(make.class_logit(wanted) for wanted in classes),
    ]


def _size(typed: str | None, model: ImageModel) -> tuple[int, int]:
    from interp.features import FeatureError

    if typed is None:
        return model.preprocess.size
    sides = re.fullmatch(r"(\d+)(?:[x×](\d+))?", typed.strip())
    if sides is None or 0 in (found := [int(side) for side in sides.groups() if side]):
        raise FeatureError(f"--size {typed}: give a number of pixels, or HEIGHTxWIDTH.")
    if max(found) > _LARGEST:
        raise FeatureError(f"--size {typed}: a side may have {_LARGEST} pixels at most.")
    return found[0], found[-1]


def _magnitude(folder: Path, size: tuple[int, int], model: ImageModel) -> Tensor:
    from interp.features.visualisation import magnitude_of
    from interp.images import ImageError, pictures_in

    total: Tensor | None = None
    used = 0
    failed = []
    with progress_bar("reading pictures") as moved:
        files = pictures_in(folder)
        for done, file in enumerate(files, start=1):
            try:
                one = magnitude_of([file], size, channels=model.preprocess.channels)
            except ImageError as error:
                failed.append(error)
            else:
                total = one if total is None else total + one
                used += 1
            moved(done, len(files))
    for reason in failed:
        complain(reason)
    if total is None:
        raise ImageError(f"none of the {len(files)} pictures in {folder} could be used.")
    return total / used


def _visualised(
    model: ImageModel,
    objectives: list[Objective],
    size: tuple[int, int],
    steps: int,
    seed: int,
    maco: bool,
    magnitude: Tensor | None,
) -> list[Visualisation]:
    """Visualise a few objectives after the other, up to an interruption."""
    from interp.features.visualisation import visualise

    found: list[Visualisation] = []
    groups = [objectives[at : at + _TOGETHER] for at in range(0, len(objectives), _TOGETHER)]
    with progress_bar("visualising") as moved:
        for number, group in enumerate(groups):

            def told(done: float, _: float, before: int = number * steps) -> None:
                moved(before + done, len(groups) * steps)

            one = visualise(
                model,
                group,
                steps=steps,
                size=size,
                seed=seed,
                parametrisation="maco" if maco else "fourier",
                magnitude=magnitude,
                progress=told,
            )
            found.append(one)
            if not one.finished:
                break
    return found


def _reached(found: Visualisation) -> list[tuple[str, float]]:
    return list(zip(found.names, found.values.tolist(), strict=True))


def _known_ending(out: Path) -> None:
    from interp.features import FeatureError

    if out.suffix and out.suffix.lower() not in _PAGES and not out.is_dir():
        raise FeatureError(f"--out {out}: give a folder, or a file of {', '.join(_PAGES)}.")
    above = next((folder for folder in out.parents if folder.exists()), out)
    if (above.is_file() and above != out) or (out.is_file() and not out.suffix):
        raise FeatureError(f"--out {out}: {above if above.is_file() else out} is a file, not a folder.")


def _written(found: list[Visualisation], out: Path) -> list[Path]:
    """Write a picture, a figure of several, or a folder of pictures."""
    from interp.explanation import DPI
    from interp.files import write_drawn
    from interp.views import visualisation_figure

    images = [image for one in found for image in one.images]
    names = [name for one in found for name in one.names]
    ending = out.suffix.lower()
    if not ending or out.is_dir():
        out.mkdir(parents=True, exist_ok=True)
        used: set[str] = set()
        paths = [out / f"{unused(plain(name), used)}.png" for name in names]
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        paths = [out]
    if len(paths) == len(images) and paths[0].suffix.lower() in _SINGLE:
        for path, image in zip(paths, images, strict=True):
            with write_drawn(path) as drawn:
                image.save(drawn, _SINGLE[path.suffix.lower()])
        return paths
    figure = visualisation_figure(
        [array for one in found for array in one.arrays],
        names,
        values=[value for one in found for value in one.values.tolist()],
    )
    with write_drawn(out) as drawn:
        figure.savefig(drawn, dpi=DPI, format=ending.lstrip("."))
    return paths
