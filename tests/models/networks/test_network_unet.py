"""The U-Net on any backbone: odd sizes, copies, ranges, and one layout whatever the size says."""

import copy

import pytest
import torch
from torch import nn

import interp
from interp.models import ModelError
from interp.models.networks import UNetNetwork, clear_skips, layer_groups

TINY = "timm:test_resnet"


def seeded(network):
    torch.manual_seed(0)
    return network.build().eval()


@pytest.fixture(scope="module")
def unet():
    return seeded(UNetNetwork(TINY, outputs=3, height=64, width=64))


@pytest.mark.parametrize("size", [(64, 64), (33, 47), (71, 50), (100, 64)])
def test_odd_sizes_come_out_as_they_went_in(unet, size):
    with torch.no_grad():
        assert unet(torch.rand(2, 3, *size)).shape == (2, 3, *size)


@pytest.mark.parametrize("backbone", ["timm:test_convnext", "timm:test_efficientnet", "torchvision:resnet18"])
@pytest.mark.parametrize("options", [{}, {"blur": True, "self_attention": True, "weight_norm": True}])
def test_other_backbones_and_options_run(backbone, options):
    network = seeded(UNetNetwork(backbone, 2, 64, 64, **options))
    with torch.no_grad():
        assert network(torch.rand(1, 3, 45, 64)).shape == (1, 2, 45, 64)


def test_the_layout_is_the_same_at_every_size(unet):
    shapes = {key: value.shape for key, value in unet.state_dict().items()}
    for height, width in ((32, 32), (45, 90), (8192, 8192)):
        other = UNetNetwork(TINY, 3, height, width).build().state_dict()
        assert {key: value.shape for key, value in other.items()} == shapes


def test_its_encoder_uses_the_trained_modules_and_leaves_the_widening_out():
    backbone = interp.load("efficientnet_lite0", weights=None).module
    encoder = UNetNetwork("efficientnet_lite0", 2, 64, 64).build(trained=backbone).layers[0]
    assert encoder[0] is backbone.conv_stem
    assert encoder[-1] is backbone.blocks[-1]


def test_a_copy_works_once_the_skips_are_cleared(unet):
    network = copy.deepcopy(unet)
    inputs = torch.rand(1, 3, 64, 64)
    made = network(inputs)
    with pytest.raises(RuntimeError, match="deepcopy"):
        copy.deepcopy(network)
    clear_skips(network)
    assert all(hook.stored is None for hook in network.sfs)
    other = copy.deepcopy(network)
    for weight in network.parameters():
        weight.data.zero_()
    assert torch.equal(other(inputs), made)


def test_a_fresh_one_and_its_groups_keep_no_skip(unet):
    network = UNetNetwork(TINY, 3, 64, 64).build()
    assert all(hook.stored is None for hook in network.sfs)
    layer_groups(network)
    assert all(hook.stored is None for hook in network.sfs)


def test_clearing_the_skips_of_another_network_does_nothing():
    other = nn.Linear(2, 2)
    before = dict(vars(other))
    clear_skips(other)
    assert vars(other) == before


def test_outputs_stay_in_their_range():
    network = seeded(UNetNetwork(TINY, 1, 64, 64, low=-2.0, high=3.0))
    inputs = 50 * torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        free = seeded(UNetNetwork(TINY, 1, 64, 64))(inputs)
        assert torch.allclose(network(inputs), 5 * free.sigmoid() - 2, atol=1e-5)


def test_it_is_fastais_own():
    from fastai.vision.models.unet import DynamicUnet

    from interp.models.networks import body

    backbone = interp.load(TINY, weights=None).module
    torch.manual_seed(3)
    ours = UNetNetwork(TINY, 2, 64, 64).build(trained=backbone).eval()
    theirs = DynamicUnet(body(backbone), 2, (64, 64)).eval()
    theirs.load_state_dict(ours.state_dict())
    inputs = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(ours(inputs), torch.Tensor(theirs(inputs)))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"outputs": 0}, "the network's outputs is 0; give 1 … 10000."),
        ({"height": 16}, "the network's height is 16; give 32 … 8192."),
        ({"width": 10_000}, "the network's width is 10000; give 32 … 8192."),
        ({"low": float("inf")}, "the network's low is inf; give -1000000.0 … 1000000.0."),
    ],
)
def test_values_out_of_range_are_a_sentence(changes, sentence):
    with pytest.raises(ModelError) as caught:
        UNetNetwork(**{"backbone": TINY, "outputs": 2, "height": 64, "width": 64} | changes)
    assert str(caught.value) == sentence


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.two = nn.Conv2d(3, 4, 3, stride=2, padding=1)

    def forward_features(self, inputs):
        return self.one(inputs) + self.two(inputs)


def test_a_backbone_whose_stages_branch_is_refused():
    with pytest.raises(ModelError, match="cannot be the encoder of a U-Net: its stages do not run one after"):
        UNetNetwork("mine", 2, 64, 64).build(trained=Branching())


def test_a_transformer_is_refused():
    with pytest.raises(ModelError, match="VisionTransformer cannot be a backbone"):
        UNetNetwork("timm:test_vit", 2, 64, 64).build()
