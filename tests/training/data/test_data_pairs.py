"""Pictures find their masks in every known layout."""

import numpy as np
import pytest

from interp.training.data import DataError, Problems, matched_pairs, paired_folder


def names(data, root):
    pairs = zip(data.pictures, data.masks, strict=True)
    return [tuple(path.relative_to(root).as_posix() for path in pair) for pair in pairs]


def test_camvid_as_fastai_has_it(tmp_path, put_pair):
    for name in ("b", "a"):
        put_pair(f"images/{name}.jpg", f"labels/{name}_P.png")
    (tmp_path / "codes.txt").write_text("Sky\nRoad\nVoid\n")
    (tmp_path / "valid.txt").write_text("b.jpg\n")
    data = paired_folder(tmp_path)
    assert names(data, tmp_path) == [("images/a.jpg", "labels/a_P.png"), ("images/b.jpg", "labels/b_P.png")]
    assert data.codes == ("Sky", "Road", "Void")
    assert data.void == 2
    assert data.groups == ("train", "valid")


def test_camvid_as_segnet_has_it(tmp_path, put_pair):
    put_pair("train/a.jpg", "trainannot/a.png")
    put_pair("val/b.jpg", "valannot/b.png")
    put_pair("test/c.jpg", "testannot/c.png")
    data = paired_folder(tmp_path)
    assert names(data, tmp_path) == [("train/a.jpg", "trainannot/a.png"), ("val/b.jpg", "valannot/b.png")]
    assert data.groups == ("train", "valid")
    assert data.codes == ("0", "1")
    assert data.void == 255


def test_voc_has_masks_for_some_pictures(tmp_path, put, put_pair):
    for name in ("a", "b"):
        put_pair(f"JPEGImages/{name}.jpg", f"SegmentationClass/{name}.png")
    put("JPEGImages/c.jpg")
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("a\n")
    data = paired_folder(tmp_path)
    assert len(data.pictures) == 2
    assert data.groups == ("valid", "train")


@pytest.mark.parametrize(
    ("picture", "mask"),
    [
        ("images/{}/x.jpg", "masks/{}/x.png"),
        ("{}/images/x.jpg", "{}/masks/x.png"),
        ("{}/images/x.jpg", "{}/labels/x_mask.png"),
    ],
)
def test_sides_are_folders_on_either_level(tmp_path, put_pair, picture, mask):
    for side in ("train", "valid"):
        put_pair(picture.format(side), mask.format(side))
    assert paired_folder(tmp_path).groups == ("train", "valid")


def test_the_folder_of_the_masks_may_be_given(tmp_path, put_pair):
    put_pair("photos/x.jpg", "photos/drawn/x.tif")
    put_pair("photos/y.jpg", "photos/drawn/y.tif")
    for masks in ("drawn", tmp_path / "photos" / "drawn"):
        data = paired_folder(tmp_path / "photos", masks=masks, codes="sky, road", void="sky")
        assert [path.name for path in data.masks] == ["x.tif", "y.tif"]
        assert data.codes == ("sky", "road")
        assert data.void == 0
    with pytest.raises(DataError, match="are both in"):
        paired_folder(tmp_path / "photos", masks=tmp_path / "photos")
    with pytest.raises(DataError, match=r"the folder nowhere is not there"):
        paired_folder(tmp_path / "photos", masks="nowhere")


def test_numbers_are_counted_where_nothing_names_them(tmp_path, put, put_pair):
    put_pair("images/a.jpg", "masks/a.png")
    put("images/b.jpg")
    put("masks/b.png", np.array([[0, 5, 255]], np.uint8))
    assert paired_folder(tmp_path).codes == ("0", "1", "2", "3", "4", "5")


