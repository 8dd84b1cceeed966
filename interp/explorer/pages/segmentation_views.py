"""Pictures of the page *Segmentation*: classes as colours, and the levels as buttons."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import streamlit as st
from PIL import Image
from scipy import ndimage

from interp.dense import RegionTarget
from interp.explanation import Explanation
from interp.explorer.asking import areas, logits
from interp.explorer.drawing import LONGEST, stage_tile
from interp.explorer.networks import Network
from interp.explorer.page import Sight
from interp.explorer.pages.segmentation_asked import levels
from interp.explorer.parts import Cell, Choice, as_jpeg, as_png
from interp.explorer.pictures import Chosen
from interp.explorer.words import say
from interp.images import Box
from interp.views import Drawing, class_colours, covered, mask_over

SWATCH = (160, 14)
NOTHING = -1
LINE = 2


def classes_over(picture: Image.Image, box: Box, output: np.ndarray, opacity: float = 1.0) -> Image.Image:
    """Return a picture with the predicted classes as colours; what the network never saw has none.

    Args:
        picture: of any size.
        box: the part of it that the network saw, in its pixels.
        output: `(classes, H, W)` of the network.
        opacity: share of the colours, 0 … 1.
    """
    first, upper, last, lower = covered(picture.size, (box.left, box.top, box.right, box.bottom))
    rows = ((np.arange(upper, lower) + 0.5 - box.top) / box.height * output.shape[1]).astype(int)
    columns = ((np.arange(first, last) + 0.5 - box.left) / box.width * output.shape[2]).astype(int)
    shown = np.full((picture.height, picture.width), NOTHING)
    shown[upper:lower, first:last] = output.argmax(0)[np.ix_(rows, columns)]
    colours = class_colours(len(output))
    return Image.fromarray(mask_over(np.asarray(picture), shown, colours, void=NOTHING, opacity=opacity))


def classes_cell(sight: Sight) -> Cell:
    """Return the predicted classes as a cell of the viewer."""
    found = areas(sight.network, sight.picture)
    names = ", ".join(f"{sight.network.model.labels[i]} {100 * part:.0f} %" for i, part in found[:5])
    under, over = _classes_layers(sight.network, sight.picture)
    alt = say("Predicted classes as colours: {names}.", names=names)
    return Cell(under, alt, over, say("What it predicts"))


@st.cache_data(
    max_entries=16, show_spinner=False, hash_funcs={Network: repr, Chosen: lambda chosen: chosen.digest}
)
def _classes_layers(network: Network, picture: Chosen) -> tuple[str, str]:
    small = picture.picture.copy()
    small.thumbnail((LONGEST, LONGEST), reducing_gap=3.0)
    box = network.model.preprocess.box(picture.picture.size)
    across, down = small.width / picture.picture.width, small.height / picture.picture.height
    box = Box(box.left * across, box.top * down, box.right * across, box.bottom * down)
    return as_jpeg(small), as_jpeg(classes_over(small, box, logits(network, picture).numpy()))


def outlined(size: tuple[int, int], box: Box, region: np.ndarray) -> Image.Image:
    """Return the outline of a region, white in black, on nothing.

    Args:
        size: `(width, height)` of the picture.
        box: the part of it that the network saw, in its pixels.
        region: bool `(H, W)` of the output.
    """
    first, upper, last, lower = covered(size, (box.left, box.top, box.right, box.bottom))
    rows = ((np.arange(upper, lower) + 0.5 - box.top) / box.height * region.shape[0]).astype(int)
    columns = ((np.arange(first, last) + 0.5 - box.left) / box.width * region.shape[1]).astype(int)
    inside = np.zeros((size[1], size[0]), bool)
    inside[upper:lower, first:last] = region[np.ix_(rows, columns)]
    # The edge of the picture closes a region, too.
    white = inside & ~ndimage.binary_erosion(inside, iterations=LINE)
    black = ndimage.binary_dilation(white, iterations=1) & ~white
    drawn = np.zeros((*inside.shape, 2), np.uint8)
    drawn[white] = 255
    drawn[black, 1] = 255
    return Image.fromarray(drawn, "LA")


def with_outline(cell: Cell, explanation: Explanation) -> Cell:
    """Return a cell with the outline of the region that was asked about; a mark shows a pixel or a box."""
    target = explanation.target
    if not isinstance(target, RegionTarget) or target.place is not None:
        return cell
    return replace(
        cell, lines=_outline(explanation.picture.size, explanation.box, target.region.cpu().numpy())
    )


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs={Box: repr})
def _outline(size: tuple[int, int], box: Box, region: np.ndarray) -> str:
    return as_png(outlined(size, box, region))


def legend(sight: Sight, names: list[str]) -> list[Choice]:
    """Return the predicted classes as buttons in their colours.

    Args:
        sight: what is looked at.
        names: how the classes are asked for, by index.
    """
    colours = class_colours(len(logits(sight.network, sight.picture)))
    return [
        Choice(
            names[index],
            sight.network.model.labels[index],
            f"{100 * part:.1f} %",
            Image.new("RGB", SWATCH, tuple(colours[index].tolist())),
        )
        for index, part in areas(sight.network, sight.picture)
    ]


def roles(network: Network) -> dict[str, tuple[str, str]]:
    """Return the layers of the U in the order of the data, with what each is and the size of its grid.

    Encoder and decoder of one number have one grid; the picture's own is 1.
    """
    found = levels(network)
    named = {found.bottleneck: say("Bottleneck")}
    for number, row in enumerate(found.rows, 1):
        if row.encoder is not None:
            named[row.encoder] = say("Encoder {number}", number=number)
        if row.decoder is not None:
            named[row.decoder] = say("Decoder {number}", number=number)
    shapes = {layer: network.model.layers[layer].shape for layer in found.layers}
    return {layer: (named[layer], "×".join(map(str, shapes[layer][1:]))) for layer in found.layers}


def level_tiles(sight: Sight, found: dict[str, Explanation], drawing: Drawing) -> list[Choice]:
    """Return the map at every level as a button."""
    named = roles(sight.network)
    return [Choice(layer, *named[layer], stage_tile(each, drawing)) for layer, each in found.items()]
