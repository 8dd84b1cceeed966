"""How far two pictures are apart for a trained network: pixels, features and textures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from interp.features import Extractor, gram, last_activations
from interp.models import DEFAULT_MODEL, load

Base = Literal["l1", "mse"]


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
        if base not in get_args(Base):
            raise ValueError(f"base={base!r} is neither 'l1' nor 'mse'.")
        if not layer_weights or min(*layer_weights, gram_scale) < 0:
            raise ValueError(
                "layer_weights must be one or more numbers from 0 on, gram_scale a number from 0 on."
            )
        model = load(network)
        blank = model.blank()
        if layers is None:
            layers = last_activations(model.module, blank)[-len(layer_weights) :]
        if len(layers) != len(layer_weights):
            raise ValueError(
                f"{len(layer_weights)} layer_weights for {len(layers)} layers of {model.name} "
                f"({', '.join(layers)}); give one for each."
            )
        self.base, self.normalise = base, normalise
        self.layer_weights, self.gram_scale = tuple(map(float, layer_weights)), float(gram_scale)
        self.features = Extractor(model.module, layers, blank)
        self.layers = self.features.layers
        for name in ("mean", "std"):
            statistics = torch.tensor(getattr(model.preprocess, name), device=model.device, dtype=model.dtype)
            self.register_buffer(name, statistics.view(1, -1, 1, 1), persistent=False)
        kinds = ("feat", "gram") if gram_scale else ("feat",)
        self.names = ("pixel", *(f"{kind}_{i}" for kind in kinds for i in range(len(layers))))
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
        found = self._seen(x)
        terms = [self._distance(x, y)]
        pairs = list(zip(self.layer_weights, found, wanted, strict=True))
        terms += [w * self._distance(a, b) for w, a, b in pairs]
        if self.gram_scale:
            terms += [w**2 * self.gram_scale * self._distance(gram(a), gram(b)) for w, a, b in pairs]
        return dict(zip(self.names, terms, strict=True))

    def _seen(self, pictures: Tensor) -> list[Tensor]:
        pictures = pictures.to(self.mean.dtype)
        inputs = (pictures - self.mean) / self.std if self.normalise else pictures
        features: list[Tensor] = self.features(inputs)
        return features

    def _distance(self, a: Tensor, b: Tensor) -> Tensor:
        return (F.l1_loss if self.base == "l1" else F.mse_loss)(a.float(), b.float())
