"""The picture that a visitor looks at: a sample, an upload, or a photograph taken now."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import streamlit as st
from PIL import Image

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
        """What code and commands name."""
        return self.name if self.path is None else as_typed(self.path)


def as_typed(path: Path) -> str:
    """Return a path as people would type it where the explorer was started."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def choose_picture() -> Chosen | None:
    """Draw the choice of a picture and return it, or None after a sentence that says what is missing."""
    samples = {path.name: path for path in sample_pictures(str(Settings.of().pictures))}
    names = [*samples, UPLOAD, CAMERA]
    default = FIRST if FIRST in samples else names[0]
    remember("picture", default, names)
    tiles = [Choice(name, _words(name), image=tile(str(path))) for name, path in samples.items()]
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
        return brought(
            st.file_uploader(
                say("A picture of your own"),
                key="uploaded",
                max_upload_size=MEGABYTES,
                help=say("It is read here and kept nowhere."),
            )
        )
    if name == CAMERA:
        return brought(st.camera_input(say("A photograph"), key="photographed"), say("photograph"))
    return opened_sample(str(samples[name]))


def _forget() -> None:
    """Ask about what is predicted when another picture comes."""
    st.session_state["class"] = None


def _words(name: str) -> str:
    special = {UPLOAD: say("Upload a picture …"), CAMERA: say("Take a photograph …")}
    return special.get(name) or Path(name).stem.replace("_", " ")


def brought(file: UploadedFile | None, name: str | None = None) -> Chosen | None:
    """Open what the browser sent, or say in a sentence why that cannot be."""
    if file is None:
        st.info(say("Choose a picture in the side bar: a sample, a file of yours, or a photograph."))
        return None
    data = file.getvalue()
    called = PurePosixPath((name or file.name).replace("\\", "/")).name[:80]
    digest = hashlib.sha256(data).hexdigest()
    return Chosen(_decoded(digest, called, data), called, digest)


@st.cache_resource(max_entries=8, show_spinner=False)
def _decoded(digest: str, _name: str, _data: bytes) -> Image.Image:
    file = io.BytesIO(_data)
    file.name = _name  # so that a sentence about it names it
    return open_image(file, limits=LIMITS)


@st.cache_resource(max_entries=4, show_spinner=False, ttl=60)
def sample_pictures(folder: str) -> tuple[Path, ...]:
    """Return the pictures of the samples' folder, by name."""
    place = Path(folder)
    if not place.is_dir():
        return ()
    return tuple(sorted(path for path in place.iterdir() if path.suffix.lower() in SUFFIXES))


@st.cache_resource(max_entries=16, show_spinner=False)
def opened_sample(path: str) -> Chosen:
    """Return a sample, opened."""
    data = Path(path).read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return Chosen(open_image(path), Path(path).name, digest, Path(path))


@st.cache_resource(max_entries=64, show_spinner=False)
def tile(path: str) -> Image.Image | None:
    """Return the middle of a sample as a small square, or None where it cannot be read."""
    try:
        picture = open_image(path)
    except ImageError:
        return None
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.resize((TILE, TILE), Image.Resampling.LANCZOS, box=(left, top, left + side, top + side))
