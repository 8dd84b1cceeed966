"""What the folder of a run tells to those who look on."""

import csv
import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from tiny_runs import STAGES, draw, write_run

from interp.training import BestEpoch, TrainingError, good_when, read_run, runs_in


def test_reads_what_was_written(tmp_path):
    run = write_run(tmp_path / "one", settings={"valid": 0.3})
    draw(run, "samples-090", "samples-1000", "batch")
    record = read_run(tmp_path / "one")
    assert (record.recipe, record.planned, record.epochs_planned) == ("classifier", STAGES, 3)
    assert record.settings == {"folder": "pictures", "seed": 3, "valid": 0.3}
    assert record.data == {"pictures": 12, "classes": ["a", "b"]}
    assert set(record.versions) == {"interp", "torch", "fastai"}
    assert record.stages == ("head", "all", "all")
    assert record.metrics == ("train_loss", "valid_loss", "error_rate")
    assert record.epochs["error_rate"].tolist() == [0.5, 0.25, 0.3]
    assert record.seconds == 6.0
    assert record.steps["loss"].tolist() == [2.0 / (number + 1) for number in range(6)]
    assert [path.stem for path in record.figures] == ["batch", "samples-090", "samples-1000"]
    assert record.problems == ()


@pytest.mark.parametrize(
    ("recipe", "best"),
    [
        ("classifier", BestEpoch("error_rate", 0.25, 2, "all")),
        ("segmentation", BestEpoch("mean_iou", 0.4, 2, "all")),
        ("superres", BestEpoch("psnr", 22.0, 2, "all")),
        ("gan", BestEpoch("valid_psnr", 20.0, 3, "all")),
        ("wgan", None),
    ],
)
def test_best_epoch_is_that_of_the_recipes_own_metric(tmp_path, recipe, best):
    write_run(tmp_path / "one", recipe)
    assert read_run(tmp_path / "one").best == best


def test_state_says_whether_it_goes_on(tmp_path):
    write_run(tmp_path / "one", epochs=2, seconds=30.0)
    record = read_run(tmp_path / "one")
    assert record.state(record.written + 119) == "going on"
    assert record.state(record.written + 121) == "stopped"
    write_run(tmp_path / "two", finished=True)
    assert read_run(tmp_path / "two").state(math.inf) == "finished"


def test_slow_first_epoch_is_waited_for(tmp_path):
    write_run(tmp_path / "one", epochs=0)
    record = read_run(tmp_path / "one")
    assert record.stages == ()
    assert record.best is None
    assert record.state(record.written + 1100) == "going on"
    assert record.state(record.written + 1300) == "stopped"
    with pytest.raises(TrainingError, match="no finished epoch yet"):
        record.figure()


def test_steps_of_an_epoch_that_the_history_does_not_have_yet_are_left_out(tmp_path):
    write_run(tmp_path / "one")
    path = tmp_path / "one" / "history.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    record = read_run(tmp_path / "one")
    assert len(record.stages) == 2
    assert record.steps["epoch"].tolist() == [0.0, 0.5, 1.0, 1.5]
    assert len(record.figure().axes) > 3


def test_half_a_row_is_left_out_and_said(tmp_path):
    write_run(tmp_path / "one")
    path = tmp_path / "one" / "history.csv"
    path.write_text(path.read_text().rstrip().rpartition(",")[0])
    record = read_run(tmp_path / "one")
    assert record.stages == ("head", "all")
    assert record.problems == ("history.csv has 1 broken rows; they are left out.",)


def test_cells_that_are_empty_or_no_numbers_are_nan(tmp_path):
    write_run(tmp_path / "one")
    path = tmp_path / "one" / "history.csv"
    rows = list(csv.DictReader(path.open()))
    rows[0]["error_rate"], rows[1]["error_rate"] = "", "many"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    record = read_run(tmp_path / "one")
    np.testing.assert_array_equal(record.epochs["error_rate"], [np.nan, np.nan, 0.3])
    assert record.best == BestEpoch("error_rate", 0.3, 3, "all")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"recipe": "class', "config.json cannot be read, so nobody knows the settings."),
        ("[1, 2]", "config.json holds no settings."),
        (
            json.dumps({"recipe": "classifier", "settings": {"stages": [{"name": "1"}]}}),
            "config.json of one has stages of another version; they are left out.",
        ),
        (
            json.dumps({"recipe": "classifier", "settings": {"stages": 3}}),
            "config.json of one has stages of another version; they are left out.",
        ),
    ],
)
def test_broken_settings_are_said_and_the_curves_are_read(tmp_path, text, problem):
    write_run(tmp_path / "one")
    (tmp_path / "one" / "config.json").write_text(text)
    record = read_run(tmp_path / "one")
    assert record.problems == (problem,)
    assert record.planned == ()
    assert len(record.stages) == 3


def test_stage_of_a_later_version_is_read_without_what_is_new(tmp_path):
    write_run(tmp_path / "one")
    path = tmp_path / "one" / "config.json"
    config = json.loads(path.read_text())
    config["settings"]["stages"][0]["colour"] = "blue"
    path.write_text(json.dumps(config))
    assert read_run(tmp_path / "one").planned == STAGES


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(name=some.sampled_from(["config.json", "history.csv", "steps.csv"]), junk=some.binary(max_size=80))
def test_no_content_of_a_file_breaks_the_reading(tmp_path, name, junk):
    folder = tmp_path / "one"
    if not folder.exists():
        write_run(folder)
    before = (folder / name).read_bytes()
    (folder / name).write_bytes(before[: len(junk)] + junk)
    try:
        record = read_run(folder)
        if record.stages:
            record.figure()
    finally:
        (folder / name).write_bytes(before)


def test_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(TrainingError, match=r"holds no run: there is no config\.json in it"):
        read_run(tmp_path)


def test_runs_of_a_folder_are_found_by_what_is_in_them(tmp_path):
    write_run(tmp_path / "b")
    write_run(tmp_path / "a", finished=True)
    (tmp_path / "searched" / "figures").mkdir(parents=True)
    (tmp_path / "searched" / "figures" / "learning-rate.png").write_bytes(b"")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "config.json").write_text("{}")
    assert [path.name for path in runs_in(tmp_path)] == ["a", "b", "searched"]
    assert runs_in(tmp_path / "nowhere") == ()


def test_written_is_the_newest_file(tmp_path):
    write_run(tmp_path / "one")
    for path in (tmp_path / "one").rglob("*.*"):
        os.utime(path, (1000.0, 1000.0))
    os.utime(tmp_path / "one" / "history.csv", (2000.0, 2000.0))
    assert read_run(tmp_path / "one").written == 2000.0


def test_which_values_are_good():
    assert [good_when(name) for name in ("psnr", "valid_loss", "train_gen_loss")] == ["high", "low", ""]


def test_reading_a_run_imports_neither_torch_nor_fastai(tmp_path):
    write_run(tmp_path / "one")
    code = f"import sys; from interp.training import read_run; read_run({str(tmp_path / 'one')!r})"
    code += "; print(sorted({'torch', 'fastai'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
