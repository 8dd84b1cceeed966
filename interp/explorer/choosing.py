"""Which method is asked for, among many, and with which options."""

from __future__ import annotations

import ast
import time
from collections.abc import Iterable
from typing import Any, Literal, get_args, get_origin, get_type_hints

import streamlit as st

from interp.defaults import METHOD
from interp.explorer.links import remember
from interp.explorer.networks import Network
from interp.explorer.words import plain, say, told
from interp.methods import Method, MethodError, get, methods, modifiers
from interp.methods.fusing import FUSIONS
from interp.methods.sooner import OPTIMIZE
from interp.models import Task
from interp.views import Display

FAMILIES = {
    "cam": "Class activation",
    "activation": "Activation",
    "gradient": "Gradients",
    "pixels": "Pixels",
    "perturbation": "Perturbation",
    "relevance": "Relevance",
    "attention": "Attention",
    "control": "Controls",
}
# Options whose usual value does not say what else there is.
CHOICES: dict[str, tuple[str, ...]] = {
    "display": ("", *get_args(Display)),
    "fuse": ("", *FUSIONS),
    "optimize": OPTIMIZE,
}
REFUSED = "_method_refused"


class _Spelled:
    """Contains every way to write a method that there is."""

    def __contains__(self, name: object) -> bool:
        try:
            get(str(name))
        except MethodError:
            return False
        return True


SPELLED = _Spelled()


def asked_method() -> Method:
    """Return the method that is asked for, with its options."""
    method = get(str(remember("method", METHOD, SPELLED)))
    if st.session_state["method"] != method.name:
        st.session_state["method"] = method.name
    return method


def base_of(name: str) -> str:
    """Return a method's name without its options."""
    return name.partition("(")[0]


def known_methods(task: Task) -> list[Method]:
    """Return the methods for networks of a kind, by family, the default before the others of its own."""
    fit = [method for method in methods() if task in method.tasks]
    fit.sort(key=lambda method: method.name != METHOD)
    order = list(FAMILIES)
    families = sorted(
        dict.fromkeys(method.family for method in fit),
        key=lambda family: order.index(family) if family in order else len(order),
    )
    return [method for family in families for method in fit if method.family == family]


def method_title(method: Method) -> str:
    """Return a method with its family and its cost, as one line of a list."""
    family = say(FAMILIES.get(method.family, method.family))
    return f"{method.title} · {family} · {_count(method)} ×"


def titles_of(names: Iterable[str]) -> dict[str, str]:
    """Return methods by their names, each as one line of a list, in the visitor's language."""
    return {name: method_title(get(name)) for name in names}


def choose_method(task: Task = "classification") -> Method:
    """Draw the list of methods with the options of the chosen one, and return it."""
    current = asked_method()
    names = [method.name for method in known_methods(task)]
    if current.name not in names:
        # One with options stands in the place of the plain one.
        at = names.index(base_of(current.name)) if base_of(current.name) in names else len(names)
        names[at : at + 1] = [current.name]
    st.selectbox(
        say("Method"),
        names,
        key="method",
        format_func=titles_of(names).__getitem__,
        help=say("Type to search by name, by family or by cost: the number of predictions it takes."),
        persist_state="session",
    )
    method = get(st.session_state["method"])
    st.caption(f"`{say(method.formula)}` · {plain(method.paper)} · {cost_of(method)}")
    if refused := st.session_state.pop(REFUSED, None):
        st.warning(plain(refused))
    with st.expander(say("Options of the method")):
        _choose_options(method)
    return method


def _choose_options(method: Method) -> None:
    base = get(base_of(method.name))
    usual = {**base.options, **modifiers()}
    for option, value in usual.items():
        key = f"option-{base.name}-{option}"
        now = method.options.get(option, value)
        shown = now if isinstance(value, (bool, int, float)) else "" if now is None else str(now)
        if st.session_state.get(key) != shown:
            st.session_state[key] = shown
        set_it: dict[str, Any] = {
            "on_change": _set_option,
            "args": (method.name, option, key, value),
            "key": key,
        }
        known = choices_of(base, option)
        if isinstance(value, bool):
            st.toggle(option, **set_it)
        elif isinstance(value, int):
            st.number_input(option, step=1, **set_it)
        elif isinstance(value, float):
            st.number_input(option, step=abs(value) / 10 or 0.1, format="%g", **set_it)
        elif shown in known:
            said = {name: name or say("none") for name in known}
            st.selectbox(option, known, format_func=said.__getitem__, **set_it)
        else:
            st.text_input(option, **set_it)
    if method.name != base.name:
        st.button(say("The usual options"), on_click=_choose, args=(base.name,))


def choices_of(method: Method, option: str) -> tuple[str, ...]:
    """Return the words that an option may be, where they are known: its function's `Literal`s."""
    if option in CHOICES and option in modifiers():
        return CHOICES[option]
    try:
        hint = get_type_hints(method.function).get(option)
    except (NameError, TypeError):
        return ()
    return tuple(map(str, get_args(hint))) if get_origin(hint) is Literal else ()


def _set_option(name: str, option: str, key: str, usual: Any) -> None:
    value = st.session_state[key]
    if usual is None:
        value = _read(value)
    try:
        _choose(get(name, **{option: value}).name)
    except MethodError as error:
        st.session_state[REFUSED] = told(error)


def _choose(name: str) -> None:
    st.session_state["method"] = name


def _read(text: str) -> Any:
    """Return what a text says as Python, or the text itself; nothing where it is empty."""
    try:
        return ast.literal_eval(text) if text else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text


def cost_of(method: Method) -> str:
    """Return in words how long a method takes."""
    return say("{count} × a prediction", count=_count(method))


def _count(method: Method) -> str:
    return f"{method.passes:.1f}".removesuffix(".0") if method.passes < 10 else f"{method.passes:.0f}"


def estimate(network: Network, method: Method, maps: int = 1) -> str:
    """Return a method with its cost and about how long so many maps take on this machine."""
    return f"{method.title} · {cost_of(method)} · {duration(network, maps * method.passes)}"


def duration(network: Network, passes: float) -> str:
    """Return in words about how long so many passes take on this machine."""
    seconds = passes * _pass_seconds(network)
    if seconds < 90:
        return say("about {count} s", count=max(round(seconds), 1))
    return say("about {count} min", count=round(seconds / 60))


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs={Network: repr})
def _pass_seconds(network: Network) -> float:
    """Return how long one prediction takes, once the network is warm."""
    blank = network.model.blank()
    network.model.logits(blank)
    began = time.perf_counter()
    network.model.logits(blank)
    return time.perf_counter() - began
