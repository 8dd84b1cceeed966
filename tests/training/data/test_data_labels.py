"""The class of a picture: its folder, its name, a table."""

import os

import pytest

from interp.training.data import DataError, Problems, labelled_folder

PETS = r"([^/]+)_\d+.jpg$"


def seen(data, root):
    """What was found, as plain values."""
    rows = []
    for number, (path, label) in enumerate(zip(data.pictures, data.labels, strict=True)):
        row = (path.relative_to(root).as_posix(), data.classes[label])
        rows.append(row if data.groups is None else (*row, data.groups[number]))
    return rows


def test_the_folder_is_the_class(tmp_path, put):
    for name in ("dog/b.png", "cat/deep/a.jpg", "cat/c.jpg", "cat/.hidden.jpg"):
        put(name)
    (tmp_path / "dog" / "notes.txt").write_text("no picture")
    data = labelled_folder(tmp_path)
    assert data.classes == ("cat", "deep", "dog")
    assert seen(data, tmp_path) == [("cat/c.jpg", "cat"), ("cat/deep/a.jpg", "deep"), ("dog/b.png", "dog")]
    assert data.groups is None


@pytest.mark.parametrize("held_back", ["valid", "val", "test"])
def test_train_and_valid_folders_are_a_given_split(tmp_path, put, held_back):
    for name in ("train/cat/a.jpg", "train/dog/b.jpg", f"{held_back}/cat/c.jpg", "models/x/d.jpg"):
        put(name)
    data = labelled_folder(tmp_path)
    assert seen(data, tmp_path) == sorted(
        [
            ("train/cat/a.jpg", "cat", "train"),
            ("train/dog/b.jpg", "dog", "train"),
            (f"{held_back}/cat/c.jpg", "cat", "valid"),
        ]
    )


def test_valid_counts_before_test(tmp_path, put):
    for name in ("train/cat/a.jpg", "train/dog/b.jpg", "test/cat/c.jpg", "valid/dog/d.jpg"):
        put(name)
    assert labelled_folder(tmp_path).groups == ("train", "train", "valid")


def test_a_class_may_be_called_train(tmp_path, put):
    for name in ("train/a.jpg", "test/b.jpg", "car/c.jpg"):
        put(name)
    data = labelled_folder(tmp_path)
    assert data.classes == ("car", "test", "train")
    assert data.groups is None


@pytest.mark.parametrize("regex", [PETS, r"/([^/]+)_\d+.jpg$", r"^([^/]+)_\d+"])
def test_the_name_is_the_class(tmp_path, put, regex):
    for name in ("great_pyrenees_1.jpg", "Abyssinian_12.jpg", "Abyssinian_2.jpg"):
        put(name)
    data = labelled_folder(tmp_path, labels="regex", regex=regex)
    assert data.classes == ("Abyssinian", "great_pyrenees")
    assert data.labels == (0, 0, 1)


def test_names_that_do_not_match_are_listed(tmp_path, put):
    for name in ("a_1.jpg", "b_1.jpg", "odd.jpg"):
        put(name)
    with pytest.raises(DataError, match=r"1 name does not match the regex .* \(odd\.jpg\)"):
        labelled_folder(tmp_path, labels="regex", regex=PETS)
    problems = Problems(tmp_path)
    data = labelled_folder(tmp_path, labels="regex", regex=PETS, problems=problems)
    assert data.classes == ("a", "b")
    assert problems


@pytest.mark.parametrize(
    ("regex", "sentence"),
    [
        (r"([^/]+_\d+.jpg$", "is not one: missing \\), unterminated subpattern"),
        (r"\d+", "has no group"),
        (None, "needs a regex"),
        (r"x(\d+)x", "matches no name in .*, such as a_1.jpg"),
    ],
)
def test_a_regex_that_cannot_work(tmp_path, put, regex, sentence):
    put("a_1.jpg")
    with pytest.raises(DataError, match=sentence):
        labelled_folder(tmp_path, labels="regex", regex=regex)


