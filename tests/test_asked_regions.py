"""Classes over masks, polygons, components, the ground truth, errors and borders."""

import json
import re

import numpy as np
import pytest
import torch
from networks import UNet, seeded
from PIL import Image
from torch import nn

import interp
from interp import targets
from interp.dense import RegionTarget
from interp.explanation import ExplanationError
from interp.images import Preprocess
from interp.methods import attribute
from interp.methods.contrast import contrast
from interp.models import LabelError, Labels
from interp.places import PlaceError
from interp.targets import SumTarget, TargetError, resolve

LABELS = Labels(("sky", "road", "car"))
SIZE = (8, 12)


def painted():
    """Return logits: sky above, road below, two cars on it, one of 2 × 3 and one of 2 × 2 positions."""
    classes = torch.zeros(SIZE, dtype=torch.long)
    classes[4:] = 1
    classes[4:6, 1:4] = 2
    classes[5:7, 8:10] = 2
    generator = torch.Generator().manual_seed(0)
    return torch.rand(3, *SIZE, generator=generator) + 5 * nn.functional.one_hot(classes).permute(2, 0, 1)


def asked(query, logits=None, task="segmentation"):
    (target,) = resolve(query, painted() if logits is None else logits, LABELS, task)
    return target


def region_of(query, logits=None):
    return asked(query, logits).region.numpy()


def mask(rows, columns):
    made = np.zeros(SIZE, bool)
    made[rows, columns] = True
    return made


CAR = targets.where_predicted("car")
TRUTH = mask(slice(4, 6), slice(2, 5)) * 2 + mask(slice(6, 8), slice(None)) * 1
TRUTH[0] = 255
QUERIES = {
    "mask": targets.over("road", mask(slice(2, 5), slice(3, 9))),
    "polygon": targets.polygon([(0, 1), (0.5, 0.25), (1, 1)], "road"),
    "component": targets.component("car", at=(0.7, 0.7)),
    "true": targets.where_true("car", TRUTH),
    "missed": targets.where_wrong("car", TRUTH, "missed"),
    "invented": targets.where_wrong("car", TRUTH, "invented"),
    "inner": targets.border(targets.where_predicted("road"), "inner", 1),
    "outer": targets.border(CAR, "outer"),
    "pixel's border": targets.border(targets.pixel(0.5, 0.5, "sky"), "outer", 2),
}


@pytest.mark.parametrize("kind", QUERIES)
def test_every_region_is_frozen_its_gradient_is_one_inside_and_nothing_outside(kind):
    logits = painted()
    target = asked(QUERIES[kind], logits)
    output = logits[None].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(target(output).sum(), output)
    assert torch.equal(gradient[0, target.index], target.region.float())
    assert gradient.sum() == target.region.sum() > 0
    other = -logits[None]  # another prediction does not move the region
    torch.testing.assert_close(target(other)[0], other[0, target.index][target.region].sum())


@pytest.mark.parametrize(
    ("kind", "name", "positions"),
    [
        ("mask", "road in the mask", 18),
        ("component", "car in the component at (0.70, 0.70)", 4),
        ("true", "car, where it truly is", 6),
        ("missed", "car, where it is missed", 2),
        ("invented", "car, where it is invented", 6),
        ("outer", "car, where it is predicted: outer border, 3 px", None),
        ("polygon", "road in the polygon of 3 points (0.00, 0.25) – (1.00, 1.00)", None),
    ],
)
def test_names_and_sizes(kind, name, positions):
    target = asked(QUERIES[kind])
    assert target.name == name
    assert positions is None or target.region.sum() == positions


def test_a_mask_is_its_region_whatever_it_is_made_of(tmp_path):
    wanted = mask(slice(1, 4), slice(0, 5))
    Image.fromarray(wanted).save(tmp_path / "cut.png")
    for given in (wanted, torch.from_numpy(wanted), wanted.astype(np.uint8) * 255, tmp_path / "cut.png"):
        assert np.array_equal(region_of(targets.over("sky", given)), wanted)
    assert asked(targets.over("sky", str(tmp_path / "cut.png"))).name == "sky in the mask cut.png"
    assert asked(targets.over(0, wanted, name="the upper left")).name == "sky in the upper left"
    assert asked(targets.over(None, wanted)).name == "sky in the mask"


def test_later_changes_of_a_mask_change_nothing():
    given = torch.from_numpy(mask(slice(1, 4), slice(0, 5))).long()
    query = targets.over("sky", given)
    given.zero_()
    assert region_of(query).sum() == 15


