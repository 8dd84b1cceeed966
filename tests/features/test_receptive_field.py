"""The receptive field against closed forms, true gradients and published sizes."""

import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from hypothesis import example, given, settings
from hypothesis import strategies as st
from networks import Classifier, NoGradInside, Reused, SmpLike, UNet, footprint, small_dynamic_unet
from PIL import Image
from torch import nn

import interp
from interp.features import FeatureError, Paths, receptive_field, receptive_fields
from interp.features.field_passes import interval
from interp.images import Box, Preprocess
from interp.layers import LayerError


def model_of(module: nn.Module, height: int = 64, width: int | None = None) -> interp.ImageModel:
    size = height, width or height
    return interp.load(module.eval(), preprocess=Preprocess(size, (0.5,) * 3, (0.5,) * 3, fit="squish"))


def support_of_gradient(module: nn.Module, layer: str, position: tuple[int, int], side: int) -> np.ndarray:
    """Where the true gradient of one position is not zero, for networks without nonlinearity."""
    found = []
    handle = module.get_submodule(layer).register_forward_hook(lambda _m, _a, output: found.append(output))
    inputs = torch.randn(1, 3, side, side, dtype=torch.float64, requires_grad=True)
    module.double()(inputs)
    handle.remove()
    (gradient,) = torch.autograd.grad(found[-1][0, :, position[0], position[1]].sum(), inputs)
    module.float()
    return gradient[0].abs().sum(0).numpy() > 0


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([1, 2, 3, 5]),
            st.integers(1, 2),
            st.integers(1, 2),
            st.sampled_from(["conv", "max", "avg"]),
        ),
        min_size=1,
        max_size=4,
    )
)
@example([(3, 2, 1, "max"), (3, 1, 2, "conv"), (2, 2, 1, "avg")])
def test_a_chain_has_the_size_of_the_formula(chain):
    layers, size, jump = [], 1, 1
    for kernel, stride, dilation, kind in chain:
        padding = kernel // 2
        if kind == "conv":
            layers += [nn.Conv2d(3, 3, kernel, stride, dilation * padding, dilation), nn.ReLU()]
        else:
            dilation = 1
            pool = nn.MaxPool2d if kind == "max" else nn.AvgPool2d
            layers += [pool(kernel, stride, padding if kernel > 1 else 0)]
        size += (kernel - 1) * dilation * jump
        jump *= stride
    found = receptive_field(model_of(nn.Sequential(*layers), 32), len(layers) - 1)
    assert found.size == (size, size)
    assert found.stride == (jump, jump)


