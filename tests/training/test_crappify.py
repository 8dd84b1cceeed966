"""Poor pictures are the course's, the same for everyone, and never half-written."""

import io
import json
import os
import random

import numpy as np
import pytest
from PIL import Image

from interp.images import open_image
from interp.training.crappify import crappify, poor_version
from interp.training.data import DataError, matched_pairs


@pytest.fixture
def put(tmp_path):
    """Write a picture of noise on a ramp into `good`, or under another name."""

    def write(name, size=(60, 40)):
        path = tmp_path / "good" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        chance = np.random.default_rng(sum(name.encode()))
        values = chance.integers(0, 60, (size[1], size[0], 3)) + np.linspace(0, 150, size[0])[None, :, None]
        Image.fromarray(values.astype(np.uint8)).save(path)
        return path

    return write


@pytest.fixture
def good(tmp_path, put):
    """A folder of twelve pictures, some in a folder inside."""
    for number in range(12):
        put(f"{'deep/' if number % 3 == 0 else ''}{number}.{'png' if number % 2 else 'jpg'}")
    return tmp_path / "good"


def files(folder):
    """Every file of a folder by its name, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "crappify.json"
    }


def jpeg(image, quality):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def test_the_course_s_recipe_by_hand(tmp_path, put):
    path = put("a.png", size=(300, 200))
    crappify(path.parent, tmp_path / "poor", seed=3)
    chance = random.Random("3 a.png")
    quality = chance.randint(10, 70)
    x, y = chance.randint(0, 72), chance.randint(0, 48)
    small = Image.open(path).resize((144, 96), Image.Resampling.BILINEAR)
    expected = poor_version(open_image(path), "crappify", 96, quality, random.Random(0))
    assert expected.size == small.size
    saved = tmp_path / "poor" / "a.jpg"
    tables = Image.open(io.BytesIO(jpeg(small, quality))).quantization
    assert Image.open(saved).quantization == tables
    # Only the writing, white and within its box, differs from the small picture.
    found = np.abs(
        np.asarray(Image.open(saved), int) - np.asarray(Image.open(io.BytesIO(jpeg(small, quality))), int)
    )
    rows, columns = np.nonzero(found.max(2) > 90)
    assert x <= columns.min() <= columns.max() < x + 16
    assert y <= rows.min() <= rows.max() < y + 14


def test_only_white_is_written_and_only_where_chance_says():
    black = Image.new("RGB", (200, 100))
    for seed in range(30):
        poor = np.asarray(poor_version(black.copy(), "crappify", 96, 48, random.Random(seed)))
        assert poor.shape == (96, 192, 3)
        assert set(np.unique(poor)) == {0, 255}
        rows, columns = np.nonzero(poor[..., 0])
        chance = random.Random(seed)
        x, y = chance.randint(0, 96), chance.randint(0, 48)
        assert x <= columns.min() <= x + 2
        assert y <= rows.min() <= y + 3


@pytest.mark.parametrize(
    ("arguments", "size", "mode", "quality"),
    [
        ({"variant": "resize"}, (144, 96), "RGB", 60),
        ({"variant": "resize", "size": 256}, (384, 256), "RGB", 60),
        ({"variant": "resize", "size": 50, "quality": 20}, (75, 50), "RGB", 20),
        ({"variant": "grey"}, (300, 200), "L", 90),
        ({"variant": "grey", "size": 40}, (60, 40), "L", 90),
    ],
)
def test_variants_without_writing(tmp_path, put, arguments, size, mode, quality):
    path = put("a.png", size=(300, 200))
    crappify(path.parent, tmp_path / "poor", **arguments)
    saved = tmp_path / "poor" / "a.jpg"
    expected = Image.open(path)
    if expected.size != size:
        expected = expected.resize(size, Image.Resampling.BILINEAR)
    assert saved.read_bytes() == jpeg(expected.convert(mode), quality)


def test_names_and_seed_alone_decide(tmp_path, good):
    made = crappify(good, tmp_path / "one", recursive=True, workers=1)
    assert (made.written, made.skipped, made.failed) == (12, 0, {})
    crappify(good, tmp_path / "many", recursive=True, workers=8)
    one = files(tmp_path / "one")
    assert one == files(tmp_path / "many")
    assert set(one) == {f"{'deep/' if number % 3 == 0 else ''}{number}.jpg" for number in range(12)}
    for name in ("1.png", "2.jpg"):
        (good / name).unlink()
    crappify(good, tmp_path / "fewer", recursive=True)
    fewer = files(tmp_path / "fewer")
    assert fewer == {name: one[name] for name in fewer}
    crappify(good, tmp_path / "other", recursive=True, seed=1)
    assert files(tmp_path / "other") != fewer


def test_the_folders_are_pairs(tmp_path, good):
    crappify(good, tmp_path / "poor", recursive=True)
    low, high = matched_pairs(tmp_path / "poor", good)
    assert len(low) == len(high) == 12


def test_folders_inside_are_walked_only_when_asked(tmp_path, good):
    assert crappify(good, tmp_path / "poor").written == 8


def test_what_is_done_stays(tmp_path, good):
    out = tmp_path / "poor"
    crappify(good, out, recursive=True)
    whole = files(out)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.jpg")}
    (out / "1.jpg").unlink()
    told = []
    made = crappify(good, out, recursive=True, progress=lambda done, count: told.append((done, count)))
    assert (made.written, made.skipped) == (1, 11)
    assert told == [(12, 12)]
    assert files(out) == whole
    changed = [path.name for path, time in times.items() if path.stat().st_mtime_ns != time]
    assert changed == ["1.jpg"]


def test_a_changed_picture_is_made_again(tmp_path, good, put):
    out = tmp_path / "poor"
    crappify(good, out)
    before = files(out)
    changed = put("1.png", size=(80, 40))
    later = (out / "1.jpg").stat().st_mtime_ns + 1_000_000_000
    os.utime(changed, ns=(later, later))
    assert crappify(good, out).written == 1
    assert {name for name, data in files(out).items() if data != before[name]} == {"1.jpg"}


@pytest.mark.parametrize("at", [1, 5, 11])
def test_an_interruption_leaves_whole_files_and_the_same_call_goes_on(tmp_path, good, at):
    crappify(good, tmp_path / "whole", recursive=True)
    whole = files(tmp_path / "whole")

    def stop(done, count):
        if done == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        crappify(good, tmp_path / "poor", recursive=True, workers=2, progress=stop)
    left = files(tmp_path / "poor")
    assert len(left) >= at
    assert left == {name: whole[name] for name in left}
    made = crappify(good, tmp_path / "poor", recursive=True)
    assert made.skipped == len(left)
    assert files(tmp_path / "poor") == whole


def test_a_full_disk_leaves_nothing_half_written(tmp_path, good, monkeypatch):
    def fail(self, file, **options):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="No space left"):
        crappify(good, tmp_path / "poor")
    assert files(tmp_path / "poor") == {}


def test_a_bad_picture_stops_no_other(tmp_path, good):
    (good / "bad.jpg").write_bytes((good / "2.jpg").read_bytes()[:300])
    (good / "empty.png").touch()
    made = crappify(good, tmp_path / "poor")
    assert made.written == 8
    assert set(made.failed) == {"bad.jpg", "empty.png"}
    assert "may be damaged or cut off" in made.failed["bad.jpg"]
    assert "is empty" in made.failed["empty.png"]
    assert crappify(good, tmp_path / "poor").failed == made.failed


def test_a_picture_that_would_be_too_long_is_one_of_those(tmp_path, put):
    path = put("line.png", size=(1000, 1))
    made = crappify(path.parent, tmp_path / "poor")
    assert "would become 96000 x 96 pixels" in made.failed["line.png"]


def test_other_settings_are_a_sentence(tmp_path, good):
    out = tmp_path / "poor"
    crappify(good, out)
    before = files(out)
    for arguments, sentence in (
        ({"quality": (20, 30)}, "quality 10-70, now 20-30"),
        ({"size": 128, "seed": 5}, "size 96, now 128, seed 0, now 5"),
        ({"variant": "grey"}, "variant crappify, now grey"),
    ):
        with pytest.raises(DataError, match=f"other settings: .*{sentence}"):
            crappify(good, out, **arguments)
    assert files(out) == before
    (out / "crappify.json").write_text(json.dumps({"seed": 0}))
    with pytest.raises(DataError, match=r"crappify\.json is damaged"):
        crappify(good, out)


def test_a_folder_with_other_things_is_left_alone(tmp_path, good):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "1.jpg").write_bytes(b"mine")
    with pytest.raises(DataError, match="has other things in it"):
        crappify(good, mine)
    assert files(mine) == {"1.jpg": b"mine"}
    with pytest.raises(DataError, match="is a file"):
        crappify(good, mine / "1.jpg")
    with pytest.raises(DataError, match="holds the good pictures"):
        crappify(good, good / "deep" / "..")


def test_two_pictures_of_one_name_are_said_before_anything_is_made(tmp_path, good, put):
    put("1.bmp")
    with pytest.raises(DataError, match=r"1\.bmp and 1\.png in .* would both become 1\.jpg"):
        crappify(good, tmp_path / "poor")
    assert not (tmp_path / "poor").exists()


def test_poor_pictures_within_the_good_are_not_walked(good):
    for _ in range(2):
        made = crappify(good, good / "poor", recursive=True)
        assert made.written + made.skipped == 12


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"variant": "bad"}, "there is no variant 'bad'; give one of crappify, resize, grey"),
        ({"size": 0}, "size=0: give the pixels of the shorter side, 1 to 4096"),
        ({"quality": (70, 10)}, "quality=70-10: .* the lower one first, 1 to 95"),
        ({"quality": 0}, "quality=0-0"),
        ({"workers": 0}, "workers=0: give a whole number from 1"),
    ],
)
def test_values_out_of_range(tmp_path, good, arguments, sentence):
    with pytest.raises(DataError, match=sentence):
        crappify(good, tmp_path / "poor", **arguments)
