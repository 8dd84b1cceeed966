"""`render`: which maps of a report are drawn, over what, under which names."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from command import interp as command
from made_up_rows import SIZE, row, rows
from PIL import Image

from interp.files import DamagedFileError
from interp.report import ReportError, render, rendering
from interp.report.rows import ClassMap, write_part

GOOD = [number for number in range(250) if number % 100 != 99]


def parts(folder: Path, made, size=100):
    (folder / "maps.parquet").mkdir(parents=True)
    made = list(made)
    for number, start in enumerate(range(0, len(made), size)):
        path = folder / "maps.parquet" / f"part-{number:05d}.parquet"
        write_part(made[start : start + size], path, layer="bn2", method="grad-cam", precision="float16")
    return folder


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = parts(tmp_path_factory.mktemp("report"), rows(250))
    about = {"model": {"name": "lite0"}, "names": {"folder 000/picture 00003.jpg": "my <cat>.jpg"}}
    (folder / "report.json").write_text(json.dumps(about))
    return folder


def drawn(made):
    return [int(path.stem.split("-")[2]) for path in made.panels]


def test_the_rows_that_fit_are_drawn_in_their_order(report, tmp_path):
    wrong = [n for n in GOOD if n % 10 == 0 and n % 100 >= 50]
    made = render(report, "wrong and rank = 0 and probability >= 0.5", out=tmp_path / "out")
    assert drawn(made) == wrong
    assert (made.drawn, made.fitting, made.small, made.blank) == (10, 10, 10, 0)
    assert [path.name[:6] for path in made.panels] == [f"{n:06d}" for n in range(10)]
    assert sorted(made.panels) == sorted((tmp_path / "out").iterdir())
    with Image.open(made.panels[0]) as panel:
        assert panel.width > 3 * 200


def test_maps_of_other_ranks_have_their_class_in_the_name(report, tmp_path):
    made = render(report, "rank = 1", out=tmp_path / "out", limit=2)
    assert made.fitting == len(GOOD)
    assert [path.name for path in made.panels][1].startswith("000001-picture-00001-")
    assert made.small == 2  # though the small copy stands in the row of rank 0


@pytest.mark.slow
@pytest.mark.parametrize("place", ["", "maps.parquet", "maps.parquet/part-00001.parquet"])
def test_a_report_its_maps_or_one_part(report, tmp_path, place):
    made = render(report / place, "rank = 0", out=tmp_path / "out", limit=None)
    expected = [n for n in GOOD if not place.endswith("1.parquet") or 100 <= n < 200]
    assert len(made.panels) == len(expected)
    for number, path in zip(expected, made.panels, strict=True):
        # What people call a file stands in report.json, wherever one came from.
        assert path.name.partition("-")[2] == ("my--cat.jpg" if number == 3 else f"picture-{number:05d}.jpg")


def test_the_picture_is_taken_where_it_is_what_it_was(report, tmp_path):
    pictures = tmp_path / "pictures"
    (pictures / "folder 000").mkdir(parents=True)
    Image.new("RGB", SIZE, (250, 0, 0)).save(pictures / "folder 000/picture 00001.jpg", quality=95)
    Image.new("RGB", (7, 7), (0, 250, 0)).save(pictures / "folder 000/picture 00002.jpg")
    sheet = tmp_path / "sheet.png"
    made = render(
        report, "rank = 0 and '0000' in file", images=pictures, sheet=sheet, out=tmp_path / "o", limit=3
    )
    assert made.small == 2  # one is gone, one is another picture now
    with Image.open(made.panels[1]) as panel:
        reds = np.asarray(panel.convert("RGB"), int)
        assert ((reds[..., 0] > 230) & (reds[..., 1] < 30)).mean() > 0.1
    with Image.open(sheet) as picture:
        assert min(picture.size) > 300


def test_without_any_picture_the_map_is_drawn_alone(tmp_path):
    folder = parts(tmp_path / "r", (replace(row(n), thumbnail=b"", panel=None) for n in range(3)))
    made = render(folder, "rank = 0", out=tmp_path / "out")
    assert (made.small, made.blank) == (0, 3)


def test_a_table_cannot_lead_out_of_the_folder_of_pictures(tmp_path):
    secret = tmp_path / "secret.png"
    Image.new("RGB", SIZE, (255, 0, 255)).save(secret)
    (tmp_path / "pictures").mkdir()
    names = ["../secret.png", str(secret)]
    folder = parts(tmp_path / "r", (replace(row(n), file=name) for n, name in enumerate(names)))
    made = render(folder, "rank = 0", images=tmp_path / "pictures", out=tmp_path / "out")
    assert made.small == 2
    assert all(path.parent == tmp_path / "out" for path in made.panels)


def test_values_are_drawn_as_they_were_measured(tmp_path, monkeypatch):
    """Halves are multiplied by their unit again: tiny maps are the same maps."""
    values = np.float32([[1e-9, 2e-9], [3e-9, -4e-9]])
    folder = parts(tmp_path / "r", [replace(row(1), maps=(ClassMap("x", 1, 0.5, 1.0, values),))])
    seen = []
    monkeypatch.setattr(rendering, "_write_panel", lambda row, drawn, *rest: seen.append(drawn) or Path("x"))
    render(folder, out=tmp_path / "out")
    np.testing.assert_allclose(seen[0].values, values, rtol=1e-3)
    assert seen[0].box == (5.0, 0.0, 35.0, 30.0)


def test_only_what_is_drawn_is_read(report, tmp_path, monkeypatch):
    taken = []
    real = rendering.of_batch
    monkeypatch.setattr(rendering, "of_batch", lambda batch: taken.append(batch.num_rows) or real(batch))
    render(report, "rank = 0", out=tmp_path / "out", limit=5)
    assert taken == [5]
    taken.clear()
    render(report, "'picture 00207' in file", out=tmp_path / "out")
    assert sum(taken) == 2


def test_errors_are_sentences(report, tmp_path):
    out = tmp_path / "out"
    for arguments, said in [
        ((tmp_path / "none",), "there is no report at"),
        ((tmp_path,), "has no maps.parquet"),
        ((report / "report.json",), "is no Parquet file"),
        ((report, "predicted = 'tigr cat'"), "no map of .* fits"),
        ((report, "predicted = 'tenc'"), "did you mean 'tench'?"),
        ((report, "probability > 2"), r"fits 'probability > 2'\."),
    ]:
        with pytest.raises(ReportError, match=said):
            render(*arguments, out=out)
    with pytest.raises(ReportError, match=r"ends in \.png or"):
        render(report, sheet=tmp_path / "sheet.gif")
    with pytest.raises(ReportError, match="give 1 or more"):
        render(report, limit=0)
    old = tmp_path / "old.parquet"
    table = pq.read_table(report / "maps.parquet" / "part-00000.parquet")
    pq.write_table(table.drop_columns(["predicted_index"]), old)
    with pytest.raises(ReportError, match="make the report again"):
        render(old)
    assert not out.exists()


def test_a_damaged_part_is_one_sentence(tmp_path):
    folder = parts(tmp_path / "r", rows(20))
    path = folder / "maps.parquet" / "part-00000.parquet"
    raw = bytearray(path.read_bytes())
    columns = len(raw) - 8 - int.from_bytes(raw[-8:-4], "little")  # what is before the footer
    raw[4:columns] = bytes(columns - 4)
    path.write_bytes(raw)
    with pytest.raises(DamagedFileError, match="is damaged or of another version"):
        render(folder, "rank = 0", out=tmp_path / "out")


@pytest.mark.slow
def test_the_command(report, tmp_path):
    done = command(
        "render", report, "--where", "rank = 0 and wrong", "--out", tmp_path / "out", "--limit", "4"
    )
    assert done.returncode == 0, done.stderr
    assert f"4 of 25 maps drawn → {tmp_path / 'out'}" in done.stdout
    assert "25 maps fit and --limit is 4" in done.stderr
    assert len(list((tmp_path / "out").iterdir())) == 4
    done = command("render", report, "-w", "rank = 0", "--sheet", tmp_path / "sheet.png", "--limit", "12")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "sheet.png").exists()
    done = command("render", report, "-w", "predictd = 'x'")
    assert done.returncode == 2
    assert "did you mean 'predicted'?" in done.stderr
    shutil.rmtree(tmp_path / "out")
