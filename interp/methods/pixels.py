"""Gradients on the picture's own pixels: saliency, integrated gradients and what averages them.

`x` is the prepared picture, `s` the target's score, `c` a colour channel, `x₀` a picture without content. The
gradients are Captum's. What Captum draws from the global random state, which other threads share, is drawn
here, from a generator of its own.
"""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from interp.methods.perturbing import Baseline, at_least, at_once, depending, levels, replacement
from interp.methods.probe import Probe
from interp.methods.registry import method
from interp.precision import in_full

_LOADING = threading.Lock()


@functools.cache
def captum_attr() -> Any:
    """Return `captum.attr`, which takes a second to import."""
    from captum import attr

    # Said of every use, to people who know that hooks are set and removed. By captum's modules only.
    said = "Setting (forward, )?backward hooks"
    with _LOADING:
        warnings.filterwarnings("ignore", message=said, category=UserWarning, module=r"captum\.")
    return attr


@contextmanager
def ready() -> Iterator[None]:
    """Let gradients be taken, whatever mode the caller is in."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


def asked(probe: Probe) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what gives the target's score `(N,)` of pictures `(N, C, *size)`, for Captum."""

    def score(inputs: torch.Tensor) -> torch.Tensor:
        # A clone, because networks may change their input in place.
        return depending(in_full(probe.ask(probe.run(inputs.to(probe.inputs.dtype).clone()))), probe)

    return score


def gradients(probe: Probe, points: torch.Tensor) -> torch.Tensor:
    """Return `∂s/∂x` at each of some pictures `(N, C, *size)`."""
    saliency = captum_attr().Saliency(asked(probe))
    with ready():
        parts = [part.clone().requires_grad_() for part in torch.split(points, at_once(points))]
        return torch.cat([saliency.attribute(part, abs=False) for part in parts])


def balance(probe: Probe, found: torch.Tensor, missing: torch.Tensor) -> None:
    """Note what contributions add up to, and what they should."""
    total, off = (float(values.detach().double().sum()) for values in (found, missing))
    probe.note(f"Σ {total:.4g} of {total - off:.4g}")


@method(
    "saliency",
    "Saliency",
    family="pixels",
    needs="probe",
    place="input",
    display="positive",
    formula="max_c |∂s/∂x|",
    paper="Simonyan et al., Deep Inside Convolutional Networks, ICLR 2014 workshop",
    passes=3.0,
)
def saliency(probe: Probe) -> torch.Tensor:
    """Return how strongly the score answers to each pixel, whichever way: `max_c |∂s/∂x|`."""
    return gradients(probe, in_full(probe.inputs))[0].abs().amax(0)


@method(
    "input-x-gradient",
    "Input × gradient",
    family="pixels",
    needs="probe",
    place="input",
    display="signed",
    formula="Σ_c x ∂s/∂x",
    paper="Shrikumar et al., Not Just a Black Box, 2016 (arXiv 1605.01713)",
    passes=3.0,
)
def input_x_gradient(probe: Probe) -> torch.Tensor:
    """Return `Σ_c x ∂s/∂x`, `x` as the network gets it: 0 is the mean colour, not black.

    On a network of ReLUs without constants it adds up to the score, and is LRP with the ε rule.
    """
    with ready():
        picture = in_full(probe.inputs).clone().requires_grad_()
        found: torch.Tensor = captum_attr().InputXGradient(asked(probe)).attribute(picture)
    return found[0].sum(0)


@method(
    "integrated-gradients",
    "Integrated gradients",
    family="pixels",
    needs="probe",
    place="input",
    display="signed",
    formula="Σ_c (x − x₀) ∫₀¹ ∂s/∂x(x₀ + α(x − x₀)) dα",
    paper="Sundararajan et al., Axiomatic Attribution for Deep Networks, ICML 2017",
    passes=lambda options: 3.0 + 2 * options["steps"],
)
def integrated_gradients(probe: Probe, *, steps: int = 50, baseline: Baseline = "black") -> torch.Tensor:
    """Return the gradients along the straight way from `x₀` to the picture, times the way.

    They add up to `s(x) − s(x₀)`; a note says what `steps` of a Gauss-Legendre sum give of that.

    Raises:
        MethodError: fewer than one step, or no such baseline.
    """
    at_least("integrated-gradients", "steps", steps, 1)
    start = replacement(probe, baseline, "integrated-gradients")
    score, done = asked(probe), 0

    def told(inputs: torch.Tensor) -> torch.Tensor:
        nonlocal done
        found = score(inputs)
        done += len(inputs)
        probe.progress(min(done, steps), steps + 2)
        return found

    with ready():
        found, missing = (
            captum_attr()
            .IntegratedGradients(told)
            .attribute(
                in_full(probe.inputs).clone().requires_grad_(),
                start,
                n_steps=steps,
                internal_batch_size=at_once(start),
                return_convergence_delta=True,
            )
        )
    balance(probe, found, missing)
    contributions: torch.Tensor = found[0].sum(0)
    return contributions


