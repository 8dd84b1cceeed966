"""What the views of *Inside* share: the layer and channel that are looked at, and maps as cells and tiles."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import streamlit as st
from PIL import Image

from interp.explorer import links
from interp.explorer.networks import Network
from interp.explorer.parts import Cell, as_jpeg, as_png, viewer
from interp.explorer.pictures import Chosen
from interp.explorer.words import say
from interp.features import Activation, activation_of, class_activation_of
from interp.models import DEFAULT_MODEL
from interp.targets import TargetLike, where_predicted
from interp.views import Display, Interpolation, Scale, bar, heat, number, offered_for

LAYER, CHANNEL, CLASS = "inside_layer", "inside_channel", "inside_class"
OPACITY = 0.6
TILE = 112
BAR = (256, 1)
# Of all cells of a grid: more numbers make the page slow to arrive.
MOST_VALUES = 150_000
# Part of the values that the colours of `telling` tell apart, as in `kernel_figure`.
WITHIN = 0.995
_OF = "_inside_channel_of"

Map = npt.NDArray[np.float32]


@st.cache_resource(max_entries=4, show_spinner=False, hash_funcs={Network: repr, Chosen: lambda c: c.digest})
def activation(network: Network, picture: Chosen, layer: str) -> Activation:
    """Return what a layer puts out, the same for everybody who asks; not to be changed."""
    return activation_of(network.model, picture.picture, layer)


@st.cache_resource(max_entries=4, show_spinner=False, hash_funcs={Network: repr, Chosen: lambda c: c.digest})
def for_class(network: Network, picture: Chosen, layer: str, name: str | None) -> Activation:
    """Return what a layer puts out and what each channel adds to a class, not to be changed.

    Args:
        network: of any task.
        picture: that it looks at.
        layer: whose channels are asked.
        name: of the class; None for what is predicted.
    """
    target: TargetLike = where_predicted(name) if name and network.model.task == "segmentation" else name
    return class_activation_of(network.model, picture.picture, layer, target)


def layers_of(network: Network) -> tuple[str, ...]:
    """Return the layers with a map of positions: the ends of the stages, then all others in their order."""
    table = network.model.layers
    return tuple(dict.fromkeys([*table.stages, *(row.name for row in table if row.spatial)]))


def first_layer(network: Network) -> str:
    """Return the stage to begin with: the first with cells of about eight pixels, else the middle one."""
    table, stages = network.model.layers, network.model.layers.stages
    sides = [(stage, table[stage].shape) for stage in stages]
    for stage, shape in sides:
        if shape is not None and len(shape) == 3 and 7 * shape[1] <= network.model.preprocess.size[0]:
            return stage
    return stages[len(stages) // 2] if stages else layers_of(network)[0]


def choose_layer(network: Network) -> str:
    """Draw the list of layers, and return the chosen one."""
    layers = layers_of(network)
    links.remember(LAYER, first_layer(network), layers)
    st.selectbox(
        say("Layer"),
        layers,
        key=LAYER,
        format_func=lambda layer: layer_words(network, layer),
        help=say("The ends of the stages come first. Type to find a layer by its name."),
        persist_state="session",
    )
    return str(st.session_state[LAYER])


def layer_words(network: Network, layer: str) -> str:
    """Return a layer with what it puts out, and which stage it ends."""
    table = network.model.layers
    shape = "×".join(map(str, table[layer].shape or ()))
    if layer not in table.stages:
        return f"{layer} · {shape}"
    return say(
        "{layer} · {shape} · end of stage {number}",
        layer=layer,
        shape=shape,
        number=table.stages.index(layer) + 1,
    )


def ready_channel(network: Network, layer: str, count: int, default: int) -> int:
    """Return the chosen channel of a layer; of another layer or network than before it is the default."""
    of = (network.name, layer)
    if st.session_state.get(_OF, of) != of:
        st.session_state.pop(CHANNEL, None)
    st.session_state[_OF] = of
    return int(links.remember(CHANNEL, default, limits=(0, count - 1)))


def choose_channel(count: int) -> int:
    """Draw the number of the channel, which `ready_channel` made ready, and return it."""
    st.number_input(
        say("Channel, 0 … {last}", last=count - 1),
        0,
        count - 1,
        key=CHANNEL,
        persist_state="session",
    )
    return int(st.session_state[CHANNEL])


def choose_drawing(display: Display, *, over: bool = True) -> str | None:
    """Draw the colours of maps, and the opacity of those over a picture.

    Returns:
        The table of colours, None for the display's own.
    """
    colours = offered_for(display)
    links.remember("colours", colours[0], colours)
    state = st.session_state
    first, second = st.columns(2)
    first.selectbox(say("Colours"), colours, key="colours", persist_state="session")
    if over:
        links.remember("opacity", OPACITY, limits=(0.0, 1.0))
        second.slider(say("Opacity"), 0.0, 1.0, step=0.05, key="opacity", persist_state="session")
        set_opacity(state["opacity"])
    return None if state["colours"] == colours[0] else str(state["colours"])


def set_opacity(opacity: float) -> None:
    """Let what lies over a picture be seen this much, 0 … 1."""
    st.html(f"<style>:root {{ --interp-opacity: {opacity} }}</style>")


def telling(values: Map, display: Display) -> Scale:
    """Return the range that tells most values apart: a few strong edges would leave all others pale."""
    whole = Scale.of(values, display)
    limit = float(np.quantile(np.abs(values), WITHIN))
    if whole.verdict or not limit > 0:
        return whole
    return Scale.of(values, display, (-limit if display == "signed" else 0.0, limit))


def plain_cell(picture: Image.Image, alt: str, title: str, note: str = "") -> Cell:
    """Return a picture without a map, as high as the cells with a scale under them."""
    return Cell(
        as_png(picture) if max(picture.size) < 300 else as_jpeg(picture),
        alt,
        None,
        title,
        note,
        ends=("\u00a0",),
    )


def large(found: Activation, channel: int, colormap: str | None, *, key: str, rows: int) -> None:
    """Draw a channel over the picture and as its cells, in one or two rows."""
    values: Map = found.values[channel].numpy()
    scale = Scale.of(values, display_of(found.values.numpy()))
    words = {"channel": channel, "layer": found.layer, "range": scale.text}
    read = values.size * 2 <= MOST_VALUES
    over = map_cell(
        found.view,
        values,
        scale,
        alt=say("Channel {channel} of {layer} over the picture, from {range}.", **words),
        title=say("Channel {channel}", channel=channel),
        note=adds(found, channel),
        colormap=colormap,
        read=read,
    )
    cells = map_cell(
        found.view,
        values,
        scale,
        alt=say("Channel {channel} of {layer} by itself, from {range}.", **words),
        title=say("Its cells"),
        note=f"{values.shape[0]}×{values.shape[1]}",
        over=False,
        colormap=colormap,
        read=read,
    )
    viewer(key, [[over], [cells]] if rows == 2 else [[over, cells]])


def adds(found: Activation, channel: int) -> str:
    """Return in words what a channel adds to the class that was asked for, else how strong it is."""
    if found.contributions is None:
        return say("strength {value}", value=number(float(found.strengths[channel])))
    return say("adds {value}", value=with_sign(float(found.contributions.values[channel])))


def with_sign(value: float) -> str:
    """Return a number with its sign."""
    return f"{'+' if value > 0 else ''}{number(value)}"


def display_of(values: npt.NDArray[np.float32]) -> Display:
    """Return how all maps of a layer are drawn: a colour must not change its sense from one to the next."""
    return "signed" if bool((values < 0).any()) else "positive"


def map_cell(
    under: Image.Image,
    values: Map,
    scale: Scale,
    *,
    alt: str,
    title: str = "",
    note: str = "",
    over: bool = True,
    colormap: str | None = None,
    read: bool = True,
) -> Cell:
    """Return a map as a cell of the viewer, over the picture or alone as its cells.

    Args:
        under: what the network saw; the map covers all of it.
        values: raw, (height, width).
        scale: the range that is drawn.
        alt: what it shows, in a sentence.
        title: above it.
        note: beside the title.
        over: smoothly over the picture, at the page's opacity; else each cell as it is.
        colormap: a key of `interp.views.COLORMAPS`.
        read: whether the pointer reads the values.
    """
    wide = max(under.width, 320)
    size = (wide, max(round(wide * under.height / under.width), 1))
    kind: Interpolation = "bilinear" if over else "nearest"
    drawn = as_jpeg(heat(values, scale, size, colormap, kind))
    ends = (say(scale.verdict),) if scale.verdict else (number(scale.low), number(scale.high))
    return Cell(
        as_jpeg(under.resize(size)) if over else drawn,
        alt,
        drawn if over and scale.verdict is None else None,
        title,
        note,
        values if read else None,
        scale=None if scale.verdict else as_png(bar(scale, colormap, BAR)),
        ends=ends,
    )


def tile(values: Map, scale: Scale, colormap: str | None, longest: int = TILE) -> Image.Image:
    """Return a small picture of a map, each of its cells as it is."""
    rows, columns = values.shape
    part = longest / max(rows, columns)
    return heat(
        values, scale, (max(round(columns * part), 1), max(round(rows * part), 1)), colormap, "nearest"
    )


def note_on(picture: Chosen) -> str:
    """Return what the code leaves to those who brought their own picture."""
    if picture.path is not None:
        return ""
    return say("Your picture stays with you: code and link name it, they do not contain it.")


def asked_model(network: Network) -> str | None:
    """Return what commands call the network, None for the one that they take by themselves."""
    return None if network.name == DEFAULT_MODEL else network.name
