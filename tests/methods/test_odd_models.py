"""Networks as people have them: other inputs, other outputs, wrapped, cut, broken."""

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import NamedTuple

import pytest
import torch
from nets import GENERAL, PooledLinear
from torch import nn

import interp
from interp import targets
from interp.capture import CaptureError
from interp.images import Preprocess
from interp.methods import INPUT, attribute, get
from interp.models import Architecture, ImageModel, ModelError
from interp.targets import PlaceError, TargetError

SIZE = (9, 11)
SETTINGS = {"preprocess": Preprocess(SIZE, (0.5,) * 3, (0.5,) * 3)}
METHODS = ["grad-cam", "eigen-cam", "ablation-cam", "saliency", "rise(masks=20)"]


def inputs(count=2, channels=3, size=SIZE, seed=0):
    return torch.randn(count, channels, *size, generator=torch.Generator().manual_seed(seed))


def plain(classes=4, channels=3, dims=2, seed=0):
    torch.manual_seed(seed)
    conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dims - 1]
    norm = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[dims - 1]
    pool = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)[dims - 1]
    features = nn.Sequential(conv(channels, 5, 3, padding=1), norm(5), nn.ReLU(inplace=True))
    return nn.Sequential(features, pool(1), nn.Flatten(), nn.Linear(5, classes))


class Wrapped(nn.Module):
    """Returns what `give` makes of the logits and the features."""

    def __init__(self, give):
        super().__init__()
        self.net = plain()
        self.give = give

    def forward(self, x):
        return self.give(self.net(x), x.clone())


class Named(NamedTuple):
    features: torch.Tensor
    logits: torch.Tensor


SELECTED = {
    "dict": (lambda y, a: {"features": a, "logits": y}, "logits"),
    "named tuple": (lambda y, a: Named(a, y), "logits"),
    "object": (lambda y, a: SimpleNamespace(features=a, logits=y), "logits"),
    "tuple": (lambda y, a: (a, y), 1),
    "list": (lambda y, a: [a, y], -1),
    "nested": (lambda y, a: {"all": [a, {"deep": y}]}, lambda found: found["all"][1]["deep"]),
    "first": (lambda y, a: (y, a), None),
}


@pytest.mark.parametrize("kind", SELECTED)
def test_the_part_of_the_output_that_is_meant(kind):
    give, output = SELECTED[kind]
    model = interp.load(Wrapped(give), output=output, **SETTINGS)
    wanted = interp.load(plain(), **SETTINGS)
    assert model.task == "classification"
    assert torch.equal(model.logits(inputs()), wanted.logits(inputs()))
    found = attribute(model, inputs(), 1, METHODS, ["net.0"]).maps
    other = attribute(wanted, inputs(), 1, METHODS, ["0"]).maps
    for (key, got), want in zip(found.items(), other.values(), strict=True):
        torch.testing.assert_close(got, want, msg=key[2])


def test_a_part_that_is_not_there():
    with pytest.raises(ModelError, match=r"no output='logit': it returns a dict with 'features', 'logits'"):
        interp.load(Wrapped(SELECTED["dict"][0]), output="logit", **SETTINGS)
    with pytest.raises(ModelError, match=r"no output=5: it returns a tuple of 2"):
        interp.load(Wrapped(SELECTED["tuple"][0]), output=5, **SETTINGS)
    with pytest.raises(ModelError, match="must be one tensor"):
        interp.load(Wrapped(SELECTED["nested"][0]), output="all", **SETTINGS)
    with pytest.raises(ValueError, match=r"load\(..., output=...\)"):
        interp.load(Wrapped(lambda y, a: SimpleNamespace(logits=y)), **SETTINGS)


def test_an_output_is_not_saved_and_not_forgotten(tmp_path):
    named = ImageModel(plain(), SETTINGS["preprocess"], "x", origin={"source": "x", "weights": None})
    named = replace(named, architecture=Architecture("torchvision", "resnet18"))
    model = interp.load(named, output=lambda y: y[:, :3])
    assert model.origin is None
    assert model.logits(model.blank()).shape == (1, 3)
    with pytest.raises(ModelError, match="cannot be saved: output="):
        model.save(tmp_path)


class Two(nn.Module):
    """A picture, and what is known beside it."""

    def __init__(self):
        super().__init__()
        self.net = plain()
        self.beside = nn.Linear(2, 4)

    def forward(self, x, known, scale=1.0):
        assert len(known) == len(x)
        return self.net(x) * scale + self.beside(known)


