"""The ground truth of the picture at hand: the mask beside a sample, or one that a visitor brings."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
import streamlit as st

from interp.explorer.pictures import LIMITS, Chosen, as_typed, uploaded_file
from interp.explorer.words import plain, problem, say
from interp.images import ImageError
from interp.images.masks import read_mask

# As training on data sets finds them; any other FOLDER has its masks in FOLDERannot.
FOLDERS = {"images": ("labels", "masks"), "JPEGImages": ("SegmentationClass",)}
ENDINGS = (".png", "_P.png")
_REFUSED = "_truth_refused"


@dataclass(frozen=True)
class Truth:
    """A label map.

    Attributes:
        source: what code and commands name.
        digest: of the file.
        numbers: of classes, `(height, width)`.
    """

    source: str
    digest: str
    numbers: npt.NDArray[np.uint8] = field(repr=False, compare=False)


def truth_of(picture: Chosen) -> Truth | None:
    """Return what is true of a picture: the mask that the visitor brought for it, or the one beside it."""
    st.session_state.pop(_REFUSED, None)
    try:
        brought: tuple[str, bytes] | None = st.session_state.get(f"_{_key(picture)}")
        if brought is not None:
            name = PurePosixPath(brought[0].replace("\\", "/")).name[:80]
            return _read(f"./{name}" if name.startswith("-") else name, name, brought[1])
        path = None if picture.path is None else beside(picture.path)
        return None if path is None else _opened(path, path.stat().st_mtime_ns)
    except (ImageError, OSError) as error:
        st.session_state[_REFUSED] = problem(error)
        return None


def choose_truth(picture: Chosen, truth: Truth | None) -> None:
    """Draw what the ground truth is, and the choice of another file."""
    with st.expander(say("Ground truth")):
        if refused := st.session_state.get(_REFUSED):
            st.warning(plain(refused))
        if truth is None:
            st.caption(
                say("With a mask of class numbers (PNG) you can ask about what is true, missed or invented.")
            )
        else:
            st.caption(say("From {name}.", name=plain(truth.source)))
        uploaded_file(_key(picture), say("A mask of this picture"))


def _key(picture: Chosen) -> str:
    # One for each picture: the mask of another one may have the same size.
    return f"truth-{picture.digest[:16]}"


def beside(picture: Path) -> Path | None:
    """Return the mask of a picture in one of the layouts of data sets.

    Example:
        >>> beside(Path("camvid/train/a.jpg"))  # where there is a camvid/trainannot/a.png
        PosixPath('camvid/trainannot/a.png')
    """
    folder = picture.parent
    for name in (*FOLDERS.get(folder.name, ()), f"{folder.name}annot"):
        for ending in ENDINGS:
            if (found := folder.with_name(name) / f"{picture.stem}{ending}").is_file():
                return found
    return None


@st.cache_resource(max_entries=8, show_spinner=False)
def _opened(path: Path, _changed: int) -> Truth:
    return _read(as_typed(path), path.name, path.read_bytes())


def _read(source: str, name: str, data: bytes) -> Truth:
    return Truth(source, hashlib.sha256(data).hexdigest(), read_mask(data, name, limits=LIMITS))
