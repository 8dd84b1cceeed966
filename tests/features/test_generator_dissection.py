"""GAN dissection of generators whose units paint known places, and of numbers worked out by hand."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from painters import RED, SIDE, painter, red_and_blue
from PIL import Image
from torch import nn

import interp
from interp.features import FeatureError, dissect_generator
from interp.features.overlap import Overlap, rank_of
from interp.models.networks import BasicGeneratorNetwork
from interp.training.wgan import generate


@pytest.fixture(scope="module")
def found():
    return dissect_generator(painter(), "units", concepts=red_and_blue, count=40)


def test_a_unit_that_paints_a_rectangle_has_an_iou_of_one(found):
    assert found.concepts == ("red", "blue")
    assert found.iou.tolist() == [[1, 0], [0, 1], [0, 0]]
    assert found.best(0) == ("red", 1.0)
    assert found.ranked("blue")[0] == 1
    assert found.ranked()[2] == 2
    assert found.detectors() == {"red": [0], "blue": [1]}
    # 24 of 256 pixels, in the samples whose first number is positive.
    shown = float((found.samples.inputs(range(40))[:, 0] > 0).float().mean())
    assert found.areas[0] == pytest.approx(shown * 24 / 256)
    assert found.high[:2].tolist() == [1, 1]
    assert found.means[0] == pytest.approx(found.areas[0])
    assert found.peaks.shape == (3, 40)


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_the_same_seed_gives_the_same_whatever_the_batch(found, batch_size):
    again = dissect_generator(painter(), "units", concepts=red_and_blue, count=40, batch_size=batch_size)
    for name in ("iou", "chance", "thresholds", "areas", "means", "peaks"):
        assert np.array_equal(getattr(again, name), getattr(found, name))
    other = dissect_generator(painter(), "units", concepts=red_and_blue, count=40, seed=1)
    assert not np.array_equal(other.peaks, found.peaks)


def test_a_fixed_share_is_strong_whatever_the_concept():
    found = dissect_generator(painter(), "units", concepts=red_and_blue, count=10, quantile=0.001)
    assert set(found.shares.ravel()) == {0.001}
    # All strong values are equal, and none exceeds the threshold.
    assert found.iou[0, 0] == 0
    assert found.thresholds[0, 0] == 1


def test_the_example_is_where_the_unit_is(found):
    sample = found.top_samples([0], 1)[0]
    picture, mask = found.example(0, sample)
    assert picture.size == (SIDE, SIDE)
    assert mask[RED].all()
    assert mask.sum() == 24
    assert red_and_blue(picture)["red"].sum() == 24
    assert not found.example(1, sample, "blue")[1][RED].any()


def test_the_figure_names_units_and_concepts(found):
    said = [text.get_text() for text in found.figure([0, 1], columns=2).texts]
    assert "unit 0: red IoU 1.00" in said
    assert "unit 1: blue IoU 1.00" in said
    assert "unit 1: red IoU 0.00" in [t.get_text() for t in found.figure([1], concept="red").texts]
    rows = found.to_json()["units"]
    assert rows[0]["unit"] == 0 or rows[0]["concept"] == "blue"
    assert {row["unit"] for row in rows} == {0, 1, 2}


def test_the_noise_is_that_of_a_run_s_samples():
    model = basic()
    found = dissect_generator(model, "1", count=5, seed=3)
    made = model.logits(found.samples.inputs(range(5)))
    assert made.equal(generate(model.module, 8, 5, seed=3))
    assert found.iou.shape == (len(found.high), 11)


def basic():
    torch.manual_seed(0)
    module = BasicGeneratorNetwork(16, noise=8, features=8).build().eval()
    return interp.load(module, input_shape=(8,))


def test_nothing_is_left_on_the_networks():
    model = basic()
    keys = {name: set(vars(part)) for name, part in model.module.named_modules()}
    dissect_generator(model, "2", count=3)
    with model.twin() as private:
        for network in (model.module, private):
            for part in network.modules():
                assert not part._forward_hooks
                assert not part._forward_pre_hooks
                assert "forward" not in vars(part)
    assert {name: set(vars(part)) for name, part in model.module.named_modules()} == keys


def test_threads_get_what_each_would_get_alone():
    model = basic()
    alone = [dissect_generator(model, "2", count=8, seed=seed).iou for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(dissect_generator, model, "2", count=8, seed=seed) for seed in range(4)]
    for own, one in zip(alone, asked, strict=True):
        assert np.array_equal(own, one.result().iou, equal_nan=True)


def test_pictures_to_pictures(tmp_path):
    same = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.Conv2d(3, 3, 1, bias=False))
    with torch.no_grad():
        for part in same:
            part.weight.copy_(torch.eye(3)[..., None, None])
    prepare = interp.Preprocess((8, 8), (0.0,) * 3, (1.0,) * 3, fit="squish")
    model = interp.load(same.eval(), preprocess=prepare, task="image")
    for number in range(4):
        pixels = np.zeros((8, 8, 3), np.uint8)
        pixels[number : number + 3, 2:5, 0] = 255
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    (tmp_path / "2.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    found = dissect_generator(model, "0", tmp_path, concepts=red_and_blue)
    assert found.samples.count == 3
    assert [path.name for path in found.samples.files] == ["0.png", "1.png", "3.png"]
    assert list(found.failed) == [str(tmp_path / "2.png")]
    assert found.iou[0, 0] == 1
    assert np.isnan(found.iou[0, 1])  # nothing is blue
    few = dissect_generator(model, "0", [tmp_path / "0.png", tmp_path / "1.png", tmp_path / "3.png"], count=2)
    assert [path.name for path in few.samples.files] == ["0.png", "3.png"]
    with pytest.raises(FeatureError, match="none of the 1 pictures can be opened"):
        dissect_generator(model, "0", [tmp_path / "2.png"])
    with pytest.raises(FeatureError, match="makes pictures of pictures: give a folder of some"):
        dissect_generator(model, "0")


def test_progress_goes_from_nothing_to_all():
    told = []
    dissect_generator(painter(), "units", count=20, batch_size=6, progress=lambda *one: told.append(one))
    shares = [done / whole for done, whole in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(shares) == 8


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"quantile": 1.0}, "quantile=1.0: give a share above 0 and below 1"),
        ({"count": 0}, "count=0: give 1 or more samples"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"pictures": "sample_images"}, "makes its pictures of noise and takes none"),
        ({"concepts": lambda _picture: [1]}, "gives a list; it must give a dictionary"),
        ({"concepts": lambda _picture: {}}, "gives no mask"),
        ({"concepts": lambda _picture: {"sky": [[1]]}}, r"'sky' has the shape \(1, 1\)"),
    ],
)
def test_what_does_not_fit_is_said(change, sentence):
    with pytest.raises(FeatureError, match=sentence):
        dissect_generator(painter(), "units", **{"count": 3} | change)


def test_other_networks_and_layers_are_refused(found):
    classifier = interp.load(nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    with pytest.raises(FeatureError, match="does classification and makes no pictures"):
        dissect_generator(classifier, "0", "sample_images")
    flat = interp.load(nn.Sequential(nn.Linear(4, 48), nn.Unflatten(1, (3, 4, 4))), input_shape=(4,))
    with pytest.raises(FeatureError, match=r"the layer '0' gives \(3, 48\)"):
        dissect_generator(flat, "0", count=3)
    with pytest.raises(FeatureError, match=r"unit 3: 'units' has the units 0 … 2"):
        found.best(3)
    with pytest.raises(FeatureError, match="concept 'sky': there are red, blue"):
        found.ranked("sky")
    with pytest.raises(FeatureError, match="sample 40: the samples are 0 … 39"):
        found.example(0, 40)
    with pytest.raises(FeatureError, match="units: there is none"):
        found.figure([])


def test_overlap_is_that_of_sets():
    chance = np.random.default_rng(0)
    activation, labels = chance.normal(size=(3, 4, 5)), chance.random((20, 2)) > 0.6
    limits = np.quantile(activation.reshape(3, -1), [0.5, 0.8], axis=1).T
    counts = Overlap(3, 2, 2)
    counts.add(torch.from_numpy(activation), torch.from_numpy(limits), torch.from_numpy(labels), (4, 5))
    for unit, level, concept in np.ndindex(3, 2, 2):
        strong, there = activation[unit].ravel() > limits[unit, level], labels[:, concept]
        both, either = (strong & there).mean(), (strong | there).mean()
        assert counts.iou()[unit, level, concept] == pytest.approx(both / either)
        p, q = strong.mean(), there.mean()
        assert counts.by_chance()[unit, level, concept] == pytest.approx(p * q / (p + q - p * q))
        joint = [((strong == a) & (there == b)).mean() for a in (0, 1) for b in (0, 1)]
        entropy = -sum(x * np.log(x) for x in joint if x)
        single = sum(-x * np.log(x) - (1 - x) * np.log(1 - x) for x in (p, q))
        ratio = (single - entropy) / entropy if both > p * q else 0
        assert counts.quality()[unit, level, concept] == pytest.approx(ratio)


def test_the_quality_is_one_of_the_same_and_none_of_the_opposite():
    mask = torch.zeros(4, 4)
    mask[:2, :3] = 1
    counts = Overlap(2, 1, 1)
    counts.add(torch.stack([mask, 1 - mask]), torch.full((2, 1), 0.5), mask.reshape(-1, 1), (4, 4))
    assert counts.quality().ravel().tolist() == pytest.approx([1, 0])
    assert [rank_of(100, 0.02), rank_of(3, 0.9), rank_of(2, 0.999)] == [3, 3, 2]


def test_a_concept_in_no_picture_is_no_number_in_the_json():
    import json

    def nowhere(picture):
        return {"nothing": np.zeros((picture.height, picture.width), bool)}

    told = dissect_generator(painter(), "units", concepts=nowhere, count=4).to_json()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert {row["iou"] for row in told["units"]} == {None}
