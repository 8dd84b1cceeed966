"""The page *Training*: runs of `interp train`, finished or not, whole or broken."""

import io
import json
import os
import re
import shlex
import zipfile

import pytest
from explorer_app import checked, forget, opened, words
from PIL import Image
from tiny_runs import STAGES, draw, write_run
from typer.testing import CliRunner

import interp.training as training
from interp.cli.train import train as train_command
from interp.explorer.pages import training as page
from interp.explorer.pages import training_command, training_compare, training_figures, training_taking
from interp.training import Stage, read_run


@pytest.fixture
def runs(tmp_path, monkeypatch):
    folder = tmp_path / "runs"
    monkeypatch.setenv("INTERP_APP_RUNS", str(folder))
    forget()
    return folder


def alternative_texts(app):
    return [image.alt for each in app.get("image") for image in each.proto.imgs]


def metrics(app):
    return {each.label: each.value for each in app.metric}


def test_without_runs_the_page_says_how_to_make_one(runs):
    app = opened("training")
    assert "There is no training run" in words(app)
    commands = [each.value for each in app.code]
    assert f"interp train classifier PICTURES --out {runs}/mine" in commands
    assert not app.metric


def test_commands_that_make_a_run_are_known_to_the_command_line(runs):
    for recipe, _ in page.FIRST_COMMANDS:
        assert CliRunner().invoke(train_command, [recipe, "--help"]).exit_code == 0


def test_finished_run_is_shown_with_its_numbers(runs):
    draw(
        write_run(runs / "one", finished=True),
        "batch",
        "confusion",
        "predictions-0-before",
        "predictions-2-all",
    )
    app = opened("training")
    assert metrics(app) == {
        "State": "finished",
        "Epochs": "3 / 3",
        "best error_rate, epoch 2": "0.25",
        "Time": "6 s",
    }
    said = alternative_texts(app)
    assert any("Learning curves of one over 3 epochs" in text and "error_rate 0.3" in text for text in said)
    assert any("Rows: what a picture is" in text for text in said)
    assert any("After stage all" in text for text in said)
    assert not app.toggle
    assert [button.label for button in app.button] == ["Look into it: Look"]


def test_page_speaks_chinese(runs):
    draw(write_run(runs / "one", finished=True), "batch", "top-losses")
    said = words(opened("training", lang="zh"))
    assert "它在进步吗？" in said
    assert "Is it getting better" not in said
    assert "热力图" in said


@pytest.mark.parametrize("recipe", ["classifier", "segmentation", "superres", "gan", "wgan"])
def test_every_recipe_has_its_page(runs, recipe):
    draw(
        write_run(runs / "one", recipe, finished=True),
        "batch",
        "iou",
        "real-32",
        "samples-030",
        "samples-060",
        "odd",
    )
    app = opened("training")
    assert app.session_state["training_sample"] == "samples-060"
    assert any("Epoch 60" in text for text in alternative_texts(app))
    assert "More figures" in words(app)


@pytest.mark.slow
def test_newest_run_comes_first_and_a_link_opens_another(runs):
    for number, name in enumerate(("old", "new")):
        write_run(runs / name, finished=True)
        for path in (runs / name).iterdir():
            if path.is_file():
                os.utime(path, (1000.0 + number, 1000.0 + number))
    assert opened("training").selectbox(key="training_run").value == "new"
    assert opened("training", training_run="old").selectbox(key="training_run").value == "old"
    assert opened("training", training_run="../new").selectbox(key="training_run").value == "new"


@pytest.mark.slow
def test_run_that_goes_on_is_drawn_anew_when_it_has_written(runs):
    write_run(runs / "one", epochs=1, seconds=100.0)
    app = opened("training")
    assert metrics(app)["State"] == "going on"
    assert app.toggle(key="training_live").value is True
    assert "3 min to go" in words(app)
    again = training_run(runs / "one", epochs=2)
    checked(app.run())
    assert metrics(app)["Epochs"] == "2 / 3"
    (again / "model.json").write_text("{}")
    (again / "model.safetensors").write_bytes(b"")
    checked(app.run())
    assert metrics(app)["State"] == "finished"
    assert not app.toggle


def training_run(folder, epochs):
    """Write the log of a run that has gone on."""
    elsewhere = folder.with_name("elsewhere")
    write_run(elsewhere, epochs=epochs, seconds=100.0)
    for name in ("history.csv", "steps.csv"):
        (elsewhere / name).replace(folder / name)
    (elsewhere / "config.json").unlink()
    elsewhere.rmdir()
    return folder


