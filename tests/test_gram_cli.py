"""`interp gram`: one picture, two, several, a folder; JSON; mistakes."""

import json

import pytest
from command import interp, save_classifier, save_noise

import interp as package
from interp.features import dead_channels, nearest_by_style, perceptual_terms, style, style_distances
from interp.images import pictures_in

LAYERS = ["body.bn1", "body.layer2"]
CHOSEN = ("--layer", LAYERS[0], "--layer", LAYERS[1])


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return save_classifier(tmp_path_factory.mktemp("runs") / "pets")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_noise(tmp_path_factory.mktemp("pictures"))


def test_one_picture_has_its_matrices(saved, folder, tmp_path):
    done = interp("gram", folder / "a.png", "--model", saved, *CHOSEN, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["gram.png"]
    for layer in LAYERS:
        assert layer in done.stdout
    assert "gram.png" in done.stdout
    assert "perceptual" not in done.stdout


@pytest.mark.slow
def test_two_pictures_are_compared_as_in_python(saved, folder, tmp_path):
    both = (folder / "a.png", folder / "b.png")
    out = tmp_path / "out"
    done = interp("gram", *both, "--model", saved, *CHOSEN, "--normalise", "HW", "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    model = package.load(saved)
    found = style(model, both, LAYERS, normalise="HW")
    distances = style_distances(found)
    (pair,) = said["distances"]
    assert pair["pictures"] == ["a.png", "b.png"]
    assert pair["by_layer"] == pytest.approx(distances.values[:, 0, 1].tolist())
    assert pair["mean"] == pytest.approx(float(distances.mean[0, 1]))
    assert [row["norm"] for row in said["matrices"]] == pytest.approx(
        [float(found.grams[layer][number].norm()) for number in (0, 1) for layer in LAYERS]
    )
    assert said["matrices"][0]["channels"] == len(found.grams[LAYERS[0]][0])
    assert [row["dead"] for row in said["matrices"]] == [
        list(dead_channels(found.grams[layer][number])) for number in (0, 1) for layer in LAYERS
    ]
    terms = perceptual_terms(model, *both, layers=LAYERS, layer_weights=(1, 1))
    assert said["perceptual"]["terms"] == pytest.approx(terms.values)
    assert said["perceptual"]["layer_weights"] == dict.fromkeys(LAYERS, 1.0)
    assert said["figures"] == [str(out / f"{name}.png") for name in ("gram", "distances", "terms")]
    assert all((out / f"{name}.png").stat().st_size for name in ("gram", "distances", "terms"))


@pytest.mark.slow
def test_every_pair_of_several_pictures_is_a_row(saved, folder, tmp_path):
    three = [folder / f"{name}.png" for name in "abc"]
    done = interp("gram", *three, "--model", saved, *CHOSEN, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    for pair in ("a.png – b.png", "a.png – c.png", "b.png – c.png"):
        assert pair in done.stdout
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["distances.png", "gram.png"]


@pytest.mark.slow
def test_the_nearest_of_a_folder(saved, folder, tmp_path):
    asked = (folder / "a.png", "--folder", folder, "--model", saved, *CHOSEN, "--count", "2")
    (folder / "broken.png").write_bytes(b"no picture")
    try:
        done = interp("gram", *asked, "--out", tmp_path / "out", "--json")
        assert done.returncode == 0, done.stderr
        assert "broken.png" in done.stderr
        listed = interp("gram", *asked, "--out", tmp_path / "out")
    finally:
        (folder / "broken.png").unlink()
    said = json.loads(done.stdout)
    files = pictures_in(folder)
    expected = nearest_by_style(package.load(saved), folder / "a.png", files, LAYERS, count=2)
    assert [one["file"] for one in said["nearest"]] == [str(one.file) for one in expected.matches]
    assert [one["distance"] for one in said["nearest"]] == pytest.approx(
        [one.distance for one in expected.matches], rel=1e-4
    )
    assert said["searched"] == 3
    assert list(said["failed"]) == [str(folder / "broken.png")]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["nearest.png"]
    assert "nearest of 3 pictures to a.png" in listed.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("a.png", "--normalise", "C"), "--normalise C: give CHW or HW."),
        (("a.png", "b.png", "--folder", "."), "--folder compares one picture with a folder; 2 are given."),
        (("nowhere.png",), "does not exist"),
        (("a.png", "--layer", "nothing"), "there is no layer 'nothing'"),
    ],
)
def test_mistakes_are_a_sentence(saved, folder, tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(folder)
    done = interp("gram", *arguments, "--model", saved, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert sentence in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_broken_picture_does_not_stop_the_others(saved, folder, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"")
    three = (folder / "a.png", broken, folder / "b.png")
    done = interp("gram", *three, "--model", saved, "-l", LAYERS[0], "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "broken.png' is empty" in done.stderr
    assert "1 of 3 pictures could not be used." in done.stderr
    assert "a.png – b.png" in done.stdout
    assert (tmp_path / "out" / "distances.png").exists()
    done = interp("gram", broken, tmp_path / "absent.png", "--model", saved, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "none of the 2 pictures could be used." in done.stderr


def test_names_in_letters_that_the_figures_lack_are_no_complaint(saved, folder, tmp_path):
    picture = tmp_path / "a 猫 $x $y.png"
    picture.write_bytes((folder / "a.png").read_bytes())
    done = interp("gram", picture, "--model", saved, "-l", LAYERS[0], "--out", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
