"""Transformers: tokens and channels last become (B, C, h, w) by what one pass shows, for every method."""

import math

import pytest
import timm
import torch
import torchvision
from nets import EVERY, model_of
from torch import nn

from interp.capture import twin
from interp.layers import LayerError, layer_table
from interp.methods import INPUT, MethodError, attribute, get
from interp.tokens import Layout, LayoutError, grid_of_shape, layout_of

SIZE = (32, 48)
# What changes the rules of single operations, and has none for a layer norm.
REFUSED = {"guided-backprop", "guided-grad-cam", "lrp"}


def vit(**settings):
    torch.manual_seed(0)
    small = {"img_size": SIZE, "patch_size": 8, "embed_dim": 24, "depth": 3, "num_heads": 3, "num_classes": 5}
    return timm.create_model("vit_tiny_patch16_224", **{**small, **settings})


def swin(**settings):
    torch.manual_seed(0)
    small = {"img_size": SIZE, "patch_size": 2, "window_size": 2, "embed_dim": 12, "num_classes": 5}
    small |= {"depths": (1, 1, 2), "num_heads": (1, 2, 2)}
    return timm.create_model("swin_tiny_patch4_window7_224", **{**small, **settings})


VIT, SWIN = model_of(vit(), size=SIZE), model_of(swin(), size=SIZE)
INPUTS = torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("method", EVERY)
@pytest.mark.parametrize("model", [VIT, SWIN], ids=["vit", "swin"])
def test_every_method_works_on_transformers(model, method):
    base = method.split("(")[0]
    if base in REFUSED or (base == "cam" and model is VIT):
        with pytest.raises(
            MethodError, match=r"this network has none|no rule for layer_norm|global average pooling"
        ):
            attribute(model, INPUTS, 1, [method])
        return
    found = attribute(model, INPUTS, 1, [method]).maps
    ((_, layer, _), maps) = next(iter(found.items()))
    assert maps.isfinite().all()
    assert (maps != maps[0, 0, 0]).any()
    if get(method).place == "layer":
        assert layer == model.default_layer
        grids = {model.layers[stage].grid for stage in model.layers.stages}
        assert tuple(maps.shape[1:]) in grids
    else:
        assert layer == INPUT
        assert tuple(maps.shape[1:]) == SIZE


@pytest.mark.parametrize("method", ["grad-cam", "layer-cam", "eigen-cam", "ablation-cam", "score-cam"])
@pytest.mark.parametrize("model", [VIT, SWIN], ids=["vit", "swin"])
def test_a_batch_is_its_pictures_one_by_one(model, method):
    together = attribute(model, INPUTS, [0, 3], [method]).maps[0, model.default_layer, method]
    for row, target in enumerate((0, 3)):
        alone = attribute(model, INPUTS[row : row + 1], target, [method]).maps[0, model.default_layer, method]
        torch.testing.assert_close(together[row], alone[0], rtol=1e-4, atol=1e-6)


class Tokens(nn.Module):
    """Patches with tokens before them, a normalisation, the mean of the patches, a linear head."""

    def __init__(self, prefix, last=False):
        super().__init__()
        torch.manual_seed(0)
        self.patches = nn.Conv2d(3, 6, 4, 4)
        self.before = nn.Parameter(torch.randn(1, prefix, 6))
        self.norm = nn.LayerNorm(6)
        self.fc = nn.Linear(6, 3)
        self.last = last
        self.double()

    def forward(self, x):
        x = self.patches(x)
        if self.last:
            return self.fc(self.norm(x.permute(0, 2, 3, 1)).mean((1, 2)))
        tokens = torch.cat([self.before.expand(len(x), -1, -1), x.flatten(2).transpose(1, 2)], 1)
        return self.fc(self.norm(tokens)[:, self.before.shape[1] :].mean(1))


