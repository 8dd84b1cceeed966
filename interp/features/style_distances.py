"""How far styles are apart: between pictures, between layers, between two states of a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor

from interp.features.errors import FeatureError
from interp.features.style import Style, relative_distance

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class StyleDistances:
    """The relative distances of pictures to each other, layer by layer.

    Attributes:
        layers: names of L layers.
        pictures: names of P pictures.
        values: `(L, P, P)`, float64, 0 … 1, symmetric, 0 on the diagonal.
        views: what the network saw of each picture.
    """

    layers: tuple[str, ...]
    pictures: tuple[str, ...]
    values: Tensor
    views: tuple[Image.Image, ...]

    @property
    def mean(self) -> Tensor:
        """The mean over the layers, `(P, P)`: a metric too."""
        return self.values.mean(0)

    def figure(self) -> Figure:
        """Draw a matrix of pictures × pictures for each layer and their mean, with numbers, on one scale.

        Example:
            >>> found = style(interp.load(), ["sample_images/cat.jpg", "sample_images/rocket.jpg"])
            >>> style_distances(found).figure().savefig("distances.png")
        """
        from interp.views import style_distance_figure

        matrices, titles = list(self.values.numpy()), list(self.layers)
        if len(titles) > 1:
            matrices, titles = [*matrices, self.mean.numpy()], [*titles, "mean of all"]
        return style_distance_figure(matrices, layers=titles, pictures=self.pictures, views=self.views)


def style_distances(found: Style) -> StyleDistances:
    """Return the `relative_distance` of each two pictures at each layer.

    Example:
        >>> found = style(interp.load(), ["sample_images/cat.jpg", "sample_images/cat_small.jpg"], "blocks.2")
        >>> style_distances(found).values.shape
        torch.Size([1, 2, 2])
    """
    count = len(found.pictures)
    values = torch.zeros(len(found.layers), count, count, dtype=torch.float64)
    for place, layer in enumerate(found.layers):
        matrices = found.grams[layer]
        for i in range(count - 1):
            values[place, i, i + 1 :] = relative_distance(matrices[i + 1 :], matrices[i])
    return StyleDistances(found.layers, found.pictures, values + values.mT, found.views)


def style_change(before: Style, after: Style) -> Tensor:
    """Return how far the same pictures are apart in two networks, by `relative_distance` at each layer.

    Made for two states of one network, such as two checkpoints of a training. In two networks that were
    trained apart, channel 5 of the one and channel 5 of the other have nothing to do with each other, and the
    number says nothing.

    Args:
        before: the style of some pictures in the one network.
        after: of the same pictures in the other, at the same layers, with the same normalisation.

    Returns:
        float64 `(L, P)`, 0 … 1.

    Raises:
        FeatureError: other layers, pictures, normalisation or numbers of channels.

    Example:
        >>> found = style(interp.load(), "sample_images/cat.jpg", ["blocks.2"])
        >>> style_change(found, found)
        tensor([[0.]], dtype=torch.float64)
    """
    for what in ("layers", "pictures", "normalise"):
        one, other = getattr(before, what), getattr(after, what)
        if one != other:
            raise FeatureError(f"the two styles have different {what}: {one} and {other}.")
    return torch.stack([relative_distance(before.grams[name], after.grams[name]) for name in before.layers])


def layer_agreement(distances: StyleDistances) -> Tensor:
    """Return how far layers agree on which pictures are alike: Spearman's ρ of their distances.

    Channels of two layers do not correspond, and their Gram matrices have no distance. What each of them says
    about the same pictures can be compared (Kriegeskorte, Mur, Bandettini: "Representational similarity
    analysis", 2008).

    Args:
        distances: of three pictures or more; a dozen give a number to rely on.

    Returns:
        float64 `(L, L)`, -1 … 1; 1 on the diagonal. NaN for a layer at which all pictures are equally far
        apart.

    Raises:
        FeatureError: there are fewer than three pictures.

    Example:
        >>> files = interp.images.pictures_in("sample_images")
        >>> layer_agreement(style_distances(style(interp.load(), files, [12, "blocks.2"]))).shape
        torch.Size([2, 2])
    """
    # Slow to import, and most callers of the package want no ranks.
    from scipy.stats import rankdata

    count = len(distances.pictures)
    if count < 3:
        raise FeatureError(f"{count} pictures have too few distances to compare layers; give 3 or more.")
    rows, columns = torch.triu_indices(count, count, 1)
    ranks: Tensor = torch.from_numpy(rankdata(distances.values[:, rows, columns].numpy(), axis=1))
    ranks = ranks - ranks.mean(1, keepdim=True)
    ranks = ranks / torch.linalg.vector_norm(ranks, dim=1, keepdim=True)
    return (ranks @ ranks.T).clamp(-1, 1)


def spectrum(matrices: Tensor) -> Tensor:
    """Return a Gram matrix's eigenvalues as shares of their sum, the largest first.

    How many directions the channels really use: `1 / Σ p²`, the participation ratio. Neither the order
    of the channels nor their mixing by a rotation matters.

    Args:
        matrices: `(…, C, C)`.

    Returns:
        float64 `(…, C)`, at least 0, sum 1; NaN for a matrix of zeros.

    Example:
        >>> spectrum(torch.diag(torch.tensor([1.0, 3.0])))
        tensor([0.7500, 0.2500], dtype=torch.float64)
    """
    values: Tensor = torch.linalg.eigvalsh(matrices.double()).clamp(min=0).flip(-1)
    return values / values.sum(-1, keepdim=True)


def layer_distances(found: Style, picture: int = 0) -> Tensor:
    """Return how far the layers are apart for one picture: `½ Σ |p_i − q_i|` of their spectra p and q.

    Channels of two layers do not correspond, even where there are equally many, so only what does not depend
    on them is compared; the shorter spectrum ends in zeros. 0 says that both use as many directions equally,
    not that these are the same ones.

    Args:
        found: the style of some pictures.
        picture: the number of one.

    Returns:
        float64 `(L, L)`, 0 … 1, symmetric, 0 on the diagonal; NaN for a layer that is 0 everywhere.

    Raises:
        FeatureError: no such picture.

    Example:
        >>> layer_distances(style(interp.load(), "sample_images/cat.jpg")).shape
        torch.Size([5, 5])
    """
    if not 0 <= picture < len(found.pictures):
        raise FeatureError(f"picture {picture} is outside 0 … {len(found.pictures) - 1}.")
    spectra = [spectrum(found.grams[layer][picture]) for layer in found.layers]
    longest = max(map(len, spectra))
    padded = torch.stack([torch.nn.functional.pad(one, (0, longest - len(one))) for one in spectra])
    return (padded[:, None] - padded[None]).abs().sum(2) / 2
