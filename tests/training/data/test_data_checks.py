"""Every file is opened once, and all that is wrong is said at once."""

import numpy as np
import pytest

from interp.training.data import DataError, Problems, check_pairs, check_pictures, paired_folder


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_the_sizes_of_pictures_in_order(tmp_path, put):
    paths = [put("a.png", size=(7, 5)), put("b.jpg", size=(3, 9)), put("c.png", size=(1, 1))]
    told = []
    sizes = check_pictures(paths, progress=lambda done, count: told.append((done, count)))
    assert sizes == ((7, 5), (3, 9), (1, 1))
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert check_pictures([]) == ()


def test_every_bad_picture_is_found(tmp_path, put):
    paths = [put(f"{number}.{kind}", size=(40, 40)) for number in range(3) for kind in ("jpg", "png")]
    cut(paths[1])
    cut(paths[2])
    paths[4].write_bytes(b"")
    with pytest.raises(DataError) as raised:
        check_pictures(paths)
    assert (
        f"the data in {tmp_path} has problems: 3 pictures cannot be read (0.png may be damaged or cut off"
        in str(raised.value)
    )
    assert "; 2.jpg is empty)" in str(raised.value)
    problems = Problems(tmp_path)
    sizes = check_pictures(paths, problems=problems)
    assert problems.bad == {1, 2, 4}
    assert sizes == ((40, 40), (0, 0), (0, 0), (40, 40), (0, 0), (40, 40))


def test_every_bad_pair_is_found(tmp_path, put, put_pair):
    for name in "abcdef":
        put_pair(f"images/{name}.png", f"masks/{name}.png")
    put("masks/b.png", np.zeros((9, 12), np.uint8))
    put("masks/c.png", np.array([[0, 1], [7, 9]], np.uint8))
    put("images/c.png", size=(2, 2))
    put("masks/d.png")
    cut(tmp_path / "images" / "e.png")
    data = paired_folder(tmp_path, codes=("sky", "road"))
    with pytest.raises(DataError) as raised:
        check_pairs(data)
    for phrase in (
        "1 mask has another size than its picture (",
        "12 × 9 for 12 × 8)",
        "1 mask has a number without a class (there are 2, from 0) (",
        "c.png: 7, 9)",
        "1 mask cannot be read (",
        "d.png has colours (RGB), not class numbers)",
        "1 picture cannot be read (e.png may be damaged",
    ):
        assert phrase in str(raised.value)
    problems = Problems(tmp_path)
    sizes = check_pairs(data, problems=problems)
    assert problems.bad == {1, 2, 3, 4}
    left = data.without(problems.bad)
    assert [path.name for path in left.pictures] == ["a.png", "f.png"]
    assert [size for item, size in enumerate(sizes) if item not in problems.bad] == [(12, 8), (12, 8)]
    assert check_pairs(left) == ((12, 8), (12, 8))


def test_void_is_no_unknown_number(tmp_path, put, put_pair):
    put("images/a.png", size=(4, 1))
    put("masks/a.png", np.array([[0, 1, 255, 255]], np.uint8))
    check_pairs(paired_folder(tmp_path, codes=("sky", "road")))
    with pytest.raises(DataError, match=r"a\.png: 255"):
        check_pairs(paired_folder(tmp_path, codes=("sky", "road", "void")))


def test_masks_of_one_class_teach_nothing(tmp_path, put):
    put("images/a.png", size=(2, 1))
    put("masks/a.png", np.array([[0, 255]], np.uint8))
    with pytest.raises(DataError, match=r"the masks hold one class only \(sky\)"):
        check_pairs(paired_folder(tmp_path, codes=("sky", "road")))
    with pytest.raises(DataError, match="no picture with a mask is left"):
        paired_folder(tmp_path, codes=("sky", "road")).without({0})


def test_where_no_mask_can_be_read_that_is_what_is_said(tmp_path, put):
    put("images/a.png")
    put("masks/a.png")
    problems = Problems(tmp_path)
    check_pairs(paired_folder(tmp_path, codes=("sky", "road")), problems=problems)
    assert problems.summary().startswith("1 mask cannot be read (masks/a.png has colours (RGB)")
