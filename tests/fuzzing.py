"""What a fuzzer changes, and every door that takes files: the result is good, or a sentence."""

from __future__ import annotations

import functools
import io
import json
import math
import shutil
import struct
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from PIL import Image

import interp
from interp.explorer import links
from interp.features.example_store import read_examples
from interp.features.ranking import Ranking
from interp.images import Limits, Preprocess, open_image
from interp.images.masks import open_mask
from interp.metrics.boxes import read_boxes
from interp.metrics.evaluation_files import read_about
from interp.metrics.results import Row as Judged
from interp.metrics.results import as_table, read_tables, write_table
from interp.models import Architecture
from interp.report import rows
from interp.sentences import is_sentence
from interp.training import read_run
from interp.training.checkpoint import Progress, load_networks, load_progress, save_checkpoint

SMALL = Limits(pixels=10**6)
NUMBERS = [0, 1, 2**7, 2**8 - 1, 2**15, 2**16 - 1, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1]


@dataclass(frozen=True)
class Door:
    """What takes a file.

    Attributes:
        seeds: good files, to be changed.
        enter: opens one, in a folder of its own.
        text: whether the file is JSON, whose values are changed, too.
    """

    seeds: Callable[[], tuple[bytes, ...]]
    enter: Callable[[Path], object]
    name: str = "file"
    text: bool = False


def harmless(door: Door, data: bytes) -> bool:
    """Give a door a file; return whether it was taken. Anything but a good end or a sentence is raised."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / door.name
        path.write_bytes(data)
        try:
            door.enter(path)
        except Exception as error:
            if not is_sentence(error):
                raise
            return False
        return True


# --- how files are changed


@st.composite
def damaged(draw: Any, seeds: tuple[bytes, ...]) -> bytes:
    """Return a good file with bits turned, parts cut off, taken out, doubled, or put in from another one."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 6))):
        if not data:
            break
        kind = draw(st.sampled_from(["flip", "number", "cut", "out", "twice", "splice", "insert"]))
        at, end = sorted(draw(st.tuples(*[st.integers(0, len(data) - 1)] * 2)))
        if kind == "flip":
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "number":
            size = draw(st.sampled_from([1, 2, 4, 8]))
            order = draw(st.sampled_from(["little", "big"]))
            number = draw(st.sampled_from(NUMBERS)) % 2 ** (8 * size)
            data[at : at + size] = number.to_bytes(size, order)
        elif kind == "cut":
            del data[at:]
        elif kind == "out":
            del data[at:end]
        elif kind == "twice":
            data[at:at] = data[at:end]
        elif kind == "splice":
            other = draw(st.sampled_from(seeds))
            data[at:] = other[min(at, len(other)) :]
        else:
            data[at:at] = draw(st.binary(min_size=1, max_size=16))
    return bytes(data)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(NUMBERS)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(
        ["", "__import__('os')", "../../x", "torchvision", "timm", "0", "NaN", "\ud800", 400 * "9"]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@st.composite
def altered(draw: Any, seeds: tuple[bytes, ...]) -> bytes:
    """Return a good JSON with some of its values exchanged, taken away, or new ones beside them."""
    value = json.loads(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        value = _altered(draw, value)
    return json.dumps(value).encode("utf-8", "surrogatepass")


def _altered(draw: Any, value: Any) -> Any:
    if not value or not isinstance(value, (dict, list)) or draw(st.integers(0, 5)) == 0:
        return draw(anything)
    keys = list(value) if isinstance(value, dict) else range(len(value))
    key = draw(st.sampled_from(keys))
    value = dict(value) if isinstance(value, dict) else list(value)
    kind = draw(st.sampled_from(["deeper", "deeper", "deeper", "out", "new"]))
    if kind == "deeper":
        value[key] = _altered(draw, value[key])
    elif kind == "out":
        del value[key]
    elif isinstance(value, dict):
        value[draw(st.text(max_size=8))] = draw(anything)
    else:
        value.append(draw(anything))
    return value


@st.composite
def misheaded(draw: Any, seeds: tuple[bytes, ...]) -> bytes:
    """Return safetensors whose header says something else, with its length right."""
    data = draw(st.sampled_from(seeds))
    (length,) = struct.unpack("<Q", data[:8])
    header = draw(altered((data[8 : 8 + length],)))
    return struct.pack("<Q", len(header)) + header + data[8 + length :]


def changes(door: Door) -> Any:
    """Return the strategy that changes the files of a door."""
    kinds = [damaged(door.seeds())]
    if door.text:
        kinds.append(altered(door.seeds()))
    if door.name.endswith(".safetensors"):
        kinds.append(misheaded(door.seeds()))
    return st.one_of(*kinds)


# --- good files


def _pixels() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 11, 3), np.uint8))


