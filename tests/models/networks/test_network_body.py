"""A backbone's body gives the network's own features, and what has none is refused in a sentence."""

import copy

import pytest
import torch
import torchvision
from torch import nn

from interp.models import ModelError
from interp.models.builders import build_named
from interp.models.networks import body, grids, split_index


def seeded(name):
    torch.manual_seed(0)
    return build_named(name).eval()


def features(network, inputs):
    """What the networks' authors call their features; torchvision's ResNets name none."""
    for name in ("forward_features", "features"):
        if hasattr(network, name):
            return getattr(network, name)(inputs)
    return nn.Sequential(*list(network.children())[:-2])(inputs)


@pytest.mark.parametrize(
    "name",
    [
        "timm:convnext_atto",
        "timm:test_resnet",
        "torchvision:densenet121",
        "torchvision:resnet18",
        "torchvision:vgg11_bn",
    ],
)
def test_the_body_gives_the_networks_own_features(name):
    network = seeded(name)
    inputs = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        assert torch.equal(body(network)(inputs), features(network, inputs))


@pytest.mark.parametrize("name", ["efficientnet_lite0", "timm:test_efficientnet"])
def test_only_the_widening_of_a_mobile_network_is_left_out(name):
    network = seeded(name)
    inputs = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        found = body(network)(inputs)
        assert found.shape[1] < network.num_features
        assert torch.equal(network.bn2(network.conv_head(found)), network.forward_features(inputs))


@pytest.mark.slow
def test_vgg16_has_the_features_it_was_made_with():
    network = torchvision.models.vgg16_bn(weights=None, init_weights=False).eval()
    found = body(network)
    assert list(found) == list(network.features)
    assert split_index(found) == [stride for _, stride in grids(found)].index(16)


def test_a_resnets_body_is_its_children_without_the_last_two():
    network = seeded("torchvision:resnet18")
    assert list(body(network)) == list(network.children())[:-2]
    assert list(dict(body(network).named_children()))[-1] == "layer4"


@pytest.mark.parametrize("name", ["torchvision:resnet18", "torchvision:resnet34", "timm:test_resnet"])
def test_resnets_are_cut_where_the_course_cuts(name):
    assert split_index(body(seeded(name))) == 6


def test_stages_become_the_bodys_own_children():
    assert grids(body(seeded("efficientnet_lite0"))) == [
        (32, 2),
        (32, 2),
        (16, 2),
        (24, 4),
        (40, 8),
        (80, 16),
        (112, 16),
        (192, 32),
        (320, 32),
    ]


def test_a_body_that_stays_fine_is_cut_in_the_middle():
    assert split_index(nn.Sequential(*(nn.Conv2d(3, 3, 3, padding=1) for _ in range(6)))) == 3


class Branching(nn.Module):
    """A timm network in all that counts here: its children do not run one after the other."""

    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.two = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.fc = nn.Linear(4, 2)

    def forward_features(self, inputs):
        return self.one(inputs) + self.two(inputs)


def test_a_network_whose_children_branch_is_wrapped():
    network = Branching()
    found = body(network)
    assert [name for name, _ in found.named_children()] == ["network"]
    inputs = torch.rand(1, 3, 32, 48)
    assert torch.equal(found(inputs), network.forward_features(inputs))


class Functional(Branching):
    """Its children run one after the other, but do not say all."""

    def __init__(self):
        super().__init__()
        self.two = nn.Conv2d(4, 4, 1)

    def forward_features(self, inputs):
        return self.two(self.one(inputs)).relu()


def test_what_only_forward_does_is_not_lost():
    network = Functional()
    inputs = torch.rand(1, 3, 32, 32)
    assert torch.equal(body(network)(inputs), network.forward_features(inputs))


@pytest.mark.parametrize(
    "build",
    [
        lambda: build_named("timm:test_vit"),
        lambda: build_named("timm:test_vit3"),
        lambda: torchvision.models.VisionTransformer(64, 16, 2, 2, 32, 64),
        lambda: torchvision.models.SwinTransformer([4, 4], 32, [1, 1], [2, 2], [7, 7]),
        lambda: build_named("torchvision:lraspp_mobilenet_v3_large"),
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3, padding=1)),
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 2)),
        nn.Identity,
    ],
    ids=[
        "vit",
        "vit, no token",
        "torchvision vit",
        "swin",
        "segmentation",
        "no stride",
        "flat",
        "empty",
    ],
)
def test_what_has_no_convolutional_body_is_refused(build):
    with pytest.raises(ModelError, match="cannot be a backbone: it has no convolutional body that ends in a"):
        body(build())


def test_modes_statistics_and_random_numbers_stay_as_they_are():
    network = seeded("timm:test_resnet").train()
    network.layer1.eval()
    modes = [module.training for module in network.modules()]
    before, generator = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    split_index(body(network))
    assert [module.training for module in network.modules()] == modes
    assert torch.equal(torch.get_rng_state(), generator)
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert all(weight.grad is None and weight.requires_grad for weight in network.parameters())


def test_precision_and_channels_are_the_networks_own():
    import timm

    network = timm.create_model("test_resnet", in_chans=1).to(torch.bfloat16)
    assert grids(body(network))[-1] == (96, 32)
