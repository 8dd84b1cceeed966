"""What the skips of a U-Net are worth for one picture: their share of a score, and what is lost without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from interp.features.concatenations import Concatenating, Concatenation, concatenations_of
from interp.features.errors import FeatureError, NoSkipsError
from interp.features.levels import levels_of
from interp.features.skip_ablation import ABLATIONS, Tail, replaced
from interp.features.skip_truth import Truth, measures_of
from interp.images import open_image
from interp.images.opening import Source
from interp.layers import main_output
from interp.models import ImageModel
from interp.precision import in_full
from interp.progress import Progress
from interp.targets import AnyTarget, Seen, Target, about, resolve


@dataclass(frozen=True)
class Ablation:
    """What changes when a skip is replaced: what there is then, minus what there was.

    Attributes:
        score: change of the target's score.
        measures: changes of what was measured against a ground truth: IoU and Dice, or PSNR in dB.
    """

    score: float
    measures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Skip:
    """One concatenation, and what its two sides contribute to a score.

    Attributes:
        layer: the module in whose code it stands; `""` for the network's own.
        size: `(H, W)` of its grid.
        channels: how many come over the skip, and how many up from below.
        across: `Σ_k g_k ⊙ A_k` over the skip's channels, `(H, W)`, float32 on the CPU.
        up: the same over the channels from below.
        ablations: by the name of what replaced the skip.
    """

    layer: str
    size: tuple[int, int]
    channels: tuple[int, int]
    across: Tensor
    up: Tensor
    ablations: Mapping[str, Ablation]

    @property
    def sums(self) -> tuple[float, float]:
        """Sums of both maps. Where all that follows is linear without a bias, they add up to the score."""
        return float(self.across.double().sum()), float(self.up.double().sum())

    @property
    def share(self) -> float:
        """Part of the skip in both, `Σ|across| / (Σ|across| + Σ|up|)`, 0 … 1; 0 where both are 0."""
        across, up = float(self.across.double().abs().sum()), float(self.up.double().abs().sum())
        return across / (across + up) if across + up else 0.0


@dataclass(frozen=True, eq=False)
class Skips:
    """All concatenations of a network for one picture and target.

    Attributes:
        target: what was asked of the output.
        score: what the network gives for it.
        measures: what was measured against the ground truth, nothing replaced.
        rows: the finest grid first.
    """

    target: Target
    score: float
    measures: Mapping[str, float]
    rows: tuple[Skip, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values, without the maps."""
        return {
            "target": self.target.name,
            "score": self.score,
            "measures": dict(self.measures),
            "skips": [
                {
                    "layer": row.layer,
                    "size": list(row.size),
                    "channels": list(row.channels),
                    "sums": list(row.sums),
                    "share": row.share,
                    "ablations": {
                        name: {"score": one.score, **one.measures} for name, one in row.ablations.items()
                    },
                }
                for row in self.rows
            ],
        }


