"""Reports end to end with the real default network: what is written, what survives, what is refused."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import interp
from interp.models import LabelError, ModelError, Prediction
from interp.report import ReportError, find_pictures, write_report
from interp.report.rows import ClassMap, Row, read_part, write_part

SAMPLES = Path(__file__).parents[2] / "sample_images"


@pytest.fixture(scope="module")
def model():
    return interp.load()


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("cat.jpg", "cat_and_coffee.jpg", "rocket.jpg"):
        shutil.copy(SAMPLES / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def finished(model, tmp_path_factory):
    """A report of the sample pictures, a truncated JPEG and a file whose name is HTML."""
    folder = tmp_path_factory.mktemp("with faults")
    for path in find_pictures(SAMPLES):
        shutil.copy(path, folder)
    (folder / "broken.jpg").write_bytes((SAMPLES / "cat.jpg").read_bytes()[:3000])
    (folder / "<img src=x onerror=alert(1)>.png").write_text("not a picture")
    out = tmp_path_factory.mktemp("out") / "report"
    ticks = []
    report = write_report(model, folder, out, progress=lambda done, count: ticks.append((done, count)))
    return report, folder, ticks


@pytest.mark.slow
def test_every_picture_is_explained_and_every_failure_named(finished):
    report, folder, ticks = finished
    assert report.pictures == len(find_pictures(folder)) == 12
    assert set(report.failed) == {"broken.jpg", "<img src=x onerror=alert(1)>.png"}
    assert all(reason and str(folder) not in reason for reason in report.failed.values())
    assert ticks == [(n, 12) for n in range(1, 13)]
    assert json.loads((report.folder / "report.json").read_text())["failed"] == report.failed
    assert sorted(p.name for p in report.folder.iterdir()) == [
        "contact_sheet.png",
        "index.html",
        "maps.parquet",
        "panels",
        "report.json",
    ]


def test_maps_are_those_of_explain(finished, model):
    report, folder, _ = finished
    rows = pq.read_table(report.folder / "maps.parquet").to_pylist()
    assert sum(row["error"] is not None for row in rows) == 2
    done = [row for row in rows if row["error"] is None]
    assert len(done) == 10 * 3
    assert [row["rank"] for row in done[:3]] == [0, 1, 2]
    for row in done[::7]:
        alone = interp.explain(model, folder / row["file"], target=row["index"])
        stored = np.array(row["map"], np.float32).reshape(row["map_height"], row["map_width"])
        np.testing.assert_allclose(stored, alone.values, atol=1e-4 * np.abs(alone.values).max())
        assert row["target"] == alone.target.name
        assert row["probability"] == pytest.approx(alone.probability, rel=1e-3)
        assert row["box"] == pytest.approx(alone.box.to_json())
        assert (row["width"], row["height"]) == alone.picture.size


def test_panels_and_contact_sheet_are_pictures(finished):
    report, _, _ = finished
    panels = sorted((report.folder / "panels").iterdir())
    assert len(panels) == 10
    for path in (*panels, report.folder / "contact_sheet.png"):
        with Image.open(path) as picture:
            picture.load()
            assert min(picture.size) > 200


def test_page_is_one_file_that_asks_nothing_from_outside(finished):
    report, _, _ = finished
    text = (report.folder / "index.html").read_text()
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", text)
    assert "default-src 'none'" in text
    assert "<img src=x" not in text
    assert "&lt;img src=x onerror=alert(1)&gt;.png" in text
    cards = json.loads(re.search(r'id="part-0">(.*?)</script>', text)[1])
    thumbnails = [card["thumbnail"] for card in cards if "error" not in card]
    assert len(thumbnails) == 10
    for thumbnail in thumbnails:
        Image.open(io.BytesIO(base64.b64decode(thumbnail))).load()


def test_classes_asked_for_come_first(model, pictures, tmp_path):
    report = write_report(model, pictures, tmp_path / "out", classes=["espresso"], top_classes=1)
    rows = pq.read_table(report.folder / "maps.parquet").to_pylist()
    assert next(row["target"] for row in rows if row["file"] == "cat.jpg") == "espresso"
    assert len(rows) == 3 * 2


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_batch_size_changes_nothing(model, pictures, tmp_path, batch_size):
    def maps(size):
        report = write_report(model, pictures, tmp_path / f"out{size}", batch_size=size)
        rows = pq.read_table(report.folder / "maps.parquet").to_pylist()
        return [(row["file"], row["index"]) for row in rows], np.array([row["map"] for row in rows])

    keys, values = maps(3)
    keys_again, values_again = maps(batch_size)
    assert keys == keys_again
    np.testing.assert_allclose(values, values_again, atol=1e-4 * np.abs(values).max())


@pytest.mark.slow
def test_an_earlier_report_is_replaced(model, pictures, tmp_path):
    out = tmp_path / "out"
    write_report(model, pictures, out)
    (pictures / "rocket.jpg").unlink()
    report = write_report(model, pictures, out)
    assert report.pictures == len(list((out / "panels").iterdir())) == 2


def test_all_pictures_broken_is_still_a_report(model, tmp_path):
    folder = tmp_path / "bad"
    folder.mkdir()
    for name in ("a.png", "b.jpg"):
        (folder / name).write_bytes(b"")
    report = write_report(model, folder, tmp_path / "out")
    assert set(report.failed) == {"a.png", "b.jpg"}
    assert "2 could not be read" in (report.folder / "index.html").read_text()


def test_what_does_not_fit_is_refused_before_the_first_picture(model, pictures, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(LabelError, match="did you mean"):
        write_report(model, pictures, out, classes=["tigr cat"])
    with pytest.raises(ValueError, match="there is no layer"):
        write_report(model, pictures, out, layer="layer9")
    with pytest.raises(ValueError, match="there is no method"):
        write_report(model, pictures, out, method="gradcan")
    with pytest.raises(ReportError, match="nothing to explain"):
        write_report(model, pictures, out, top_classes=0)
    with pytest.raises(ReportError, match="segmentation"):
        write_report(interp.load("torchvision:lraspp_mobilenet_v3_large", weights=None), pictures, out)
    assert not out.exists()
    assert issubclass(ModelError, ValueError)


def test_find_pictures(tmp_path):
    with pytest.raises(ReportError, match="not there"):
        find_pictures(tmp_path / "nowhere")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "B.PNG").touch()
    with pytest.raises(ReportError, match="--recursive"):
        find_pictures(tmp_path)
    for name in ("a.jpg", ".hidden.jpg", "notes.txt", "c.TIFF"):
        (tmp_path / name).touch()
    assert [p.name for p in find_pictures(tmp_path)] == ["a.jpg", "c.TIFF"]
    found = find_pictures(tmp_path, recursive=True)
    assert [p.relative_to(tmp_path).as_posix() for p in found] == ["a.jpg", "c.TIFF", "deep/B.PNG"]
    with pytest.raises(ReportError, match="interp explain"):
        find_pictures(tmp_path / "a.jpg")


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_rows_survive_parquet(tmp_path, precision):
    values = np.array([[0.125, -2.0, 0.0]], np.float32)
    rows = [
        Row("a.jpg", error="broken", truth=3),
        Row(
            "b.jpg",
            size=(3, 4),
            box=(0.5, -1.25, 2.0, 3.0),
            prediction=(Prediction(7, "y", 0.25),),
            maps=(ClassMap("x", None, None, 1.5, values), ClassMap("y", 7, 0.25, -1.0, 2e-30 * values)),
            panel="b.jpg",
            thumbnail=b"\x00\xff",
            truth=0,
        ),
        Row("c.jpg", maps=(ClassMap("y", 7, 0.25, -1.0, 1e30 * np.ones((70, 1), np.float32)),)),
    ]
    path = tmp_path / "part"
    write_part(rows, path, layer="l", method="m", precision=precision, about={"interp": "known"})
    back = list(read_part(path))
    assert [replace(row, maps=()) for row in back] == [replace(row, maps=()) for row in rows]
    for was, now in zip(rows, back, strict=True):
        assert [(m.target, m.index, m.probability, m.score) for m in now.maps] == [
            (m.target, m.index, m.probability, m.score) for m in was.maps
        ]
        for before, after in zip(was.maps, now.maps, strict=True):
            np.testing.assert_allclose(
                after.values, before.values, rtol=0 if precision == "float32" else 2.0**-11
            )
    table = pq.read_table(path)
    assert table.column("error").to_pylist() == ["broken", None, None, None]
    assert table.column("rank").to_pylist() == [None, 0, 1, 0]
    assert table.column("truth").to_pylist() == [3, 0, 0, None]
    assert pq.read_metadata(path).metadata[b"interp"] == b"known"
