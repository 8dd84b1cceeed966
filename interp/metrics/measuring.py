"""Judge explanations by metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from interp.explanation import Explanation
from interp.layers import main_output
from interp.methods.probe import Probe
from interp.methods.registry import INPUT, Method
from interp.methods.siblings import Siblings
from interp.methods.sooner import Copies
from interp.metrics.boxes import Boxes
from interp.metrics.registry import Metric, get
from interp.metrics.trial import Measured, Trial
from interp.metrics.truths import on_input
from interp.models import ImageModel
from interp.progress import Progress, part_of
from interp.targets import Seen, Target


def measure(
    explanation: Explanation,
    metrics: str | Metric | Sequence[str | Metric] = ("deletion", "insertion"),
    *,
    truth: npt.ArrayLike | torch.Tensor | None = None,
    progress: Progress | None = None,
) -> dict[str, Measured]:
    """Judge one explanation.

    Args:
        explanation: from `interp.explain`.
        metrics: names, with options as in `"deletion(steps=224)"`; `interp.metrics.metrics()` lists them.
        truth: where the target really is: bool, on the network's input, or `Boxes` in pixels of the picture.
            Metrics of localisation need it.
        progress: is told how far this is.

    Returns:
        what each metric says, by its name.

    Raises:
        MetricError: no such metric, or it cannot judge this explanation.

    Example:
        >>> explanation = interp.explain("efficientnet_lite0", "sample_images/cat.jpg")
        >>> measure(explanation, "deletion")["deletion"].value < 0.2
        True
    """
    asked = [get(name) for name in ([metrics] if isinstance(metrics, (str, Metric)) else metrics)]
    found = {}
    with on_trial(explanation, truth) as trial:
        for number, each in enumerate(asked):
            tell = part_of(progress or _quiet, number, len(asked))
            found[each.name] = each(replace(trial, probe=replace(trial.probe, progress=tell)))
    return found


@contextmanager
def on_trial(
    explanation: Explanation,
    truth: npt.ArrayLike | torch.Tensor | None = None,
    progress: Progress | None = None,
) -> Iterator[Trial]:
    """Yield the `Trial` of an explanation, on a twin of its network that is lent for as long.

    Args:
        explanation: from `interp.explain`.
        truth: where the target really is: bool, on the network's input, or `Boxes` in pixels of the picture.
        progress: is told how far each question is.

    Example:
        >>> explanation = interp.explain("efficientnet_lite0", "sample_images/cat.jpg")
        >>> with on_trial(explanation) as trial:
        ...     deletion = interp.metrics.get("deletion")(trial).value
    """
    model = explanation.model
    inputs = model.prepare([explanation.picture])
    mask = None
    if isinstance(truth, Boxes):
        seen = Seen(explanation.picture, model.preprocess)
        mask = on_input(truth, seen, tuple(inputs.shape[2:]), explanation.target)
    elif truth is not None:
        mask = torch.from_numpy(np.asarray(truth).astype(bool))
    with model.twin() as private, torch.inference_mode(False), torch.no_grad():
        inputs = inputs.clone()
        trial = trial_of(
            model,
            private,
            inputs,
            main_output(private(inputs.clone())).detach(),
            explanation.target,
            explanation.method,
            explanation.layer,
            explanation.map,
            mask,
        )
        yield replace(trial, probe=replace(trial.probe, progress=progress or _quiet))


def trial_of(
    model: ImageModel,
    private: nn.Module,
    inputs: torch.Tensor,
    output: torch.Tensor,
    target: Target,
    method: Method,
    layer: str,
    map: torch.Tensor,
    truth: torch.Tensor | None = None,
    copies: Copies | None = None,
) -> Trial:
    """Put a map on trial that was made before.

    Args:
        model: whose map it is.
        private: a twin of it, `with model.twin() as private`.
        inputs: `(1, C, *size)`, as `model.prepare` makes them.
        output: what the network gives for them, `(1, ...)`.
        target: what was asked.
        method: that made the map.
        layer: where; `"input"` for methods whose map lies there.
        map: `(*grid)`, raw.
        truth: `(*size)`, bool.
        copies: of the twin, where several maps share them.

    Example:
        >>> with model.twin() as private:
        ...     trial = trial_of(model, private, inputs, output, target, get("grad-cam"), "bn2", map)
        ...     deletion = interp.metrics.get("deletion")(trial).value
    """
    probe = Probe(
        model=model,
        module=private,
        inputs=inputs,
        output=output,
        target=target,
        layer="" if layer == INPUT else layer,
        progress=_quiet,
        copies=Copies(private, inputs) if copies is None else copies.of(inputs),
        siblings=Siblings(()),
    )
    return Trial(probe, method, map, truth)


def _quiet(_done: float, _total: float) -> None:
    pass