def test_interrupted_run_offers_the_command_that_goes_on(runs):
    write_run(runs / "one", settings=as_json(training.ClassifierSettings(folder="pictures", stages=STAGES)))
    for path in (runs / "one").iterdir():
        os.utime(path, (1000.0, 1000.0))
    app = opened("training")
    assert metrics(app)["State"] == "stopped"
    assert "it was interrupted" in words(app)
    command = next(each.value for each in app.code if each.language == "bash")
    assert command.startswith("interp train classifier pictures")
    assert command.endswith("--resume")
    assert "resume=True" in next(each.value for each in app.code if each.language == "python")


def test_interrupted_run_of_another_version_says_so(runs):
    write_run(runs / "one", settings={"colour": "blue"})
    for path in (runs / "one").iterdir():
        os.utime(path, (1000.0, 1000.0))
    app = opened("training")
    assert "This run is of another version of interp" in words(app)
    assert not [each for each in app.code if each.language == "bash"]


def test_run_that_goes_on_needs_no_command(runs):
    write_run(runs / "one", settings=as_json(training.ClassifierSettings(folder="pictures", stages=STAGES)))
    app = opened("training")
    assert not [each for each in app.code if each.language == "bash"]
    assert "read_run" in next(each.value for each in app.code if each.language == "python")


def test_run_without_an_epoch_has_no_curves_yet(runs):
    write_run(runs / "one", epochs=0)
    app = opened("training")
    assert "No epoch is finished yet" in words(app)
    assert metrics(app)["Epochs"] == "0 / 3"


def shown(elements):
    """Return what markdown shows of texts in which nothing is markup."""
    return [re.sub(r"\\(.)", r"\1", each.value) for each in elements]


def test_broken_files_are_sentences(runs):
    run = write_run(runs / "one", finished=True)
    draw(run, "batch")
    (runs / "one" / "figures" / "batch.png").write_bytes(b"half")
    (runs / "one" / "config.json").write_text('{"recipe": ')
    (runs / "one" / "steps.csv").write_text("epoch,loss\n0,1\n0.5")
    app = opened("training")
    said = shown(app.warning)
    assert "config.json cannot be read, so nobody knows the settings." in said
    assert "steps.csv has 1 broken rows; they are left out." in said
    assert any("batch.png" in each for each in said)
    assert any("Learning curves" in text for text in alternative_texts(app))


def test_broken_files_are_told_in_chinese(runs):
    write_run(runs / "one", finished=True)
    (runs / "one" / "config.json").write_text("[]")
    (runs / "one" / "history.csv").write_text("epoch,stage,train_loss\n1,a,0.5\n2,a")
    (runs / "one" / "steps.csv").write_text("epoch\n0\n")
    said = shown(opened("training", lang="zh").warning)
    assert said == [
        "config.json 中没有训练设置。",
        "history.csv 中有 1 行损坏，已忽略。",
        "steps.csv 没有 loss 列；不绘制每一步的损失。",
    ]


def test_folder_of_a_search_for_a_rate_shows_its_plot(runs):
    write_run(runs / "other")
    figures = runs / "searched" / "figures"
    figures.mkdir(parents=True)
    Image.new("RGB", (40, 30)).save(figures / "learning-rate.png")
    app = opened("training", training_run="searched")
    assert "Nothing was trained here." in words(app)
    assert any("The loss while the learning rate rose" in text for text in alternative_texts(app))


def test_runs_with_the_same_metric_are_compared(runs):
    write_run(runs / "one", finished=True)
    write_run(runs / "two", finished=True, epochs=2)
    write_run(runs / "streets", "segmentation", finished=True)
    app = opened("training", training_run="one")
    assert app.multiselect(key="training_with").value == ["two"]
    assert app.selectbox(key="training_metric").value == "error_rate"
    assert any(text.startswith("error_rate of 2 runs") for text in alternative_texts(app))
    checked(app.multiselect(key="training_with").set_value(["two", "streets"]).run())
    assert app.selectbox(key="training_metric").options == ["train_loss", "valid_loss"]
    drawn = training_compare.comparison([read_run(runs / "one"), read_run(runs / "two")], "error_rate")
    lines = {line.get_label(): line.get_ydata().tolist() for line in drawn.axes[0].lines}
    assert lines == {"one": pytest.approx([0.5, 0.25, 0.3]), "two": pytest.approx([0.5, 0.25])}


@pytest.mark.parametrize(
    ("recipe", "verb"),
    [("classifier", "explain"), ("segmentation", "explain"), ("superres", "enhance"), ("wgan", "layers")],
)
def test_command_looks_into_the_finished_model(runs, recipe, verb):
    write_run(runs / "one", recipe, finished=True)
    command = training_taking._look_command(read_run(runs / "one"))
    assert command.split()[:2] == ["interp", verb]
    assert str(runs / "one") in command


