"""Reports of files whose names are not what people call them, as uploads; limits; and a prompt end."""

from __future__ import annotations

import json
import re
import shutil
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import interp
from interp.images import Limits
from interp.report import pipeline, write_report

SAMPLES = Path(__file__).parents[2] / "sample_images"
NASTY = "../../x<script>alert(1)</script>.png"


@pytest.fixture(scope="module")
def model():
    return interp.load()


@pytest.fixture
def numbered(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    shutil.copy(SAMPLES / "cat.jpg", folder / "0000.jpg")
    (folder / "0001.png").write_text("not a picture")
    return folder


def test_names_are_shown_and_never_used_as_paths(model, numbered, tmp_path):
    before = sorted(tmp_path.parent.rglob("*"))
    names = {"0000.jpg": NASTY, "0001.png": "/etc/my holiday & more.png"}
    report = write_report(model, numbered, tmp_path / "out", names=names)
    text = (report.folder / "index.html").read_text(encoding="utf-8")
    assert "<b>../../x&lt;script&gt;alert(1)&lt;/script&gt;.png</b>" in text
    assert "../../x\\u003cscript\\u003ealert(1)\\u003c/script\\u003e.png" in text
    assert "<script>alert" not in text
    assert "<b>/etc/my holiday &amp; more.png</b>" in text
    assert "0000.jpg" not in text
    assert [path.name for path in (report.folder / "panels").iterdir()] == ["000000-script.jpg"]
    made = set(tmp_path.parent.rglob("*")) - set(before)
    assert all(tmp_path / "out" in (path, *path.parents) for path in made)


def test_names_change_nothing_but_what_is_shown(model, numbered, tmp_path):
    plain = write_report(model, numbered, tmp_path / "plain")
    named = write_report(model, numbered, tmp_path / "named", names={"0000.jpg": NASTY})
    assert plain.pictures == named.pictures == 2
    assert list(named.failed) == ["0001.png"]
    about = [json.loads((r.folder / "report.json").read_text()) for r in (plain, named)]
    assert about[1].pop("names") == {"0000.jpg": NASTY}
    assert about[0] == about[1]
    tables = [pq.read_table(made.folder / "maps.parquet").drop_columns("panel") for made in (plain, named)]
    assert tables[0].equals(tables[1])


def test_reason_of_a_failure_has_the_name_that_people_know(model, numbered, tmp_path):
    report = write_report(model, numbered, tmp_path / "out", names={"0001.png": "notes.png"})
    assert re.match(r"'notes\.png' seems to be text", report.failed["0001.png"])


def test_too_large_a_picture_is_listed_with_its_reason(model, numbered, tmp_path):
    report = write_report(model, numbered, tmp_path / "pixels", limits=Limits(pixels=1000))
    assert "pixels" in report.failed["0000.jpg"]
    size = (numbered / "0000.jpg").stat().st_size
    report = write_report(model, numbered, tmp_path / "bytes", limits=Limits(bytes=size - 1))
    assert "larger than" in report.failed["0000.jpg"]


def test_who_interrupts_does_not_wait_for_what_is_queued(model, tmp_path, monkeypatch):
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(60):
        shutil.copy(SAMPLES / "cat_small.jpg", folder / f"{number:02}.jpg")
    late: list[str] = []
    never = threading.Event()
    real = pipeline.open_image

    def gated(path, **options):
        if int(path.stem) >= 20:
            late.append(path.name)
            never.wait(0.3)
        return real(path, **options)

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "open_image", gated)
    monkeypatch.setattr(pipeline, "_explained", interrupted)
    monkeypatch.setattr(pipeline.os, "cpu_count", lambda: 2)
    with pytest.raises(KeyboardInterrupt):
        write_report(model, folder, tmp_path / "out", batch_size=20)
    assert len(late) <= 8