def test_a_component_is_the_one_thing_at_a_place():
    first, second = (region_of(targets.component(at=at)) for at in ((0.2, 0.6), (0.7, 0.75)))
    assert first.sum() == 6
    assert second.sum() == 4
    assert np.array_equal(first | second, region_of(CAR))
    with pytest.raises(
        PlaceError, match=re.escape("car is not predicted at (0.50, 0.10), where the class is sky")
    ):
        asked(targets.component("car", at=(0.5, 0.1)))
    with pytest.raises(PlaceError, match="is a box"):
        targets.component("car", at=(0.1, 0.1, 0.5, 0.5))


def test_right_missed_and_invented_part_the_true_and_the_predicted_region():
    true, predicted = region_of(QUERIES["true"]), region_of(CAR)
    missed, invented = region_of(QUERIES["missed"]), region_of(QUERIES["invented"])
    assert np.array_equal(true, (true & predicted) | missed)
    assert np.array_equal(predicted, (true & predicted) | invented)
    assert not (missed & predicted).any()
    assert not (invented & true).any()


def test_void_positions_are_neither_missed_nor_invented():
    truth = np.full(SIZE, 255)
    truth[0, 0] = 1
    assert region_of(targets.where_wrong("sky", truth, "invented")).nonzero() == (0, 0)
    with pytest.raises(PlaceError, match="car, where it is missed: the region is empty"):
        asked(targets.where_wrong("car", truth, "missed"))
    with pytest.raises(PlaceError, match="'missed' or 'invented'"):
        targets.where_wrong("car", truth, "wrong")


def test_a_class_called_unlabelled_is_void_unless_it_is_asked_for():
    labels = Labels(("sky", "road", "Unlabelled"))
    truth = np.full(SIZE, 2)
    truth[0, 0] = 1
    (found,) = resolve(targets.where_wrong("sky", truth, "invented"), painted(), labels, "segmentation")
    assert found.region.nonzero().tolist() == [[0, 0]]
    (found,) = resolve(targets.where_true(None, truth), painted(), labels, "segmentation")
    assert found.index == 1
    (found,) = resolve(targets.where_true("unlabelled", truth), painted(), labels, "segmentation")
    assert found.region.sum() == 95


def test_a_network_of_one_class_has_a_ground_truth_of_0_and_1():
    logits = torch.tensor([[[1.0, -1.0, 2.0, -2.0]]])
    truth = np.array([[1, 1, 0, 0]])
    labels = Labels(("crack",))
    for query, wanted in [
        (targets.where_true(None, truth), [1, 1, 0, 0]),
        (targets.where_wrong("crack", truth, "missed"), [0, 1, 0, 0]),
        (targets.where_wrong("crack", truth, "invented"), [0, 0, 1, 0]),
        (targets.component(at=(0.1, 0.5)), [1, 0, 0, 0]),
    ]:
        (target,) = resolve(query, logits, labels, "segmentation")
        assert target.region.int().tolist() == [wanted]
    with pytest.raises(PlaceError, match="crack is not predicted"):
        resolve(targets.component(at=(0.3, 0.5)), logits, labels, "segmentation")


def test_without_a_class_the_ground_truth_s_commonest_is_asked():
    assert asked(targets.where_true(None, TRUTH)).index == 0
    void = np.full(SIZE, 255)
    with pytest.raises(PlaceError, match="the region is empty"):
        asked(targets.where_true(None, void))


@pytest.mark.parametrize(
    "query",
    [
        targets.over("car", np.zeros(SIZE, bool)),
        targets.polygon([(0, 0), (0.01, 0), (0, 0.01)], "car"),
        targets.polygon([(0, 0), (0.01, 0), (0, 0.01)]),
        targets.border(targets.over("car", np.ones(SIZE, bool)), "outer"),
        targets.where_true("car", np.zeros(SIZE, int)),
    ],
)
def test_an_empty_region_is_a_sentence(query):
    with pytest.raises(PlaceError, match="the region is empty, so there is nothing to explain"):
        asked(query)


def test_an_empty_region_without_a_class_has_a_subject():
    with pytest.raises(PlaceError, match=r"^a class in the polygon of 3 points .*: the region is empty"):
        asked(targets.polygon([(0, 0), (0.01, 0), (0, 0.01)]))
    with pytest.raises(PlaceError, match=r"^a class in the mask: the region is empty"):
        asked(targets.over(None, np.zeros(SIZE)))


