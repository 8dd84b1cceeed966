"""*Inside*, receptive field: what a layer's position over a clicked pixel can see of the picture."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import streamlit as st
from PIL import Image

from interp.explorer import links
from interp.explorer.figures import as_png_bytes
from interp.explorer.networks import Network
from interp.explorer.page import Sight
from interp.explorer.pages.inside_field_drawn import drawn, inside, reached, small
from interp.explorer.pages.inside_maps import LAYER, asked_model, choose_layer, note_on
from interp.explorer.pages.inside_taking import npz_of
from interp.explorer.parts import Cell, Choice, Picked, as_jpeg, choices, viewer
from interp.explorer.pictures import Chosen
from interp.explorer.taking import Download, call, command_line, take_home
from interp.explorer.words import say
from interp.explorer.working import Meter, job
from interp.features import FeatureError, ReceptiveField, receptive_fields

PLACE = "inside_place"
CENTRE = Picked(0.5, 0.5, 0.5, 0.5)
TILE = 150

Borders = tuple[tuple[int, int], tuple[float, float]] | None


@st.cache_resource(max_entries=48, show_spinner=False, hash_funcs={Network: repr})
def field_at(
    network: Network, layer: str, pixel: tuple[float, float], size: tuple[int, int]
) -> ReceptiveField:
    """Return the field of the position over a pixel of a picture of some size, cut off at the border."""
    fields = receptive_fields(network.model, layer)
    return fields.at(fields.position(pixel, size), unbounded=False)


def draw(sight: Sight) -> None:
    """Draw the view."""
    st.subheader(say("What can one position of a layer see?"), anchor=False)
    left, right = st.columns([1.4, 1], gap="medium")
    place = _place()
    with right:
        layer = choose_layer(sight.network)
    pixel = pixel_of(place, sight.picture)
    field = _field(sight, layer, pixel)
    with left:
        _view(sight, field, place)
        st.caption(say("Click anywhere, or move the pointer by the arrow keys and press Enter."))
    with right:
        if field is not None:
            _words(sight, layer, field)
        _grown(sight, pixel)
    _take(sight, layer, field, pixel)


def pixel_of(place: Picked, picture: Chosen) -> tuple[float, float]:
    """Return the pixel (x, y) of the original under a place, always inside of it."""
    width, height = picture.picture.size
    return min(int(place.left * width), width - 1) + 0.0, min(int(place.top * height), height - 1) + 0.0


def _place() -> Picked:
    read = Picked.read(links.remember(PLACE, None))
    place = CENTRE if read is None else Picked(read.left, read.top, read.left, read.top)
    links.carry(PLACE, None if place == CENTRE else place.text)
    return place


def _field(sight: Sight, layer: str, pixel: tuple[float, float]) -> ReceptiveField | None:
    """Return the field, or None after a sentence where the network does not see the pixel."""
    box = sight.network.model.preprocess.box(sight.picture.picture.size)
    if not (box.left <= pixel[0] < box.right and box.top <= pixel[1] < box.bottom):
        st.warning(
            say("The network does not see this part of the picture: it cuts the border off. Click inside.")
        )
        return None
    return field_at(sight.network, layer, pixel, sight.picture.picture.size)


def _view(sight: Sight, field: ReceptiveField | None, place: Picked) -> None:
    picture = small(sight.picture.picture)
    if field is None:
        cell = Cell(
            as_jpeg(picture), say("The picture, of which a place was chosen that the network does not see.")
        )
        viewer("inside-field", [[cell]], pick="point", marked=place, on_pick=_pick)
        return
    row, column = field.position
    box = field.on(picture.size)
    cell = Cell(
        as_jpeg(drawn(picture, field)),
        say(
            "Row {row}, column {column} of {layer} sees {part} of the picture; brighter counts more.",
            row=row + 1,
            column=column + 1,
            layer=plain_layer(field),
            part=f"{share(field):.0%}",
        ),
        None,
        say(
            "Row {row}, column {column} of {layer}", row=row + 1, column=column + 1, layer=plain_layer(field)
        ),
        say("line: all that it sees, dashed: 90 % of the weight"),
    )
    viewer("inside-field", [[cell]], pick="point", marked=inside(box, picture), on_pick=_pick)


def _pick(place: Picked) -> None:
    links.carry(PLACE, Picked(place.left, place.top, place.left, place.top).text)


def plain_layer(field: ReceptiveField) -> str:
    """Return the layer as people call it."""
    return field.layer.removesuffix("@0")


def share(field: ReceptiveField) -> float:
    """Return the part of the network's input that is inside the field, 0 … 1."""
    height, width = (int(side) for side in field.weights.shape)
    return field.box.width * field.box.height / (width * height)


