"""Judge explanations by metrics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from interp.explanation import Explanation
from interp.layers import main_output
from interp.methods.probe import Probe
from interp.methods.registry import INPUT
from interp.methods.siblings import Siblings
from interp.methods.sooner import Copies
from interp.metrics.registry import Metric, get
from interp.metrics.trial import Measured, Trial
from interp.progress import Progress, part_of


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
        truth: bool, on the network's input: where the target really is. Metrics of localisation need it.
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
    model = explanation.model
    inputs = model.prepare([explanation.picture])
    mask = None if truth is None else torch.from_numpy(np.asarray(truth).astype(bool))
    found = {}
    with model.twin() as private, torch.inference_mode(False), torch.no_grad():
        inputs = inputs.clone()
        output = main_output(private(inputs.clone())).detach()
        for number, each in enumerate(asked):
            probe = Probe(
                model=model,
                module=private,
                inputs=inputs,
                output=output,
                target=explanation.target,
                layer="" if explanation.layer == INPUT else explanation.layer,
                progress=part_of(progress or _quiet, number, len(asked)),
                copies=Copies(private, inputs),
                siblings=Siblings(()),
            )
            found[each.name] = each(Trial(probe, explanation.method, explanation.map, mask))
    return found


def _quiet(_done: float, _total: float) -> None:
    pass
