import pytest
import timm
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st
from networks import (
    DYNAMIC_UNETS,
    REPLAYABLE,
    Beside,
    Classifier,
    Fcn,
    Reused,
    SmpLike,
    UNet,
    calls_of,
    dynamic_unet,
    hook_count,
    pictures,
    seeded,
)
from torch import nn

from interp.capture import twin
from interp.layers import LayerError, LayerTable, layer_table, main_output

_vision = torchvision.models


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Small pictures gain nothing from more, and lose much on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def table_of(model: nn.Module, side: int = 64) -> LayerTable:
    trainable = {name: p.requires_grad for name, p in model.named_parameters()}
    return layer_table(twin(model), torch.zeros(1, 3, side, side), trainable)


def stage_resolutions(table: LayerTable) -> list[int]:
    return [table[name].grid[0] for name in table.stages]


# ---- the default layer and the stages ---------------------------------------------------------------

DEFAULTS = {
    "resnet18": (lambda: _vision.resnet18(weights=None), 64, "layer4", [32, 16, 8, 4, 2]),
    "vgg16_bn": (
        lambda: _vision.vgg16_bn(weights=None, init_weights=False),
        64,
        "features.42",
        [64, 32, 16, 8, 4],
    ),
    "densenet121": (lambda: _vision.densenet121(weights=None), 64, "features", [32, 16, 8, 4, 2]),
    "mobilenet_v3_small": (
        lambda: _vision.mobilenet_v3_small(weights=None),
        64,
        "features",
        [32, 16, 8, 4, 2],
    ),
    "googlenet": (
        lambda: _vision.googlenet(weights=None, aux_logits=False, init_weights=False),
        64,
        "inception5b",
        [32, 16, 8, 4, 2],
    ),
    "inception_v3": (
        lambda: _vision.inception_v3(weights=None, init_weights=False),
        128,
        "Mixed_7c",
        None,
    ),
    "convnext": (lambda: timm.create_model("convnext_atto"), 64, "stages", [16, 8, 4, 2]),
    "efficientnet_lite0": (
        lambda: timm.create_model("tf_efficientnet_lite0"),
        64,
        "bn2",
        [32, 16, 8, 4, 2],
    ),
    "fcn_resnet50": (
        lambda: _vision.segmentation.fcn_resnet50(weights=None, weights_backbone=None, num_classes=5),
        64,
        "classifier.2",
        [32, 16, 8],
    ),
    "fcn_resnet50, aux": (
        lambda: _vision.segmentation.fcn_resnet50(
            weights=None, weights_backbone=None, num_classes=5, aux_loss=True
        ),
        64,
        "classifier.2",
        [32, 16, 8],
    ),
    "u-net": (UNet, 32, "bottom", [32, 16, 8, 16, 32]),
    "smp-like": (SmpLike, 32, "encoder.layer2", [16, 8, 4, 8, 16, 32]),
    "fcn": (Fcn, 32, "backbone", [16, 8]),
    "reused": (Reused, 16, "act", [16]),
    "fully convolutional": (Beside, 16, "left", [16]),
    **{
        f"DynamicUnet, {key}": (build, 32, "layers.3", [16, 8, 4, 2, 4, 8, 16, 32])
        for key, build in DYNAMIC_UNETS.items()
    },
    "DynamicUnet, resnet18": (dynamic_unet, 64, "layers.3", [32, 16, 8, 4, 2, 4, 8, 16, 32, 64]),
    "timm vit": (lambda: timm.create_model("vit_tiny_patch16_224", img_size=64), 64, "blocks.11.norm1", [4]),
    "torchvision vit": (
        lambda: _vision.VisionTransformer(64, 16, 2, 2, 32, 64),
        64,
        "encoder.layers.encoder_layer_1.ln_1",
        [4],
    ),
    "no convolution": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(48, 2)), 4, None, []),
    "classifier": (Classifier, 16, "relu", [16]),
}
SLOW = {
    "densenet121",
    "inception_v3",
    "vgg16_bn",
    "fcn_resnet50",
    "fcn_resnet50, aux",
    "DynamicUnet, resnet18",
}


@pytest.mark.parametrize(
    "name", [pytest.param(key, marks=pytest.mark.slow) if key in SLOW else key for key in DEFAULTS]
)
def test_default_layer_and_stages(name) -> None:
    make, side, default, resolutions = DEFAULTS[name]
    table = table_of(seeded(make)(), side)

    assert table.default == default
    assert default is None or default in table.stages
    if resolutions is not None:
        assert stage_resolutions(table) == resolutions