@pytest.mark.parametrize("extra", [(torch.ones(1, 2),), {"known": torch.ones(1, 2)}, (torch.ones(1, 2), 1.0)])
def test_other_inputs_stay_the_same(extra):
    model = interp.load(Two(), extra_inputs=extra, **SETTINGS)
    wanted = interp.load(plain(), **SETTINGS)
    found = attribute(model, inputs(), 1, METHODS, ["net.0"]).maps
    other = attribute(wanted, inputs(), 1, METHODS, ["0"]).maps
    for (key, got), want in zip(found.items(), other.values(), strict=True):
        if key[2] not in ("ablation-cam", "rise(masks=20)"):  # which see the score and not its gradient
            torch.testing.assert_close(got, want, msg=key[2])
    assert torch.equal(model.module.eval()(inputs(), torch.ones(2, 2)), model.logits(inputs()))


class Asked(nn.Module):
    def __init__(self):
        super().__init__()
        self.two = Two()

    def forward(self, known, image):
        return self.two(image, known)


def test_the_picture_need_not_come_first():
    model = interp.load(Asked(), extra_inputs={"known": torch.zeros(1, 2)}, **SETTINGS)
    assert attribute(model, inputs(), 1, ["grad-cam"]).maps
    with pytest.raises(ModelError, match=r"forward takes no 'question'; it takes 'known', 'image'"):
        interp.load(Asked(), extra_inputs={"question": torch.zeros(1, 2)}, **SETTINGS)


def test_missing_or_misshapen_inputs_are_told():
    with pytest.raises(ModelError, match=r"missing 1 required positional argument.*extra_inputs="):
        interp.load(Two(), **SETTINGS)
    with pytest.raises(ModelError, match=r"give it for one picture, \(1, ...\), here \(1, 2\)"):
        interp.load(Two(), extra_inputs=(torch.ones(3, 2),), **SETTINGS)


@pytest.mark.parametrize("method", GENERAL)
@pytest.mark.parametrize("dims", [1, 3])
def test_signals_and_volumes(method, dims):
    size = {1: (12,), 3: (4, 5, 6)}[dims]
    model = interp.load(plain(dims=dims, channels=2), input_shape=(2, *size))
    layer = INPUT if get(method).place == "input" else "0"
    assert model.default_layer == "0"
    found = attribute(model, inputs(channels=2, size=size), 1, [method]).maps
    assert found[0, layer, get(method).name].shape == (2, *size)
    assert all(each.isfinite().all() for each in found.values())


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_cam_is_the_same_formula_in_every_dimension(dims):
    size = {1: (12,), 2: (4, 5), 3: (4, 5, 6)}[dims]
    net = plain(dims=dims, channels=2).eval()
    model = interp.load(net, input_shape=(2, *size))
    x = inputs(channels=2, size=size)
    wanted = torch.einsum("bc...,c->b...", net[0](x), net[3].weight[1]).detach()
    found = attribute(model, x, 1, ["cam", "grad-cam"]).maps
    torch.testing.assert_close(found[0, "0", "cam"], wanted)
    torch.testing.assert_close(found[0, "0", "grad-cam"], wanted / wanted[0].numel())


def test_pictures_are_not_made_into_signals(tmp_path):
    model = interp.load(plain(dims=1, channels=2), input_shape=(2, 12))
    with pytest.raises(ModelError, match=r"takes inputs of \(2, 12\), and pictures are not made into those"):
        interp.explain(model, torch.zeros(3, 20, 20))
    with pytest.raises(ModelError, match=r"input_shape=\(channels, ...\)"):
        interp.load(plain(dims=1))
    with pytest.raises(ModelError, match="give \\(channels, length\\)"):
        interp.load(plain(), input_shape=(3, 0))


@pytest.mark.parametrize("channels", [1, 5])
def test_other_channels(channels):
    model = interp.load(plain(channels=channels), input_shape=(channels, *SIZE))
    assert attribute(model, inputs(channels=channels), 1, ["grad-cam"]).maps[0, "0", "grad-cam"].any()


class Squeezed(nn.Module):
    def __init__(self, net, dim=None):
        super().__init__()
        self.net, self.dim = net, dim

    def forward(self, x):
        return self.net(x).squeeze() if self.dim is None else self.net(x).squeeze(self.dim)


