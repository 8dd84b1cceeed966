"""The explorer in a real browser: what a visitor does, on one server, alone and ten at once."""

from __future__ import annotations

import io
import re
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest
from networks import state
from PIL import Image
from playwright.sync_api import TimeoutError
from sessions import ask_at_once, questions, serving

import interp
from interp.explorer.networks import network_of
from interp.explorer.pages import PAGES
from interp.explorer.words import chinese
from interp.models import DEFAULT_MODEL

ROOT = Path(interp.__file__).parents[1]
SAMPLES = ROOT / "sample_images"
IDLE = '[data-testid=stApp][data-test-script-state="notRunning"]'
MAP = ".st-key-map figcaption .title"

SILENT_PICTURES = """
    main => [...main.querySelectorAll("img")]
        .filter(img => !img.alt && !img.closest("[aria-label], [aria-hidden]")).length
"""
NAMELESS_BUTTONS = """
    main => [...main.querySelectorAll("button")]
        .filter(button => !(button.innerText.trim() || button.ariaLabel || button.title)).length
"""


@pytest.fixture(scope="module")
def context(browser):
    """One for all pages, which are sessions of their own: it keeps the scripts it has loaded and compiled."""
    made = browser.new_context(accept_downloads=True)
    yield made
    made.close()


@pytest.fixture
def visit(context, server):
    """Opens pages; at the end no page has complained or asked anybody but the server."""
    pages, problems = [], []

    def opened(page_name="", *, width=1440, height=900, **query):
        page = context.new_page()
        pages.append(page)
        page.set_viewport_size({"width": width, "height": height})
        page.on("console", lambda message: problems.append(message.text) if is_problem(message) else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "request", lambda request: problems.append(request.url) if outside(request.url, server) else None
        )
        page.goto(f"{server}/{page_name}?{urlencode(query)}")
        page.locator(".interp-title").wait_for(timeout=120_000)
        idle(page)
        return page

    yield opened
    for page in pages:
        page.close()
    assert problems == []


def is_problem(message) -> bool:
    """Whether a page complains. Streamlit looks for its server below a page's own address first, in vain."""
    return message.type == "error" and "/_stcore/" not in message.location["url"]


def outside(address: str, server: str) -> bool:
    return not address.startswith((server, server.replace("http", "ws"), "data:", "blob:"))


def idle(page):
    page.wait_for_selector(IDLE, timeout=120_000)


def awaited(page, what) -> None:
    """Wait for something on a page, however slow the machine; where it never comes, say what is there."""
    try:
        what.wait_for(timeout=120_000)
    except TimeoutError as error:
        state = page.locator("[data-testid=stApp]").get_attribute("data-test-script-state")
        said = page.locator("[data-testid=stMain]").inner_text()
        raise AssertionError(
            f"{what} did not come; the script is {state!r}; the page says:\n{said}"
        ) from error


def press_class(page, name: str) -> None:
    page.locator(".st-key-bars button", has_text=name).first.click()
    page.locator(MAP, has_text=re.compile(f"^{name}")).wait_for()
    idle(page)


def downloaded(page, number: int) -> bytes:
    with page.expect_download() as download:
        # By its key: the browser draws each button as its script arrives, the last ones first.
        page.locator(f".st-key-file-look-{number} button").click()
    assert download.value.failure() is None
    data = Path(download.value.path()).read_bytes()
    assert not data.startswith((b"<!doctype html>", b"<!DOCTYPE")) or number == 3, data[:300]
    return data


def test_the_main_scenario(visit, default_model):
    page = visit()
    press_class(page, "tiger cat")
    assert "class=tiger+cat" in page.url
    strongest = page.locator(".st-key-map .frame").get_attribute("aria-label")
    assert strongest == "Map for tiger cat at layer bn2; strongest at the top, in the middle."
    press_class(page, "espresso")
    assert "half way down, in the middle" in page.locator(".st-key-map .frame").get_attribute("aria-label")
    page.locator(".st-key-stages button", has_text="blocks.4").click()
    page.locator(".st-key-map figcaption .note", has_text="blocks.4").wait_for()
    idle(page)
    values = np.load(io.BytesIO(downloaded(page, 1)))
    wanted = interp.explain(default_model, SAMPLES / "cat_and_coffee.jpg", "espresso", layer="blocks.4")
    np.testing.assert_array_equal(values["map"], wanted.values)
    picture = Image.open(io.BytesIO(downloaded(page, 0)))
    assert picture.format == "PNG"
    assert b"espresso" in downloaded(page, 3)
    assert page.url.endswith("?class=espresso&layer=blocks.4")