@functools.cache
def pictures() -> tuple[bytes, ...]:
    """Return one small picture in every format and some of its kinds."""
    Image.init()
    small, found = _pixels(), []
    grey = Image.fromarray(np.asarray(small)[..., 0].astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "words"
    kinds: list[tuple[Image.Image, str, dict[str, Any]]] = [
        (small, "PNG", {}),
        (small.quantize(8), "PNG", {"transparency": 1}),
        (grey, "PNG", {}),
        (small, "PNG", {"save_all": True, "append_images": [small.rotate(90)]}),
        (small, "JPEG", {"exif": exif}),
        (small, "JPEG", {"progressive": True, "quality": 60}),
        (small.convert("CMYK"), "JPEG", {}),
        (small, "WEBP", {"lossless": True}),
        (small, "WEBP", {"save_all": True, "append_images": [small.rotate(90)]}),
        (small, "TIFF", {}),
        (small, "TIFF", {"compression": "tiff_lzw"}),
        (small, "TIFF", {"compression": "tiff_adobe_deflate"}),
        (small, "TIFF", {"compression": "jpeg"}),
        (small.convert("1"), "TIFF", {"compression": "group4"}),
        (small.convert("F"), "TIFF", {}),
        (small, "GIF", {"save_all": True, "append_images": [small.rotate(90)]}),
        (small, "BMP", {}),
        (small, "PPM", {}),
        (small, "PCX", {}),
        (small, "SGI", {}),
        (small.resize((16, 16)), "ICO", {}),
        (small, "TGA", {"compression": "tga_rle"}),
        (small, "JPEG2000", {}),
        *([(small, "AVIF", {})] if "AVIF" in Image.SAVE else []),
    ]
    for picture, kind, options in kinds:
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        found.append(buffer.getvalue())
    return tuple(found)


@functools.cache
def folder() -> Path:
    """Return a folder with one good file of every kind, kept as long as this process."""
    place = Path(tempfile.mkdtemp(prefix="interp-fuzz-"))
    _pixels().resize((40, 40)).save(place / "picture.png")
    architecture = Architecture("torchvision", "squeezenet1_1", {"num_classes": 3})
    torch.manual_seed(0)
    half = (0.5, 0.5, 0.5)
    model = interp.load(
        architecture.build(), preprocess=Preprocess((40, 40), half, half), architecture=architecture,
        labels=["a", "b", "c"],
    )  # fmt: skip
    model.save(place / "model")
    interp.explain(model, place / "picture.png").save(place / "explanation.json")
    _report(place / "part.parquet")
    write_table(
        as_table([Judged("a.png", "a", 0.5, "x", "cam", "deletion", 0.1, None, "", 1.0)]), place / "judged"
    )
    about = {"key": "k", "methods": ["cam"], "metrics": ["deletion"], "seed": 0}
    (place / "evaluation.json").write_text(json.dumps(about))
    network = torch.nn.Linear(2, 2)
    rows_ = [{"epoch": 1, "stage": "all", "train_loss": 0.5, "seconds": 1.0}]
    save_checkpoint(place / "checkpoint.safetensors", {"network": network}, None, Progress(0, 1, rows_))
    found = interp.features.top_examples(
        model, "features.3", [place / "picture.png"], k=1, out=place / "examples"
    )
    assert len(found)
    Ranking.empty(2, 1).save(place / "ranking", "key")
    (place / "history.csv").write_text("epoch,stage,train_loss,seconds\n1,all,0.5,1.0\n2,all,0.4,1.0\n")
    (place / "config.json").write_text(
        json.dumps(
            {"recipe": "classifier", "settings": {"stages": [{"name": "all", "epochs": 2}]}, "data": {}}
        )
    )
    (place / "boxes.csv").write_text("picture,left,top,right,bottom\na.png,1,2,3,4\n")
    return place


def _report(path: Path) -> None:
    half = np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3)
    picture = rows.Row(
        "a.png", size=(4, 3), box=(0.0, 0.0, 4.0, 3.0), maps=(rows.ClassMap("a", 0, 0.5, 1.0, half),)
    )
    broken = rows.Row("b.png", "it is broken.")
    rows.write_part([picture, broken], path, layer="a", method="grad-cam")


