"""The page of a report: draws its maps itself, needs nothing from outside, and shows any number of rows."""

from __future__ import annotations

import base64
import hashlib
import shutil
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import jinja2
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from interp.files import write_whole, write_whole_folder
from interp.methods import get
from interp.report.page_cards import FINE, ROUGH, card
from interp.report.page_table import Table
from interp.report.pipeline import Job
from interp.report.rows import Row
from interp.views import default_for, table

INLINE = 256
"""How many pictures lie in the page itself; of more, only the table does not lie in files beside it."""
CHUNK = 64
"""How many cards lie in one file."""
DATA = "data"
SCRIPTS = ("report.table.js", "report.cards.js", "report.js")
Piece = tuple[str, int, Any]


def write_page(job: Job, about: dict[str, Any], rows: Iterable[Row], path: Path) -> None:
    """Write `index.html`: prediction, picture, map and overlay, filters, other classes on a click.

    Maps travel as values and are coloured in the browser with the same table and scale as everywhere else,
    so opacity and class change at once and the files stay small. Up to `INLINE` pictures make one file. Of
    more, the page loads what it shows from pieces in `data/`: a packed table of all rows to filter by, names
    for who searches them, and cards, `CHUNK` a file. Rows pass through one by one; none is kept.

    Args:
        job: what was asked of the pictures.
        about: what `report.json` says.
        rows: in the order of the page.
        path: of `index.html`; the pieces lie beside it.
    """
    passing = iter(rows)
    few = list(islice(passing, INLINE + 1))
    found = Table(job.model.labels.__getitem__)
    if len(few) <= INLINE:
        pieces = list(_pieces(job, few, found, FINE))
        shutil.rmtree(path.parent / DATA, ignore_errors=True)
    else:
        _write_pieces(_pieces(job, chain(few, passing), found, ROUGH), path.parent / DATA)
        pieces = []
    text = _page(job, about, found, pieces)
    with write_whole(path) as part:
        # Names of files that are no UTF-8 have halves of characters, which are shown as JSON has them.
        part.write_text(text, encoding="utf-8", errors="backslashreplace")


def _pieces(job: Job, rows: Iterable[Row], found: Table, most_values: int) -> Iterator[Piece]:
    """Yield (kind, number, content) of all that the page loads, as the rows pass."""
    method = get(job.method)
    cards: list[dict[str, Any]] = []
    number = 0
    for row in rows:
        name = job.shown(row.file)
        cards.append(card(row, name, method, job.model.labels, most_values))
        yield from found.add(row, name)
        if len(cards) == CHUNK:
            yield "part", number, cards
            number, cards = number + 1, []
    if cards:
        yield "part", number, cards
    yield from found.rest()


def _write_pieces(pieces: Iterable[Piece], folder: Path) -> None:
    """Write each piece as a script; the folder of an earlier report stays until this one is whole."""
    with write_whole_folder(folder) as coming:
        for kind, number, content in pieces:
            # A page that was opened as a file may run a script beside it, and read nothing else.
            with write_whole(coming / f"{kind}-{number:05d}.js") as part:
                part.write_text(f'interpReport("{kind}",{number},{_json(content)});\n', encoding="ascii")


def _json(content: Any) -> Markup:
    """Return JSON that ends no element and no line of a script: ASCII, without signs of markup."""
    return htmlsafe_json_dumps(content, separators=(",", ":"), allow_nan=False)


def _page(job: Job, about: dict[str, Any], found: Table, pieces: list[Piece]) -> str:
    method = get(job.method)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("interp.report"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    style = _source(environment, "report.css")
    script = "".join(_source(environment, name) for name in SCRIPTS)
    head = {
        **found.head(),
        "chunk": CHUNK,
        "inline": bool(pieces),
        "colours": base64.b64encode(table(default_for(method.display)).tobytes()).decode(),
        "nothing": 0.5 if method.display == "signed" else 0.0,
    }
    return environment.get_template("report.html.j2").render(
        title=f"{job.model.name} · {method.title}",
        model=job.model.name,
        method=method,
        layer=job.layer,
        panels=job.panels is not None,
        about=about,
        tally=found.tally,
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
        head=_json(head),
        pieces=[(kind, number, _json(content)) for kind, number, content in pieces],
        cards=[each for kind, _, content in pieces if kind == "part" for each in content],
    )


def _source(environment: jinja2.Environment, name: str) -> str:
    if environment.loader is None:
        raise jinja2.TemplateNotFound(name)
    return environment.loader.get_source(environment, name)[0]


def _hash(text: str) -> str:
    """Return what a content security policy calls a text by, so that no other script may run in the page."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
