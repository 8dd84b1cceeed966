"""Networks that make no sense: each way to ask gives a result or a sentence, and never a map of NaN."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import interp
from interp.images import Preprocess
from interp.methods import methods
from interp.models import ImageModel
from interp.sentences import is_sentence

T = TypeVar("T")
SIZE = (16, 16)
SETTINGS = {"preprocess": Preprocess(SIZE, (0.5,) * 3, (0.5,) * 3)}


def plain(classes: int = 3) -> nn.Sequential:
    torch.manual_seed(0)
    features = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
    return nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))


class Given(nn.Module):
    """A plain network whose output is put through a function."""

    def __init__(self, give: Callable[[torch.Tensor], object]) -> None:
        super().__init__()
        self.net, self.give = plain(), give

    def forward(self, x: torch.Tensor) -> object:
        return self.give(self.net(x))


class Mean(nn.Module):
    """No parameter at all."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3))


def filled(value: float, kind: type[nn.Module] = nn.Linear) -> nn.Module:
    net = plain()
    for module in net.modules():
        if isinstance(module, kind):
            nn.init.constant_(module.weight, value)
    return net


def head(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.Flatten(), nn.Linear(channels, 3)


def flat() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE[0] * SIZE[1], 3))


ABSURD: dict[str, Callable[[], nn.Module]] = {
    "weights of NaN": lambda: filled(torch.nan, nn.Conv2d),
    "weights of infinity": lambda: filled(torch.inf),
    "weights of 1e30": lambda: filled(1e30),
    "weights of 1e38": lambda: filled(1e38, nn.Conv2d),
    "weights of 1e-40": lambda: filled(1e-40),
    "weights of zero": lambda: filled(0.0, nn.Conv2d),
    "no spatial layer": flat,
    "one class": lambda: plain(1),
    "no class": lambda: plain(0),
    "no channel": lambda: nn.Sequential(nn.Conv2d(3, 0, 1), nn.AdaptiveAvgPool2d(1), *head(0)),
    "no parameter": Mean,
    "no module": lambda: nn.Sequential(),
    "constant output": lambda: Given(lambda y: torch.ones_like(y)),
    "output cut from the input": lambda: Given(lambda y: torch.zeros(len(y), 3)),
    "rounded output": lambda: Given(torch.round),
    "argmax as output": lambda: Given(lambda y: nn.functional.one_hot(y.argmax(1), 3).float()),
    "whole numbers as output": lambda: Given(lambda y: y.argmax(1, keepdim=True)),
    "bools as output": lambda: Given(lambda y: y > 0),
    "complex output": lambda: Given(lambda y: y.to(torch.complex64)),
    "output of 1e30": lambda: Given(lambda y: 1e30 * y),
    "output of infinity": lambda: Given(lambda y: y + torch.inf),
    "nothing as output": lambda: Given(lambda y: None),
    "a text as output": lambda: Given(lambda y: "cat"),
    "a number as output": lambda: Given(lambda y: float(y.sum())),
    "output of five dimensions": lambda: Given(lambda y: y[..., None, None, None]),
    "pooled to nothing": lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(64), *head(4)),
    "another number of channels": lambda: nn.Sequential(nn.Conv2d(7, 4, 3), nn.Flatten(), nn.LazyLinear(3)),
    "lazy": lambda: nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten(), nn.LazyLinear(3)),
    "on no device": lambda: plain().to("meta"),
    "random output": lambda: Given(lambda y: y + torch.randn_like(y)),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    for number in range(2):
        Image.fromarray(generator.integers(0, 256, (20, 24, 3), np.uint8)).save(folder / f"{number}.png")
    return folder


def good_or_said(act: Callable[[], T]) -> T | None:
    """Return what an act gives, or None where it is refused by a sentence."""
    try:
        return act()
    except Exception as error:
        if not is_sentence(error):
            raise
        return None


def loaded(name: str) -> ImageModel | None:
    return good_or_said(lambda: interp.load(ABSURD[name](), **SETTINGS))


def asked(name: str) -> ImageModel:
    model = loaded(name)
    if model is None:
        pytest.skip("it is refused when it is loaded")
    return model


def finite(explanation: interp.Explanation) -> None:
    """The map has numbers, and all that is drawn and written of it is what it says."""
    assert np.isfinite(explanation.values).all()
    assert explanation.panel().size[0] > 0
    assert json.loads(explanation.to_json())


@pytest.mark.parametrize("name", ABSURD)
def test_explain(name, pictures):
    model = asked(name)
    found = good_or_said(lambda: interp.explain(model, pictures / "0.png"))
    if found is not None:
        finite(found)


@pytest.mark.parametrize("name", ABSURD)
def test_every_quick_method(name, pictures):
    model = asked(name)
    for method in methods():
        if method.quick:
            found = good_or_said(
                lambda method=method: interp.explain(model, pictures / "0.png", method=method.name)
            )
            if found is not None:
                finite(found)


@pytest.mark.parametrize("name", ABSURD)
def test_report(name, pictures, tmp_path):
    model = asked(name)
    report = good_or_said(lambda: interp.write_report(model, pictures, tmp_path / "report"))
    if report is not None:
        assert report.pictures == 2
        assert (report.folder / "index.html").exists()
        assert "NaN" not in (report.folder / "report.json").read_text()


@pytest.mark.parametrize("name", ABSURD)
def test_evaluate(name, pictures):
    model = asked(name)
    made = good_or_said(
        lambda: interp.evaluate(model, pictures, ["grad-cam", "random"], ["deletion(steps=4)"])
    )
    if made is not None:
        assert made.table.num_rows > 0
        assert made.summary() is not None


@pytest.mark.parametrize("name", ABSURD)
def test_trust(name, pictures):
    model = asked(name)
    explanation = good_or_said(lambda: interp.explain(model, pictures / "0.png"))
    if explanation is not None:
        verdict = good_or_said(lambda: interp.trust(explanation))
        assert verdict is None or str(verdict)


def test_most_are_loaded_and_some_are_explained(pictures):
    """Were all refused at the door, the tests above would test nothing."""
    models = {name: model for name in ABSURD if (model := loaded(name)) is not None}
    found = {
        name: made
        for name, model in models.items()
        if (made := good_or_said(lambda model=model: interp.explain(model, pictures / "0.png"))) is not None
    }
    assert {"weights of NaN", "no parameter", "output of 1e30"} <= models.keys()
    assert {"weights of zero", "one class", "output of 1e30"} <= found.keys()
