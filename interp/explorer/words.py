"""What the explorer says, in the visitor's language. English is the key, as in gettext."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files

import streamlit as st

from interp.sentences import is_sentence, sentence_of

# What Streamlit's markdown looks for after it has read the backslashes: addresses, icons.
_FOUND_LATE = re.compile(r"(?i):(?=//|material/|streamlit:)|\bwww(?=\.)|(?<=\w)@(?=[\w-]+\.)")

LANGUAGES = {"en": "English", "zh": "中文"}


def language() -> str:
    """Return the language of this visit: a key of `LANGUAGES`."""
    return str(st.session_state.get("lang", "en"))


def say(text: str, **values: object) -> str:
    """Return `text` in the visitor's language, with `{name}` replaced by values.

    Example:
        >>> say("{count} pictures", count=3)
        '3 pictures'
    """
    said = chinese().get(text, text) if language() == "zh" else text
    return said.format(**values) if values else said


def plain(text: str) -> str:
    r"""Return text that markdown shows as it is: names of files and classes are nobody's markup.

    Addresses do not become links, nor `:material/...:` an icon: a sign that nobody sees stands within
    them. Ends of lines become spaces.

    Example:
        >>> plain("a*b[1]")
        'a\\\\*b\\\\[1\\\\]'
    """
    line = re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", text)
    line = _FOUND_LATE.sub(lambda found: f"{found[0]}\u2060", line)
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])", r"\\\1", line)


def told(error: BaseException) -> str:
    """Return the sentence of an error of this package, in the visitor's language where it is known there."""
    sentence = sentence_of(error)
    found = translated(sentence)
    if language() == "zh" and found == sentence:
        return say("This did not work: {reason}", reason=sentence)
    return found


def translated(sentence: str) -> str:
    """Return a sentence of this package in the visitor's language, or as it is where that is not known."""
    if language() != "zh":
        return sentence
    table, parts = _sentences()
    found = [(match, other) for pattern, other in table if (match := pattern.fullmatch(sentence))]
    if not found:
        return sentence
    # A sentence may be read in several ways; the right one has words that are known.
    match, translation = max(found, key=lambda pair: sum(v in parts for v in pair[0].groupdict().values()))
    return translation.format(**{name: parts.get(v, v) for name, v in match.groupdict().items()})


def problem(error: Exception) -> str | None:
    """Return what to say of an error, or None of one that nobody foresaw."""
    return told(error) if is_sentence(error) else None


@lru_cache(maxsize=1)
def chinese() -> Mapping[str, str]:
    """Return English → Chinese for everything that is said."""
    words: dict[str, str] = {}
    for part in sorted((files("interp.explorer") / "chinese").iterdir(), key=lambda part: part.name):
        if part.name.endswith(".json") and part.name != "errors.json":
            words |= json.loads(part.read_text(encoding="utf-8"))
    return words


@lru_cache(maxsize=1)
def _sentences() -> tuple[tuple[tuple[re.Pattern[str], str], ...], Mapping[str, str]]:
    """Return the sentences of errors with their translations, and what may stand in their places."""
    text = (files("interp.explorer") / "chinese" / "errors.json").read_text(encoding="utf-8")
    table = json.loads(text)
    return tuple((as_pattern(one), other) for one, other in table["sentences"].items()), table["parts"]


def as_pattern(template: str) -> re.Pattern[str]:
    """Return what matches a sentence made from `template`, whose `{name}` stand for any words.

    Example:
        >>> as_pattern("{name} is empty.").fullmatch("a.png is empty.")["name"]
        'a.png'
    """
    parts = re.split(r"\{(\w+)\}", template)
    literal, names = parts[0::2], parts[1::2]
    pattern = re.escape(literal[0])
    for name, rest in zip(names, literal[1:], strict=True):
        pattern += f"(?P<{name}>.+?){re.escape(rest)}"
    return re.compile(pattern, re.DOTALL)
