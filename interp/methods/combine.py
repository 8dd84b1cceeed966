"""Options that every method has: `grad-cam(eigen=True, fuse="max", augment=True)`.

Each changes a method into another. They act in the order in which they stand here, whatever the order in
which they are given: what is differentiated, the terms of one map, the maps of several stages, those of
changed inputs, those of parts of the input, and last how it is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from interp.dense import RegionTarget
from interp.logits import CallableTarget
from interp.methods.applying import stages_before
from interp.methods.crops import KEPT, MOST_SCALES, crops_of, scaled_and_slid
from interp.methods.eigen import first_component
from interp.methods.fusing import FUSIONS, STAGES
from interp.methods.probe import Probe
from interp.methods.registry import Method, MethodError, modifier
from interp.methods.sooner import OPTIMIZE
from interp.progress import part_of
from interp.targets import Target

FACTORS = (0.9, 1.0, 1.1)
DISPLAYS = ("positive", "signed", "range")

# What the maps of all stages cost more than one at the last, in passes: going back down to the first of them.
DOWN = 0.8


@modifier("contrast", False)
def contrast(base: Method, _value: Any) -> Method:
    """Differentiate what tells a class from its rivals instead of its score: `interp.methods.contrast`."""
    if base.needs != "gradients":
        raise MethodError(
            f"{base.name}(contrast=True): {base.title} does not differentiate. Use it with hires-cam, or ask "
            "for targets.contrast(one, other)."
        )
    return replace(base, asks="contrast")


@modifier("eigen", False)
def eigen(base: Method, _value: Any) -> Method:
    """Take the first principal component of the channels' terms instead of their sum.

    The terms are the method's own maps of single channels, so this works where the map is their sum: where
    the weight of a channel depends on no other channel.
    """
    if base.needs == "probe" or base.stages > 1 or not _sums_over_channels(base):
        raise MethodError(
            f"{base.name}(eigen=True): smoothing by the first principal component needs a map that is a sum "
            f"over the channels of one layer, with weights that depend on no other channel; {base.title} is "
            "none. Use it with grad-cam, layer-cam or hires-cam."
        )

    def function(*given: torch.Tensor) -> torch.Tensor:
        return first_component(_terms(base, given))

    return replace(base, function=function)


def _terms(base: Method, given: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the method's maps of every channel alone, `(B, C, *grid)`, from one call."""
    batch, channels = given[0].shape[:2]
    alone = [each.reshape(batch * channels, 1, *each.shape[2:]) for each in given]
    terms = base.function(*alone)
    return terms.reshape(batch, channels, *terms.shape[1:])


def _sums_over_channels(base: Method) -> bool:
    """Whether a map is the sum, or the mean, of the maps of its channels: tried on numbers that are fixed."""
    generator = torch.Generator().manual_seed(0)
    shapes: dict[str, list[tuple[int, ...]]] = {
        "activations": [(2, 3, 9, 11)],
        "gradients": [(2, 3, 9, 11)] * 2,
        "head": [(2, 3, 9, 11), (2, 3)],
    }
    given = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes[base.needs]]
    terms, whole = _terms(base, given), base.function(*given)
    return any(torch.allclose(found, whole, rtol=1e-6) for found in (terms.sum(1), terms.mean(1)))


@modifier("fuse", "")
def fuse(base: Method, value: Any) -> Method:
    """Make one map of those of up to four stages up to the layer, on the grid of the finest.

    Maps that rest on recorded layers need one pass forward and one back for all stages; methods that ask more
    of the network do so at every stage, and what that costs is an estimate. Every stage counts by its
    positive part over its maximum; `"refine"` is RefineCAM's way, over its range.
    """
    if value not in FUSIONS:
        raise MethodError(f"{base.name}(fuse={value!r}): give one of {', '.join(map(repr, FUSIONS))}.")
    if base.place == "input" or base.stages > 1:
        raise MethodError(f"{base.name}(fuse={value!r}): {base.title} has no map of its own at each stage.")
    if base.needs == "head":
        raise MethodError(f"{base.name}(fuse={value!r}): {base.title} exists at the last stage only.")
    fused = FUSIONS[value]
    if base.needs == "probe":
        slow = partial(_fused_probe, base=base, fused=fused)
        return replace(base, function=slow, display="positive", passes=1 + STAGES * (base.passes - 1))

    def function(*given: Sequence[torch.Tensor]) -> torch.Tensor:
        return fused([base.function(*stage) for stage in zip(*given, strict=True)])

    passes = base.passes + (DOWN if base.needs == "gradients" else 0)
    return replace(base, function=function, stages=STAGES, display="positive", passes=passes)