@pytest.mark.parametrize("size", [(8, 12), (20, 8), (8, 8), (4, 12)])
@pytest.mark.parametrize("prefix", [0, 1, 2, 5, "last"])
def test_the_cam_of_tokens_in_closed_form(prefix, size):
    net = Tokens(0 if prefix == "last" else prefix, last=prefix == "last")
    model = model_of(net, size=size)
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    features = net.norm(net.patches(x).permute(0, 2, 3, 1))
    cam = features @ net.fc.weight[1]
    found = attribute(model, x, 1, ["grad-cam", "cam", "hires-cam", "ablation-cam"], ["norm"]).maps
    row = model.layers["norm"]
    assert row.grid == (size[0] // 4, size[1] // 4)
    assert row.layout.prefix == (0 if prefix == "last" else prefix)
    if prefix in (0, "last"):
        torch.testing.assert_close(found[0, "norm", "cam"], cam.float())
    for method in ("grad-cam", "hires-cam"):
        torch.testing.assert_close(found[0, "norm", method], cam.float() / math.prod(row.grid))
    score = net(x)[:, 1].abs()
    means = features.mean((1, 2))
    ablation = ((features * (net.fc.weight[1] * means / score[:, None])[:, None, None]).sum(-1)).float()
    torch.testing.assert_close(found[0, "norm", "ablation-cam"], ablation, rtol=1e-4, atol=1e-5)


def test_inputs_of_another_size_than_the_table():
    net = Tokens(1)
    model = model_of(net, size=(8, 8))
    x = torch.randn(1, 3, 12, 28, dtype=torch.float64)
    found = attribute(model, x, 1, ["grad-cam", "ablation-cam"], ["norm"]).maps[0, "norm", "grad-cam"]
    wanted = net.norm(net.patches(x).permute(0, 2, 3, 1)) @ net.fc.weight[1] / 21
    torch.testing.assert_close(found, wanted.float())


@pytest.mark.parametrize(
    ("build", "size", "default", "grid", "prefix"),
    [
        (vit, SIZE, "blocks.2.norm1", (4, 6), 1),
        (lambda: vit(global_pool="avg"), SIZE, "blocks", (4, 6), 1),
        (lambda: vit(reg_tokens=4, img_size=(16, 16)), (16, 16), "blocks.2.norm1", (2, 2), 5),
        (lambda: vit(class_token=False, global_pool="avg"), SIZE, "blocks", (4, 6), 0),
        (swin, SIZE, "norm", (4, 6), 0),
        (
            lambda: timm.create_model(
                "deit_tiny_distilled_patch16_224", img_size=32, patch_size=8, embed_dim=24, depth=2
            ),
            (32, 32),
            "blocks.1.norm1",
            (4, 4),
            2,
        ),
        (
            lambda: torchvision.models.VisionTransformer(32, 8, 2, 2, 24, 48),  # its head begins as 0
            (32, 32),
            "encoder.layers.encoder_layer_1.ln_1",
            (4, 4),
            1,
        ),
        (
            lambda: torchvision.models.SwinTransformer([2, 2], 12, [1, 1], [1, 2], [2, 2], num_classes=3),
            SIZE,
            "norm",
            (8, 12),
            0,
        ),
        (
            lambda: timm.create_model(
                "beit_base_patch16_224", img_size=32, depth=2, embed_dim=24, num_heads=2
            ),
            (32, 32),
            "blocks.1",
            (2, 2),
            1,
        ),
        (
            lambda: timm.create_model("mixer_s32_224", img_size=64),
            (64, 64),
            "norm",
            (2, 2),
            0,
        ),
    ],
    ids=["vit", "gap", "registers", "bare", "swin", "deit", "tv-vit", "tv-swin", "beit", "mixer"],
)
def test_the_default_layer_is_the_last_whose_positions_reach_the_output(build, size, default, grid, prefix):
    model = model_of(build().eval(), size=size)
    row = model.layers[model.default_layer]
    assert (row.name, row.grid, row.layout.prefix) == (default, grid, prefix)
    assert row.spatial
    assert model.layers.stages[-1] == default


def test_after_the_last_attention_the_positions_of_a_class_token_network_have_no_gradient():
    for layer in ("blocks.2", "blocks.2.norm2", "norm"):
        assert (attribute(VIT, INPUTS, 1, ["grad-cam"], [layer]).maps[0, layer, "grad-cam"] == 0).all()


def test_stages_of_hierarchies_and_hybrids():
    table = SWIN.layers
    assert [table[stage].grid for stage in table.stages] == [(16, 24), (8, 12), (4, 6)]
    hybrid = timm.create_model("vit_tiny_r_s16_p8_224", img_size=64, depth=2, embed_dim=24, num_heads=2)
    table = layer_table(twin(hybrid), torch.zeros(1, 3, 64, 64))
    assert table.default == "blocks.1.norm1"
    assert table[table.default].layout == Layout("tokens", 24, (2, 2), (64, 64), prefix=1)


def test_windows_and_heads_are_no_grids():
    for name in ("layers.0.blocks.0.attn", "layers.0.blocks.0.attn.qkv"):
        assert SWIN.layers[name].layout is None
    with pytest.raises(MethodError, match="without a grid of positions"):
        attribute(SWIN, INPUTS, 1, ["grad-cam"], ["layers.0.blocks.0.attn.qkv"])
    with pytest.raises(MethodError, match=r"'blocks\.2\.norm1'"):
        attribute(VIT, INPUTS, 1, ["grad-cam"], ["head"])


@pytest.mark.parametrize(
    ("shape", "module", "known", "before", "kind"),
    [
        ((1, 8, 8, 8), nn.Linear(8, 8), [], "first", "last"),
        ((1, 8, 8, 8), nn.Conv2d(8, 8, 1), [], "last", "first"),
        ((1, 8, 8, 8), None, [], "last", "last"),
        ((1, 8, 8, 8), None, [], "first", "first"),
        ((1, 7, 7, 768), None, [], "first", "last"),
        ((1, 768, 7, 7), None, [], "last", "first"),
        ((1, 6, 6, 7), None, [(6, 6)], "first", "last"),
    ],
)
def test_where_the_channels_are(shape, module, known, before, kind):
    assert layout_of(torch.zeros(shape), torch.zeros(1, 3, 56, 56), known, module, before).kind == kind


@pytest.mark.parametrize(
    ("tokens", "size", "known", "grid", "prefix"),
    [
        (197, (224, 224), [], (14, 14), 1),
        (50, (112, 112), [], (7, 7), 1),
        (99, (224, 112), [], (14, 7), 1),
        (9, (32, 32), [(2, 2)], (2, 2), 5),
        (9, (32, 32), [], (3, 3), 0),
        (49, (224, 224), [(14, 14)], (7, 7), 0),
        (1, (224, 224), [(14, 14)], None, 0),
        (512, (224, 224), [(14, 14)], None, 0),
    ],
)
def test_grids_of_tokens(tokens, size, known, grid, prefix):
    found = layout_of(torch.zeros(1, tokens, 5), torch.zeros(1, 3, *size), known)
    assert (found and found.grid, found.prefix if found else 0) == (grid, prefix)


@pytest.mark.parametrize("kind", ["first", "last", "tokens"])
@pytest.mark.parametrize("grid", [(5,), (2, 3), (2, 3, 4)])
def test_there_and_back(kind, grid):
    layout = Layout(kind, 6, grid, tuple(4 * side for side in grid), prefix=2 if kind == "tokens" else 0)
    shape = {"first": (6, *grid), "last": (*grid, 6), "tokens": (2 + math.prod(grid), 6)}[kind]
    output = torch.randn(3, *shape)
    features = layout.features(output, layout.size)
    assert features.shape == (3, 6, *grid)
    assert torch.equal(layout.output(features, output), output)
    assert layout.output(features.repeat_interleave(2, 0), output).shape == (6, *shape)


def test_what_is_no_grid_is_said():
    layout = Layout("tokens", 6, (2, 2), (8, 8), prefix=1)
    with pytest.raises(LayoutError, match="7 tokens are no grid"):
        layout.features(torch.zeros(1, 8, 6), (8, 8))
    with pytest.raises(LayoutError, match="another number of dimensions"):
        layout.features(torch.zeros(1, 6), (8, 8))
    assert grid_of_shape(7, (8, 8)) is None
    with pytest.raises(LayerError, match="cannot be laid out"):
        VIT.layers.features("norm", torch.zeros(1, 8, 24), SIZE)
