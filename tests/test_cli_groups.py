"""`interp layers --groups`: the course's totals, runs and named networks, JSON, and mistakes."""

import json

import pytest
import torch
from command import interp

import interp as package
from interp.models import save_folder
from interp.models.architecture import of_network
from interp.models.networks import ClassifierNetwork, UNetNetwork

COURSE = ("layers", "torchvision:resnet18", "--groups", "--classes", "12", "--head", "course")
TINY = "timm:test_resnet"


@pytest.fixture(scope="module")
def course():
    done = interp(*COURSE)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(text):
    return [line.split() for line in text.splitlines()]


def test_the_courses_totals(course):
    assert rows(course)[-6:-2] == [
        ["─" * 41],
        ["unfreeze", "11,710,540", "0"],
        ["freeze_to(1)", "11,029,388", "681,152"],
        ["freeze", "543,628", "11,166,912"],
    ]
    assert course.endswith(
        "torchvision:resnet18, 12 classes, head as in the course: "
        "44 layers with 11,710,540 weights in 3 groups.\n"
    )


def test_groups_and_their_layers(course):
    found = rows(course)
    assert ["0", "body,", "lower", "683,072"] in found
    assert ["1", "body,", "upper", "10,493,440"] in found
    assert ["2", "head", "534,028"] in found
    assert ["body.layer3.0.conv1", "Conv2d", "256×14×14", "294,912"] in found
    assert ["body.layer3.0.bn1", "BatchNorm2d", "256×14×14", "512", "●"] in found
    assert ["head.8", "Linear", "12", "6,156"] in found
    assert "● stays trainable when its group is frozen" in course
    assert "relu" not in course


def test_rows_fit_eighty_columns(course):
    *tables, _ = course.splitlines()
    assert max(len(line.rstrip()) for line in tables) <= 80


@pytest.mark.slow
def test_heads_differ():
    totals = {}
    for options in ((), ("--head", "fastai"), ("--head", "course"), ("--final-batchnorm",)):
        done = interp("layers", TINY, "--groups", "--classes", "12", "--json", *options)
        totals[options] = json.loads(done.stdout)["weights"]
    plain = totals[()]
    assert list(totals.values()) == [plain, plain, plain + 524, plain + 24]


def test_json_has_groups_and_totals():
    said = json.loads(interp("layers", TINY, "--groups", "--json").stdout)
    assert [group["name"] for group in said["groups"]] == ["body", "head"]
    assert sum(group["weights"] for group in said["groups"]) == said["weights"]
    layer = said["groups"][1]["layers"][0]
    assert layer == {"name": "fc", "type": "Linear", "shape": [1000], "weights": 97_000, "is_norm": False}
    frozen = said["totals"][-1]
    assert [total["call"] for total in said["totals"]] == ["unfreeze", "freeze"]
    assert frozen["trainable"] + frozen["frozen"] == said["weights"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    torch.manual_seed(0)
    networks = {"pets": ClassifierNetwork(TINY, 3), "masks": UNetNetwork(TINY, 2, 64, 64)}
    for name, network in networks.items():
        model = package.load(
            network.build().eval(),
            preprocess=package.Preprocess((64, 64), (0.5,) * 3, (0.5,) * 3),
            architecture=of_network(network),
            name=name,
        )
        save_folder(model, root / name)
    return root


@pytest.mark.parametrize(("name", "last"), [("pets", "head"), ("masks", "decoder")])
def test_a_saved_run_has_its_groups(saved, name, last):
    done = interp("layers", saved / name, "--groups")
    assert done.returncode == 0, done.stderr
    for number, group in enumerate(("body, lower", "body, upper", last)):
        assert f" {number} {group} " in done.stdout
    assert "did not run" not in done.stdout
    assert f"{name}: " in done.stdout.splitlines()[-1]


def test_one_group_is_not_frozen():
    done = interp("layers", "timm:test_vit", "--groups")
    assert rows(done.stdout)[-3][1:] == rows(done.stdout)[-4][1:]
    assert done.stdout.rstrip().endswith("in 1 group.")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((TINY, "--classes", "3"), "--classes, --head and --final-batchnorm go with --groups."),
        ((TINY, "--head", "course"), "--classes, --head and --final-batchnorm go with --groups."),
        (
            (TINY, "--groups", "--head", "course"),
            "--head and --final-batchnorm go with --classes N, which puts a new head on MODEL.",
        ),
        (
            (TINY, "--groups", "--final-batchnorm"),
            "--head and --final-batchnorm go with --classes N, which puts a new head on MODEL.",
        ),
        (
            (TINY, "--groups", "--classes", "3", "--head", "keras"),
            "--head keras: give one of course, fastai.",
        ),
        ((TINY, "--groups", "--classes", "0"), "the network's classes is 0; give 1 … 100000."),
        (
            ("pets", "--groups", "--classes", "3"),
            "--classes puts a new head on a named network, and pets is a model with a head of its own; leave "
            "--classes out.",
        ),
        (
            ("test_resnet", "--groups", "--classes", "3"),
            "there is no model 'test_resnet'; did you mean timm:test_resnet?",
        ),
        (
            ("timm:test_vit", "--groups", "--classes", "3"),
            "VisionTransformer cannot be a backbone: it has no convolutional body that ends in a feature "
            "map. Use efficientnet_lite0, torchvision:resnet34, timm:convnext_tiny or another convolutional "
            "one.",
        ),
    ],
)
def test_a_mistake_is_one_sentence(saved, monkeypatch, arguments, sentence):
    monkeypatch.chdir(saved)
    done = interp("layers", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"interp: {sentence}\n"
