"""A U-Net with a picture in it: maps at every level, what the skips are worth, how the grid is made finer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from interp.features.averages import strip_of
from interp.features.errors import FeatureError, NoSkipsError
from interp.features.levels import Levels, levels_of, nearest_size
from interp.features.skip_truth import Truth
from interp.features.skips import Skip, Skips, skips_of
from interp.features.upsampling import Upsampling, upsamplings_of
from interp.images import open_image
from interp.images.opening import Source
from interp.methods.attribute import attribute
from interp.methods.registry import get
from interp.models import ImageModel
from interp.progress import Progress, part_of
from interp.targets import AnyTarget, Seen, about
from interp.views.scale import Display, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from interp.views import UBox

MEAN = "mean"


@dataclass(frozen=True, eq=False)
class UNet:
    """What `unet_of` found.

    Attributes:
        model: its name.
        levels: rows and bottleneck.
        shapes: of every layer's output, `(C, H, W)`.
        maps: of every layer, `(H, W)`, raw.
        shown: what the maps are, in words.
        display: how they are drawn.
        upsamplings: by the size of the row at which they arrive.
        skips: what they are worth; `None` where nothing was asked, or nothing is concatenated.
        view: what the network saw.
    """

    model: str
    levels: Levels
    shapes: Mapping[str, tuple[int, int, int]]
    maps: Mapping[str, npt.NDArray[np.float32]]
    shown: str
    display: Display
    upsamplings: Mapping[tuple[int, int], Upsampling]
    skips: Skips | None
    view: Image.Image

    def worth(self, size: tuple[int, int]) -> Skip | None:
        """Return what the skip of a row is worth, the row given by its size."""
        sizes = [row.size for row in self.levels.rows]
        found = [] if self.skips is None else self.skips.rows
        return next((one for one in found if nearest_size(one.size, sizes) == size), None)

    def figure(self, *, over: bool = False, colormap: str | None = None, words: bool = True) -> Figure:
        """Draw the U. Blue arrows are skips, as thick as their share; grey words say how the grid gets finer.

        Args:
            over: draw the maps over the picture.
            colormap: a key of `interp.views.COLORMAPS`; the method's own where None.
            words: say what things are, in English.

        Example:
            >>> unet_of(interp.load("runs/streets"), "street.png").figure().savefig("unet.png")
        """
        from interp.views import UBox, ULevel, u_figure

        def box(layer: str | None) -> UBox | None:
            return None if layer is None else UBox(layer, self.shapes[layer], self.maps[layer])

        rows = []
        for row in self.levels.rows:
            worth, step = self.worth(row.size), self.upsamplings.get(row.size)
            rows.append(
                ULevel(
                    box(row.encoder),
                    box(row.decoder),
                    row.skip,
                    None if worth is None else worth.share,
                    "" if worth is None else _lost(worth, self.skips),
                    "" if step is None else step.kind,
                )
            )
        bottom = box(self.levels.bottleneck)
        assert bottom is not None
        legend = "" if self.skips is None else f"skips: {_LEGEND} {self.skips.target.name}"
        return u_figure(
            self.view,
            rows,
            bottom,
            display=self.display,
            over=over,
            colormap=colormap,
            heading=f"{self.shown} · {self.model}" if words else "",
            legend=legend,
            words=words,
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values, without the maps."""
        return {
            "model": self.model,
            "shown": self.shown,
            "rows": [
                {
                    "size": list(row.size),
                    "encoder": row.encoder,
                    "decoder": row.decoder,
                    "skip": row.skip,
                    "upsampling": step.kind if (step := self.upsamplings.get(row.size)) else None,
                }
                for row in self.levels.rows
            ],
            "bottleneck": self.levels.bottleneck,
            "shapes": {layer: list(shape) for layer, shape in self.shapes.items()},
            "skips": None if self.skips is None else self.skips.to_json(),
        }


_LEGEND = "their part of |gradient × activation| where they join what comes up, for"


