"""Settings that all recipes have: plain values, kept in a run's `config.json`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from interp.training.stages import Stage, TrainingError

DEFAULT_BACKBONE = "efficientnet_lite0"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What every recipe asks.

    Args:
        folder: of the pictures.
        stages: of the training, in order; at least one.
        backbone: `efficientnet_lite0`, `torchvision:NAME` or `timm:NAME`.
        pretrained: begin with the backbone's trained weights, which may be a download.
        valid: the part of the data that is held back, 0 … 1, where the folder does not say itself.
        seed: of everything that is random.
        weight_decay: decoupled, not of batch norms and biases.
        keep_statistics: the pre-trained batch norms keep their statistics, and learn nothing while they are
            frozen. Better for a few hundred pictures or small batches; the course lets them go on. Not for a
            backbone with random weights, which has none to keep.
        skip_bad: go on without pictures that cannot be used.
        mixed_precision: half precision where it pays, on CUDA only.
        workers: processes that decode; default none where the pictures fit into memory.
        device: `cpu`, `cuda` or `mps`; default the fastest that is there.
    """

    folder: str
    stages: tuple[Stage, ...] = field(default=())
    backbone: str = DEFAULT_BACKBONE
    pretrained: bool = True
    valid: float = 0.2
    seed: int = 42
    weight_decay: float = 1e-2
    keep_statistics: bool = False
    skip_bad: bool = False
    mixed_precision: bool = True
    workers: int | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        if not self.stages:
            raise TrainingError("there is no stage to train; give one at least.")
        if not 0 < self.valid < 1:
            raise TrainingError(f"valid={self.valid:g}: give the part that is held back, between 0 and 1.")
        if self.seed < 0:
            raise TrainingError(f"seed={self.seed}: give a whole number from 0.")
        if self.workers is not None and self.workers < 0:
            raise TrainingError(f"workers={self.workers}: give a whole number from 0.")

    def to_json(self) -> dict[str, Any]:
        """Return plain values for `config.json`."""
        return asdict(self)