@pytest.mark.slow
def test_a_file_of_ones_own(visit, default_model, tmp_path):
    Image.open(SAMPLES / "rocket.jpg").save(tmp_path / "mine.png")
    page = visit(picture="upload")
    page.locator("input[type=file]").set_input_files(tmp_path / "mine.png")
    page.locator(MAP, has_text="missile").wait_for(timeout=120_000)
    idle(page)
    values = np.load(io.BytesIO(downloaded(page, 1)))
    np.testing.assert_array_equal(values["map"], interp.explain(default_model, tmp_path / "mine.png").values)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    page.locator("input[type=file]").set_input_files(tmp_path / "broken.png")
    page.get_by_text("'broken.png' seems to be text.").wait_for()


def press_language(page, name: str) -> None:
    page.locator(".st-key-lang button", has_text=name).click()
    page.locator(".interp-title", has_text="观察" if name == "中文" else "Look").wait_for()
    idle(page)


@pytest.mark.slow
def test_the_language_changes_words_and_nothing_else(visit, tmp_path):
    Image.open(SAMPLES / "rocket.jpg").save(tmp_path / "mine.png")
    page = visit(picture="upload", layer="blocks.2", smoothing="nearest", mode="split", method="hires-cam")
    page.locator("input[type=file]").set_input_files(tmp_path / "mine.png")
    page.locator(MAP, has_text="missile").wait_for(timeout=120_000)
    idle(page)
    before = page.url
    shown = page.locator(".st-key-map img.over").get_attribute("src")
    press_language(page, "中文")
    assert page.locator(".st-key-map img.over").get_attribute("src") == shown
    assert page.locator(".st-key-smoothing input").input_value() == "原始格点"
    assert "Cells" not in page.locator("[data-testid=stMain]").inner_text()
    assert "上传图片" in page.locator(".st-key-picture input").input_value()
    press_language(page, "English")
    assert page.locator(".st-key-map img.over").get_attribute("src") == shown
    assert page.url == before
    page.locator(".st-key-opacity input").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**opacity=0.65**")
    assert page.locator(".st-key-map img.over").get_attribute("src") == shown


@pytest.mark.slow
def test_an_upload_goes_along_to_other_pages(visit, tmp_path):
    Image.open(SAMPLES / "rocket.jpg").save(tmp_path / "mine.png")
    page = visit(picture="upload")
    page.locator("input[type=file]").set_input_files(tmp_path / "mine.png")
    page.locator(MAP, has_text="missile").wait_for(timeout=120_000)
    page.get_by_role("link", name="Compare").click()
    page.locator(".interp-title", has_text="Compare").wait_for()
    page.locator(".interp-sight", has_text="mine.png").wait_for()
    idle(page)
    page.get_by_role("button", name="Take it away").click()
    page.get_by_text("Choose a picture and a network").wait_for()
    idle(page)
    assert page.locator(".interp-sight").count() == 0


@pytest.mark.slow
def test_the_value_under_the_pointer(visit, default_model):
    page = visit(**{"class": "tiger cat"})
    found = interp.explain(default_model, SAMPLES / "cat_and_coffee.jpg", "tiger cat")
    side = len(found.values)
    row, column = divmod(int(found.values.argmax()), side)
    width, height = found.picture.size
    x = (found.box.left + (column + 0.5) / side * found.box.width) / width
    y = (found.box.top + (row + 0.5) / side * found.box.height) / height
    frame = page.locator(".st-key-map .frame")
    size = frame.bounding_box()
    frame.hover(position={"x": x * size["width"], "y": y * size["height"]})
    told = page.locator(".st-key-map output").inner_text()
    # Always three significant digits, so that the number does not jump about while the pointer moves.
    assert told == f"{found.values.max():#.3g} in cell {row + 1}, {column + 1} of 56×56"


