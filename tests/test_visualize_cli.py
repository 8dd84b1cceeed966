"""`interp visualize`: channels, neurons, classes; a picture, a figure, a folder; mistakes; Ctrl-C."""

import pytest
from command import interp, save_classifier
from PIL import Image

from interp.features.visualisation import optimise


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return save_classifier(tmp_path_factory.mktemp("runs") / "pets", size=32)


@pytest.fixture
def visualize(saved):
    return lambda *arguments: interp("visualize", "--model", saved, "--steps", 2, *arguments)


def test_several_channels_are_pictures_in_a_folder(visualize, tmp_path):
    done = visualize("--layer", "body.layer1", "--channel", 1, "--channel", 3, "--out", tmp_path / "found")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in sorted((tmp_path / "found").iterdir())] == [
        "body.layer1-1.png",
        "body.layer1-3.png",
    ]
    assert "body.layer1:3: " in done.stdout
    with Image.open(tmp_path / "found" / "body.layer1-1.png") as picture:
        assert picture.size == (32, 32)


@pytest.mark.slow
def test_one_picture_of_any_size_is_the_same_for_a_seed(visualize, tmp_path):
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for file, seed in zip(files, (1, 1, 2), strict=True):
        done = visualize("--channel", 0, "--neuron", "--size", "40x64", "--seed", seed, "-o", file)
        assert done.returncode == 0, done.stderr
    first, again, other = (Image.open(file) for file in files)
    assert first.size == (64, 40)
    assert first.tobytes() == again.tobytes() != other.tobytes()


def test_several_in_one_figure(visualize, tmp_path):
    done = visualize("--class", "dog", "-c", 0, "--channel", 2, "--out", tmp_path / "all.png")
    assert done.returncode == 0, done.stderr
    assert "class dog: " in done.stdout
    with Image.open(tmp_path / "all.png") as figure:
        assert figure.width > 300


@pytest.mark.slow
def test_maco_by_the_waves_of_a_folder(visualize, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.radial_gradient("L").convert("RGB").save(folder / "a.png")
    own, typical = tmp_path / "own.png", tmp_path / "typical.png"
    for file, images in ((own, ("--images", folder)), (typical, ())):
        done = visualize("--channel", 0, "--maco", *images, "--out", file)
        assert done.returncode == 0, done.stderr
    assert Image.open(own).tobytes() != Image.open(typical).tobytes()


@pytest.mark.slow
def test_a_broken_picture_does_not_change_the_waves_of_the_others(visualize, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    made = []
    for name in ("good.png", "broken.png"):
        if name == "good.png":
            Image.radial_gradient("L").convert("RGB").save(folder / name)
        else:
            (folder / name).write_bytes(b"")
        done = visualize("-n", 0, "--maco", "--images", folder, "--out", tmp_path / name)
        assert done.returncode == 0, done.stderr
        made.append(Image.open(tmp_path / name).tobytes())
    assert "broken.png' is empty" in done.stderr
    assert made[0] == made[1]
    (folder / "good.png").unlink()
    done = visualize("-n", 0, "--maco", "--images", folder, "--out", tmp_path / "none.png")
    assert done.returncode == 2
    assert "none of the 1 pictures" in done.stderr
    assert not (tmp_path / "none.png").exists()


def test_a_folder_that_cannot_be_made_is_said_before_the_work(visualize, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")  # Where a folder would have to be.
    monkeypatch.setattr("interp.models.load", lambda *_, **__: pytest.fail("the network was loaded"))
    for out in (tmp_path / "file" / "folder", tmp_path / "file"):
        done = visualize("--channel", 0, "--out", out)
        assert done.returncode == 2
        assert f"{tmp_path / 'file'} is a file, not a folder." in done.stderr


def test_more_channels_than_fit_one_batch(visualize, tmp_path):
    channels = [word for number in range(7) for word in ("--channel", number)]
    done = visualize("--layer", "body.layer1", *channels, "--out", tmp_path / "found")
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "found").iterdir())) == 7


def test_an_interruption_keeps_the_picture_so_far(visualize, tmp_path, monkeypatch):
    ascend = optimise.ascend

    def interrupted(*arguments, progress, **options):
        def tell(done, count):
            progress(done, count)
            raise KeyboardInterrupt

        return ascend(*arguments, progress=tell, **options)

    monkeypatch.setattr(optimise, "ascend", interrupted)
    done = visualize("--channel", 0, "--out", tmp_path / "one.png")
    assert done.returncode == 130
    assert "interrupted after 1 of 2 steps" in done.stderr
    assert Image.open(tmp_path / "one.png").size == (32, 32)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "nothing to visualise: give --channel (with --layer) or --class."),
        (("--layer", "body.layer1"), "--layer and --neuron need a --channel."),
        (("--channel", 0, "--size", "big"), "--size big: give a number of pixels, or HEIGHTxWIDTH."),
        (("--channel", 0, "--size", 100000), "--size 100000: a side may have 4096 pixels at most."),
        (("--channel", 0, "--images", "."), "--images is for --maco only"),
        (("--channel", 0, "--out", "a.txt"), "--out a.txt: give a folder, or a file of .png"),
        (("--channel", 9999), "has no channel 9999"),
        (("--class", "horse"), "the model has no class 'horse'"),
    ],
)
def test_mistakes_are_one_sentence(visualize, arguments, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = visualize(*arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