def good(*parts: str) -> Callable[[], tuple[bytes, ...]]:
    return lambda: (folder().joinpath(*parts).read_bytes(),)


# --- doors


def _model_with(name: str) -> Callable[[Path], object]:
    def enter(path: Path) -> object:
        other = "model.safetensors" if name == "model.json" else "model.json"
        shutil.copy(folder() / "model" / other, path.parent / other)
        model = interp.load(path.parent)
        picture = torch.zeros(3, 40, 40)
        return interp.explain(model, picture) if name == "model.safetensors" else model

    return enter


def _opened(path: Path) -> None:
    picture = open_image(path, limits=SMALL)
    assert picture.mode == "RGB"
    assert len(picture.tobytes()) == 3 * math.prod(picture.size) > 0


def _remade(path: Path) -> object:
    shutil.copy(folder() / "picture.png", path.parent)
    return interp.remake(path, model=interp.load(folder() / "model"))


DOORS = {
    "picture": Door(pictures, _opened),
    "mask": Door(lambda: pictures()[1:2], lambda path: open_mask(path, limits=SMALL), "mask.png"),
    "model.json": Door(good("model", "model.json"), _model_with("model.json"), "model.json", text=True),
    "model.safetensors": Door(
        good("model", "model.safetensors"), _model_with("model.safetensors"), "model.safetensors"
    ),
    "explanation": Door(good("explanation.json"), _remade, "x.json", text=True),
    "report's rows": Door(good("part.parquet"), lambda path: list(rows.read_part(path))),
    "evaluation's rows": Door(good("judged"), lambda path: read_tables([path])),
    "evaluation.json": Door(good("evaluation.json"), read_about, text=True),
    "checkpoint": Door(good("checkpoint.safetensors"), load_progress, "checkpoint.safetensors"),
    "checkpoint's networks": Door(
        good("checkpoint.safetensors"),
        lambda path: load_networks(path, {"network": torch.nn.Linear(2, 2)}),
        "checkpoint.safetensors",
    ),
    "history.csv": Door(good("history.csv"), lambda path: read_run(path.parent), "history.csv"),
    "config.json": Door(good("config.json"), lambda path: read_run(path.parent), "config.json", text=True),
    "examples": Door(good("examples", "examples.parquet"), read_examples),
    "ranking": Door(good("ranking"), lambda path: Ranking.load(path, "key")),
    "boxes": Door(good("boxes.csv"), read_boxes, "boxes.csv"),
}


# --- what an address asks for


@contextmanager
def visit(asked: dict[str, list[str]]) -> Iterator[None]:
    """Open a page of the explorer by an address, without the rest of the explorer."""
    page = type("Query", (), {"get_all": lambda _, key: asked[key], "__iter__": lambda _: iter(asked)})()
    real, links.st = links.st, SimpleNamespace(session_state={}, query_params=page)
    try:
        links.adopt()
        yield
    finally:
        links.st = real


SETTINGS: list[tuple[Any, tuple[Any, ...] | None, tuple[float, float] | None]] = [
    ("a", ("a", "b", "long name"), None),
    (0.5, None, (0.0, 1.0)),
    (3, None, (1, 20)),
    (True, None, None),
    (["a"], ("a", "b", "c,d"), None),
    (None, ("a", "b"), None),
]
asked_for = st.lists(
    st.text(max_size=20)
    | st.sampled_from(
        ["a", "b", "a,b", "c,d", "True", "nan", "inf", "-inf", "1e400", "0x10", "１", "1_0", "[]", ""]
    )
    | st.floats().map(str)
    | st.integers().map(str),
    max_size=4,
)


def remembered(texts: list[str], setting: int) -> None:
    """Give a setting what an address asks for; what comes out must be on offer, and be written again."""
    default, options, limits = SETTINGS[setting]
    with visit({"key": texts}):
        found = links.remember("key", default, options, limits)
        written = links.parameters()
    assert type(found) is type(default) or default is None
    if options is not None and found != default:
        assert all(one in options for one in (found if isinstance(found, list) else [found]))
    if limits is not None:
        assert limits[0] <= found <= limits[1]
    with visit(written):
        assert links.remember("key", default, options, limits) == found
