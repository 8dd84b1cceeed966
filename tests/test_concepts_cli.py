"""`interp concepts`: a picture, a folder, a class, and what it refuses."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from interp.cli import app
from interp.features.errors import FeatureError

SAMPLES = Path(__file__).parent.parent / "sample_images"


def run(*arguments: object):
    return CliRunner().invoke(app, ["concepts", *map(str, arguments)])


@pytest.fixture
def cats(tmp_path):
    folder = tmp_path / "cats"
    folder.mkdir()
    for name in ("cat.jpg", "cat_small.jpg", "coffee.jpg"):
        (folder / name).symlink_to(SAMPLES / name)
    return folder


@pytest.mark.slow
def test_a_picture(tmp_path):
    done = run(SAMPLES / "cat_and_coffee.jpg", "--count", 3, "--out", tmp_path / "new" / "one.png")
    assert done.exit_code == 0, done.output
    assert "bn2: 3 concepts explain" in done.output
    assert "espresso" in done.output
    assert (tmp_path / "new" / "one.png").stat().st_size > 10_000


@pytest.mark.slow
def test_a_folder_on_a_picture(cats, tmp_path):
    done = run(cats, "--count", 2, "--on", SAMPLES / "cat.jpg", "--out", tmp_path / "two.png")
    assert done.exit_code == 0, done.output
    assert "bn2: 2 concepts of 3 pictures" in done.output
    assert (tmp_path / "two.png").exists()


@pytest.mark.slow
def test_a_class(cats, tmp_path):
    done = run(cats, "--class", "tiger cat", "--all", "--count", 2, "--out", tmp_path / "class.png")
    assert done.exit_code == 0, done.output
    assert "2 concepts of tiger cat in 3 pictures" in done.output
    assert (tmp_path / "class.png").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((SAMPLES / "cat.jpg", "--class", "cat"), "are for a folder"),
        ((SAMPLES, "--all"), "give --class, too"),
    ],
)
def test_options_that_do_not_go_together(arguments, words):
    with pytest.raises(FeatureError, match=words):
        raise run(*arguments).exception


@pytest.mark.slow
def test_a_folder_that_is_there_gets_the_figure(tmp_path):
    done = run(SAMPLES / "cat.jpg", "--count", 2, "--out", tmp_path)
    assert done.exit_code == 0, done.output
    assert [path.name for path in tmp_path.iterdir()] == ["concepts.png"]
    assert str(tmp_path / "concepts.png") in done.output.replace("\n", "")


@pytest.mark.parametrize("name", ["new", "one.foo"])
def test_an_ending_that_is_none_is_said_before_the_work(name, tmp_path):
    with pytest.raises(FeatureError, match="give a folder that is there, or a file of"):
        raise run(SAMPLES / "cat.jpg", "--out", tmp_path / name).exception
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_nothing_half_written_stays(tmp_path, monkeypatch):
    def full(self, part, **_):
        part.write(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full)
    with pytest.raises(OSError, match="No space left"):
        raise run(SAMPLES / "cat.jpg", "--count", 2, "--out", tmp_path / "one.png").exception
    assert not list(tmp_path.iterdir())
