"""Saved folders come back bit for bit, and a hostile one gives a sentence and runs nothing."""

import json
import math
import pickle
import subprocess

import pytest
import torch
import torchvision
from safetensors.torch import load_file, save_file
from torch import nn

import interp
from interp.models import Architecture, ModelError, load_folder, save_folder

SMALL = interp.Preprocess((64, 64), (0.4, 0.5, 0.6), (0.1, 0.2, 0.3), fit="pad", interpolation="lanczos")


def assert_equal(a, b):
    assert a.weights_hash() == b.weights_hash()
    assert (a.preprocess, a.labels, a.task, a.activation, a.name) == (
        b.preprocess,
        b.labels,
        b.task,
        b.activation,
        b.name,
    )
    assert a.architecture == b.architecture
    blank = a.blank() + 0.25
    assert torch.equal(a.logits(blank), b.logits(blank))


def torchvision_net(classes=7):
    torch.manual_seed(0)
    return torchvision.models.squeezenet1_1(weights=None, num_classes=classes)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_round_trip_with_other_classes(tmp_path, dtype):
    model = interp.load(
        torchvision_net().to(dtype),
        preprocess=SMALL,
        labels=list("abcdefg"),
        activation="sigmoid",
        architecture=Architecture("torchvision", "squeezenet1_1", {"num_classes": 7}),
        name="mine",
    )
    assert model.save(tmp_path / "deep" / "model") == tmp_path / "deep" / "model"
    again = interp.load(tmp_path / "deep" / "model")
    assert_equal(model, again)
    assert again.origin == {"source": str(tmp_path / "deep" / "model"), "weights": "default"}
    again.save(tmp_path / "second")
    for name in ("model.json", "model.safetensors"):
        assert (tmp_path / "second" / name).read_bytes() == (tmp_path / "deep" / "model" / name).read_bytes()


def test_round_trip_of_timm_with_grey_input(tmp_path):
    import timm

    torch.manual_seed(0)
    net = timm.create_model("test_resnet", pretrained=False, num_classes=3, in_chans=1)
    architecture = Architecture("timm", "test_resnet", {"num_classes": 3, "in_chans": 1})
    model = interp.load(net, architecture=architecture, labels=["a", "b", "c"])
    assert model.preprocess.channels == 1
    model.save(tmp_path)
    assert_equal(model, load_folder(tmp_path))


def test_round_trip_of_the_default_model(tmp_path, default_model):
    default_model.save(tmp_path)
    again = interp.load(str(tmp_path))
    assert_equal(default_model, again)
    assert again.labels.find("tabby cat") == 281


def test_tied_weights_come_back_tied(tmp_path, monkeypatch):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3)
            self.b.weight = self.a.weight

        def forward(self, x):
            return self.b(self.a(x)).mean((2, 3))

    from interp.models import architecture

    monkeypatch.setattr(architecture, "BUILDERS", {"mine": lambda name, arguments: Tied()})
    model = interp.load(Tied(), preprocess=SMALL, architecture=Architecture("mine", "tied"))
    model.save(tmp_path)
    again = load_folder(tmp_path)
    assert again.weights_hash() == model.weights_hash()
    assert again.module.a.weight is again.module.b.weight


def test_history_is_kept_and_unsaveable_history_writes_nothing(tmp_path):
    model = interp.load(
        torchvision_net(),
        preprocess=SMALL,
        architecture=Architecture("torchvision", "squeezenet1_1", {"num_classes": 7}),
    )
    save_folder(model, tmp_path, {"epochs": 3, "loss": [1.0, 0.5]})
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert json.loads(before["model.json"])["history"] == {"epochs": 3, "loss": [1.0, 0.5]}
    with torch.no_grad():
        model.module.classifier[1].bias.add_(1)
    with pytest.raises(TypeError):
        save_folder(model, tmp_path, {"epochs": object()})
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_bare_module_says_what_it_needs_to_be_saved(tmp_path):
    with pytest.raises(ModelError, match="architecture=Architecture"):
        interp.load(torchvision_net(), preprocess=SMALL).save(tmp_path / "x")
    assert not (tmp_path / "x").exists()


# --- hostile folders ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    architecture = Architecture("torchvision", "squeezenet1_1", {"num_classes": 7})
    interp.load(torchvision_net(), preprocess=SMALL, labels=list("abcdefg"), architecture=architecture).save(
        folder
    )
    return {p.name: p.read_bytes() for p in folder.iterdir()}


@pytest.fixture
def folder(saved, tmp_path, monkeypatch):
    """A good folder to spoil, with every way out of the process watched."""

    def forbidden(*args, **kwargs):
        raise AssertionError(f"a saved model reached {args}")

    for module, name in ((subprocess, "Popen"), (pickle, "load"), (pickle, "loads"), (torch.hub, "load")):
        monkeypatch.setattr(module, name, forbidden)
    monkeypatch.setattr("urllib.request.urlopen", forbidden)
    monkeypatch.setattr("socket.create_connection", forbidden)
    for name, content in saved.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def spoil(folder, **changes):
    about = json.loads((folder / "model.json").read_text())
    for key, value in changes.items():
        if value is ...:
            about.pop(key)
        else:
            about[key] = value
    (folder / "model.json").write_text(json.dumps(about))
    return folder


def arch(source="torchvision", name="squeezenet1_1", arguments=None):
    return {
        "source": source,
        "name": name,
        "arguments": {"num_classes": 7} if arguments is None else arguments,
    }


def test_the_unspoilt_folder_loads(folder):
    assert interp.load(folder).labels.names == tuple("abcdefg")


