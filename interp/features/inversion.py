"""What a layer still knows of a picture: the picture made again from it, or made more of what it saw."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from interp.features.errors import FeatureError
from interp.features.gram import gram
from interp.features.visualisation import Ascent, Move, ascend, fourier, seer
from interp.features.visualisation.transforms import transformed
from interp.images import open_image
from interp.images.opening import Source
from interp.models import ImageModel
from interp.progress import Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Kind = Literal["inversion", "caricature", "style"]

# Against the noise that a layer does not see. Larger values blur what it does see.
_SMOOTHNESS = 0.1
# All waves move at once, so a picture of more of them goes as much farther with a step.
_RATE = 6.0
_GENTLE = (Move(jitter=0.04, scale=(0.95, 1.05), rotation=4.0),)
_HEADINGS = {
    "inversion": "What each layer still knows of the picture",
    "caricature": "The picture with more of what each layer sees in it",
    "style": "A picture with the same texture at each layer",
}


@dataclass(frozen=True, eq=False)
class Inversion:
    """Pictures made again from what layers make of one.

    Attributes:
        kind: `inversion`, `caricature` or `style`.
        layers: one for each picture.
        pictures: float32 `(L, C, H, W)` of 0 … 1.
        original: what the network saw, float32 `(C, H, W)` of 0 … 1.
        distances: `‖f(x) − f(x₀)‖ / ‖f(x₀)‖` of each, of Gram matrices where the kind is `style`.
        cosines: of f(x) and f(x₀), of each.
        gains: `‖f(x)‖ / ‖f(x₀)‖` of each: how much more the layer sees.
        seed: with which the same model gives the same pictures.
        finished: False if it was stopped before the last step.
    """

    kind: Kind
    layers: tuple[str, ...]
    pictures: Tensor
    original: Tensor
    distances: tuple[float, ...]
    cosines: tuple[float, ...]
    gains: tuple[float, ...]
    seed: int
    finished: bool

    @property
    def arrays(self) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
        """The pictures as uint8 `(H, W, 3)`."""
        return [_array(picture) for picture in self.pictures]

    def figure(self) -> Figure:
        """Draw the original and the picture of each layer, with how near it comes.

        Example:
            >>> invert(interp.load(), "sample_images/cat.jpg", ["blocks.2"]).figure().savefig("cat.png")
        """
        from interp.views import number, picture_grid

        said = [
            f"cosine {number(c)}, strength × {number(g)}"
            if self.kind == "caricature"
            else f"distance {number(d)}"
            for d, c, g in zip(self.distances, self.cosines, self.gains, strict=True)
        ]
        titles = [
            "the original\nas the network sees it",
            *map("\n".join, zip(self.layers, said, strict=True)),
        ]
        shown = [_array(self.original), *self.arrays]
        across = len(shown) if len(shown) <= 6 else -(-len(shown) // 2)
        rows = range(0, len(shown), across)
        return picture_grid(
            [shown[i : i + across] for i in rows],
            titles=[titles[i : i + across] for i in rows],
            heading=_HEADINGS[self.kind],
        )


def invert(
    model: ImageModel,
    picture: Source,
    layers: str | int | Sequence[str | int] | None = None,
    *,
    kind: Kind = "inversion",
    steps: int = 256,
    lr: float | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> Inversion:
    """Return, for each layer, a picture x that the layer takes for the given one, x₀, made from noise.

    - `inversion` minimises `‖f(x) − f(x₀)‖² / ‖f(x₀)‖² + 0.1 · mean |∇x|`: what is lost is what the layer
      has forgotten. (Mahendran, Vedaldi: "Understanding Deep Image Representations by Inverting Them", 2015.)
    - `caricature` maximises `cos(f(x), f(x₀)) · ⟨f(x), f(x₀)⟩ / ‖f(x₀)‖²`, both moved alike: more of what
      the layer sees. (Olah et al.: "The Building Blocks of Interpretability", 2018.)
    - `style` minimises the inversion's distance between Gram matrices: nothing is where it was. (Gatys,
      Ecker, Bethge: "Texture Synthesis Using Convolutional Neural Networks", 2015.)

    Args:
        model: any network, U-Nets too; it is not touched.
        picture: x₀; the network's part of it counts.
        layers: names or indices; default: the end of each stage. The style of a layer takes in all that are
            given before it.
        kind: which of the three.
        steps: of the ascent for each layer.
        lr: Adam's learning rate to begin with; it falls to 0. Default: 6 / √(height · width).
        seed: of the noise and the moves.
        progress: is told after each step, of all layers' steps.
        stop: is asked before each step whether to stop.

    Raises:
        FeatureError: no such kind, a layer twice, one that gives zeros only for this picture, or one that no
            gradient comes back from.
        LayerError: no such layer.
        ImageError: the picture cannot be opened.

    Example:
        >>> invert(interp.load(), "sample_images/cat.jpg", ["blocks.1", "blocks.4"], steps=64).distances
    """
    if kind not in get_args(Kind):
        raise FeatureError(f"kind={kind!r} is none of {', '.join(map(repr, get_args(Kind)))}.")
    given = [layers] if isinstance(layers, (str, int)) else layers
    names = [model.layers.resolve(layer) for layer in (model.layers.stages if given is None else given)]
    if not names:
        raise FeatureError(f"layers is empty and {model.name} has no stages; name one or more layers.")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise FeatureError(f"layer {twice[0]!r} is named twice.")
    original = model.preprocess.inverse(model.prepare([open_image(picture)]).float())
    found: list[Ascent] = []
    measures = []
    for number, name in enumerate(names):
        used = names[: number + 1] if kind == "style" else [name]
        wanted = _Wanted(model, used, original, kind)
        found.append(
            ascend(
                fourier((1, *original.shape[1:]), seed=seed, device=model.device),
                wanted.score(seed),
                steps=steps,
                lr=_RATE / math.sqrt(original[0, 0].numel()) if lr is None else lr,
                settle=True,
                seed=seed,
                progress=_part(progress, number * steps, len(names) * steps),
                stop=stop,
            )
        )
        measures.append(wanted.measures(found[-1].pictures))
        if not found[-1].finished:
            break
    distances, cosines, gains = zip(*measures, strict=True)
    return Inversion(
        kind,
        tuple(names[: len(found)]),
        torch.cat([one.pictures for one in found]),
        original[0].cpu(),
        distances,
        cosines,
        gains,
        seed,
        finished=len(found) == len(names) and found[-1].finished,
    )


class _Wanted:
    """What layers make of the original, and how near other pictures come to it."""

    def __init__(self, model: ImageModel, layers: Sequence[str], original: Tensor, kind: Kind) -> None:
        self._see = seer(model, layers)
        self._kind = kind
        self._original = original
        with torch.inference_mode(False), torch.no_grad():
            self._wanted = self._features(self._see(original))
        for layer, wanted in zip(layers, self._wanted, strict=True):
            if not bool(wanted.isfinite().all() & wanted.any()):
                raise FeatureError(
                    f"layer {layer!r} gives nothing but zeros, or what is not finite, for this picture; "
                    "choose another layer."
                )

    def score(self, seed: int) -> Callable[[Tensor], Tensor]:
        """Return what is climbed."""
        if self._kind != "caricature":
            return lambda pictures: -self._distances(pictures).mean(0) - _SMOOTHNESS * _roughness(pictures)
        generator = torch.Generator().manual_seed(seed)

        def likeness(pictures: Tensor) -> Tensor:
            both = torch.cat([pictures, self._original.expand_as(pictures)])
            (features,) = self._features(self._see(transformed(both, _GENTLE, generator)))
            made, wanted = features.flatten(1).chunk(2)
            wanted = wanted.detach()
            along = (made * wanted).sum(1) / wanted.square().sum(1)
            return along * torch.cosine_similarity(made, wanted).clamp(min=0.1)

        return likeness

    def measures(self, pictures: Tensor) -> tuple[float, float, float]:
        """Return distance, cosine and gain at the last layer."""
        with torch.inference_mode(False), torch.no_grad():
            made = self._features(self._see(pictures.to(self._original.device)))[-1].flatten(1).double()
            wanted = self._wanted[-1].flatten(1).double()
            distance = (made - wanted).norm() / wanted.norm()
            cosine = torch.cosine_similarity(made, wanted)
            return float(distance), float(cosine), float(made.norm() / wanted.norm())

    def _distances(self, pictures: Tensor) -> Tensor:
        pairs = zip(self._features(self._see(pictures)), self._wanted, strict=True)
        return torch.stack([(a - b).flatten(1).square().sum(1) / b.square().sum() for a, b in pairs])

    def _features(self, seen: Mapping[Any, Tensor]) -> list[Tensor]:
        values = [activation.float() for activation in seen.values()]
        return [gram(each, "HW") for each in values] if self._kind == "style" else values


def _roughness(pictures: Tensor) -> Tensor:
    down = pictures.diff(dim=2).abs().mean((1, 2, 3))
    return down + pictures.diff(dim=3).abs().mean((1, 2, 3))


def _part(progress: Progress | None, before: int, count: int) -> Progress | None:
    return None if progress is None else lambda done, _: progress(before + done, count)


def _array(picture: Tensor) -> np.ndarray[Any, np.dtype[np.uint8]]:
    values = (picture * 255).round().to(torch.uint8).expand(3, -1, -1)
    return values.permute(1, 2, 0).contiguous().numpy()