def test_downloads_hold_the_runs_files(runs):
    draw(write_run(runs / "one", finished=True), "batch", "iou")
    record = read_run(runs / "one")
    files = {file.file_name: file.data() for file in training_taking._downloads(record)}
    assert files["one-history.csv"] == (runs / "one" / "history.csv").read_bytes()
    assert sorted(zipfile.ZipFile(io.BytesIO(files["one.zip"])).namelist()) == ["batch.png", "iou.png"]
    assert Image.open(io.BytesIO(files["one.png"])).width > 500


def test_python_of_the_page_runs(runs, tmp_path, monkeypatch, capsys):
    write_run(runs / "one")
    monkeypatch.chdir(tmp_path)
    exec(training_taking._python(read_run(runs / "one")), {})
    assert "metric='error_rate', value=0.25, epoch=2" in capsys.readouterr().out
    assert Image.open("curves.png").width > 500


def as_json(settings):
    return json.loads(json.dumps(settings.to_json()))


SETTINGS = {
    "classifier": [
        training.ClassifierSettings(folder="a b"),
        training.ClassifierSettings(
            folder="pictures", pretrained=False, keep_statistics=False, seed=7, valid=0.3
        ),
        training.ClassifierSettings(folder="p", labels="regex", regex=r"([^/]+)_\d+.jpg$", stages=STAGES),
        training.ClassifierSettings(
            folder="p",
            labels="csv",
            csv="t.csv",
            skip_bad=True,
            augmentation=training.Augmentation(padding="zeros"),
        ),
    ],
    "segmentation": [
        training.SegmentationSettings(folder="p", codes=("sky", "road"), void="sky", blur=True),
        training.SegmentationSettings(
            folder="p", masks="m", codes="codes.txt", self_attention=True, stages=STAGES
        ),
    ],
    "superres": [
        training.SuperResolutionSettings(folder="high", low="low", loss="l1", valid=0.25),
    ],
    "gan": [
        training.GanSettings(folder="high", low="low", critic_features=64),
        training.GanSettings(
            folder="high",
            low="low",
            stages=(
                Stage("1", 1, 1e-3, 64, part="generator"),
                Stage("2", 1, 1e-3, 64, part="critic"),
                Stage("both", 1, 1e-4, 64, flat=True, part="gan"),
            ),
        ),
    ],
    "wgan": [training.WganSettings(folder="p", stages=(Stage("1", 3, 2e-4, 32, flat=True),), features=16)],
}


