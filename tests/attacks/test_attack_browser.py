"""A report and the explorer full of other people's script, in a real browser: none of it runs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from explorer_server import CHROMIUM, SWITCHES, served
from hostile import MARKUP, noise, small_model
from PIL import ExifTags, Image, PngImagePlugin
from playwright.sync_api import sync_playwright

import interp

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")
HIT = "document.documentElement.dataset.hit='1'"
SCRIPTS = [
    f"<script>{HIT}</script>",
    f"<img src=x onerror={HIT}>",
    f"\"'><svg onload={HIT}>",
    f"</script><script>{HIT}</script>",
    f"[x](javascript:{HIT})",
    *MARKUP,
]


def as_file(name: str) -> str:
    return name.replace("/", "∕")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Path:
    """A model and pictures whose names, texts and EXIF are script."""
    folder = tmp_path_factory.mktemp("hostile")
    small_model(SCRIPTS[:3], name=SCRIPTS[0]).save(folder / "runs" / as_file(SCRIPTS[1]))
    run = folder / "runs" / as_file(SCRIPTS[1])
    script = json.dumps(SCRIPTS[0])
    (run / "config.json").write_text(f'{{"recipe": {script}, "settings": {{{script}: {script}}}}}')
    (run / "history.csv").write_text(f"epoch,stage,train_loss,{HIT}\n0,{SCRIPTS[0]},1.0,0.5\n")
    (folder / "pictures").mkdir()
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = exif[ExifTags.Base.Artist] = SCRIPTS[0]
    for number, name in enumerate(SCRIPTS):
        noise().save(folder / "pictures" / f"{number}{as_file(name)}.jpg", exif=exif)
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", SCRIPTS[0])
    noise().save(folder / "pictures" / "text.png", pnginfo=text)
    (folder / "pictures" / f"broken{as_file(SCRIPTS[0])}.jpg").write_bytes(SCRIPTS[0].encode())
    return folder


@pytest.fixture
def page():
    """A page that remembers every dialog that opens and everybody who is asked for something."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(120_000)
        page.dialogs, page.asked = [], []
        page.on("dialog", lambda dialog: (page.dialogs.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: page.asked.append(request.url))
        yield page
        browser.close()


def assert_untouched(page) -> None:
    assert page.dialogs == []
    assert page.evaluate("document.documentElement.dataset.hit") is None


def press_everything(page, selector: str) -> None:
    """Press every button, so that what is made by the page's own script is seen, too."""
    for button in page.locator(selector).all():
        if button.is_visible():
            button.click()


def test_a_report(hostile, page, tmp_path):
    (model,) = (hostile / "runs").iterdir()
    report = interp.write_report(interp.load(model), hostile / "pictures", tmp_path / "report")
    page.goto((report.folder / "index.html").as_uri())
    page.wait_for_selector("canvas")
    assert SCRIPTS[0] in page.inner_text("body")  # it is shown
    press_everything(page, "main button")
    page.locator("input[type=search]").first.fill(SCRIPTS[0])
    assert_untouched(page)
    inside = report.folder.resolve()
    for address in [*page.asked, *links(page)]:
        where = urlparse(address)
        assert where.scheme in ("file", "data", "blob"), address
        if where.scheme == "file":
            path = Path(os.path.normpath(unquote(where.path)))
            assert path.is_relative_to(inside), address
            assert path.exists(), address


def links(page) -> list[str]:
    """Return every address on the page, as the browser understands it."""
    return page.evaluate(
        "[...document.querySelectorAll('[href], [src], [action]')].map(e => e.href || e.src || e.action)"
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["look", "compare", "inside", "training"])
def test_the_explorer(name, hostile, page, explorer):
    (model,) = (hostile / "runs").iterdir()
    page.goto(f"{explorer}/{'' if name == 'look' else name}?model={model}")
    page.locator(".interp-title").wait_for()
    page.wait_for_selector('[data-testid=stApp][data-test-script-state="notRunning"]')
    # The browser may draw a page after its script has ended.
    page.wait_for_function("text => document.body.innerText.includes(text)", arg=HIT)
    assert_untouched(page)
    here = (explorer, explorer.replace("http", "ws"), "data:", "blob:")
    assert [address for address in page.asked if not address.startswith(here)] == []
    assert [address for address in links(page) if address and address.startswith("javascript:")] == []


@pytest.fixture(scope="module")
def explorer(hostile):
    with served(hostile, "--pictures", hostile / "pictures", "--runs", hostile / "runs") as address:
        yield address
