"""What the skips of a U are worth, as a table beside its drawing."""

from __future__ import annotations

import html

import streamlit as st

from interp.explorer.words import plain, say
from interp.features import Skip, UNet

LOST = {"zero": "Zeros", "mean": "Its mean", "shuffled": "Shuffled positions"}
"""What a skip may be replaced by, as in `interp.features.skips_of`."""


def draw_skips(u: UNet) -> None:
    """Draw the share of every skip, and what is lost without it; nothing where nothing was asked."""
    rows = () if u.skips is None else u.skips.rows
    if u.skips is None or not rows:
        return
    replaced = list(rows[0].ablations)
    heads = [say("Grid"), say("Skip"), *(say(LOST[name]) for name in replaced)]
    head = "".join(f"<th>{html.escape(each)}</th>" for each in heads)
    body = "".join(_row(row, replaced, u.skips.score) for row in rows)
    st.markdown(f"**{say('What the skips are worth')}**")
    st.html(f"<table class='interp-table'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
    said = say("Skip: its part of |gradient × activation| where it joins what comes up from below.")
    if replaced:
        said += " " + say("Beside it: what changes when it is replaced.")
    if u.skips.measures:
        measured = ", ".join(f"{name} {value:.3g}" for name, value in u.skips.measures.items())
        said += " " + say("With everything in its place: {measured}.", measured=measured)
    st.caption(plain(said))


def _row(row: Skip, replaced: list[str], score: float) -> str:
    cells = ["×".join(map(str, row.size)), f"{100 * row.share:.0f} %"]
    cells += [change(row, name, score) for name in replaced]
    return f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>"


def change(row: Skip, name: str, score: float) -> str:
    """Return what changes when a skip is replaced, in a few words: of a measure, else of the score.

    Args:
        row: the skip.
        name: what replaces it.
        score: with everything in its place.
    """
    found = row.ablations[name]
    for measure, value in found.measures.items():
        return _signed(value, 1 if measure == "PSNR" else 2, f" {'dB' if measure == 'PSNR' else measure}")
    return _signed(100 * found.score / abs(score), 0, " %") if score else _signed(found.score, 3, "")


def _signed(value: float, digits: int, unit: str) -> str:
    return f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}") + unit
