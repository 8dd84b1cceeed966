"""Average-activation maps: what a layer answers to, whatever is asked of the output."""

from __future__ import annotations

import torch

from interp.methods.registry import method

PAPER = (
    "fast.ai Practical Deep Learning 2019, lesson 6; Zagoruyko & Komodakis, ICLR 2017 (attention transfer)"
)


@method(
    "activation-mean",
    "Mean activation",
    family="activation",
    needs="activations",
    display="range",
    formula="mean_k A_k",
    paper=PAPER,
)
def activation_mean(activation: torch.Tensor) -> torch.Tensor:
    """Return `mean_k A_k`: `(B, C, h, w)` → `(B, h, w)`, any sign."""
    return activation.mean(1)


@method(
    "activation-abs",
    "Mean absolute activation",
    family="activation",
    needs="activations",
    display="positive",
    formula="mean_k |A_k|",
    paper=PAPER,
)
def activation_abs(activation: torch.Tensor) -> torch.Tensor:
    """Return `mean_k |A_k|`: `(B, C, h, w)` → `(B, h, w)`, at least 0."""
    return activation.abs().mean(1)


@method(
    "activation-max",
    "Maximal activation",
    family="activation",
    needs="activations",
    display="range",
    formula="max_k A_k",
    paper=PAPER,
)
def activation_max(activation: torch.Tensor) -> torch.Tensor:
    """Return `max_k A_k`: `(B, C, h, w)` → `(B, h, w)`, any sign."""
    return activation.amax(1)


@method(
    "activation-l2",
    "L2 norm of activations",
    family="activation",
    needs="activations",
    display="positive",
    formula="sqrt(Σ_k A_k²)",
    paper=PAPER,
)
def activation_l2(activation: torch.Tensor) -> torch.Tensor:
    """Return `sqrt(Σ_k A_k²)`: `(B, C, h, w)` → `(B, h, w)`, at least 0."""
    return activation.square().sum(1).sqrt()
