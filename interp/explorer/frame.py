"""The frame around every page: language, picture, network, what is seen and what is asked."""

from __future__ import annotations

import html
from functools import partial
from importlib.resources import files

import streamlit as st
from PIL import Image

from interp.explorer import links
from interp.explorer.asking import asked_class, class_titles, seen
from interp.explorer.networks import choose_network
from interp.explorer.page import Page, Sight
from interp.explorer.pages import PAGES
from interp.explorer.parts import as_jpeg
from interp.explorer.pictures import Chosen, choose_picture
from interp.explorer.sentences import told_on_page
from interp.explorer.words import LANGUAGES, plain, say
from interp.images import ImageError

THUMBNAIL = 88


def main() -> None:
    """Run the explorer: everything that `streamlit run app.py` shows."""
    links.adopt()
    st.set_page_config(page_title="interp", page_icon=_icon(), layout="wide")
    _style()
    choose_language()
    pages = [
        st.Page(
            partial(show, page),
            title=say(page.title),
            icon=page.icon,
            url_path=page.name,
            default=number == 0,
        )
        for number, page in enumerate(PAGES)
    ]
    st.navigation(pages, position="top").run()


def show(page: Page) -> None:
    """Draw one page with its frame."""
    links.keep_on(page.name)
    with told_on_page():
        if page.tasks:
            _draw_with_sight(page)
        else:
            _title(page)
            page.draw()
    links.publish()
    if names := links.refused():
        said = say("The link asks for what is not on offer here: {names}.", names=", ".join(names))
        st.toast(plain(said), icon=":material/link_off:")


def _picture() -> tuple[Chosen | None, Exception | None]:
    """Draw the choice of a picture; a broken one must not take the rest of the side bar with it."""
    try:
        return choose_picture(), None
    except (ImageError, OSError) as error:
        return None, error


def _draw_with_sight(page: Page) -> None:
    with st.sidebar:
        picture, failure = _picture() if page.one_picture else (None, None)
        with st.spinner(say("Opening the network …"), show_time=True):
            network = choose_network()
    _title(page)
    if failure is not None:
        raise failure  # below the title, where it is also seen on a phone
    if network is None or (picture is None and page.one_picture):
        st.info(say("Choose a picture and a network in the side bar."))
        return
    sight = None if picture is None else Sight(picture, network)
    if sight is not None:
        _seen(page, sight)
    task = network.model.task
    if task not in page.tasks:
        st.info(say(_OTHER[task]))
        return
    page.draw(network if sight is None else sight)


_OTHER = {
    "classification": "This network names whole pictures; this page is for networks that name every pixel.",
    "segmentation": "This network names every pixel; the page Segmentation is made for it.",
    "image": "This network makes pictures; the pages Segmentation, Inside and Style look into it.",
}


def choose_language() -> None:
    """Draw the choice of a language; at first it is that of the visitor's browser."""
    locale = st.context.locale or "en"
    links.remember("lang", "zh" if locale.startswith("zh") else "en", LANGUAGES)
    with st.sidebar:
        st.segmented_control(
            "Language · 语言",
            list(LANGUAGES),
            key="lang",
            format_func=LANGUAGES.__getitem__,
            label_visibility="collapsed",
            persist_state="session",
            required=True,
        )
    links.keep_through(st.session_state["lang"])


def _title(page: Page) -> None:
    title, about = _safe(say(page.title)), _safe(say(page.about))
    words = f"<h1 class='interp-title'>{title}</h1><p class='interp-about'>{about}</p>"
    st.html(f"<div class='interp-head'>{words}</div>")


def _seen(page: Page, sight: Sight) -> None:
    """Draw the strip that stays in sight: the picture, what the network says, what is asked."""
    small = sight.picture.picture.copy()
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    image = f"<img src='{as_jpeg(small)}' alt='{_safe(say('The picture that is looked at'))}'>"
    lines = [f"<span class='quiet'>{_safe(sight.picture.name)} · {_safe(sight.network.model.name)}</span>"]
    classes = seen(sight.network, sight.picture)
    if asked := _asked(page, sight, classes[0][0] if classes else None):
        lines.insert(0, f"<span>{_safe(say('Asked about'))} <b>{_safe(asked)}</b></span>")
    if classes:
        first = " · ".join(f"<b>{_safe(name)}</b> {100 * share:.0f} %" for name, share in classes[:3])
        lines.insert(0, f"<span>{_safe(say('It sees'))} {first}</span>")
    with st.container(key="sight"):
        st.html(f"<div class='interp-sight'>{image}<div>{''.join(lines)}</div></div>")


def _asked(page: Page, sight: Sight, likeliest: str | None) -> str | None:
    """Return in words what is asked: what the page says, a class, or what is predicted."""
    if page.asked is not None and (said := page.asked(sight)):
        return said
    asked = asked_class(sight)
    return likeliest if asked is None else class_titles(sight.network)[asked]


def _safe(text: str) -> str:
    return html.escape(text, quote=True)


def _icon() -> Image.Image:
    # A named icon would be fetched from the internet by the browser.
    with (files("interp.explorer") / "icon.png").open("rb") as file:
        return Image.open(file).copy()


def _style() -> None:
    st.html(f"<style>{(files('interp.explorer') / 'style.css').read_text(encoding='utf-8')}</style>")