def _per_sample(options: Mapping[str, Any]) -> float:
    return 1.0 + 2.0 * int(options["samples"])


@method(
    "smoothgrad",
    "SmoothGrad",
    family="pixels",
    needs="probe",
    place="input",
    display="positive",
    formula="max_c |mean_n ∂s/∂x(x + ε_n)|, ε ~ N(0, (noise (max x − min x))²)",
    paper="Smilkov et al., SmoothGrad, 2017 (arXiv 1706.03825)",
    passes=_per_sample,
)
def smoothgrad(probe: Probe, *, samples: int = 50, noise: float = 0.15, seed: int = 0) -> torch.Tensor:
    """Return the saliency of the mean gradient of noisy pictures; the mean is of signed gradients.

    Captum's, and many others', is the mean of absolute gradients, in which noise does not cancel.
    """
    first, shift, _ = _moments("smoothgrad", probe, samples, noise, seed)
    return (first + shift).abs().amax(0)


@method(
    "vargrad",
    "VarGrad",
    family="pixels",
    needs="probe",
    place="input",
    display="positive",
    formula="Σ_c var_n ∂s/∂x(x + ε_n), ε ~ N(0, (noise (max x − min x))²)",
    paper="Adebayo et al., Local Explanation Methods for Deep Neural Networks, 2018 (arXiv 1810.03307)",
    passes=_per_sample,
)
def vargrad(probe: Probe, *, samples: int = 50, noise: float = 0.15, seed: int = 0) -> torch.Tensor:
    """Return how much the gradient varies among noisy pictures: where the score is not linear."""
    at_least("vargrad", "samples", samples, 2)
    _, shift, square = _moments("vargrad", probe, samples, noise, seed)
    return (square - shift.square()).clamp(min=0).sum(0)


def _moments(
    name: str, probe: Probe, samples: int, noise: float, seed: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the first noisy gradient, and the means of the others' difference to it and of its square.

    Of differences, so that a gradient that is the same everywhere has a variance of exactly 0.
    """
    at_least(name, "samples", samples, 1)
    at_least(name, "noise", noise, 0)
    picture = in_full(probe.inputs)
    spread = noise * float(picture.max() - picture.min())
    generator = torch.Generator().manual_seed(seed)
    first = shift = square = torch.zeros_like(picture[0])
    size = at_once(picture)
    for start in range(0, samples, size):
        count = min(size, samples - start)
        drawn = [torch.randn(picture.shape[1:], generator=generator) for _ in range(count)]
        found = gradients(probe, picture + spread * torch.stack(drawn).to(picture))
        first = found[0] if start == 0 else first
        shift = shift + (found - first).sum(0) / samples
        square = square + (found - first).square().sum(0) / samples
        probe.progress(start + count, samples)
    return first, shift, square


@method(
    "gradient-shap",
    "Gradient SHAP",
    family="pixels",
    needs="probe",
    place="input",
    display="signed",
    formula="Σ_c mean_n (x − b_n) ∂s/∂x(b_n + α_n(x − b_n)), b_n of one random colour, α_n ~ U(0, 1)",
    paper="Lundberg & Lee, A Unified Approach to Interpreting Model Predictions, NIPS 2017 (code); "
    "Erion et al., expected gradients, Nature MI 2021",
    passes=lambda options: 1.0 + 3 * options["samples"],
)
def gradient_shap(probe: Probe, *, samples: int = 50, seed: int = 0) -> torch.Tensor:
    """Return integrated gradients in expectation over plain pictures of any colour, by random points.

    They add up to `s(x) − mean s(b)`, but for chance; a note says how nearly. Where the input is no picture,
    each channel is drawn between its least and its largest value.
    """
    at_least("gradient-shap", "samples", samples, 1)
    picture = in_full(probe.inputs)
    low, high = levels(probe)
    generator = torch.Generator().manual_seed(seed)
    total, wanted = torch.zeros_like(picture[0]), 0.0
    flat = (-1, picture.shape[1], *[1] * (picture.dim() - 2))
    score = probe.score
    size = at_once(picture)
    for start in range(0, samples, size):
        count = min(size, samples - start)
        drawn = torch.rand(count, picture.shape[1] + 1, generator=generator).to(picture)
        plain = low + drawn[:, 1:].reshape(flat) * (high - low)
        way = picture - plain
        found = gradients(probe, plain + drawn[:, :1].reshape(-1, *flat[2:], 1) * way)
        total = total + (way * found).sum(0) / samples
        wanted += float((score - probe.exact().scores(plain.expand_as(way))).sum()) / samples
        probe.progress(start + count, samples)
    balance(probe, total, total.sum() - wanted)
    return total.sum(0)
