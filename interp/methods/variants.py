"""Relatives of Grad-CAM that change its terms, its target, its order or its input."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from interp.capture import CaptureError, record
from interp.dense import RegionTarget
from interp.logits import CallableTarget, LogitTarget
from interp.methods.attention import explicit
from interp.methods.cam import grad_cam, grid_of
from interp.methods.checks import check_graph
from interp.methods.probe import Probe
from interp.methods.registry import get, method
from interp.methods.spelling import MethodError
from interp.precision import in_full
from interp.targets import Target

UTILITIES = ("score", "rest")
AT_ONCE = 8


@method(
    "grad-cam-elementwise",
    "Element-wise Grad-CAM",
    family="cam",
    needs="gradients",
    display="positive",
    formula="Σ_k relu(g_k ⊙ A_k)",
    paper="Gildenblat et al., pytorch-grad-cam, 2021",
)
def grad_cam_elementwise(activation: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Return `Σ_k relu(g_k ⊙ A_k)`: HiResCAM without any channel's evidence against the target."""
    return (gradient * activation).clamp(min=0).sum(1)


@method(
    "shapley-cam",
    "Shapley-CAM",
    family="cam",
    needs="probe",
    display="positive",
    formula="relu(Σ_k w_k A_k), w = mean_ij(g − ½ H A), H = ∂²s/∂A²",
    paper="Cai, CAMs as Shapley Value-based Explainers, 2025 (arXiv 2501.06261)",
    passes=2.0,
)
def shapley_cam(probe: Probe, *, utility: str = "score") -> torch.Tensor:
    """Return `Σ_k mean(g_k − ½ (H A)_k) A_k`: Shapley values of the positions, to second order.

    Where the score is piecewise linear in the layer, as through ReLUs, `H` is 0 and this is Grad-CAM.
    `utility="rest"` asks for the paper's `logit + log p` of the target instead of its logit, which bends in
    every network.
    """
    if utility not in UTILITIES:
        raise MethodError(f"shapley-cam(utility={utility!r}): give one of {', '.join(map(repr, UTILITIES))}.")
    with record(probe.module, [probe.layer], gradients=True) as recording:
        with explicit(probe.module):  # fused attention cannot be differentiated twice
            output = probe.run(probe.inputs.clone())
        activation = recording[probe.layer]
        with torch.enable_grad():
            score = probe.ask(output)
            if utility == "rest":
                score = score + probe.ask(_log_probabilities(output, probe.model.activation))
        gradient, bent = _with_hessian(probe, score, activation)
    change = in_full(gradient) - in_full(bent) / 2
    values, slopes = (probe.laid_out(probe.layer, each) for each in (in_full(activation.detach()), change))
    return grad_cam(values, slopes)[0]


def _log_probabilities(output: torch.Tensor, activation: str) -> torch.Tensor:
    if activation == "softmax":
        return output.log_softmax(1)
    return torch.nn.functional.logsigmoid(output) if activation == "sigmoid" else output


