"""Maps: every method a pure function on tensors, registered with what it needs and what it costs."""

from interp.methods import (  # noqa: F401 - importing registers them
    ablation,
    activation,
    cam,
    combine,
    components,
    consensus,
    control,
    eigen,
    fullgrad,
    fusing,
    legrad,
    masks,
    noise,
    occlusion,
    pixels,
    pixels_blurred,
    propagation,
    relevance,
    rise,
    score_cam,
    seg_xres,
    variants,
)
from interp.methods.attribute import Attribution, attribute
from interp.methods.probe import Probe
from interp.methods.registry import INPUT, Method, MethodError, get, method, methods, modifier, modifiers

__all__ = [
    "INPUT",
    "Attribution",
    "Method",
    "MethodError",
    "Probe",
    "attribute",
    "get",
    "method",
    "methods",
    "modifier",
    "modifiers",
]