def _fused_probe(
    probe: Probe, *, base: Method, fused: Callable[[Sequence[torch.Tensor]], torch.Tensor]
) -> torch.Tensor:
    layers = [*stages_before(probe.layer, probe.model.layers)[1 - STAGES :], probe.layer]
    maps = [
        replace(probe, progress=part_of(probe.progress, number, len(layers))).map(base, layer=layer)
        for number, layer in enumerate(layers)
    ]
    return fused([each.unsqueeze(0) for each in maps])[0]


@modifier("augment", False)
def augment(base: Method, _value: Any) -> Method:
    """Average over the picture and its mirror image, each also a little weaker and stronger.

    Six inputs, in one batch where the method rests on recorded layers; the prepared input is multiplied, as
    in pytorch-grad-cam's `aug_smooth`.
    """
    passes = 1 + 2 * len(FACTORS) * base.passes
    return replace(base, needs="probe", stages=1, function=partial(_augmented, base=base), passes=passes)


def _augmented(probe: Probe, *, base: Method) -> torch.Tensor:
    maps = []
    for number, mirrored in enumerate((False, True)):
        part = replace(probe, progress=part_of(probe.progress, number, 2))
        if mirrored:
            target = _mirrored(probe.target) if probe.output.dim() > 2 else probe.target
            part = replace(part, target=target)
        inputs = torch.cat([factor * probe.inputs for factor in FACTORS])
        found = part.maps(base, inputs.flip(-1) if mirrored else inputs)
        maps.append(found.flip(-1) if mirrored else found)
    return torch.cat(maps).mean(0)


def _mirrored(target: Target) -> Target:
    """Return what asks of a mirrored output what the target asks of the output."""
    if isinstance(target, RegionTarget):
        return replace(target, region=target.region.flip(-1))
    return CallableTarget(lambda output: target(output.flip(-1)), target.name)


@modifier("sess", 0)
def sess(base: Method, value: Any) -> Method:
    """Pool the maps of windows that slide over the picture at so many scales: SESS.

    Tursun et al., SESS: Saliency Enhancing with Scaling and Sliding, ECCV 2022. Every window is rated by the
    target's probability in it, and the best ones get a map.
    """
    if not 1 <= value <= MOST_SCALES:
        raise MethodError(
            f"{base.name}(sess={value!r}): give the number of scales, 1 to {MOST_SCALES}; 0 is off."
        )
    if "classification" not in base.tasks:
        raise MethodError(f"{base.name}(sess={value!r}): windows are for networks that name whole pictures.")
    windows = len(crops_of(value, (224, 224)))
    passes = 1 + windows + min(KEPT, windows) * base.passes
    function = partial(scaled_and_slid, base=base, scales=value)
    return replace(
        base,
        needs="probe",
        stages=1,
        function=function,
        display="positive",
        passes=passes,
        tasks=("classification",),
    )


@modifier("optimize", "auto")
def optimize(base: Method, value: Any) -> Method:
    """Say when a private optimised copy of the network runs in its place: `interp.methods.sooner`.

    Extremal perturbation and what is differentiated always run the network itself.
    """
    if value not in OPTIMIZE:
        raise MethodError(f"{base.name}(optimize={value!r}): give one of {', '.join(map(repr, OPTIMIZE))}.")
    if base.needs != "probe":
        raise MethodError(
            f"{base.name}(optimize={value!r}): {base.title} runs the network once, with nothing to gain. "
            "Use it with score-cam, ablation-cam, occlusion or rise."
        )

    def function(probe: Probe) -> torch.Tensor:
        return base.function(replace(probe, copies=probe.copies.asked(value)))

    return replace(base, function=function)


@modifier("display", "")
def display(base: Method, value: Any) -> Method:
    """Draw only what speaks for the target, or also what speaks against it, or the map over its range."""
    if value not in DISPLAYS:
        raise MethodError(f"{base.name}(display={value!r}): give one of {', '.join(map(repr, DISPLAYS))}.")
    return replace(base, display=value)
