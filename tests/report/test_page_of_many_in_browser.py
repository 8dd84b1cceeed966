"""The page of many pictures in a real browser: filters, pages, addresses, names that are markup, a phone."""

from __future__ import annotations

import base64
import shutil
from dataclasses import replace

import numpy as np
import pytest
from made_up_rows import ABOUT, job, model, row, rows
from playwright.sync_api import sync_playwright
from waiting import until

from interp.models import Prediction
from interp.report import page_table
from interp.report.page import write_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
COUNT = 1000
GOOD = [number for number in range(COUNT) if number % 100 != 99]
WRONG = [number for number in GOOD if number % 10 == 0]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        switches = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=switches)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.problems = []
    page.on("console", lambda message: page.problems.append(message.text))
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("request", lambda r: page.problems.append(r.url) if r.url.startswith("http") else None)
    page.on("dialog", lambda dialog: page.problems.append(dialog.message))
    yield page
    page.close()


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page_table, "ROWS", 384)
        patch.setattr(page_table, "NAMES", 128)
        write_page(job(folder), ABOUT, rows(COUNT), folder / "index.html")
    return folder


def opened(page, folder, address=""):
    page.goto("about:blank")
    page.goto((folder / "index.html").as_uri() + address)
    until(page, "result.rows.length > 0 && document.querySelector('.card:not(.coming)')")


def found(page):
    """Return the numbers of all rows that fit, in their order, and what the page says of them."""
    return page.evaluate("[...result.rows]"), page.inner_text("#shown")


def awaited(page, text):
    until(page, "text => document.getElementById('shown').textContent === text", text)
    return page.evaluate("[...result.rows]")


def numbers(page):
    return page.evaluate("[...document.querySelectorAll('.card')].map(card => Number(card.dataset.row))")


@pytest.mark.slow
def test_a_page_has_fifty_cards_and_the_last_is_reached(page, many):
    opened(page, many)
    assert found(page) == (GOOD, "990 of 990 pictures")
    assert numbers(page) == GOOD[:50]
    page.keyboard.press("ArrowRight")
    assert numbers(page) == GOOD[50:100]
    page.fill("#page", "20")
    page.press("#page", "Enter")
    until(page, "state.page === 20")
    assert numbers(page) == GOOD[950:]
    page.wait_for_selector(f".card[data-row='{GOOD[950]}'] canvas.map[aria-label*=range]")
    assert f"picture {GOOD[950]:05}.jpg" in page.inner_text(".card h2")
    assert page.is_disabled(".tools [data-step='1']")
    page.locator(".tools [data-step='-1']").click()
    page.go_back()
    until(page, "state.page === 20")
    assert page.problems == []


@pytest.mark.slow
def test_only_what_is_looked_at_is_loaded(page, many):
    asked = []
    page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    opened(page, many)
    page.wait_for_selector("canvas.map[aria-label*=range]")
    assert {name for name in asked if name.startswith("part")} == {"part-00000.js"}
    assert not any(name.startswith("names") for name in asked)
    page.evaluate("for (let number = 0; number < 16; number++) chunk(number); chunk(0); chunk(3)")
    assert page.evaluate("kept.size") <= page.evaluate("KEPT") == 16
    assert not page.evaluate("document.querySelectorAll('head script').length > 16")


def test_filters_find_the_rows_that_python_finds(page, many):
    opened(page, many)
    page.select_option("#only", "wrong")
    assert awaited(page, f"{len(WRONG)} of 990 pictures") == WRONG
    page.select_option("#only", "right")
    assert awaited(page, "890 of 990 pictures") == [n for n in GOOD if n not in WRONG]
    page.select_option("#only", "")
    page.fill("#from", "20")
    page.fill("#to", "29.5")
    assert awaited(page, "100 of 990 pictures") == [n for n in GOOD if 20 <= n % 100 <= 29]
    page.select_option("#sort", "sure")
    until(page, "state.sort === 'sure'")
    expected = sorted([n for n in GOOD if 20 <= n % 100 <= 29], key=lambda n: -(n % 100))
    assert found(page)[0] == expected
    assert numbers(page)[:10] == expected[:10]
    page.click("#clear")
    page.select_option("#sort", "back")
    until(page, "state.sort === 'back'")
    assert found(page)[0] == GOOD[::-1]
    page.select_option("#only", "failed")
    assert awaited(page, "10 of 10 that could not be read")[-1] == 99
    page.wait_for_selector(".card.failed")
    assert "it seems to be text." in page.inner_text(".card")
    assert page.problems == []


@pytest.mark.slow
def test_classes_are_found_by_name_and_by_what_they_are(page, many):
    opened(page, many)
    name = model().labels[3]
    page.fill("#class", name.upper())
    predicted = {n for n in GOOD if n % 7 + (n % 10 == 0) == 3}
    true = {n for n in GOOD if n % 7 == 3}
    for role, expected in (
        ("", predicted | true),
        ("predicted", predicted),
        ("true", true),
        ("explained", predicted),
    ):
        page.select_option("#role", role)
        assert awaited(page, f"{len(expected)} of 990 pictures") == sorted(expected)
    page.select_option("#role", "explained")
    page.fill("#class", model().labels[500][:5])
    assert awaited(page, "990 of 990 pictures") == GOOD
    page.fill("#class", "no such class")
    assert awaited(page, "0 of 990 pictures") == []
    assert page.is_visible("#none")
    page.click("#none button")
    awaited(page, "990 of 990 pictures")
    options = page.evaluate("[...document.querySelectorAll('#classes option')].map(o => [o.value, o.label])")
    assert options[-1][0] == model().labels[500]
    assert all("predicted" in label for _, label in options[:7])


