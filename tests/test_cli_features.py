"""`interp features` as people type it."""

from pathlib import Path

import pytest
from command import interp, save_classifier
from PIL import Image

SAMPLES = Path(__file__).parents[1] / "sample_images"


def features(*arguments):
    """Return the exit code and both streams."""
    done = interp("features", *arguments)
    return done.returncode, done.stdout, done.stderr


def written(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.slow
def test_stages_and_the_default_layer_are_drawn_and_a_broken_picture_stops_nothing(tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    out = tmp_path / "out"

    code, said, complaints = features(broken, SAMPLES / "cat_small.jpg", "--top", 3, "--filters", "-o", out)

    assert code == 1
    assert written(out) == ["cat_small.bn2.png", "cat_small.stages.png", "filters.png"]
    assert "cat_small.jpg: 5 stages: blocks.0, " in said
    assert "bn2, 1280 × 7 × 7, by strength: #" in said
    assert "conv_stem: 32 × 3 × 3 × 3" in said
    assert "broken.jpg" in complaints
    assert "1 of 2 pictures could not be drawn" in complaints
    with Image.open(out / "cat_small.bn2.png") as figure:
        assert figure.width > 400


@pytest.mark.slow
def test_stages_are_averaged_as_asked(tmp_path):
    drawn = []
    for average in ("abs", "l2"):
        out = tmp_path / average
        assert features(SAMPLES / "cat_small.jpg", "--average", average, "-o", out)[0] == 0
        drawn.append((out / "cat_small.stages.png").read_bytes())
    assert drawn[0] != drawn[1]
    code, _, complaints = features(SAMPLES / "cat_small.jpg", "--average", "median", "-o", tmp_path)
    assert code == 2
    assert "--average median: give one of abs, mean, l2." in complaints


@pytest.mark.slow
def test_layers_by_class_of_pictures_with_one_name(tmp_path):
    folder, out = tmp_path / "other", tmp_path / "out"
    folder.mkdir()
    Image.new("RGB", (40, 40), "red").save(folder / "cat_small.jpg")
    pictures = [SAMPLES / "cat_small.jpg", folder / "cat_small.jpg"]

    code, said, _ = features(*pictures, "--layer", "blocks.4", "--class", "tiger cat", "--top", 2, "-o", out)

    assert code == 0
    assert written(out) == ["cat_small-2.blocks.4.png", "cat_small.blocks.4.png"]
    assert said.count("blocks.4, 112 × 14 × 14, for tiger cat: #") == 2


@pytest.mark.slow
def test_kernels_by_name_and_by_numbers(tmp_path):
    tiny = tmp_path / "tiny.png"
    Image.new("RGB", (1, 1)).save(tiny)
    out = tmp_path / "out"
    cat = SAMPLES / "cat_small.jpg"

    code, said, complaints = features(tiny, cat, "--kernel", "sobel-x", "-o", out)
    assert code == 1
    assert written(out) == ["cat_small.sobel-x.png"]
    assert "cat_small.jpg: sobel-x: " in said
    assert "tiny.png: the picture of 1 × 1 pixels is too small" in complaints
    assert features(cat, "--kernel", "1 -1", "-o", out)[0] == 0
    assert "cat_small.kernel.png" in written(out)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "there is no picture"),
        (["cat.jpg", "--sort", "size"], "--sort size: give one of strength, class, index"),
        (["cat.jpg", "--sort", "index", "--class", "cat"], "with --class only class"),
        (["cat.jpg", "--kernel", "blur", "--layer", "bn2"], "--kernel runs no network"),
        (["cat.jpg", "--kernel", "blurr"], "did you mean blur?"),
        ([SAMPLES / "cat_small.jpg", "--layer", "nothing"], "there is no layer 'nothing'"),
    ],
)
def test_what_does_not_go_together_is_said_before_anything_is_written(arguments, said, tmp_path):
    code, _, complaints = features(*arguments, "-o", tmp_path / "out")
    assert code == 2
    assert said in complaints
    assert not (tmp_path / "out").exists() or not written(tmp_path / "out")


@pytest.mark.slow
def test_what_a_position_sees_is_drawn_for_a_clicked_pixel(tmp_path):
    saved = save_classifier(tmp_path / "pets")
    code, out, _ = features(
        SAMPLES / "cat.jpg",
        "--model",
        saved,
        "--layer",
        "body.layer1",
        "--at",
        "200,80",
        "--out",
        tmp_path / "out",
    )
    assert code == 0
    assert "input pixels" in out
    assert any(name.endswith(".sees.png") for name in written(tmp_path / "out"))
    code, _, complaint = features(SAMPLES / "cat.jpg", "--model", saved, "--at", "here", "--out", tmp_path)
    assert (code, "--at here: give a pixel" in complaint) == (2, True)
