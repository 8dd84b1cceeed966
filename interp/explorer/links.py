"""What a link carries: the settings that differ from their defaults, as query parameters.

A setting is a key of the session's state. `remember` prepares it before its widget is made, from the link
that opened the page; `publish` writes the address that opens the page as it stands.
"""

from __future__ import annotations

import math
from collections.abc import Container
from typing import Any
from urllib.parse import urlencode

import streamlit as st

_OPENED, _SHOWN = "_opened", "_shown"
_LONGEST = 500


def adopt() -> None:
    """Take the link that opened this session, once; and forget which settings the last run showed."""
    if _OPENED not in st.session_state:
        st.session_state[_OPENED] = {key: st.query_params[key][:_LONGEST] for key in st.query_params}
    st.session_state[_SHOWN] = {}


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
        state[key] = _read(state[_OPENED].pop(key, None), default)
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
    wanted = parameters()
    if dict(st.query_params) != wanted:
        st.query_params.from_dict(wanted)


def parameters() -> dict[str, str]:
    """Return the query parameters that open this page as it stands."""
    shown: dict[str, Any] = st.session_state[_SHOWN]
    state = st.session_state
    differ = {key: state.get(key) for key, default in shown.items() if state.get(key) != default}
    return {key: _written(value) for key, value in differ.items() if value is not None}


def link() -> str:
    """Return the whole address that opens this page as it stands."""
    asked = urlencode(parameters())
    return f"{st.context.url or ''}{'?' if asked else ''}{asked}"


def _written(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _read(text: str | None, default: Any) -> Any:
    """Return what a parameter says, of its default's type; the default where it says nothing of the kind."""
    if text is None:
        return default
    try:
        if isinstance(default, bool):
            return {"True": True, "False": False}[text]
        if isinstance(default, list):
            return text.split(",") if text else []
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
    if limits is not None and not (math.isfinite(value) and limits[0] <= value <= limits[1]):
        return False
    return options is None or value in options
