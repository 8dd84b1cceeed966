"""*Inside*, one channel: what drives it, found and made; what it is made of; what it does."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock

import streamlit as st
from cachetools import LRUCache
from PIL import Image

from interp.explorer import links
from interp.explorer.figures import as_png_bytes, figure
from interp.explorer.page import Sight
from interp.explorer.pages.inside_maps import (
    activation,
    asked_model,
    choose_channel,
    choose_drawing,
    choose_layer,
    display_of,
    large,
    ready_channel,
)
from interp.explorer.pages.inside_taking import png_of
from interp.explorer.pictures import sample_pictures
from interp.explorer.settings import Settings
from interp.explorer.taking import Download, call, command_line, take_home
from interp.explorer.words import plain, say
from interp.explorer.working import Meter, job
from interp.features import ChannelReport, Examples, Visualisation, channel_report, top_examples, visualise
from interp.features.visualisation import channel as channel_objective
from interp.views import number

STEPS = "inside_steps"
STEP_COUNTS = (16, 32, 64, 128, 256)
FIRST_STEPS = 32
# Examples of all channels of a layer, a few MB each.
KEPT = 4
# A page of panels: on a phone it is moved sideways rather than shrunk until nobody can read it.
_WIDE = (
    "<style>.st-key-inside-wide { overflow-x: auto; } .st-key-inside-wide img { min-width: 46rem; }</style>"
)


def draw(sight: Sight) -> None:
    """Draw the view."""
    st.subheader(say("What does one channel stand for?"), anchor=False)
    left, right = st.columns([1.2, 1], gap="medium")
    with right:
        layer = choose_layer(sight.network)
    found = activation(sight.network, sight.picture, layer)
    channel = ready_channel(sight.network, layer, len(found.values), found.order()[0])
    with right:
        choose_channel(len(found.values))
        colormap = choose_drawing(display_of(found.values.numpy()))
    with left:
        st.caption(say("On this picture"))
        large(found, channel, colormap, key="inside-one-map", rows=1)
    with right:
        made, steps = _made(sight, layer, channel)
    report = _report(sight, layer, channel)
    if report is not None and made is not None:
        report = replace(report, visualisation=made)
    if report is not None:
        _page(report)
    _take(sight, layer, channel, report, made, steps)


def folder() -> Path:
    """Return the folder whose pictures are gone through: the samples, or that of whoever started the app."""
    return Settings.of().pictures


def _state_of(files: tuple[Path, ...]) -> Hashable:
    """Return what changes when a picture does."""
    return tuple((str(file), file.stat().st_mtime_ns) for file in files if file.exists())


def _report(sight: Sight, layer: str, channel: int) -> ChannelReport | None:
    files = sample_pictures(str(folder()))
    if not files:
        st.info(
            say("There are no pictures in {folder} to find its examples in.", folder=plain(str(folder())))
        )
        return None
    network = sight.network
    of_layer = (network.name, network.version, layer, _state_of(files))

    def run(meter: Meter) -> ChannelReport:
        examples = _examples(of_layer, sight, layer, files, meter)
        meter(0.85, 1)
        return channel_report(network.model, examples, channel, visualised=False)

    return job(
        "inside-report",
        (*of_layer, channel),
        run,
        button=say("Find out about channel {channel}", channel=channel),
        about=say(
            "Goes through {count} pictures: which drive it most, what the classes lose without it, what "
            "it is made of. A few seconds for the first channel of a layer.",
            count=len(files),
        ),
    )


def _examples(key: Hashable, sight: Sight, layer: str, files: tuple[Path, ...], meter: Meter) -> Examples:
    """Return the examples of all channels of a layer: found once for all who ask about one of them."""
    kept, lock = _kept()
    with lock:
        if (have := kept.get(key)) is not None:
            return have
    found = top_examples(
        sight.network.model, layer, files, progress=lambda done, total: meter(0.8 * done, total)
    )
    with lock:
        kept[key] = found
    return found


@st.cache_resource(show_spinner=False)
def _kept() -> tuple[LRUCache[Hashable, Examples], Lock]:
    return LRUCache(maxsize=KEPT), Lock()


def _made(sight: Sight, layer: str, channel: int) -> tuple[Visualisation | None, int]:
    """Draw the job that makes a picture, and its result."""
    links.remember(STEPS, FIRST_STEPS, STEP_COUNTS)
    network, state = sight.network, st.session_state
    st.select_slider(
        say("Steps of the picture that is made"),
        STEP_COUNTS,
        key=STEPS,
        persist_state="session",
        help=say("More steps give a clearer picture and take longer."),
    )
    steps = int(state[STEPS])

    def run(meter: Meter) -> Visualisation:
        return visualise(network.model, channel_objective(layer, channel), steps=steps, progress=meter)

    made = job(
        "inside-made",
        (network.name, network.version, layer, channel, steps),
        run,
        button=say("Make a picture for it"),
        about=say("Begins with noise, and changes it until the channel is driven. No photograph takes part."),
    )
    if made is not None:
        image, curve = st.columns([1, 1.3])
        image.image(
            made.images[0],
            alt=say("A picture made to drive channel {channel} of {layer}.", channel=channel, layer=layer),
            width="stretch",
        )
        with curve:
            _climb(made)
    return made, steps


def _climb(made: Visualisation) -> None:
    history = made.history.mean(1).numpy()
    st.caption(
        say(
            "Mean of the channel over the picture: {first} at the beginning, {last} at the end.",
            first=number(float(history[0])),
            last=number(float(made.values[0])),
        )
    )
    st.line_chart(history, height=180, x_label=say("step"))


def _page(report: ChannelReport) -> None:
    st.html(_WIDE)
    names = ", ".join(example.file.name for example, _ in report.crops[:3])
    with st.container(key="inside-wide"):
        figure(
            report.figure(),
            say(
                "Channel {channel} of {layer}: driven most by {names}; above 0 at {part} of the positions.",
                channel=report.about.index,
                layer=report.layer,
                names=names,
                part=f"{report.about.active:.0%}",
            ),
        )


def _take(
    sight: Sight,
    layer: str,
    channel: int,
    report: ChannelReport | None,
    made: Visualisation | None,
    steps: int,
) -> None:
    name = f"{layer}.{channel}"
    downloads = []
    if report is not None:
        downloads.append(Download(say("Page (PNG)"), f"{name}.png", "image/png", partial(_figure, report)))
    if made is not None:
        picture: Image.Image = made.images[0]
        downloads.append(
            Download(say("Made picture (PNG)"), f"{name}.made.png", "image/png", partial(png_of, picture))
        )
    st.subheader(say("Take it home"), anchor=False)
    shown = folder()
    pictures = str(shown.relative_to(Path.cwd()) if shown.is_relative_to(Path.cwd()) else shown)
    steps = 0 if made is None and report is not None else steps
    options = {"visualised": False} if steps == 0 else {"steps": steps}
    given = "".join(f", {key}={value!r}" for key, value in options.items())
    python = (
        "import interp\nfrom interp.features import channel_report, top_examples\n\n"
        f"{call('model = interp.load', sight.network.name)}\n"
        f"pictures = interp.images.pictures_in({pictures!r}, recursive=False)\n"
        f"examples = top_examples(model, {layer!r}, pictures)\n"
        f"report = channel_report(model, examples, {channel}{given})\n"
        'report.figure().savefig("channel.png")\n'
    )
    command = command_line(
        "interp",
        "channel",
        str(channel),
        "--no-recursive",
        images=pictures,
        layer=layer,
        steps=steps,
        model=asked_model(sight.network),
    )
    take_home("inside-one", downloads, python, command)


def _figure(report: ChannelReport) -> bytes:
    return as_png_bytes(report.figure())
