"""Everything that the explorer says, it says in both languages."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
import streamlit as st
from hypothesis import given
from hypothesis import strategies as texts

import interp
from interp.explorer import words
from interp.explorer.choosing import FAMILIES
from interp.explorer.pages import PAGES
from interp.images import ImageError, Limits, open_image, sniff
from interp.methods import methods

SOURCES = sorted((Path(interp.__file__).parent / "explorer").rglob("*.py"))
PLACES = re.compile(r"\{(\w+)\}")


def constants(tree: ast.AST) -> set[str]:
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def literal_words() -> set[str]:
    """Return the first argument of every `say(...)`."""
    said = set()
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "say" and node.args:
                said |= constants(node.args[0])
    return said


@pytest.fixture
def in_chinese(monkeypatch):
    monkeypatch.setattr(words, "language", lambda: "zh")


def test_every_word_is_in_the_table():
    pages = {text for page in PAGES for text in (page.title, page.about)}
    assert sorted((literal_words() | pages) - set(words.chinese())) == []


ENGLISH = re.compile(r"\b(the|of|with|without|and|over|which|between|from|scaled|smooth)\b")


def test_formulas_that_are_sentences_are_in_the_table():
    sentences = {method.formula for method in methods() if ENGLISH.search(method.formula)}
    assert sentences
    assert sorted(sentences - set(words.chinese())) == []


def test_families_have_titles_in_both_languages():
    assert sorted({method.family for method in methods()} - set(FAMILIES)) == []
    assert sorted(set(FAMILIES.values()) - set(words.chinese())) == []


def test_the_table_has_nothing_that_is_never_said():
    everything = set()
    package = Path(interp.__file__).parent
    elsewhere = [*(package / "methods").rglob("*.py"), *(package / "metrics").rglob("*.py")]
    for source in [*SOURCES, *elsewhere, package / "views" / "scale.py"]:
        everything |= constants(ast.parse(source.read_text(encoding="utf-8")))
    assert sorted(set(words.chinese()) - everything) == []


def test_nothing_is_translated_twice():
    places = (Path(interp.__file__).parent / "explorer" / "chinese").glob("*.json")
    keys = [
        key for place in places if place.name != "errors.json" for key in json.loads(place.read_text("utf-8"))
    ]
    assert sorted(key for key in set(keys) if keys.count(key) > 1) == []


def test_translations_have_the_same_places():
    for english, translation in words.chinese().items():
        assert sorted(PLACES.findall(english)) == sorted(PLACES.findall(translation)), english


def test_translations_are_chinese():
    same = {english for english, translation in words.chinese().items() if english == translation}
    assert same == set()
    letters = [e for e, t in words.chinese().items() if not re.search(r"[一-鿿]", t)]
    assert letters == []


def test_sentences_have_no_places_of_their_own():
    table, _ = words._sentences()
    for pattern, translation in table:
        assert set(PLACES.findall(translation)) <= set(pattern.groupindex)


@pytest.mark.parametrize(
    "data", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n", b"%PDF-1.7", b"<svg></svg>", b"\x80\x04x"]
)
def test_sentences_about_pictures_are_told_in_chinese(in_chinese, data):
    with pytest.raises(ImageError) as raised:
        open_image(data)
    told = words.told(raised.value)
    assert re.search(r"[一-鿿]", told)
    assert "seems" not in told
    assert "未能完成" not in told


def test_every_kind_of_file_is_named_in_chinese(in_chinese):
    for offset, signature, _, _ in sniff._SIGNATURES:
        described = sniff.describe(b"\x00" * offset + signature)
        told = words.told(ImageError(f"'a.bin' {described}"))
        assert "seems" not in told
        assert "未能完成" not in told, described


def test_too_many_pixels_is_told_in_chinese(in_chinese):
    with pytest.raises(ImageError) as raised:
        open_image(open_image_bytes(), limits=Limits(pixels=10))
    assert "超过上限 10" in words.told(raised.value)


def open_image_bytes() -> bytes:
    from io import BytesIO

    from PIL import Image

    buffer = BytesIO()
    Image.new("RGB", (20, 20)).save(buffer, "PNG")
    return buffer.getvalue()


def test_english_sentences_stay_as_they_are():
    error = ImageError("'a.png' is empty. Copy or download it again.")
    assert words.told(error) == str(error)


@given(name=texts.text(min_size=1, max_size=30).filter(lambda t: "\x00" not in t))
def test_a_name_of_any_letters_is_found_again(name):
    found = words.as_pattern("{name} is empty.").fullmatch(f"{name} is empty.")
    assert found is not None
    assert found["name"] == name


@given(text=texts.text(max_size=40))
def test_markdown_shows_names_as_they_are(text):
    seen = re.sub(r"[\\\u2060]", "", words.plain(text))
    assert seen == re.sub(r"[\\\u2060]", "", re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", text))


def test_bugs_are_not_shown_to_visitors():
    assert words.problem(RuntimeError("secret")) is None
    assert words.problem(ImageError("'a' is empty.")) == "'a' is empty."
    st.cache_data.clear()