def _lost(skip: Skip, skips: Skips | None) -> str:
    """What is lost with the first ablation, in a few words."""
    if skips is None or not skip.ablations:
        return ""
    name, found = next(iter(skip.ablations.items()))
    title = {"zero": "zeroed", "mean": "averaged"}.get(name, name)
    for measure, change in found.measures.items():
        unit, digits = (" dB", 1) if measure == "PSNR" else ("", 2)
        return f"{title}: {measure} {_signed(change, digits)}{unit}"
    if skips.score:
        part = found.score / abs(skips.score)
        return f"{title}: score {_signed(100 * part, 0)} %"
    return f"{title}: score {number(found.score)}"


def _signed(value: float, digits: int) -> str:
    said = f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")
    return said if any(digit in said for digit in "123456789") else "0"


def unet_of(
    model: ImageModel,
    picture: Source,
    target: AnyTarget = None,
    *,
    show: str = MEAN,
    ablate: Sequence[str] = (),
    truth: Truth | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> UNet:
    """Return a network's U with a map at every level, for one picture.

    Args:
        model: from `interp.load`.
        picture: anything that `interp.open_image` takes.
        target: one target, of which the skips' shares and the maps are; `None` for that of `skips_of`, if
            a method, an ablation or a truth asks for one. Else the skips stay as they are.
        show: `"mean"` for the mean activation, or the name of a method whose maps lie on layers.
        ablate: what is lost without each skip, as of `skips_of`.
        truth: what the loss is measured against, as of `skips_of`.
        seed: of the shuffling.
        progress: is told how far the work is.

    Raises:
        FeatureError: the network has no way up, or the method's map lies on the input.
        ImageError, MethodError, TargetError, PlaceError, LabelError: what was asked does not fit.

    Example:
        >>> found = unet_of(interp.load("runs/streets"), "street.png", interp.targets.where_predicted("car"))
        >>> found.figure().savefig("unet.png")
    """
    levels = levels_of(model)
    if all(row.decoder is None for row in levels.rows):
        raise FeatureError(f"{model.name} has no way up: it ends at its coarsest grid and is no U-Net.")
    opened = open_image(picture)
    target = about(target, Seen(opened, model.preprocess))
    tell = progress or _quiet
    asked = target is not None or show != MEAN or bool(ablate) or truth is not None
    skips = None
    if asked:
        try:
            skips = skips_of(
                model, opened, target, ablate=ablate, truth=truth, seed=seed, progress=part_of(tell, 0, 2)
            )
        except NoSkipsError:
            if ablate:
                raise
    maps, shown, display = _maps(model, opened, target, show, levels.layers, part_of(tell, 1, 2))
    if skips is not None and show != MEAN:
        shown = f"{skips.target.name} · {shown}"
    tell(1, 1)
    return UNet(
        model.name,
        levels,
        {layer: _shape(model, layer) for layer in levels.layers},
        maps,
        shown,
        display,
        upsamplings_of(model, levels),
        skips,
        model.preprocess.view(opened),
    )


def _quiet(_done: float, _total: float) -> None:
    pass


def _shape(model: ImageModel, layer: str) -> tuple[int, int, int]:
    found = model.layers[layer]
    channels, height, width = found.shape
    return channels, height, width


def _maps(
    model: ImageModel,
    picture: Image.Image,
    target: AnyTarget,
    show: str,
    layers: Sequence[str],
    progress: Progress,
) -> tuple[dict[str, npt.NDArray[np.float32]], str, Display]:
    if show == MEAN:
        strip = strip_of(model, picture, layers, average="mean")
        return (
            {n: m.numpy() for n, m in zip(strip.layers, strip.maps, strict=True)},
            "Mean activation",
            "range",
        )
    method = get(show)
    if method.place != "layer":
        raise FeatureError(
            f"{method.title} has one map, on the input; show a method whose maps lie on layers."
        )
    found = attribute(model, model.prepare([picture]), target, [method], layers, progress=progress)
    maps = {layer: found.maps[0, layer, method.name][0].cpu().numpy() for layer in layers}
    return maps, method.title, method.display
