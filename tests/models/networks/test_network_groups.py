"""Every weight is in one layer group, from the input on."""

from itertools import chain

import pytest
import torch
from torch import nn

from interp.models.builders import build_named
from interp.models.networks import (
    BasicCriticNetwork,
    ClassifierNetwork,
    CriticNetwork,
    UNetNetwork,
    layer_groups,
)

THREE = ["body, lower", "body, upper"]


class Positions(nn.Module):
    def __init__(self):
        super().__init__()
        self.positions = nn.Parameter(torch.zeros(4))
        self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 2)


NETWORKS = {
    "classifier": (lambda: ClassifierNetwork("timm:test_resnet", 3).build(), [*THREE, "head"]),
    "efficientnet": (lambda: ClassifierNetwork("efficientnet_lite0", 3).build(), [*THREE, "head"]),
    "u-net": (lambda: UNetNetwork("timm:test_resnet", 3, 64, 64).build(), [*THREE, "decoder"]),
    "named": (lambda: build_named("timm:test_resnet"), ["body", "head"]),
    "critic": (lambda: CriticNetwork(features=4, blocks=1).build(), ["network"]),
    "basic critic": (lambda: BasicCriticNetwork(16, features=4).build(), ["body", "head"]),
    "one layer": (lambda: nn.Linear(2, 2), ["network"]),
    "no weights": (nn.ReLU, ["network"]),
    "own weights": (Positions, ["network"]),
    "transformer": (lambda: build_named("timm:test_vit"), ["network"]),
}


@pytest.mark.parametrize(("build", "names"), NETWORKS.values(), ids=NETWORKS)
def test_groups_part_all_weights(build, names):
    network = build()
    groups = layer_groups(network)
    assert [name for name, _ in groups] == names
    parted = list(chain.from_iterable(group.parameters() for _, group in groups))
    assert [id(weight) for weight in parted] == [id(weight) for weight in network.parameters()]


def test_a_resnet_is_cut_before_layer3():
    network = ClassifierNetwork("timm:test_resnet", 3).build()
    (_, lower), (_, upper), (_, head) = layer_groups(network)
    assert [*lower, *upper] == list(network.body)
    assert list(upper) == [network.body.layer3, network.body.layer4]
    assert list(head) == [network.head]


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.two = nn.Conv2d(3, 4, 3, stride=2, padding=1)

    def forward_features(self, inputs):
        return self.one(inputs) + self.two(inputs)


def test_a_body_that_cannot_be_cut_is_one_group():
    network = ClassifierNetwork("mine", 2).build(trained=Branching())
    assert [name for name, _ in layer_groups(network)] == ["body", "head"]
