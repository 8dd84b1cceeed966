"""CAM and the Grad-CAM family: a weighted sum of a layer's channels.

`A` is the activation `(B, C, h, w)`, `g = ∂s/∂A` its gradient. Every map is raw: signed, not normalised,
before the ReLU that some papers end with, which the views apply.
"""

from __future__ import annotations

import torch

from interp.methods.registry import method


def grid_of(tensor: torch.Tensor) -> tuple[int, ...]:
    """Return the dimensions of the grid of `(B, C, *grid)`: two for pictures, one for signals."""
    return tuple(range(2, tensor.dim()))


def _weighted(weights: torch.Tensor, activation: torch.Tensor) -> torch.Tensor:
    """Return `Σ_k w_k A_k` for channel weights `(B, C)`."""
    return torch.einsum("bc,bc...->b...", weights, activation)


@method(
    "cam",
    "CAM",
    family="cam",
    needs="head",
    display="signed",
    formula="Σ_k w_k A_k",
    paper="Zhou et al., Learning Deep Features for Discriminative Localization, CVPR 2016",
)
def cam(activation: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return `Σ_k w_k A_k` with the linear head's weights `(B, C)` of the target.

    Its mean over the positions is the score without the bias. Only for networks that end in global
    average pooling and one linear layer.
    """
    return _weighted(weights, activation)


@method(
    "grad-cam",
    "Grad-CAM",
    family="cam",
    needs="gradients",
    display="positive",
    formula="relu(Σ_k mean(g_k) A_k)",
    paper="Selvaraju et al., Grad-CAM, ICCV 2017",
)
def grad_cam(activation: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Return `Σ_k mean(g_k) A_k`: CAM / (h·w) on a network where CAM exists."""
    return _weighted(gradient.mean(grid_of(gradient)), activation)


@method(
    "grad-cam-course",
    "Grad-CAM (course)",
    family="cam",
    needs="gradients",
    display="signed",
    formula="mean_k(mean(g_k) A_k)",
    paper="fast.ai Practical Deep Learning 2019, lesson 6",
)
def grad_cam_course(activation: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Return `mean_k(mean(g_k) A_k)`: Grad-CAM before its ReLU, divided by the number of channels."""
    return grad_cam(activation, gradient) / activation.shape[1]


@method(
    "grad-cam-plus-plus",
    "Grad-CAM++",
    family="cam",
    needs="gradients",
    display="positive",
    formula="relu(Σ_k w_k A_k), w_k = Σ_ij relu(g_kij) / (2 + g_kij Σ_ab A_kab)",
    paper="Chattopadhay et al., Grad-CAM++, WACV 2018",
)
def grad_cam_plus_plus(activation: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Return `Σ_k w_k A_k` with `w_k = Σ_ij α_kij relu(g_kij)`, `α = g² / (2 g² + g³ Σ_ab A_kab)`.

    `g²` is cancelled, so no epsilon decides what a small gradient is worth. The paper assumes activations
    of a ReLU, whose denominator is at least 2; where other activations make it 0 or less, `α` has no
    meaning and the position weighs 0. The normalised map, too, depends on the unit of the target: that of
    twice the score is another.
    """
    denominator = 2 + gradient * activation.sum(grid_of(activation), keepdim=True)
    weights = torch.where(denominator > 0, gradient.clamp(min=0) / denominator, 0)
    return _weighted(weights.sum(grid_of(activation)), activation)


@method(
    "hires-cam",
    "HiResCAM",
    family="cam",
    needs="gradients",
    display="signed",
    formula="Σ_k g_k ⊙ A_k",
    paper="Draelos & Carin, Use HiResCAM instead of Grad-CAM, 2020 (arXiv 2011.08891)",
)
def hires_cam(activation: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Return `Σ_k g_k ⊙ A_k`. Through a bias-free ReLU or max-pool tail its sum is the score."""
    return (gradient * activation).sum(1)


@method(
    "xgrad-cam",
    "XGrad-CAM",
    family="cam",
    needs="gradients",
    display="positive",
    formula="relu(Σ_k w_k A_k), w_k = Σ_ij g_kij A_kij / Σ_ab A_kab",
    paper="Fu et al., Axiom-based Grad-CAM, BMVC 2020",
)
def xgrad_cam(activation: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Return `Σ_k w_k A_k`, `w_k` the mean of the gradient with the activation as its weight.

    A channel whose activations sum to 0 has no such mean and weighs 0.
    """
    mass = activation.sum(grid_of(activation))
    weighted = (gradient * activation).sum(grid_of(activation))
    return _weighted(torch.where(mass == 0, 0, weighted / mass), activation)


@method(
    "layer-cam",
    "LayerCAM",
    family="cam",
    needs="gradients",
    display="positive",
    formula="relu(Σ_k relu(g_k) ⊙ A_k)",
    paper="Jiang et al., LayerCAM, IEEE TIP 2021",
)
def layer_cam(activation: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Return `Σ_k relu(g_k) ⊙ A_k`; sharp on early layers too."""
    return (gradient.clamp(min=0) * activation).sum(1)