def test_regions_are_for_segmentations_and_need_a_class_that_exists():
    for query in QUERIES.values():
        with pytest.raises(TargetError, match="this one does image"):
            asked(query, task="image")
    with pytest.raises(LabelError, match="car"):
        asked(targets.over("cars", mask(1, 1)))
    with pytest.raises(TargetError, match="is no region, so it has no border"):
        asked(targets.border(lambda output: output.sum((1, 2, 3)), "inner"))
    with pytest.raises(TargetError, match="take one target"):
        asked(targets.border(targets.several(CAR, CAR), "inner"))


@pytest.mark.parametrize("kind", QUERIES)
def test_sums_of_regions_negate_contrast_and_go_together(kind):
    output = painted()[None]
    region, car = asked(QUERIES[kind]), asked(CAR)
    negated = asked(targets.negative(QUERIES[kind]))
    torch.testing.assert_close(negated(output), -region(output))
    assert negated.name == f"−({region.name})"
    difference = asked(targets.contrast(QUERIES[kind], CAR))
    torch.testing.assert_close(difference(output), region(output) - car(output))
    assert difference.name == f"({region.name}) − (car, where it is predicted)"
    again = asked(targets.negative(targets.negative(QUERIES[kind])))
    torch.testing.assert_close(again(output), region(output))
    assert again.name == region.name
    both = resolve(targets.several(QUERIES[kind], CAR), painted(), LABELS, "segmentation")
    assert [each.name for each in both] == [region.name, car.name]


def test_the_border_of_what_speaks_against_speaks_against_the_border():
    output = painted()[None]
    one, other = (
        asked(query)(output)
        for query in (
            targets.border(targets.negative(CAR), "outer"),
            targets.negative(targets.border(CAR, "outer")),
        )
    )
    torch.testing.assert_close(one, other)


def linear(size=(20, 28), task="segmentation"):
    """Return a network whose last layer is a 1 × 1 convolution."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 3, 1))
    prepare = Preprocess(size, (0.5,) * 3, (0.5,) * 3, fit="squish")
    return interp.load(net, preprocess=prepare, labels=LABELS.names, task=task)


@pytest.fixture
def photo():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))


def everywhere(model, photo):
    """Return a query of every kind for a picture, with masks of the picture's size."""
    rng = np.random.default_rng(2)
    cut, truth = rng.random((40, 60)) < 0.3, rng.integers(0, 3, (40, 60))
    return {
        "mask": targets.over("car", cut),
        "polygon": targets.polygon([(0.1, 0.1), (0.9, 0.2), (0.4, 0.9)], "road"),
        "component": targets.component(at=(0.4, 0.5)),
        "true": targets.where_true("car", truth),
        "missed": targets.where_wrong("car", truth, "missed"),
        "border": targets.border(targets.over("sky", cut), "outer", 2),
    }


KINDS = list(everywhere(None, None))


@pytest.mark.parametrize("kind", KINDS)
def test_grad_cam_before_a_1x1_head_is_the_region_s_share_of_the_logit(kind, photo):
    """ORACLES: Grad-CAM = (|mask|/HW)·(logit − bias); HiResCAM is that of the region alone."""
    model = linear()
    query = everywhere(model, photo)[kind]
    found, hires = interp.explain(model, photo, query, ["grad-cam", "hires-cam"], "1")
    against = interp.explain(model, photo, targets.negative(query), "hires-cam", "1")
    region, index = found.target.region, found.target.index
    own = model.logits(model.prepare([photo]))[0, index] - model.module[2].bias[index].detach()
    share = region.float().mean()
    whole = share * own
    assert torch.allclose(found.map, whole, atol=1e-5) or torch.allclose(found.map, whole.relu(), atol=1e-5)
    torch.testing.assert_close(hires.map, region * own, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(against.map, -hires.map)


@pytest.mark.parametrize("kind", KINDS)
def test_an_explanation_of_a_region_is_made_again_from_its_json(kind, photo):
    model = linear()
    query = everywhere(model, photo)[kind]
    for each in (query, targets.negative(query), targets.contrast(query, targets.where_predicted())):
        found = interp.explain(model, photo, each, "hires-cam", "1")
        again = interp.remake(found.to_json(), model=model)
        assert torch.equal(again.map, found.map)
        assert (again.target.name, again.score) == (found.target.name, found.score)


def test_a_region_that_a_caller_made_is_kept_and_not_predicted_again(photo):
    model = linear()
    mine = RegionTarget(1, torch.eye(20, 28).bool(), "the diagonal")
    found = interp.explain(model, photo, mine, layer="1")
    saved = json.loads(found.to_json())["target"]
    assert saved["region"]["size"] == [20, 28]
    again = interp.remake(found.to_json(), model=model)
    assert torch.equal(again.target.region, mine.region)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (r'"class": 2', '"class": 9'),
        (r'"class": 2', '"class": "x"'),
        (r'"runs": \[[^]]*\]', '"runs": [1]'),
        (r'"runs": \[[^]]*\]', '"runs": [1000000000000000000]'),
        (r'"size": \[\s*20', '"size": [21'),
        (r'"region": {', '"region": 5, "other": {'),
    ],
)
def test_a_broken_saved_region_is_a_sentence(photo, before, after):
    model = linear()
    text = interp.explain(model, photo, everywhere(model, photo)["mask"], layer="1").to_json()
    broken, count = re.subn(before, after, text, count=1)
    assert count
    with pytest.raises(ExplanationError, match="cannot be made again"):
        interp.remake(broken, model=model)


