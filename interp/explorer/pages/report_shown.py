"""What is seen of a finished report, and how it is taken home."""

from __future__ import annotations

import html
from collections.abc import Sequence
from functools import partial

import streamlit as st

from interp.defaults import METHOD
from interp.explorer.asking import class_targets
from interp.explorer.networks import Network
from interp.explorer.pages.report_made import Asked, Made
from interp.explorer.pictures import as_typed
from interp.explorer.settings import Settings
from interp.explorer.taking import Download, call, command_line, take_home
from interp.explorer.words import say, told
from interp.methods import INPUT
from interp.models import DEFAULT_MODEL
from interp.report import ReportError

SHEET, PAGE = "contact_sheet.png", "index.html"
TOP = 3


def show(network: Network, made: Made, asked: Asked, *, uploaded: bool) -> None:
    """Draw the contact sheet, the pictures that failed, and the downloads."""
    explained = made.pictures - len(made.failed)
    st.subheader(say("{count} of {all} pictures explained", count=explained, all=made.pictures), anchor=False)
    if made.failed:
        _failed(made)
    st.image(
        made.file(SHEET),
        width="content",
        alt=say(
            "Contact sheet: {count} pictures under their maps, each with its first class.", count=explained
        ),
    )
    st.subheader(say("Take it home"), anchor=False)
    downloads = [Download(say("Everything (ZIP)"), "report.zip", "application/zip", lambda: made.packed)]
    if made.one_page:
        downloads.append(Download(say("Page (HTML)"), "report.html", "text/html", partial(made.file, PAGE)))
    take_home(
        "report",
        downloads,
        _python(network, asked, uploaded=uploaded),
        _command(network, asked, uploaded=uploaded),
        say("Your pictures stay with you: put them into a folder called pictures.") if uploaded else "",
    )


def _python(network: Network, asked: Asked, *, uploaded: bool) -> str:
    names = class_targets(network)
    model = call("interp.load", network.name)
    report = call(
        "interp.write_report",
        "MODEL",
        _folder(uploaded=uploaded),
        "report",
        classes=[names[index] for index in asked.classes] or None,
        top_classes=None if asked.top == TOP else asked.top,
        method=None if asked.method == METHOD else asked.method,
        layer=None if asked.layer in (network.model.layers.default, INPUT) else asked.layer,
    ).replace("'MODEL'", "model", 1)
    return f"import interp\n\nmodel = {model}\nreport = {report}\nprint(report.pictures, report.failed)\n"


def _command(network: Network, asked: Asked, *, uploaded: bool) -> str:
    names = class_targets(network)
    return command_line(
        "interp",
        "report",
        _folder(uploaded=uploaded),
        model=None if network.name == DEFAULT_MODEL else network.name,
        **{"class": [names[index] for index in asked.classes]},
        top=None if asked.top == TOP else asked.top,
        method=None if asked.method == METHOD else asked.method,
        layer=None if asked.layer in (network.model.layers.default, INPUT) else asked.layer,
    )


def _failed(made: Made) -> None:
    """Draw a table of them. Names are whatever people sent, so nothing of them is markup."""
    head = _row("th", [say("File"), say("Why it could not be explained")])
    rows = "".join(_row("td", [name, told(ReportError(reason))]) for name, reason in made.failed)
    st.html(f"<table class='interp-table'><thead>{head}</thead><tbody>{rows}</tbody></table>")


def _row(kind: str, texts: Sequence[str]) -> str:
    cells = "".join(f"<{kind}>{html.escape(text)}</{kind}>" for text in texts)
    return f"<tr>{cells}</tr>"


def _folder(*, uploaded: bool) -> str:
    return "pictures" if uploaded else as_typed(Settings.of().pictures)