def _with_hessian(
    probe: Probe, score: torch.Tensor, activation: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the gradient of the score and the product of its Hessian with the activation."""
    with torch.inference_mode(False), torch.enable_grad():
        apart = f"the target does not depend on layer {probe.layer!r}. Choose another layer."
        if not score.requires_grad:
            check_graph(probe.module, probe.inputs)
            raise CaptureError(apart)
        try:
            (gradient,) = torch.autograd.grad(score.sum(), activation, create_graph=True, allow_unused=True)
            if gradient is None:
                raise CaptureError(apart)
            if not gradient.requires_grad:
                return gradient, torch.zeros_like(gradient)  # the score is linear in the layer
            along = (gradient * activation.detach()).sum()
            (bent,) = torch.autograd.grad(along, activation, allow_unused=True)
        except RuntimeError as error:
            if "derivative for" not in str(error):
                raise
            raise MethodError(f"Shapley-CAM needs second derivatives, and here {error}.") from error
    return gradient.detach(), torch.zeros_like(gradient) if bent is None else bent


@method(
    "finer-cam",
    "Finer-CAM",
    family="cam",
    needs="probe",
    display="positive",
    formula="Grad-CAM of s_c − γ mean_d s_d, d the classes with the nearest scores",
    paper="Zhang et al., Finer-CAM, CVPR 2025",
    passes=2.0,
)
def finer_cam(
    probe: Probe, *, gamma: float = 0.6, references: int = 3, base: str = "grad-cam"
) -> torch.Tensor:
    """Return the map of what tells the target from the classes that the network finds most like it.

    `gamma` says how much of the rivals is taken away, 0 nothing. `base` names a method that uses gradients.
    Each class of a sum has rivals of its own, and so has the class of a region. A target without rivals, a
    callable or the only class, keeps its score. pytorch-grad-cam weighs the rivals by their probabilities and
    differentiates these too; the paper does not.
    """
    if not 0 <= gamma < math.inf:
        raise MethodError(f"finer-cam(gamma={gamma!r}): give 0 or more; the paper takes 0.6.")
    if references < 1:
        raise MethodError(f"finer-cam(references={references!r}): give 1 or more; the paper takes 3.")
    method_ = get(base)
    if method_.needs not in ("gradients", "head"):
        raise MethodError(f"finer-cam(base={base!r}): give a method that uses gradients, like 'grad-cam'.")
    target = _finer(probe.target, probe.output, gamma, references)
    return replace(probe, target=target).map(method_)


def _finer(target: Target, output: torch.Tensor, gamma: float, references: int) -> Target:
    if isinstance(target, LogitTarget) and output.dim() == 2:
        target(output)  # says which class does not exist
        own = {index for index, _ in target.terms}
        terms: list[tuple[int, float]] = []
        for index, factor in target.terms:
            rivals = _rivals(output[0].float(), index, own, references)
            terms += [(index, factor), *((d, -factor * gamma / len(rivals)) for d in rivals)]
        return replace(target, terms=tuple(terms))
    if isinstance(target, RegionTarget) and output.dim() == 4:
        scores = (output[0].float() * target.region).sum((1, 2))
        rivals = _rivals(scores, target.index, {target.index}, references)
        if not rivals:
            return target
        others = [replace(target, index=rival) for rival in rivals]
        return CallableTarget(
            lambda out: target(out) - gamma / len(others) * sum(other(out) for other in others), target.name
        )
    return target


def _rivals(scores: torch.Tensor, index: int, own: set[int], references: int) -> list[int]:
    """Return the other classes whose scores are nearest, nearest first."""
    order = (scores - scores[index]).abs().argsort(stable=True).tolist()
    return [other for other in order if other not in own][:references]


@method(
    "smooth-grad-cam-plus-plus",
    "Smooth Grad-CAM++",
    family="cam",
    needs="probe",
    display="positive",
    formula="Grad-CAM++ with g, g², g³ and A averaged over x + N(0, σ²)",
    paper="Omeiza et al., Smooth Grad-CAM++, 2019 (arXiv 1908.01224)",
    passes=lambda options: 1.0 + options["samples"],
)
def smooth_grad_cam_plus_plus(
    probe: Probe, *, samples: int = 20, noise: float = 0.15, seed: int = 0
) -> torch.Tensor:
    """Return `Σ_k w_k A_k`, `w_k = Σ_ij α relu(E g)`, `α = E g² / (2 E g² + Σ_ab E A · E g³)`.

    `E` is the mean over the same `samples` noisy inputs for all four; `noise` is σ as a share of the input's
    range. Without noise it is Grad-CAM++, and as there a position with a denominator of 0 or less weighs 0.
    torchcam takes `E g²` and `E g³` of all draws, `g` of the last one, and `A` of the clean picture for `α`
    and of the last draw in the map. As of Grad-CAM++, the normalised map depends on the unit of the target.
    """
    if not 1 <= samples <= 1000:
        raise MethodError(f"smooth-grad-cam-plus-plus(samples={samples!r}): give 1 to 1000.")
    if not 0 <= noise < math.inf:
        raise MethodError(
            f"smooth-grad-cam-plus-plus(noise={noise!r}): give a share of the range, like 0.15."
        )
    generator = torch.Generator().manual_seed(seed)
    sigma = noise * float(probe.inputs.max() - probe.inputs.min())
    totals: list[torch.Tensor] = []
    peak = probe.inputs.new_zeros(())  # of the first draws: powers of a tiny gradient are 0 in float32
    for start in range(0, samples, AT_ONCE):
        drawn = [
            torch.randn(probe.inputs.shape[1:], generator=generator)
            for _ in range(min(AT_ONCE, samples - start))
        ]
        noisy = probe.inputs + sigma * torch.stack(drawn).to(probe.inputs)
        (values,), (slopes,) = probe.recorded([probe.layer], inputs=noisy)
        if start == 0:
            peak = slopes.abs().amax()
            peak = torch.where(peak > 0, peak, 1)
        sums = [each.sum(0, keepdim=True) for each in (values, *_powers(slopes / peak))]
        totals = [old + new for old, new in zip(totals, sums, strict=True)] if totals else sums
        probe.progress(start + len(drawn), samples)
    activation, first, second, third = (total / samples for total in totals)
    # α = 1 / (2 + E g³ / E g² · Σ A); where E g² is 0, so is E g.
    curve = torch.where(second > 0, third / second, 0) * peak
    denominator = 2 + curve * activation.sum(grid_of(activation), keepdim=True)
    weights = torch.where(denominator > 0, first.clamp(min=0) * peak / denominator, 0)
    return torch.einsum("bc,bc...->b...", weights.sum(grid_of(weights)), activation)[0]


def _powers(slopes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return slopes, slopes.square(), slopes.pow(3)