@pytest.mark.parametrize(
    "terms", [[], [[1.0]], [["x", {}]], 5, [[1.0, {"callable": "f"}]], [[1.0, {"sum": []}]]]
)
def test_a_broken_saved_sum_is_a_sentence(terms):
    with pytest.raises(TargetError, match="saved sum"):
        targets.from_json({"sum": terms, "name": "x"})


def test_a_sum_with_a_function_must_be_given_again(photo):
    model = linear()
    query = targets.contrast(targets.where_predicted(), lambda output: output[:, 0].sum((1, 2)))
    found = interp.explain(model, photo, query, layer="1")
    assert isinstance(found.target, SumTarget)
    with pytest.raises(ExplanationError, match="give it again"):
        interp.remake(found.to_json(), model=model)
    assert torch.equal(interp.remake(found.to_json(), model=model, target=query).map, found.map)


def test_a_batch_with_a_region_for_each_picture_is_its_pictures_one_by_one(photo):
    model = interp.load(
        seeded(UNet)(),
        preprocess=Preprocess((16, 24), (0.5,) * 3, (0.5,) * 3, fit="crop"),
        labels=LABELS.names,
        task="segmentation",
    )
    rng = np.random.default_rng(3)
    other = photo.resize((50, 50))
    asked_of = [
        targets.over("car", rng.random((40, 60)) < 0.4),
        targets.negative(targets.border(targets.over("road", rng.random((50, 50)) < 0.4), "outer", 1)),
        targets.component(at=(0.5, 0.5)),
    ]
    pictures = [photo, other, photo]
    together = interp.explain(model, pictures, asked_of, "hires-cam", "up2", batch_size=3)
    for found, picture, query in zip(together, pictures, asked_of, strict=True):
        alone = interp.explain(model, picture, query, "hires-cam", "up2")
        assert found.target.name == alone.target.name
        torch.testing.assert_close(found.map, alone.map)


def test_prepared_inputs_know_no_picture_so_masks_have_the_output_s_size(photo):
    model = linear()
    inputs = model.prepare([photo])
    with pytest.raises(PlaceError, match="28 × 20"):
        attribute(model, inputs, targets.over("car", np.ones((40, 60), bool)), layers=["1"])
    found = attribute(model, inputs, targets.over("car", np.ones((20, 28), bool)), ["hires-cam"], ["1"])
    assert found.targets[0][0].region.all()


def test_another_output_than_the_region_s_is_a_sentence():
    target = asked(QUERIES["mask"])
    for wrong in (torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, *SIZE), torch.zeros(1, 3)):
        with pytest.raises(TargetError, match="over 12 × 8 positions; the output has the shape"):
            target(wrong)


@pytest.mark.parametrize(
    "method", ["consensus-cam", "finer-cam", "grad-cam(augment=True)", "grad-cam(contrast=True)"]
)
def test_methods_that_look_into_the_target_take_sums(method, photo):
    model = linear()
    query = everywhere(model, photo)["mask"]
    found = interp.explain(model, photo, targets.negative(query), method, "1")
    assert found.map.isfinite().all()


def test_the_contrast_of_a_sum_is_the_sum_of_the_contrasts():
    output = painted()[None]
    region = asked(QUERIES["mask"])
    against = asked(targets.negative(QUERIES["mask"]))
    torch.testing.assert_close(contrast(against, output, "softmax"), -contrast(region, output, "softmax"))
    both = asked(targets.contrast(QUERIES["mask"], CAR))
    torch.testing.assert_close(contrast(both, output, "softmax"), both(output))
