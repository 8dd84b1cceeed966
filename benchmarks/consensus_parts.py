"""What each part of Consensus-CAM adds: the scenes of `two_objects.py`, one part changed at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import two_objects

from interp.methods import method
from interp.methods.cam import grad_cam, hires_cam, layer_cam
from interp.methods.consensus import consensus_cam
from interp.methods.fusing import enlarged, share_of_peak
from interp.methods.registry import Asks

Tensors = Sequence[torch.Tensor]
ONES = (1.0, 1.0, 1.0, 1.0)
DOUBLING = (0.25, 0.5, 1.0, 2.0)


def variant(name: str, *, asks: Asks = "contrast", stages: int = 4) -> Callable[..., None]:
    """Register a function of the lists of activations and gradients as a method."""

    def register(function: Callable[[Tensors, Tensors], torch.Tensor]) -> None:
        method(
            name.lower().replace(" ", "-"),
            name,
            family="parts",
            needs="gradients",
            asks=asks,
            stages=stages,
            display="positive",
            formula="",
            paper="",
        )(function)

    return register


def product(
    exponents: Sequence[float], each: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = hires_cam
) -> Callable[[Tensors, Tensors], torch.Tensor]:
    """Return the product of the maps over their maxima with other exponents or another map."""

    def made(activations: Tensors, gradients: Tensors) -> torch.Tensor:
        size = max((a.shape[2:] for a in activations), key=lambda shape: shape.numel())
        result = torch.ones(len(activations[0]), *size)
        for exponent, a, g in zip(exponents[-len(activations) :], activations, gradients, strict=True):
            result = result * share(each(a, g), size) ** exponent
        return result

    return made


def share(maps: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    return enlarged(share_of_peak(maps.float()), size)


def mean(activations: Tensors, gradients: Tensors) -> torch.Tensor:
    size = activations[0].shape[2:]
    return sum(share(hires_cam(a, g), size) for a, g in zip(activations, gradients, strict=True)) / 4


def most(activations: Tensors, gradients: Tensors) -> torch.Tensor:
    size = activations[0].shape[2:]
    maps = [share(layer_cam(a, g), size) for a, g in zip(activations, gradients, strict=True)]
    return torch.stack(maps).amax(0)


def positive_gradients(activation: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    return layer_cam(activation, gradient)


variant("of the score", asks="score")(consensus_cam)
variant("exponents 1")(product(ONES))
variant("exponents ½, 1, 1, 1")(product((0.5, 1, 1, 1)))
variant("exponents ½, ½, 1, 2")(product((0.5, 0.5, 1, 2)))
variant("last stage alone", stages=1)(lambda a, g: hires_cam(a, g))
variant("last two", stages=2)(product(DOUBLING))
variant("last three", stages=3)(product(DOUBLING))
variant("all five", stages=5)(product((0.125, *DOUBLING)))
variant("Grad-CAM's weights")(product(DOUBLING, grad_cam))
variant("LayerCAM's weights")(product(DOUBLING, positive_gradients))
variant("mean, not product")(mean)
variant("LayerCAM, maximum", asks="score")(most)

if __name__ == "__main__":
    parts = ["of the score", "last stage alone", "last two", "last three", "all five", "exponents 1"]
    parts += ["exponents ½, 1, 1, 1", "exponents ½, ½, 1, 2", "Grad-CAM's weights", "LayerCAM's weights"]
    two_objects.USUAL = ("grad-cam", "consensus-cam", *parts, "mean, not product", "LayerCAM, maximum")
    two_objects.main()
