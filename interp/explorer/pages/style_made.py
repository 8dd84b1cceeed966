"""What takes longer on the page *Style*: the nearest samples, and pictures made from noise."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st
from PIL import Image

from interp.explorer import links
from interp.explorer.figures import as_png_bytes, scrolled
from interp.explorer.page import Sight
from interp.explorer.parts import Cell, as_jpeg, viewer
from interp.explorer.pictures import as_typed, sample_pictures
from interp.explorer.settings import Settings
from interp.explorer.taking import Download, call, command_line, take_home
from interp.explorer.words import say
from interp.explorer.working import Meter, job
from interp.features import Inversion, NearestStyles, invert, nearest_by_style
from interp.models import DEFAULT_MODEL
from interp.views import number

KINDS = {
    "style": "The same texture (style)",
    "caricature": "More of what the layer sees (caricature)",
    "inversion": "What the layer still knows (inversion)",
}
ABOUT = {
    "style": "A picture made from noise whose features occur together as in yours: "
    "its texture, nothing in its place.",
    "caricature": "A picture made from noise in which the layer sees the same as in yours, overdone.",
    "inversion": "A picture made from noise that the layer cannot tell from yours. "
    "What it has forgotten is left out.",
}
STEPS = (32, 64, 128, 256, 512)
NEAREST = 5


def draw_nearest(sight: Sight) -> None:
    """Draw the samples that are nearest by style, once somebody asks."""
    files = sample_pictures(str(Settings.of().pictures))
    if len(files) < 2:
        return
    st.subheader(say("Which samples have the nearest style?"), anchor=False)
    found = job(
        "style-nearest",
        # A sample is passed over among the others, its copy is not.
        (sight.network.name, sight.network.version, sight.picture.digest, sight.picture.path, files),
        partial(_nearest, sight, files),
        button=say("Compare with all samples"),
        about=say("{count} pictures, a few seconds.", count=len(files)),
    )
    if found is not None:
        _show_nearest(sight, replace(found, picture=Path(sight.picture.name).stem), files)


def _nearest(sight: Sight, files: tuple[Path, ...], meter: Meter) -> NearestStyles:
    picture: Any = sight.picture.path or sight.picture.picture
    return nearest_by_style(sight.network.model, picture, files, count=NEAREST, batch_size=1, progress=meter)


def _show_nearest(sight: Sight, found: NearestStyles, files: tuple[Path, ...]) -> None:
    names = ", ".join(f"{match.file.stem} ({match.distance:.2f})" for match in found.matches)
    alt = say("Nearest by style to {name}: {names}", name=found.picture, names=names)
    scrolled("style-nearest", as_png_bytes(found.figure()), alt)
    folder = Path(as_typed(files[0])).parent
    command = command_line(
        "interp", "gram", sight.picture.source, model=_model(sight), folder=str(folder), count=str(NEAREST)
    )
    source = sight.picture.source
    python = (
        "from pathlib import Path\n\nimport interp\nfrom interp.features import nearest_by_style\n"
        "from interp.images import SUFFIXES\n\n"
        f"model = {call('interp.load', sight.network.name)}\n"
        f"listed = sorted(Path({str(folder)!r}).iterdir())\n"
        "files = [file for file in listed if file.suffix.lower() in SUFFIXES]\n"
        f"found = nearest_by_style(model, {source!r}, files, count={NEAREST})\n"
        "found.figure().savefig('nearest.png')\n"
        "print([(match.file.name, round(match.distance, 3)) for match in found.matches])\n"
    )
    image = Download(say("Nearest (PNG)"), "nearest.png", "image/png", lambda: as_png_bytes(found.figure()))
    note = say("The command looks into the folders inside that of the samples, too.")
    take_home("style-nearest", [image], python, command, note)


def draw_painting(sight: Sight) -> None:
    """Draw a picture that a layer takes for the given one, once somebody asks."""
    st.subheader(say("What would a picture look like that only shares this?"), anchor=False)
    layers = _layers(sight)
    links.remember("style_kind", "style", KINDS)
    links.remember("style_paint", layers[min(1, len(layers) - 1)], layers)
    links.remember("style_steps", 128, STEPS)
    links.remember("style_seed", 0, limits=(0, 9999))
    st.segmented_control(
        say("Kind"),
        list(KINDS),
        key="style_kind",
        format_func=lambda kind: say(KINDS[kind]),
        persist_state="session",
        required=True,
        label_visibility="collapsed",
    )
    first, second, third = st.columns(3)
    first.selectbox(say("At which layer"), layers, key="style_paint", persist_state="session")
    second.select_slider(say("Steps"), STEPS, key="style_steps", persist_state="session")
    third.number_input(
        say("Chance (seed)"),
        0,
        9999,
        key="style_seed",
        persist_state="session",
        help=say("Another number, another picture."),
    )
    state = st.session_state
    options = {
        "kind": state["style_kind"],
        "steps": int(state["style_steps"]),
        "seed": int(state["style_seed"]),
    }
    layer: str = state["style_paint"]
    about = ABOUT[options["kind"]]
    st.caption(say(about))
    found = job(
        "style-paint",
        (sight.network.name, sight.network.version, sight.picture.digest, layer, *options.values()),
        partial(_paint, sight, layer, options),
        button=say("Make the picture"),
        about=say("{count} steps; on one core about ten of them a second.", count=options["steps"]),
    )
    if found is not None:
        _show_painting(sight, found, options)


def _layers(sight: Sight) -> tuple[str, ...]:
    """Return the ends of the stages, or every layer of a network without stages."""
    table = sight.network.model.layers
    return tuple(table.stages) or tuple(layer.name for layer in table)


def _paint(sight: Sight, layer: str, options: dict[str, Any], meter: Meter) -> Inversion:
    return invert(sight.network.model, sight.picture.picture, [layer], progress=meter, **options)


def _show_painting(sight: Sight, found: Inversion, options: dict[str, Any]) -> None:
    made = Image.fromarray(found.arrays[0])
    seen = sight.network.model.preprocess.view(sight.picture.picture)
    kind = say(KINDS[found.kind])
    cells: list[Cell | None] = [
        Cell(as_jpeg(seen), say("The picture as the network sees it"), title=say("Picture")),
        Cell(
            as_jpeg(made),
            say("{kind} at {layer}", kind=kind, layer=found.layers[0]),
            title=found.layers[0],
            note=kind,
        ),
    ]
    viewer("style-painting", [cells], widest=480)
    st.caption(_how_near(found))
    stem = Path(sight.picture.name).stem
    layer, file = found.layers[0], f"{stem}.{found.kind}.png"
    said = ", ".join(f"{name}={value!r}" for name, value in options.items())
    python = (
        "import interp\nfrom interp.features import invert\nfrom PIL import Image\n\n"
        f"model = {call('interp.load', sight.network.name)}\n"
        f"found = invert(model, {sight.picture.source!r}, [{layer!r}], {said})\n"
        f"Image.fromarray(found.arrays[0]).save({file!r})\n"
    )
    take_home(
        "style-paint",
        [
            Download(say("Picture (PNG)"), f"{stem}.{found.kind}.png", "image/png", partial(_png, made)),
            Download(
                say("Both (PNG)"),
                f"{stem}.{found.kind}.both.png",
                "image/png",
                lambda: as_png_bytes(found.figure()),
            ),
        ],
        python,
        command_line("interp", "invert", sight.picture.source, layer=layer, model=_model(sight), **options),
    )


def _how_near(found: Inversion) -> str:
    if found.kind == "caricature":
        return say(
            "The layer sees the same pattern (cosine {cosine}), {gain} times as strong.",
            cosine=number(found.cosines[0]),
            gain=number(found.gains[0]),
        )
    return say(
        "It came as near as {distance}: 0 is what the layer cannot tell from your picture, "
        "noise begins near 1.",
        distance=number(found.distances[0]),
    )


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _model(sight: Sight) -> str | None:
    return None if sight.network.name == DEFAULT_MODEL else sight.network.name
