"""What freezing leaves: the course's numbers, fastai's own count, and shared weights."""

import dataclasses
import pickle
from functools import cache
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import interp
from interp.models import ModelError, group_table
from interp.models.networks import ClassifierNetwork, UNetNetwork, layer_groups
from interp.models.networks.freezing import NORMS

SMALL = ClassifierNetwork("timm:test_resnet", 2)
COURSE = {
    "resnet18, 12 classes": (ClassifierNetwork("torchvision:resnet18", 12, bias=True), 11_710_540, 543_628),
    "resnet34, 37 classes": (
        ClassifierNetwork("torchvision:resnet34", 37, bias=True, final_batchnorm=True),
        21_831_599,
        563_951,
    ),
}


@cache
def backbone(name):
    return interp.load(name, weights=None).module


@cache
def of(network):
    return group_table(network.build(trained=backbone(network.backbone)))


def counted(network):
    return sum(weight.numel() for weight in network.parameters() if weight.requires_grad)


@pytest.mark.parametrize("key", COURSE)
def test_the_courses_totals_come_out_exactly(key):
    network, total, frozen = COURSE[key]
    table = of(network)
    assert (table.total, table.trainable(-1)) == (total, frozen)
    assert table.frozen(-1) == total - frozen


def test_the_course_freezes_one_group():
    table = of(COURSE["resnet18, 12 classes"][0])
    assert (table.trainable(1), table.frozen(1)) == (11_029_388, 681_152)
    assert table.trainable(0) == table.total
    assert [(total.call, total.frozen_to, total.trainable) for total in table.totals] == [
        ("unfreeze", 0, 11_710_540),
        ("freeze_to(1)", 1, 11_029_388),
        ("freeze", 2, 543_628),
    ]


@pytest.mark.parametrize(("key", "fewer"), [("resnet18, 12 classes", 524), ("resnet34, 37 classes", 549)])
def test_a_head_without_bias_has_that_many_fewer(key, fewer):
    network, total, frozen = COURSE[key]
    table = of(dataclasses.replace(network, bias=False))
    assert (table.total, table.trainable(-1)) == (total - fewer, frozen - fewer)


def test_a_final_batch_norm_adds_two_weights_a_class():
    network = COURSE["resnet34, 37 classes"][0]
    assert of(network).total - of(dataclasses.replace(network, final_batchnorm=False)).total == 74


def test_groups_name_their_layers_as_the_network_does():
    network = SMALL.build()
    table = group_table(network, {"head.4": (512,)})
    assert [group.name for group in table.groups] == ["body, lower", "body, upper", "head"]
    modules = dict(network.named_modules())
    for layer in (layer for group in table.groups for layer in group.layers):
        assert layer.type == type(modules[layer.name]).__name__
        assert layer.weights == sum(w.numel() for w in modules[layer.name].parameters())
        assert layer.is_norm == layer.type.startswith("BatchNorm")
        assert layer.shape == ((512,) if layer.name == "head.4" else None)
    assert [layer.name for layer in table.groups[2].layers] == ["head.2", "head.4", "head.6", "head.8"]


@pytest.mark.parametrize("frozen_to", [4, -4])
def test_freezing_more_groups_than_there_are_is_an_error(frozen_to):
    table = of(SMALL)
    with pytest.raises(ModelError, match=rf"freeze_to\({frozen_to}\) is outside .* groups; give -3 … 3\."):
        table.trainable(frozen_to)


def test_negative_numbers_count_from_the_end_and_all_groups_can_be_frozen():
    table = of(SMALL)
    assert [table.trainable(n) for n in (-3, -2, -1)] == [table.trainable(n) for n in (0, 1, 2)]
    assert table.trainable(3) == sum(group.norm_weights for group in table.groups) > 0


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4, bias=False)
        self.last = nn.Linear(4, 4)
        self.last.weight = self.first.weight


def test_a_shared_weight_counts_once_and_is_frozen_with_the_first_group():
    table = group_table(Tied())
    assert [group.weights for group in table.groups] == [16, 4]
    assert (table.total, table.trainable(-1)) == (20, 4)


def test_weights_of_the_network_itself_are_in_a_group():
    network = interp.load("timm:test_vit", weights=None).module
    table = group_table(network)
    assert table.total == sum(weight.numel() for weight in network.parameters())
    assert "cls_token" in dict(network.named_parameters(recurse=False))
    assert [(group.name, group.layers[0].name) for group in table.groups] == [("network", "")]
    assert [total.call for total in table.totals] == ["unfreeze", "freeze"]


def test_a_norm_with_weights_inside_stays_trainable_as_a_whole():
    class NormAct(nn.BatchNorm2d):
        def __init__(self):
            super().__init__(3)
            self.act = nn.PReLU(3)

    network = nn.Sequential(NormAct(), nn.Linear(3, 2))
    assert [layer.is_norm for layer in group_table(network).groups[0].layers] == [True, True]


def test_requires_grad_and_modes_stay_as_they_are():
    network = SMALL.build().train()
    network[0].requires_grad_(False)
    before = {name: (w.requires_grad, w.clone()) for name, w in network.state_dict(keep_vars=True).items()}
    group_table(network)
    assert all(module.training for module in network.modules())
    for name, weight in network.state_dict(keep_vars=True).items():
        assert weight.requires_grad == before[name][0]
        assert torch.equal(weight, before[name][1])


def test_a_table_is_plain_and_can_be_kept():
    table = of(SMALL)
    assert pickle.loads(pickle.dumps(table)) == table


def test_the_norms_are_fastais():
    from fastai.torch_core import norm_types

    assert set(norm_types) == set(NORMS)


NETWORKS = {
    "classifier": lambda: ClassifierNetwork("timm:test_resnet", 3, bias=True).build(),
    "efficientnet": lambda: ClassifierNetwork("efficientnet_lite0", 3).build(),
    "layer norm": lambda: ClassifierNetwork("timm:test_convnext", 3).build(),
    "group norm": lambda: ClassifierNetwork("timm:test_efficientnet_gn", 3).build(),
    "u-net": lambda: UNetNetwork("timm:test_resnet", 3, 64, 64, self_attention=True).build(),
    "u-net, weight norm": lambda: UNetNetwork("timm:test_resnet", 3, 64, 64, weight_norm=True).build(),
    "tied": Tied,
}


@pytest.mark.slow
@pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)
def test_fastais_learner_leaves_as_many_weights_trainable(build):
    from interp.training.learners import make_learner

    network = build()
    table = group_table(network)
    learner = make_learner(SimpleNamespace(device="cpu", path="."), network, nn.MSELoss())
    learner.create_opt()
    groups = len(layer_groups(network))
    for frozen_to in range(-groups, groups):
        learner.freeze_to(frozen_to)
        assert counted(network) == table.trainable(frozen_to), frozen_to
    learner.freeze()
    assert counted(network) == table.totals[-1].trainable
    learner.unfreeze()
    assert counted(network) == table.total == table.totals[0].trainable
