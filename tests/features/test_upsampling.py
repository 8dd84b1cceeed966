"""How a network makes its grid finer on the way up."""

import pytest
import torch
import torch.nn.functional as F
from networks import DYNAMIC_UNETS, UNet, conv, footprint, seeded
from torch import nn

import interp
from interp.features import levels_of, upsamplings_of


class Up(nn.Module):
    """One level, with a way of making the grid finer that is given."""

    def __init__(self, up):
        super().__init__()
        self.down, self.bottom = conv(3, 4), conv(4, 8, 2)
        self.up, self.mix, self.logits = up, conv(12, 6), nn.Conv2d(6, 3, 1)

    def forward(self, x):
        one = self.down(x)
        return self.logits(self.mix(torch.cat([self.up(self.bottom(one)), one], 1)))


def shuffling(*, icnr):
    before = nn.Conv2d(8, 32, 1)
    if icnr:
        before.weight.data = before.weight.data[:8].repeat_interleave(4, 0)
    return nn.Sequential(before, nn.ReLU(), nn.PixelShuffle(2))


class Interpolates(nn.Module):
    def forward(self, x):
        return F.interpolate(x, (2 * x.shape[2], 2 * x.shape[3]), mode="bicubic")


KINDS = {
    "transposed convolution": lambda: nn.ConvTranspose2d(8, 8, 2, 2),
    "nearest + convolution": lambda: nn.Upsample(scale_factor=2),
    "bilinear + convolution": lambda: nn.UpsamplingBilinear2d(scale_factor=2),
    "bicubic + convolution": Interpolates,
    "pixel shuffle": lambda: shuffling(icnr=False),
    "pixel shuffle with ICNR": lambda: shuffling(icnr=True),
}


def model_of(module, size=(32, 32)):
    prepare = interp.Preprocess(size, (0.5,) * 3, (0.5,) * 3, fit="squish")
    return interp.load(module, preprocess=prepare, labels=list("abc"), task="segmentation")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind(kind):
    module = seeded(lambda: Up(KINDS[kind]()))()
    before = footprint(module)
    found = upsamplings_of(model_of(module))
    assert footprint(module) == before
    (step,) = found.values()
    assert (step.kind, step.before, step.after) == (kind, (16, 16), (32, 32))
    assert list(found) == [(32, 32)]


@pytest.mark.parametrize("size", [(32, 32), (45, 60)])
def test_fastai_s_blocks_shuffle_with_icnr_whatever_the_size(size):
    model = model_of(DYNAMIC_UNETS["plain"](), size)
    found = upsamplings_of(model, levels_of(model))
    assert list(found) == [row.size for row in reversed(levels_of(model).rows)]
    assert {step.kind for step in found.values()} == {"pixel shuffle with ICNR"}


def test_a_hand_written_network_and_one_that_enlarges_its_logits():
    found = upsamplings_of(model_of(seeded(UNet)()))
    assert {size: step.kind for size, step in found.items()} == {
        (16, 16): "nearest + convolution",
        (32, 32): "nearest + convolution",
    }


class LogitsEnlarged(Up):
    def forward(self, x):
        return F.interpolate(super().forward(F.max_pool2d(x, 2)), scale_factor=2.0, mode="bilinear")


def test_logits_that_are_only_enlarged_are_bilinear():
    found = upsamplings_of(model_of(seeded(lambda: LogitsEnlarged(nn.ConvTranspose2d(8, 8, 2, 2)))()))
    assert [step.kind for step in found.values()][-1] == "bilinear"
