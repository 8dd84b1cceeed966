"""DeepLift, guided backprop and layer-wise relevance propagation: changed passes backward, by Captum."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from interp.methods.calls import ACTIVATIONS, Call, Calls, Stand, shell
from interp.methods.fusing import enlarged
from interp.methods.perturbing import Baseline, replacement
from interp.methods.pixels import balance, captum_attr, ready
from interp.methods.probe import Probe
from interp.methods.registry import get, method
from interp.methods.spelling import MethodError
from interp.precision import in_full


@method(
    "deep-lift",
    "DeepLift",
    family="pixels",
    needs="probe",
    place="input",
    display="signed",
    formula="Σ_c (x − x₀) m, m = ∂s/∂x with Δy/Δx for the slope of every non-linearity",
    paper="Shrikumar et al., Learning Important Features Through Propagating Activation Differences, "
    "ICML 2017",
    passes=8.0,
)
def deep_lift(probe: Probe, *, baseline: Baseline = "black") -> torch.Tensor:
    """Return DeepLift's contributions (Rescale rule), summed over colour channels.

    They add up to `s(x) − s(x₀)` where all of the network has a rule: what is linear, activations that act on
    each value alone, and max-pooling. Where two values that both depend on the picture are multiplied, or
    normalised over positions, the plain gradient goes on; a note names the first such place, another says
    how much is missing. Captum's rule for max-pooling loses gradients where windows overlap, so the windows
    are laid side by side first.
    """
    start = replacement(probe, baseline, "deep-lift")
    with ready():
        calls = Calls(probe, _rescaled)
        found, missing = (
            captum_attr()
            .DeepLift(calls)
            .attribute(in_full(probe.inputs).clone().requires_grad_(), start, return_convergence_delta=True)
        )
    if calls.uncovered:
        name, where = next(iter(calls.uncovered.items()))
        probe.note(f"no rule for {name}" + (f" in {where}" if where else ""))
    balance(probe, found, missing)
    contributions: torch.Tensor = found[0].sum(0)
    return contributions


@method(
    "guided-backprop",
    "Guided backprop",
    family="pixels",
    needs="probe",
    place="input",
    display="signed",
    formula="Σ_c ∂s/∂x, of which every ReLU hands back the positive part only",
    paper="Springenberg et al., Striving for Simplicity, ICLR 2015 workshop",
    passes=4.0,
)
def guided_backprop(probe: Probe) -> torch.Tensor:
    """Return the gradient with every ReLU's own cut to its positive part, summed over colour channels.

    ReLU6 and other ReLUs with a cap count as ReLUs. It shows edges, and hardly depends on the target (Adebayo
    et al., Sanity Checks for Saliency Maps, NeurIPS 2018).

    Raises:
        MethodError: the network has activations, but no ReLU.
    """
    return _guided(probe, "guided backprop").sum(0)


@method(
    "guided-grad-cam",
    "Guided Grad-CAM",
    family="pixels",
    needs="probe",
    place="input",
    display="signed",
    formula="Σ_c guided backprop ⊙ ↑relu(Grad-CAM), ↑ bilinear, of the default layer",
    paper="Selvaraju et al., Grad-CAM, ICCV 2017",
    passes=5.0,
)
def guided_grad_cam(probe: Probe, *, layer: str | None = None) -> torch.Tensor:
    """Return guided backprop times the enlarged Grad-CAM of a layer, by default the default one.

    Raises:
        MethodError: the network has activations, but no ReLU.
        LayerError: there is no such layer.
    """
    name = probe.model.default_layer if layer is None else probe.model.layers.resolve(layer)
    guided = _guided(probe, "guided Grad-CAM")
    coarse = probe.map(get("grad-cam"), layer=name).clamp(min=0).to(guided)
    return guided.sum(0) * enlarged(coarse[None], guided.shape[1:])[0]


def _guided(probe: Probe, title: str) -> torch.Tensor:
    relus = 0

    def plan(call: Call) -> Stand | None:
        nonlocal relus
        if call.relu is None:
            return None
        relus += 1
        return Stand(shell(nn.ReLU, call.relu))

    with ready():
        calls = Calls(probe, plan)
        others = [name for name in calls.uncovered if name in ACTIVATIONS or name in calls.own]
        if others and not relus:
            raise MethodError(
                f"{title} changes the gradients of ReLUs, and this network has none: it has "
                f"{', '.join(others)}. Take saliency or integrated-gradients."
            )
        if others:
            probe.note(f"plain gradient of {', '.join(others)}")
        found = captum_attr().GuidedBackprop(calls).attribute(in_full(probe.inputs).clone().requires_grad_())
    gradient: torch.Tensor = found[0]
    return gradient


def _rescaled(call: Call) -> Stand | None:
    """Return what stands for a non-linearity in DeepLift: a module of a type that Captum has a rule for."""
    if call.pointwise is not None:
        return Stand(shell(nn.Softplus, call.pointwise))  # Captum's rule is the same for all of these
    if len(call.inputs) == 1 and call.name == "max_pool2d":
        return _pooled(call, *call.args[1:], **_named(call))
    if len(call.inputs) == 1 and call.name == "adaptive_max_pool2d":
        height, width = call.inputs[0].shape[-2:]
        rows, columns = _pair((*call.args[1:], *_named(call).values())[0])
        if rows and columns and height % rows == width % columns == 0:
            return Stand(nn.MaxPool2d((height // rows, width // columns)))
    return None


def _named(call: Call) -> dict[str, Any]:
    return {name: value for name, value in call.kwargs.items() if name != "input"}


def _pair(value: Any) -> tuple[int, int]:
    values = (value,) if isinstance(value, int) else tuple(value)
    return (values[0], values[-1])


def _pooled(
    call: Call,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Stand | None:
    """Return max-pooling of windows that lie side by side, whatever the stride."""
    if _pair(dilation) != (1, 1) or return_indices:
        return None
    kernel, step, pad = _pair(kernel_size), _pair(stride or kernel_size), _pair(padding)
    size = F.max_pool2d(call.inputs[0], kernel, step, pad, 1, ceil_mode).shape[-2:]
    arrange: Callable[..., torch.Tensor] = partial(_windows, kernel=kernel, step=step, pad=pad, size=size)
    return Stand(nn.MaxPool2d(kernel), arrange)


def _windows(
    values: torch.Tensor,
    kernel: tuple[int, int],
    step: tuple[int, int],
    pad: tuple[int, int],
    size: torch.Size,
) -> torch.Tensor:
    height, width = values.shape[-2:]
    below = max(0, (size[0] - 1) * step[0] + kernel[0] - height - pad[0])
    right = max(0, (size[1] - 1) * step[1] + kernel[1] - width - pad[1])
    # Less than every value, and finite, so that differences are numbers.
    padded = F.pad(values, (pad[1], right, pad[0], below), value=float(values.detach().min()) - 1)
    windows = padded.unfold(2, kernel[0], step[0]).unfold(3, kernel[1], step[1])
    windows = windows[:, :, : size[0], : size[1]].transpose(3, 4)
    return windows.reshape(*values.shape[:2], size[0] * kernel[0], size[1] * kernel[1])