@pytest.mark.parametrize("name", DYNAMIC_UNETS)
def test_no_stage_of_a_u_net_is_its_logits(name) -> None:
    table = table_of(DYNAMIC_UNETS[name](), 32)

    assert all(table[stage].shape[0] != 3 for stage in table.stages)
    assert table[table.default].shape == (24, 2, 2)


@pytest.mark.parametrize("net", [UNet, SmpLike])
@pytest.mark.parametrize("classes", [1, 2, 4, 8, 16, 21])
def test_the_number_of_classes_does_not_move_the_bottleneck(net, classes) -> None:
    """Also when a stage has as many channels as there are classes; 16 is the bottleneck's own width."""
    table = table_of(seeded(lambda: net(classes))(), 32)

    if classes != 16:
        assert table.default == {UNet: "bottom", SmpLike: "encoder.layer2"}[net]
    assert not (table.default or "").startswith(("logits", "segmentation_head"))


def test_the_auxiliary_head_is_never_the_default() -> None:
    class AuxLast(Fcn):
        """The auxiliary features run after the main ones and are as coarse."""

        def __init__(self) -> None:
            super().__init__()
            self.aux_classifier = nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU(), nn.Conv2d(8, 3, 1))

    assert table_of(seeded(AuxLast)(), 32).default == "backbone"


@pytest.mark.parametrize("side", [(32, 64), (64, 32), (33, 47)])
def test_pictures_need_not_be_square(side) -> None:
    model = seeded(lambda: _vision.resnet18(weights=None, num_classes=3))()
    table = layer_table(twin(model), torch.zeros(1, 3, *side))

    assert table.default == "layer4"
    assert len(table.stages) == 5


# ---- rows -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REPLAYABLE)
def test_rows_say_what_the_network_is(name) -> None:
    build, side = REPLAYABLE[name]
    model = build()
    for i, p in enumerate(model.parameters()):
        p.requires_grad_(i % 3 > 0)
    table = table_of(model, side)
    calls = calls_of(build(), torch.zeros(1, 3, side, side))
    modules = [(key, part) for key, part in model.named_modules() if key]

    assert [(row.index, row.name) for row in table] == [(i, key) for i, (key, _) in enumerate(modules)]
    for row, (key, part) in zip(table, modules, strict=True):
        assert row.type == type(part).__name__
        assert row.parameters == sum(p.numel() for p in part.parameters())
        assert row.trainable == sum(p.numel() for p in part.parameters() if p.requires_grad)
        assert row.depth == len(key.split("."))
        assert row.calls == len(calls.get(key, []))
        if row.calls:
            shapes = [tuple(t.shape[1:]) for t in calls[key][-1]]
            assert row.shape in shapes
            assert row.spatial == (len(row.shape) == 3 and row.shape[1] * row.shape[2] > 1)
        else:
            assert row.shape is row.stage is None
    assert all(table.stages[row.stage] for row in table if row.stage is not None)


def test_trainable_follows_freezing() -> None:
    model = seeded(lambda: _vision.resnet18(weights=None, num_classes=12))()
    free = table_of(model)
    model.requires_grad_(False)
    model.fc.requires_grad_(True)
    frozen = table_of(model)

    assert free["layer1"].trainable == free["layer1"].parameters == frozen["layer1"].parameters
    assert frozen["layer1"].trainable == 0
    assert sum(row.trainable for row in frozen if row.depth == 1) == 512 * 12 + 12
    assert sum(row.parameters for row in frozen if row.depth == 1) == 11_182_668
    assert all(row.trainable == 0 for row in layer_table(twin(model), torch.zeros(1, 3, 32, 32)))


def test_tied_weights_count_wherever_they_are() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Conv2d(3, 3, 3, padding=1)
            self.b = nn.Conv2d(3, 3, 3, padding=1, bias=False)
            self.b.weight = self.a.weight

        def forward(self, x):
            return self.b(self.a(x)).mean((2, 3))

    table = table_of(Tied(), 8)

    assert (table["a"].trainable, table["b"].trainable, table["b"].parameters) == (84, 81, 81)


def test_calls_of_a_reused_module_and_of_one_that_never_runs() -> None:
    reused, beside = table_of(seeded(Reused)(), 8), table_of(seeded(Beside)(), 8)

    assert (reused["conv"].calls, reused["act"].calls, reused["fc"].calls) == (3, 3, 1)
    assert next(row for row in beside if row.name == "unused").calls == 0


