"""All methods on one picture in one figure: nonsense is easy to see there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from interp.explaining import MethodLike, ModelLike, explain
from interp.explanation import DPI, FIGURES, Explanation, ExplanationError
from interp.files import write_drawn
from interp.images import open_image
from interp.images.opening import Source
from interp.layers import LayerError
from interp.methods import Method, MethodError, get, methods
from interp.models import load
from interp.progress import Progress, part_of
from interp.queries import per_picture
from interp.targets import TargetError, TargetLike
from interp.views import visualisation_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE = 224
COLUMNS = 8

# What methods of hundreds of passes are asked for, unless all of them are wanted.
SHORT = {
    "score-cam": "score-cam(fast=True)",
    "ss-cam": "ss-cam(fast=True, samples=3)",
    "is-cam": "is-cam(fast=True, samples=3)",
    "rise": "rise(masks=400)",
    "extremal-perturbation": "extremal-perturbation(steps=60)",
    "integrated-gradients": "integrated-gradients(steps=20)",
    "smoothgrad": "smoothgrad(samples=12)",
    "vargrad": "vargrad(samples=12)",
    "gradient-shap": "gradient-shap(samples=12)",
    "lam": "lam(steps=20)",
}


@dataclass(frozen=True, eq=False)
class Gallery:
    """The maps of many methods for one picture and one target.

    Attributes:
        explanations: by family, in the order of the registry.
        refused: name of a method → why the network has no such map.
    """

    explanations: tuple[Explanation, ...]
    refused: dict[str, str]

    def figure(self, columns: int = COLUMNS) -> Figure:
        """Return what the network sees with every map over it, in one grid.

        Raises:
            ExplanationError: every method was refused.
        """
        if not self.explanations:
            raise ExplanationError(
                f"no method has a map of this: {next(iter(self.refused.values()), 'none was asked.')}"
            )
        first = self.explanations[0]
        names = [_named(each) for each in self.explanations]
        return visualisation_figure(
            [_seen(first, first.picture), *(_seen(each, each.overlay()) for each in self.explanations)],
            ["what the network sees", *names],
            columns=columns,
            heading=f"{first.title} · {first.model.name}",
        )

    def save(self, path: str | Path, columns: int = COLUMNS) -> Path:
        """Write the figure (`.png`, `.pdf`, `.svg`, `.jpg`, `.webp`).

        Raises:
            ExplanationError: the ending is none of these, or every method was refused.
        """
        path = writable(path)
        figure = self.figure(columns)
        with write_drawn(path) as drawn:
            figure.savefig(drawn, dpi=DPI, format=path.suffix[1:])
        return path


def gallery(
    model: ModelLike,
    picture: Source,
    target: TargetLike = None,
    methods: MethodLike | Sequence[MethodLike] | None = None,
    *,
    short: bool = True,
    progress: Progress | None = None,
) -> Gallery:
    """Explain one picture with every method that the network takes.

    Args:
        model: an `ImageModel`, or anything that `interp.load` takes.
        picture: as for `interp.explain`.
        target: one class, callable or place; `None` for what is predicted.
        methods: one or several; default: all that are registered.
        short: whether, without `methods`, those of hundreds of passes take a shortcut, as their titles say.
        progress: is told (done, all).

    Raises:
        ImageError, LabelError, ModelError, MethodError: picture, target, model or a name do not fit.
        TargetError: several targets.

    Example:
        >>> gallery("efficientnet_lite0", "sample_images/cat.jpg", "tiger cat").save("gallery.png")
    """
    loaded, opened = load(model), open_image(picture)
    chosen = _chosen(methods, short=short)
    per_picture(target, 1)
    found: list[Explanation] = []
    refused: dict[str, str] = {}
    for number, method in enumerate(chosen):
        tell = None if progress is None else part_of(progress, number, len(chosen))
        try:
            found += explain(loaded, [opened], target, [method], progress=tell)
        except (MethodError, LayerError, TargetError, RuntimeError) as error:
            refused[method.name] = str(error)
        if tell is not None:
            tell(1, 1)
    return Gallery(tuple(found), refused)


def writable(path: str | Path) -> Path:
    """Return where a figure is to be written, before minutes of work are done for it.

    Raises:
        ExplanationError: its ending is of no picture, or its folder does not exist.
    """
    path = Path(path)
    if path.suffix.lower() not in FIGURES:
        raise ExplanationError(f"{path}: end the name in {', '.join(FIGURES)}.")
    if not path.parent.is_dir():
        raise ExplanationError(f"{path}: there is no folder {path.parent}; make it, or name another.")
    return path


def _chosen(asked: MethodLike | Sequence[MethodLike] | None, *, short: bool) -> list[Method]:
    if isinstance(asked, (str, Method)):
        return [get(asked)]
    if asked is not None:
        if not asked:
            raise MethodError("methods is empty; name one or more, or leave it out for all of them.")
        return [get(each) for each in asked]
    known = [get(SHORT[each.name]) if short and each.name in SHORT else each for each in methods()]
    families = list(dict.fromkeys(each.family for each in known))
    return sorted(known, key=lambda each: families.index(each.family))


def _named(explanation: Explanation) -> str:
    title = explanation.method.title.replace("(", "\n(", 1)
    verdict = explanation.scale.verdict
    return title if verdict is None else f"{title}\n{verdict}"


def _seen(explanation: Explanation, picture: Image.Image) -> np.ndarray:
    """Return the part of a picture that the network sees, `(SIDE, SIDE, 3)` at most."""
    box = explanation.box
    part = picture.convert("RGB").crop((round(box.left), round(box.top), round(box.right), round(box.bottom)))
    part.thumbnail((SIDE, SIDE))
    return np.asarray(part)
