"""*Inside*, channels: the maps of one layer, in an order, and one of them large."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from interp.explorer import links
from interp.explorer.asking import choose_class
from interp.explorer.figures import as_png_bytes
from interp.explorer.page import Sight
from interp.explorer.pages.inside_maps import (
    CHANNEL,
    CLASS,
    MOST_VALUES,
    Map,
    activation,
    asked_model,
    choose_channel,
    choose_drawing,
    choose_layer,
    display_of,
    for_class,
    large,
    map_cell,
    note_on,
    ready_channel,
    tile,
    with_sign,
)
from interp.explorer.pages.inside_taking import npz_of
from interp.explorer.parts import Cell, Choice, choices, viewer
from interp.explorer.taking import Download, call, command_line, take_home
from interp.explorer.words import plain, say
from interp.features import Activation
from interp.views import Scale, number, shared_limits

ORDER, TOP, SHARED, GRID = "inside_order", "inside_top", "inside_shared", "inside_grid"
ORDERS = {"strength": "Strongest", "class": "For a class", "index": "By number"}
DETAIL = "For the detail"
TOPS = (12, 24, 48, 96)
COLUMNS = 3


def draw(sight: Sight) -> None:
    """Draw the view."""
    left, right = st.columns([1, 1.15], gap="medium")
    with right:
        layer = choose_layer(sight.network)
        order, found = _ordered(sight, layer)
    numbers = found.order(order)
    channel = ready_channel(sight.network, layer, len(numbers), numbers[0])
    display = display_of(found.values.numpy())
    with left:
        st.subheader(_question(sight, order, found), anchor=False)
        stage = st.container()
        choose_channel(len(numbers))
        colormap = choose_drawing(display)
        with stage:
            large(found, channel, colormap, key="inside-large", rows=2)
    with right:
        _all(found, order, numbers, channel, colormap)
    _take(sight, found, order)


def _ordered(sight: Sight, layer: str) -> tuple[Any, Activation]:
    """Draw the choice of an order, and return it with the activation that has it."""
    links.remember(ORDER, "strength", ORDERS)
    named = {**ORDERS, "class": DETAIL} if sight.network.model.task == "image" else ORDERS
    st.segmented_control(
        say("Which first"),
        list(ORDERS),
        key=ORDER,
        format_func=lambda order: say(named[order]),
        persist_state="session",
        required=True,
    )
    order = st.session_state[ORDER]
    if order != "class":
        return order, activation(sight.network, sight.picture, layer)
    return order, for_class(sight.network, sight.picture, layer, _class(sight))


def _class(sight: Sight) -> str | None:
    task = sight.network.model.task
    if task == "classification":
        return choose_class(sight)
    if task == "image":
        st.caption(say("This network makes pictures and has no classes."))
        return None
    names = tuple(sight.network.model.labels)
    links.remember(CLASS, None, names)
    st.selectbox(
        say("Ask about any class"),
        names,
        index=None,
        key=CLASS,
        placeholder=say("the class with the largest region"),
        persist_state="session",
    )
    chosen: str | None = st.session_state[CLASS]
    return chosen


def _question(sight: Sight, order: str, found: Activation) -> str:
    if order == "class" and sight.network.model.task == "image":
        return say("Which channels add detail to the picture that the network makes?")
    if order == "class" and found.contributions is not None:
        target = found.contributions.target
        if (name := target.removesuffix(", where it is predicted")) != target:
            target = say("{name}, where it is predicted", name=name)
        return say("Which channels say “{name}”?", name=plain(target))
    return say("What does each channel find in the picture?")


def _map(found: Activation, channel: int) -> Map:
    values: Map = found.values[channel].numpy()
    return values


def _all(found: Activation, order: str, numbers: Sequence[int], channel: int, colormap: str | None) -> None:
    """Draw the first channels as buttons, or side by side with one zoom."""
    links.remember(TOP, 24, TOPS)
    links.remember(SHARED, False)
    links.remember(GRID, False)
    shown = list(numbers[: st.session_state[TOP]])
    display = display_of(found.values.numpy())
    maps = [_map(found, number_) for number_ in shown]
    limits = shared_limits(maps, display) if st.session_state[SHARED] else None
    scales = [Scale.of(values, display, limits) for values in maps]
    st.caption(_counted(found, order, len(shown)))
    place = st.container()
    first, second, third = st.columns([0.8, 1, 1.1], vertical_alignment="bottom")
    first.selectbox(say("How many"), TOPS, key=TOP, persist_state="session")
    second.toggle(say("All on one scale"), key=SHARED, persist_state="session")
    third.toggle(say("Zoom together"), key=GRID, persist_state="session")
    with place:
        if st.session_state[GRID]:
            _side_by_side(found, shown, maps, scales, colormap)
            return
        items = [
            Choice(str(one), f"#{one}", _noted(found, order, one), tile(values, scale, colormap))
            for one, values, scale in zip(shown, maps, scales, strict=True)
        ]
        choices("inside-tiles", say("Channels"), items, str(channel), "maps", "_inside_pressed", _pressed)


def _pressed() -> None:
    """Take over the number of the tile: buttons give text, the input beside it takes a number."""
    st.session_state[CHANNEL] = int(st.session_state["_inside_pressed"])


def _counted(found: Activation, order: str, shown: int) -> str:
    count, rows, columns = found.values.shape
    words = {"shown": shown, "count": count, "rows": rows, "columns": columns}
    if order == "class":
        return say(
            "{shown} of {count} channels of {rows}×{columns} cells, what adds most first. Press one.", **words
        )
    if order == "index":
        return say("{shown} of {count} channels of {rows}×{columns} cells, by number. Press one.", **words)
    return say(
        "{shown} of {count} channels of {rows}×{columns} cells, the strongest first. Press one.", **words
    )


def _noted(found: Activation, order: str, channel: int) -> str:
    if order == "class" and found.contributions is not None:
        return with_sign(float(found.contributions.values[channel]))
    return number(float(found.strengths[channel]))


def _side_by_side(
    found: Activation,
    shown: Sequence[int],
    maps: Sequence[Map],
    scales: Sequence[Scale],
    colormap: str | None,
) -> None:
    read = sum(values.size for values in maps) <= MOST_VALUES
    cells: list[Cell | None] = [
        map_cell(
            found.view,
            values,
            scale,
            alt=say(
                "Channel {channel} of {layer} by itself, from {range}.",
                channel=one,
                layer=found.layer,
                range=scale.text,
            ),
            title=f"#{one}",
            over=False,
            colormap=colormap,
            read=read,
        )
        for one, values, scale in zip(shown, maps, scales, strict=True)
    ]
    cells += [None] * (-len(cells) % COLUMNS)
    viewer("inside-grid", [cells[start : start + COLUMNS] for start in range(0, len(cells), COLUMNS)])
    if not read:
        st.caption(
            say(
                "These are too many cells to be read by the pointer; show fewer channels, or a coarser layer."
            )
        )


def _take(sight: Sight, found: Activation, order: str) -> None:
    state = st.session_state
    asked = {"sort": order, "top": state[TOP], "shared": state[SHARED]}
    name = f"{Path(sight.picture.name).stem}.{found.layer}"
    st.subheader(say("Take it home"), anchor=False)
    take_home(
        "inside-channels",
        [
            Download(say("Picture (PNG)"), f"{name}.png", "image/png", partial(_figure, found, asked)),
            Download(say("Values (NPZ)"), f"{name}.npz", "application/octet-stream", partial(_values, found)),
        ],
        _python(sight, found.layer, asked),
        _command(sight, found.layer, asked),
        note_on(sight.picture),
    )


def _figure(found: Activation, asked: dict[str, Any]) -> bytes:
    return as_png_bytes(found.figure(**asked))


def _values(found: Activation) -> bytes:
    added = {} if found.contributions is None else {"contributions": found.contributions.values.numpy()}
    return npz_of({"values": found.values.numpy(), **added})


def _python(sight: Sight, layer: str, asked: dict[str, Any]) -> str:
    network, source = sight.network, sight.picture.source
    by_class = asked["sort"] == "class"
    imports = ["import interp", f"from interp.features import {'class_' * by_class}activation_of"]
    function, given = "activation_of", ""
    if by_class:
        function = "class_activation_of"
        name = st.session_state.get(CLASS if network.model.task == "segmentation" else "class")
        if name and network.model.task == "segmentation":
            imports.append("from interp.targets import where_predicted")
            given = f", where_predicted({name!r})"
        elif name and network.model.task == "classification":
            given = f", {name!r}"
    options = {"shared": True} if asked["shared"] else {}
    figure = call("found.figure", asked["sort"], asked["top"], **options)
    made = f"found = {function}(model, {source!r}, {layer!r}{given})"
    return "\n".join(
        [
            *imports,
            "",
            call("model = interp.load", network.name),
            made,
            f'{figure}.savefig("channels.png")',
            "",
        ]
    )


def _command(sight: Sight, layer: str, asked: dict[str, Any]) -> str | None:
    task = sight.network.model.task
    by_class = asked["sort"] == "class"
    if by_class and task == "segmentation" and st.session_state.get(CLASS):
        return None  # the command asks for the class with the largest region only
    name = st.session_state.get("class") if by_class and task == "classification" else None
    words = ["interp", "features", sight.picture.source, *(["--shared"] if asked["shared"] else [])]
    return command_line(
        *words,
        model=asked_model(sight.network),
        layer=layer,
        sort=None if name or asked["sort"] == "strength" else asked["sort"],
        **{"class": name},
        top=None if asked["top"] == 24 else asked["top"],
    )
