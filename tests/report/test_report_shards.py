"""A report in shards: the same bytes whoever makes them, made once, and made anew when something changed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from command import save_classifier
from PIL import Image

import interp
from interp.models import LabelError
from interp.report import Local, ReportError, Slice, pipeline, plan, write_report
from interp.report.rows import read_part
from interp.shards import ShardError, parts_in

PICTURES = 7


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return save_classifier(tmp_path_factory.mktemp("models") / "pets")


@pytest.fixture(scope="module")
def model(saved):
    return interp.load(saved)


@pytest.fixture
def folder(tmp_path):
    return save_pictures(tmp_path / "pictures")


def save_pictures(folder: Path) -> Path:
    """Save pictures of noise in folders named like classes, one of them broken."""
    chance = np.random.default_rng(0)
    for number in range(PICTURES):
        place = folder / ("cat", "dog")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(chance.integers(0, 255, (40, 50, 3), np.uint8)).save(place / f"{number}.png")
    (folder / "dog" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def report(model, folder, out, **more):
    return write_report(model, folder, out, recursive=True, shard_size=3, batch_size=2, top_classes=2, **more)


@pytest.fixture
def explained(monkeypatch):
    """The names of the pictures that are decoded."""
    names: list[str] = []
    real = pipeline.open_image
    monkeypatch.setattr(
        pipeline, "open_image", lambda path, **more: names.append(path.name) or real(path, **more)
    )
    return names


def test_two_reports_have_the_same_bytes(model, folder, tmp_path):
    first, second = (report(model, folder, tmp_path / name) for name in ("a", "b"))
    assert contents(first.folder) == contents(second.folder)
    assert [path.name for path in parts_in(first.folder / "maps.parquet")] == [
        f"part-0000{number}.parquet" for number in range(3)
    ]
    assert list(first.failed) == ["dog/broken.png"]
    rows = [row for path in parts_in(first.folder / "maps.parquet") for row in read_part(path)]
    assert [row.file for row in rows] == sorted(row.file for row in rows)
    assert len(rows) == PICTURES + 1


def test_shards_that_are_there_are_not_made_again(model, folder, tmp_path, explained):
    made = report(model, folder, tmp_path / "out")
    before = contents(made.folder)
    explained.clear()
    assert report(model, folder, tmp_path / "out").failed == made.failed
    assert explained == []
    assert contents(made.folder) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({"method": "layer-cam"}, PICTURES + 1),
        ({"top_classes": 1}, PICTURES + 1),
        ({"precision": "float16"}, PICTURES + 1),
        ({"panels": False}, PICTURES + 1),
        ({"truth": {"dog/1.png": "dog"}}, 3),
        ({"names": {"cat/0.png": "holiday.png"}}, 3),
    ],
)
def test_a_changed_setting_makes_anew_what_it_changes(model, folder, tmp_path, explained, change, again):
    report(model, folder, tmp_path / "out")
    explained.clear()
    asked = {"recursive": True, "shard_size": 3, "batch_size": 2, "top_classes": 2, **change}
    write_report(model, folder, tmp_path / "out", **asked)
    assert len(explained) == again
    write_report(model, folder, tmp_path / "fresh", **asked)
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


def test_a_changed_picture_makes_its_shard_anew(model, folder, tmp_path, explained):
    report(model, folder, tmp_path / "out")
    explained.clear()
    Image.new("RGB", (30, 30), "red").save(folder / "dog" / "1.png")
    report(model, folder, tmp_path / "out")
    assert sorted(explained) == ["1.png", "3.png", "6.png"]
    assert contents(tmp_path / "out") == contents(report(model, folder, tmp_path / "fresh").folder)


def test_what_a_longer_report_left_is_removed(model, folder, tmp_path):
    report(model, folder, tmp_path / "out")
    for path in [*(folder / "dog").iterdir()]:
        path.unlink()
    report(model, folder, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(report(model, folder, tmp_path / "fresh").folder)


def test_a_damaged_shard_and_what_a_killed_worker_left_are_put_right(model, folder, tmp_path):
    out = report(model, folder, tmp_path / "out").folder
    before = contents(out)
    damaged = out / "maps.parquet" / "part-00001.parquet"
    damaged.write_bytes(damaged.read_bytes()[:100])
    (out / "maps.parquet" / ".part-00002.parquet.0123456789abcdef.parquet").write_bytes(b"half")
    (out / "panels" / ".000001-x.jpg.0123456789abcdef.jpg").write_bytes(b"half")
    (out / "panels" / "000099-long-gone.jpg").write_bytes(b"old")
    report(model, folder, out)
    assert contents(out) == before


@pytest.mark.parametrize("pictures", [1, 4, 7])
def test_interrupted_anywhere_it_ends_the_same(model, folder, tmp_path, explained, pictures):
    def interrupt(done, _count):
        if done >= pictures:
            raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        report(model, folder, out, progress=interrupt)
    assert not (out / "index.html").exists()
    kept = len(parts_in(out / "maps.parquet"))
    assert (pictures - 2) // 3 <= kept <= pictures // 3  # what is told may be a batch ahead of what is drawn
    explained.clear()
    told = []
    report(model, folder, out, progress=lambda *step: told.append(step))
    assert len(explained) == PICTURES + 1 - 3 * kept
    assert told[-1] == (PICTURES + 1, PICTURES + 1)
    assert contents(out) == contents(report(model, folder, tmp_path / "fresh").folder)


def test_killed_it_goes_on(saved, model, folder, tmp_path):
    out = tmp_path / "out"
    words = ["report", str(folder), "-r", "--out", str(out), "--model", str(saved), "--top", "2"]
    words += ["--shard-size", "3", "--batch-size", "2"]
    kill = (
        "import os, signal, sys\nfrom interp.report import pipeline\nreal = pipeline.write_part\n"
        "def once(rows, path, **more):\n"
        "    real(rows, path, **more)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "pipeline.write_part = once\nfrom interp.cli import main\nmain()"
    )
    died = subprocess.run([sys.executable, "-c", kill, *words], capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert [path.name for path in parts_in(out / "maps.parquet")] == ["part-00000.parquet"]
    report(model, folder, out)
    assert contents(out) == contents(report(model, folder, tmp_path / "fresh").folder)


@pytest.mark.slow
def test_ranks_make_the_whole_in_any_order(model, folder, tmp_path):
    out = tmp_path / "out"
    first = report(model, folder, out, rank=Slice(1, 2))
    assert first.waiting == 2
    assert not (out / "index.html").exists()
    assert [path.name for path in parts_in(out / "maps.parquet")] == ["part-00001.parquet"]
    last = report(model, folder, out, rank=Slice(0, 2))
    whole = report(model, folder, tmp_path / "whole")
    assert last.waiting == 0
    assert last.failed == whole.failed
    assert contents(out) == contents(whole.folder)
    assert report(model, folder, out, rank=Slice(1, 2)).waiting == 0
    assert contents(out) == contents(whole.folder)


def test_a_rank_of_other_settings_does_not_count(model, folder, tmp_path):
    report(model, folder, tmp_path / "out", method="layer-cam")
    assert report(model, folder, tmp_path / "out", rank=Slice(0, 2)).waiting == 1
    assert not (tmp_path / "out" / "report.json").exists()


def test_without_panels_there_are_only_maps_page_and_settings(model, folder, tmp_path):
    out = report(model, folder, tmp_path / "out").folder
    report(model, folder, out, panels=False)
    names = {path.name for path in out.iterdir()}
    assert {"maps.parquet", "index.html", "report.json"} <= names
    assert not names & {"panels", "contact_sheet.png"}
    rows = [row for path in parts_in(out / "maps.parquet") for row in read_part(path)]
    assert {(row.panel, row.thumbnail) for row in rows} == {(None, b"")}


def test_half_precision_keeps_eleven_bits_in_half_the_room(model, folder, tmp_path):
    full = report(model, folder, tmp_path / "full", panels=False)
    half = report(model, folder, tmp_path / "half", panels=False, precision="float16")
    for path in parts_in(full.folder / "maps.parquet"):
        for one, other in zip(
            read_part(path), read_part(half.folder / "maps.parquet" / path.name), strict=True
        ):
            assert one.file == other.file
            for mine, its in zip(one.maps, other.maps, strict=True):
                largest = np.abs(mine.values).max()
                assert its.values.dtype == np.float32
                assert np.abs(mine.values - its.values).max() <= largest * 2.0**-11
    table = pq.read_table(half.folder / "maps.parquet")
    assert str(table.schema.field("map").type.value_type) == "halffloat"


def test_truth_is_the_name_of_the_folder(model, folder, tmp_path):
    report(model, folder, tmp_path / "out", truth="folder")
    table = pq.read_table(tmp_path / "out" / "maps.parquet").to_pylist()
    assert {(row["file"].split("/")[0], row["truth"]) for row in table} == {("cat", 0), ("dog", 1)}


def test_truth_is_a_table_or_a_mapping(model, folder, tmp_path):
    table = tmp_path / "truth.csv"
    table.write_text("picture,class\ncat/0.png,Cow\ndog/1.png,dog\n")
    for truth in (table, {"cat/0.png": "cow", "dog/1.png": 1}):
        report(model, folder, tmp_path / "out", truth=truth)
        rows = pq.read_table(tmp_path / "out" / "maps.parquet", columns=["file", "truth"]).to_pylist()
        assert {row["file"]: row["truth"] for row in rows if row["truth"] is not None} == {
            "cat/0.png": 2,
            "dog/1.png": 1,
        }


@pytest.mark.parametrize(
    ("truth", "error", "sentence"),
    [
        ({"cat/0.png": "horse"}, LabelError, "truth: the model has no class 'horse'"),
        ({"elsewhere.png": "cat"}, ReportError, "names no picture of"),
        ("nowhere.csv", ReportError, "the table nowhere.csv cannot be read"),
    ],
)
def test_a_truth_that_does_not_fit_is_a_sentence(model, folder, tmp_path, truth, error, sentence):
    with pytest.raises(error, match=sentence):
        report(model, folder, tmp_path / "out", truth=truth)
    assert not (tmp_path / "out").exists()


def test_a_truth_of_folders_that_are_no_classes_is_a_sentence(model, folder, tmp_path):
    (folder / "cat").rename(folder / "cats")
    with pytest.raises(LabelError, match=r"no class 'cats'; did you mean 'cat'"):
        report(model, folder, tmp_path / "out", truth="folder")
    with pytest.raises(ReportError, match="lie in no folders"):
        write_report(model, folder / "dog", tmp_path / "out", truth="folder")


def test_settings_that_do_not_fit_are_sentences(model, folder, tmp_path):
    for wrong, sentence in (
        ({"precision": "int8"}, "precision='int8': give float32 or float16"),
        ({"shard_size": 0}, "shard_size=0"),
    ):
        with pytest.raises(ReportError, match=sentence):
            write_report(model, folder, tmp_path / "out", recursive=True, **wrong)
    with pytest.raises(ShardError, match="threads=0"):
        report(model, folder, tmp_path / "out", engine=Local(threads=0))


def test_a_report_of_an_earlier_version_is_replaced(model, folder, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "maps.parquet").write_bytes(b"PAR1")
    report(model, folder, out)
    assert contents(out) == contents(report(model, folder, tmp_path / "fresh").folder)


def test_the_plan_knows_what_is_left(model, folder, tmp_path):
    asked = {"recursive": True, "shard_size": 3, "top_classes": 2, "batch_size": 2}
    planned = plan(model, folder, tmp_path / "out", **asked)
    assert (planned.count, [shard.number for shard in planned.left()]) == (3, [0, 1, 2])
    assert [shard.number for shard in planned.left(Slice(1, 2))] == [1]
    write_report(model, folder, tmp_path / "out", rank=Slice(1, 2), **asked)
    assert [shard.number for shard in planned.left()] == [0, 2]
    os.utime(folder / "dog" / "broken.png")
    assert len([*planned.left()]) >= 2


def test_memory_does_not_grow_with_the_pictures(model, tmp_path, monkeypatch):
    """No more rows are kept than two shards have, however many pictures there are."""
    (tmp_path / "many").mkdir()
    for number in range(40):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / "many" / f"{number:02}.png")
    alive, most = 0, 0

    class Counted(pipeline.Row):
        def __init__(self, *given, **named):
            nonlocal alive, most
            super().__init__(*given, **named)
            alive += 1
            most = max(most, alive)

        def __del__(self):
            nonlocal alive
            alive -= 1

    monkeypatch.setattr(pipeline, "Row", Counted)
    write_report(model, tmp_path / "many", tmp_path / "out", shard_size=4, batch_size=2, panels=False)
    assert 4 <= most <= 16


@pytest.mark.slow
def test_the_command_shares_the_work_out(saved, model, folder, tmp_path):
    out = tmp_path / "out"
    words = [sys.executable, "-m", "interp", "report", str(folder), "-r", "--out", str(out), "--top", "2"]
    words += ["--model", str(saved), "--shard-size", "3", "--batch-size", "2", "--truth", "folder"]
    environment = {**os.environ, "RANK": "1", "WORLD_SIZE": "2"}
    first = subprocess.run(
        [*words, "--engine", "rank"], env=environment, capture_output=True, text=True, check=False
    )
    assert first.returncode == 0, first.stderr
    assert "rank 1/2 is done; 2 shards are still to come" in first.stdout
    last = subprocess.run([*words, "--rank", "0/2"], capture_output=True, text=True, check=False)
    assert last.returncode == 1
    assert "1 of 8 pictures could not be explained" in last.stderr
    report(model, folder, tmp_path / "whole", truth="folder")
    assert contents(out) == contents(tmp_path / "whole")
    shutil.rmtree(out)
    planned = subprocess.run([*words, "--plan"], capture_output=True, text=True, check=False)
    assert planned.returncode == 0, planned.stderr
    assert "8 pictures, in shards of 3: 3, 3 of them still to be made." in planned.stdout
    assert not out.exists()


@pytest.mark.slow
def test_settings_are_in_the_json(model, folder, tmp_path):
    report(model, folder, tmp_path / "out", precision="float16")
    about = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (about["precision"], about["shard_size"], about["panels"]) == ("float16", 3, True)
