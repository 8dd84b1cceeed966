"""The hash, the twins and the predictions of an `ImageModel`."""

import copy

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import interp
from interp.images import Preprocess
from interp.models import ImageModel, Labels

PREPROCESS = Preprocess((8, 8), (0.5,) * 3, (0.5,) * 3)


def net(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    )


def model_of(module, **settings):
    return ImageModel(module, PREPROCESS, "net", **settings)


def test_the_hash_sees_every_weight_and_buffer():
    first = net()
    base = model_of(first).weights_hash()
    assert model_of(net()).weights_hash() == base != model_of(net(1)).weights_hash()
    for name, tensor in first.state_dict().items():
        other = copy.deepcopy(first)
        changed = other.state_dict()[name]
        changed.view(-1)[-1] += 1
        assert model_of(other).weights_hash() != base, name
        assert tensor is not changed
    assert model_of(net().double()).weights_hash() != base
    assert model_of(net().train()).weights_hash() == model_of(net().eval()).weights_hash()


def test_the_hash_is_of_now():
    model = model_of(net())
    before = model.weights_hash()
    with torch.no_grad():
        model.module[0].bias[0] += 1e-6
    assert model.weights_hash() != before


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_any_precision_has_a_hash_and_a_dtype(dtype):
    model = model_of(net().to(dtype))
    assert len(model.weights_hash()) == 64
    assert model.dtype == model.blank().dtype == dtype


def test_probabilities():
    logits = torch.tensor([[0.0, 1.0, 3.0]])
    assert torch.equal(model_of(net()).probabilities(logits), logits.softmax(1))
    assert torch.equal(model_of(net(), activation="sigmoid").probabilities(logits), logits.sigmoid())
    assert torch.equal(model_of(net(), activation="none").probabilities(logits), logits)


def test_predictions_are_ranked_and_named():
    model = model_of(net(), labels=Labels(("a", "b")))
    pictures = [np.full((9, 9, 3), value, np.uint8) for value in (0, 255)]
    for row, picture in zip(model.predict(pictures, top=9), pictures, strict=True):
        assert len(row) == 3
        assert sorted(p.index for p in row) == [0, 1, 2]
        assert [p.probability for p in row] == sorted((p.probability for p in row), reverse=True)
        assert {p.name for p in row} == {"a", "b", "class 2"}
        with torch.no_grad():
            wanted = (
                copy.deepcopy(model.module).eval()(model.prepare([interp.open_image(picture)])).softmax(1)[0]
            )
        assert row[0].probability == pytest.approx(float(wanted.max()), abs=1e-6)


def test_a_segmentation_model_does_not_predict_classes_of_pictures():
    model = model_of(nn.Conv2d(3, 2, 1), task="segmentation")
    with pytest.raises(ValueError, match="does segmentation"):
        model.predict([Image.new("RGB", (9, 9))])


def test_random_networks_are_refused():
    from interp.capture import CaptureError

    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 3)

        def forward(self, x):
            return self.conv(x).mean((2, 3)) + torch.randn(1)

    with pytest.raises(CaptureError, match="chance"):
        model_of(Noisy()).logits(torch.zeros(1, 3, 8, 8))


def test_logits_leave_no_graph_and_work_in_inference_mode():
    model = model_of(net())
    assert not model.logits(model.blank(2)).requires_grad
    with torch.inference_mode():
        assert model.logits(model.blank(2)).shape == (2, 3)
        assert not model.blank().is_inference()