@pytest.mark.parametrize(
    ("recipe", "settings"), [(recipe, each) for recipe, those in SETTINGS.items() for each in those]
)
def test_command_that_goes_on_gives_the_same_settings(tmp_path, monkeypatch, recipe, settings):
    write_run(tmp_path / "one", recipe, settings=as_json(settings), stages=settings.stages)
    command = training_command.resume_command(read_run(tmp_path / "one"))
    asked = {}
    monkeypatch.setattr(
        "interp.cli.train._run",
        lambda made, out, resume, *_: asked.update(settings=made.settings, out=out, resume=resume),
    )
    _, _, *words = shlex.split(command)
    result = CliRunner().invoke(train_command, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert asked == {"settings": settings, "out": tmp_path / "one", "resume": True}


@pytest.mark.parametrize(
    "settings",
    [
        training.ClassifierSettings(folder="p", dropout=0.1),
        training.ClassifierSettings(folder="p", stages=(Stage("two words", 1, 1e-3, 64),)),
        training.SegmentationSettings(folder="p", codes=("a,b", "c")),
    ],
)
def test_settings_without_an_option_have_python_only(tmp_path, settings):
    recipe = "segmentation" if hasattr(settings, "codes") else "classifier"
    write_run(tmp_path / "one", recipe, settings=as_json(settings), stages=settings.stages)
    record = read_run(tmp_path / "one")
    assert training_command.resume_command(record) is None
    names: dict = {}
    code = training_command.resume_python(record)
    exec(code[: code.rindex("train(")], names)
    assert names["settings"] == settings


def test_course_is_known_by_its_preset(tmp_path):
    from interp.training.classifier import PRESETS

    settings = training.ClassifierSettings(folder="p", **PRESETS["course"])
    write_run(tmp_path / "one", settings=as_json(settings), stages=settings.stages)
    assert "--preset course" in training_command.resume_command(read_run(tmp_path / "one"))


def test_settings_of_another_version_have_no_command(tmp_path):
    write_run(tmp_path / "one", settings={"colour": "blue"})
    record = read_run(tmp_path / "one")
    assert training_command.resume_command(record) is None
    assert training_command.resume_python(record) is None


@pytest.mark.parametrize(("recipe", "wanted"), [("classifier", "look"), ("wgan", "inside")])
def test_look_into_it_opens_the_page_with_this_network(runs, monkeypatch, recipe, wanted):
    write_run(runs / "one", recipe, finished=True)
    went = []
    monkeypatch.setattr(page.st, "switch_page", lambda to: went.append(to.url_path))
    app = opened("training")
    checked(app.button(key="training_look").click().run())
    assert went == [wanted]
    assert app.session_state["model"] == str(runs / "one")


@pytest.mark.slow
def test_odd_stages_and_times_are_left_out_and_said(runs):
    write_run(runs / "one", epochs=2)
    config = json.loads((runs / "one" / "config.json").read_text())
    history = (runs / "one" / "history.csv").read_text()
    (runs / "one" / "history.csv").write_text(history.replace(",2.0\n", ",1e400\n", 1))
    for odd in ({"epochs": None}, {"name": 5}, {"epochs": 10**400}, {"frozen": "yes"}):
        config["settings"]["stages"][0] |= odd
        (runs / "one" / "config.json").write_text(json.dumps(config))
        os.utime(runs / "one" / "config.json", (1000.0, 1000.0 + len(str(odd))))
        for stopped in (False, True):
            for path in (runs / "one").iterdir() if stopped else ():
                os.utime(path, (1000.0, 1000.0))
            app = opened("training")
            assert metrics(app)["Epochs"] == "2"
            assert metrics(app)["Time"] == "2 s"
            assert any("stages of another version" in each.value for each in app.warning)


@pytest.mark.parametrize("odd", [{"augmentation": None}, {"augmentation": 3}, {"folder": 5}, {"seed": None}])
def test_settings_of_another_kind_spoil_no_page(runs, odd):
    settings = as_json(training.ClassifierSettings(folder="pictures", stages=STAGES))
    write_run(runs / "one", settings=settings | odd)
    for path in (runs / "one").iterdir():
        os.utime(path, (1000.0, 1000.0))
    assert metrics(opened("training"))["State"] == "stopped"


def save(run, *names):
    """Save small figures of any names in a run's folder."""
    (run / "figures").mkdir(exist_ok=True)
    for name in names:
        Image.new("RGB", (8, 8)).save(run / "figures" / f"{name}.png")


def test_names_of_files_are_not_markup(runs):
    name = "**b** $x$ [c](mailto:me) :red[hi]"
    write_run(runs / "one", finished=True)
    save(runs / "one", name)
    (runs / "one" / "figures" / "*broken*.png").write_text("hello")
    app = opened("training")
    escaped = r"\*\*b\*\* \$x\$ \[c\]\(mailto\:me\) \:red\[hi\]"
    assert escaped in [each.value for each in app.caption]
    assert any(r"\*broken\*" in each.value for each in app.warning)
    assert name in alternative_texts(app)


def test_folder_without_runs_is_named_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("INTERP_APP_RUNS", str(tmp_path / "a`b*c*"))
    assert r"a\`b\*c\*" in "".join(each.value for each in opened("training").info)


def test_figures_whose_names_differ_in_letters_only_stand_side_by_side(runs):
    write_run(runs / "one", finished=True)
    save(runs / "one", "图一", "图二", "comparison")
    write_run(runs / "two", finished=True)
    said = alternative_texts(opened("training", training_run="one"))
    assert {"图一", "图二", "comparison"} <= set(said)


def test_link_that_names_too_many_runs_shows_the_first_of_them(runs):
    names = [f"run{number:02}" for number in range(13)]
    for name in names:
        write_run(runs / name, finished=True)
    app = opened("training", training_run=names[0], training_with=",".join([names[1], *names[1:]]))
    assert app.session_state["training_with"] == names[1 : training_compare.MOST]


def broken(*_args, **_named):
    raise training.TrainingError("this *is* broken.")


def test_fragments_tell_their_failures_in_sentences(runs, monkeypatch):
    for name in ("one", "two"):
        write_run(runs / name, finished=True)
    for module, what in ((page, "_facts"), (training_compare, "comparison")):
        with monkeypatch.context() as patched:
            patched.setattr(module, what, broken)
            app = opened("training", check=False)
            assert not app.exception
            assert [each.value for each in app.error] == [r"this \*is\* broken\."]
            assert "Take it home" in words(app)


def test_every_figure_of_the_recipes_has_a_caption():
    for name in training_figures.CAPTIONS:
        assert training_figures.caption("classifier", name) != name
    assert training_figures.caption("", "batch").endswith("pictures.")
    assert training_figures.caption("classifier", "odd") == "odd"


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (99, "99 s"), (120, "2 min"), (9000, "2.5 h"), (400_000, "5 days")]
)
def test_times_are_said_in_words(seconds, said):
    assert page.duration(seconds) == said
