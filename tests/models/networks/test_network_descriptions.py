"""Networks as plain values: all kinds come back as they were said, and nothing else is built."""

import json

import pytest

from interp.models import Architecture, ModelError
from interp.models.architecture import of_network
from interp.models.networks import (
    NETWORKS,
    BasicCriticNetwork,
    BasicGeneratorNetwork,
    ClassifierNetwork,
    CriticNetwork,
    UNetNetwork,
    build_network,
    described,
)
from interp.models.networks.checks import between

TINY = "timm:test_resnet"
EACH = {
    "classifier": ClassifierNetwork(TINY, 3, hidden=8, bias=True, final_batchnorm=True, dropout=0),
    "unet": UNetNetwork(TINY, 2, 64, 48, blur=True, weight_norm=True, self_attention=True, low=-1, high=1),
    "critic": CriticNetwork(1, features=4, blocks=2, dropout=0.5),
    "basic_critic": BasicCriticNetwork(16, 1, features=4, extra_layers=1),
    "basic_generator": BasicGeneratorNetwork(16, 1, noise=7, features=4, extra_layers=1),
}


def shapes(network):
    return {key: value.shape for key, value in network.state_dict().items()}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_description_builds_the_network_again(name):
    network = EACH[name]
    assert described(network)[0] == name
    said, arguments = json.loads(json.dumps(described(network)))
    assert shapes(build_network(said, arguments)) == shapes(network.build())


@pytest.mark.parametrize("name", NETWORKS)
def test_an_architecture_says_the_same(name):
    architecture = of_network(EACH[name])
    assert architecture == Architecture("interp", *described(EACH[name]))
    assert shapes(architecture.build()) == shapes(EACH[name].build())


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        (
            "gan",
            {},
            r"interp has no network 'gan'; known are classifier, unet, critic, basic_critic, basic_g",
        ),
        (
            "classifier",
            {"module": "os"},
            r"the network 'classifier' has no argument module='os'; it takes ba",
        ),
        ("classifier", {"classes": "3"}, r"has no argument classes='3'; it takes backbone \(str\), classes "),
        ("classifier", {"classes": True}, r"has no argument classes=True; it takes"),
        ("classifier", {"classes": 3.0}, r"has no argument classes=3\.0; it takes"),
        ("classifier", {"dropout": True}, r"has no argument dropout=True; it takes"),
        ("classifier", {"bias": 1}, r"has no argument bias=1; it takes"),
        ("classifier", {"backbone": ["x"]}, r"has no argument backbone=\['x'\]; it takes"),
        ("classifier", {"classes": 3}, r"the network 'classifier' lacks an argument \(.*'backbone'\)\."),
        ("classifier", {"backbone": TINY, "classes": -1}, r"the network's classes is -1; give 1 … 100000\."),
        (
            "unet",
            {"backbone": "timm:hf-hub:a/b", "outputs": 2, "height": 64, "width": 64},
            "^backbone 'timm:hf-",
        ),
        (
            "classifier",
            {"backbone": "file:x", "classes": 2},
            r"^backbone 'file:x': give 'efficientnet_lite0'",
        ),
        ("classifier", {"backbone": "timm:test_rsnet", "classes": 2}, "did you mean test_resnet"),
        ("basic_critic", {"size": 24}, r"the network's size \(a power of two\) is 24"),
    ],
)
def test_anything_else_is_a_sentence(name, arguments, sentence):
    with pytest.raises(ModelError, match=sentence):
        build_network(name, arguments)


@pytest.mark.parametrize(
    ("architecture", "sentence"),
    [
        (Architecture("pickle", "x"), "the model's source 'pickle' is unknown; known are interp, offline, t"),
        (
            Architecture("timm", "test_resnet", {"pretrained": True}),
            "the model's argument pretrained=True is not one of num_classes, in_chans",
        ),
        (Architecture("timm", "test_resnet", {"num_classes": 10**6}), "with numbers of 0 … 100000"),
        (Architecture("timm", "test_resnet", {"num_classes": True}), "num_classes=True is not one of"),
        (Architecture("timm", "local-dir:x", {}), "timm has no model 'local-dir:x'"),
        (Architecture("offline", "resnet18", {}), "offline has no model 'resnet18'"),
    ],
)
def test_an_architecture_builds_only_what_is_known(architecture, sentence):
    with pytest.raises(ModelError, match=sentence):
        architecture.build()


def test_limits_include_their_ends():
    between("size", 1, 1, 2)
    between("size", 2, 1, 2)
    with pytest.raises(ModelError, match=r"^the network's size is 3; give 1 … 2\.$"):
        between("size", 3, 1, 2)