@pytest.mark.slow
def test_what_the_browser_shows_is_the_overlay(visit, default_model):
    page = visit(**{"class": "tiger cat", "opacity": "0.5"})
    shot = Image.open(io.BytesIO(page.locator(".st-key-map .frame").screenshot())).convert("RGB")
    wanted = interp.explain(default_model, SAMPLES / "cat_and_coffee.jpg", "tiger cat").overlay(0.5)
    wanted = wanted.resize(shot.size)
    inner = (slice(20, -20), slice(20, -20))
    assert np.abs(np.asarray(shot, float)[inner] - np.asarray(wanted, float)[inner]).mean() < 4


@pytest.mark.slow
def test_before_and_after(visit):
    page = visit(mode="split")
    slider = page.locator(".st-key-map input[type=range]")
    slider.fill("0.25")
    assert "25%" in page.locator(".st-key-map img.over").get_attribute("style")
    page.locator("[data-testid=stMain]").evaluate("main => main.scrollTo(0, 0)")
    box = page.locator(".st-key-map .frame").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.25 * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.75 * box["width"], middle, steps=5)
    page.mouse.up()
    assert float(slider.input_value()) == pytest.approx(0.75, abs=0.02)


@pytest.mark.slow
def test_three_panels_stand_side_by_side(visit):
    page = visit(mode="three")
    page.locator(".st-key-map .frame").nth(2).wait_for()
    boxes = [frame.bounding_box() for frame in page.locator(".st-key-map .frame").all()]
    assert len(boxes) == 3
    assert len({round(box["y"]) for box in boxes}) == 1
    assert len({(round(box["width"]), round(box["height"])) for box in boxes}) == 1
    page.locator(".st-key-map .frame").first.focus()
    page.keyboard.press("+")
    zoomed = {layers.get_attribute("style") for layers in page.locator(".st-key-map .layers").all()}
    assert len(zoomed) == 1  # linked


@pytest.mark.slow
def test_a_thing_that_was_clicked_and_what_the_skips_are_worth_for_it(visit):
    shown = visit("segmentation", model="runs/street")
    shown.locator(".st-key-segmentation .frame").first.click()
    title = shown.locator(".st-key-segmentation figcaption .title")
    awaited(shown, title.filter(has_text=re.compile(r" at \(0\.")))
    shown.locator(".st-key-region button", has_text="The thing there").click()
    awaited(shown, title.filter(has_text="in the component at"))
    idle(shown)
    assert "region=component" in shown.url
    assert shown.locator(".st-key-segmentation img.lines").count() == 2
    shown.locator(".st-key-u_ablate button", has_text="Zeros").click()
    begin = shown.get_by_role("button", name="Look into the skips")
    awaited(shown, begin)
    begin.click()
    awaited(shown, shown.locator(".interp-table th", has_text="Zeros"))
    idle(shown)
    with shown.expect_download() as download:
        shown.locator(".st-key-file-u-0 button").click()
    with Image.open(download.value.path()) as made:
        assert made.height > made.width > 1000


@pytest.mark.slow
def test_by_keyboard_alone(visit):
    page = visit()
    button = page.locator(".st-key-bars button", has_text="tiger cat")
    button.focus()
    page.keyboard.press("Enter")
    page.locator(MAP, has_text=re.compile("^tiger cat")).wait_for()
    idle(page)
    frame = page.locator(".st-key-map .frame")
    frame.focus()
    page.keyboard.press("ArrowRight")
    assert "in cell" in page.locator(".st-key-map output").inner_text()
    page.keyboard.press("+")
    assert "scale(1.5)" in page.locator(".st-key-map .layers").get_attribute("style")
    page.keyboard.press("0")
    assert "scale(1)" in page.locator(".st-key-map .layers").get_attribute("style")


@pytest.mark.slow
def test_opacity_asks_nothing_of_the_network(visit):
    page = visit()
    before = page.locator(".st-key-map img.over").get_attribute("src")
    page.locator(".st-key-opacity input").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "getComputedStyle(document.documentElement).getPropertyValue('--interp-opacity').trim() == '0.65'"
    )
    assert page.locator(".st-key-map img.over").get_attribute("src") == before


