"""The levels of a U-Net and its skips."""

import pytest
import torch
import torch.nn.functional as F
from networks import DYNAMIC_UNETS, Fcn, SmpLike, UNet, conv, footprint, seeded
from torch import nn

import interp
from interp.features import FeatureError, Level, levels_of


class NoSkips(nn.Module):
    """Down and up again, and nothing across."""

    def __init__(self):
        super().__init__()
        self.down1, self.down2 = conv(3, 4), conv(4, 8, 2)
        self.bottom = conv(8, 8, 2)
        self.up2, self.up1 = conv(8, 8), conv(8, 4)
        self.logits = nn.Conv2d(4, 3, 1)

    def forward(self, x):
        x = self.bottom(self.down2(self.down1(x)))
        x = self.up2(F.interpolate(x, scale_factor=2.0))
        return self.logits(self.up1(F.interpolate(x, scale_factor=2.0)))


class OneSkip(NoSkips):
    """Only the finer level has a skip, added and not concatenated."""

    def forward(self, x):
        one = self.down1(x)
        x = self.up2(F.interpolate(self.bottom(self.down2(one)), scale_factor=2.0))
        up = self.up1(F.interpolate(x, scale_factor=2.0))
        return self.logits(up + one)


def model_of(build, size=(32, 32), outputs=3):
    prepare = interp.Preprocess(size, (0.5,) * 3, (0.5,) * 3, fit="squish")
    labels = [f"class {i}" for i in range(outputs)]
    return interp.load(build(), preprocess=prepare, labels=labels, task="segmentation")


def test_a_plain_u_net():
    found = levels_of(model_of(seeded(UNet)))
    assert found.rows == (Level((32, 32), "down1", "up1", True), Level((16, 16), "down2", "up2", True))
    assert found.bottleneck == "bottom"
    assert found.layers == ("down1", "down2", "bottom", "up2", "up1")


@pytest.mark.parametrize("kind", DYNAMIC_UNETS)
def test_fastai_s_dynamic_u_net(kind):
    found = levels_of(model_of(DYNAMIC_UNETS[kind]))
    crossed = kind != "no last cross"  # its last level takes the picture in, or does not
    last = "layers.10" if crossed else "layers.8"
    assert found.rows == (
        Level((32, 32), None, last, crossed),
        Level((16, 16), "layers.0.2", "layers.6", True),
        Level((8, 8), "layers.0.3", "layers.5", True),
        Level((4, 4), "layers.0.4", "layers.4", True),
    )
    assert found.bottleneck == "layers.3"


@pytest.mark.parametrize("size", [(36, 48), (45, 60), (50, 50)])
def test_odd_sizes_are_one_level_and_what_has_not_met_its_skip_is_none(size):
    from networks import small_dynamic_unet

    found = levels_of(model_of(seeded(lambda: small_dynamic_unet(64)), size))
    assert [row.decoder for row in found.rows] == ["layers.10", "layers.6", "layers.5", "layers.4"]
    assert [row.encoder for row in found.rows] == [None, "layers.0.2", "layers.0.3", "layers.0.4"]
    assert all(row.skip for row in found.rows)


def test_an_encoder_that_returns_a_list():
    found = levels_of(model_of(seeded(SmpLike), outputs=2))
    assert [(row.encoder, row.decoder, row.skip) for row in found.rows] == [
        (None, "decoder", True),
        ("encoder.conv1", "decoder.blocks.1", True),
        ("encoder.layer1", "decoder.blocks.0", True),
    ]


def test_no_skip_is_made_up():
    assert [row.skip for row in levels_of(model_of(seeded(NoSkips))).rows] == [False, False]
    assert [row.skip for row in levels_of(model_of(seeded(OneSkip))).rows] == [True, False]


def test_without_a_way_up_all_is_encoder():
    found = levels_of(model_of(seeded(Fcn)))
    assert found.rows == (Level((16, 16), "backbone.0", None, False),)
    assert found.layers == ("backbone.0", "backbone")


def test_reading_the_levels_leaves_the_network_as_it_was():
    module = DYNAMIC_UNETS["plain"]()
    model = model_of(lambda: module)
    before = footprint(module)
    picture = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    output = model.logits(picture)
    levels_of(model)
    assert footprint(module) == before
    assert torch.equal(model.logits(picture), output)


def test_a_network_without_grids_is_a_sentence():
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 3))
    model = interp.load(module, preprocess=interp.Preprocess((8, 8), (0.5,) * 3, (0.5,) * 3))
    with pytest.raises(FeatureError, match="has no levels"):
        levels_of(model)
