"""The files of a report's page: pieces of any number of rows, the same bytes again, no markup in names."""

from __future__ import annotations

import base64
import json
import re
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from made_up_rows import ABOUT, job, model, row, rows

from interp.models import Prediction
from interp.report import page, page_table
from interp.report.page import write_page
from interp.report.rows import ClassMap

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "a\u2028b\u2029c.jpg",
    "\"'><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}",
    "a\nb\\n.jpg",
    "half \udcff.jpg",
]


def written(folder, made, name="index.html", **options):
    folder.mkdir(exist_ok=True)
    write_page(job(folder, **options), ABOUT, made, folder / name)
    return folder


def content(path):
    """Return (kind, number, content) of a piece, which must be one call and nothing else."""
    text = path.read_text(encoding="ascii")
    found = re.fullmatch(r'interpReport\("(\w+)",(\d+),(.*)\);\n', text)
    return found[1], int(found[2]), json.loads(found[3])


def pieces(folder):
    found: dict[str, list] = {"part": [], "rows": [], "names": []}
    for path in sorted((folder / "data").iterdir()):
        kind, number, inside = content(path)
        assert number == len(found[kind])
        assert path.name == f"{kind}-{number:05d}.js"
        found[kind].append(inside)
    return found


def columns(found, name, kind="<u2"):
    return np.concatenate([np.frombuffer(base64.b64decode(p[name]), kind) for p in found["rows"]])


def head(folder):
    text = (folder / "index.html").read_text(encoding="utf-8")
    return json.loads(re.search(r'id="head">(.*?)</script>', text)[1])


def test_few_pictures_are_one_file_and_many_lie_beside_it(tmp_path):
    few = written(tmp_path / "few", rows(page.INLINE))
    assert [path.name for path in few.iterdir()] == ["index.html"]
    many = written(tmp_path / "many", rows(page.INLINE + 1))
    assert sorted(path.name for path in many.iterdir()) == ["data", "index.html"]
    assert (many / "index.html").stat().st_size < 80_000
    again = written(tmp_path / "many", rows(3))
    assert [path.name for path in again.iterdir()] == ["index.html"]  # the pieces of before are gone


def test_the_table_says_of_every_row_what_the_row_says(tmp_path, monkeypatch):
    monkeypatch.setattr(page_table, "ROWS", 300)
    monkeypatch.setattr(page_table, "NAMES", 128)
    made = list(rows(700))
    folder = written(tmp_path / "out", iter(made))
    found, about = pieces(folder), head(folder)
    assert [len(each) for each in found["part"]] == [64] * 10 + [60]
    assert [len(found[kind]) for kind in ("rows", "names")] == [3, 6]
    names = "\n".join(found["names"]).split("\n")
    assert names == [each.file for each in made]
    classes, labels = about["classes"], model().labels
    predicted, truth = columns(found, "predicted"), columns(found, "truth")
    for number, each in enumerate(made):
        first = each.prediction[0].name if each.prediction else ""
        assert classes[predicted[number]] == first
        assert classes[truth[number]] == ("" if each.truth is None else labels[each.truth])
    sure = columns(found, "probability") / 65535
    assert np.abs(sure - [e.prediction[0].probability if e.prediction else 0 for e in made]).max() < 1e-5
    assert (columns(found, "state", "u1") == [128 if each.error else 0 for each in made]).all()
    second = np.frombuffer(base64.b64decode(found["rows"][0]["maps"][1]), "<u2")
    assert {classes[number] for number in second} == {labels[500], ""}
    assert (about["count"], about["failed"], about["judged"]) == (700, 7, 693)
    text = (folder / "index.html").read_text()
    assert "89.9 %" in text  # 623 of 693, as 70 of 700 are wrong
    assert ">70 wrong<" in text


def test_two_classes_of_one_name_are_two(tmp_path):
    made = list(rows(300, truth=False))
    made[0] = replace(made[0], prediction=(Prediction(134, "crane", 0.5),))
    made[1] = replace(made[1], prediction=(Prediction(517, "crane", 0.5),))
    folder = written(tmp_path / "out", iter(made))
    predicted = columns(pieces(folder), "predicted")
    assert [head(folder)["classes"][number] for number in predicted[:2]] == ["crane (134)", "crane (517)"]


def test_more_classes_than_two_bytes_count(tmp_path, monkeypatch):
    monkeypatch.setattr(page_table, "_WIDE", 8)
    made = (
        replace(each, prediction=(Prediction(n, f"class {n}", 0.5),), maps=())
        for n, each in enumerate(rows(300, truth=False))
    )
    folder = written(tmp_path / "out", made)
    found = pieces(folder)
    assert found["rows"][0]["wide"]
    numbers = columns(found, "predicted", "<u4")
    assert [head(folder)["classes"][n] for n in numbers] == [f"class {n}" for n in range(300)]


def test_verdicts_are_counted_and_kept(tmp_path):
    def judged():
        for number, each in enumerate(rows(300)):
            level = ("holds", "doubtful", None)[number % 3]
            first = [replace(found, trust=level, reasons="Why.") for found in each.maps[:1]]
            yield replace(each, maps=(*first, *each.maps[1:]))

    folder = written(tmp_path / "out", judged())
    found, about = pieces(folder), head(folder)
    assert about["levels"] == ["", "holds", "doubtful"]
    states = columns(found, "state", "u1")
    assert list(states[:3]) == [1, 2, 0]
    assert (states[99::100] == 128).all()
    assert found["part"][0][0]["trust"] == ["holds", "Stands up to the checks", "Why."]
    assert ">99</dd>" in (folder / "index.html").read_text()  # 297 explained, every third one holds