@pytest.mark.parametrize(
    ("language", "width"), [("en", 1440), pytest.param("zh", 390, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=page.name, marks=() if page.name in ("look", "report") else pytest.mark.slow)
        for page in PAGES
    ],
)
def test_every_page_fits_and_has_words_for_its_pictures(visit, page, language, width):
    shown = visit("" if page is PAGES[0] else page.name, width=width, height=900, lang=language)
    title = page.title if language == "en" else chinese()[page.title]
    assert shown.locator(".interp-title").inner_text() == title
    assert shown.evaluate("document.scrollingElement.scrollWidth") <= width
    main = shown.locator("[data-testid=stMain]")
    assert main.locator("[data-testid=stException], [data-testid=stAlertContentError]").count() == 0
    assert main.evaluate(SILENT_PICTURES) == 0
    assert main.evaluate(NAMELESS_BUTTONS) == 0


@pytest.mark.parametrize(
    ("page", "query", "button"),
    [
        pytest.param("style", {"style_steps": "512"}, "Make the picture", marks=pytest.mark.slow),
        ("report", {"method": "score-cam"}, "Write the report"),
        pytest.param("", {"method": "smoothgrad(samples=2000)"}, "Make the map", marks=pytest.mark.slow),
    ],
)
def test_long_work_can_be_cancelled_and_begun_again(visit, page, query, button):
    shown = visit(page, **query)
    begin = shown.get_by_role("button", name=button)
    for _ in range(2):
        begin.click()
        # The estimate: the work has begun, and nothing of the page is still being put in its place.
        awaited(shown, shown.locator("[data-testid=stProgress]", has_text="left"))
        shown.get_by_role("button", name="Cancel").click()
        awaited(shown, begin)
        idle(shown)
        assert shown.locator("[data-testid=stProgress]").count() == 0


def test_chinese_and_a_phone(visit):
    page = visit(lang="zh", width=390, height=844)
    page.get_by_text("带走结果").wait_for()
    wide = page.evaluate("document.scrollingElement.scrollWidth")
    assert wide <= 390
    letters = re.sub(r"\s+", " ", page.locator("[data-testid=stMain]").inner_text())
    for english in ("Layer", "Opacity", "Colours", "Method", "Take it home"):
        assert english not in letters


@pytest.mark.slow
def test_a_phone_sees_the_map_as_wide_as_itself(visit):
    page = visit(width=390, height=844)
    box = page.locator(".st-key-map .frame").bounding_box()
    assert 300 <= box["width"] <= 390
    assert box["x"] >= 0


@pytest.mark.slow
def test_ten_at_once_get_their_own(browser):
    """Each of ten sessions gets bit for bit what it gets alone, and the network stays as it was."""
    asked = questions(0)
    with serving() as address:
        model = network_of(DEFAULT_MODEL).model
        before = state(model.module)
        found = ask_at_once(browser, address, asked)
        assert network_of(DEFAULT_MODEL).model is model
    assert state(model.module) == before
    for values, question in zip(found, asked, strict=True):
        np.testing.assert_array_equal(values, question.alone(model), str(question))


@pytest.mark.slow
def test_the_film_plays_and_the_badge_leads_to_it(visit):
    page = visit(picture="cat.jpg", method="eigen-cam")
    awaited(page, page.locator(".interp-badge.fails"))
    page.get_by_text("Put it to the test").click()
    awaited(page, page.locator(".interp-verdict.fails"))
    awaited(page, page.locator(".film .way-3"))  # the last control is measured
    idle(page)
    slider = page.locator(".film input[type=range]")
    slider.scroll_into_view_if_needed()
    assert slider.input_value() == "0.25"
    before = frame_of(page)
    page.locator(".film .play").click()
    awaited(page, page.locator(".film .now", has_text=re.compile("^[1-9] % taken away")))
    page.locator(".film .play").click()
    assert frame_of(page) != before
    slider.press("End")
    assert slider.get_attribute("aria-valuetext").startswith("100 % taken away, probability of tiger cat")
    page.locator(".film .way-1").click()
    assert page.locator(".film .way-1").get_attribute("aria-pressed") == "true"


def frame_of(page) -> str:
    return page.locator(".film canvas").evaluate("canvas => canvas.toDataURL()")
