"""The pictures of a folder that are nearest to one by style."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image

from interp.features.errors import FeatureError
from interp.features.stream import input_batches
from interp.features.style import called, grams_of, relative_distance, style_extractor
from interp.images import open_image, pictures_in
from interp.images.opening import Source
from interp.models import ImageModel
from interp.progress import Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class StyleMatch:
    """A picture and how far its style is from that of the picture asked about.

    Attributes:
        file: the picture.
        distance: the mean of `by_layer`, 0 … 1.
        by_layer: the relative distance at each layer.
    """

    file: Path
    distance: float
    by_layer: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class NearestStyles:
    """The pictures nearest to one by style.

    Attributes:
        picture: what the picture asked about is called.
        view: what the network saw of it.
        model: what people call the network.
        layers: where styles were compared.
        matches: the nearest first.
        views: what the network saw of each match.
        searched: how many pictures were compared.
        failed: why a file could not be opened.
    """

    picture: str
    view: Image.Image
    model: str
    layers: tuple[str, ...]
    matches: tuple[StyleMatch, ...]
    views: tuple[Image.Image, ...]
    searched: int
    failed: dict[Path, str] = field(default_factory=dict)

    def figure(self) -> Figure:
        """Draw the picture and the nearest ones as the network saw them, with their distances.

        Example:
            >>> found = nearest_by_style(interp.load(), "sample_images/cat.jpg", "sample_images")
            >>> found.figure().savefig("nearest.png")
        """
        from interp.views import nearest_figure

        return nearest_figure(
            self.view,
            self.views,
            distances=[match.distance for match in self.matches],
            name=self.picture,
            names=[match.file.stem for match in self.matches],
            heading=f"Nearest by style  ·  {self.model}",
            note=f"of {self.searched} pictures, by the mean relative distance at {', '.join(self.layers)}",
        )


def nearest_by_style(
    model: ImageModel,
    picture: Source,
    folder: str | os.PathLike[str] | Sequence[Path],
    layers: str | int | Sequence[str | int] | None = None,
    *,
    count: int = 10,
    batch_size: int = 8,
    progress: Progress | None = None,
) -> NearestStyles:
    """Return the pictures of a folder whose Gram matrices are nearest to a picture's.

    The `relative_distance` at each layer, and their mean, exactly: one pass over the folder, of which
    nothing is kept but the distances.

    Args:
        model: any network with pictures for inputs.
        picture: the one asked about. Its own file is passed over; a copy of it is found with distance 0.
        folder: pictures, also in folders inside it; or a list of files.
        layers: where styles are compared, as in `style`. Early layers compare colours and edges, late ones
            what is in the picture.
        count: at most so many.
        batch_size: pictures in one pass of the network.
        progress: is told how many pictures are done, and of how many.

    Raises:
        ImageError: the picture cannot be opened, or there is none in the folder.
        LayerError: no such layer.
        FeatureError: as `style`, no other picture can be opened, or count is less than 1.

    Example:
        >>> found = nearest_by_style(interp.load(), "sample_images/cat.jpg", "sample_images", count=2)
        >>> [match.file.name for match in found.matches]
        ['cat_small.jpg', 'cat_and_coffee.jpg']
    """
    if count < 1:
        raise FeatureError(f"count={count} finds no picture; give 1 or more.")
    names, extractor = style_extractor(model, layers)
    opened = open_image(picture)
    wanted = grams_of(extractor, model.prepare([opened]), "CHW")
    listed = pictures_in(Path(folder)) if isinstance(folder, (str, os.PathLike)) else list(folder)
    files = [file for file in listed if not _is_file_of(picture, file)]
    failed: dict[Path, str] = {}
    matches = []
    for batch in input_batches(model, files, batch_size=batch_size, failed=failed, progress=progress):
        found = grams_of(extractor, batch.inputs, "CHW")
        apart = torch.stack([relative_distance(a, b) for a, b in zip(found, wanted, strict=True)], 1)
        for place, row in zip(batch.places, apart, strict=True):
            matches.append(StyleMatch(files[place], float(row.mean()), tuple(row.tolist())))
    if not matches:
        raise FeatureError("there is no other picture to compare with; give a folder with more of them.")
    best = sorted(matches, key=lambda match: (match.distance, match.file))[:count]
    return NearestStyles(
        called(picture, 0),
        model.preprocess.view(opened),
        model.name,
        names,
        tuple(best),
        tuple(model.preprocess.view(open_image(match.file)) for match in best),
        len(matches),
        failed,
    )


def _is_file_of(picture: Source, file: Path) -> bool:
    if not isinstance(picture, (str, os.PathLike)):
        return False
    return os.path.realpath(picture) == os.path.realpath(file)
