"""One door for everything: names, folders, modules, pickles; and sentences for all else."""

import pickle
import random

import numpy as np
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

import interp
from interp.models import ImageModel, ModelError, available
from interp.models.sources import first_channels

SMALL = interp.Preprocess((33, 35), (0.5,) * 3, (0.5,) * 3)


class Evil:
    """A pickle that touches a file when it is opened."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return self.marker.touch, ()


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """A machine with no way out and nothing downloaded before."""
    import socket
    import urllib.error
    import urllib.request

    def refuse(*args, **kwargs):
        raise urllib.error.URLError("no internet")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr(torch.hub, "urlopen", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def squeezenet():
    torch.manual_seed(0)
    return torchvision.models.squeezenet1_1(weights=None)


@pytest.mark.parametrize("name", ["torchvision:squeezenet1_1", "timm:resnet18"])
def test_without_internet_there_is_one_sentence_with_the_alternative(offline, name):
    with pytest.raises(ModelError, match="could not be downloaded") as caught:
        interp.load(name)
    assert "'efficientnet_lite0', which needs none, or weights=None, or weights=FILE" in str(caught.value)


def test_without_internet_the_rest_works(offline):
    assert interp.load().predict([torch.zeros(3, 20, 20)])
    assert interp.load("torchvision:squeezenet1_1", weights=None).labels.names == ()
    assert interp.load("timm:test_resnet", weights=None).architecture.name == "test_resnet"


@pytest.mark.parametrize("name", ["torchvision:fcn_resnet50", "torchvision:lraspp_mobilenet_v3_large"])
@pytest.mark.slow
def test_segmentation_networks_fetch_no_backbone(offline, name):
    model = interp.load(name, weights=None)
    assert model.task == "segmentation"
    assert model.logits(torch.zeros(1, 3, 64, 64)).shape == (1, 21, 64, 64)


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("resnet34", "torchvision:resnet34 or timm:resnet34"),
        ("torchvision:resnet43", "resnet34"),
        ("timm:resnet_18", "resnet18"),
        ("timm:hf-hub:evil/model", "no model"),
        ("timm:local-dir:/tmp", "no model"),
        ("torchvision:", "no model ''"),
        ("nonsense", "no such folder"),
        ("", "no model.json"),
        ("a\0b", "no such folder"),
        ("x" * 5000, "no such folder"),
        ("~nobody_of_that_name/model", "no such folder"),
        ("weights.safetensors", "no such folder"),
    ],
)
def test_unknown_names(typed, hint):
    with pytest.raises(ModelError, match=hint):
        interp.load(typed)


@pytest.mark.parametrize("thing", [5, None, b"resnet18", ["resnet18"], {}, object()])
def test_what_is_no_model(thing):
    with pytest.raises(ModelError, match="cannot be made of a"):
        interp.load(thing)


def test_every_name_is_listed():
    names = [entry.name for entry in available()]
    assert names[0] == "efficientnet_lite0"
    assert {"torchvision:resnet34", "timm:convnext_tiny"} <= set(names)
    assert len(names) == len(set(names)) > 1000
    assert [entry.name for entry in available() if entry.offline] == ["efficientnet_lite0"]


# --- modules -------------------------------------------------------------------------------------------


def test_modules_are_taken_as_they_are():
    net = squeezenet().train()
    model = interp.load(net, preprocess=SMALL, labels=["a"], name="mine", activation="sigmoid")
    assert model.module is net
    assert (model.name, model.activation, model.labels.names, model.preprocess) == (
        "mine",
        "sigmoid",
        ("a",),
        SMALL,
    )
    assert net.training
    assert model.origin is None
    assert interp.load(model) is model
    other = interp.load(model, name="other")
    assert (other.name, other.module, model.name) == ("other", net, "mine")


@pytest.mark.parametrize(
    "wrap",
    [
        torch.compile,
        nn.DataParallel,
        lambda net: torch.compile(nn.DataParallel(net)),
        lambda net: nn.DataParallel(torch.compile(net)),
        lambda net: nn.DataParallel(nn.DataParallel(net)),
    ],
    ids=["compiled", "parallel", "compiled parallel", "parallel compiled", "twice"],
)
def test_wrappers_come_off(wrap):
    net = squeezenet()
    assert interp.load(wrap(net), preprocess=SMALL).module is net


def test_the_task_is_seen_from_the_output():
    assert interp.load(nn.Conv2d(3, 5, 1), preprocess=SMALL).task == "segmentation"
    assert interp.load(squeezenet(), preprocess=SMALL).task == "classification"
    assert interp.load(nn.Conv2d(3, 3, 1), preprocess=SMALL, task="image").task == "image"


def test_channels_are_seen_from_the_first_convolution():
    assert first_channels(nn.Linear(3, 3)) == 3
    assert interp.load(nn.Conv2d(1, 2, 3)).preprocess.channels == 1
    grey = interp.load(timm.create_model("test_resnet", in_chans=1))
    assert grey.preprocess.channels == 1
    assert grey.preprocess.size == interp.load(timm.create_model("test_resnet")).preprocess.size


@pytest.mark.parametrize(
    "net",
    [nn.Conv2d(5, 3, 3), nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(2 * 31 * 33, 4))],
    ids=["five channels", "fixed size"],
)
def test_a_module_that_does_not_run_on_the_assumed_input_says_what_to_give(net):
    with pytest.raises(ModelError, match=r"Say what it takes: load.*preprocess="):
        interp.load(net)


def test_given_its_size_it_runs():
    net = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(2 * 31 * 33, 4))
    assert interp.load(net, preprocess=SMALL).logits(torch.zeros(2, 3, 33, 35)).shape == (2, 4)


def test_a_device_that_is_not_there():
    with pytest.raises(ModelError, match="is not there"):
        interp.load("efficientnet_lite0", device="nonsense")


# --- weights -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".safetensors", ".pth", ".pt"])
@pytest.mark.parametrize("name", ["torchvision:squeezenet1_1", "timm:test_resnet", "efficientnet_lite0"])
def test_weights_from_a_file(tmp_path, name, ending):
    wanted = interp.load(name, weights=None)
    path = tmp_path / f"w{ending}"
    state = wanted.module.state_dict()
    save_file(state, path) if ending == ".safetensors" else torch.save(state, path)
    model = interp.load(name, weights=path)
    assert model.weights_hash() == wanted.weights_hash()
    assert model.origin == {"source": name, "weights": str(path)}


def test_loading_trained_weights_leaves_the_callers_chance_alone(tmp_path):
    saved = interp.load("timm:test_resnet", weights=None)
    save_file(saved.module.state_dict(), tmp_path / "w.safetensors")
    saved.save(tmp_path / "folder")
    torch.manual_seed(7)
    states = random.getstate(), torch.get_rng_state(), np.random.get_state()[1].copy()
    interp.load("efficientnet_lite0")
    interp.load("timm:test_resnet", weights=tmp_path / "w.safetensors")
    interp.load(tmp_path / "folder")
    interp.models.load_folder(tmp_path / "folder")
    interp.explain("efficientnet_lite0", "sample_images/cat_small.jpg")
    with pytest.raises(ModelError, match="nor a file"):
        interp.load("timm:test_resnet", weights=tmp_path / "none.pth")
    assert random.getstate() == states[0]
    assert torch.equal(torch.get_rng_state(), states[1])
    assert (np.random.get_state()[1] == states[2]).all()


def test_untrained_weights_are_of_the_callers_seed():
    torch.manual_seed(7)
    one, other = (interp.load("timm:test_resnet", weights=None).weights_hash() for _ in range(2))
    torch.manual_seed(7)
    assert one == interp.load("timm:test_resnet", weights=None).weights_hash() != other


def test_no_weights_are_no_weights(default_model):
    untrained = interp.load("efficientnet_lite0", weights=None)
    assert untrained.weights_hash() != default_model.weights_hash()
    assert untrained.labels.names == ()
    assert interp.load("efficientnet_lite0").weights_hash() == default_model.weights_hash()


@pytest.mark.parametrize("content", [b"", b"\x00" * 9, b"PK\x03\x04", b"nonsense"])
@pytest.mark.parametrize("ending", [".safetensors", ".pth"])
def test_files_that_are_no_weights(tmp_path, ending, content):
    path = tmp_path / f"w{ending}"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="does not hold plain weights"):
        interp.load("timm:test_resnet", weights=path)


@pytest.mark.parametrize(
    "value", [{}, {"x": torch.zeros(1)}, [torch.zeros(1)], torch.zeros(2), {"model": {}}, 7]
)
def test_pickled_values_that_are_no_weights(tmp_path, value):
    torch.save(value, tmp_path / "w.pth")
    with pytest.raises(ModelError, match="does not hold plain weights"):
        interp.load("timm:test_resnet", weights=tmp_path / "w.pth")


def test_weights_that_are_nowhere():
    for weights in ("IMAGENET1K_V99", "nowhere.pth", ""):
        with pytest.raises(ModelError, match="neither 'default', an entry, None nor a file"):
            interp.load("torchvision:squeezenet1_1", weights=weights)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("way", ["torch", "pickle"])
def test_a_malicious_pickle_as_weights_is_not_run(tmp_path, way):
    marker, path = tmp_path / "ran", tmp_path / "w.pth"
    if way == "torch":
        torch.save({"x": Evil(marker)}, path)
    else:
        path.write_bytes(pickle.dumps(Evil(marker)))
    for name in ("torchvision:squeezenet1_1", "timm:test_resnet", "efficientnet_lite0"):
        with pytest.raises(ModelError, match="does not hold plain weights"):
            interp.load(name, weights=path)
    assert not marker.exists()


# --- pickles -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".pkl", ".pth", ".PT", ".ckpt", ".bin", ".joblib"])
def test_pickles_are_refused_with_the_way_out(tmp_path, ending):
    marker, path = tmp_path / "ran", tmp_path / f"m{ending}"
    path.write_bytes(pickle.dumps(Evil(marker)))
    with pytest.raises(ModelError, match=r"interp convert m.* FOLDER --architecture .* --trust-pickle"):
        interp.load(path)
    assert not marker.exists()


def test_a_trusted_module(tmp_path):
    net = squeezenet()
    torch.save(net, tmp_path / "m.pth")
    model = interp.load(tmp_path / "m.pth", trust_pickle=True, preprocess=SMALL)
    assert isinstance(model, ImageModel)
    assert model.name == "m"
    assert model.weights_hash() == interp.load(net, preprocess=SMALL).weights_hash()


def test_trusted_files_that_hold_no_model(tmp_path):
    torch.save({"a": torch.zeros(1)}, tmp_path / "weights.pth")
    with pytest.raises(ModelError, match="holds a dict, not a model"):
        interp.load(tmp_path / "weights.pth", trust_pickle=True)
    (tmp_path / "broken.pkl").write_bytes(b"\x80\x04")
    with pytest.raises(ModelError, match="cannot be unpickled"):
        interp.load(tmp_path / "broken.pkl", trust_pickle=True)
    with pytest.raises(ModelError, match="there is no file"):
        interp.load(tmp_path / "nowhere.pkl", trust_pickle=True)
