"""The report's page in a real browser: maps are drawn, as Python draws them, and answer to clicks."""

from __future__ import annotations

import base64
import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import sync_playwright
from waiting import until

import interp
from interp.report.page import write_page
from interp.report.pipeline import Job
from interp.report.rows import ClassMap, Row
from interp.views import Scale, framed_heat

SAMPLES = Path(__file__).parents[2] / "sample_images"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")


@pytest.fixture(scope="module")
def page():
    with sync_playwright() as playwright:
        switches = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=switches)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.problems = []
        page.on("console", lambda message: page.problems.append(message.text))
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("request", lambda r: page.problems.append(r.url) if r.url.startswith("http") else None)
        yield page
        browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for name in ("cat.jpg", "cat_and_coffee.jpg"):
        shutil.copy(SAMPLES / name, folder)
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    out = tmp_path_factory.mktemp("out") / "report"
    return interp.write_report(interp.load(), folder, out, method="grad-cam")


def canvas(page, card: int, kind: str) -> Image.Image:
    """Return what the page drew, pixel for pixel."""
    script = f"document.querySelectorAll('.card canvas.{kind}')[{card}].toDataURL()"
    return Image.open(io.BytesIO(base64.b64decode(page.evaluate(script).partition(",")[2]))).convert("RGB")


def test_maps_are_drawn_and_change_with_the_class(page, report):
    page.goto((report.folder / "index.html").as_uri())
    page.wait_for_selector("canvas.map[aria-label*=espresso]")
    assert page.inner_text("#shown") == "2 of 2 pictures"
    assert "1 could not be read" in page.inner_text(".lead")
    first = canvas(page, 1, "map")
    page.locator(".card").nth(1).get_by_role("button", name="tiger cat").click()
    label = page.locator(".card").nth(1).locator("canvas.map").get_attribute("aria-label")
    assert label.startswith("map for tiger cat, range 0 to ")
    assert np.abs(np.asarray(first, int) - np.asarray(canvas(page, 1, "map"), int)).mean() > 10
    page.locator(".card").nth(1).locator("canvas.overlay").hover()
    assert "of 7×7" in page.locator(".card .value").nth(1).inner_text()
    assert page.problems == []


def test_opacity_cells_and_search(page, report):
    page.goto((report.folder / "index.html").as_uri())
    page.wait_for_selector("canvas.map[aria-label*=espresso]")
    smooth = canvas(page, 0, "map")
    page.check("#cells")
    assert len(set(canvas(page, 0, "map").getdata())) <= 50 < len(set(smooth.getdata()))
    page.locator("#opacity").fill("0")
    box = page.evaluate(
        "[...shown.values()].map(({picture}) => picture.box.map((edge, i) => edge / picture.size[i % 2]))[0]"
    )
    over = canvas(page, 0, "overlay")
    inside = tuple(round(edge * side) for edge, side in zip(box, over.size * 2, strict=True))
    encoded = page.locator(".card img").first.get_attribute("src").partition(",")[2]
    plain = Image.open(io.BytesIO(base64.b64decode(encoded)))
    middle = (inside[0] + 2, inside[1] + 2, inside[2] - 2, inside[3] - 2)
    difference = np.asarray(plain.crop(middle), int) - np.asarray(over.crop(middle), int)
    assert np.abs(difference).max() <= 3  # two JPEG decoders
    page.fill("#find", "coffee")
    until(page, "document.getElementById('shown').textContent === '1 of 2 pictures'")
    assert page.problems == []


def test_the_page_draws_as_python_does(page, tmp_path, monkeypatch):
    """One scale, one table, one interpolation: a ramp in a box comes out as `framed_heat` draws it."""
    values = np.linspace(-0.5, 2.0, 12, dtype=np.float32).reshape(3, 4)
    buffer = io.BytesIO()
    Image.new("RGB", (160, 120), (90, 120, 150)).save(buffer, "PNG")
    verdict = ClassMap("none", 1, 0.5, 0.0, -np.ones((2, 2), np.float32))
    row = Row(
        "a.png",
        size=(320, 240),
        box=(40.0, 0.0, 280.0, 240.0),
        maps=(ClassMap("ramp", 0, 0.5, 0.0, values), verdict),
        thumbnail=buffer.getvalue(),
    )
    model = interp.load()
    job = Job(model, tmp_path, tmp_path, None, "grad-cam", "bn2", 1)
    about = {"model": {"weights_sha256": "0" * 64}, "versions": {}}
    text = tmp_path / "index.html"
    write_page(job, about, iter([row]), text)
    page.goto(text.as_uri())
    page.wait_for_selector("canvas.map[aria-label*=ramp]")
    expected = framed_heat(values, Scale.of(values, "positive"), (160, 120), box=(20, 0, 140, 120))
    difference = np.abs(np.asarray(expected, int) - np.asarray(canvas(page, 0, "map"), int))
    assert difference.max() <= 12  # a step of the table
    assert difference.mean() < 0.5
    page.get_by_role("button", name="none").click()
    assert page.inner_text(".scale").strip() == "no positive evidence"
    assert page.problems == []
