"""Log-odds of a target: what speaks for it and against everything else."""

from __future__ import annotations

import torch

from interp.dense import RegionTarget
from interp.logits import LogitTarget
from interp.models.image_model import Activation
from interp.targets import Target


def log_odds(target: Target, output: torch.Tensor, activation: Activation) -> torch.Tensor:
    """Return `log(p / (1 − p))` of a class as its score `(B,)`; of other targets their own score.

    With a softmax this is `logit_c − log Σ_(j≠c) exp(logit_j)`. Its gradient is that of `log p` divided by
    `1 − p`: the same direction, and it does not vanish where the network is certain. With a sigmoid it is the
    logit itself. A sum of classes gets the sum of their log-odds, a region the sum over its positions. Where
    the coefficients of a sum add up to 0 it is a contrast already and stays as it is.

    Args:
        target: of one picture.
        output: `(B, classes)` or `(B, classes, H, W)`.
        activation: what makes probabilities of the logits.

    Example:
        >>> log_odds(LogitTarget(((0, 1.0),), "cat"), torch.tensor([[2.0, 1.0]]), "softmax")
        tensor([1.])
    """
    if activation != "softmax" or output.dim() < 2 or output.shape[1] < 2:
        return target(output)
    if isinstance(target, LogitTarget) and output.dim() == 2:
        if abs(sum(c for _, c in target.terms)) <= 1e-6 * sum(abs(c) for _, c in target.terms):
            return target(output)
        target(output[:1].detach())  # says which class does not exist
        return torch.stack([c * _odds(output, index) for index, c in target.terms]).sum(0)
    if isinstance(target, RegionTarget) and output.dim() == 4:
        return (_odds(output, target.index) * target.region).sum((1, 2))
    return target(output)


def _odds(output: torch.Tensor, index: int) -> torch.Tensor:
    others = torch.cat([output[:, :index], output[:, index + 1 :]], 1)
    return output[:, index] - others.logsumexp(1)
