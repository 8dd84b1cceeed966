"""Sanity: does the map need the weights, and the class, at all?"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import nn

from interp.logits import LogitTarget
from interp.methods.sooner import Copies
from interp.metrics.likeness import rank_correlation, structural_likeness
from interp.metrics.registry import metric
from interp.metrics.trial import Curve, Measured, MetricError, Trial, shown

_PAPER = "Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018"


@metric(
    "randomisation",
    "Weight randomisation",
    kind="sanity",
    better="lower",
    limits=(-1, 1),
    formula="ρ(E, E of the network with all weights shuffled), layer by layer from the top",
    paper=_PAPER,
    silent="A map may change wholly and still have been wrong.",
    maps=lambda options: options["steps"],
)
def randomisation(trial: Trial, *, steps: int = 8, seed: int = 0) -> Measured:
    """Return how alike the map is to that of a network whose weights mean nothing; near 1 fails the check.

    The numbers of every weight are put in random order, so each layer keeps its scale and loses what it has
    learnt; running statistics stay. The curves tell the rank correlation, and the SSIM of what is shown,
    against the part of the layers that is shuffled, from the head down.

    Args:
        trial: the map.
        steps: in how many steps the layers are shuffled.
        seed: of the order.
    """
    here = trial.map.float().cpu()
    parts, ranks, structures = [0.0], [1.0], [1.0]
    for part, found in shuffled(trial, steps, seed):
        parts.append(part)
        ranks.append(rank_correlation(here, found))
        structures.append(structure(trial, found))
    curves = {
        "rank correlation": Curve(tuple(parts), tuple(ranks)),
        "SSIM": Curve(tuple(parts), tuple(structures)),
    }
    return Measured(ranks[-1], chance=0.0, curves=curves)


def shuffled(trial: Trial, steps: int, seed: int) -> Iterator[tuple[float, torch.Tensor]]:
    """Yield the part of the layers that is shuffled, and the raw map `(*grid)` of such a network, on the CPU.

    Args:
        trial: the map.
        steps: in how many steps the layers are shuffled, from the head down.
        seed: of the order of the numbers.

    Raises:
        MetricError: there is no step.
    """
    if steps < 1:
        raise MetricError(f"randomisation(steps={steps}): give 1 or more.")
    module = copy.deepcopy(trial.probe.module)
    layers = _weighted(module)
    steps = min(steps, len(layers))
    generator = torch.Generator().manual_seed(seed)
    done = 0
    for step in range(1, steps + 1):
        until = round(step * len(layers) / steps)
        for layer in layers[done:until]:
            _shuffle(layer, generator)
        done = until
        found = _map_of(trial, module)
        yield done / len(layers), found
        trial.probe.progress(step, steps)


def untaught(module: nn.Module, seed: int) -> nn.Module:
    """Return a copy of a network that has learnt nothing: the numbers of every weight in random order."""
    copied = copy.deepcopy(module)
    generator = torch.Generator().manual_seed(seed)
    for layer in _weighted(copied):
        _shuffle(layer, generator)
    return copied


def survival(trial: Trial, modules: Sequence[nn.Module]) -> Measured:
    """Return the mean rank correlation of the map with those of networks that have learnt nothing."""
    here, found = trial.map.float().cpu(), []
    for number, module in enumerate(modules):
        found.append(rank_correlation(here, _map_of(trial, module)))
        trial.probe.progress(number + 1, len(modules))
    return Measured(sum(found) / len(found), chance=0.0)


@metric(
    "random-class",
    "Another class",
    kind="sanity",
    better="lower",
    limits=(-1, 1),
    formula="mean_j ρ(E of the class, E of a class j by chance)",
    paper="Sixt et al., When Explanations Lie, ICML 2020",
    silent="Two classes may rest on the same places, as two breeds of dogs do.",
    maps=lambda options: options["classes"],
    tasks=("classification",),
)
def random_class(trial: Trial, *, classes: int = 2, seed: int = 0) -> Measured:
    """Return how alike the map is to those of other classes; near 1 does not depend on what is asked.

    Args:
        trial: the map, of one class.
        classes: how many others.
        seed: which.
    """
    target, count = trial.probe.target, int(trial.probe.output.shape[1])
    if not isinstance(target, LogitTarget) or len(target.terms) != 1:
        raise MetricError(f"random-class compares classes, and {target.name!r} is not one.")
    if not 1 <= classes < count:
        raise MetricError(
            f"random-class(classes={classes}): give 1 to {count - 1}; there are no more others."
        )
    others = [index for index in range(count) if index != target.terms[0][0]]
    drawn = torch.randperm(len(others), generator=torch.Generator().manual_seed(seed))[:classes]
    found = []
    for index in drawn.tolist():
        (other,) = trial.again(trial.picture, LogitTarget(((others[index], 1.0),), "another"))
        found.append(rank_correlation(trial.map.float().cpu(), other))
    return Measured(sum(found) / len(found), chance=0.0)


def _map_of(trial: Trial, module: nn.Module) -> torch.Tensor:
    """Return the raw map that the method makes of the picture with another network of the same shape."""
    probe = replace(trial.probe, module=module, copies=Copies(module, trial.probe.inputs))
    return replace(trial, probe=probe).again(trial.picture)[0]


def _weighted(module: nn.Module) -> list[nn.Module]:
    """Return the modules with weights of their own, the head first."""
    return [each for each in module.modules() if any(True for _ in each.parameters(recurse=False))][::-1]


def _shuffle(layer: nn.Module, generator: torch.Generator) -> None:
    with torch.no_grad():
        for weight in layer.parameters(recurse=False):
            mixed = torch.randperm(weight.numel(), generator=generator).to(weight.device)
            weight.copy_(weight.flatten()[mixed].reshape(weight.shape))


def structure(trial: Trial, other: torch.Tensor) -> float:
    """Return the SSIM of what the map and another raw map show; NaN where they are no pictures."""
    if len(trial.size) != 2:
        return float("nan")
    return structural_likeness(*(shown(trial.method, trial.on_picture(each)) for each in (trial.map, other)))
