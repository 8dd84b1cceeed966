"""Changed activations: replaying what comes after a layer against passes through the whole network."""

from __future__ import annotations

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
LAYERS = {"ResNet-34": ("layer4", "layer3", "layer2"), "DynamicUnet": ("7", "5", "3", "0")}
UNET_SIZE = 128
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
        with torch.no_grad():
            return module(inputs)
    finally:
        handle.remove()


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
        many = picture.expand(COPIES, -1, -1, -1)
        for layer in LAYERS[name]:
            tail = replay(private, layer, picture)
            changed = tail.activation.repeat_interleave(COPIES, 0)
            changed[torch.arange(COPIES), torch.arange(COPIES)] = 0

            with torch.no_grad():
                ours, full = tail(changed), substituted(private, layer, changed, many)
            error = float((ours - full).abs().max() / (full.max() - full.min()))
            cases = {
                REPLAY: lambda tail=tail, changed=changed: _quiet(tail, changed),
                REMEMBER: lambda private=private, layer=layer, picture=picture, changed=changed: _quiet(
                    replay(private, layer, picture), changed
                ),
                BATCH: lambda private=private, layer=layer, many=many, changed=changed: substituted(
                    private, layer, changed, many
                ),
                SINGLE: lambda private=private, layer=layer, picture=picture, changed=changed: [
                    substituted(private, layer, one[None], picture) for one in changed
                ],
            }
            rounds = interleave(cases, seconds=options.seconds, least=5, warmup=1, seed=options.seed)
            rows = [(case, ms(rounds, case), times(rounds, BATCH, case, 1)) for case in cases]
            where = f"{name}, {COPIES} changed activations of {layer}, {picture.shape[-1]} px"
            columns = ("", "ms", "times faster than one full pass")
            tables.append(Table(where, columns, rows, NOTE.format(rounds=len(rounds), error=error)))
            checks.append(Check(f"{name}, {layer}: difference of the outputs", error, 1e-5))
            data[where] = {"seconds": rounds.seconds, "error": error}
    publish("replay", "Replay of what comes after a layer", tables, checks, data, options.threads)


def _quiet(tail: Any, changed: torch.Tensor) -> Any:
    with torch.no_grad():
        return tail(changed)


if __name__ == "__main__":
    main()
