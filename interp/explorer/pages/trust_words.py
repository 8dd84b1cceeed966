"""Metrics in plain words, in English; `say` has the other languages."""

from __future__ import annotations

from interp.metrics.registry import Kind

GROUPS: dict[Kind, str] = {
    "faithfulness": "Faithful? Does the score change with what the map shows?",
    "localisation": "In the right place? Does it lie where the class is?",
    "stability": "Stable? Does it stay when nothing that matters changes?",
    "complexity": "Simple? How much does it show at once?",
    "sanity": "Sane? Does it need what the network has learnt, and what was asked?",
}
ABOUT: dict[str, tuple[str, str]] = {
    "road": (
        "Taken away without a trace",
        "The strongest or the weakest places are filled in from their neighbours: how much more the "
        "strongest are missed.",
    ),
    "average-drop": (
        "Lost behind the map",
        "The part of the probability that is lost when the picture is seen only through the map.",
    ),
    "increase": (
        "Surer through the map",
        "1 where the network is surer when it sees only what the map shows, else 0.",
    ),
    "coherency": (
        "Sees itself again",
        "How much the map of what the map leaves of the picture is like the map itself.",
    ),
    "adcc": (
        "Coherent, simple, nothing lost",
        "Three checks in one number: sees itself again, is simple, loses little.",
    ),
    "arcc": (
        "Coherent, simple, really missed",
        "Three checks in one number: sees itself again, is simple, is missed when it is taken away.",
    ),
    "infidelity": (
        "Foretells what changes do",
        "Squares are taken away: the part of what then happens that the map does not foretell.",
    ),
    "relevance-mass": ("Share in the box", "The part of what the map shows that lies in the box."),
    "rank-accuracy": (
        "Strongest in the box",
        "The part of the box that is among as many strongest places.",
    ),
    "pointing-game": ("Points into the box", "1 where the strongest place lies in the box, or close to it."),
    "box-iou": ("Draws the same box", "How well a box around what the map shows fits your box."),
    "max-sensitivity": (
        "Shaken by noise",
        "By how much of its size the map changes, at most, under noise that nobody can see.",
    ),
    "flip-agreement": ("Follows a mirror", "How alike the map is to that of the mirrored picture."),
    "shift-agreement": (
        "Follows a shift",
        "How alike the map is to those of the picture moved by a few pixels.",
    ),
    "seed-agreement": ("The same with other luck", "How alike the maps are when chance falls otherwise."),
    "sparseness": ("Concentrated", "0 where all places count the same, near 1 where few places count."),
    "entropy": ("Spread out", "1 where all places count the same, near 0 where few places count."),
    "random-class": ("Asked about another class", "How alike the map is to those of other classes."),
}
