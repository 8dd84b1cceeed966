"""FullGrad: what the input and every bias of the network give to the score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from interp.capture import record
from interp.methods.biases import biases_of, has_closed_form
from interp.methods.fusing import enlarged
from interp.methods.perturbing import refuse
from interp.methods.probe import Probe
from interp.methods.registry import INPUT, method
from interp.precision import in_full

PAPER = "Srinivas & Fleuret, Full-Gradient Representation for Neural Network Visualization, NeurIPS 2019"

# A map says so when its sum misses the score by more.
MISSES = 0.02


@method(
    "fullgrad",
    "FullGrad",
    family="pixels",
    needs="probe",
    place="input",
    display="positive",
    formula="ψ(x ⊙ ∂s/∂x) + Σ_l Σ_c ψ(b ⊙ ∂s/∂b), ψ = |·| scaled to 0 … 1, enlarged",
    paper=PAPER,
    passes=3.0,
)
def fullgrad(probe: Probe) -> torch.Tensor:
    """Return the paper's saliency: the sizes of the input's term and of every layer's bias terms, added.

    Those of a layer are scaled together by their own range and enlarged bilinearly. Layers without positions
    have no place on the map. `fullgrad-signed` is the sum without the scaling.
    """
    maps = []
    for name, term in terms(probe):
        placed = _placed(probe, name, term)
        if placed is None:
            continue
        values = placed.float().abs()
        least, most = values.amin(), values.amax()
        # The range of a layer that says the same everywhere is made of rounding errors.
        spread = torch.where(most - least > 1e-5 * most, most - least, torch.inf)
        maps.append(((values - least) / spread).sum((0, 1)))
    size = probe.inputs.shape[2:]
    return torch.stack([enlarged(each.unsqueeze(0), size)[0] for each in _by_grid(maps)]).sum(0)


@method(
    "fullgrad-signed",
    "FullGrad (signed)",
    family="pixels",
    needs="probe",
    place="input",
    display="signed",
    formula="x ⊙ ∂s/∂x + Σ_l Σ_c b ⊙ ∂s/∂b, sums to s",
    paper=PAPER,
    passes=3.0,
)
def fullgrad_signed(probe: Probe) -> torch.Tensor:
    """Return the full-gradient decomposition itself: signed, and its sum over the positions is the score.

    Each value of a coarser layer is spread evenly over the pixels that it covers, and what has no position
    over the whole input.
    """
    maps, nowhere = [], torch.zeros((), device=probe.inputs.device)
    for name, term in terms(probe):
        placed = _placed(probe, name, term.float())
        nowhere = nowhere + term.float().sum()
        if placed is not None:
            maps.append(placed.sum((0, 1)))
            nowhere = nowhere - maps[-1].sum()
    size = probe.inputs.shape[2:]
    total = torch.stack([_spread(each, size) for each in _by_grid(maps)]).sum(0)
    total = total + nowhere / total.numel()
    if abs(float(total.sum()) - probe.score) > MISSES * abs(probe.score):
        probe.note(f"Σ {float(total.sum()):.4g} of {probe.score:.4g}")
    return total


def _by_grid(maps: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Add up the maps of equal size: enlarging is linear, so it is done once for each."""
    found: dict[torch.Size, torch.Tensor] = {}
    for each in maps:
        found[each.shape] = found[each.shape] + each if each.shape in found else each
    return list(found.values())


def terms(probe: Probe) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield `x ⊙ ∂s/∂x`, and for every call of a layer its name and its bias ⊙ the gradient there.

    The bias of a layer is what is left of its output without its linear part at this input,
    `b = f(x) − f′(x) x`: the bias of a convolution, the shift of a batch norm in evaluation, what a smooth
    activation bends away. All terms add up to the score where every layer that is not homogeneous is a module
    of its own; what the network's own code adds, multiplies or clamps between its modules is not seen, and
    layers whose bias cannot be found are noted.
    """
    named = _atoms(probe.module)
    with torch.inference_mode(False), torch.enable_grad():
        inputs = probe.inputs.clone().requires_grad_()
        with biases_of(named) as biases, record(probe.module, named, gradients=True) as recording:
            score = probe.ask(probe.run(inputs.clone()))
        calls = [
            (name, call, bias)
            for name in named
            for call, bias in zip(recording.calls(name), biases[name], strict=True)
            if bias is not None
        ]
        wanted = [inputs, *(call for _, call, _ in calls)]
        gradients = torch.autograd.grad(score.sum(), wanted, allow_unused=True) if score.requires_grad else []
    if not gradients or gradients[0] is None:
        refuse(probe)
    unknown = [
        name
        for name, part in named.items()
        if not has_closed_form(part) and any(bias is None for bias in biases[name])
    ]
    if unknown:
        probe.note(f"no term for {', '.join(unknown)}")
    constants = [(INPUT, inputs.detach()), *((name, bias) for name, _, bias in calls)]
    for (name, constant), gradient in zip(constants, gradients, strict=True):
        if gradient is not None:
            yield name, in_full(constant) * in_full(gradient)


def _atoms(module: nn.Module) -> dict[str, nn.Module]:
    """Return the modules that count as one layer: those without parts, or with weights that no part has."""
    found: dict[str, nn.Module] = {}
    pending, seen = [("", module)], set[nn.Module]()
    while pending:
        name, part = pending.pop()
        if part in seen:
            continue  # under another name
        seen.add(part)
        children = dict(part.named_children())
        own = next(part.parameters(recurse=False), None) is not None
        whole = not children or (own and all(p is None for p in map(_first_weight, children.values())))
        if whole and name:
            found[name] = part
        else:
            pending += [(f"{name}.{child}".lstrip("."), each) for child, each in children.items()]
    return found


def _first_weight(module: nn.Module) -> nn.Parameter | None:
    return next(module.parameters(), None)


def _placed(probe: Probe, name: str, term: torch.Tensor) -> torch.Tensor | None:
    """Return a layer's term as `(1, C, *grid)`, or `None` where it has no positions."""
    if name == INPUT:
        return term
    layout = probe.model.layers[name].layout
    return None if layout is None else layout.features(term, probe.inputs.shape[2:])


def _spread(values: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Return values of a grid on that of the input, each shared out evenly among the pixels of its cell.

    One dimension after the other; where a pixel lies in two cells, it gets its part of both.
    """
    for axis, wanted in enumerate(size):
        have = values.shape[axis]
        if have == wanted:
            continue
        edges = torch.arange(wanted + 1, dtype=values.dtype, device=values.device) * (have / wanted)
        cells = torch.arange(have, dtype=values.dtype, device=values.device)[:, None]
        # How much of each cell lies in each pixel: every row adds up to 1, so that the sum stays.
        shares = (torch.minimum(edges[1:], cells + 1) - torch.maximum(edges[:-1], cells)).clamp(min=0)
        values = torch.tensordot(values, shares / shares.sum(1, keepdim=True), ([axis], [0])).movedim(
            -1, axis
        )
    return values
