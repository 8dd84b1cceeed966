"""The nearest pictures by style against all distances one by one."""

import numpy as np
import pytest
from networks import Classifier, seeded
from PIL import Image

import interp
from interp.features import FeatureError, nearest_by_style, style, style_distances
from interp.images import ImageError, Preprocess


@pytest.fixture(scope="module")
def model():
    preprocess = Preprocess((32, 32), (0.5,) * 3, (0.5,) * 3)
    return interp.load(seeded(Classifier)(), preprocess=preprocess)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "inner").mkdir()
    generator = np.random.default_rng(0)
    for number in range(7):
        pixels = generator.integers(0, 30 * number + 40, (32, 32, 3), np.uint8)
        Image.fromarray(pixels).save(folder / ("inner" if number > 4 else "") / f"{number}.png")
    return folder


def test_it_is_brute_force(model, folder):
    files = interp.images.pictures_in(folder)
    layers = ["bn", "relu"]
    distances = style_distances(style(model, files, layers))
    for asked, file in enumerate(files):
        found = nearest_by_style(model, file, folder, layers, count=4, batch_size=3)
        expected = sorted((i for i in range(7) if i != asked), key=lambda i: float(distances.mean[asked, i]))
        assert [match.file for match in found.matches] == [files[i] for i in expected[:4]]
        for match, place in zip(found.matches, expected[:4], strict=True):
            # Batches of other sizes may round otherwise.
            assert match.distance == pytest.approx(float(distances.mean[asked, place]), rel=1e-4)
            assert match.by_layer == pytest.approx(distances.values[:, asked, place].tolist(), rel=1e-4)
        assert found.searched == 6
        assert len(found.views) == 4


def test_its_own_file_is_passed_over_and_a_copy_found(model, folder, tmp_path):
    copy = tmp_path / "copy.png"
    copy.write_bytes((folder / "3.png").read_bytes())
    link = tmp_path / "link.png"
    link.symlink_to(folder / "3.png")
    for asked in (folder / "3.png", str(folder / "3.png"), link):
        found = nearest_by_style(model, asked, [*interp.images.pictures_in(folder), copy], count=99)
        assert len(found.matches) == found.searched == 7
        assert found.matches[0].file == copy
        assert found.matches[0].distance == pytest.approx(0, abs=1e-5)
        assert folder / "3.png" not in [match.file for match in found.matches]


def test_a_broken_file_is_named_and_the_rest_compared(model, folder, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    said = []
    files = [broken, *interp.images.pictures_in(folder)]
    picture = interp.open_image(folder / "3.png")
    found = nearest_by_style(model, picture, files, progress=lambda *now: said.append(now))
    assert list(found.failed) == [broken]
    assert found.searched == len(found.matches) == 7
    assert said[-1] == (8, 8)
    distances = [match.distance for match in found.matches]
    assert distances == sorted(distances)


def test_what_cannot_be_found_is_refused(model, folder, tmp_path):
    with pytest.raises(FeatureError, match="count=0 finds no picture"):
        nearest_by_style(model, folder / "3.png", folder, count=0)
    with pytest.raises(FeatureError, match="there is no other picture to compare with"):
        nearest_by_style(model, folder / "3.png", [folder / "3.png"])
    with pytest.raises(ImageError, match="is not there"):
        nearest_by_style(model, folder / "3.png", tmp_path / "nowhere")


def test_the_figure_shows_the_distances(model, folder):
    found = nearest_by_style(model, folder / "3.png", folder, count=2)
    words = " ".join(text.get_text() for text in found.figure().texts)
    assert "asked: 3.png" in words
    for match in found.matches:
        assert f"{match.distance:.2f}" in words
        assert match.file.stem in words
