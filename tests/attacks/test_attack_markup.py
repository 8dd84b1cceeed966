"""HTML, script and control characters in names of classes and files and in EXIF are shown, and do nothing."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser

import pytest
from command import interp as command
from explorer_app import opened, words
from hostile import MARKUP, STEERING, noise, small_model
from PIL import ExifTags, Image, PngImagePlugin

import interp
from interp.cli.printing import visible
from interp.explorer.settings import MODELS, PICTURES, RUNS
from interp.explorer.words import plain

CLASSES = ["<script>alert(1)</script>", "\"'><img src=x onerror=alert(1)>", "</script></title>{{ 7 * 7 }}"]


class Elements(HTMLParser):
    """The elements of a page with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {key: value or "" for key, value in attrs}))


def active(page: str) -> set[tuple[str, str]]:
    """Return what of a page acts or asks for something: scripts, handlers, addresses."""
    found = set()
    for tag, attributes in Elements(page).found:
        found |= {(tag, key) for key in attributes if key.startswith("on")}
        found |= {
            (tag, tag) for _ in [0] if tag in ("iframe", "object", "embed", "base", "svg", "form", "link")
        }
        for key in ("src", "href", "action", "srcset"):
            if not attributes.get(key, "#").startswith(("#", "data:image/", "panels/")):
                found.add((tag, attributes[key]))
    return found


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A folder with a model whose classes, and pictures whose names and EXIF, are markup."""
    folder = tmp_path_factory.mktemp("hostile")
    small_model(CLASSES, name="<script>alert(2)</script>").save(folder / "model")
    (folder / "pictures").mkdir()
    exif = Image.Exif()
    for tag in (ExifTags.Base.ImageDescription, ExifTags.Base.Artist, ExifTags.Base.Copyright):
        exif[tag] = "<script>alert('exif')</script>"
    for number, name in enumerate(MARKUP):
        noise().save(folder / "pictures" / f"{number}{name.replace('/', '∕')}.jpg", exif=exif)
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "<script>alert('exif')</script>")
    noise().save(folder / "pictures" / "text.png", pnginfo=text)
    (folder / "pictures" / "broken<script>alert(3)<∕script>.jpg").write_bytes(
        b"<script>alert('content')</script>"
    )
    return folder


def scripts(page: str) -> int:
    return sum(tag == "script" for tag, _ in Elements(page).found)


def test_a_report(hostile, tmp_path):
    model = interp.load(hostile / "model")
    plain_pictures = tmp_path / "plain"
    plain_pictures.mkdir()
    noise().save(plain_pictures / "a.png")
    interp.write_report(small_model(), plain_pictures, tmp_path / "usual")
    interp.write_report(model, hostile / "pictures", tmp_path / "report")
    usual, page = ((tmp_path / name / "index.html").read_text() for name in ("usual", "report"))
    assert active(page) == active(usual)
    assert scripts(page) == scripts(usual)
    assert "alert(1)" in page  # it is shown
    assert "49" not in re.findall(r"\{\{ 7 \* 7 \}\}|&lt;/title&gt;49", page)
    for path in (tmp_path / "report").rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        assert b"alert('exif')" not in data, path
        assert b"alert('content')" not in data, path
    thumbnails = re.findall(r'"thumbnail":"([^"]+)"', page)
    assert len(thumbnails) == len(MARKUP) + 1
    for thumbnail in thumbnails:
        assert b"exif" not in base64.b64decode(thumbnail).lower()


def test_figures_and_json(hostile, tmp_path):
    model = interp.load(hostile / "model")
    (picture, *_) = sorted((hostile / "pictures").glob("*.jpg"))
    explanation = interp.explain(model, picture, target=0)
    drawing = explanation.save(tmp_path / "x.svg").read_text()
    assert active(drawing) - {("svg", "svg")} == set()
    assert scripts(drawing) == 0
    assert explanation.save(tmp_path / "x.png").stat().st_size > 1000
    again = interp.remake(explanation.to_json(), model=model)
    assert again.target.name == CLASSES[0]


@pytest.mark.parametrize("text", [*MARKUP, *STEERING])
def test_the_terminal_is_not_steered(text, tmp_path):
    small_model([text, "b", "c"], name=text).save(tmp_path / "model")
    file = tmp_path / f"{text.replace('/', '∕')}.png"
    noise().save(file)
    done = command("explain", file, "-m", tmp_path / "model", "--class", "0", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    assert said.count(visible(text)) >= 2
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", said)


def test_tables_of_the_terminal_have_no_markup(tmp_path):
    import torch
    from torch import nn

    from interp.cli.layers import _show_layers

    net = nn.Sequential()
    for name in ("[/red]", "[link=http:∕∕evil]x", "\x1b[31m"):
        net.add_module(name, nn.Conv2d(3, 3, 1))
    model = interp.load(nn.Sequential(net, nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    assert torch.isfinite(model.logits(model.blank())).all()
    import contextlib
    import io

    with contextlib.redirect_stdout(io.StringIO()) as out:
        _show_layers(model, 9, as_json=False)
    assert "[/red]" in out.getvalue()
    assert "[link=http:∕∕evil]x" in out.getvalue()
    assert "\x1b" not in out.getvalue()


ADDRESSES = [
    "https://evil.example",
    "www.evil.example",
    "a@evil.example",
    ":material/delete:",
    "a\n# b",
    "x\n===",
]


@pytest.mark.parametrize("text", [*MARKUP, *ADDRESSES])
def test_markdown_has_no_sign_left(text):
    """Every sign of markdown has a backslash before it; what is looked for later has a sign within it."""
    said = plain(text)
    assert not re.search(r"(?<!\\)[`*_{}\[\]()<>#+.!|~$&]", re.sub(r"\\\\", "", said))
    bare = said.replace("\\", "")
    assert "\n" not in bare
    assert not re.search(r"https?://|www\.|\w@\w+\.|:material/", bare)
    assert bare.replace("\u2060", "") == re.sub(r"\s+", " ", text)


# Elements whose text Streamlit reads as markdown; lists of choices and code it shows as they are.
UNREAD = (
    "selectbox",
    "multiselect",
    "code",
    "json",
    "html",
    "text_input",
    "number_input",
    "slider",
    "select_slider",
)


def markdown(app) -> list[str]:
    """Return every text of a page that Streamlit reads as markdown."""
    found = []
    for block in (app.main, app.sidebar):
        for element in block:
            kind = getattr(element, "type", "")
            found.append(str(getattr(element, "label", "") or ""))
            found.append(str(getattr(element, "help", "") or ""))
            if kind not in UNREAD:
                found.append(str(getattr(element, "value", "") or ""))
            if kind in ("button_group", "segmented_control", "pills"):
                found += [str(option) for option in getattr(element, "options", [])]
    return found


UNDONE = re.compile(
    r"(?<!\\)<(?:script|img)|(?<!\\)\]\((?:javascript|http)|(?<!\\)!\[|https?://evil|(?<!\\):material/bomb"
)
NAME = "![x](https://evil.example)[y](javascript:alert(1))<script>alert(1)<∕script>:material∕bomb:$x$"


@pytest.mark.parametrize("page", ["look", "compare", "inside", "style", "report", "training"])
def test_the_explorer(page, tmp_path, monkeypatch):
    name = NAME.replace("/", "∕")
    runs = tmp_path / "runs"
    model = runs / name
    small_model([NAME, f"{NAME} 2", f"{NAME} 3"], name=NAME).save(model)
    (model / "config.json").write_text('{"recipe": "%s", "settings": {"%s": "%s"}}' % ((name,) * 3))
    (model / "history.csv").write_text(f"epoch,stage,train_loss,{name}\n0,{name},1.0,0.5\n1,{name},0.5,0.4\n")
    pictures = tmp_path / name
    pictures.mkdir()
    for number in range(2):
        noise().save(pictures / f"{number}{name}.png")
    monkeypatch.setenv(PICTURES, str(pictures))
    monkeypatch.setenv(RUNS, str(runs))
    monkeypatch.setenv(MODELS, str(model))
    app = opened(page, model=str(model), check=False)
    assert not app.exception, [each.value for each in app.exception]
    assert "script" in words(app)  # it is there, and shown as it is
    for text in markdown(app):
        assert not UNDONE.search(text), text
    for each in app.html:
        drawn = re.sub(r"data:[^'\"]+", "data:image/", str(each.value))
        assert not active(drawn), drawn
        assert not scripts(drawn)
