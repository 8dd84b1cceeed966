"""What each part of Consensus-CAM adds: the scenes of `two_objects.py`, one part changed at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import two_objects

from interp.methods import method, methods
from interp.methods.cam import grad_cam, hires_cam, layer_cam
from interp.methods.consensus import _mean_of_neighbours, consensus_cam
from interp.methods.fusing import enlarged, share_of_peak
from interp.methods.registry import Asks

Tensors = Sequence[torch.Tensor]
EXPONENTS = (0.25, 0.5, 1.0, 1.0)


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
    exponents: Sequence[float] = EXPONENTS,
    each: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = hires_cam,
    *,
    smooth: bool = True,
) -> Callable[[Tensors, Tensors], torch.Tensor]:
    """Return the product of the maps over their maxima with other exponents or another map."""

    def made(activations: Tensors, gradients: Tensors) -> torch.Tensor:
        size = max((a.shape[2:] for a in activations), key=lambda shape: shape.numel())
        result = torch.ones(len(activations[0]), *size)
        used = exponents[-len(activations) :]
        for before, (exponent, a, g) in enumerate(zip(used, activations, gradients, strict=True)):
            own = each(a, g).float().clamp(min=0)
            if smooth and before < len(used) - 2:
                own = _mean_of_neighbours(own)
            result = result * share(own, size) ** exponent
        return result

    return made


def share(maps: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    return enlarged(share_of_peak(maps.float()), size)


def mean(activations: Tensors, gradients: Tensors) -> torch.Tensor:
    size = activations[0].shape[2:]
    return sum(share(hires_cam(a, g), size) for a, g in zip(activations, gradients, strict=True)) / 4


variant("of the score", asks="score")(consensus_cam)
variant("last stage alone", stages=1)(lambda a, g: hires_cam(a, g))
variant("last two", stages=2)(consensus_cam)
variant("last three", stages=3)(consensus_cam)
variant("all five", stages=5)(consensus_cam)
variant("no mean of neighbours")(product(smooth=False))
variant("exponents 1, 1, 1, 1")(product((1, 1, 1, 1)))
variant("exponents ½, 1, 1, 1")(product((0.5, 1, 1, 1)))
variant("exponents ⅛, ¼, ½, 1")(product((0.125, 0.25, 0.5, 1)))
variant("exponents ¼, ½, 1, 2")(product((0.25, 0.5, 1, 2)))
variant("Grad-CAM's weights")(product(each=grad_cam))
variant("LayerCAM's weights")(product(each=layer_cam))
variant("mean, not product")(mean)

if __name__ == "__main__":
    names = [each.name for each in methods() if each.family == "parts"]
    two_objects.USUAL = ("grad-cam", "consensus-cam", *names, "layer-cam(fuse='max')", "refine-cam")
    two_objects.main()
