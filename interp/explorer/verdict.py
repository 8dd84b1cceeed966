"""Whether a map should be believed: the verdict in full, and small enough to stand beside a map."""

from __future__ import annotations

import html

from interp.explorer.words import say, translated
from interp.metrics import Trust
from interp.metrics.trusting import Level

SIGNS: dict[Level, str] = {"holds": "✓", "doubtful": "?", "fails": "✕"}
ABOUT = {
    "map": "The map",
    "weights": "What was learnt",
    "class": "The class",
    "place": "The place",
    "score": "The score",
}


def verdict(found: Trust) -> str:
    """Return the verdict with every check that was made, as HTML in the page's style."""
    rows = "".join(
        f"<li class='{check.level}'><i aria-hidden='true'>{SIGNS[check.level]}</i>"
        f"<span><b>{_safe(say(ABOUT[check.about]))}</b> {_safe(translated(check.words))}</span></li>"
        for check in found.checks
    )
    return f"<div class='interp-verdict {found.level}'><strong>{mark(found)}</strong><ul>{rows}</ul></div>"


def badge(found: Trust) -> str:
    """Return the verdict in a few words, with its reasons for the pointer, as HTML in the page's style."""
    reasons = " ".join(map(translated, found.reasons))
    return f"<span class='interp-badge {found.level}' title='{_safe(reasons)}'>{mark(found)}</span>"


def mark(found: Trust) -> str:
    """Return the sign and the words of the level, as HTML."""
    return f"<i aria-hidden='true'>{SIGNS[found.level]}</i> {_safe(say(found.words))}"


def _safe(text: str) -> str:
    return html.escape(text, quote=True)