@pytest.mark.parametrize(
    "key", ["format", "name", "architecture", "labels", "task", "activation", "preprocess"]
)
@pytest.mark.parametrize("value", [..., None, 5, -1.5, True, [], {}, "x" * 50, [[1]], {"a": {"b": []}}])
def test_missing_and_wrong_values(folder, key, value):
    fine = (key, value) in [("name", "x" * 50), ("labels", [])]
    spoil(folder, **{key: value})
    if fine:
        load_folder(folder)
    elif key == "format" and value is True:
        load_folder(folder)  # True == 1 in Python; harmless
    else:
        with pytest.raises(ModelError, match=r"model\.json|source"):
            load_folder(folder)


@pytest.mark.parametrize(
    "architecture",
    [
        arch(source="unknown"),
        arch(source="os"),
        arch(source=["torchvision"]),
        arch(source=None),
        arch(name="os.system"),
        arch(name="torchvision.models.squeezenet1_1"),
        arch(name=5),
        arch(name=["squeezenet1_1"]),
        arch("timm", "hf-hub:evil/model"),
        arch("timm", "hf_hub:evil/model"),
        arch("timm", "local-dir:/tmp"),
        arch("timm", "resnet18.hf-hub:evil/model"),
        arch("timm", "resnet18.local-dir:/tmp"),
        arch("timm", "https://example.invalid/resnet18"),
        arch("timm", "../resnet18"),
        arch("timm", 5),
        arch("timm", ""),
        arch("offline", "resnet18"),
        arch(arguments={"checkpoint_path": "x.pth"}),
        arch("timm", "test_resnet", {"pretrained": True}),
        arch("timm", "test_resnet", {"checkpoint_path": "x.pth"}),
        arch("timm", "test_resnet", {"pretrained_cfg_overlay": {"file": "x.pth"}}),
        arch(arguments={"weights": "DEFAULT"}),
        arch(arguments={"progress": True}),
        arch(arguments={"num_classes": "7"}),
        arch(arguments={"num_classes": 7.0}),
        arch(arguments={"num_classes": True}),
        arch(arguments={"num_classes": -7}),
        arch(arguments={"num_classes": 10**9}),
        arch(arguments={"num_classes": 10**30}),
        arch(arguments={"num_classes": [7]}),
        arch(arguments={"num_classes": 8}),
        arch(arguments={"aux_loss": True}),
        arch(arguments=[["num_classes", 7, 7]]),
        arch(arguments=7),
        {},
        {"source": "torchvision"},
        {"name": "squeezenet1_1", "arguments": {}},
    ],
    ids=lambda value: json.dumps(value)[:60],
)
def test_architectures_that_are_refused(folder, architecture):
    with pytest.raises(ModelError):
        load_folder(spoil(folder, architecture=architecture))


@pytest.mark.parametrize(
    "preprocess",
    [
        {"size": [0, 4], "mean": [0.5], "std": [0.5]},
        {"size": [10**9, 10**9], "mean": [0.5], "std": [0.5]},
        {"size": [8, 8], "mean": [math.nan], "std": [0.5]},
        {"size": [8, 8], "mean": [0.5], "std": [math.inf]},
        {"size": [8, 8], "mean": [0.5], "std": [0.0]},
        {"size": [8, 8], "mean": [0.5], "std": [0.5], "code": "import os"},
        {"size": "8x8", "mean": [0.5], "std": [0.5]},
    ],
)
def test_preprocessing_that_is_refused(folder, preprocess):
    with pytest.raises(ModelError, match=r"model\.json"):
        load_folder(spoil(folder, preprocess=preprocess))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00",
        b"null",
        b"[]",
        b"{",
        b'{"format": 1',
        b"\xff\xfe",
        b'{"a":' * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"format": ' + b"9" * 10_000 + b"}",
        b'{"format": 1}' + b" " * 10_000_000,
        b'{"format": 2}',
        b'{"format": NaN}',
        b'{"format": 1, "__class__": "os.system"}',
        b"\x80\x04.",
    ],
    ids=range(15),
)
def test_what_is_no_description(folder, content):
    (folder / "model.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.json"):
        load_folder(folder)


def test_an_unknown_key_is_named(folder):
    with pytest.raises(ModelError, match="unknown key 'exec'"):
        load_folder(spoil(folder, exec="x"))


@pytest.mark.parametrize("share", [0, 4, 100, 0.5, 0.999])
def test_truncated_weights(folder, saved, share):
    whole = saved["model.safetensors"]
    part = whole[: int(len(whole) * share) if isinstance(share, float) else share]
    (folder / "model.safetensors").write_bytes(part)
    with pytest.raises(ModelError, match="broken"):
        load_folder(folder)


@pytest.mark.parametrize("header", [2**62, 2**20, 0])
def test_weights_with_an_absurd_header(folder, header):
    (folder / "model.safetensors").write_bytes(header.to_bytes(8, "little") + b"{}" * 20)
    with pytest.raises(ModelError):
        load_folder(folder)


def test_weights_of_another_shape_name_or_number(folder):
    path = folder / "model.safetensors"
    good = load_file(path)
    name = "classifier.1.weight"
    for bad in (
        good | {name: good[name][:3].clone()},
        good | {"unknown": torch.zeros(1)},
        {key: value for key, value in good.items() if key != name},
        {},
    ):
        save_file(bad, path)
        with pytest.raises(ModelError, match="does not fit the architecture"):
            load_folder(folder)


@pytest.mark.parametrize("missing", ["model.json", "model.safetensors"])
def test_half_a_folder(folder, missing):
    (folder / missing).unlink()
    with pytest.raises(ModelError, match=missing.replace(".", r"\.")):
        load_folder(folder)


def test_a_pickle_under_the_name_of_safetensors_is_not_run(folder, tmp_path):
    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return marker.touch, ()

    (folder / "model.safetensors").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ModelError, match="broken"):
        load_folder(folder)
    assert not marker.exists()
