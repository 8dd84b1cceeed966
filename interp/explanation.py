"""What `explain` gives back: a raw map with all that is needed to draw it, save it and make it again."""

from __future__ import annotations

import base64
import hashlib
import io
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from interp.context import Context, Evidence, context_ratio, region_of, regions_of
from interp.files import json_text, write_drawn
from interp.images import Box
from interp.images.pixels import pixels_hash
from interp.methods import Method
from interp.methods.applying import parts_of
from interp.models import ImageModel, Prediction
from interp.places import in_picture
from interp.queries import places_of
from interp.regions import Mask, as_numbers, fitted
from interp.targets import Seen, Target
from interp.views import (
    Drawing,
    Interpolation,
    Scale,
    heat,
    overlay,
    three_panel,
    three_panel_figure,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMAT = 1
DPI = 160
OF_PIXELS = 0.99
# What counts as evidence in maps that are drawn in these ways.
EVIDENCE: dict[str, Evidence] = {"positive": "positive", "signed": "absolute", "range": "above"}
FIGURES = (".png", ".pdf", ".svg", ".jpg", ".jpeg", ".webp")


class ExplanationError(ValueError):
    """An explanation cannot be saved, read or made again; the message says why."""


def drawn_share(method: Method) -> float:
    """Return the share of a map's positions whose values the colours span.

    Maps of single pixels have a few extreme values, beside which all others would be pale: the colours span
    99 % of their positions, and what is drawn says so. Maps of layers are drawn as they are.
    """
    return OF_PIXELS if method.place == "input" else 1.0


@dataclass(frozen=True, eq=False)
class Explanation:
    """One map for one picture, target, layer and method.

    Attributes:
        map: raw values at the layer's own resolution, `(h, w)`, float32, signed, on the CPU.
        picture: the original, RGB.
        box: the rectangle of the original that the map covers.
        prediction: the model's likeliest classes, empty when it is no classifier.
        target: what was asked; `target.name` in words.
        score: the target's value, a logit or a sum of logits.
        probability: of the target, when it is one class.
        layer: name of the layer; "input" where the map lies on the network's input.
        method: the registered method.
        model: the model that was explained.
        path: where the picture came from, when it was a file.
        notes: what the method said of this map, as how much an integral misses.

    What draws takes the choices of `interp.views.Drawing`: `opacity` and `threshold` (0 to 1), `colormap`
    (a key of `interp.views.COLORMAPS`), `interpolation` ("nearest", "bilinear", "bicubic"). A wrong one is
    a `ViewError`.

    Example:
        >>> explanation = interp.explain("efficientnet_lite0", "sample_images/cat.jpg")
        >>> explanation.show()
        >>> explanation.save("cat.png", opacity=0.4, colormap="viridis", interpolation="nearest")
    """

    map: torch.Tensor = field(repr=False)
    picture: Image.Image = field(repr=False)
    box: Box
    prediction: tuple[Prediction, ...]
    target: Target
    score: float
    probability: float | None
    layer: str
    method: Method
    model: ImageModel
    path: str | None = None
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Explanation {self.title!r}: {self.caption}>"

    @property
    def values(self) -> npt.NDArray[np.float32]:
        """The map as an array."""
        return self.map.numpy()

    @property
    def scale(self) -> Scale:
        """The range that is drawn, and what there is to say in words when nothing can be."""
        return Scale.of(self.values, self.method.display, share=drawn_share(self.method))

    @property
    def title(self) -> str:
        """The target in words, with its probability when it is a class."""
        share = "" if self.probability is None else f"  {100 * self.probability:.1f} %"
        return self.target.name + share

    @property
    def caption(self) -> str:
        """Method, layer, native size and model, and the method's notes, for under the title."""
        size = "×".join(map(str, self.map.shape))
        return " · ".join((self.method.title, self._place, size, self.model.name, *self.notes))

    @property
    def _place(self) -> str:
        if self.method.stages == 1:
            return self.layer
        first = parts_of(self.method, self.layer, self.model.layers)[0]
        return self.layer if first == self.layer else f"{first} … {self.layer}"

    @property
    def _whole_caption(self) -> str:
        found = self.asked_context
        return self.caption if found is None else f"{self.caption} · {found.words}"

    @property
    def asked_context(self) -> Context | None:
        """The context of the region that was asked about, where there is one and something is drawn."""
        if region_of(self.target) is None or self.scale.verdict is not None:
            return None
        return self.context()

    def context(
        self, region: Any = None, *, evidence: Evidence | None = None, ring: int | None = None
    ) -> Context:
        """Return how much of the evidence lies outside a region: see `interp.context_ratio`.

        Args:
            region: a mask of the picture's size, or of the output's, as in `targets.over`; default: the
                region that the target asks about.
            evidence: what counts; default: what is drawn, which is "positive" values, "absolute" ones where
                the method is signed, or those "above" the lowest where its range is drawn.
            ring: how wide the ring is, in positions of the region; default: a cell of the map.

        Raises:
            ExplanationError: the target is about no region, and none is given.
            ImageError, PlaceError: the region cannot be opened, is none, or of another size.

        Example:
            >>> found = interp.explain("streets", "street.png", interp.targets.where_predicted("car"))
            >>> found.context().words
            '46 % of the evidence outside the region (of the area 88 %), 13 % beyond 6 px (83 %)'
        """
        asked = region_of(self.target)
        if region is None and asked is None:
            raise ExplanationError(
                f"{self.target.name} is about no region; give one: explanation.context(mask)."
            )
        inside: Mask | torch.Tensor | None = asked
        if region is not None:
            values = as_numbers(region, "the region")
            size = self.model.preprocess.size if asked is None else (asked.shape[0], asked.shape[1])
            inside = fitted(values, size, Seen(self.picture, self.model.preprocess), "the region") != 0
        assert inside is not None
        kind = evidence or EVIDENCE[self.method.display]
        return context_ratio(self.map, inside, evidence=kind, ring=ring)

    def heat(
        self,
        size: tuple[int, int] | None = None,
        colormap: str | None = None,
        interpolation: Interpolation = "bilinear",
    ) -> Image.Image:
        """Return the map alone in colours, `size` = (width, height); by default the box's."""
        width, height = size or (round(self.box.width), round(self.box.height))
        return heat(self.values, self.scale, (width, height), colormap, interpolation)

    def overlay(
        self,
        opacity: float = 0.6,
        colormap: str | None = None,
        threshold: float | None = None,
        interpolation: Interpolation = "bilinear",
    ) -> Image.Image:
        """Return the map over the whole original; what the network never saw is faded."""
        drawing = Drawing(opacity, colormap, threshold, interpolation)
        return overlay(self.picture, self.values, **self._placed(drawing))

    def panel(
        self,
        opacity: float = 0.6,
        colormap: str | None = None,
        threshold: float | None = None,
        height: int = 224,
        interpolation: Interpolation = "bilinear",
    ) -> Image.Image:
        """Return picture | map | overlay with words and a scale bar, drawn fast for many."""
        style = self._placed(Drawing(opacity, colormap, threshold, interpolation))
        style |= {"outlines": self._asked, "regions": regions_of(self.target)}
        title, caption = self.title, self._whole_caption
        style |= {"title": title, "caption": caption, "caption_lines": 3}
        return three_panel(self.picture, self.values, height=height, **style)

    def show(
        self,
        opacity: float = 0.6,
        colormap: str | None = None,
        threshold: float | None = None,
        interpolation: Interpolation = "bilinear",
    ) -> Figure:
        """Return picture | map | overlay as a matplotlib figure, which a notebook displays."""
        drawing = Drawing(opacity, colormap, threshold, interpolation)
        scale = self.scale
        return three_panel_figure(
            self.picture,
            self.values,
            title=self.title,
            caption=self._whole_caption,
            outlines=self._asked,
            regions=regions_of(self.target),
            bar_label=f"{self.method.title}, raw" + (f", {scale.cut} beyond" if scale.beyond else ""),
            **self._placed(drawing),
        )

    def _placed(self, drawing: Drawing) -> dict[str, Any]:
        return {"box": self._corners, "scale": self.scale, **asdict(drawing)}

    @property
    def _corners(self) -> tuple[float, float, float, float]:
        return (self.box.left, self.box.top, self.box.right, self.box.bottom)

    @property
    def _asked(self) -> list[tuple[float, float, float, float]]:
        return [in_picture(place, self.box) for place in places_of(self.target)]

    def save(
        self,
        path: str | Path,
        *,
        opacity: float = 0.6,
        colormap: str | None = None,
        threshold: float | None = None,
        interpolation: Interpolation = "bilinear",
    ) -> Path:
        """Write a figure (`.png`, `.pdf`, `.svg`, `.jpg`, `.webp`), the map (`.npz`) or all of it (`.json`).

        A figure is what `show` draws with the same choices. The other two keep none of them.

        Raises:
            ExplanationError: the ending is none of these, or it is the file of the picture itself.
            ViewError: a choice is out of its range, or not on offer.
        """
        drawing = Drawing(opacity, colormap, threshold, interpolation)
        path = Path(path)
        if self.path is not None and path.exists() and path.resolve() == Path(self.path).resolve():
            raise ExplanationError(f"{path.name} is the picture that was explained; give another name.")
        kind = path.suffix.lower()
        if kind not in (*FIGURES, ".npz", ".json"):
            raise ExplanationError(f"{path.name}: end the name in .npz, .json or {', '.join(FIGURES)}.")
        with write_drawn(path) as drawn:
            if kind == ".json":
                drawn.write(self.to_json().encode())
            elif kind == ".npz":
                np.savez_compressed(drawn, map=self.values, box=self._corners)
            else:
                self.show(**asdict(drawing)).savefig(drawn, dpi=DPI, format=kind[1:])
        return path

    def to_json(self) -> str:
        """Return everything needed to make this explanation again, with hashes and versions.

        A picture from a file is named by its path, any other is embedded. The hash of the weights is
        taken now; `interp.remake` checks it, the pixels and the map.
        """
        return json_text(self._about())

    def _about(self) -> dict[str, Any]:
        values = self.values.astype("<f4").tobytes()
        return {
            "format": FORMAT,
            "model": {
                "name": self.model.name,
                "origin": dict(self.model.origin) if self.model.origin else None,
                "preprocess": self.model.preprocess.to_json(),
                "weights_sha256": self.model.weights_hash(),
            },
            "picture": self._picture(),
            "target": self.target.to_json(),
            "layer": self.layer,
            "method": self.method.name,
            "score": self.score,
            "probability": self.probability,
            "prediction": [[p.index, p.name, p.probability] for p in self.prediction],
            "box": self.box.to_json(),
            "notes": list(self.notes),
            "context": None if self.asked_context is None else self.asked_context.to_json(),
            "map": {
                "shape": list(self.map.shape),
                "float32": base64.b64encode(values).decode(),
                "sha256": hashlib.sha256(values).hexdigest(),
            },
            "versions": {package: version(package) for package in ("interp", "torch", "pillow", "timm")},
        }

    def _picture(self) -> dict[str, Any]:
        about: dict[str, Any] = {"size": list(self.picture.size), "pixels_sha256": pixels_hash(self.picture)}
        if self.path is not None:
            return {"path": self.path, **about}
        buffer = io.BytesIO()
        self.picture.save(buffer, "PNG")
        return {"png": base64.b64encode(buffer.getvalue()).decode(), **about}
