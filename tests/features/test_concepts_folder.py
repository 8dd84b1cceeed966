"""Concepts of a folder and of a class, where they are known: the primary colours of stripes."""

import numpy as np
import pytest
import torch
from concept_networks import PLAIN, Colours, stripes
from networks import Classifier, UNet, footprint, seeded
from PIL import Image

import interp
from interp.features.concepts import bank as banks
from interp.features.concepts import concepts_of, craft, predicted_as
from interp.features.concepts.bank import best_of_each
from interp.features.errors import FeatureError
from interp.images import ImageError, Preprocess
from interp.models import Labels
from interp.targets import TargetError

LETTERS = ("r..", "rr.", "rrr", "..g", "ggg", ".b.", "bb.", "rgb")
LAYER = "features.1"


@pytest.fixture(scope="module")
def colours():
    return interp.load(Colours(), preprocess=PLAIN, labels=Labels(("red", "green", "blue")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("stripes")
    for number, letters in enumerate(LETTERS):
        Image.fromarray(stripes(letters)).save(where / f"{number}_{letters}.png")
    return where


def channels(bank):
    return bank.argmax(1).tolist()


def test_the_concepts_of_a_folder_are_its_colours(colours, folder):
    found = concepts_of(colours, folder, LAYER, concepts=3)
    assert torch.allclose(found.bank.sort(0).values[-1], torch.ones(3), atol=1e-3)
    assert sorted(channels(found.bank)) == [0, 1, 2]
    assert (found.pictures, found.layer) == (8, LAYER)
    for channel, row in zip(channels(found.bank), found.examples, strict=True):
        assert len({each.file for each in row}) == len(row) == sum("rgb"[channel] in name for name in LETTERS)
        for each in row:
            assert np.asarray(each.crop)[..., channel].max() == 255
            assert each.strength == pytest.approx(1, abs=1e-2)


def test_the_batch_size_changes_nothing(colours, folder):
    one, other = (concepts_of(colours, folder, LAYER, concepts=3, batch_size=size) for size in (1, 5))
    assert torch.equal(one.bank, other.bank)
    assert [[e.file for e in row] for row in one.examples] == [
        [e.file for e in row] for row in other.examples
    ]


def test_few_positions_of_each_picture_do_when_memory_is_short(colours, folder, monkeypatch):
    taken = []
    whole = banks.factorise
    monkeypatch.setattr(banks, "_MOST_VALUES", 8 * 3 * 40)
    monkeypatch.setattr(banks, "factorise", lambda rows, *a, **k: taken.append(rows) or whole(rows, *a, **k))
    one = concepts_of(colours, folder, LAYER, concepts=3, batch_size=2)
    other = concepts_of(colours, folder, LAYER, concepts=3, batch_size=3)
    assert taken[0].shape == (8 * 40, 3)
    assert torch.equal(taken[0], taken[1])
    assert sorted(channels(one.bank)) == [0, 1, 2]
    assert torch.equal(one.bank, other.bank)
    assert not torch.equal(taken[0], (concepts_of(colours, folder, LAYER, concepts=3, seed=1), taken[-1])[1])


def test_the_bank_is_found_again_on_a_picture(colours, folder):
    bank = concepts_of(colours, folder, LAYER, concepts=3)
    on = bank.on(colours, [stripes("bgr"), stripes("...")])
    for concept, channel in enumerate(channels(bank.bank)):
        heat = on.heat[0, concept]
        place = slice(20 - 10 * channel, 30 - 10 * channel)
        assert heat[:, place].min() > 0.98
        assert heat.sum() == pytest.approx(float(heat[:, place].sum()), abs=1)
    assert on.heat[1].abs().max() == 0
    assert on.full.tolist() == [row[0].strength for row in bank.examples]
    assert len(bank.figure(on, examples=2).axes) == 3 * (1 + 2) + 2


def test_broken_files_are_named_and_progress_told(colours, folder, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"none")
    said = []
    files = [broken, *sorted(folder.iterdir())]
    found = concepts_of(
        colours, files, LAYER, concepts=2, batch_size=4, progress=lambda *now: said.append(now)
    )
    assert list(found.failed) == [broken]
    assert found.pictures == 8
    assert said == [(4, 9), (8, 9), (9, 9)]
    with pytest.raises(FeatureError, match="no picture to find concepts in"):
        concepts_of(colours, [broken], LAYER)
    with pytest.raises(ImageError):
        concepts_of(colours, tmp_path / "nowhere", LAYER)


def test_the_best_of_each_picture():
    strengths, places = torch.tensor([5.0, 4, 3, 2, 1, 0]), torch.tensor([1, 1, 0, 2, 0, 3])
    assert best_of_each(strengths, places, 9) == [0, 2, 3]
    assert best_of_each(strengths, places, 2) == [0, 2]
    assert best_of_each(torch.tensor([8.0, 1.9, 2.1]), torch.arange(3), 9) == [0, 2]
    assert best_of_each(torch.zeros(3), torch.arange(3), 9) == []


def test_importance_of_a_linear_head_is_that_of_the_closed_form(colours, folder):
    """With f(m) = Σ m_k c_k the index is c_k² / Σ c², and without concept k the score falls by c_k."""
    file = folder / "7_rgb.png"
    asked = {"concepts": 3, "crops": 3, "crop": 1 / 3, "designs": 1024}
    found = craft(colours, [file], lambda out: out @ torch.tensor([1.0, 1.0, -1.0]), LAYER, **asked)
    parts = {0: 3 / 3, 1: 2 / 3, 2: -1 / 3}
    squares = sum(part**2 for part in parts.values())
    order = channels(found.concepts.bank)
    assert order == [0, 1, 2]
    for place, channel in enumerate(order):
        assert float(found.importance[place]) == pytest.approx(parts[channel] ** 2 / squares, abs=0.03)
        assert float(found.fall[place]) == pytest.approx(parts[channel], abs=0.01)
    assert found.score == pytest.approx(4 / 3, abs=1e-5)
    assert found.rebuilt == pytest.approx(found.score, abs=0.02)


def test_crops_of_a_class_come_from_the_pictures_predicted_as_it(colours, folder):
    found = craft(colours, folder, "red", LAYER, concepts=1, crops=3, crop=1 / 3)
    assert [file.name[2:5] for file in found.files] == ["r..", "rr.", "rrr", "rgb"]
    assert found.target == "red"
    assert channels(found.concepts.bank) == [0]
    assert found.importance.tolist() == pytest.approx([1.0], abs=0.3)
    for each in found.concepts.examples[0]:
        assert each.part[0] == pytest.approx(0)
        assert np.asarray(each.crop)[..., 0].mean() == 255
    assert len(found.figure(found.on(colours, stripes("rgb")), examples=2).axes) == 4 + 2


def test_files_are_taken_whatever_they_are_predicted_as(colours, folder):
    found = craft(
        colours,
        [file for file in sorted(folder.iterdir()) if "g" in file.stem],
        "red",
        LAYER,
        concepts=2,
        asked=2,
    )
    assert len(found.files) == 3


def test_a_class_that_no_picture_has_is_said(colours, folder):
    green = sorted(folder.glob("*ggg*"))
    with pytest.raises(FeatureError, match="none of 1 pictures is predicted as 'red'"):
        predicted_as(colours, green, 0)
    with pytest.raises(FeatureError, match="crop=0"):
        craft(colours, green, "green", LAYER, crop=0)
    for nothing in ({"designs": 0}, {"asked": 0}):
        with pytest.raises(FeatureError, match="give 1 or more of both"):
            craft(colours, green, "green", LAYER, **nothing)
    with pytest.raises(FeatureError, match="give 1 … 3, or more pictures"):
        craft(colours, green, "green", LAYER, concepts=17)


def test_a_u_net_is_asked_for_anything_but_a_class(folder):
    network = seeded(UNet)()
    model = interp.load(network, preprocess=PREPARED, task="segmentation")
    before = footprint(network)
    files = sorted(folder.iterdir())[:3]

    def first(output):
        return output[:, 0].mean((1, 2))

    found = craft(model, files, first, "up2", concepts=3, crops=2, designs=4, asked=2)
    assert found.importance.shape == (3,)
    assert torch.isfinite(found.fall).all()
    assert footprint(network) == before
    with pytest.raises(TargetError):
        craft(model, files, 0, "up2", concepts=3)


def test_the_same_again_and_no_trace_on_the_model(folder):
    network = seeded(Classifier)()
    model = interp.load(network, preprocess=PREPARED)
    before = footprint(network)
    files = sorted(folder.iterdir())
    one, other = (craft(model, files, 2, "relu", concepts=3, crops=2, asked=3) for _ in range(2))
    assert torch.equal(one.importance, other.importance)
    assert torch.equal(one.concepts.bank, other.concepts.bank)
    assert (one.importance[:-1] >= one.importance[1:]).all()
    assert footprint(network) == before


PREPARED = Preprocess((32, 32), (0.5,) * 3, (0.5,) * 3)


def test_what_cannot_be_opened_is_named_and_a_class_must_be(colours, folder, tmp_path):
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"nothing")
    found = craft(colours, tmp_path, "red", LAYER, concepts=1, crops=3, crop=1 / 3, asked=1)
    assert list(found.concepts.failed) == [broken]
    with pytest.raises(TargetError, match="target=None: the concepts are those of one class"):
        craft(colours, tmp_path, None, LAYER)
