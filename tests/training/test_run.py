import csv
import json

import pytest
from matplotlib.figure import Figure
from torch import nn

from interp.training.checkpoint import Progress
from interp.training.run import Run, open_run
from interp.training.stages import TrainingError

CONFIG = {
    "recipe": "classifier",
    "settings": {"folder": "pets", "seed": 1, "stages": ({"lr": 1e-3},), "workers": None, "device": None},
    "data": {"pictures": 7, "classes": ["a", "b"]},
}


def changed(part=None, **settings):
    config = json.loads(json.dumps(CONFIG))
    config["settings"] |= settings
    return config | (part or {})


def test_a_new_run_writes_what_was_asked_and_with_which_versions(tmp_path):
    folder = tmp_path / "deep" / "run"
    run = open_run(folder, CONFIG, resume=False)
    assert run.at == Progress()
    about = json.loads((folder / "config.json").read_text())
    assert set(about.pop("versions")) == {"interp", "torch", "fastai"}
    assert about == json.loads(json.dumps(CONFIG))
    assert [path.name for path in folder.iterdir()] == ["config.json"]


def test_a_folder_with_a_run_needs_resume_and_resume_begins_where_there_is_none(tmp_path):
    open_run(tmp_path, CONFIG, resume=True)
    with pytest.raises(
        TrainingError, match="holds a run already; give --resume to go on with it, or another"
    ):
        open_run(tmp_path, CONFIG, resume=False)
    assert open_run(tmp_path, CONFIG, resume=True).at == Progress()


def test_going_on_finds_the_place(tmp_path):
    run = open_run(tmp_path, CONFIG, resume=False)
    run.at.stage, run.at.epochs, run.at.rows = 1, 2, [{"epoch": 1, "stage": "a", "loss": 0.5, "seconds": 1.0}]
    run.save({"net": nn.Linear(2, 2)}, None)
    assert open_run(tmp_path, CONFIG, resume=True).at == run.at


def test_where_it_runs_may_change(tmp_path):
    begun = open_run(tmp_path, CONFIG, resume=False)
    resumed = open_run(tmp_path, changed(workers=4, device="cuda"), resume=True)
    assert (resumed.folder, resumed.at) == (begun.folder, begun.at)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (changed(seed=2), "was begun with seed=1, not 2"),
        (changed(folder="cats"), "was begun with folder='pets', not 'cats'"),
        (changed(stages=[{"lr": 1e-2}]), r"was begun with stages=\[{'lr': 0.001}\], not \[{'lr': 0.01}\]"),
        (changed({"recipe": "wgan"}), "was begun with another recipe"),
        (changed({"data": {"pictures": 8, "classes": ["a", "b"]}}), "was begun with another data"),
        (changed(new=1), "was begun with new=None, not 1"),
    ],
)
def test_other_settings_are_named(tmp_path, config, said):
    open_run(tmp_path, CONFIG, resume=False)
    with pytest.raises(TrainingError, match=said):
        open_run(tmp_path, config, resume=True)


def test_finished_runs_and_models_are_left_alone(tmp_path):
    open_run(tmp_path, CONFIG, resume=False)
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(TrainingError, match="is finished; `interp explain --model"):
        open_run(tmp_path, CONFIG, resume=True)
    (tmp_path / "config.json").unlink()
    for resume in (True, False):
        with pytest.raises(TrainingError, match="holds a saved model; give another folder"):
            open_run(tmp_path, CONFIG, resume=resume)


@pytest.mark.parametrize("text", ["", "{", "[1]", "\x80"])
def test_a_broken_config_is_named(tmp_path, text):
    (tmp_path / "config.json").write_text(text, encoding="latin-1")
    with pytest.raises(TrainingError, match=r"config\.json cannot be read"):
        open_run(tmp_path, CONFIG, resume=True)


def test_the_logs_hold_every_number(tmp_path):
    rows = [{"epoch": 1, "a": 0.1 + 0.2, "seconds": 1.0}, {"epoch": 2, "b": 1e-9, "seconds": 2.0}]
    steps = {"epoch": [0.0, 0.5], "loss": [1 / 3, 2.0], "lr": [1e-3, 2e-3], "momentum": [0.9, 0.8]}
    Run(tmp_path, Progress(0, 2, rows, steps)).write_log()
    with (tmp_path / "history.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [
            {"epoch": "1", "a": "0.30000000000000004", "b": "", "seconds": "1.0"},
            {"epoch": "2", "a": "", "b": "1e-09", "seconds": "2.0"},
        ]
    with (tmp_path / "steps.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    assert {key: [float(row[key]) for row in read] for key in steps} == steps


def test_a_stage_with_any_name_keeps_its_weights(tmp_path):
    run = Run(tmp_path, Progress())
    run.keep_stage(0, "../generator, frozen", {"net": nn.Linear(2, 2)})
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == [
        "01----generator--frozen.safetensors"
    ]


@pytest.mark.parametrize("name", ["a/b/c", "../up", "x" * 300, "größer, 2"])
def test_a_figure_of_any_name_lies_among_the_figures(tmp_path, name):
    path = Run(tmp_path, Progress()).figure(f"predictions-1-{name}", Figure())
    assert path.is_file()
    assert path.parent == tmp_path / "figures"