def test_making_a_table_leaves_no_hook() -> None:
    private = twin(DYNAMIC_UNETS["plain"]())
    before = hook_count(private)
    with torch.inference_mode():
        layer_table(private, torch.zeros(1, 3, 32, 32))
    with pytest.raises(RuntimeError):
        layer_table(private, torch.zeros(1, 7, 32, 32))

    assert hook_count(private) == before
    assert torch.is_grad_enabled()


def test_the_main_output() -> None:
    x = pictures(1, 4)
    assert main_output({"mask": x.long(), "out": [x, x + 1]}) is x
    with pytest.raises(LayerError, match="returns a list without a floating-point tensor"):
        main_output([x.long()])


# ---- names ------------------------------------------------------------------------------------------


class Nested(nn.Module):
    """Names that could be mistaken for indices, suffixes that two layers share."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()), nn.Conv2d(4, 4, 1))
        self.tail = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU())
        self.last_relu = nn.ReLU()

    def forward(self, x):
        return self.last_relu(self.last_relu(self.tail(self.body(x)))).mean((2, 3))


NESTED = table_of(seeded(Nested)(), 8)
STACKED = table_of(seeded(lambda: nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 1)), nn.ReLU()))(), 8)
TABLES = [NESTED, STACKED, table_of(seeded(Reused)(), 8), table_of(DYNAMIC_UNETS["plain"](), 32)]


@given(st.data())
def test_any_name_resolves_to_itself(data) -> None:
    table = data.draw(st.sampled_from(TABLES))
    row = data.draw(st.sampled_from([row for row in table if row.calls]))
    call = data.draw(st.integers(-row.calls, row.calls - 1))

    assert table.resolve(row.name) == row.name
    assert table.resolve(f"{row.name}@{call}") == f"{row.name}@{call}"
    assert table.resolve(row.index) == row.name
    assert table.resolve(row.index - len(table)) == row.name
    assert table[row.name] is table[row.index] is row
    assert table[f"{row.name}@{call}"] is row


@given(st.one_of(st.text(max_size=12), st.from_regex(r"[-@.0-9a-z²]{0,8}", fullmatch=True)))
def test_whatever_is_typed_gives_a_layer_or_a_layer_error(typed) -> None:
    for table in TABLES:
        try:
            found = table[typed].name
        except LayerError as error:
            found = str(error)
        assert found in {row.name for row in table} or found.endswith((".", "?"))


def test_shorthands() -> None:
    assert NESTED.resolve("0") == "body"
    assert NESTED.resolve("-1") == "last_relu"
    assert NESTED.resolve("-1@0") == "last_relu@0"
    assert NESTED.resolve("body.0") == "body.0"
    assert NESTED.resolve("last_relu@1") == "last_relu@1"
    assert NESTED.resolve("0.1") == "body.0.1"
    assert NESTED.resolve("0.0@0") == "body.0.0@0"
    assert [row.name for row in NESTED[:2]] == ["body", "body.0"]


def test_a_number_is_an_index_but_typed_it_may_be_a_name() -> None:
    assert [row.name for row in STACKED] == ["0", "0.0", "1"]
    assert STACKED.resolve(1) == STACKED[1].name == "0.0"
    assert STACKED.resolve("1") == "1"
    assert STACKED.resolve("2") == "1"


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("bodi", "there is no layer 'bodi'; did you mean 'body'"),
        ("lastrelu", "did you mean 'last_relu'"),
        ("0.2", "there is no layer '0.2'"),
        ("zzz", "see `interp layers`"),
        ("", "there is no layer ''"),
        ("99", "layer index 99 is outside 0 … 8"),
        ("-10", "layer index -10 is outside 0 … 8"),
        ("--5", "there is no layer '--5'"),
        ("²", "there is no layer '²'"),
        ("last_relu@2", "runs 2 times: its calls are @0 … @1"),
        ("last_relu@-3", "runs 2 times"),
        ("body@x", "there is no layer 'body@x'; did you mean 'body'"),
    ],
)
def test_errors_say_what_would_work(typed, message) -> None:
    with pytest.raises(LayerError) as caught:
        NESTED.resolve(typed)

    assert message in str(caught.value)


def test_ambiguity_and_layers_that_do_not_run() -> None:
    model = nn.Sequential()
    model.a, model.b = nn.Sequential(), nn.Sequential()
    model.a.conv, model.b.conv = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
    with pytest.raises(LayerError, match=r"2 layers end in 'conv'; did you mean 'a.conv', 'b.conv'\?"):
        table_of(model, 4).resolve("conv")
    with pytest.raises(LayerError, match="'unused' does not run"):
        table_of(seeded(Beside)(), 4).resolve("unused")
