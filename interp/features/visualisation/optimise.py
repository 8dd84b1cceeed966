"""Feature visualisation: the picture that excites a channel, a neuron, a class most."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from interp.features.errors import FeatureError
from interp.features.visualisation.ascent import ascend
from interp.features.visualisation.maco import maco
from interp.features.visualisation.objectives import Objective, evaluate, largest
from interp.features.visualisation.parametrisation import Parametrisation, fourier, pixels
from interp.features.visualisation.reading import Layer
from interp.features.visualisation.seeing import See, seer
from interp.features.visualisation.transforms import STANDARD, Transform
from interp.models import ImageModel
from interp.progress import Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Basis = Literal["fourier", "pixels", "maco"]


@dataclass(frozen=True, eq=False)
class Visualisation:
    """Pictures that excite something of a network.

    Attributes:
        pictures: float32 `(B, C, H, W)` of 0 … 1.
        names: what each is to excite.
        values: `(B,)`, the objective of the picture as it is, without transforms.
        peaks: `(B,)`, the largest activation over positions of the objective's one channel, else NaN.
        history: `(steps done, B)`, the objective at every step, with transforms.
        importance: `(B, H, W)`, how much each pixel counted: the sum of its gradients' absolute values.
        seed: with which the same model gives the same picture.
        finished: False if it was stopped before the last step.
    """

    pictures: Tensor
    names: tuple[str, ...]
    values: Tensor
    peaks: Tensor
    history: Tensor
    importance: Tensor
    seed: int
    finished: bool

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def arrays(self) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
        """The pictures as uint8 `(H, W, 3)`."""
        rounded = (self.pictures * 255).round().to(torch.uint8)
        return list(rounded.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).contiguous().numpy())

    @property
    def images(self) -> list[Image.Image]:
        """The pictures, RGB."""
        return [Image.fromarray(array) for array in self.arrays]

    @property
    def transparent(self) -> list[Image.Image]:
        """The pictures, RGBA: opaque where the fifth of the pixels is that counted most, else see-through."""
        heights = self.importance.flatten(1)
        least = torch.quantile(heights, 0.8, dim=1).clamp(min=1e-30)[:, None, None]
        opacity = ((self.importance / least).clamp(max=1) * 255).round().to(torch.uint8).numpy()
        shown = self.images
        for image, alpha in zip(shown, opacity, strict=True):
            image.putalpha(Image.fromarray(alpha))
        return shown

    def figure(
        self, best: Sequence[float] | Tensor | None = None, heading: str = "", note: str = ""
    ) -> Figure:
        """Return the pictures in a grid with their names and values.

        Args:
            best: the largest values that pictures of a data set reach, for comparison.
            heading: one line above.
            note: up to two lines under it.
        """
        from interp.views.visualisation import visualisation_figure

        return visualisation_figure(
            self.arrays,
            self.names,
            values=self.values.numpy(),
            best=None if best is None else torch.as_tensor(best).numpy(),
            heading=heading,
            note=note,
        )


def visualise(
    model: ImageModel,
    objective: Objective | Sequence[Objective],
    *,
    steps: int = 128,
    size: int | tuple[int, int] | None = None,
    batch: int = 1,
    seed: int = 0,
    parametrisation: Basis | Parametrisation = "fourier",
    transforms: Sequence[Transform] = STANDARD,
    lr: float | None = None,
    colours: Tensor | None = None,
    magnitude: Tensor | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> Visualisation:
    """Return pictures that excite something most, by gradient ascent from noise.

    Each step moves the picture a little, runs the network up to the last layer that is asked, and follows
    the gradient. Same seed, same picture, to the last bit on the same machine. Ctrl-C ends it with the
    picture so far. (Olah, Mordvintsev, Schubert: "Feature Visualization", 2017.)

    Args:
        model: any; it is not touched.
        objective: what to excite; of several, each gets a picture of its own, all from the same noise.
        steps: of Adam.
        size: of the pictures, (height, width) or one number for both; default: the model's own.
        batch: pictures of one objective, each from its own noise; with `diversity` they become unlike.
        seed: of the noise and the transforms.
        parametrisation: waves in the colours of photographs; plain pixels; MACO, waves of fixed magnitude;
            or your own, changed in place, whose shape then counts.
        transforms: drawn anew for each step; `()` for none.
        lr: Adam's learning rate; default: the parametrisation's own.
        colours: for waves and MACO, `colour_basis` of your own pictures; default: that of ImageNet.
        magnitude: for MACO, `magnitude_of` your own pictures; default: that of photographs in general.
        progress: is told after each step.
        stop: is asked before each step whether to stop.

    Raises:
        FeatureError: an argument is out of its range, or a layer has no such channel or position.
        LayerError: there is no such layer.
        LabelError: there is no such class.

    Example:
        >>> found = visualise(interp.load(), channels("blocks.2", [3, 5]), steps=128)
        >>> found.pictures.shape, found.names
        (torch.Size([2, 3, 224, 224]), ('blocks.2:3', 'blocks.2:5'))
    """
    objectives = [objective] if isinstance(objective, Objective) else list(objective)
    count = _count(objectives, batch)
    if isinstance(parametrisation, Parametrisation):
        start = parametrisation
    else:
        shape = (count, model.preprocess.channels, *_size(size, model))
        start = _start(parametrisation, shape, seed, len(objectives) > 1, colours, magnitude, model.device)
    if start.shape[0] != count or start.shape[1] != model.preprocess.channels:
        raise FeatureError(
            f"the parametrisation makes pictures of {start.shape}; give ({count}, "
            f"{model.preprocess.channels}, height, width)."
        )
    layers = list(dict.fromkeys(layer for one in objectives for layer in one.layers))
    see = seer(model, layers, start.shape[2:])
    see_leaky = functools.cache(lambda: seer(model, layers, leaky=True))  # few pictures need it
    found = ascend(
        start,
        lambda pictures: evaluate(objectives, see(pictures), model.labels),
        steps=steps,
        lr=lr,
        transforms=transforms,
        seed=seed,
        rescue=lambda pictures: evaluate(objectives, see_leaky()(pictures), model.labels),
        progress=progress,
        stop=stop,
    )
    values, peaks = _reached(model, objectives, see, found.pictures)
    names = tuple(one.name for one in objectives) * (count // len(objectives))
    return Visualisation(
        found.pictures, names, values, peaks, found.history, found.importance, seed, found.finished
    )


def _start(
    basis: str,
    shape: tuple[int, int, int, int],
    seed: int,
    same: bool,
    colours: Tensor | None,
    magnitude: Tensor | None,
    device: torch.device,
) -> Parametrisation:
    if basis == "fourier":
        return fourier(shape, seed=seed, same=same, colours=colours, device=device)
    if basis == "pixels":
        return pixels(shape, seed=seed, same=same, device=device)
    if basis == "maco":
        return maco(shape, seed=seed, same=same, magnitude=magnitude, colours=colours, device=device)
    raise FeatureError(f"parametrisation={basis!r} is none of 'fourier', 'pixels', 'maco'.")


def _reached(
    model: ImageModel, objectives: Sequence[Objective], see: See, pictures: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the objectives and the largest activations of the pictures as they are."""
    with torch.inference_mode(False), torch.no_grad():
        seen = see(pictures.to(model.device))
        values = evaluate(objectives, seen, model.labels)
        if len(objectives) == 1:
            peaks = largest(objectives[0], seen)
        else:
            each: list[dict[Layer, Tensor]] = [
                {layer: activation[place : place + 1] for layer, activation in seen.items()}
                for place in range(len(pictures))
            ]
            peaks = torch.cat([largest(one, alone) for one, alone in zip(objectives, each, strict=True)])
    return values.float().cpu(), peaks.float().cpu()


def _count(objectives: Sequence[Objective], batch: int) -> int:
    if not objectives:
        raise FeatureError("there is no objective to visualise; give one, or a list of some.")
    if batch < 1 or (batch > 1 and len(objectives) > 1):
        raise FeatureError(
            f"batch={batch} for {len(objectives)} objective(s): give 1 or more for one objective; of "
            "several, each has one picture."
        )
    return batch if len(objectives) == 1 else len(objectives)


def _size(size: int | tuple[int, int] | None, model: ImageModel) -> tuple[int, int]:
    if size is None:
        return model.preprocess.size
    height, width = (size, size) if isinstance(size, int) else size
    if min(height, width) < 1:
        raise FeatureError(f"size={size}: give one number, or (height, width), from 1.")
    return height, width
