"""What people take away: files, the Python or the command that makes the same, and a link."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import add_script_run_ctx, get_script_run_ctx

from interp.explorer.links import link
from interp.explorer.words import say


@dataclass(frozen=True)
class Download:
    """One file; its bytes are made when somebody asks for them."""

    label: str
    file_name: str
    mime: str
    data: Callable[[], bytes]


def take_home(
    key: str,
    downloads: Sequence[Download],
    python: str | None = None,
    command: str | None = None,
    note: str = "",
) -> None:
    """Draw the downloads, and the same view as Python, as a command and as a link.

    Args:
        key: of this block; one on a page.
        downloads: the files.
        python: code that makes the same, or None where there is none.
        command: for the shell, or None.
        note: a line about what the code leaves to the reader.
    """
    with st.container(horizontal=True, key=f"files-{key}"):
        for number, file in enumerate(downloads):
            offer(file, f"file-{key}-{number}")
    ways = [
        (say("Copy as Python"), python, "python"),
        (say("Copy as command"), command, "bash"),
        (say("Link"), link(), None),
    ]
    shown = [way for way in ways if way[1]]
    if not shown:
        return
    for tab, (_, text, kind) in zip(st.tabs([title for title, _, _ in shown]), shown, strict=True):
        with tab:
            st.code(text or "", language=kind, wrap_lines=True)
    if note:
        st.caption(note)


def offer(file: Download, key: str) -> None:
    """Draw the button of one file."""
    st.download_button(
        file.label,
        data=_held(file, key),
        file_name=file.file_name,
        mime=file.mime,
        key=key,
        on_click="ignore",
        icon=":material/download:",
    )


def _held(file: Download, key: str) -> Callable[[], bytes]:
    """Return what makes the file and holds it for this visitor until the page is drawn anew.

    Streamlit drops a file made on request as soon as two runs of anybody end, which may be before the browser
    has fetched it.
    """
    context = get_script_run_ctx()

    def made() -> bytes:
        data = file.data()
        # In a thread of its own, because Streamlit's own would keep the visitor's context.
        holding = threading.Thread(target=_hold, args=(file, data, key))
        add_script_run_ctx(holding, context)
        holding.start()
        holding.join()
        return data

    return made


def _hold(file: Download, data: bytes, key: str) -> None:
    files = runtime.get_instance().media_file_mgr
    files.add(data, file.mime, key, file_name=file.file_name, is_for_static_download=True)


def call(function: str, *arguments: object, **options: object) -> str:
    """Return a call in Python; options that are None are left out.

    Example:
        >>> call("interp.explain", "net", "a.jpg", target="cat", layer=None)
        "interp.explain('net', 'a.jpg', target='cat')"
    """
    parts = [repr(argument) for argument in arguments]
    parts += [f"{name}={value!r}" for name, value in options.items() if value is not None]
    return f"{function}({', '.join(parts)})"


def command_line(*words: str, **options: object) -> str:
    """Return a command; options that are None are left out, a list repeats its option.

    Example:
        >>> command_line("interp", "explain", "a b.jpg", method=["cam", "hires-cam"])
        "interp explain 'a b.jpg' --method cam --method hires-cam"
    """
    parts = [*words]
    for name, value in options.items():
        for each in value if isinstance(value, (list, tuple)) else [value]:
            if each is not None:
                parts += [f"--{name.replace('_', '-')}", str(each)]
    return shlex.join(parts)


def drawing_options(options: Mapping[str, object], defaults: Mapping[str, object]) -> dict[str, object]:
    """Return the options that differ from their defaults, which code need not mention."""
    return {name: value for name, value in options.items() if value != defaults.get(name)}
