"""Targets of outputs that have a value for every position."""

import re

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import interp
from interp import targets
from interp.dense import DetailTarget, RegionTarget, predicted_regions
from interp.explanation import ExplanationError
from interp.logits import SumTarget
from interp.models import Labels
from interp.picture_targets import ErrorTarget, GradientEnergyTarget, ValueTarget
from interp.targets import TargetError, resolve

LABELS = Labels(("sky", "road", "car"))


@pytest.fixture
def photo():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))


def logits():
    """Sky above, road below, no car: 2 rows of sky, 1 of road."""
    made = torch.zeros(3, 3, 4)
    made[0, :2], made[1, 2:] = 2.0, 3.0
    return made


def test_a_region_sums_its_logits_and_its_gradient_is_the_region():
    region = torch.tensor([[True, False], [True, True]])
    output = torch.arange(8.0).reshape(1, 2, 2, 2).requires_grad_()
    score = RegionTarget(1, region, "road")(output)
    assert score.tolist() == [4.0 + 6.0 + 7.0]
    (gradient,) = torch.autograd.grad(score.sum(), output)
    assert torch.equal(gradient[0, 1], region.float())
    assert not gradient[0, 0].any()


def test_detail_is_the_total_variation():
    picture = torch.tensor([[[[0.0, 1.0], [3.0, 1.0]]]])
    assert DetailTarget()(picture).item() == 1 + 2 + 3 + 0


def test_the_largest_predicted_regions_come_first_and_absent_classes_not_at_all():
    found = predicted_regions(logits(), LABELS, 3)
    assert [(each.index, int(each.region.sum())) for each in found] == [(0, 8), (1, 4)]


def test_what_is_asked_when_nobody_says_follows_the_task():
    assert resolve(None, logits(), LABELS, "segmentation")[0].name == "sky, where it is predicted"
    assert len(resolve(targets.top(2), logits(), LABELS, "segmentation")) == 2
    assert resolve(None, logits(), LABELS, "image") == (DetailTarget(),)
    for query in (None, 1, "road"):
        with pytest.raises(TargetError, match="a class alone does not say where"):
            resolve(query, logits(), LABELS, "classification")


def test_a_class_alone_of_a_segmentation_says_what_to_do_instead():
    with pytest.raises(TargetError, match=r"targets.where_predicted\('road'\) \(--region predicted\)"):
        resolve("road", logits(), LABELS, "segmentation")


def test_a_class_alone_of_a_picture_says_what_to_do_instead():
    with pytest.raises(TargetError, match=r"is a picture, so there is no class.*targets\.value"):
        resolve(1, logits(), LABELS, "image")


def segmenter():
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.Conv2d(6, 6, 3, padding=1), nn.Conv2d(6, 3, 1)
    )
    prepare = interp.Preprocess((32, 48), (0.5,) * 3, (0.5,) * 3, fit="squish")
    return interp.load(module, preprocess=prepare, labels=LABELS.names)


def test_grad_cam_at_the_layer_before_a_1x1_head_is_the_regions_share_of_the_logit(photo):
    """ORACLES: with a 1 × 1 head, s = Σ over the mask, Grad-CAM = (|mask|/HW)·(logit − bias)."""
    model = segmenter()
    assert model.task == "segmentation"
    found = interp.explain(model, photo, method="grad-cam", layer="2")
    output = model.logits(model.prepare([photo]))[0]
    index = int(found.target.index)
    share = (output.argmax(0) == index).float().mean()
    bias = model.module[3].bias[index].detach()
    expected = share * (output[index] - bias)
    assert torch.allclose(found.map, expected, atol=1e-5) or torch.allclose(
        found.map, expected.relu(), atol=1e-5
    )


@pytest.mark.parametrize("task", ["segmentation", "image"])
def test_dense_explanations_are_made_again_from_their_json(task, photo):
    model = interp.load(segmenter(), task=task)
    found = interp.explain(model, photo, layer="2")
    again = interp.remake(found.to_json(), model=model)
    assert torch.equal(again.map, found.map)
    assert again.target.name == found.target.name


def test_a_saved_target_with_an_impossible_class_is_a_sentence(photo):
    model = segmenter()
    text = interp.explain(model, photo, layer="2").to_json()
    broken = re.sub(r'"predicted_region": \d+', '"predicted_region": 77', text)
    with pytest.raises(ExplanationError, match="77"):
        interp.remake(broken, model=model)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_sums_over_many_positions_keep_their_digits_in_half_precision(dtype):
    output = torch.full((1, 2, 224, 224), 5.0, dtype=dtype)
    output[:, 1] = 5.25
    whole = torch.ones(224, 224, dtype=torch.bool)
    one, other = (RegionTarget(index, whole, "all") for index in (0, 1))
    assert float(one(output)) == 5 * 224 * 224
    assert float(SumTarget.of((1.0, other), (-1.0, one))(output)) == 0.25 * 224 * 224
    assert float(ValueTarget()(output)) == 10.25 * 224 * 224
    steps = torch.arange(224, dtype=dtype).remainder(2).expand(1, 1, 224, 224) * 4
    assert float(GradientEnergyTarget()(steps)) == 16 * 223 * 224
    assert float(DetailTarget()(steps)) == 4 * 223 * 224
    assert float(ErrorTarget(torch.zeros(1, 224, 224))(steps)) == 16 * 112 * 224
