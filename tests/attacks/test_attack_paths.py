"""Names that lead elsewhere, links, pipes and devices: nothing is written outside, nothing is waited for."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from command import interp as command
from hostile import harmless, noise, refusal, small_model

import interp
from interp.explorer.pages.report_made import cleaned
from interp.explorer.pictures import brought
from interp.features.example_store import read_examples
from interp.features.ranking import Ranking
from interp.images import ImageError, open_image, pictures_in
from interp.images.masks import open_mask
from interp.metrics.evaluation_files import read_about
from interp.training import read_run
from interp.training.checkpoint import load_progress
from interp.training.data.codes import class_names
from interp.training.data.problems import Problems
from interp.training.data.table import read_table
from interp.training.run import open_run

needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
ELSEWHERE = ["../../elsewhere", "/tmp/elsewhere", "..\\..\\x", "a\0b", "a\nb", "..", "~root", 500 * "x"]
MODEL_FILES = ("model.json", "model.safetensors")
RUN_FILES = ("config.json", "history.csv", "steps.csv")


def placed(read: Callable[[Path], object], name: str) -> Callable[[Path], object]:
    """Return what reads a folder in which the odd file is called `name`."""

    def act(path: Path) -> object:
        path.rename(path.with_name(name))
        return read(path.parent)

    return act


DOORS: dict[str, Callable[[Path], object]] = {
    "picture": open_image,
    "mask": open_mask,
    "explanation": interp.remake,
    "checkpoint": load_progress,
    "ranking": lambda path: Ranking.load(path, "key"),
    "examples": read_examples,
    "evaluation": read_about,
    "table": lambda path: read_table(path, Problems("pictures")),
    "class names": lambda path: class_names(str(path), path.parent),
    "weights": lambda path: interp.load("torchvision:squeezenet1_1", weights=path),
    "trusted pickle": lambda path: interp.load(path.rename(path.with_suffix(".pth")), trust_pickle=True),
    **{f"{name} of a model": placed(interp.load, name) for name in MODEL_FILES},
    **{f"{name} of a run": placed(read_run, name) for name in RUN_FILES},
    "settings of a run that goes on": placed(lambda folder: open_run(folder, {}, resume=True), "config.json"),
}


@needs_pipes
@pytest.mark.parametrize("door", DOORS)
def test_no_pipe_is_waited_for(door, tmp_path):
    os.mkfifo(tmp_path / "file")
    harmless(lambda: DOORS[door](tmp_path / "file"))


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no devices on this system")
@pytest.mark.parametrize("door", DOORS)
def test_no_device_without_an_end_is_read(door, tmp_path):
    (tmp_path / "file").symlink_to("/dev/zero")
    harmless(lambda: DOORS[door](tmp_path / "file"))


@pytest.mark.parametrize("to", ["file", "nowhere", "."])
@pytest.mark.parametrize("door", DOORS)
def test_links_to_themselves_to_nothing_and_to_folders(door, to, tmp_path):
    (tmp_path / "file").symlink_to(to)
    harmless(lambda: DOORS[door](tmp_path / "file"))


def test_what_a_link_leads_to_is_not_told(tmp_path):
    """A link with the name of a picture shows a picture, or says what kind of file it is and no more."""
    (tmp_path / "secret").write_text("password=1234")
    (tmp_path / "cat.jpg").symlink_to(tmp_path / "secret")
    said = refusal(lambda: open_image(tmp_path / "cat.jpg"))
    assert "seems to be text" in said
    assert "1234" not in said


def test_links_that_cross_do_not_multiply(tmp_path):
    """Twelve folders with a link to each of the others have more than 10^9 ways through them."""
    folders = [tmp_path / f"{number:02}" for number in range(12)]
    for folder in folders:
        folder.mkdir()
        noise().save(folder / "one.png")
        for other in folders:
            (folder / f"to-{other.name}").symlink_to(other)
    assert pictures_in(tmp_path) == [folder / "one.png" for folder in folders]


@pytest.fixture
def deep(tmp_path):
    """A folder in so many folders that nothing which calls itself could walk them, nor pytest clean up."""
    place = tmp_path
    for _ in range(1100):
        place = place / "d"
        place.mkdir()
    yield place
    flatten(tmp_path)


def test_folders_in_circles_outside_and_deep(deep, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "d" / "out").symlink_to(outside)
    (outside / "up").symlink_to(tmp_path)
    for folder in (outside, deep):
        noise().save(folder / f"{folder.name}.png")
    assert {path.name for path in pictures_in(tmp_path / "d")} == {"outside.png", "d.png"}


def flatten(folder: Path) -> None:
    """Take away folders in folders one by one, as nothing that calls itself could."""
    top, rest = folder / "d", folder / "rest"
    while (top / "d").exists():
        (top / "d").rename(rest)
        shutil.rmtree(top)
        rest.rename(top)


def test_one_picture_that_is_a_pipe_stops_no_listing(tmp_path):
    noise().save(tmp_path / "good.png")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "nothing.png").symlink_to(tmp_path / "nowhere")
    opened = {}
    for path in pictures_in(tmp_path):
        try:
            opened[path.name] = open_image(path).size
        except ImageError as error:
            opened[path.name] = str(error)
    assert opened["good.png"] == (50, 40)
    assert "pipe" in opened["pipe.png"]
    assert "nowhere" in opened["nothing.png"]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_names_of_uploads_are_their_last_part(name):
    (chosen,) = {brought(f"{name}.png", png()).name}
    assert "/" not in chosen
    assert "\\" not in chosen
    assert len(chosen) <= 80
    assert not set(cleaned(name)) & set("/\\\0\n")


def png() -> bytes:
    import io

    buffer = io.BytesIO()
    noise().save(buffer, "PNG")
    return buffer.getvalue()


def test_names_in_a_report_are_no_paths(tmp_path):
    model, pictures = small_model(), tmp_path / "pictures"
    pictures.mkdir()
    names = {f"{number}.png": name for number, name in enumerate(ELSEWHERE)}
    for file in names:
        noise().save(pictures / file)
    before = {path for path in tmp_path.rglob("*") if pictures not in path.parents}
    interp.write_report(model, pictures, tmp_path / "report", top_classes=1, names=names)
    made = {path for path in tmp_path.rglob("*") if pictures not in path.parents} - before
    assert all(path.resolve().is_relative_to(tmp_path / "report") for path in made)
    assert not Path("/tmp/elsewhere").exists()


def test_names_of_classes_are_no_paths(tmp_path):
    labels = ["../../elsewhere", "/tmp/elsewhere", "a\0b\n"]
    small_model(labels).save(tmp_path / "model")
    noise().save(tmp_path / "cat.png")
    done = command("explain", tmp_path / "cat.png", "-m", tmp_path / "model", "--class", "0", "--class", "1",
                   "--class", "2", "--save", "json", "--save", "npz", "--out", tmp_path / "out")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out").iterdir())) == 6
    assert {path.name for path in tmp_path.iterdir()} == {"model", "cat.png", "out"}


@pytest.mark.skipif(os.name == "nt", reason="such names are not possible there")
def test_names_that_are_no_text_come_back(tmp_path):
    model = small_model()
    path = tmp_path / os.fsdecode(b"\xff\xfe.png")
    noise().save(path)
    explanation = interp.explain(model, path)
    saved = explanation.save(tmp_path / "saved.json")
    assert json.loads(saved.read_text(encoding="utf-8"))["picture"]["path"] == str(path)
    assert interp.remake(saved, model=model).path == str(path)


def test_an_explanation_names_a_picture_and_cannot_make_another_of_it(tmp_path):
    """The path in a JSON is opened as a picture only, and only if it is the one that was explained."""
    model = small_model()
    noise().save(tmp_path / "a.png")
    noise(20, 20).save(tmp_path / "b.png")
    about = json.loads(interp.explain(model, tmp_path / "a.png").to_json())
    for path in (tmp_path / "b.png", "/etc/passwd", "/dev/zero", tmp_path, "https://evil.example/a.png"):
        about["picture"]["path"] = str(path)
        refusal(lambda: interp.remake(json.dumps(about), model=model))