@pytest.mark.parametrize("wrap", [lambda net: net, lambda net: Squeezed(net, 1), Squeezed])
def test_one_logit(wrap):
    """`(B, 1)`, `(B,)`, or what is left by a squeeze of everything: the logit of one class."""
    net = plain(classes=1).eval()
    model = interp.load(wrap(net), labels=["ill"], **SETTINGS)
    assert model.activation == "sigmoid"
    for count in (1, 3):
        logits = model.logits(inputs(count))
        torch.testing.assert_close(logits, net(inputs(count)))
        predicted = model.ranked(logits)
        assert [(one.name, one.index) for (one,) in predicted] == [("ill", 0)] * count
        for (one,), logit in zip(predicted, logits, strict=True):
            assert one.probability == pytest.approx(float(logit.sigmoid()))
        layer = model.default_layer
        asked = attribute(model, inputs(count), None, ["grad-cam", "consensus-cam"]).maps
        logit = attribute(model, inputs(count), 0, ["grad-cam"]).maps
        assert torch.equal(asked[0, layer, "grad-cam"], logit[0, layer, "grad-cam"])
        against = attribute(model, inputs(count), targets.negative("ill"), ["grad-cam"]).maps
        assert torch.equal(against[0, layer, "grad-cam"], -logit[0, layer, "grad-cam"])


def test_two_names_for_one_logit_are_refused():
    with pytest.raises(ModelError, match=r"2 labels for the one output .* labels=\['ill'\]"):
        interp.load(plain(classes=1), labels=["well", "ill"], **SETTINGS)
    with pytest.raises(ModelError, match=r"2 labels for the one output .* labels=\['ill'\]"):
        interp.load(nn.Conv2d(3, 1, 3, padding=1), labels=["well", "ill"], **SETTINGS)


def test_several_classes_at_once():
    model = interp.load(plain(), activation="sigmoid", labels=list("abcd"), **SETTINGS)
    logits = model.logits(inputs(1))
    (ranked,) = model.ranked(logits)
    assert [one.probability for one in ranked] == pytest.approx(
        logits[0].sigmoid().sort().values.tolist()[::-1]
    )
    found = attribute(model, inputs(1), targets.several("a", "d"), ["grad-cam"])
    assert len(found.maps) == 2


@pytest.mark.parametrize("last", [nn.Softmax(1), nn.Sigmoid()])
def test_probabilities_are_not_made_of_probabilities(last):
    model = interp.load(nn.Sequential(plain(), last), **SETTINGS)
    assert model.activation == "none"
    values = model.logits(inputs(1))
    assert [one.probability for one in model.ranked(values)[0]] == values[0].sort().values.tolist()[::-1]


def test_a_segmentation_with_one_class():
    net = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.ReLU(), nn.Conv2d(5, 1, 1))
    with torch.no_grad():
        net[2].bias.fill_(0.0)
    model = interp.load(net, labels=["road"], **SETTINGS)
    x = inputs(1)
    logits = model.logits(x)
    assert (model.task, model.activation) == ("segmentation", "sigmoid")
    assert (logits > 0).any()
    assert (logits < 0).any()
    (target,) = attribute(model, x, None, ["grad-cam"]).targets[0]
    assert torch.equal(target.region, logits[0, 0] > 0)
    with torch.no_grad():
        net[2].bias.fill_(-100.0)
    with pytest.raises(PlaceError, match="predicted nowhere"):
        attribute(interp.load(net, labels=["road"], **SETTINGS), x, None, ["grad-cam"])


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_autocast_of_the_caller_does_not_reach_the_maps(kind):
    model = interp.load(plain(), **SETTINGS)
    methods = [name for name in GENERAL if get(name).place == "layer"]
    wanted = attribute(model, inputs(), 1, methods).maps
    with torch.autocast("cpu", dtype=kind):
        found = attribute(model, inputs(), 1, methods).maps
        logits = model.logits(inputs())
    assert logits.dtype == torch.float32
    for key, want in wanted.items():
        assert found[key].dtype == torch.float32
        torch.testing.assert_close(found[key], want, msg=key[2])


