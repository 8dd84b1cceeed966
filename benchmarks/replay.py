"""Changed activations: replaying what comes after a layer against passes through the whole network."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from contestants import models, pictures
from fastai.vision.learner import create_unet_model
from results import Check, Table, arguments, ms, publish, times
from timing import interleave
from torch import nn
from torchvision.models import resnet34

from interp.capture import replay, twin

COPIES = 32
REPLAY = "replay"
REMEMBER = "replay, remembering included"
BATCH = f"one full pass of {COPIES}"
SINGLE = f"{COPIES} full passes of one"
LAYERS = {"ResNet-34": ("layer4", "layer3", "layer2"), "DynamicUnet": ("layers.7", "layers.5", "layers.3")}
UNET_SIZE = 64
NOTE = (
    "Median (quartiles) over {rounds} interleaved rounds. The full passes run the whole network and a hook "
    "puts the changed activation in the layer's place. Largest difference of the outputs: {error:.2g} of "
    "their range."
)


def unet(seed: int) -> nn.Module:
    """Return fastai's U-Net on ResNet-34 for two classes, with seeded random weights."""
    torch.manual_seed(seed)
    made: nn.Module = create_unet_model(resnet34, 2, (UNET_SIZE, UNET_SIZE), pretrained=False)
    return made.eval()


def substituted(module: nn.Module, layer: str, activation: torch.Tensor, inputs: torch.Tensor) -> Any:
    """Run all of `module` with the layer's output replaced."""
    handle = module.get_submodule(layer).register_forward_hook(
        lambda *_args: activation.clone(), prepend=True
    )
    try:
        return module(inputs)
    finally:
        handle.remove()


def ablated(activation: torch.Tensor) -> torch.Tensor:
    """Return copies of one picture's activation, each with another channel set to zero."""
    changed = activation.repeat_interleave(COPIES, 0)
    changed[torch.arange(COPIES), torch.arange(COPIES)] = 0
    return changed


def contestants(
    private: nn.Module, layer: str, picture: torch.Tensor, changed: torch.Tensor
) -> dict[str, Callable[[], Any]]:
    tail = replay(private, layer, picture)
    many = picture.expand(COPIES, -1, -1, -1)
    cases: dict[str, Callable[[], Any]] = {
        REPLAY: lambda: tail(changed),
        REMEMBER: lambda: replay(private, layer, picture)(changed),
        BATCH: lambda: substituted(private, layer, changed, many),
        SINGLE: lambda: [substituted(private, layer, one[None], picture) for one in changed],
    }
    return {name: functools.partial(_without_graph, case) for name, case in cases.items()}


def _without_graph(case: Callable[[], Any]) -> Any:
    with torch.no_grad():
        return case()


def main() -> None:
    options = arguments(__doc__ or "", seconds=60).parse_args()
    torch.set_num_threads(options.threads)
    networks = {
        "ResNet-34": (models(options.seed)["ResNet-34"].module, pictures(1, options.seed)),
        "DynamicUnet": (unet(options.seed), pictures(1, options.seed, UNET_SIZE)),
    }
    tables, checks, data = [], [], {}
    for name, (module, picture) in networks.items():
        private = twin(module)
        for layer in LAYERS[name]:
            changed = ablated(replay(private, layer, picture).activation)
            cases = contestants(private, layer, picture, changed)
            ours, full = cases[REPLAY](), cases[BATCH]()
            error = float((ours - full).abs().max() / (full.max() - full.min()))
            rounds = interleave(
                cases, seconds=options.seconds, least=options.rounds, warmup=1, seed=options.seed
            )
            rows = [(case, ms(rounds, case), times(rounds, BATCH, case, 1)) for case in cases]
            where = f"{name}, {COPIES} changed activations of {layer}, {picture.shape[-1]} px"
            columns = ("", "ms", "times faster than one full pass")
            tables.append(Table(where, columns, rows, NOTE.format(rounds=len(rounds), error=error)))
            checks.append(Check(f"{name}, {layer}: difference of the outputs", error, 1e-5))
            data[where] = {"seconds": rounds.seconds, "error": error}
    publish("replay", "Replay of what comes after a layer", tables, checks, data, options.threads)


if __name__ == "__main__":
    main()
