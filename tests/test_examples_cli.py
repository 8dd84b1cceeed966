"""`interp examples`: figure and Parquet, opened again, refused, a broken picture."""

import pytest
from command import interp, save_classifier, save_noise
from PIL import Image

from interp.features import open_examples


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return save_classifier(tmp_path_factory.mktemp("runs") / "pets")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = save_noise(tmp_path_factory.mktemp("pictures"))
    (folder / "broken.png").write_bytes(b"none")
    return folder


def test_a_figure_and_a_file_that_is_opened_the_next_time(saved, folder, tmp_path):
    asked = ("examples", folder, "--layer", "body.layer2", "-m", saved, "-k", "2", "--out", tmp_path)
    first = interp(*asked, "--channel", "3", "--channel", "5")
    assert first.returncode == 0, first.stderr
    assert "channel 3: up to" in first.stdout
    assert "broken.png" in first.stderr
    with Image.open(tmp_path / "3-5.png") as figure:
        assert min(figure.size) > 200
    kept = open_examples(tmp_path)
    assert len(kept.channel(3).examples) == 2
    written = (tmp_path / "examples.parquet").stat().st_mtime_ns
    again = interp(*asked)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "examples.parquet").stat().st_mtime_ns == written
    assert (tmp_path / f"{'-'.join(map(str, kept.strongest()))}.png").exists()


@pytest.mark.slow
def test_other_settings_and_unknown_channels_are_refused(saved, folder, tmp_path):
    asked = ("examples", folder, "--layer", "body.layer2", "-m", saved, "--out", tmp_path)
    assert interp(*asked, "-k", "1").returncode == 0
    other = interp(*asked, "-k", "2")
    assert other.returncode == 2
    assert "differs in k" in other.stderr
    unknown = interp(*asked, "-k", "1", "--channel", "999")
    assert unknown.returncode == 2
    assert "channel 999" in unknown.stderr
    assert interp(*asked, "-k", "2", "--again").returncode == 0
    assert len(open_examples(tmp_path).channel(0).examples) == 2
