"""How far two pictures are apart for a network, term by term: pixels, features and textures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from interp.features.blocks import last_activations
from interp.features.errors import FeatureError
from interp.features.extractor import Extractor
from interp.features.gram import gram
from interp.features.style import called
from interp.images import open_image
from interp.images.opening import Source
from interp.models import ImageModel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Base = Literal["l1", "mse"]

COURSE_WEIGHTS = (5.0, 15.0, 2.0)
COURSE_GRAM_SCALE = 5e3


@dataclass(frozen=True, eq=False)
class PerceptualTerms:
    """The terms of the perceptual loss for a pair of pictures.

    Attributes:
        model: what people call the network.
        pictures: what the two are called.
        layers: the layers compared.
        layer_weights: w, one for each layer.
        base: what a distance is, `l1` or `mse`.
        values: each weighted term by name: `pixel`, `feat_0` …, `gram_0` ….
    """

    model: str
    pictures: tuple[str, str]
    layers: tuple[str, ...]
    layer_weights: tuple[float, ...]
    base: Base
    values: dict[str, float]

    @property
    def total(self) -> float:
        """The loss: the sum of the terms."""
        return sum(self.values.values())

    def figure(self) -> Figure:
        """Draw the terms as bars, the largest first.

        Example:
            >>> both = "sample_images/cat.jpg", "sample_images/cat_small.jpg"
            >>> perceptual_terms(interp.load(), *both).figure().savefig("terms.png")
        """
        from interp.views import perceptual_terms_figure

        return perceptual_terms_figure(
            self.values, layers=self.layers, pictures=self.pictures, weights=self.layer_weights
        )


def perceptual_terms(
    model: ImageModel,
    picture_a: Source,
    picture_b: Source,
    *,
    layers: Sequence[str | int] | None = None,
    layer_weights: Sequence[float] = COURSE_WEIGHTS,
    base: Base = "l1",
    gram_scale: float = COURSE_GRAM_SCALE,
) -> PerceptualTerms:
    """Return the terms of `interp.training`'s `PerceptualLoss` for two pictures.

    `d(x, y)`, `w_l d(f_l(x), f_l(y))` and `w_l² s d(Gram f_l(x), Gram f_l(y))`, where x and y are what the
    network sees of the pictures, in 0 … 1, and d = mean |a − b|.

    Args:
        model: the network that compares.
        picture_a: the one.
        picture_b: the other; both are fitted to the network's input.
        layers: names or indices; default the last `len(layer_weights)` of `last_activations`.
        layer_weights: w, one for each layer; the course's.
        base: d: `l1`, or `mse` for mean (a − b)².
        gram_scale: s; 0 leaves the Gram terms out.

    Raises:
        ImageError: a picture cannot be opened.
        LayerError: no such layer.
        FeatureError: another number of weights than layers, a negative weight, an unknown base.

    Example:
        >>> both = "sample_images/cat.jpg", "sample_images/cat_small.jpg"
        >>> list(perceptual_terms(interp.load(), *both, layer_weights=[5], gram_scale=0).values)
        ['pixel', 'feat_0']
    """
    weights = checked_weights(base, layer_weights, gram_scale)
    typed = None if layers is None else [model.layers.resolve(layer) for layer in layers]
    names = compared_layers(model, typed, weights)
    extractor = Extractor(model.module, names, model.blank())
    with torch.inference_mode(False), torch.no_grad():
        a, b = (model.prepare([open_image(picture)]) for picture in (picture_a, picture_b))
        x, y = model.preprocess.inverse(a), model.preprocess.inverse(b)
        terms = weighted_terms((x, extractor(a)), (y, extractor(b)), weights, base, gram_scale)
    return PerceptualTerms(
        model.name,
        (called(picture_a, 0), called(picture_b, 1)),
        tuple(names),
        weights,
        base,
        {name: float(value) for name, value in terms.items()},
    )


def weighted_terms(
    x: tuple[Tensor, Sequence[Tensor]],
    y: tuple[Tensor, Sequence[Tensor]],
    weights: Sequence[float],
    base: Base = "l1",
    gram_scale: float = COURSE_GRAM_SCALE,
) -> dict[str, Tensor]:
    """Return each weighted term by name, from pictures and features that are computed already.

    Args:
        x: pictures `(B, C, H, W)`, and their features at each layer.
        y: of the same shapes.
        weights: w, one for each layer.
        base: d: `l1` or `mse`.
        gram_scale: s; 0 leaves the Gram terms out.

    Returns:
        `pixel`, `feat_0` …, `gram_0` …: one number each, float32.

    Example:
        >>> ones, zeros = torch.ones(1, 2, 4, 4), torch.zeros(1, 2, 4, 4)
        >>> weighted_terms((ones, [ones]), (zeros, [zeros]), [2], gram_scale=1)
        {'pixel': tensor(1.), 'feat_0': tensor(2.), 'gram_0': tensor(2.)}
    """
    pairs = list(zip(weights, x[1], y[1], strict=True))
    terms = [_distance(x[0], y[0], base)]
    terms += [w * _distance(a, b, base) for w, a, b in pairs]
    if gram_scale:
        terms += [w**2 * gram_scale * _distance(gram(a), gram(b), base) for w, a, b in pairs]
    return dict(zip(term_names(len(pairs), gram_scale), terms, strict=True))


def term_names(layers: int, gram_scale: float) -> tuple[str, ...]:
    """Return the names of the terms of so many layers, in order.

    Example:
        >>> term_names(1, 5e3)
        ('pixel', 'feat_0', 'gram_0')
    """
    kinds = ("feat", "gram") if gram_scale else ("feat",)
    return ("pixel", *(f"{kind}_{i}" for kind in kinds for i in range(layers)))


def checked_weights(base: str, layer_weights: Sequence[float], gram_scale: float) -> tuple[float, ...]:
    """Return the weights as numbers, or refuse them or the base.

    Raises:
        FeatureError: no weight, a negative one, or an unknown base.
    """
    if base not in get_args(Base):
        raise FeatureError(f"base={base!r} is neither 'l1' nor 'mse'.")
    if not layer_weights or min(*layer_weights, gram_scale) < 0:
        raise FeatureError(
            "layer_weights must be one or more numbers from 0 on, gram_scale a number from 0 on."
        )
    return tuple(map(float, layer_weights))


def compared_layers(
    model: ImageModel, layers: Sequence[str] | None, layer_weights: Sequence[float]
) -> Sequence[str]:
    """Return the layers, by default the last of `last_activations`, one for each weight.

    Raises:
        FeatureError: there are more or fewer of them than weights.
    """
    if layers is None:
        layers = last_activations(model.module, model.blank())[-len(layer_weights) :]
    if len(layers) != len(layer_weights):
        raise FeatureError(
            f"{len(layer_weights)} layer_weights for {len(layers)} layers of {model.name} "
            f"({', '.join(layers)}); give one for each."
        )
    return layers


def _distance(a: Tensor, b: Tensor, base: Base) -> Tensor:
    return (F.l1_loss if base == "l1" else F.mse_loss)(a.float(), b.float())
