"""The same U before and after a deep copy, in training and in evaluation, whoever wrote the network."""

import copy

import pytest
import torch
import torch.nn.functional as F
from networks import DYNAMIC_UNETS, SmpLike, UNet, conv, footprint, seeded
from torch import nn

import interp
from interp.features import levels_of, skips_of, unet_of, upsamplings_of
from interp.features.concatenations import concatenations_of

SIZE = (32, 32)


class Plain(nn.Module):
    """Written by hand without anything in place: plain functions, transposed convolutions."""

    def __init__(self):
        super().__init__()
        self.down1, self.down2 = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 8, 3, padding=1)
        self.bottom = nn.Conv2d(8, 16, 3, padding=1)
        self.up2, self.join2 = nn.ConvTranspose2d(16, 8, 2, 2), nn.Conv2d(16, 8, 3, padding=1)
        self.up1, self.join1 = nn.ConvTranspose2d(8, 4, 2, 2), nn.Conv2d(8, 4, 3, padding=1)
        self.logits = nn.Conv2d(4, 3, 1)

    def forward(self, x):
        one = F.relu(self.down1(x))
        two = F.relu(self.down2(F.max_pool2d(one, 2)))
        low = F.relu(self.bottom(F.max_pool2d(two, 2)))
        x = F.relu(self.join2(torch.cat([self.up2(low), two], 1)))
        return self.logits(F.relu(self.join1(torch.cat([self.up1(x), one], 1))))


class InPlace(nn.Module):
    """The output of every level is overwritten, and one ReLU does it for all of them."""

    def __init__(self):
        super().__init__()
        self.down1, self.down2, self.bottom = (conv(a, b)[:2] for a, b in ((3, 4), (4, 8), (8, 16)))
        self.relu, self.pool = nn.ReLU(inplace=True), nn.MaxPool2d(2)
        self.up2, self.up1, self.logits = conv(24, 8), conv(12, 4), nn.Conv2d(4, 3, 1)

    def forward(self, x):
        one = self.relu(self.down1(x))
        two = self.relu(self.down2(self.pool(one)))
        low = self.relu(self.bottom(self.pool(two)))
        x = self.up2(torch.cat([F.interpolate(low, scale_factor=2.0), two], 1))
        return self.logits(self.up1(torch.cat([F.interpolate(x, scale_factor=2.0), one], 1)))


NETWORKS = {
    "DynamicUnet": DYNAMIC_UNETS["plain"],
    "plain": seeded(Plain),
    "functional in place": seeded(UNet),
    "in-place modules": seeded(InPlace),
    "segmentation-models-pytorch style": seeded(lambda: SmpLike(3)),
}
KNOWN = {
    "DynamicUnet": ([(32, 32), (16, 16), (8, 8), (4, 4)], "layers.3", 4),
    "plain": ([(32, 32), (16, 16)], "bottom", 2),
    "functional in place": ([(32, 32), (16, 16)], "bottom", 2),
    "in-place modules": ([(32, 32), (16, 16)], "relu@2", 2),
    "segmentation-models-pytorch style": ([(32, 32), (16, 16), (8, 8)], "encoder.layer2", 3),
}


def topology(module):
    """Return all that is read of a network's shape."""
    prepare = interp.Preprocess(SIZE, (0.5,) * 3, (0.5,) * 3, fit="squish")
    model = interp.load(module, preprocess=prepare, labels=list("abc"), task="segmentation")
    inputs = torch.randn(1, 3, *SIZE, generator=torch.Generator().manual_seed(5))
    levels = levels_of(model)
    places = concatenations_of(model, inputs, levels.bottleneck)
    steps = {
        size: (step.kind, step.before, step.after) for size, step in upsamplings_of(model, levels).items()
    }
    return levels, places, steps, model.layers.stages


@pytest.mark.parametrize("name", NETWORKS)
def test_the_topology_is_the_same_after_a_copy_and_in_training(name):
    module = NETWORKS[name]()
    first = topology(module)
    levels, places, steps, _ = first
    sizes, bottleneck, joined = KNOWN[name]
    assert [row.size for row in levels.rows] == sizes
    assert all(row.skip for row in levels.rows)
    assert levels.bottleneck == bottleneck
    assert len(places) == joined
    assert sorted(steps, reverse=True) == sizes
    for mode in (True, False):
        one = module.train(mode)
        before = footprint(one)
        assert topology(one) == first
        assert footprint(one) == before
        another = copy.deepcopy(one)
        assert another.training is mode
        assert topology(another) == first
        # A copy of a copy, after it was looked at; and the first one again.
        assert topology(copy.deepcopy(another)) == first
    assert topology(module) == first


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_found_in_the_u_is_the_same_after_a_copy(name):
    module = NETWORKS[name]()
    prepare = interp.Preprocess(SIZE, (0.5,) * 3, (0.5,) * 3, fit="squish")
    box = interp.targets.box(0.2, 0.2, 0.8, 0.8, 1)
    picture = torch.randint(0, 256, (*SIZE, 3), generator=torch.Generator().manual_seed(0)).byte().numpy()
    found = []
    for one in (module, copy.deepcopy(module).train(), copy.deepcopy(module.train())):
        model = interp.load(one, preprocess=prepare, labels=list("abc"), task="segmentation")
        skips = skips_of(model, picture, box, ablate=["zero"])
        found.append((skips.to_json(), unet_of(model, picture, box).to_json()))
    assert found[0] == found[1] == found[2]


def test_one_relu_that_is_called_at_every_level_ends_each_of_them():
    levels, *_ = topology(NETWORKS["in-place modules"]())
    assert [(row.encoder, row.decoder) for row in levels.rows] == [("relu@0", "up1"), ("relu@1", "up2")]
