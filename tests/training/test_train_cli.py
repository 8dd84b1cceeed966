"""`interp train`, as a person or a script meets it: one sentence, an exit status, never a traceback."""

import csv
import re
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

import interp
from interp.cli import main

TINY = ["--backbone", "timm:test_resnet", "--untrained", "--stage", "epochs=1 lr=1e-3 size=32 batch=6"]


@pytest.fixture
def run(monkeypatch, capfd):
    """Return a function that runs the command line and returns (exit status, stdout, stderr)."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["interp", *map(str, words)])
        monkeypatch.setenv("INTERP_TRACEBACK", "")
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        out, err = capfd.readouterr()
        return code, out, err

    return call


@pytest.fixture
def refused(run):
    """Return a function that runs a command line that must fail with one sentence, and returns it."""

    def call(*words):
        code, _, err = run(*words)
        said = [line for line in err.splitlines() if "Warning" not in line and line.strip()]
        assert code == 2, err
        assert "Traceback" not in err
        assert len(said) == 1, err
        assert said[0].startswith("interp: ")
        return said[0].removeprefix("interp: ")

    return call


@pytest.fixture
def spoilt(labelled, tmp_path):
    """A copy of the pictures with one cut off, one empty and one that is text."""
    folder = tmp_path / "spoilt"
    shutil.copytree(labelled, folder)
    whole = (folder / "red" / "red_0.png").read_bytes()
    (folder / "red" / "red_0.png").write_bytes(whole[: len(whole) // 2])
    (folder / "blue" / "blue_3.png").write_bytes(b"")
    (folder / "green" / "green_5.png").write_text("no picture")
    return folder


@pytest.mark.slow
def test_plain_lines_where_there_is_no_terminal(run, labelled, tmp_path):
    out = tmp_path / "run"
    stages = ["--stage", "epochs=2 lr=1e-2 size=32 batch=6 frozen"]
    stages += ["--stage", "epochs=1 lr=1e-3 lr_low=1e-5 size=40 batch=9"]
    code, said, err = run("train", "classifier", labelled, "--out", out, *TINY[:3], *stages)
    assert code == 0, err
    assert "\x1b" not in said
    assert "\r" not in said
    lines = said.splitlines()
    assert "24 pictures read." in lines
    assert "1: 2 epochs at 32 px, batch 6, rate 0.01, body frozen" in lines
    assert "2: 1 epoch at 40 px, batch 9, rate 1e-05 … 0.001" in lines
    columns = [line.split() for line in lines if "train_loss" in line]
    assert columns
    assert all(row == ["epoch", "train_loss", "valid_loss", "error_rate", "seconds"] for row in columns)
    rows = [line.split() for line in lines if re.match(r"\s+\d+ ", line)]
    assert [row[0] for row in rows] == ["1", "2", "3"]
    assert rows[0][-1] == "left"
    assert lines[-1] == f"finished → {out}; figures in {out / 'figures'}"
    with (out / "history.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 3
    assert interp.load(out).labels.names == ("blue", "green", "red")


@pytest.mark.slow
def test_bad_pictures_are_said_all_at_once_before_training(refused, run, spoilt, tmp_path):
    said = refused("train", "classifier", spoilt, "--out", tmp_path / "run", *TINY)
    assert said.startswith(f"the data in {spoilt} has problems: 3 pictures cannot be read (")
    for name in ("red/red_0.png", "blue/blue_3.png", "green/green_5.png"):
        assert name in said
    assert said.endswith("Fix or remove them, or give --skip-bad to go on without them.")
    assert not (tmp_path / "run").exists()
    code, out, err = run("train", "classifier", spoilt, "--out", tmp_path / "run", "--skip-bad", *TINY)
    assert code == 0, err
    assert "left out: 3 pictures cannot be read" in out
    assert '"pictures": 21' in (tmp_path / "run" / "config.json").read_text()


@pytest.mark.slow
def test_bad_masks_are_said_all_at_once(refused, run, masked, tmp_path):
    folder = tmp_path / "masks"
    shutil.copytree(masked, folder)
    Image.fromarray(np.zeros((7, 9), np.uint8)).save(folder / "labels" / "03_P.png")
    Image.fromarray(np.full((40, 48), 9, np.uint8)).save(folder / "labels" / "05_P.png")
    (folder / "labels" / "08_P.png").unlink()
    (folder / "images" / "11.png").write_bytes(b"")
    tiny = ["--backbone", "timm:test_efficientnet", *TINY[2:]]
    said = refused("train", "segmentation", folder, "--out", tmp_path / "run", *tiny)
    for part in (
        "1 picture has no mask (images/08.png)",
        "1 picture cannot be read (images/11.png is empty",
        "1 mask has another size than its picture (labels/03_P.png: 9 × 7 for 48 × 40)",
        "1 mask has a number without a class (there are 4, from 0) (labels/05_P.png: 9)",
    ):
        assert part in said
    code, out, err = run("train", "segmentation", folder, "--out", tmp_path / "run", "--skip-bad", *tiny)
    assert code == 0, err
    assert "left out: " in out
    assert '"pictures": 12' in (tmp_path / "run" / "config.json").read_text()


def test_missing_partners_are_said(refused, pairs, tmp_path):
    low = tmp_path / "low"
    shutil.copytree(pairs / "low", low)
    (low / "04.png").unlink()
    shutil.copy(low / "05.png", low / "extra.png")
    said = refused("train", "superres", low, pairs / "high", "--out", tmp_path / "run", *TINY)
    assert f"1 picture of {low} has no partner in {pairs / 'high'} (extra.png)" in said
    assert f"1 picture of {pairs / 'high'} has no partner in {low} (04.png)" in said


def test_folders_that_cannot_be_trained_on(refused, tmp_path):
    out = ["--out", tmp_path / "run", *TINY]
    assert "is not there" in refused("train", "classifier", tmp_path / "nowhere", *out)
    (tmp_path / "empty").mkdir()
    assert "has no picture" in refused("train", "classifier", tmp_path / "empty", *out)
    for number in range(4):
        path = tmp_path / "one" / "cat" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 40), (number, 0, 0)).save(path)
    said = refused("train", "classifier", tmp_path / "one", *out)
    assert said == "a classifier tells two classes apart at least, but all have the class 'cat'."
    said = refused("train", "wgan", tmp_path / "empty", "--out", tmp_path / "run")
    assert "has no picture" in said
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_run_that_is_there(refused, run, labelled, tmp_path):
    out = ["--out", tmp_path / "run", *TINY]
    assert run("train", "classifier", labelled, *out)[0] == 0
    said = refused("train", "classifier", labelled, *out)
    assert (
        said == f"{tmp_path / 'run'} holds a run already; give --resume to go on with it, or another --out."
    )
    said = refused("train", "classifier", labelled, *out, "--resume")
    assert said == (
        f"the run in {tmp_path / 'run'} is finished; `interp explain --model {tmp_path / 'run'}` uses it."
    )
    (tmp_path / "run" / "model.json").unlink()
    said = refused("train", "classifier", labelled, *out, "--resume", "--seed", 7)
    assert "was begun with seed=42, not 7. Give the same settings to resume it, or another --out." in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--stage", "epoch=3"], "'epoch=3' is not one of name, epochs, lr,"),
        (["--stage", "epochs=0"], "has epochs=0; give 1 …"),
        (["--stage", "rubbish"], "'rubbish' is not one of"),
        (["--preset", "fast"], "--preset fast: give one of quick, course."),
        (["--padding", "mirror"], "padding='mirror': give zeros, reflection or border."),
        (["--valid", "1.5"], "valid=1.5: give the part that is held back"),
        (
            ["--backbone", "resnet"],
            "backbone='resnet': give efficientnet_lite0, torchvision:NAME or timm:NAME",
        ),
        (["--backbone", "timm:resnet3"], "timm has no model 'resnet3'"),
        (["--backbone", "timm:vit_tiny_patch16_224"], "VisionTransformer cannot be a backbone"),
        (["--device", "warp"], "device 'warp' is not there; give cpu, cuda or mps."),
        (["--dataset", "cats"], "--dataset cats: give pets."),
        (["--regex", "("], "the regex '(' is not one"),
        (["--regex", "nothing(x)"], "matches no name in"),
        (["--csv", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_nonsense_is_one_sentence(refused, labelled, tmp_path, words, said):
    assert said in refused("train", "classifier", labelled, "--out", tmp_path / "run", *TINY, *words)


def test_a_regex_and_a_table_exclude_each_other(refused, labelled, tmp_path):
    words = ["--regex", r"([^/]+)_\d+.png$", "--csv", "table.csv"]
    said = refused("train", "classifier", labelled, "--out", tmp_path / "run", *TINY, *words)
    assert said == "--regex and --csv both say the classes; give one of them."


def test_no_folder_at_all(refused):
    assert refused("train", "classifier") == "give the FOLDER of the pictures, or --dataset pets."


def test_poor_and_good_pictures_in_one_folder(refused, pairs, tmp_path):
    said = refused("train", "superres", pairs / "low", pairs / "low", "--out", tmp_path / "run")
    assert said == f"poor and good pictures are both in {pairs / 'low'}. Give each a folder."


@pytest.mark.slow
def test_a_loss_that_is_no_number_is_said(refused, pairs, tmp_path):
    words = ["--loss", "mse", "--backbone", "timm:test_efficientnet", "--untrained"]
    stage = ["--stage", "epochs=9 lr=1000 size=32 batch=3 flat"]
    said = refused(
        "train", "superres", pairs / "low", pairs / "high", "--out", tmp_path / "run", *words, *stage
    )
    pattern = (
        r"the loss is (nan|inf) in epoch \d of the stage '1': the rate 1000 is too high\. Begin again with a "
        r"lower one; --find-lr suggests it\."
    )
    assert re.fullmatch(pattern, said)


@pytest.mark.slow
def test_the_search_for_a_rate_draws_and_trains_nothing(run, labelled, tmp_path):
    code, out, err = run("train", "classifier", labelled, "--out", tmp_path / "run", "--find-lr", *TINY)
    assert code == 0, err
    figure = tmp_path / "run" / "figures" / "learning-rate.png"
    assert re.search(rf"suggested learning rate: \d\S* → {re.escape(str(figure))}", out)
    assert figure.is_file()
    assert not (tmp_path / "run" / "config.json").exists()


@pytest.mark.slow
def test_ctrl_c_is_a_sentence_and_resume_goes_on(run, labelled, tmp_path, monkeypatch):
    from interp.cli.watching import Lines

    words = ["train", "classifier", labelled, "--out", tmp_path / "run", *TINY[:3]]
    words += ["--stage", "epochs=2 lr=1e-3 size=32 batch=6"]
    told = Lines.epoch

    def interrupted(self, row):
        told(self, row)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Lines, "epoch", interrupted)
        code, _, err = run(*words)
    assert code == 130
    assert err.strip().endswith("interp: interrupted; --resume goes on from the last finished epoch.")
    code, out, err = run(*words, "--resume")
    assert code == 0, err
    rows = [line.split()[0] for line in out.splitlines() if re.match(r"\s+\d+ ", line)]
    assert rows == ["2"]


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["segmentation", "superres", "gan", "wgan"])
def test_every_recipe_has_its_command(run, masked, pairs, tmp_path, recipe):
    both = [pairs / "low", pairs / "high"]
    encoder = ["--backbone", "timm:test_efficientnet", "--untrained"]
    words = {
        "segmentation": [masked, *encoder, "--stage", "epochs=1 size=32 batch=4", "--codes", "a,b,c,Void"],
        "superres": [*both, *encoder, "--loss", "l1", "--stage", "epochs=1 size=32 batch=3"],
        "gan": [
            *both,
            *encoder,
            "--critic-features",
            "8",
            "--stage",
            "epochs=1 size=32 batch=3",
            "--stage",
            "epochs=1 size=64 batch=6 part=critic",
            "--stage",
            "epochs=1 size=64 batch=2 part=gan flat",
        ],
        "wgan": [pairs / "high", "--features", "8", "--stage", "epochs=1 size=16 batch=4"],
    }[recipe]
    code, out, err = run("train", recipe, *words, "--out", tmp_path / "run")
    assert code == 0, err
    assert out.splitlines()[-1].startswith("finished → ")
    assert "Warning" not in err
    assert interp.load(tmp_path / "run").name.startswith("run")
