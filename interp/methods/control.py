"""Controls: what maps look like that know nothing of the network's reasons."""

from __future__ import annotations

import torch

from interp.methods.cam import grid_of
from interp.methods.registry import method


@method(
    "random",
    "Random",
    family="control",
    needs="activations",
    display="positive",
    formula="r_ij, r ~ U(0, 1)",
    paper="a control: what a useless map looks like, and what it scores",
)
def random(activation: torch.Tensor, *, seed: int = 0) -> torch.Tensor:
    """Return noise on the layer's grid, the same for every picture; for a flat layer nothing."""
    noise = _uniform(activation.shape[2:], seed).to(activation)
    flat = activation.amax(grid_of(activation)) == activation.amin(grid_of(activation))
    silent = flat.all(1).reshape(-1, *[1] * noise.dim())
    return torch.where(silent, 0, noise)


@method(
    "random-cam",
    "Random-CAM",
    family="control",
    needs="activations",
    display="positive",
    formula="relu(Σ_k r_k A_k), r ~ U(−1, 1)",
    paper="Gildenblat et al., pytorch-grad-cam, 2021; a control",
)
def random_cam(activation: torch.Tensor, *, seed: int = 0) -> torch.Tensor:
    """Return a sum of the channels with random weights, the same for every picture.

    The harder of the two controls: it looks like a CAM, because the layer's activations do.
    """
    weights = 2 * _uniform(activation.shape[1:2], seed).to(activation) - 1
    return torch.einsum("c,bc...->b...", weights, activation)


def _uniform(shape: torch.Size, seed: int) -> torch.Tensor:
    # On the CPU, so that every device draws the same.
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))
