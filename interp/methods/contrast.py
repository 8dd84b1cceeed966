"""What is differentiated: the score as it is, or what tells the class from its rivals."""

from __future__ import annotations

import torch

from interp.dense import RegionTarget
from interp.logits import LogitTarget, SumTarget
from interp.methods.registry import Asks
from interp.models.image_model import Activation
from interp.precision import in_full
from interp.targets import Target

MARGIN = 1.0


def asked(target: Target, output: torch.Tensor, asks: Asks, activation: Activation) -> torch.Tensor:
    """Return what a method differentiates, `(B,)`: the target's score or its contrast."""
    return contrast(target, output, activation) if asks == "contrast" else target(output)


def contrast(target: Target, output: torch.Tensor, activation: Activation) -> torch.Tensor:
    """Return `logit_c − Σ_(j≠c) w_j logit_j`, `w = softmax_j(min(logit_j, logit_c + 1))`, `(B,)`.

    The weights are constants of the picture. For a class that leads they are those of the log-odds
    `log(p / (1 − p))`, whose gradient is that of `log p` over `1 − p`: what speaks for the class and against
    those that come next, without vanishing where the network is certain. A class that is far from leading
    would then be told from the leader alone, by whatever speaks against the leader; so no rival weighs more
    than e times the class itself.

    A sum of classes or of regions gets the sum of their contrasts, a region the sum over its positions. Where
    the coefficients of a sum add up to 0 it is a contrast already and stays as it is. So do callables, and
    outputs without rivals: one class, or a sigmoid for each.

    Args:
        target: of one picture.
        output: `(B, classes)` or `(B, classes, H, W)`.
        activation: what makes probabilities of the logits.

    Example:
        >>> contrast(LogitTarget(((0, 1.0),), "cat"), torch.tensor([[2.0, 1.0]]), "softmax")
        tensor([1.])
    """
    if activation != "softmax" or output.dim() < 2 or output.shape[1] < 2:
        return target(output)
    if isinstance(target, LogitTarget) and output.dim() == 2:
        if _balanced([c for _, c in target.terms]):
            return target(output)
        target(output[:1].detach())  # says which class does not exist
        return torch.stack([c * _against_rivals(output, index) for index, c in target.terms]).sum(0)
    if isinstance(target, RegionTarget) and output.dim() == 4:
        return (_against_rivals(output, target.index) * target.region).sum((1, 2))
    if isinstance(target, SumTarget) and not _balanced([c for c, _ in target.terms]):
        return torch.stack([c * contrast(each, output, activation) for c, each in target.terms]).sum(0)
    return target(output)


def _balanced(coefficients: list[float]) -> bool:
    """Whether they add up to 0, rounding aside."""
    return abs(sum(coefficients)) <= 1e-6 * sum(map(abs, coefficients))


def _against_rivals(output: torch.Tensor, index: int) -> torch.Tensor:
    output = in_full(output)
    own = output[:, index]
    others = torch.cat([output[:, :index], output[:, index + 1 :]], 1)
    weights = torch.minimum(others, own.unsqueeze(1) + MARGIN).detach().softmax(1)
    return own - (weights * others).sum(1)
