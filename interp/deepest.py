"""Which features of a network are the deepest: those that are explained when nobody says."""

from __future__ import annotations

import re

import torch
from torch import nn

from interp.capture import CaptureError, record
from interp.stages import ATTENTION, Run, main_output, typed, weighted

_BLOCK = re.compile(r"\d$")


def deepest(
    module: nn.Module,
    inputs: torch.Tensor,
    runs: list[Run],
    ends: list[list[int]],
    output: torch.Tensor,
) -> int | None:
    """Return the deepest features: the last call of the coarsest resolution that the output depends on.

    For a classifier that is the last stage before pooling, for a U-Net the bottleneck. Of a transformer that
    pools by its class token, the tokens of the positions do not reach the output any more after the last
    attention; there it is the normalisation before it.
    """
    # In a single position nothing is to be seen: then it is the grid before it.
    single = next((i for i, group in enumerate(ends) if runs[group[-1]].positions == 1), len(ends))
    gridded = ends[:single] or ends[single + 1 :]
    coarsest = min(gridded, key=lambda group: runs[group[-1]].positions, default=[])
    calls = [index for index in coarsest if output.dim() == inputs.dim() or not _most_is_after(runs, index)]
    if any(_is_tokens(runs[index]) for index in coarsest):
        return _deepest_tokens(module, inputs, runs, coarsest)
    for index in reversed(calls):
        try:
            with record(module, [typed(runs, index)], gradients=True) as recording:
                recording.gradients(main_output(module(inputs)).sum())
        except CaptureError:
            continue
        return index
    if calls and not _has_gradient(module, inputs, typed(runs, calls[-1])):
        return calls[-1]  # no layer has one; methods without gradients work, the others say so
    return None


def _most_is_after(runs: list[Run], index: int) -> bool:
    """Whether this is a patch embedding, and the blocks after it have no grid that is known."""
    blocks = any(run.leaf and run.layout is None and run.output.dim() > 2 for run in runs[index + 1 :])
    return blocks and 2 * weighted(runs[: index + 1]) < weighted(runs)


def _has_gradient(module: nn.Module, inputs: torch.Tensor, name: str) -> bool:
    with record(module, [name], gradients=True):
        return main_output(module(inputs)).requires_grad


def _is_tokens(run: Run) -> bool:
    return run.layout is not None and run.layout.kind == "tokens"


def _deepest_tokens(module: nn.Module, inputs: torch.Tensor, runs: list[Run], calls: list[int]) -> int | None:
    """Return the last of the calls, or of the blocks and normalisations inside them, whose positions matter.

    A gradient of NaN at the output arrives as NaN wherever the output depends on, whatever the weights in
    between are, and as 0 elsewhere.
    """
    size = runs[calls[-1]].resolution
    inner = {
        index
        for index, run in enumerate(runs)
        if _is_tokens(run)
        and run.resolution == size
        and not (run.nested or run.passing or ATTENTION.search(run.name))
        and (_BLOCK.search(run.name) or "norm" in type(run.module).__name__.lower())
    }
    candidates = sorted({*calls, *inner})
    names = [typed(runs, index) for index in candidates]
    with record(module, names, gradients=True) as recording:
        output = main_output(module(inputs))
        recorded = [recording[name] for name in names]
        if not output.requires_grad:
            return calls[-1]
        ones = torch.full_like(output, torch.nan)
        found = torch.autograd.grad(output, recorded, ones, allow_unused=True)
    for index, gradient in zip(reversed(candidates), reversed(found), strict=True):
        layout = runs[index].layout
        if gradient is None or layout is None:
            continue
        if layout.features(gradient, inputs.shape[2:]).isnan().any(1).all():
            return index
    return None
