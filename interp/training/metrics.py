"""Columns of the training log."""

from __future__ import annotations

from typing import Any

from fastai.learner import Metric
from fastai.torch_core import find_bs

from interp.training.perceptual import PerceptualLoss


class LossTerm(Metric):  # type: ignore[misc]  # fastai is not typed
    """The mean over the pictures of one term of the learner's loss, without computing it again.

    The course's LossMetrics: the loss keeps the terms of its last batch, this adds them up.

    Args:
        term: its name in `learner.loss_func.last`; also the column's.

    Raises:
        ValueError: when it accumulates, the learner's loss keeps no such term.

    Example:
        >>> loss = PerceptualLoss()
        >>> Learner(dls, network, loss_func=loss, metrics=loss_terms(loss))
    """

    def __init__(self, term: str) -> None:
        self.term = term
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self._total, self._count = 0.0, 0

    def accumulate(self, learn: Any) -> None:
        """Add the last batch."""
        kept = getattr(learn.loss_func, "last", {})
        if self.term not in kept:
            raise ValueError(
                f"{type(learn.loss_func).__name__} keeps no term {self.term!r}; "
                f"it has {', '.join(kept) or 'none'}."
            )
        pictures = find_bs(learn.yb)
        self._total += learn.to_detach(kept[self.term]) * pictures
        self._count += pictures

    @property
    def value(self) -> Any:
        """The mean so far, None before the first batch."""
        return self._total / self._count if self._count else None

    @property
    def name(self) -> str:
        """The column's name."""
        return self.term


def loss_terms(loss: PerceptualLoss) -> list[LossTerm]:
    """Return a metric for each term of the loss, in order."""
    return [LossTerm(name) for name in loss.names]
