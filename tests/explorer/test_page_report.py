"""The page Report: a set of pictures becomes what `interp report` writes."""

from __future__ import annotations

import io
import json
import re
import shlex
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from command import interp as command
from command import save_classifier
from explorer_app import checked, forget, opened, words
from PIL import Image

import interp
from interp.explorer.networks import network_of
from interp.explorer.pages import report as page
from interp.explorer.pages import report_made
from interp.explorer.pages.report_made import Asked, Given, cleaned, made, of_samples
from interp.explorer.settings import RUNS
from interp.explorer.working import KEPT, SHARE, _shares

ROOT = Path(interp.__file__).parents[1]
ASKED = Asked("layer-cam", "blocks.4", (967,), 1)


@pytest.fixture(autouse=True)
def _at_the_top(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture
def few(tmp_path, monkeypatch):
    """A folder of two pictures and one that is none, which the explorer offers."""
    folder = tmp_path / "few"
    folder.mkdir()
    for name in ("cat.jpg", "coffee.jpg"):
        (folder / name).write_bytes((ROOT / "sample_images" / name).read_bytes())
    (folder / "note.png").write_text("not a picture")
    (folder / "deeper").mkdir()
    (folder / "deeper" / "rocket.jpg").write_bytes((ROOT / "sample_images/rocket.jpg").read_bytes())
    monkeypatch.setenv("INTERP_APP_PICTURES", str(folder))
    return folder


def pressed(app):
    return checked(app.button(key="begin-report").click().run())


def unpacked(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize(("language", "said"), [("en", "Write the report of"), ("zh", "张图片生成报告")])
def test_page_opens_with_the_samples_and_waits_for_a_press(language, said):
    app = opened("report", lang=language)
    assert said in app.button(key="begin-report").label
    assert "10" in app.button(key="begin-report").label
    assert [tag.value.count("<img") for tag in app.main.get("html") if "<img" in tag.value] == [10]


def test_report_of_the_page_is_that_of_the_package(tmp_path, few):
    model = network_of("efficientnet_lite0").model
    given = of_samples(sorted(path for path in few.iterdir() if path.is_file()))
    found = made(model, given, ASKED, lambda done, total: None)
    written = interp.write_report(
        model, few, tmp_path / "out", classes=[967], top_classes=1, method="layer-cam", layer="blocks.4"
    )
    files = unpacked(found.packed)
    assert set(files) == {
        path.relative_to(written.folder).as_posix() for path in written.folder.rglob("*") if path.is_file()
    }
    for name, data in files.items():
        if name.endswith(".parquet"):  # says of which settings and files it is, and these were copied
            assert pq.read_table(io.BytesIO(data)).equals(pq.read_table(written.folder / name))
        else:
            assert data == (written.folder / name).read_bytes(), name
    assert (found.pictures, dict(found.failed)) == (written.pictures, written.failed)


@pytest.mark.slow
def test_press_leads_to_the_sheet_and_the_failed_ones(few):
    forget()
    app = pressed(opened("report", report_top="1"))
    assert "2 of 3 pictures explained" in words(app)
    assert "deeper" not in words(app)
    table = next(tag.value for tag in app.main.get("html") if "<table" in tag.value)
    assert "<td>note.png</td>" in table
    assert "seems to be text" in table
    assert [button.key for button in app.button] == []


def test_sample_that_was_taken_away_spoils_no_report(few):
    (few / "link.jpg").symlink_to(few / "nowhere.jpg")
    gone, cat = few / "coffee.jpg", few / "cat.jpg"
    given = of_samples([few / "link.jpg", gone, cat])
    assert [each.name for each in given] == ["coffee.jpg", "cat.jpg"]
    gone.unlink()
    found = made(network_of("efficientnet_lite0").model, given, ASKED, lambda done, total: None)
    assert found.pictures == 2
    assert found.failed == (("coffee.jpg", "coffee.jpg cannot be read."),)


def test_reasons_are_told_in_chinese(few):
    app = pressed(opened("report", report_top="1", lang="zh"))
    assert "似乎是文本" in words(app)


def test_names_of_uploads_are_shown_and_never_used(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    names = [
        "../../x<script>.png",
        "C:\\photos\\me.jpg",
        "same.jpg",
        "same.jpg",
        "\x00evil\u202egpj.jpg",
        "",
        "..",
    ]
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    given = [Given(cleaned(name), name, buffer.getvalue) for name in names]
    given.append(Given(cleaned("a/<b>.txt"), 0, lambda: b"hello"))
    found = made(network_of("efficientnet_lite0").model, given, ASKED, lambda done, total: None)
    assert found.pictures == 8
    assert [name for name, _ in found.failed] == ["<b>.txt"]
    html = found.file("index.html").decode()
    (listed,) = re.findall(r'<script type="application/json" id="names-0">(.*?)</script>', html, re.DOTALL)
    shown = json.loads(listed).split("\n")
    assert [shown.count(name) for name in ("x<script>.png", "same.jpg", "me.jpg", "<b>.txt")] == [1, 2, 1, 1]
    assert "x<script>" not in html
    assert "<b>.txt" not in html
    assert all(
        name.startswith("panels/0")
        or name in ("index.html", "contact_sheet.png", "maps.parquet/part-00000.parquet", "report.json")
        for name in unpacked(found.packed)
    )
    assert list(tmp_path.iterdir()) == []


def test_broken_empty_and_huge_uploads_are_rows_with_reasons(monkeypatch):
    monkeypatch.setattr(report_made, "BOUNDS", interp.images.Limits(bytes=3000, pixels=10_000))
    large = io.BytesIO()
    Image.new("L", (200, 100)).save(large, "PNG")
    files = {"empty.png": b"", "cut.jpg": b"\xff\xd8\xff\xe0" + b"\0" * 50, "long.png": b"x" * 4000}
    files["wide.png"] = large.getvalue()
    given = [Given(name, name, lambda data=data: data) for name, data in files.items()]
    found = made(network_of("efficientnet_lite0").model, given, ASKED, lambda done, total: None)
    reasons = dict(found.failed)
    assert set(reasons) == set(files)
    assert all(name in reason for name, reason in reasons.items())
    assert "3,000 bytes" in reasons["long.png"]
    assert "10,000" in reasons["wide.png"]


def test_uploads_are_reported(few):
    app = opened("report", report_of="uploads", report_top="1")
    assert "Choose pictures" in words(app)
    data = (few / "cat.jpg").read_bytes()
    app.file_uploader(key="report_uploads").set_value(
        [("<i>mine</i>.jpg", data, "image/jpeg"), ("e.png", b"", "")]
    )
    app = pressed(checked(app.run()))
    assert "1 of 2 pictures explained" in words(app)
    assert "folder called pictures" in words(app)
    assert "write_report(model, 'pictures', 'report', top_classes=1)" in words(app)


def test_more_than_the_most_are_cut_and_that_is_said(few, monkeypatch):
    monkeypatch.setattr(page, "MOST", 1)
    app = opened("report", report_top="1")
    assert "3 pictures were given; the first 1 are taken." in words(app)
    assert "1 of 1 pictures explained" in words(pressed(app))


def test_nothing_asked_gets_a_sentence():
    app = opened("report", report_top="0")
    assert "Choose at least one class" in words(app)
    assert not app.button
    app.multiselect(key="report_classes").set_value(["967"])
    assert "Choose at least one class" not in words(checked(app.run()))


def test_cancelled_work_leaves_nothing_behind(tmp_path, monkeypatch):
    class Cancelled(BaseException):
        pass

    def cancel(done, total):
        if done == 1:
            seen.extend(path.name for path in tmp_path.rglob("000?.jpg"))
            raise Cancelled

    seen = []
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    data = (ROOT / "sample_images/cat_small.jpg").read_bytes()
    given = [Given(f"{number}.jpg", number, lambda: data) for number in range(3)]
    with pytest.raises(Cancelled):
        made(network_of("efficientnet_lite0").model, given, ASKED, cancel)
    assert sorted(seen) == ["0000.jpg", "0001.jpg", "0002.jpg"]
    assert list(tmp_path.iterdir()) == []


def test_large_reports_take_the_place_of_several_results():
    small, large = (report_made.Made(1, (), bytes(size)) for size in (10, 3 * SHARE))
    assert (_shares("text"), _shares(small), _shares(large)) == (1, 1, 4)
    assert _shares(report_made.Made(1, (), bytes(KEPT * SHARE))) == KEPT


def test_link_opens_the_same_settings_and_nonsense_the_default():
    app = opened("report", method="layer-cam", layer="blocks.2", report_classes="967,282", report_top="2")
    assert app.selectbox(key="layer").value == "blocks.2"
    assert app.multiselect(key="report_classes").value == ["967", "282"]
    assert dict(app.query_params)["report_top"] in ("2", ["2"])
    app = opened("report", layer="no", report_classes="-1", report_top="77", report_of="/etc")
    assert app.selectbox(key="layer").value == "bn2"
    assert app.multiselect(key="report_classes").value == []
    assert app.slider(key="report_top").value == 3
    assert app.session_state["report_of"] == "samples"


def test_method_that_does_not_fit_the_layer_gets_its_sentence(few):
    app = opened("report", method="cam", layer="blocks.2")
    app.button(key="begin-report").click().run()
    assert not app.exception
    (said,) = [error.value for error in app.error]
    assert "global average pooling" in said


def files_in(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_code_and_command_of_the_page_write_the_report(tmp_path, few, monkeypatch):
    app = pressed(
        opened("report", method="layer-cam", layer="blocks.4", report_classes="967", report_top="1")
    )
    python, line = app.code[0].value, app.code[1].value
    monkeypatch.chdir(tmp_path)
    exec(python, {})
    written = files_in(Path("report"))
    done = command(*shlex.split(line)[1:], "--out", "again")
    assert done.returncode == 1, done.stderr  # a picture is broken
    assert files_in(Path("again")) == written
    rows = pq.read_table("report/maps.parquet").to_pylist()
    assert {row["method"] for row in rows} == {"layer-cam"}
    assert next(row["target"] for row in rows if row["error"] is None) == "espresso"


def test_added_classes_do_not_outlive_their_network(tmp_path, monkeypatch):
    first, second = (str(save_classifier(tmp_path / name)) for name in ("first", "second"))
    monkeypatch.setenv(RUNS, str(tmp_path))
    forget()
    app = opened("report", model=first, report_classes="1")
    assert app.session_state["report_classes"] == ["1"]
    checked(app.run())
    assert app.session_state["report_classes"] == ["1"]
    checked(app.selectbox(key="model").set_value(second).run())
    assert app.session_state["report_classes"] == []
    assert "report_classes" not in app.query_params
