"""What people take away of the U: the picture, and the same as Python and as a command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from interp.explorer.figures import as_png_bytes
from interp.explorer.page import Sight
from interp.explorer.pages.segmentation_asked import Asking
from interp.explorer.pages.segmentation_taking import note
from interp.explorer.pages.segmentation_truth import Truth
from interp.explorer.taking import Download, call, command_line, take_home
from interp.explorer.words import say
from interp.features import UNet

# As `interp unet` writes it.
DPI = 220
NOBODY_SAID = "interp.targets.where_predicted()"


@dataclass(frozen=True, eq=False)
class Drawn:
    """The U as it stands on the page.

    Attributes:
        u: what is drawn.
        asked: what its skips and maps are about; `None` where nothing is asked.
        show: what fills the boxes, as of `unet_of`.
        ablate: what replaces the skips.
        truth: what the loss is measured by.
        options: of `UNet.figure`; those that are None are as usual.
    """

    u: UNet
    asked: Asking | None
    show: str
    ablate: tuple[str, ...]
    truth: Truth | None
    options: Mapping[str, Any]


def take_u(sight: Sight, drawn: Drawn) -> None:
    """Draw the download of the U, and the same as Python, command and link."""
    name = f"{Path(sight.picture.name).stem}_u.png"
    options = {key: value for key, value in drawn.options.items() if value is not None}

    def png() -> bytes:
        return as_png_bytes(drawn.u.figure(**options), DPI)

    st.markdown(f"**{say('Take it home')}**")
    take_home(
        "u",
        [Download(say("The U as a picture"), name, "image/png", png)],
        _python(sight, drawn, options, name),
        _command(sight, drawn, options, name),
        note(sight),
    )


def _target(sight: Sight, asked: Asking | None) -> str:
    if asked is None:
        return ""
    usual = NOBODY_SAID if sight.network.model.task == "segmentation" else None
    said = asked.python or usual
    return "" if said is None else f", {said}"


def _python(sight: Sight, drawn: Drawn, options: Mapping[str, Any], name: str) -> str:
    lines = ["import interp", "from interp.features import unet_of"]
    given = [_target(sight, drawn.asked)]
    if drawn.show != "mean":
        given.append(f", show={drawn.show!r}")
    if drawn.ablate:
        given.append(f", ablate={[*drawn.ablate]!r}")
    if drawn.truth is not None:
        lines.append("from interp.images.masks import open_mask")
        given.append(f", truth=open_mask({drawn.truth.source!r})")
    model = call("interp.load", sight.network.name)
    lines += [
        "",
        f"found = unet_of({model}, {sight.picture.source!r}{''.join(given)})",
        f"{call('found.figure', **options)}.savefig({name!r}, dpi={DPI})",
    ]
    return "\n".join(lines) + "\n"


def _command(sight: Sight, drawn: Drawn, options: Mapping[str, Any], name: str) -> str:
    asked = drawn.asked
    dense = sight.network.model.task == "segmentation"
    line = command_line(
        "interp",
        "unet",
        sight.picture.source,
        model=sight.network.name,
        region=None if asked is None else asked.command or ("predicted" if dense else None),
        **{"class": None if asked is None else asked.wanted},
        measure=None if asked is None else asked.measure,
        show=None if drawn.show == "mean" else drawn.show,
        ablate=list(drawn.ablate),
        truth=None if drawn.truth is None else drawn.truth.source,
        colormap=options.get("colormap"),
        out=name,
    )
    return f"{line} --over" if options.get("over") else line
