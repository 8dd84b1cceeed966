"""Make the pictures of these pages again: `python docs/make_images.py`, from the repository's root.

Everything is drawn by interp itself, from `sample_images` and the offline model.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

import interp
from interp.targets import contrast, negative, several

OUT = Path(__file__).parent / "images"
SAMPLES = Path(__file__).parent.parent / "sample_images"
MOST_BYTES = 150 * 1024


def main() -> None:
    """Write every picture, and complain about one that is too large for a page."""
    model = interp.load("efficientnet_lite0")
    both, coffee = SAMPLES / "cat_and_coffee.jpg", SAMPLES / "coffee.jpg"

    _write(interp.explain(model, both, target="tiger cat").panel(height=300), "cat.jpg")
    _write(interp.explain(model, coffee, target=negative("espresso")).panel(height=300), "nothing.jpg")
    signed = interp.explain(model, both, target=contrast("tiger cat", "espresso"), method="hires-cam")
    _write(signed.panel(height=300), "contrast.jpg")

    two = [both, SAMPLES / "coffee_and_shuttle.jpg"]
    classes = interp.explain(model, two, target=several("tiger cat", "espresso", "space shuttle"))
    _write(_drawn(classes.grid()), "classes.jpg")
    methods = ["grad-cam", "grad-cam-plus-plus", "layer-cam", "eigen-cam"]
    compared = interp.explain(model, [both, coffee], method=methods)
    _write(_drawn(compared.grid(), dpi=100), "methods.jpg")
    stages = interp.explain(model, both, target="tiger cat", method="layer-cam", layer="stages")
    _write(_drawn(stages.grid()), "stages.jpg")

    with tempfile.TemporaryDirectory() as folder:
        interp.write_report(model, SAMPLES, folder)
        with Image.open(Path(folder, "contact_sheet.png")) as sheet:
            _write(sheet.convert("RGB"), "contact_sheet.jpg")


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
    main()
