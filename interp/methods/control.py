"""Controls: what maps look like that know nothing of the network's reasons."""

from __future__ import annotations

import torch

from interp.methods.cam import grid_of
from interp.methods.perturbing import picture
from interp.methods.probe import Probe
from interp.methods.registry import method
from interp.methods.spelling import MethodError
from interp.precision import in_full


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
    return _unless_silent(activation, _uniform(activation.shape[2:], seed).to(activation))


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


@method(
    "centre",
    "Centre",
    family="control",
    needs="activations",
    display="positive",
    formula="exp(−(x² + y²) / 2σ²), x, y ∈ (−1, 1)",
    paper="a control: what is owed to photographers, who put things in the middle",
)
def centre(activation: torch.Tensor, *, width: float = 0.5) -> torch.Tensor:
    """Return a Gaussian in the middle of the layer's grid, whatever the picture; for a flat layer nothing.

    Args:
        activation: of the layer.
        width: the standard deviation, in parts of half a side.
    """
    if not width > 0:
        raise MethodError(f"centre(width={width!r}): give more than 0.")
    size = activation.shape[2:]
    places = torch.meshgrid(*[(2 * torch.arange(n) + 1) / n - 1 for n in size], indexing="ij")
    distance = torch.stack([place.square() for place in places]).sum(0)
    return _unless_silent(activation, torch.exp(-distance / (2 * width**2)).to(activation))


@method(
    "edges",
    "Edges",
    family="control",
    needs="probe",
    place="input",
    targeted=False,
    display="positive",
    formula="√(Σ_c |∇x_c|²)",
    paper="Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018; a control",
)
def edges(probe: Probe) -> torch.Tensor:
    """Return what an edge detector finds: the size of the picture's own gradient.

    By central differences, its border repeated.
    """
    given = in_full(picture(probe))[0]
    found = torch.zeros_like(given[0])
    for dim, side in enumerate(given.shape[1:], start=1):
        places = torch.arange(side, device=given.device)
        after = given.index_select(dim, (places + 1).clamp(max=side - 1))
        before = given.index_select(dim, (places - 1).clamp(min=0))
        found += ((after - before) / 2).square().sum(0)
    return found.sqrt()


def _unless_silent(activation: torch.Tensor, map: torch.Tensor) -> torch.Tensor:
    """Return one map for every picture, and zeros where nothing of the layer differs from place to place."""
    flat = activation.amax(grid_of(activation)) == activation.amin(grid_of(activation))
    return torch.where(flat.all(1).reshape(-1, *[1] * map.dim()), 0, map)


def _uniform(shape: torch.Size, seed: int) -> torch.Tensor:
    # On the CPU, so that every device draws the same.
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))
