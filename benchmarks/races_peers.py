"""How often other libraries go wrong when two threads share one network, as those of `races.py` do.

    uv run python benchmarks/races_peers.py --races 300

Every call is written as the library's documentation writes it. A race is two methods of one library, drawn by
chance, in two threads that begin at one moment, each with a picture of its own, on a fresh copy of the
network. A result is wrong when the call fails, or when it is not what the method gives alone up to 0.1 %;
only methods that give the same twice alone take part. Beside wrong results stand the races after which the
network had other hooks, modes or weights; gradients are not counted, as a backward pass leaves them by
itself. interp runs such methods on the same networks, without fresh copies.
"""

from __future__ import annotations

import copy
import os
import random
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any

os.environ["TQDM_DISABLE"] = "1"  # the peers draw bars

import captum.attr
import numpy as np
import pytorch_grad_cam
import torch
import typer
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from races import SWITCH, block, state, together, unet
from torch import nn

from interp.methods import attribute
from interp.models import ImageModel

Explain = Callable[[nn.Module, torch.Tensor], Any]
CAMS = (
    "GradCAM",
    "GradCAMPlusPlus",
    "HiResCAM",
    "XGradCAM",
    "LayerCAM",
    "EigenCAM",
    "AblationCAM",
    "ScoreCAM",
)
CAPTUM = ("Saliency", "InputXGradient", "IntegratedGradients", "GuidedBackprop", "Deconvolution", "DeepLift")
INTERP = (
    "grad-cam",
    "grad-cam-plus-plus",
    "hires-cam",
    "xgrad-cam",
    "layer-cam",
    "eigen-cam",
    "ablation-cam",
    "score-cam",
    "saliency",
    "input-x-gradient",
    "integrated-gradients(steps=3)",
    "deep-lift",
)
CLOSE = 1e-3


class Region(nn.Module):
    """A U-Net and the sum of one class over a region, as the one score of a classifier."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)[:, 1, 4:20, 6:30].sum((1, 2))[:, None].as_subclass(torch.Tensor)


def grad_cam(layer: str, target: int) -> dict[str, Explain]:
    """pytorch-grad-cam, a `with` block for each call."""

    def explain(kind: str, module: nn.Module, inputs: torch.Tensor) -> np.ndarray:
        with getattr(pytorch_grad_cam, kind)(
            model=module, target_layers=[module.get_submodule(layer)]
        ) as cam:
            return cam(input_tensor=inputs, targets=[ClassifierOutputTarget(target)])

    return {kind: lambda module, x, kind=kind: explain(kind, module, x) for kind in CAMS}


def by_captum(layer: str, target: int) -> dict[str, Explain]:
    """Captum, an object for each call."""
    found: dict[str, Explain] = {
        kind: lambda module, x, kind=kind: getattr(captum.attr, kind)(module).attribute(
            x.clone().requires_grad_(), target=target
        )
        for kind in CAPTUM
    }
    found["LayerGradCam"] = lambda module, x: captum.attr.LayerGradCam(
        module, module.get_submodule(layer)
    ).attribute(x, target=target)
    return found


def by_interp(model: ImageModel, layer: str, target: Any) -> dict[str, Explain]:
    """interp, on the module that everybody shares."""

    def explain(method: str, inputs: torch.Tensor) -> torch.Tensor:
        (found,) = attribute(model, inputs, target, [method], [layer]).maps.values()
        return found

    return {method: lambda _, x, method=method: explain(method, x) for method in INTERP}


def main(
    races: Annotated[int, typer.Option(min=1, help="For each library and network.")] = 300, seed: int = 0
) -> None:
    """Run them and print a table in Markdown."""
    torch.set_num_threads(1)
    sys.setswitchinterval(SWITCH)
    warnings.simplefilter("ignore")
    print("| network | library | methods | races | results | wrong | of them errors | left behind |")
    print("| :--- | :--- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, make in (("block", block), ("unet", unet)):
        model, target, layer = make()
        size = model.preprocess.size
        pictures = [
            torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(number)) for number in (1, 2)
        ]
        asked = 2 if name == "block" else 0
        module = (model.module if name == "block" else Region(model.module)).eval()
        at = layer if name == "block" else f"net.{layer}"
        row(name, "pytorch-grad-cam", run(module, grad_cam(at, asked), pictures, races, seed))
        row(name, "captum", run(module, by_captum(at, asked), pictures, races, seed))
        ours = by_interp(model, layer, target)
        row(name, "interp", run(model.module, ours, pictures, races, seed, fresh=False))


def row(network: str, library: str, found: Counter[str]) -> None:
    counts = [found[key] for key in ("methods", "races", "results", "wrong", "errors", "left")]
    print("| " + " | ".join([network, library, *map(str, counts)]) + " |", flush=True)


def run(
    module: nn.Module,
    methods: Mapping[str, Explain],
    pictures: list[torch.Tensor],
    races: int,
    seed: int,
    *,
    fresh: bool = True,
) -> Counter[str]:
    """Race pairs of methods, and count what happens."""
    alone = {}
    for name, explain in methods.items():
        try:
            twice = [[explain(copy.deepcopy(module), x) for x in pictures] for _ in range(2)]
        except Exception as error:
            print(f"{name} does not work alone: {error!r:.120}", file=sys.stderr)
            continue
        if all(same(a, b) for a, b in zip(*twice, strict=True)):
            alone[name] = twice[0]
    chance, found = random.Random(seed), Counter(methods=len(alone), races=races)
    for _ in range(races):
        pair = chance.choices([*alone], k=2)
        shared = copy.deepcopy(module) if fresh else module
        before = state(shared)
        results = together([partial(methods[m], shared, pictures[n]) for n, m in enumerate(pair)])
        for number, name in enumerate(pair):
            error = isinstance(results[number], Exception)
            found["results"] += 1
            found["errors"] += error
            found["wrong"] += error or not same(results[number], alone[name][number])
        hooks, _, *rest = state(shared)
        found["left"] += (hooks, *rest) != (before[0], *before[2:])
    return found


def same(one: Any, other: Any) -> bool:
    one, other = (
        np.asarray(each.detach() if isinstance(each, torch.Tensor) else each) for each in (one, other)
    )
    return one.shape == other.shape and bool(np.abs(one - other).max() <= CLOSE * np.abs(other).max())


if __name__ == "__main__":
    typer.run(main)
