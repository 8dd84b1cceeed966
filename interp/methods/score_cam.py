"""Score-CAM and its kin: a channel weighs what the network sees through it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch

from interp.methods.perturbing import at_least, picture, scored, stretched, upsampled
from interp.methods.probe import Probe
from interp.methods.registry import method
from interp.methods.spelling import MethodError

_ROUNDS = 20  # of k-means; its clusters hardly move after ten
_LIVE = 650  # of the 1280 channels of the default layer, mean of 13 photographs: the others are silent
_FAST = 64  # channels: ranks agree to 0.99 with those of all, see docs/how-to/slow-methods.md

By = Literal["mean", "variance", "gradient"]


@dataclass(frozen=True)
class _Parts:
    """What masks are made of: channels, or means of some alike, `(1, K, *grid)`, and of how many."""

    maps: torch.Tensor
    sizes: torch.Tensor


def _passes(options: Mapping[str, Any], times: int = 1) -> float:
    masks: int = options["channels"] or options["groups"] or (_FAST if options["fast"] else _LIVE)
    return float(times * masks + 2 + 2 * (options["by"] == "gradient"))


@method(
    "score-cam",
    "Score-CAM",
    family="perturbation",
    needs="probe",
    display="positive",
    formula="relu(Σ_k α_k A_k), α = softmax_k(s(x ⊙ up(A_k)) − s(0)), up(A_k) from 0 to 1",
    paper="Wang et al., Score-CAM, CVPR Workshops 2020",
    passes=_passes,
)
def score_cam(
    probe: Probe,
    *,
    fast: bool = False,
    channels: int = 0,
    by: By = "mean",
    groups: int = 0,
    weights: str = "softmax",
    seed: int = 0,
) -> torch.Tensor:
    """Return `Σ_k α_k A_k`, `α_k` by how much the input seen through channel k raises the score.

    As in Algorithm 1 of the paper, `α` is a softmax over the channels. The authors' code leaves it out and
    takes the class's probability for the masked input: that is `weights="increase"` with the probability as
    target, but for the score of the empty input, which is taken off here. The score is the target's own, a
    logit, unless the target says otherwise. A constant channel has no mask and weighs 0; pytorch-grad-cam
    gives it the weight of an empty input, and as many passes as any other.

    Args:
        probe: of one picture.
        fast: only the 64 strongest channels, the others weigh 0.
        channels: only so many (Faster Score-CAM); 0 for all.
        by: what chooses them: the `mean` of `|A_k|`; their `variance` over the positions, as in Faster
            Score-CAM; or `gradient`, their part of `Σ g ⊙ A`. The mean agrees best with the map of all.
        groups: one mask for each of so many clusters of channels (Cluster-CAM, Feng et al. 2023), whose
            members share its increase; 0 for none.
        weights: `softmax`, or the `increase` itself.
        seed: where the clusters start.
    """
    parts, live = _parts(probe, "score-cam", fast, channels, by, groups, seed)
    given = picture(probe)

    def masked(start: int, stop: int) -> torch.Tensor:
        return _through(given, stretched(upsampled(parts.maps[:, start:stop], tuple(given.shape[2:]))))

    found = scored(probe, parts.maps.shape[1], masked, alike=by != "gradient")
    return _weighed(probe, live, parts, found, weights, "score-cam")


@method(
    "ss-cam",
    "SS-CAM",
    family="perturbation",
    needs="probe",
    display="positive",
    formula="relu(Σ_k α_k A_k), α = softmax_k(mean_n(s(x ⊙ up(A_k + ε_n))) − s(0)), ε_n ~ N(0, σ²)",
    paper="Wang et al., SS-CAM: Smoothed Score-CAM, 2020 (arXiv 2006.14255)",
    passes=lambda options: _passes(options, options["samples"]),
)
def ss_cam(
    probe: Probe,
    *,
    samples: int = 10,
    std: float = 2.0,
    fast: bool = False,
    channels: int = 0,
    by: By = "mean",
    groups: int = 0,
    weights: str = "softmax",
    seed: int = 0,
) -> torch.Tensor:
    """Return Score-CAM's map with each increase the mean over noisy versions of the channel.

    The noise lies on the layer's grid, before the mask is stretched from 0 to 1, so masks stay masks;
    torchcam adds it to the stretched mask, which then reaches from −6 to 7.

    Args:
        probe: of one picture.
        samples: of the noise, for each channel.
        std: of the noise, in standard deviations of the layer, so that it means the same in every network.
        fast: as in Score-CAM, and so are the next four.
        channels: how many.
        by: what chooses them.
        groups: clusters of channels.
        weights: `softmax` or `increase`.
        seed: of the noise and the clusters.
    """
    at_least("ss-cam", "samples", samples, 1)
    at_least("ss-cam", "std", std, 0)
    parts, live = _parts(probe, "ss-cam", fast, channels, by, groups, seed)
    given, count = picture(probe), parts.maps.shape[1]
    scale = std * live.std(correction=0) if live.numel() else 0.0
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros(count, dtype=given.dtype, device=given.device)
    for sample in range(samples):
        # One draw for each sample and channel, on the CPU: the same noise wherever the network is.
        noise = torch.randn(parts.maps.shape, generator=generator).to(parts.maps)

        def masked(start: int, stop: int, noisy: torch.Tensor = parts.maps + scale * noise) -> torch.Tensor:
            return _through(given, stretched(upsampled(noisy[:, start:stop], tuple(given.shape[2:]))))

        some = scored(
            probe, count, masked, before=sample * count, total=samples * count, alike=by != "gradient"
        )
        total += some.to(total)
    return _weighed(probe, live, parts, total / samples, weights, "ss-cam")


@method(
    "is-cam",
    "IS-CAM",
    family="perturbation",
    needs="probe",
    display="positive",
    formula="relu(Σ_k α_k A_k), α = softmax_k(mean_n(s(n/N · x ⊙ up(A_k))) − s(0)), n = 1 … N",
    paper="Naidu et al., IS-CAM: Integrated Score-CAM, 2020 (arXiv 2010.03023)",
    passes=lambda options: _passes(options, options["samples"]),
)
def is_cam(
    probe: Probe,
    *,
    samples: int = 10,
    fast: bool = False,
    channels: int = 0,
    by: By = "mean",
    groups: int = 0,
    weights: str = "softmax",
    seed: int = 0,
) -> torch.Tensor:
    """Return Score-CAM's map with each increase the mean on the way from the empty to the masked input.

    torchcam adds the steps up, 0.1, 0.3, … 5.5 for ten, and so scores inputs up to 5.5 times as bright.

    Args:
        probe: of one picture.
        samples: steps on the way.
        fast: as in Score-CAM, and so are the others.
        channels: how many.
        by: what chooses them.
        groups: clusters of channels.
        weights: `softmax` or `increase`.
        seed: where the clusters start.
    """
    at_least("is-cam", "samples", samples, 1)
    parts, live = _parts(probe, "is-cam", fast, channels, by, groups, seed)
    given, count = picture(probe), parts.maps.shape[1]

    def masked(start: int, stop: int) -> torch.Tensor:
        steps = torch.arange(start, stop, device=given.device)
        one = stretched(upsampled(parts.maps[:, steps // samples], tuple(given.shape[2:])))
        return _through(given, one * _along(((steps % samples + 1) / samples).to(one), one))

    found = scored(probe, samples * count, masked, alike=by != "gradient").reshape(count, samples)
    return _weighed(probe, live, parts, found.mean(1), weights, "is-cam")


def _through(given: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Return the input seen through each mask of `(1, K, *size)`."""
    return given * masks[0][:, None]


