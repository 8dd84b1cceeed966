import warnings

import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from networks import UNet, hook_count, pictures
from torch import nn

from interp.capture import record
from interp.features import is_channels_last, last_activations
from interp.layers import LayerError

_vision = torchvision.models

KNOWN = {
    "vgg16_bn": (
        lambda: _vision.vgg16_bn(weights=None, init_weights=False).features,
        ["5", "12", "22", "32", "42"],
    ),
    "resnet34": (
        lambda: _vision.resnet34(weights=None),
        ["relu", "layer1.2.relu@1", "layer2.3.relu@1", "layer3.5.relu@1", "layer4.2.relu@1"],
    ),
    "efficientnet_lite0": (
        lambda: timm.create_model("tf_efficientnet_lite0"),
        ["blocks.1.0.bn1.act", "blocks.2.0.bn1.act", "blocks.3.0.bn1.act", "blocks.5.0.bn1.act", "bn2.act"],
    ),
    # Gates of squeeze-and-excitation have activations on one position, in the middle of everything.
    "mobilenet_v3_small": (
        lambda: _vision.mobilenet_v3_small(weights=None),
        [f"features.{i}" for i in ("0.2", "2.block.0.2", "4.block.0.2", "9.block.0.2", "12.2")],
    ),
    # Its GELUs put channels last.
    "convnext_tiny": (
        lambda: _vision.convnext_tiny(weights=None),
        ["features.1.2.block.4", "features.3.2.block.4", "features.5.8.block.4", "features.7.2.block.4"],
    ),
    # A layer normalisation and an activation in one module.
    "timm densenet121": (
        lambda: timm.create_model("densenet121"),
        [
            "features.norm0.act",
            *(f"features.transition{i}.norm.act" for i in (1, 2, 3)),
            "features.norm5.act",
        ],
    ),
    # BasicConv2d returns F.relu(...): the block's output is the activation.
    "googlenet": (
        lambda: _vision.googlenet(weights=None, init_weights=False, aux_logits=False),
        ["conv1", "conv3", "inception3b.branch4.1", "inception4e.branch4.1", "inception5b.branch4.1"],
    ),
}


@pytest.mark.parametrize("name", KNOWN)
def test_the_last_activation_of_each_grid(name):
    build, expected = KNOWN[name]
    module = build()
    state = {key: value.clone() for key, value in module.state_dict().items()}
    hooks = hook_count(module)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = last_activations(module, torch.zeros(1, 3, 128, 128))
    assert found == expected
    assert hook_count(module) == hooks
    assert module.training
    assert all(value.equal(state[key]) for key, value in module.state_dict().items())


def test_each_is_on_another_grid_and_cannot_be_negative_after_a_relu():
    module = _vision.resnet18(weights=None).eval()
    names = last_activations(module, torch.zeros(1, 3, 128, 96))
    with record(module, names) as recording:
        module(pictures(1, 128)[..., :96])
    assert [tuple(recording[name].shape[2:]) for name in names] == [
        (64, 48),
        (32, 24),
        (16, 12),
        (8, 6),
        (4, 3),
    ]
    assert all(recording[name].min() >= 0 for name in names)


def test_a_function_in_the_open_is_said():
    module = _vision.densenet121(weights=None)
    with pytest.warns(
        UserWarning, match=r"DenseNet calls an activation function in the open after 'features.norm5'"
    ):
        found = last_activations(module, torch.zeros(1, 3, 128, 128))
    assert found == [
        "features.relu0",
        "features.transition1.relu",
        "features.transition2.relu",
        "features.transition3.relu",
        "features.norm5",
    ]


def test_a_network_with_nothing_but_functions():
    with pytest.warns(UserWarning, match="UNet calls an activation function in the open after 'down1.1'"):
        found = last_activations(UNet(), torch.zeros(1, 3, 32, 32))
    assert found == ["down1.1", "down2.1", "bottom.1", "up2.2", "up1.2"]


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.silu(self.conv(x))


def test_a_block_that_returns_a_functions_result_is_the_activation():
    module = nn.Sequential(Block(3, 4, 1), Block(4, 4, 1), Block(4, 8, 2), nn.AdaptiveAvgPool2d(1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert last_activations(module, torch.zeros(1, 3, 16, 16)) == ["1", "2"]


def test_a_reused_activation_is_named_with_its_call():
    relu = nn.ReLU(inplace=True)
    module = nn.Sequential(nn.Conv2d(3, 4, 1), relu, nn.MaxPool2d(2), nn.Conv2d(4, 4, 1), relu)
    assert last_activations(module, torch.zeros(1, 3, 16, 16)) == ["1@0", "1@1"]


def test_without_a_grid_there_is_no_answer():
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 3), nn.ReLU())
    sentence = r"Sequential has no activation on a grid of positions for an input of \(1, 3, 2, 2\)"
    with pytest.raises(LayerError, match=sentence):
        last_activations(module, torch.zeros(1, 3, 2, 2))


def test_channels_last_is_seen_from_the_pictures_shape():
    inputs = torch.zeros(1, 3, 64, 128)
    assert is_channels_last(torch.zeros(1, 8, 16, 96), inputs)
    assert not is_channels_last(torch.zeros(1, 96, 8, 16), inputs)
    assert not is_channels_last(torch.zeros(1, 96), inputs)