def skips_of(
    model: ImageModel,
    picture: Source,
    target: AnyTarget = None,
    *,
    ablate: Sequence[str] = tuple(ABLATIONS),
    truth: Truth | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Skips:
    """Say what every skip of a U-Net does for one picture: gradient × activation, and ablation.

    `Σ_k g_k ⊙ A_k`, `g = ∂s/∂A`, at both inputs of every concatenation, from one backward pass; and
    `s(skip replaced) − s`, from a replay of what comes after the bottleneck.

    Args:
        model: from `interp.load`.
        picture: anything that `interp.open_image` takes.
        target: one target; `None` for the largest region of a segmentation, or the detail of a picture. Its
            region is that of the unchanged output, whatever is replaced.
        ablate: what stands in for a skip, one after the other: `"zero"`, `"mean"` (of each channel over the
            positions: what is there, but not where) and `"shuffled"` (the positions, all channels alike).
            None of them with `()`.
        truth: of a segmentation the label map, as in `interp.targets.where_true`; of a network that makes a
            picture the picture that it should be. Then IoU and Dice of the target's class (of a target
            without one, their means over the classes of the truth), or PSNR, are measured; void positions
            count nowhere.
        seed: of the shuffling.
        progress: is told how many ablations are done.

    Raises:
        FeatureError: no concatenation of a skip is seen, or an option does not fit.
        ImageError: the picture cannot be opened.
        TargetError, PlaceError, LabelError: the target does not fit.

    Example:
        >>> found = skips_of(interp.load("runs/streets"), "street.png", interp.targets.where_predicted("car"))
        >>> [(row.size, round(row.share, 2)) for row in found.rows]
    """
    _check(ablate)
    opened = open_image(picture)
    target = about(target, Seen(opened, model.preprocess))
    inputs = model.prepare([opened])
    bottleneck = levels_of(model).bottleneck
    places = concatenations_of(model, inputs, bottleneck)
    if not places:
        raise NoSkipsError(
            f"no concatenation is seen on the way up of {model.name} that takes in what comes from its way "
            "down, so there are no skips to compare. Is it a U-Net? Skips that are added, or copied into a "
            "tensor made before, are none here."
        )
    joined, gradients, output, asked = _differentiated(model, inputs, places, target)
    measures = measures_of(model, opened, asked, truth)
    ablations = _ablated(model, inputs, bottleneck, joined, asked, measures, ablate, seed, progress)
    rows = []
    for place in places:
        products = [
            (in_full(a) * in_full(g)).sum(1)[0] for a, g in zip(joined[place], gradients[place], strict=True)
        ]
        across = sum((products[i] for i in place.skips), torch.zeros_like(products[0]))
        up = sum((products[i] for i in place.ups), torch.zeros_like(products[0]))
        channels = tuple(sum(joined[place][i].shape[1] for i in part) for part in (place.skips, place.ups))
        rows.append(
            Skip(
                place.layer,
                place.size,
                (channels[0], channels[1]),
                across.float().cpu(),
                up.float().cpu(),
                ablations[place],
            )
        )
    rows.sort(key=lambda row: row.size[0] * row.size[1], reverse=True)
    return Skips(asked, float(asked(output)[0]), measures(output), tuple(rows))


def _check(ablate: Sequence[str]) -> None:
    for name in ablate:
        if name not in ABLATIONS:
            raise FeatureError(f"ablate={name!r}: give some of {', '.join(ABLATIONS)}.")


Tensors = dict[Concatenation, list[Tensor]]


def _differentiated(
    model: ImageModel, inputs: Tensor, places: Sequence[Concatenation], query: AnyTarget
) -> tuple[Tensors, Tensors, Tensor, Target]:
    """Return what is concatenated, the score's gradients there, the output, and the target."""
    by_number = {place.number: place for place in places}
    joined: Tensors = {}

    def open_up(number: int, parts: Sequence[Tensor]) -> Sequence[Tensor] | None:
        if number not in by_number:
            return None
        # Clones, so that the gradient is that of this concatenation alone and not of other users.
        own = [one.clone() if one.requires_grad else one.detach().clone().requires_grad_() for one in parts]
        joined[by_number[number]] = own
        return own

    with model.twin() as private, torch.inference_mode(False), torch.enable_grad():
        with Concatenating(open_up):
            output = main_output(private(inputs.clone()))
        found = resolve(query, output.detach()[0], model.labels, model.task)
        if len(found) != 1:
            raise FeatureError(f"{len(found)} targets were asked for; give one, or call once for each.")
        score = found[0](output)[0]
        if not score.requires_grad:
            raise FeatureError(
                f"the score of {model.name} carries no gradient to its concatenations: its forward runs "
                "under no_grad, or the target does not depend on them."
            )
        flat = [one for place in places for one in joined[place]]
        slopes = iter(torch.autograd.grad(score, flat, allow_unused=True))
    gradients = {
        place: [torch.zeros_like(one) if (g := next(slopes)) is None else g for one in joined[place]]
        for place in places
    }
    plain = {place: [one.detach() for one in joined[place]] for place in places}
    return plain, gradients, output.detach(), found[0]


def _ablated(
    model: ImageModel,
    inputs: Tensor,
    bottleneck: str,
    joined: Tensors,
    asked: Target,
    measures: Any,
    ablate: Sequence[str],
    seed: int,
    progress: Progress | None,
) -> dict[Concatenation, dict[str, Ablation]]:
    found: dict[Concatenation, dict[str, Ablation]] = {place: {} for place in joined}
    if not ablate:
        return found
    work = [(place, name) for place in joined for name in ablate]
    with model.twin() as private:
        tail = Tail(private, inputs, bottleneck)
        # What is compared comes the same way, so that no rounding passes for an effect.
        score, measured = float(asked(tail.output)[0]), measures(tail.output)
        for step, (place, name) in enumerate(work):
            output = tail(place, replaced(joined[place], place.skips, name, seed))
            after = measures(output)
            changes = {one: after[one] - value for one, value in measured.items()}
            found[place][name] = Ablation(float(asked(output)[0]) - score, changes)
            if progress is not None:
                progress(step + 1, len(work))
    return found
