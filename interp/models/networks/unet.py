"""A U-Net on any backbone: fastai's `DynamicUnet`, described in plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from interp.models.builders import ModelError, build_named
from interp.models.networks.body import Features, body
from interp.models.networks.checks import between

# The layout is the same at every size, and fastai runs the encoder once to find it.
_LAYOUT = 512


@dataclass(frozen=True)
class UNetNetwork:
    """An encoder and, for every change of its grid, a pixel-shuffle step up that takes the skip in.

    Args:
        backbone: the encoder, as `interp.load` takes it.
        outputs: channels of the output.
        height: of the pictures it is laid out for; others run too.
        width: the same.
        blur: an average over 2 × 2 after each pixel shuffle, against its chequered pattern.
        weight_norm: weight norm in the place of batch norm.
        self_attention: in the third step from the top.
        low: with `high`, the range that a sigmoid puts the output in; none where they are equal.
        high: see `low`.

    Example:
        >>> network = UNetNetwork("torchvision:resnet34", outputs=12, height=180, width=240).build()
    """

    backbone: str
    outputs: int
    height: int
    width: int
    blur: bool = False
    weight_norm: bool = False
    self_attention: bool = False
    low: float = 0.0
    high: float = 0.0

    def __post_init__(self) -> None:
        between("outputs", self.outputs, 1, 10_000)
        for key in ("height", "width"):
            between(key, getattr(self, key), 32, 8192)
        for key in ("low", "high"):
            between(key, getattr(self, key), -1e6, 1e6)

    def build(self, trained: nn.Module | None = None) -> nn.Module:
        """Return the network, untrained but for the backbone in `trained`, whose modules it uses.

        Raises:
            ModelError: the backbone cannot be an encoder.
        """
        from fastai.layers import NormType
        from fastai.vision.models.unet import DynamicUnet

        encoder = body(build_named(self.backbone) if trained is None else trained)
        if isinstance(encoder[0], Features):
            raise ModelError(
                f"{self.backbone} cannot be the encoder of a U-Net: its stages do not run one after the "
                "other. Use efficientnet_lite0 or a ResNet."
            )
        network: Any = DynamicUnet(
            encoder,
            self.outputs,
            (min(self.height, _LAYOUT), min(self.width, _LAYOUT)),
            blur=self.blur,
            norm_type=NormType.Weight if self.weight_norm else None,
            self_attention=self.self_attention,
            y_range=None if self.low == self.high else (self.low, self.high),
        )
        clear_skips(network)
        # Its last layer only takes fastai's tensor type off, which nothing here puts on.
        network.layers[-1] = nn.Identity()
        built: nn.Module = network
        return built


def clear_skips(network: Any) -> None:
    """Drop what a `DynamicUnet` keeps of its last pass: it breaks copies and holds memory."""
    for hook in getattr(network, "sfs", ()):
        hook.stored = None