def test_a_report_without_pictures_does_not_speak_of_them(tmp_path):
    made = [replace(each, thumbnail=b"", panel=None) for each in rows(5)]
    folder = written(tmp_path / "out", iter(made), panels=None)
    assert "interp render" in (folder / "index.html").read_text()


def test_workers_that_finish_at_once_leave_one_whole_page(tmp_path):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: written(tmp_path / "out", rows(300)), range(4)))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["data", "index.html"]
    assert [len(part) for part in pieces(tmp_path / "out")["part"]] == [64] * 4 + [44]


def test_the_same_rows_give_the_same_bytes(tmp_path):
    first, second = (written(tmp_path / name, rows(400)) for name in "ab")
    for path in sorted(p for p in first.rglob("*") if p.is_file()):
        assert path.read_bytes() == (second / path.relative_to(first)).read_bytes(), path


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(tmp_path, monkeypatch):
    """Rows come from a generator; ten times as many need no more than a few numbers more."""
    monkeypatch.setattr(page_table, "ROWS", 256)
    monkeypatch.setattr(page_table, "NAMES", 256)
    written(tmp_path / "warm", rows(300))

    def peak(count):
        tracemalloc.start()
        written(tmp_path / str(count), rows(count))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    few, many = peak(600), peak(6000)
    assert many < 1.1 * few


def test_an_interrupted_page_leaves_the_earlier_one(tmp_path):
    folder = written(tmp_path / "out", rows(300))
    before = {path.name: path.read_bytes() for path in (folder / "data").iterdir()}

    def broken():
        yield from rows(500)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_page(job(folder), ABOUT, broken(), folder / "index.html")
    assert {path.name: path.read_bytes() for path in (folder / "data").iterdir()} == before
    written(folder, rows(300))
    assert sorted(path.name for path in folder.iterdir()) == ["data", "index.html"]


class Elements(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, tuple(name for name, _ in attrs)))


@pytest.mark.parametrize("count", [20, 300])
def test_names_of_files_and_classes_are_never_markup(tmp_path, count):
    def named(names):
        for number in range(count):
            name = names[number % len(names)]
            each = row(number, file=f"{number} {name}", truth=False)
            maps = tuple(replace(found, target=name, index=None) for found in each.maps)
            known = (Prediction(number % 7, name, 0.5),) if each.prediction else ()
            error = each.error and name
            yield replace(each, maps=maps, prediction=known, error=error)

    usual = written(tmp_path / "usual", named(["plain"] * len(HOSTILE)))
    folder = written(tmp_path / "hostile", named(HOSTILE))
    text = (folder / "index.html").read_text(encoding="utf-8")
    assert Elements(text).tags == Elements((usual / "index.html").read_text(encoding="utf-8")).tags
    for path in (folder / "data").iterdir() if (folder / "data").exists() else []:
        raw = path.read_bytes()
        assert not re.search(rb"[<>\x7f-\xff]", raw)
        assert raw.count(b"\n") == 1
    if count == 300:
        cards = [card for part in pieces(folder)["part"] for card in part]
        assert [card["file"] for card in cards[:3]] == [f"{n} {HOSTILE[n]}" for n in range(3)]


def test_only_the_script_of_the_page_may_run(tmp_path):
    text = (written(tmp_path / "out", rows(3)) / "index.html").read_text(encoding="utf-8")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)[1]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)[1]
    assert page._hash(script) in policy
    assert page._hash(re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]) in policy
    assert not re.search(r"\beval\(|new Function|innerHTML|insertAdjacentHTML|document\.write", text)


def test_values_keep_three_digits_whatever_their_size(tmp_path):
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(9, 9)) * 1e-9).astype(np.float32)
    each = replace(row(1), maps=(ClassMap("small", None, None, float("nan"), values),))
    text = (written(tmp_path / "out", iter([each])) / "index.html").read_text(encoding="utf-8")
    card = json.loads(re.search(r'id="part-0">(.*?)</script>', text)[1])[0]["maps"][0]
    back = np.frombuffer(base64.b64decode(card["values"]), "<f2").astype(np.float64) * card["unit"]
    np.testing.assert_allclose(back.reshape(9, 9), values, rtol=2**-11, atol=1e-9 * 2**-12)
    assert card["score"] is None  # JSON has no NaN


def test_maps_of_many_values_travel_as_colours_where_there_are_many_pictures(tmp_path):
    big = np.ones((40, 40), np.float32) * np.arange(40, dtype=np.float32)
    made = [replace(each, maps=(ClassMap("x", 1, 0.5, 1.0, big),)) for each in rows(20) if not each.error]
    few = written(tmp_path / "few", iter(made))
    inside = json.loads(re.search(r'id="part-0">(.*?)</script>', (few / "index.html").read_text())[1])
    assert not inside[0]["maps"][0]["rounded"]
    many = written(tmp_path / "many", iter(made * 20))
    found = pieces(many)["part"][0][0]["maps"][0]
    assert found["rounded"]
    levels = np.frombuffer(base64.b64decode(found["values"]), np.uint8).reshape(40, 40)
    np.testing.assert_array_equal(levels[7], np.rint(255 * np.arange(40) / 39))