@pytest.mark.parametrize(
    "text",
    [
        "file,label,valid\nb/2.jpg,dog,1\n1.jpg,cat,0\n3.jpg,dog,0\n",
        "\ufeffLabel;x;Is_Valid;Path\ndog;;True;b/2.jpg\n\ncat;;;1.jpg\ndog;;false;3.jpg\n",
        "b/2.jpg\tdog\tvalid\n1.jpg\tcat\ttrain\n3.jpg\tdog\ttrain\n",
    ],
)
def test_a_table_says_class_and_side(tmp_path, put, text):
    for name in ("1.jpg", "b/2.jpg", "3.jpg", "not_in_the_table.jpg"):
        put(name)
    table = tmp_path / "labels.csv"
    table.write_text(text, encoding="utf-8")
    assert seen(labelled_folder(tmp_path, labels="csv", csv=table), tmp_path) == [
        ("1.jpg", "cat", "train"),
        ("3.jpg", "dog", "train"),
        ("b/2.jpg", "dog", "valid"),
    ]


def test_all_that_is_wrong_in_a_table_is_said_at_once(tmp_path, put):
    for name in ("1.jpg", "2.jpg"):
        put(name)
    table = tmp_path / "labels.csv"
    table.write_text(
        "file,label,valid\n1.jpg,cat,0\n2.jpg,dog,0\n1.jpg,dog,0\n9.jpg,dog,1\n,cat,0\n2.jpg,x,maybe\n"
    )
    with pytest.raises(DataError) as raised:
        labelled_folder(tmp_path, labels="csv", csv=table)
    for phrase in (
        "1 picture is twice in the table (1.jpg)",
        "1 picture of the table is not there (9.jpg)",
        "1 line of the table has no file or no label (line 6)",
        "1 line of the table says neither true nor false for valid (line 7: maybe)",
    ):
        assert phrase in str(raised.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "is not there"),
        ("", "is empty"),
        ("id,breed\n1,cat\n", "has no columns file and label; its first line is 'id,breed'"),
        ("\xff\xfe\x00", "cannot be read as a table"),
    ],
)
def test_a_table_that_is_none(tmp_path, put, text, sentence):
    put("1.jpg")
    table = tmp_path / "labels.csv"
    if text is not None:
        table.write_text(text, encoding="latin-1")
    with pytest.raises(DataError, match=sentence):
        labelled_folder(tmp_path, labels="csv", csv=table)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ((), "has no picture"),
        (("a.jpg", "b.jpg"), "no picture in .* lies in a folder of its class"),
        (("cat/a.jpg", "cat/b.jpg"), "all have the class 'cat'"),
        (("cat/a.jpg", "dog/b.jpg", "c.jpg"), r"1 picture lies in no folder of a class \(c\.jpg\)"),
        (
            ("train/cat/a.jpg", "train/dog/a.jpg", "valid/cow/c.jpg"),
            r"1 class is in the validation pictures only \(cow\)",
        ),
    ],
)
def test_folders_that_cannot_be_trained_on(tmp_path, put, names, sentence):
    for name in names:
        put(name)
    with pytest.raises(DataError, match=sentence):
        labelled_folder(tmp_path)


def test_a_folder_that_is_none(tmp_path, put):
    with pytest.raises(DataError, match=r"the folder .*nowhere is not there"):
        labelled_folder(tmp_path / "nowhere")
    with pytest.raises(DataError, match="is a file; give the folder that it is in"):
        labelled_folder(put("a.jpg"))
    with pytest.raises(DataError, match="give one of folder, regex, csv"):
        labelled_folder(tmp_path, labels="name")


def test_links_to_folders_are_followed_but_not_in_circles(tmp_path, put):
    put("data/cat/a.jpg")
    put("elsewhere/b.jpg")
    (tmp_path / "data" / "dog").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "cat" / "self").symlink_to(tmp_path / "data" / "cat")
    assert seen(labelled_folder(tmp_path / "data"), tmp_path / "data") == [
        ("cat/a.jpg", "cat"),
        ("dog/b.jpg", "dog"),
    ]


def test_the_order_of_the_directory_means_nothing(tmp_path, put, monkeypatch):
    for name in ("dog/b.jpg", "cat/a.jpg", "cat/c.jpg"):
        put(name)
    expected = labelled_folder(tmp_path)
    listed = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: sorted(listed(path), reverse=True))
    assert labelled_folder(tmp_path) == expected


def test_leaving_pictures_out_leaves_out_empty_classes(tmp_path, put):
    for name in ("cat/a.jpg", "dog/b.jpg", "dog/c.jpg", "fox/d.jpg"):
        put(name)
    data = labelled_folder(tmp_path)
    left = data.without({0})
    assert left.classes == ("dog", "fox")
    assert left.labels == (0, 0, 1)
    assert data.without(frozenset()) is data
    with pytest.raises(DataError, match="all have the class 'dog'"):
        data.without({0, 3})