class Linear(nn.Module):
    """Residual, concatenated, strided and transposed, with nothing that is not linear."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.wide = nn.Conv2d(8, 8, (1, 7), padding=(0, 3), groups=4)
        self.up = nn.ConvTranspose2d(16, 8, 4, 2, 1, groups=2)
        self.last = nn.Conv2d(8, 5, 3, padding="same", dilation=2, padding_mode="zeros")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.stem(x)
        y = y - 0.3 * self.wide(y)
        y = self.up(torch.cat([y, y], 1))
        return self.last(y)


@pytest.mark.parametrize("position", [(0, 0), (0, 11), (9, 5), (23, 23), (-1, 3)])
@pytest.mark.parametrize("layer", ["stem", "wide", "up", "last"])
def test_it_is_where_the_true_gradient_is_not_zero(layer, position):
    module = Linear()
    if layer in ("stem", "wide"):
        position = tuple(int(p / 2) for p in position)
    found = receptive_field(model_of(module, 24), layer, position)
    expected = support_of_gradient(module, layer, position, 24)
    assert np.array_equal(found.weights > 0, expected)
    rows, columns = (np.flatnonzero(expected.any(axis)) for axis in (1, 0))
    assert found.box == Box(columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    assert found.weights.sum() == pytest.approx(1)


def test_a_reused_module_grows_with_every_call():
    model = model_of(Reused(), 16)
    sizes = [receptive_field(model, f"conv@{call}").size for call in range(3)]
    assert sizes == [(3, 3), (5, 5), (7, 7)]


def test_a_u_net_sees_through_its_bottom_and_not_only_through_its_skip():
    model = model_of(UNet(), 64)
    bottom = receptive_field(model, "bottom")
    # 3, then 2 × 2 pooling and 3 at each of two coarser grids.
    assert bottom.size == (18, 18)
    assert bottom.stride == (4, 4)
    out = receptive_field(model, "up1")
    assert out.size is not None
    assert out.size[0] > 18
    assert out.stride == (1, 1)
    assert receptive_field(model, "down1").size == (3, 3)
    # 96 is no power of two.
    assert receptive_field(model_of(SmpLike(), 96), "decoder").stride == (1, 1)


@pytest.mark.parametrize(
    ("name", "layer", "size", "stride"),
    [
        ("alexnet", "features.12", 195, 32),
        ("resnet18", "layer3", 211, 16),
    ],
)
def test_published_sizes(name, layer, size, stride):
    model = model_of(getattr(torchvision.models, name)(weights=None), 96)
    found = receptive_field(model, layer)
    assert found.size == (size, size)
    assert found.stride == (stride, stride)


@pytest.mark.slow
def test_the_last_convolution_of_vgg16_sees_196_pixels():
    found = receptive_field(model_of(torchvision.models.vgg16(weights=None), 224), "features.29")
    assert found.size == (196, 196)
    assert found.box == Box(22, 22, 218, 218)


class Gated(nn.Module):
    """Squeeze-and-excitation, written in one of several ways."""

    def __init__(self, pool: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.pool = pool
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.squeeze = nn.Conv2d(4, 4, 1)
        self.norm = nn.BatchNorm2d(4)
        self.out = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.hardswish(self.conv(x))
        gate = torch.sigmoid(self.norm(self.squeeze(self.pool(x))))
        x = x * gate
        return self.out(x.mul_(0.5))


@pytest.mark.parametrize(
    "pool",
    [
        lambda x: F.adaptive_avg_pool2d(x, 1),
        lambda x: F.adaptive_max_pool2d(x, (1, 1)),
        lambda x: x.mean((2, 3), keepdim=True),
        lambda x: x.mean([-1, -2], True),
        lambda x: torch.amax(x, dim=(2, 3), keepdim=True),
        lambda x: F.avg_pool2d(x, x.shape[-1]),
        lambda x: x.flatten(2).mean(2)[..., None, None],
        lambda x: x.std((2, 3), keepdim=True),
    ],
)
def test_a_gate_does_not_make_a_field_the_whole_picture(pool):
    model = model_of(Gated(pool), 24)
    assert receptive_field(model, "out", (10, 10)).box == Box(8, 8, 13, 13)
    assert receptive_field(model, "squeeze", (0, 0)).box == Box(0, 0, 24, 24)


class Attention(nn.Module):
    def __init__(self, builtin: bool) -> None:
        super().__init__()
        self.builtin = builtin
        self.stem = nn.Conv2d(3, 4, 3, 2, 1)
        self.end = nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        flat = x.flatten(2).mT
        if self.builtin:
            mixed = F.scaled_dot_product_attention(flat, flat, flat)
        else:
            mixed = torch.softmax(flat @ flat.mT, -1) @ flat
        return self.end(x + mixed.mT.reshape(x.shape))


@pytest.mark.parametrize("builtin", [True, False])
def test_behind_attention_everything_is_seen(builtin):
    found = receptive_field(model_of(Attention(builtin), 16), "end", (0, 0))
    assert found.box == Box(0, 0, 16, 16)
    assert found.size is None
    assert (found.weights > 0).all()


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (lambda x: x * torch.sigmoid(x), 3),
        (lambda x: x - x, 3),
        (lambda x: -x, 3),
        (lambda x: F.relu(x - 1e9), 3),
        (lambda x: x / x.clone().add_(1), 3),
        (lambda x: F.glu(x, 1), 3),
        (lambda x: x.half().float(), 3),
        (lambda x: F.max_pool2d(x, 3, 1, 1), 5),
        (lambda x: F.max_pool2d(x, 3, 1, 1, return_indices=True)[0], 5),
        (lambda x: torch.max(x, 1, keepdim=True)[0].expand(1, 4, -1, -1), 3),
        (lambda x: torch.maximum(x, F.pad(x, (1, 0, 1, 0))[..., :-1, :-1]), 4),
        (lambda x: F.lp_pool2d(F.pad(x, (1, 1, 1, 1)), 2, 3, 1), 5),
        (lambda x: x.detach() * 2, 3),
        (lambda x: F.interpolate(x, scale_factor=2.0)[..., ::2, ::2], 3),
    ],
)
def test_operations_in_the_open(operation, expected):
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, padding=1, bias=False)
            self.end = nn.Identity()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.end(operation(self.conv(x)))

    sys.modules[__name__].Net = Net
    box = receptive_field(model_of(Net(), 16), "end", (8, 8)).box
    assert (box.width, box.height) == (expected, expected)


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("side", [9, 10, 11])
def test_max_pools_keep_their_grid(ceil_mode, side):
    values = torch.rand(1, 2, side, side, requires_grad=True)
    options = {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": ceil_mode}
    with Paths():
        found = F.max_pool2d(values, **options)
    assert found.shape == F.max_pool2d(values, **options).shape
    (gradient,) = torch.autograd.grad(found[0, 0, -1, -1], values)
    filled = torch.zeros_like(values)
    filled[gradient != 0] = 1
    assert F.max_pool2d(filled, **options)[0, 0, -1, -1] == 1
    assert (gradient[0, 1] == 0).all()


def test_no_grad_inside_hides_nothing_and_inference_mode_is_refused():
    assert receptive_field(model_of(NoGradInside(), 16), "backbone").size == (5, 5)
    with pytest.raises(FeatureError, match="cuts the graph"):
        receptive_field(model_of(NoGradInside(torch.inference_mode), 16), "head")


def test_the_model_stays_as_it_was_and_the_callers_mode_does_not_matter():
    module = Classifier()
    model = model_of(module, 16)
    before = footprint(module)
    plain = receptive_field(model, "body")
    with torch.no_grad():
        frozen = receptive_field(model, "body")
    with torch.inference_mode():
        inferred = receptive_field(model, "body")
    assert plain.size == frozen.size == inferred.size == (5, 5)
    assert footprint(module) == before


def test_a_dynamic_unet_and_half_precision():
    unet = receptive_field(model_of(small_dynamic_unet(), 32), "layers.0", (0, 0))
    assert unet.box.width > 20
    half = interp.load(Classifier().half().eval(), preprocess=Preprocess((16, 16), (0.5,) * 3, (0.5,) * 3))
    assert receptive_field(half, "body").size == (5, 5)


def test_rows_and_columns_are_those_of_the_positions():
    fields = receptive_fields(model_of(UNet(), 16, 24), "bottom")
    assert fields.grid == (4, 6)
    for position in ((0, 0), (2, 3), (3, 5)):
        one = fields.at(position)
        assert interval(fields.row(position[0]), 1.0) == (one.box.top, one.box.bottom)
        assert interval(fields.column(position[1]), 1.0) == (one.box.left, one.box.right)


def test_the_core_holds_its_share_and_lies_inside():
    found = receptive_field(model_of(UNet(), 64), "bottom")
    core = found.core(0.8)
    inside = found.weights.sum(0)[int(core.left) : int(core.right)].sum()
    assert found.box.left <= core.left < core.right <= found.box.right
    assert 0.8 <= inside < 1
    assert found.core(1.0) == found.box


def test_pixels_of_a_picture_are_those_of_the_network():
    prepare = Preprocess((16, 32), (0.5,) * 3, (0.5,) * 3, fit="crop")
    model = interp.load(Classifier().eval(), preprocess=prepare)
    fields = receptive_fields(model, "body")
    found = fields.at((8, 8))
    # The network sees the middle half of the height, each of its pixels 10 × 10 of the picture.
    assert found.box == Box(6, 6, 11, 11)
    assert found.on((320, 320)) == Box(60, 80 + 60, 110, 80 + 110)
    assert fields.position((85, 165), (320, 320)) == (8, 8)
    with pytest.raises(FeatureError, match="outside of what the network sees"):
        fields.position((85, 10), (320, 320))


def test_what_has_no_field_says_so():
    model = model_of(Classifier(), 16)
    with pytest.raises(FeatureError, match="no grid of positions"):
        receptive_field(model, "fc")
    with pytest.raises(FeatureError, match="no position 16 along a side of 16"):
        receptive_field(model, "body", (16, 0))
    with pytest.raises(LayerError, match="no layer"):
        receptive_field(model, "nothing")


def test_the_figure_has_box_and_numbers():
    found = receptive_field(model_of(UNet(), 64), "bottom")
    figure = found.figure(Image.new("RGB", (200, 100), "grey"))
    said = " ".join(text.get_text() for text in figure.texts)
    assert "bottom, row 8, column 8" in said
    assert "18 × 18" in said


def test_a_position_without_the_larger_passes_is_the_same_but_for_size_and_stride():
    told = []
    fields = receptive_fields(
        model_of(UNet(), 16, 24), "bottom", progress=lambda *counts: told.append(counts)
    )
    quick = fields.at((2, 3), unbounded=False)
    assert told == []
    assert (quick.size, quick.stride) == (None, None)
    whole = fields.at((2, 3))
    assert quick.box == whole.box
    assert (quick.weights == whole.weights).all()
    assert whole.size is not None
    assert told == sorted(told)
    assert told[0][0] == 0
    assert all(done < total for done, total in told)