def _words(sight: Sight, layer: str, field: ReceptiveField) -> None:
    height, width = field.weights.shape
    core = field.core()
    st.markdown(
        say(
            "It sees **{across} × {down}** of the network's {width} × {height} input pixels; **90 %** of "
            "what counts lies in {core_across} × {core_down} of them.",
            across=round(field.box.width),
            down=round(field.box.height),
            width=width,
            height=height,
            core_across=round(core.width),
            core_down=round(core.height),
        )
    )
    network = sight.network

    def run(meter: Meter) -> tuple[Borders]:
        return (receptive_fields(network.model, layer, progress=meter).unbounded,)

    found = job(
        "inside-unbounded",
        (network.name, network.version, layer),
        run,
        button=say("How large without borders?"),
        about=say("Runs on larger and larger inputs; some seconds for deep layers."),
    )
    if found is None:
        return
    if found[0] is None:
        st.markdown(say("Its size has no limit, or the network runs on inputs of one size only."))
        return
    (down, across), (stride_down, stride_across) = found[0]
    st.markdown(
        say(
            "Without borders it is **{across} × {down}** pixels, and neighbours are {step} apart.",
            across=across,
            down=down,
            step=f"{stride_across:g}"
            if stride_across == stride_down
            else f"{stride_across:g} × {stride_down:g}",
        )
    )


def _grown(sight: Sight, pixel: tuple[float, float]) -> None:
    """Draw the field of every stage over the place, as buttons that choose the layer."""
    network, stages = sight.network, sight.network.model.layers.stages
    size = sight.picture.picture.size
    box = network.model.preprocess.box(size)
    if not stages or not (box.left <= pixel[0] < box.right and box.top <= pixel[1] < box.bottom):
        return

    def run(meter: Meter) -> dict[str, ReceptiveField]:
        found = {}
        for number, stage in enumerate(stages):
            meter(number, len(stages))
            try:
                found[stage] = field_at(network, stage, pixel, size)
            except FeatureError:  # a stage of which nothing is known is left out
                continue
        return found

    found = job(
        "inside-grown",
        (network.name, network.version, pixel, size),
        run,
        button=say("See it grow through the stages"),
        about=say("The field of this place at the end of every stage."),
    )
    if not found:
        return
    picture = small(sight.picture.picture, 2 * TILE)
    items = [
        Choice(stage, stage, f"{round(field.box.width)}×{round(field.box.height)}", reached(picture, field))
        for stage, field in found.items()
    ]
    choices(
        "inside-grown-tiles",
        say("Fields of the stages"),
        items,
        str(st.session_state[LAYER]),
        "maps",
        LAYER,
    )


def _take(sight: Sight, layer: str, field: ReceptiveField | None, pixel: tuple[float, float]) -> None:
    stem = Path(sight.picture.name).stem
    downloads = []
    if field is not None:
        picture = sight.picture.picture
        downloads = [
            Download(say("Picture (PNG)"), f"{stem}.sees.png", "image/png", partial(_figure, field, picture)),
            Download(
                say("Weights (NPZ)"), f"{stem}.sees.npz", "application/octet-stream", partial(_weights, field)
            ),
        ]
    x, y = pixel
    python = (
        "import interp\nfrom interp.features import receptive_fields\n\n"
        f"{call('model = interp.load', sight.network.name)}\n"
        f"picture = interp.open_image({sight.picture.source!r})\n"
        f"fields = receptive_fields(model, {layer!r})\n"
        f"field = fields.at(fields.position(({x:g}, {y:g}), picture.size))\n"
        'field.figure(picture).savefig("sees.png")\n'
    )
    command = command_line(
        "interp",
        "features",
        sight.picture.source,
        layer=layer,
        at=f"{x:g},{y:g}",
        model=asked_model(sight.network),
    )
    st.subheader(say("Take it home"), anchor=False)
    # Of a place that the network does not see there is nothing to make.
    python_, command_ = (None, None) if field is None else (python, command)
    take_home("inside-field", downloads, python_, command_, note_on(sight.picture))


def _figure(field: ReceptiveField, picture: Image.Image) -> bytes:
    return as_png_bytes(field.figure(picture))


def _weights(field: ReceptiveField) -> bytes:
    boxes = {"box": field.box, "core": field.core()}
    ends = {name: np.array([box.left, box.top, box.right, box.bottom]) for name, box in boxes.items()}
    return npz_of({"weights": field.weights, **ends})
