"""Critics and generators, fastai's, described in plain values."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from interp.models.networks.checks import between

# Features double with every halving of the grid, so two fine values may ask for too much together.
_WIDTH, _MOST = "width at its coarsest grid", 8192


class MeanLogit(nn.Module):
    """The mean of a critic's logits over the picture, `(B, n)` → `(B, 1)`."""

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        """Return one logit for each picture."""
        return logits.flatten(1).mean(1, keepdim=True)


@dataclass(frozen=True)
class CriticNetwork:
    """The course's critic: strided convolutions with spectral norm, self-attention, one logit a patch.

    Args:
        channels: of its pictures.
        features: of its first convolution, doubled with every step.
        blocks: how many steps after the first; each halves the grid.
        dropout: of channels, half of it in the first step.
    """

    channels: int = 3
    features: int = 128
    blocks: int = 3
    dropout: float = 0.15

    def __post_init__(self) -> None:
        between("channels", self.channels, 1, 64)
        between("features", self.features, 4, 1024)
        between("blocks", self.blocks, 1, 6)
        between(_WIDTH, self.features * 2 ** (self.blocks + 1), 8, _MOST)
        between("dropout", self.dropout, 0, 0.99)

    def build(self) -> nn.Sequential:
        """Return the critic; its last module makes one logit for each picture of those of the patches."""
        from fastai.vision.gan import gan_critic

        critic = gan_critic(self.channels, self.features, self.blocks, self.dropout)
        return nn.Sequential(critic, MeanLogit())


@dataclass(frozen=True)
class BasicCriticNetwork:
    """A plain critic for pictures of one size: strided convolutions with batch norm down to one number.

    Args:
        size: of its pictures, a power of two.
        channels: of its pictures.
        features: of its first convolution, doubled with every step.
        extra_layers: at the first step's grid.
    """

    size: int
    channels: int = 3
    features: int = 64
    extra_layers: int = 0

    def __post_init__(self) -> None:
        _basic(self.size, self.channels, self.features, self.extra_layers)

    def build(self) -> nn.Sequential:
        """Return the critic, `(B, channels, size, size)` → `(B, 1)`."""
        from fastai.vision.gan import basic_critic

        critic: nn.Sequential = basic_critic(
            self.size, self.channels, n_features=self.features, n_extra_layers=self.extra_layers
        )
        return critic


@dataclass(frozen=True)
class BasicGeneratorNetwork:
    """Noise to pictures: transposed convolutions with batch norm, doubled grids, tanh.

    Args:
        size: of its pictures, a power of two.
        channels: of its pictures.
        noise: length of the noise vector.
        features: of its last convolution but one.
        extra_layers: at half the picture's grid.
    """

    size: int
    channels: int = 3
    noise: int = 100
    features: int = 64
    extra_layers: int = 0

    def __post_init__(self) -> None:
        _basic(self.size, self.channels, self.features, self.extra_layers)
        between("noise", self.noise, 1, 10_000)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of one input: the noise."""
        return (self.noise,)

    def build(self) -> nn.Sequential:
        """Return the generator, `(B, noise)` → `(B, channels, size, size)` in -1 … 1."""
        from fastai.vision.gan import basic_generator

        generator: nn.Sequential = basic_generator(
            out_size=self.size,
            n_channels=self.channels,
            in_sz=self.noise,
            n_features=self.features,
            n_extra_layers=self.extra_layers,
        )
        return generator


def _basic(size: int, channels: int, features: int, extra_layers: int) -> None:
    between("size", size, 8, 1024)
    if size & (size - 1):
        between("size (a power of two)", size, 2 ** (size.bit_length() - 1), 2 ** (size.bit_length() - 1))
    between("channels", channels, 1, 64)
    between("features", features, 4, 1024)
    between(_WIDTH, features * size // 8, 4, _MOST)
    between("extra_layers", extra_layers, 0, 16)
