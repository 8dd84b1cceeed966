"""Methods of many passes against their peers, on the same weights and the same picture of noise."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from captum.attr import Occlusion
from contestants import CAPTUM, FORWARD, GRAD_CAM, INTERP, TORCHCAM, models, pictures, shared
from pytorch_grad_cam import AblationCAM, ScoreCAM
from pytorch_grad_cam.ablation_layer import AblationLayer
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from results import Check, Table, arguments, publish
from timing import Case, Rounds, interleave
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchcam.methods import ScoreCAM as TorchScoreCAM

import interp

CLASS = 100
PASSES = 512  # of plain forward passes, as many as RISE takes here
WINDOW, STRIDE = 45, 22  # what occlusion's 0.2 and 0.1 are at 224 pixels
LAYERS = {
    "ResNet-34": {"last": "layer4", "before": "layer3"},
    "EfficientNet-Lite0": {"last": "bn2", "before": "blocks.4"},
}


@dataclass(frozen=True)
class Duel:
    """One method at one layer: ours in two ways, and the peers."""

    title: str
    cases: Mapping[str, Case]
    required: Mapping[str, float]


def ours(model: interp.ImageModel, inputs: torch.Tensor, method: str, layer: str | None = None) -> Case:
    return functools.partial(interp.attribute, model, inputs, CLASS, [method], layer and [layer])


def peer_cam(module: nn.Module, kind: Callable[..., object], layer: str, inputs: torch.Tensor) -> Case:
    """pytorch-grad-cam, as its documentation calls it, on a copy of its own."""
    private = shared(module)
    targets = [ClassifierOutputTarget(CLASS)]

    def run() -> object:
        extra = {"ablation_layer": AblationLayer()} if kind is AblationCAM else {}
        cam = kind(private, [private.get_submodule(layer)], **extra)
        with torch.no_grad() if kind is ScoreCAM else torch.enable_grad():
            return cam.forward(inputs, targets)

    return run


def torchcam_score(module: nn.Module, layer: str, inputs: torch.Tensor) -> Case:
    private = shared(module)

    def run() -> object:
        with torch.no_grad(), TorchScoreCAM(private, layer) as cam:
            private(inputs)
            return cam(CLASS)

    return run


def captum_occlusion(module: nn.Module, inputs: torch.Tensor) -> Case:
    """As many windows as ours in one pass."""
    private = shared(module)
    window, strides = (3, WINDOW, WINDOW), (3, STRIDE, STRIDE)

    def run() -> object:
        with torch.no_grad():
            return Occlusion(private).attribute(
                inputs, window, strides, target=CLASS, perturbations_per_eval=8
            )

    return run


def plain(module: nn.Module, inputs: torch.Tensor, passes: int) -> Case:
    private = shared(module)

    def run() -> None:
        with torch.no_grad():
            for _ in range(passes // 8):
                private(inputs.expand(8, -1, -1, -1).clone())

    return run


def duels(name: str, model: interp.ImageModel, seed: int) -> list[Duel]:
    inputs, module, layers = pictures(1, seed), model.module, LAYERS[name]
    found = []
    for place, least in (("last", 100), ("before", 5)):
        layer = layers[place]
        cases = {
            INTERP: ours(model, inputs, "ablation-cam", layer),
            "interp, optimize='off'": ours(model, inputs, "ablation-cam(optimize='off')", layer),
            GRAD_CAM: peer_cam(module, AblationCAM, layer, inputs),
        }
        found.append(Duel(f"Ablation-CAM, {layer}", cases, {GRAD_CAM: least}))
    layer = layers["last"]
    cases = {
        INTERP: ours(model, inputs, "score-cam", layer),
        "interp, optimize='off'": ours(model, inputs, "score-cam(optimize='off')", layer),
        "interp, fast": ours(model, inputs, "score-cam(fast=True)", layer),
        TORCHCAM: torchcam_score(module, layer, inputs),
        GRAD_CAM: peer_cam(module, ScoreCAM, layer, inputs),
    }
    found.append(Duel(f"Score-CAM, {layer}", cases, {TORCHCAM: 1.3, "fast": 8}))
    cases = {
        INTERP: ours(model, inputs, f"occlusion(window={WINDOW}, stride={STRIDE})"),
        "interp, optimize='off'": ours(
            model, inputs, f"occlusion(window={WINDOW}, stride={STRIDE}, optimize='off')"
        ),
        CAPTUM: captum_occlusion(module, inputs),
    }
    found.append(Duel("Occlusion", cases, {CAPTUM: 1}))
    cases = {
        INTERP: ours(model, inputs, f"rise(masks={PASSES})"),
        "interp, optimize='bf16'": ours(model, inputs, f"rise(masks={PASSES}, optimize='bf16')"),
        "interp, optimize='off'": ours(model, inputs, f"rise(masks={PASSES}, optimize='off')"),
        f"{PASSES} × {FORWARD}": plain(module, inputs, PASSES),
    }
    found.append(Duel(f"RISE, {PASSES} masks", cases, {f"{PASSES} × {FORWARD}": 1}))
    return found


def flops(case: Case) -> int:
    with FlopCounterMode(display=False) as counter:
        case()
    return counter.get_total_flops()


def rows(duel: Duel, timed: Rounds, forward: int) -> list[tuple[str, ...]]:
    return [
        (
            f"{duel.title}: {case}",
            f"{timed.time(case).median / 1e3:.2f}",
            timed.ratio(case, INTERP).text(2),
            f"{flops(duel.cases[case]) / forward:.1f}",
        )
        for case in duel.cases
    ]


def checks(name: str, duel: Duel, timed: Rounds) -> list[Check]:
    found = []
    for rival, least in duel.required.items():
        case, other = ("interp, fast", TORCHCAM) if rival == "fast" else (INTERP, rival)
        found.append(
            Check(f"{name}, {duel.title}: {other} ÷ {case}", timed.ratio(other, case).median, least, True)
        )
    return found


def main() -> None:
    parser = arguments(__doc__ or "", seconds=0)
    parser.add_argument("--networks", nargs="+", default=list(LAYERS), help="of %(default)s")
    parser.set_defaults(rounds=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    tables, held, data = [], [], {}
    for name, model in models(options.seed).items():
        if name not in options.networks:
            continue
        model.logits(pictures(1, options.seed))  # the first call compares the network with its twin
        forward = flops(functools.partial(model.logits, pictures(1, options.seed)))
        lines: list[tuple[str, ...]] = []
        for duel in duels(name, model, options.seed):
            timed = interleave(duel.cases, seconds=options.seconds, least=options.rounds, warmup=0)
            lines += rows(duel, timed, forward)
            held += checks(name, duel, timed)
            data[f"{name}, {duel.title}"] = dict(timed.seconds)
        columns = (name, "s", "time, × interp", "FLOPs, × a forward pass")
        tables.append(Table(name, columns, lines, f"{options.rounds} interleaved rounds, 224 pixels."))
        tables[-1].show()
    publish("passes", "Methods of many passes", tables, held, data, options.threads)


if __name__ == "__main__":
    main()
