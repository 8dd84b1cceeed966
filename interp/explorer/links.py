"""What a link carries: the settings that differ from their defaults, as query parameters.

A setting is a key of the session's state. `remember` prepares it before its widget is made, from the link
that opened the page; `publish` writes the address that opens the page as it stands.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any
from urllib.parse import urlencode

import streamlit as st

_OPENED, _SHOWN, _REFUSED = "_opened", "_shown", "_refused"
_VALUES, _LANGUAGE, _PAGE = "_values", "_language", "_page"
_LONGEST = 500


def adopt() -> None:
    """Take the link that opened this session, once; and begin to note which settings this run shows."""
    state = st.session_state
    if _OPENED not in state:
        state[_OPENED] = {
            key: [text[:_LONGEST] for text in st.query_params.get_all(key)] for key in st.query_params
        }
        state[_VALUES], state[_REFUSED] = {}, []
    state[_SHOWN] = {}


def keep_through(language: str) -> None:
    """Keep all settings when the language changes: widgets whose words change forget what they had."""
    state = st.session_state
    if state.get(_LANGUAGE, language) != language:
        for key, value in state[_VALUES].items():
            state[key] = value
    state[_LANGUAGE] = language


def keep_on(page: str) -> None:
    """Keep what is set when another page comes: Streamlit loses it where a fragment switches to that page."""
    state = st.session_state
    if state.get(_PAGE, page) != page:
        for key in state[_VALUES]:
            if key in state:
                state[key] = state[key]
    state[_PAGE] = page


def refused() -> list[str]:
    """Return, once, the settings that the link asked for in vain."""
    names = list(dict.fromkeys(st.session_state[_REFUSED]))
    st.session_state[_REFUSED] = []
    return names


def remember(
    key: str,
    default: Any,
    options: Container[Any] | None = None,
    limits: tuple[float, float] | None = None,
) -> Any:
    """Return a setting's value, after it was made sure that it is one of those on offer.

    Args:
        key: of the session's state, and name of the query parameter.
        default: what it is when nobody says; a link does not mention it.
        options: what it may be.
        limits: the least and the largest that a number may be.
    """
    state = st.session_state
    if key not in state:
        asked = state[_OPENED].pop(key, [])
        state[key] = _read(asked, default, options)
        found = state[key] != default and _fits(state[key], default, options, limits)
        if asked and not found and asked != _written(default):
            state[_REFUSED].append(key)
    if not _fits(state[key], default, options, limits):
        state[key] = default
    state[_SHOWN][key] = default
    return state[key]


def carry(key: str, value: str | None) -> None:
    """Let the link carry a value that no widget holds, as a place that was clicked."""
    st.session_state[key] = value
    st.session_state[_SHOWN][key] = None


def publish() -> None:
    """Write the settings that this page shows into the browser's address."""
    state = st.session_state
    state[_VALUES] |= {key: state[key] for key in state[_SHOWN] if key in state and key != "lang"}
    wanted = parameters()
    if {key: st.query_params.get_all(key) for key in st.query_params} != wanted:
        st.query_params.from_dict(wanted)


def parameters() -> dict[str, list[str]]:
    """Return the query parameters that open this page as it stands."""
    shown: dict[str, Any] = st.session_state[_SHOWN]
    state = st.session_state
    differ = {key: state.get(key) for key, default in shown.items() if state.get(key) != default}
    return {key: _written(value) for key, value in differ.items() if value is not None}


def link() -> str:
    """Return the whole address that opens this page as it stands."""
    asked = urlencode(parameters(), doseq=True)
    return f"{st.context.url or ''}{'?' if asked else ''}{asked}"


def _written(value: Any) -> list[str]:
    """Return a value as a parameter, which a list repeats; an empty one says so with nothing."""
    return [str(item) for item in value] or [""] if isinstance(value, (list, tuple)) else [str(value)]


def _read(texts: list[str], default: Any, options: Container[Any] | None) -> Any:
    """Return what a parameter says, of its default's type; the default where it says nothing of the kind."""
    if not texts:
        return default
    text = texts[-1]
    try:
        if isinstance(default, bool):
            return {"True": True, "False": False}[text]
        if isinstance(default, list):
            # People type commas; a link repeats the parameter, because names may have commas.
            typed = len(texts) == 1 and (options is None or text not in options)
            return [part for part in (text.split(",") if typed else texts) if part]
        return text if default is None else type(default)(text)
    except (KeyError, ValueError):
        return default


def _fits(
    value: Any, default: Any, options: Container[Any] | None, limits: tuple[float, float] | None
) -> bool:
    if value == default:
        return True
    if isinstance(value, list):
        return options is None or all(item in options for item in value)
    if limits is not None and not limits[0] <= value <= limits[1]:  # NaN is neither
        return False
    return options is None or value in options
