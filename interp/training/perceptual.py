"""How far two pictures are apart for a trained network: pixels, features and textures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from interp.features import Extractor
from interp.features.perceptual_terms import (
    Base,
    checked_weights,
    compared_layers,
    term_names,
    weighted_terms,
)
from interp.models import DEFAULT_MODEL, load


class PerceptualLoss(nn.Module):
    """`L = d(x, y) + Σ_l w_l d(f_l(x), f_l(y)) + Σ_l w_l² s d(Gram f_l(x), Gram f_l(y))`, d = mean |a − b|.

    The loss with which fast.ai's course of 2019 (lesson 7) trains super-resolution, after Johnson, Alahi,
    Fei-Fei: "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", 2016. f_l are the last
    activations before the last changes of grid of a trained network, w = (5, 15, 2), s = 5000, and Gram
    matrices are divided by C·H·W.

    The network is a private copy, frozen, in eval mode and cut after the last layer; only x gets gradients.
    It goes to the device of the pictures. Features and Gram matrices are compared in float32.

    Args:
        network: whatever `interp.load` takes, best trained: a name, a folder, an `ImageModel`.
        layer_weights: w, one for each layer.
        base: d: `l1`, or `mse` for mean (a − b)².
        layers: names as in `named_modules()`, `name@call` for one call of a reused module; default the
            last `len(layer_weights)` of `last_activations`, for VGG-16 "22", "32" and "42" of its features.
        gram_scale: s; 0 leaves the Gram terms out.
        normalise: pictures are in 0 … 1, and the network's own normalisation is applied here, to what the
            network sees. False: they are normalised as the network takes them. The pixel term compares the
            pictures as given, so it is larger by 1 / std for normalised ones; the course's were.

    Attributes:
        layers: the layers compared, each with its call.
        names: of the terms, in order: `pixel`, `feat_0` …, `gram_0` ….
        last: the detached terms of the last `loss(x, y)`, by name, for `LossTerm`. Of use to a training
            loop; of several threads the last one wins.

    Raises:
        ModelError: no such network.
        CaptureError: no such layer.
        ValueError: another number of weights than layers, a negative weight, an unknown base.

    Example:
        >>> loss = PerceptualLoss("torchvision:vgg16_bn")
        >>> loss(predicted, target).backward()
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: Any = DEFAULT_MODEL,
        layer_weights: Sequence[float] = (5.0, 15.0, 2.0),
        *,
        base: Base = "l1",
        layers: Sequence[str] | None = None,
        gram_scale: float = 5e3,
        normalise: bool = True,
    ) -> None:
        super().__init__()
        self.base, self.normalise = base, normalise
        self.layer_weights = checked_weights(base, layer_weights, gram_scale)
        self.gram_scale = float(gram_scale)
        model = load(network)
        layers = compared_layers(model, layers, self.layer_weights)
        self.features = Extractor(model.module, layers, model.blank())
        self.layers = self.features.layers
        for name in ("mean", "std"):
            statistics = torch.tensor(getattr(model.preprocess, name), device=model.device, dtype=model.dtype)
            self.register_buffer(name, statistics.view(1, -1, 1, 1), persistent=False)
        self.names = term_names(len(layers), self.gram_scale)
        self.last: dict[str, Tensor] = {}

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the loss, one number: the sum of `terms`.

        Args:
            x: predicted pictures `(B, C, H, W)`, any size; gets the gradients.
            y: what they should be, of the same shape; a constant.

        Raises:
            ValueError: other shapes.
        """
        terms = self.terms(x, y)
        self.last = {name: term.detach() for name, term in terms.items()}
        return torch.stack(list(terms.values())).sum()

    def terms(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Return each weighted term of the loss by name, float32; arguments and errors as `forward`."""
        x, y = x.as_subclass(Tensor), y.detach().as_subclass(Tensor)
        channels = self.mean.shape[1]
        if x.shape != y.shape or x.dim() != 4 or x.shape[1] != channels:
            raise ValueError(
                f"pictures of {tuple(x.shape)} and {tuple(y.shape)}; give two of (B, {channels}, H, W)."
            )
        if self.mean.device != x.device:
            self.to(x.device)  # fastai moves the network and the data, and leaves the loss where it is
        with torch.no_grad():
            wanted = self._seen(y)
        return weighted_terms((x, self._seen(x)), (y, wanted), self.layer_weights, self.base, self.gram_scale)

    def _seen(self, pictures: Tensor) -> list[Tensor]:
        pictures = pictures.to(self.mean.dtype)
        inputs = (pictures - self.mean) / self.std if self.normalise else pictures
        features: list[Tensor] = self.features(inputs)
        return features
