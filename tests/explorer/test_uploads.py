"""What visitors bring: any bytes under any name get a map or a sentence."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from explorer_app import opened, words
from PIL import Image

from interp.defaults import METHOD
from interp.explorer import pictures
from interp.explorer.settings import MODELS, PICTURES, RUNS, Settings

BROKEN = {
    "empty": b"",
    "cut off": b"\x89PNG\r\n\x1a\n" + b"\x00" * 20,
    "text": b"hello",
    "pickle": b"\x80\x04\x95",
    "page": b"<!doctype html><html><script>alert(1)</script></html>",
    "drawing": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "pdf": b"%PDF-1.7",
    "video": b"\x00\x00\x00\x18ftypisom",
}


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def only_error(page) -> str:
    """Return the sentence that the page shows, without the markup that protects it."""
    (said,) = [error.value.replace("\\", "") for error in page.error]
    return said


def brought(name: str, data: bytes, language: str = "en"):
    page = opened("look", picture="upload", lang=language)
    page.file_uploader[0].upload(name, data, "image/png")
    return page.run()


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_no_picture_gets_one_sentence(kind, language):
    page = brought("mine.png", BROKEN[kind], language)
    assert not page.exception
    said = only_error(page)
    assert "mine.png" in said
    assert language == "en" or not re.search(r"[a-z]{2,} [a-z]{2,} [a-z]{2,}", said.replace("mine.png", ""))
    assert "Traceback" not in said
    assert bool(re.search(r"[一-鿿]", said)) == (language == "zh")


def test_too_many_pixels_get_a_sentence(monkeypatch):
    monkeypatch.setattr(pictures, "LIMITS", pictures.Limits(pixels=10_000))
    page = brought("big.png", encoded(Image.new("L", (200, 100))))
    said = only_error(page)
    assert "20" in said
    assert "10,000" in said


@pytest.mark.parametrize(
    ("mode", "size", "kind"),
    [
        ("RGB", (300, 200), "PNG"),
        ("L", (64, 64), "PNG"),
        ("LA", (64, 80), "PNG"),
        ("RGBA", (50, 70), "WEBP"),
        ("P", (90, 60), "GIF"),
        ("CMYK", (80, 80), "JPEG"),
        ("I;16", (64, 64), "PNG"),
        ("1", (33, 47), "PNG"),
        ("RGB", (1, 1), "PNG"),
        ("RGB", (3000, 20), "PNG"),
    ],
)
def test_odd_pictures_are_explained(mode, size, kind):
    page = brought("odd", encoded(Image.new(mode, size), kind))
    assert not page.exception
    assert [error.value for error in page.error] == []
    assert "It sees" in words(page)


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "a/b\\c.png", "<script>alert(1)</script>.png", "x" * 400, "猫.png"]
)
def test_names_are_shown_and_never_used(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    page = brought(name, encoded(Image.fromarray(noise)))
    assert not page.exception
    assert "<script>" not in "".join(str(html.value) for html in page.html)
    assert list(tmp_path.iterdir()) == []
    # The code names what the visitor has, and says that it does not contain it.
    assert "Your picture stays with you" in words(page)


def test_an_upload_leads_to_the_same_maps_as_the_file(default_model, tmp_path):
    import interp
    from interp.explorer.asking import explained
    from interp.explorer.networks import network_of

    noise = np.random.default_rng(0).integers(0, 256, (140, 90, 3), np.uint8)
    data = encoded(Image.fromarray(noise))
    (tmp_path / "mine.png").write_bytes(data)
    chosen = pictures.Chosen(pictures._decoded("digest", "mine.png", data), "mine.png", "digest")
    (found,) = explained(network_of("efficientnet_lite0"), chosen, (None,), (METHOD,), None)
    np.testing.assert_array_equal(found.values, interp.explain(default_model, tmp_path / "mine.png").values)


def test_nothing_chosen_is_a_friendly_page():
    page = opened("look", picture="upload")
    assert "Choose a picture" in words(page)
    assert not page.error


def test_settings_come_from_whoever_starts_it(tmp_path):
    given = Settings.of({RUNS: "r", PICTURES: str(tmp_path), MODELS: "timm:a\nruns/b"})
    assert (str(given.runs), given.pictures, given.models) == ("r", tmp_path, ("timm:a", "runs/b"))
    assert Settings.of({}).pictures.name == "sample_images"


def test_a_folder_without_pictures_still_opens(tmp_path, monkeypatch):
    monkeypatch.setenv(PICTURES, str(tmp_path))
    page = opened("look")
    assert "Choose a picture" in words(page)


def test_one_bad_file_in_the_folder_of_samples_breaks_nothing(tmp_path, monkeypatch):
    Image.new("RGB", (60, 40), "red").save(tmp_path / "good.png")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "nowhere.jpg")
    monkeypatch.setenv(PICTURES, str(tmp_path))
    page = opened("look", picture="good.png")
    assert page.selectbox(key="picture").options[:2] == ["broken", "good"]
    page.selectbox(key="picture").set_value("broken.jpg")
    page.run()
    said = only_error(page)
    assert "broken" in said
    assert str(tmp_path) not in said
    # The rest of the page is there, so that another picture can be chosen.
    assert page.selectbox(key="model").value == "efficientnet_lite0"
    assert "Look" in words(page)


def test_a_sample_that_changes_is_opened_again(tmp_path, monkeypatch):
    Image.new("RGB", (60, 40), "red").save(tmp_path / "a.png")
    first = pictures.opened_sample(tmp_path / "a.png")
    Image.new("RGB", (60, 40), "blue").save(tmp_path / "a.png")
    assert pictures.opened_sample(tmp_path / "a.png").digest != first.digest


def test_what_was_brought_is_kept_until_it_is_taken_away():
    data = encoded(Image.new("RGB", (70, 50), "green"))
    assert brought("mine.png", data).session_state["_uploaded"] == ("mine.png", data)
    page = opened("look", picture="upload")
    page.session_state["_uploaded"] = ("mine.png", data)  # as when another page was visited
    page.run()
    assert "mine.png" in words(page)
    page.button(key="uploaded-away").click().run()
    assert "mine.png" not in words(page)


def test_names_with_a_dash_are_not_options():
    chosen = pictures.Chosen(Image.new("RGB", (2, 2)), "-v.jpg", "")
    assert chosen.source == "./-v.jpg"
