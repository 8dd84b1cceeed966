"""interp: where a trained CNN or U-Net looks, with which features, and whether the picture can be trusted.

    >>> import interp
    >>> explanation = interp.explain("efficientnet_lite0", "sample_images/cat.jpg", target="tiger cat")
    >>> explanation.save("cat.png")

Everything below is imported on first use, so `import interp` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interp import (
        capture,
        features,
        images,
        layers,
        methods,
        metrics,
        models,
        report,
        targets,
        training,
        views,
    )
    from interp.all_methods import gallery
    from interp.context import context_ratio
    from interp.explaining import explain, remake
    from interp.explanation import Explanation
    from interp.explanations import Explanations
    from interp.images import Preprocess, open_image
    from interp.methods import attribute
    from interp.metrics import Trust, evaluate, trust
    from interp.models import Architecture, ImageModel, load
    from interp.report import write_report

__all__ = [
    "Architecture",
    "Explanation",
    "Explanations",
    "ImageModel",
    "Preprocess",
    "Trust",
    "attribute",
    "capture",
    "context_ratio",
    "evaluate",
    "explain",
    "features",
    "gallery",
    "images",
    "layers",
    "load",
    "methods",
    "metrics",
    "models",
    "open_image",
    "remake",
    "report",
    "targets",
    "training",
    "trust",
    "views",
    "write_report",
]

_MODULES = (
    "capture",
    "features",
    "images",
    "layers",
    "methods",
    "metrics",
    "models",
    "report",
    "targets",
    "training",
    "views",
)
_HOMES = {
    "Architecture": "models",
    "Explanation": "explanation",
    "Explanations": "explanations",
    "ImageModel": "models",
    "Preprocess": "images",
    "Trust": "metrics",
    "attribute": "methods",
    "context_ratio": "context",
    "evaluate": "metrics",
    "explain": "explaining",
    "gallery": "all_methods",
    "load": "models",
    "open_image": "images",
    "remake": "explaining",
    "trust": "metrics",
    "write_report": "report",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"interp.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(f"interp.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'interp' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