def _along(values: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    """Return one value for each map of `(1, K, *grid)` in a shape that multiplies them."""
    return values.reshape(-1, *[1] * (maps.dim() - 2))


def _parts(
    probe: Probe, name: str, fast: bool, channels: int, by: str, groups: int, seed: int
) -> tuple[_Parts, torch.Tensor]:
    """Return what masks are made of, and the channels that they stand for, `(1, C, *grid)`."""
    at_least(name, "channels", channels, 0)
    at_least(name, "groups", groups, 0)
    if bool(channels) + bool(groups) + fast > 1:
        raise MethodError(f"{name}(fast={fast}, channels={channels}, groups={groups}): give one of them.")
    if by not in get_args(By):
        raise MethodError(f"{name}(by={by!r}): give {', '.join(get_args(By))}.")
    channels = _FAST if fast else channels
    activation = probe.activation()
    flat = activation[0].flatten(1)
    worth = flat.var(1, correction=0) if by == "variance" else flat.abs().mean(1)
    live = (flat.amax(1) > flat.amin(1)).nonzero().flatten()
    if channels and by == "gradient":
        (seen,), (gradient,) = probe.recorded([probe.layer])
        worth = (seen * gradient)[0].flatten(1).sum(1)
    if channels:
        best = worth[live].argsort(descending=True, stable=True)[:channels]
        live = live[best.sort().values]
    kept = activation[:, live]
    own = torch.arange(len(live), device=kept.device)
    of = _clusters(stretched(kept)[0].flatten(1), groups, seed) if groups else own
    sizes = torch.bincount(of, minlength=int(of.max()) + 1 if len(of) else 0)
    means = torch.zeros(len(sizes), *kept.shape[2:], dtype=kept.dtype, device=kept.device)
    means.index_add_(0, of, kept[0])
    filled = sizes > 0
    maps = (means / _along(sizes.clamp(min=1).to(means), means[None]))[filled]
    return _Parts(maps[None], sizes[filled]), kept


def _clusters(points: torch.Tensor, count: int, seed: int) -> torch.Tensor:
    """Return for each of `(N, D)` points the number of its cluster, by k-means."""
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(points), generator=generator)[:count].to(points.device)
    centres, of = points[chosen], torch.zeros(len(points), dtype=torch.long, device=points.device)
    for _ in range(_ROUNDS):
        if not len(centres):
            break
        of = (centres.square().sum(1) - 2 * points @ centres.T).argmin(1)
        sums = torch.zeros_like(centres).index_add_(0, of, points)
        sizes = torch.bincount(of, minlength=len(centres))[:, None]
        centres = torch.where(sizes > 0, sums / sizes.clamp(min=1), centres)
    return of


def _weighed(
    probe: Probe, live: torch.Tensor, parts: _Parts, scores: torch.Tensor, weights: str, name: str
) -> torch.Tensor:
    """Return the weighed sum of channels, where a part counts as many times as it has members."""
    if weights not in ("softmax", "increase"):
        raise MethodError(f"{name}(weights={weights!r}): give softmax or increase.")
    if not len(scores):
        return torch.zeros(live.shape[2:], dtype=live.dtype, device=live.device)
    sizes = parts.sizes.to(scores)
    if weights == "softmax":  # of which the score of the empty input takes no part
        shares = (scores + sizes.log()).softmax(0)
    else:
        shares = sizes * (scores - probe.scores(torch.zeros_like(probe.inputs), len(scores)))
    return torch.einsum("k,k...->...", shares, parts.maps[0].to(shares.dtype))