@pytest.mark.parametrize(
    "wrap",
    [nn.DataParallel, lambda net: nn.DataParallel(nn.DataParallel(net))],
)
def test_wrapped_networks_are_what_is_in_them(wrap):
    model = interp.load(wrap(plain()), **SETTINGS)
    wanted = attribute(interp.load(plain(), **SETTINGS), inputs(), 1, ["grad-cam"]).maps
    assert torch.equal(attribute(model, inputs(), 1, ["grad-cam"]).maps[0, "0", "grad-cam"], *wanted.values())


@pytest.mark.slow
def test_compiled_in_place():
    net = plain()
    net.compile(backend="eager")
    net(inputs())
    assert attribute(interp.load(net, **SETTINGS), inputs(), 1, ["grad-cam"]).maps[0, "0", "grad-cam"].any()


def test_torchscript_is_refused():
    with pytest.raises(CaptureError, match="Load the Python model"):
        interp.load(torch.jit.script(plain()), **SETTINGS)


class Detached(nn.Module):
    def __init__(self, mode):
        super().__init__()
        self.net, self.mode = plain(), mode

    def forward(self, x):
        if self.mode is None:
            return self.net(x).detach()
        with self.mode():
            return self.net(x)


@pytest.mark.parametrize("mode", [None, torch.no_grad, torch.inference_mode])
def test_a_cut_graph_is_told_and_other_methods_work(mode):
    model = interp.load(Detached(mode), **SETTINGS)
    assert model.default_layer == "net.0"
    with pytest.raises(CaptureError, match=r"carries no gradient.* activation-abs, ablation-cam"):
        attribute(model, inputs(), 1, ["grad-cam"])
    found = attribute(model, inputs(), 1, ["activation-abs", "ablation-cam", "rise(masks=20)"]).maps
    assert all(each.any() for each in found.values())


@pytest.mark.parametrize(
    ("value", "precision", "said"),
    [
        (float("nan"), torch.float32, "Its weights may be broken"),
        (float("inf"), torch.float32, "for picture 0, 1 of the batch"),
        (float("nan"), torch.bfloat16, r"computes in bfloat16: try model.float\(\)"),
    ],
)
def test_an_output_that_is_no_number(value, precision, said):
    net = plain().to(precision)
    with torch.no_grad():
        net[3].bias[2] = value
    model = interp.load(net, **SETTINGS)
    with pytest.raises(TargetError, match=said):
        attribute(model, inputs().to(precision), 1, ["grad-cam"])


def test_an_input_that_is_no_number():
    model = interp.load(plain(), **SETTINGS)
    x = inputs(3)
    x[1, 0, 0, 0] = torch.nan
    with pytest.raises(TargetError, match=r"for picture 1 of the batch.*The input has some already"):
        attribute(model, x, 1, ["grad-cam"])


def test_a_class_that_is_ruled_out_spoils_nothing():
    net = plain()
    with torch.no_grad():
        net[3].bias[2] = -torch.inf
    found = attribute(interp.load(net, **SETTINGS), inputs(), 1, ["grad-cam"]).maps
    assert all(each.isfinite().all() for each in found.values())


@pytest.mark.parametrize("display", ["positive", "signed", "range"])
@pytest.mark.parametrize("value", ["zero", "constant", "negative", "nan"])
def test_maps_with_nothing_in_them_say_so(display, value):
    from interp.views.scale import Scale

    values = {
        "zero": torch.zeros(3, 4),
        "constant": torch.full((3, 4), 2.0),
        "negative": -torch.arange(1.0, 13).reshape(3, 4),
        "nan": torch.full((3, 4), torch.nan),
    }[value]
    verdict = Scale.of(values, display).verdict
    wanted = {"zero": "no positive|flat", "constant": "flat", "nan": "non-finite"}
    if value == "negative" and display != "positive":
        assert verdict is None
    else:
        assert re.search(wanted.get(value, "no positive evidence"), verdict)


def test_a_model_of_its_own_precision_in_autocast_is_bfloat16():
    model = ImageModel(PooledLinear().bfloat16(), SETTINGS["preprocess"], "half")
    x = inputs().bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert model.logits(x).dtype == torch.bfloat16
        assert attribute(model, x, 1, ["grad-cam"], ["act"]).maps[0, "act", "grad-cam"].isfinite().all()


def test_input_maps_lie_on_the_input():
    model = interp.load(Wrapped(SELECTED["dict"][0]), output="logits", **SETTINGS)
    assert attribute(model, inputs(), 1, ["saliency"]).maps[0, INPUT, "saliency"].shape == (2, *SIZE)
