"""Ablation-CAM: a channel weighs what the score loses without it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from interp.methods.perturbing import at_least, scored
from interp.methods.probe import Probe, Tail
from interp.methods.registry import method


def _passes(options: Mapping[str, Any]) -> float:
    return 5.0


@method(
    "ablation-cam",
    "Ablation-CAM",
    family="perturbation",
    needs="probe",
    display="positive",
    formula="relu(Σ_k w_k A_k), w_k = (s − s(A without k)) / |s|",
    paper="Desai & Ramaswamy, Ablation-CAM, WACV 2020",
    passes=_passes,
)
def ablation_cam(probe: Probe, *, channels: int = 0) -> torch.Tensor:
    """Return `Σ_k w_k A_k`, `w_k` the share of the score that is lost when channel k is set to 0.

    Only what comes after the layer runs again, and a channel that is 0 everywhere not at all: its loss is 0.
    On global average pooling and a linear layer the weight is `w_k·mean(A_k) / s`. The paper divides by the
    score. Where that is negative, this would turn evidence for the target into evidence against it, so the
    weights here are divided by its size, and where it is 0 by nothing: a positive weight always means that
    the score is lower without the channel. pytorch-grad-cam runs the whole network for each channel, and
    where a layer has negative values sets the channel to −10⁷ in the place of 0.

    Args:
        probe: of one picture.
        channels: ablate only so many, those with the largest `|Σ g ⊙ A|`; the others weigh that sum, their
            loss to first order. 0 for all.
    """
    at_least("ablation-cam", "channels", channels, 0)
    with torch.inference_mode(False), torch.no_grad():
        tail = probe.tail()
        activation = tail.activation
        live = activation[0].flatten(1).any(1)
        lost = torch.zeros(len(live), dtype=activation.dtype, device=activation.device)
        numbers = live.nonzero().flatten()
        if channels and channels < len(numbers):
            lost = _first_order(probe, activation.shape[1]).to(lost)
            best = lost.abs().masked_fill(~live, -1).argsort(descending=True, stable=True)
            numbers = best[:channels]
        score, without = _without(probe, tail, activation, numbers, alike=not channels)
        lost[numbers] = (score - without).to(lost)
        weights = lost / score.abs().to(lost) if score != 0 else lost
        return torch.einsum("c,c...->...", weights, activation[0])


def _first_order(probe: Probe, channels: int) -> torch.Tensor:
    (activation,), (gradient,) = probe.recorded([probe.layer])
    return (gradient * activation).reshape(channels, -1).sum(1)


def _without(
    probe: Probe, tail: Tail, activation: torch.Tensor, numbers: torch.Tensor, *, alike: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the score of the layer as it is, and the scores without each of some channels."""

    def ablated(start: int, stop: int) -> torch.Tensor:
        changed = activation.repeat(stop - start, *[1] * (activation.dim() - 1))
        changed[torch.arange(stop - start, device=changed.device), numbers[start:stop]] = 0
        return changed

    whole = tail(activation)[0]
    return whole, scored(probe, len(numbers), ablated, tail=tail, alike=alike)