@pytest.mark.parametrize(
    ("void", "codes", "expected"),
    [
        (None, ("a", "Unlabelled"), 1),
        (None, ("background", "b"), 255),
        ("b", ("a", "b"), 1),
        ("0", ("a", "b"), 0),
        (None, tuple(map(str, range(256))), None),
    ],
)
def test_what_counts_nowhere(tmp_path, put_pair, void, codes, expected):
    put_pair("images/a.jpg", "masks/a.png")
    assert paired_folder(tmp_path, codes=codes, void=void).void == expected


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"codes": "nowhere.txt"}, "the file nowhere.txt is not there"),
        ({"codes": ("a",)}, "give two classes at least"),
        ({"codes": "a,,b"}, "each a name"),
        ({"codes": ("a", "b", "a")}, "the name 'a' is there 2 times"),
        ({"codes": ("sky", "road"), "void": "raod"}, "no class 'raod' .*; did you mean road"),
        ({"codes": ("sky", "road"), "void": "x"}, "give one of sky, road"),
    ],
)
def test_names_that_cannot_be(tmp_path, put_pair, arguments, sentence):
    put_pair("images/a.jpg", "masks/a.png")
    with pytest.raises(DataError, match=sentence):
        paired_folder(tmp_path, **arguments)


def test_pictures_and_masks_without_each_other_are_listed(tmp_path, put, put_pair):
    put_pair("images/a.jpg", "masks/a.png")
    put_pair("images/twice.jpg", "masks/twice.png")
    put("images/twice.png")
    put("images/alone.jpg")
    put("masks/lost.png")
    with pytest.raises(DataError) as raised:
        paired_folder(tmp_path)
    for phrase in (
        "1 name is that of several files (images/twice.jpg and images/twice.png)",
        "1 picture has no mask (images/alone.jpg)",
        "2 masks have no picture (masks/lost.png; masks/twice.png)",
    ):
        assert phrase in str(raised.value)
    problems = Problems(tmp_path)
    assert names(paired_folder(tmp_path, problems=problems), tmp_path) == [("images/a.jpg", "masks/a.png")]
    assert problems


def test_what_has_no_layout(tmp_path, put):
    put("pictures/a.jpg")
    with pytest.raises(DataError, match="has no layout that is known"):
        paired_folder(tmp_path)


def test_masks_of_zero_and_255_have_one_class(tmp_path, put):
    put("images/a.jpg")
    put("masks/a.png", np.array([[0, 255]], np.uint8))
    with pytest.raises(DataError, match="hold only the number 0, and 255 counts as void"):
        paired_folder(tmp_path)


def test_masks_of_colours_are_said_to_be(tmp_path, put):
    put("images/a.jpg")
    put("masks/a.png")
    with pytest.raises(DataError, match=r"no mask can be read\. The first: .* has colours \(RGB\)"):
        paired_folder(tmp_path)


def test_poor_and_good_pictures_of_one_name(tmp_path, put):
    for name in ("low/b/2.jpg", "low/1.jpg", "high/b/2.png", "high/1.tif"):
        put(name)
    low, high = matched_pairs(tmp_path / "low", tmp_path / "high")
    assert [path.relative_to(tmp_path / "low").as_posix() for path in low] == ["1.jpg", "b/2.jpg"]
    assert [path.relative_to(tmp_path / "high").as_posix() for path in high] == ["1.tif", "b/2.png"]
    put("low/3.jpg")
    put("high/4.jpg")
    with pytest.raises(DataError) as raised:
        matched_pairs(tmp_path / "low", tmp_path / "high")
    assert f"1 picture of {tmp_path / 'low'} has no partner in {tmp_path / 'high'} (3.jpg)" in str(
        raised.value
    )
    assert "(4.jpg)" in str(raised.value)
    problems = Problems(tmp_path)
    assert matched_pairs(tmp_path / "low", tmp_path / "high", problems=problems) == (low, high)


def test_poor_pictures_may_lie_within_the_good_ones(tmp_path, put):
    for name in ("low/1.jpg", "1.png"):
        put(name)
    low, high = matched_pairs(tmp_path / "low", tmp_path)
    assert (low[0].name, high[0].name, len(high)) == ("1.jpg", "1.png", 1)


def test_one_folder_is_no_pair(tmp_path, put):
    put("1.jpg")
    with pytest.raises(DataError, match="are both in"):
        matched_pairs(tmp_path, tmp_path)
