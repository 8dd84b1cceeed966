"""`interp channel` and `interp invert` as people type them."""

import shutil

import pytest
from command import interp, save_classifier, save_noise
from PIL import Image

LAYER = "body.layer2"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return save_classifier(tmp_path_factory.mktemp("runs") / "pets", size=32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = save_noise(tmp_path_factory.mktemp("pictures"))
    (folder / "broken.png").write_bytes(b"none")
    return folder


@pytest.mark.slow
def test_every_channel_has_its_page_and_the_examples_are_kept(saved, folder, tmp_path):
    asked = (
        "channel",
        "--model",
        saved,
        "--layer",
        LAYER,
        "--images",
        folder,
        "--out",
        tmp_path,
        "--steps",
        "2",
    )
    done = interp(*asked, 0, 3)
    assert done.returncode == 0
    assert "channel 3: its maximum in the pictures" in done.stdout
    assert "broken.png" in done.stderr
    for number in (0, 3):
        with Image.open(tmp_path / LAYER / f"channel-{number}.png") as page:
            assert page.width > page.height > 500
    before = (tmp_path / LAYER / "examples.parquet").stat().st_mtime_ns
    again = interp(*asked[:-1], "0", 1)
    assert again.returncode == 0
    assert "in the one made for it" not in again.stdout
    assert (tmp_path / LAYER / "examples.parquet").stat().st_mtime_ns == before


@pytest.mark.slow
def test_folders_inside_are_walked_only_when_asked(saved, folder, tmp_path):
    from interp.features import open_examples

    pictures = tmp_path / "pictures"
    shutil.copytree(folder, pictures / "inside")
    shutil.copy(next(folder.glob("[!b]*.*")), pictures)
    asked = ("channel", 0, "--model", saved, "--layer", LAYER, "--images", pictures, "--steps", 0)
    assert interp(*asked, "--out", tmp_path / "all").returncode == 0
    assert interp(*asked, "--out", tmp_path / "one", "--no-recursive").returncode == 0
    assert open_examples(tmp_path / "one" / LAYER).about["pictures"] == 1
    assert open_examples(tmp_path / "all" / LAYER).about["pictures"] > 1


def test_a_channel_that_is_not_there_is_named_before_anything_is_drawn(saved, folder, tmp_path):
    done = interp(
        "channel", 0, 999, "--model", saved, "--layer", LAYER, "--images", folder, "--out", tmp_path
    )
    assert done.returncode == 2
    assert "channel 999" in done.stderr
    assert not list((tmp_path / LAYER).glob("*.png"))


@pytest.mark.slow
def test_pictures_are_inverted_and_a_broken_one_is_named(saved, folder, tmp_path):
    asked = ("--model", saved, "--layer", LAYER, "--steps", "2", "--out", tmp_path)
    done = interp("invert", folder / "a.png", folder / "broken.png", *asked, "--kind", "caricature")
    assert done.returncode == 1
    assert f"a.png: {LAYER}: distance" in done.stdout
    assert "broken.png" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.caricature.png"]


def test_an_unknown_kind_is_a_sentence(saved, folder, tmp_path):
    done = interp("invert", folder / "a.png", "--model", saved, "--kind", "copy", "--out", tmp_path)
    assert done.returncode == 2
    assert "kind='copy' is none of 'inversion', 'caricature', 'style'." in done.stderr
