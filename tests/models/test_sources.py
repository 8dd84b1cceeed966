"""Preprocessing by name is that of the source, bit for bit on a real picture."""

from pathlib import Path

import pytest
import timm
import torch
import torchvision.models as zoo
from timm.data import create_transform, resolve_model_data_config

import interp
from interp.models import ModelError
from interp.models.sources import _torchvision_preprocess, timm_preprocess, torchvision_model

SAMPLES = Path(__file__).parents[2] / "sample_images"
PICTURES = [SAMPLES / name for name in ("cat.jpg", "coffee_tall.jpg", "cat_small.jpg")]


@pytest.mark.parametrize(
    "name",
    ["resnet34", "efficientnet_b0", "efficientnet_v2_s", "vit_b_16", "swin_t", "inception_v3", "vgg16_bn"],
)
def test_torchvision(name):
    for entry in zoo.get_model_weights(name):
        transform = entry.transforms()
        prepare = _torchvision_preprocess(transform)
        for path in PICTURES:
            picture = interp.open_image(path)
            assert torch.equal(prepare(picture), transform(picture)), (entry, path.name)


@pytest.mark.parametrize(
    "name",
    [
        "resnet18",
        "convnext_tiny",
        "tf_efficientnet_lite0",
        "mobilenetv3_large_100",
        "vit_tiny_patch16_224",
        "test_resnet",
    ],
)
def test_timm(name):
    net = timm.create_model(name, pretrained=False)
    transform = create_transform(**resolve_model_data_config(net), is_training=False)
    prepare = timm_preprocess(net)
    for path in PICTURES:
        picture = interp.open_image(path)
        assert torch.equal(prepare(picture), transform(picture)), path.name


def test_the_default_models_preprocessing_is_timms(default_model):
    net = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    assert default_model.preprocess.mean == timm_preprocess(net).mean == (0.5,) * 3


def test_untrained_torchvision_networks_keep_their_preprocessing():
    model = torchvision_model("efficientnet_v2_s", None)
    assert model.preprocess.size == (384, 384)
    assert model.labels.names == ()


@pytest.mark.parametrize("arguments", [{}, {"num_classes": 5}])
def test_architectures_build_what_they_say(arguments):
    for source, name in (
        ("torchvision", "squeezenet1_1"),
        ("timm", "test_resnet"),
        ("offline", "efficientnet_lite0"),
    ):
        built = interp.Architecture(source, name, arguments).build()
        assert built(torch.zeros(2, 3, 64, 64)).shape == (2, arguments.get("num_classes", 1000))


def test_refused_arguments_are_named():
    with pytest.raises(ModelError, match="checkpoint_path='x'"):
        interp.Architecture("timm", "test_resnet", {"checkpoint_path": "x"}).build()
