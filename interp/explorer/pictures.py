"""The picture that a visitor looks at: a sample, an upload, or a photograph taken now."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import streamlit as st
from PIL import Image, ImageDraw

from interp.explorer.links import remember
from interp.explorer.parts import Choice, choices
from interp.explorer.settings import Settings
from interp.explorer.words import say
from interp.images import SUFFIXES, ImageError, Limits, open_image

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

UPLOAD, CAMERA = "upload", "camera"
FIRST = "cat_and_coffee.jpg"
MEGABYTES = 20
LIMITS = Limits(pixels=40_000_000)
TILE = 96
GALLERY = 40


@dataclass(frozen=True)
class Chosen:
    """One opened picture.

    Attributes:
        picture: upright RGB.
        name: as people call it; never used as a path.
        digest: SHA-256 of the file.
        path: of a sample; None for what a visitor brought.
    """

    picture: Image.Image = field(repr=False)
    name: str
    digest: str
    path: Path | None = None

    @property
    def source(self) -> str:
        """What code and commands name; never what a command takes for an option."""
        named = self.name if self.path is None else as_typed(self.path)
        return f"./{named}" if named.startswith("-") else named


def as_typed(path: Path) -> str:
    """Return a path as people would type it where the explorer was started."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def choose_picture() -> Chosen | None:
    """Draw the choice of a picture and return it, or None where a visitor has not brought one yet.

    Raises:
        ImageError, OSError: it cannot be opened.
    """
    samples = {path.name: path for path in sample_pictures(str(Settings.of().pictures))}
    names = [*samples, UPLOAD, CAMERA]
    default = FIRST if FIRST in samples else names[0]
    remember("picture", default, names)
    first = list(samples.items())[:GALLERY]
    tiles = [Choice(name, _words(name), image=tile(path)) for name, path in first]
    tiles.append(Choice(UPLOAD, _words(UPLOAD), image=_plus()))
    choices(
        "gallery", say("Sample pictures"), tiles, st.session_state["picture"], "tiles", "picture", _forget
    )
    titles = {name: _words(name) for name in names}
    st.selectbox(
        say("Picture"),
        names,
        key="picture",
        format_func=titles.__getitem__,
        persist_state="session",
        on_change=_forget,
        label_visibility="collapsed",
    )
    name = st.session_state["picture"]
    if name == UPLOAD:
        return uploaded("uploaded", say("A picture of your own"))
    if name == CAMERA:
        st.camera_input(say("A photograph"), key="photographed", on_change=_keep, args=("photographed",))
        have = _kept("photographed")
        return None if have is None else brought(*have)
    return opened_sample(samples[name])


def uploaded(key: str, label: str) -> Chosen | None:
    """Draw the choice of a picture, and return it or the one that was given before on another page."""
    have = uploaded_file(key, label)
    return None if have is None else brought(*have)


def uploaded_file(key: str, label: str) -> tuple[str, bytes] | None:
    """Draw the choice of a file, and return its name and content, now or from before on another page.

    Streamlit forgets an upload when its page is left; visitors do not expect that.
    """
    st.file_uploader(
        label,
        key=key,
        max_upload_size=MEGABYTES,
        help=say("It is read here and kept nowhere."),
        on_change=_keep,
        args=(key,),
    )
    return _kept(key)


def _keep(key: str) -> None:
    """Keep what the browser just sent as long as the session lasts, or drop what was taken away."""
    file: UploadedFile | None = st.session_state[key]
    st.session_state[f"_{key}"] = None if file is None else (file.name, file.getvalue())


def _kept(key: str) -> tuple[str, bytes] | None:
    have: tuple[str, bytes] | None = st.session_state.get(f"_{key}")
    if have is not None and st.session_state.get(key) is None:
        forget = st.session_state.pop
        st.button(
            say("Take it away"),
            key=f"{key}-away",
            on_click=forget,
            args=(f"_{key}",),
            icon=":material/close:",
        )
    return have


@st.cache_resource(show_spinner=False)
def _plus() -> Image.Image:
    """Return the tile of whoever brings a picture."""
    blank = Image.new("RGB", (TILE, TILE), "#ededea")
    pen, middle, arm = ImageDraw.Draw(blank), TILE // 2, TILE // 5
    for across, down in ((arm, 0), (0, arm)):
        ends = (middle - across, middle - down, middle + across, middle + down)
        pen.line(ends, fill="#7b2382", width=6)
    return blank


def _forget() -> None:
    """Ask about what is predicted when another picture comes."""
    st.session_state["class"] = None


def _words(name: str) -> str:
    special = {UPLOAD: say("Upload a picture …"), CAMERA: say("Take a photograph …")}
    return special.get(name) or Path(name).stem.replace("_", " ")


def brought(name: str, data: bytes) -> Chosen:
    """Open what the browser sent.

    Raises:
        ImageError: it cannot be opened.
    """
    called = PurePosixPath(name.replace("\\", "/")).name[:80]
    digest = hashlib.sha256(data).hexdigest()
    return Chosen(_decoded(digest, called, data), called, digest)


@st.cache_resource(max_entries=8, show_spinner=False)
def _decoded(digest: str, _name: str, _data: bytes) -> Image.Image:
    file = io.BytesIO(_data)
    file.name = _name  # so that a sentence about it names it, and no folder of the server
    return open_image(file, limits=LIMITS)


@st.cache_resource(max_entries=4, show_spinner=False, ttl=60)
def sample_pictures(folder: str) -> tuple[Path, ...]:
    """Return the pictures of the samples' folder, by name."""
    place = Path(folder)
    if not place.is_dir():
        return ()
    pictures = (path for path in place.iterdir() if path.suffix.lower() in SUFFIXES)
    return tuple(sorted(path for path in pictures if path.is_file()))


def opened_sample(path: str | Path) -> Chosen:
    """Return a sample, opened.

    Raises:
        ImageError, OSError: it cannot be opened.
    """
    place = Path(path)
    return _opened(place, place.stat().st_mtime_ns)


@st.cache_resource(max_entries=8, show_spinner=False)
def _opened(path: Path, changed: int) -> Chosen:
    chosen = brought(path.name, path.read_bytes())
    return replace(chosen, path=path)


def tile(path: str | Path) -> Image.Image | None:
    """Return the middle of a sample as a small square, or None where it cannot be read."""
    place = Path(path)
    return _tile(place, place.stat().st_mtime_ns) if place.is_file() else None


@st.cache_resource(max_entries=512, show_spinner=False)
def _tile(path: Path, changed: int) -> Image.Image | None:
    try:
        picture = open_image(path, limits=LIMITS)
    except ImageError:
        return None
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.resize((TILE, TILE), Image.Resampling.LANCZOS, box=(left, top, left + side, top + side))
