"""Which class a person means."""

import pytest

from interp.models import LabelError, Labels
from interp.models.labels import imagenet_labels


@pytest.fixture(scope="module")
def imagenet():
    return imagenet_labels()


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ("tabby", 281),
        ("tabby cat", 281),  # a synonym
        ("Tabby_Cat", 281),
        ("TIGER CAT", 282),
        ("tiger-cat", 282),
        ("  tiger   cat ", 282),
        ("espresso", 967),
        ("space shuttle", 812),
        (281, 281),
        ("281", 281),
        ("+281", 281),
        (0, 0),
        (999, 999),
    ],
)
def test_find(imagenet, wanted, index):
    assert imagenet.find(wanted) == index


@pytest.mark.slow
def test_every_unique_name_and_synonym_finds_its_class(imagenet):
    for index, name in enumerate(imagenet.names):
        if [n.casefold() for n in imagenet.names].count(name.casefold()) == 1:
            assert imagenet.find(name) == index
            assert imagenet.find(name.upper().replace(" ", "_")) == index


@pytest.mark.parametrize("name", ["crane", "maillot"])
def test_duplicates_ask_for_the_index(imagenet, name):
    both = [i for i, known in enumerate(imagenet.names) if known == name]
    if len(both) < 2:
        pytest.skip(f"this timm has one {name}")
    with pytest.raises(LabelError, match=f"give the index, {both[0]} or {both[1]}"):
        imagenet.find(name)


def test_near_misses(imagenet):
    with pytest.raises(LabelError, match=r"did you mean") as caught:
        imagenet.find("cat")
    assert str(caught.value).count("cat'") >= 2
    with pytest.raises(LabelError, match="'espresso'"):
        imagenet.find("expresso")
    with pytest.raises(LabelError, match="see its class names"):
        imagenet.find("qqqqqqqq")


@pytest.mark.parametrize("wanted", [-1, 1000, "1000", "-1", 10**30])
def test_indices_outside(imagenet, wanted):
    with pytest.raises(LabelError, match="outside 0 … 999"):
        imagenet.find(wanted)


def test_names_of_digits_come_before_indices():
    labels = Labels(("3", "7"))
    assert (labels.find("7"), labels.find("3"), labels.find(1)) == (1, 0, 1)
    assert Labels(("10", "9", "1")).find("1") == 2
    assert labels.find("0") == 0  # nothing is called so: the index
    with pytest.raises(LabelError, match="outside"):
        labels.find(7)


def test_an_exact_name_comes_before_one_of_other_capitals():
    labels = Labels(("Polish", "polish"))
    assert (labels.find("Polish"), labels.find("polish")) == (0, 1)
    with pytest.raises(LabelError, match="2 classes"):
        labels.find("POLISH")


def test_more_or_fewer_outputs_than_names():
    labels = Labels(("a", "b"))
    assert labels.find(4, count=5) == 4
    assert labels[4] == "class 4"
    assert labels[-1] == "class -1"
    with pytest.raises(LabelError, match="outside 0 … 0"):
        labels.find(1, count=1)
    with pytest.raises(LabelError, match="no class names"):
        Labels().find("a", count=3)
    assert Labels().find(2, count=3) == 2


def test_names_are_texts_whatever_was_given():
    assert Labels((3, 7)).names == ("3", "7")
    assert len(Labels(("a",))) == 1


def test_labels_are_a_sequence_that_ends():
    assert list(Labels(("tench", "cat"))) == ["tench", "cat"]
    assert list(Labels()) == []
