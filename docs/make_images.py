"""Make the pictures of these pages again: `python docs/make_images.py [RUN [PHOTOGRAPHS]]`, from the root.

Everything is drawn by interp itself, from `sample_images` and the offline model. The pictures of a training
need the folder of a finished run, of a classifier of animals and things; no photograph of its data gets into
them. The pages of ten channels need a folder of some hundred photographs. Without these folders (`-` stands
for no run) they stay as they are.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

import interp
from interp.features import (
    apply_kernel,
    channel_report,
    concepts_of,
    deep_feature_factorisation,
    invert,
    receptive_fields,
    strip_of,
    style,
    top_examples,
    visualise,
)
from interp.features.visualisation import channels
from interp.targets import contrast, negative, several
from interp.training.checkpoint import Progress
from interp.training.drawing import draw_augmentations
from interp.training.loaders import COURSE_AUGMENTATION
from interp.training.randomness import own_randomness
from interp.training.run import Run
from interp.views import visualisation_figure

OUT = Path(__file__).parent / "images"
SAMPLES = Path(__file__).parent.parent / "sample_images"
MOST_BYTES = 150 * 1024


# Drawn by numpy's generator with the seed 0: three of 40, three of 112 and four of 1280.
TEN = {"blocks.2": (20, 24, 32), "blocks.4": (1, 4, 8), "bn2": (644, 776, 829, 1166)}


def main(run: str = "-", photographs: str | None = None) -> None:
    """Write every picture, and complain about one that is too large for a page."""
    if run != "-":
        training(Path(run))
    if photographs is not None:
        ten_channels(Path(photographs))
    model = interp.load("efficientnet_lite0")
    both, coffee = SAMPLES / "cat_and_coffee.jpg", SAMPLES / "coffee.jpg"

    _write(interp.explain(model, both, target="tiger cat").panel(height=300), "cat.jpg")
    against = interp.explain(model, coffee, target=negative("espresso"), method="grad-cam")
    _write(against.panel(height=300), "nothing.jpg")
    signed = interp.explain(model, both, target=contrast("tiger cat", "espresso"), method="hires-cam")
    _write(signed.panel(height=300), "contrast.jpg")

    two = [both, SAMPLES / "coffee_and_shuttle.jpg"]
    classes = interp.explain(model, two, target=several("tiger cat", "espresso", "space shuttle"))
    _write(_drawn(classes.grid()), "classes.jpg")
    methods = ["consensus-cam", "grad-cam", "layer-cam", "eigen-cam"]
    compared = interp.explain(model, [both, coffee], method=methods)
    _write(_drawn(compared.grid(), dpi=100), "methods.jpg")
    pair = several("tiger cat", "espresso")
    others = ["grad-cam", "layer-cam", "refine-cam", "consensus-cam"]
    _write(_drawn(interp.explain(model, [both], pair, others).grid(), dpi=100), "consensus.jpg")
    parts = interp.explain(model, [both], pair, "hires-cam(contrast=True)", model.layers.stages[-4:])
    _write(_drawn(parts.grid(), dpi=100), "consensus_parts.jpg")
    _write(_drawn(interp.gallery(model, both, "tiger cat").figure(), dpi=66), "gallery.jpg")
    judged = interp.explain(model, [SAMPLES / "cat.jpg"], "tiger cat", ["eigen-cam", "consensus-cam"])
    beside = interp.Explanations(interp.trust(each).beside(each) for each in judged)
    _write(_drawn(beside.grid(), dpi=84), "verdict.jpg")
    stages = interp.explain(model, both, target="tiger cat", method="layer-cam", layer="stages")
    _write(_drawn(stages.grid()), "stages.jpg")

    _write(_drawn(strip_of(model, SAMPLES / "cat.jpg").figure(), dpi=100), "strip.jpg")
    _write(_drawn(apply_kernel(SAMPLES / "cat.jpg", "bottom-right").figure(), dpi=90), "kernel.jpg")
    pictures = interp.images.pictures_in(SAMPLES, recursive=False)
    excited = top_examples(model, "blocks.2", pictures, k=4)
    _write(_drawn(excited.figure([12, 36, 39]), dpi=84), "examples.jpg")
    cat, fields = interp.open_image(SAMPLES / "cat.jpg"), receptive_fields(model, "blocks.4")
    _write(
        _drawn(fields.at(fields.position((173, 111), cat.size)).figure(cat), dpi=84), "receptive_field.jpg"
    )
    _write(_drawn(style(model, [SAMPLES / "cat.jpg", SAMPLES / "rocket.jpg"]).figure(), dpi=84), "gram.jpg")

    _write(_drawn(deep_feature_factorisation(model, both, concepts=5).figure(), dpi=90), "concepts.jpg")
    bank = concepts_of(model, sorted(SAMPLES.glob("*.jpg")), concepts=4)
    _write(_drawn(bank.figure(bank.on(model, both), examples=4), dpi=72), "concepts_folder.jpg")

    _write(_drawn(looked_for(model), dpi=84), "visualise.jpg")
    overdone = invert(
        model, SAMPLES / "cat.jpg", ["blocks.1", "blocks.4", "bn2"], kind="caricature", steps=128
    )
    _write(_drawn(overdone.figure(), dpi=100), "caricature.jpg")

    with tempfile.TemporaryDirectory() as folder:
        interp.write_report(model, SAMPLES, folder)
        with Image.open(Path(folder, "contact_sheet.png")) as sheet:
            _write(sheet.convert("RGB"), "contact_sheet.jpg")
        with own_randomness(1):
            run_folder, cat = Run(Path(folder), Progress()), interp.open_image(SAMPLES / "cat.jpg")
            draw_augmentations(run_folder, cat, model.preprocess, COURSE_AUGMENTATION)
        with Image.open(Path(folder, "figures", "augmentations.png")) as figure:
            _write(figure.convert("RGB"), "augmentations.jpg")


def looked_for(model: interp.ImageModel) -> Any:
    """Return a figure of what three channels of three stages look for; a minute or two."""
    asked = {"blocks.1": (48, [11, 16, 18]), "blocks.2": (48, [19, 31, 32]), "blocks.4": (96, [49, 97, 108])}
    found = [
        visualise(model, channels(layer, numbers), steps=steps) for layer, (steps, numbers) in asked.items()
    ]
    return visualisation_figure(
        [array for one in found for array in one.arrays],
        [name for one in found for name in one.names],
        values=[value for one in found for value in one.values.tolist()],
        columns=3,
        heading="What channels of three stages look for",
    )


def ten_channels(photographs: Path) -> None:
    """Write the pages of ten channels drawn by lot; about ten minutes."""
    model = interp.load("efficientnet_lite0")
    for layer, numbers in TEN.items():
        examples = top_examples(model, layer, photographs)
        for number in numbers:
            page = channel_report(model, examples, number, steps=256).figure()
            _write(_drawn(page, dpi=84), f"channels/{layer}-{number}.jpg")


def training(run: Path) -> None:
    """Write the pictures of a finished run: its curves, its mistakes, where its model looks."""
    for name in ("curves", "confusion"):
        with Image.open(run / "figures" / f"{name}.png") as figure:
            _write(figure.convert("RGB").quantize(64), f"{name}.png")
    both = SAMPLES / "cat_and_coffee.jpg"
    found = interp.explain(interp.load(run), both, target=several("animal", "thing"))
    _write(_drawn(found.grid()), "trained.jpg")


def _drawn(figure: Any, dpi: int = 120) -> Image.Image:
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=dpi, format="png")
    return Image.open(buffer).convert("RGB")


def _write(picture: Image.Image, name: str) -> None:
    picture.save(OUT / name, quality=85, optimize=True)
    size = (OUT / name).stat().st_size
    print(f"{name}: {picture.width}×{picture.height}, {size // 1024} KiB")
    if size > MOST_BYTES:
        raise SystemExit(f"{name} has more than {MOST_BYTES // 1024} KiB")


if __name__ == "__main__":
    main(*sys.argv[1:3])
