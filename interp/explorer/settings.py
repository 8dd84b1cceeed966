"""Where the explorer finds its pictures, runs and models: environment variables that `interp app` sets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import interp

RUNS, PICTURES, MODELS = "INTERP_APP_RUNS", "INTERP_APP_PICTURES", "INTERP_APP_MODELS"


@dataclass(frozen=True)
class Settings:
    """What whoever starts the explorer decides.

    Attributes:
        runs: folder with the runs of `interp train`.
        pictures: folder whose pictures are offered as samples.
        models: names and folders that are offered besides the registry's.
    """

    runs: Path
    pictures: Path
    models: tuple[str, ...]

    @staticmethod
    def of(environment: Mapping[str, str] = os.environ) -> Settings:
        """Read them from the environment."""
        models = environment.get(MODELS, "")
        return Settings(
            runs=Path(environment.get(RUNS) or "runs"),
            pictures=Path(environment.get(PICTURES) or _samples()),
            models=tuple(name for name in models.splitlines() if name),
        )


def _samples() -> Path:
    """Return the pictures that come along: inside an installed package, beside it in a checkout."""
    package = Path(interp.__file__).parent
    inside = package / "explorer" / "sample_images"
    return inside if inside.is_dir() else package.parent / "sample_images"