@pytest.mark.slow
def test_names_are_searched_in_all_pieces(page, many):
    opened(page, many)
    page.fill("#find", "PICTURE 007")
    assert awaited(page, "99 of 990 pictures") == [n for n in GOOD if 700 <= n < 800]
    page.fill("#find", "5.jpg")
    assert awaited(page, "100 of 990 pictures") == [n for n in GOOD if n % 10 == 5]
    page.fill("#find", "folder 009/picture 00998")
    assert awaited(page, "1 of 990 pictures") == [998]


def test_a_view_can_be_linked(browser, page, many):
    opened(page, many)
    page.select_option("#only", "wrong")
    page.select_option("#sort", "unsure")
    page.fill("#from", "50")
    page.check("#grid")
    until(page, "location.hash.includes('from=50')")
    rows_before, said = found(page)
    address = page.evaluate("location.hash")
    other = browser.new_page()
    other.goto((many / "index.html").as_uri() + address)
    until(other, "result.rows.length > 0")
    assert found(other) == (rows_before, said)
    assert other.is_checked("#grid")
    assert other.input_value("#from") == "50"
    other.close()
    page.goto((many / "index.html").as_uri() + "#page=7&from=junk&only=<b>")
    page.reload()
    until(page, "result.rows.length === 990")
    assert page.evaluate("state.page") == 7


@pytest.mark.slow
def test_bars_are_drawn_over_to_choose_a_range(page, many):
    opened(page, many)
    heights = page.evaluate("[...result.right].map((n, i) => n + result.wrong[i])")
    assert heights == [50] * 19 + [40]
    edge = page.locator("#bars").bounding_box()
    width = edge["width"] / 20
    page.mouse.move(edge["x"] + 4.5 * width, edge["y"] + 5)
    page.mouse.down()
    page.mouse.move(edge["x"] + 9.5 * width, edge["y"] + 5, steps=4)
    page.mouse.up()
    assert (page.input_value("#from"), page.input_value("#to")) == ("20", "50")
    assert found(page)[0] == [n for n in GOOD if 20 <= n % 100 <= 50]


@pytest.mark.slow
def test_what_python_put_into_the_table_arrives(page, many):
    opened(page, many)
    raw = page.evaluate("btoa(String.fromCharCode(...new Uint8Array(table.probability.buffer)))")
    sure = np.frombuffer(base64.b64decode(raw), np.uint16) / 65535
    expected = [0 if n % 100 == 99 else n % 100 / 100 for n in range(COUNT)]
    assert np.abs(sure - expected).max() < 1e-5


@pytest.mark.slow
def test_a_missing_piece_is_said_where_it_is_missing(page, many, tmp_path):
    shutil.copytree(many, tmp_path / "copy")
    (tmp_path / "copy/data/part-00001.js").unlink()
    page.goto((tmp_path / "copy/index.html").as_uri() + "#page=3")
    page.wait_for_selector(".card.failed")
    assert "data/part-00001.js is not there. Keep the folder data" in page.inner_text("#cards")
    shutil.rmtree(tmp_path / "copy/data")
    page.reload()
    until(page, "document.getElementById('shown').textContent.includes('rows-00000.js is not there')")


HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u2028\"'"


@pytest.mark.slow
def test_names_that_are_markup_are_shown(page, tmp_path):
    def named():
        for number in range(300):
            each = row(number, file=f"{number:03} {HOSTILE}")
            maps = tuple(replace(found, target=HOSTILE, index=None) for found in each.maps)
            known = (Prediction(number % 7, HOSTILE, 0.5), Prediction(8, HOSTILE + "2", 0.1))
            yield replace(each, maps=maps, prediction=known if each.prediction else ())

    write_page(job(tmp_path), ABOUT, named(), tmp_path / "index.html")
    opened(page, tmp_path)
    page.wait_for_selector("canvas.map[aria-label*=range]")
    page.fill("#find", "onerror=alert(2)>")
    awaited(page, "297 of 297 pictures")
    page.wait_for_selector(".card:not(.coming)")
    assert "<script>alert(1)" in page.inner_text(".card h2")
    assert page.evaluate("document.querySelectorAll('main img:not([alt]), main script').length") == 0
    assert page.problems == []


@pytest.mark.slow
@pytest.mark.parametrize("view", ["", "#view=grid"])
@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_scrolls_one_way_only(browser, many, width, view):
    page = browser.new_page(viewport={"width": width, "height": 844}, has_touch=True)
    page.goto((many / "index.html").as_uri() + view)
    page.wait_for_selector("canvas.overlay[aria-label*=range]", state="attached")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".tools").bounding_box()["height"] < 150
    page.close()


@pytest.mark.slow
def test_a_tile_of_the_grid_opens_to_the_whole_card(page, many):
    opened(page, many, "#view=grid")
    page.wait_for_selector("canvas.overlay[aria-label*=range]")
    assert not page.locator(".card .classes").first.is_visible()
    page.locator("canvas.overlay").first.click()
    assert page.locator(".card .classes").first.is_visible()
    page.locator("canvas.overlay").first.click()
    assert not page.locator(".card .classes").first.is_visible()
