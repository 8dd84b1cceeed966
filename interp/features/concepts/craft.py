"""The concepts of one class, and how much its score rests on each of them (CRAFT)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from interp.features.concepts.bank import (
    ConceptBank,
    Part,
    best_of_each,
    example_of,
    need_pictures,
)
from interp.features.concepts.factorise import Factors, factorise
from interp.features.concepts.importance import Answer, ask
from interp.features.concepts.maps import maps_of, negative_part, warn_of_negative
from interp.features.concepts.picture import PictureConcepts, corners, counted
from interp.features.errors import FeatureError
from interp.features.extractor import Extractor
from interp.features.statistics import Files, files_of
from interp.features.stream import extractor_of, input_batches
from interp.images.opening import Source
from interp.models import ImageModel
from interp.progress import Progress
from interp.targets import LogitTarget, Target, TargetError, TargetLike, resolve

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class ClassConcepts:
    """The concepts of a class, most important first.

    Attributes:
        concepts: the bank; its examples are crops.
        target: name of the class, or of what else was asked.
        importance: total Sobol index of each concept, `(K,)`, the mean over the pictures: the part of the
            score's variance that it has a part in when all concepts fade by chance. Their sum may be above 1.
        spread: standard deviation of the index over the pictures, `(K,)`.
        fall: by how much the score falls without the concept, `(K,)`, the mean over the pictures; below 0
            where the concept speaks against the class.
        score: mean score of the pictures.
        rebuilt: mean score with `U W` in the place of the activations: what the concepts keep of it.
        files: the pictures.
    """

    concepts: ConceptBank
    target: str
    importance: Tensor
    spread: Tensor
    fall: Tensor
    score: float
    rebuilt: float
    files: tuple[Path, ...]

    def on(self, model: ImageModel, pictures: Source | Sequence[Source]) -> PictureConcepts:
        """Return how much of each concept there is where in a picture; see `ConceptBank.on`."""
        return self.concepts.on(model, pictures)

    def figure(self, on: PictureConcepts | None = None, *, examples: int = 6) -> Figure:
        """Return a row for each concept: importance, best crops, and its heat where a picture is given."""
        from interp.views.concepts import concepts_figure

        about = f"{len(self.concepts.bank)} concepts of {self.target}"
        rebuilt = f"score {self.score:.1f}, {self.rebuilt:.1f} from the concepts alone"
        return concepts_figure(
            [[each.crop for each in row[:examples]] for row in self.concepts.examples],
            importance=self.importance.numpy(),
            falls=self.fall.numpy(),
            picture=None if on is None else on.pictures[0],
            heat=None if on is None else on.heat[0].numpy(),
            full=None if on is None else on.full.numpy(),
            box=None if on is None else corners(on),
            heading=f"{about}, from {counted(len(self.files))}",
            note=f"{self.concepts.layer} · {rebuilt}",
        )


def craft(
    model: ImageModel,
    pictures: Files,
    target: TargetLike,
    layer: str | int | None = None,
    *,
    concepts: int = 10,
    crops: int = 4,
    crop: float = 0.4,
    designs: int = 32,
    asked: int = 16,
    examples: int = 8,
    batch_size: int = 16,
    seed: int = 0,
    progress: Progress | None = None,
) -> ClassConcepts:
    """Find the concepts of a class in crops of its pictures, and their importance (Fel et al., 2023).

    Crops are resized to the network's input, and their activations averaged over positions: the rows of
    `A ≈ U W`. On whole pictures the activations `U W` are replayed as `(U · m) W` with random masks m, one
    number 0 … 1 for each concept, and the importance of a concept is its total Sobol index.

    Args:
        model: best a classifier.
        pictures: a folder, of which those are taken that the model predicts as the class (all, where the
            target is no single class), or files, all of which are taken.
        target: a class index or name, or any other target with one number for each picture.
        layer: whose activations; default: the deepest features.
        concepts: how many.
        crops: so many in a row and in a column, evenly over what the network sees.
        crop: side of a crop, as a part of the input's.
        designs: pairs of masks for each picture; `designs (concepts + 2)` replays.
        asked: at most so many pictures are asked for the importance, evenly drawn.
        examples: at most so many for each concept.
        batch_size: pictures in one pass.
        seed: of the factorisation and of the masks.
        progress: is told of the pictures that are done: predicted, cropped, asked, one after the other.

    Raises:
        ImageError: no such folder, or no picture in it.
        LabelError, TargetError: no such class, or the target does not fit the output.
        LayerError: no such layer, or it gives no maps.
        FeatureError: no picture is predicted as the class, or there are fewer crops than concepts.
        CaptureError: what comes after the layer cannot be run alone.

    Example:
        >>> files = [Path("sample_images", f"{name}.jpg") for name in ("cat", "cat_small", "cat_and_coffee")]
        >>> found = craft(interp.load(), files, "tiger cat", concepts=3, crops=3, asked=2)
        >>> found.importance.shape
        torch.Size([3])
    """
    if not (0 < crop <= 1 and crops >= 1):
        raise FeatureError(f"crop={crop}, crops={crops}: give a part of 0 … 1 and 1 or more.")
    if min(designs, asked) < 1:
        raise FeatureError(f"designs={designs}, asked={asked}: give 1 or more of both.")
    wanted = _target(model, target)
    files, failed = files_of(pictures), dict[Path, str]()
    if isinstance(pictures, (str, Path)) and isinstance(wanted, LogitTarget) and len(wanted.terms) == 1:
        files = predicted_as(
            model, files, wanted.terms[0][0], batch_size=batch_size, failed=failed, progress=progress
        )
    name = model.layers.resolve(layer) if layer is not None else model.default_layer
    extractor = extractor_of(model, [name])
    parts = _parts(crops, crop)
    rows: list[Tensor] = []
    places: list[int] = []
    for batch in input_batches(model, files, batch_size=batch_size, failed=failed, progress=progress):
        rows += [_pooled(extractor, one, parts, name) for one in torch.split(batch.inputs, 1)]
        places += batch.places
    need_pictures(rows, failed)
    warn_of_negative(model, name, negative_part(torch.cat(rows)))
    found = factorise(torch.cat(rows), concepts, seed=seed)
    good = [files[place] for place in places]
    drawn = [
        good[i] for i in sorted({round(i) for i in np.linspace(0, len(good) - 1, min(asked, len(good)))})
    ]
    answers = []
    for number, file in enumerate(drawn):
        inputs = next(iter(input_batches(model, [file]))).inputs
        answers.append(ask(model, name, inputs, found.bank, wanted, designs=designs, seed=seed + number))
        if progress:
            progress(number + 1, len(drawn))
    return _class_concepts(model, name, found, parts, good, failed, wanted.name, answers, examples)


def predicted_as(
    model: ImageModel,
    files: Sequence[Path],
    index: int,
    *,
    batch_size: int = 16,
    failed: dict[Path, str] | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """Return the pictures whose likeliest class is one.

    Args:
        model: a classifier.
        files: pictures; those that cannot be opened are left out.
        index: of the class.
        batch_size: of the passes.
        failed: gets the reason for each file that cannot be opened.
        progress: is told how many are done.

    Raises:
        FeatureError: there is none.

    Example:
        >>> files = interp.images.pictures_in("sample_images")
        >>> [file.name for file in predicted_as(interp.load(), files, 812)]
        ['space_shuttle.jpg']
    """
    found: list[Path] = []
    said = {} if failed is None else failed
    for batch in input_batches(model, files, batch_size=batch_size, failed=said, progress=progress):
        best = model.logits(batch.inputs).argmax(1).tolist()
        found += [files[place] for place, one in zip(batch.places, best, strict=True) if one == index]
    if not found:
        raise FeatureError(
            f"none of {len(files)} pictures is predicted as {model.labels[index]!r}; give pictures of that "
            "class, or the files themselves, which are taken whatever they are predicted as."
        )
    return found


def _target(model: ImageModel, target: TargetLike) -> Target:
    if target is None:
        raise TargetError("target=None: the concepts are those of one class; name it, or give its index.")
    logits = model.logits(model.blank())[0]
    return resolve(target, logits, model.labels, model.task)[0]


def _parts(crops: int, side: float) -> list[Part]:
    starts = [0.5 * (1 - side)] if crops == 1 else np.linspace(0, 1 - side, crops).tolist()
    return [(left, top, left + side, top + side) for top in starts for left in starts]


def _pooled(extractor: Extractor, inputs: Tensor, parts: Sequence[Part], layer: str) -> Tensor:
    """Return the mean activations of a picture's crops, `(crops, C)`."""
    height, width = inputs.shape[2:]
    cut = [
        inputs[
            ...,
            round(top * height) : max(round(bottom * height), round(top * height) + 1),
            round(left * width) : max(round(right * width), round(left * width) + 1),
        ]
        for left, top, right, bottom in parts
    ]
    enlarged = torch.cat([F.interpolate(one.float(), (height, width), mode="bicubic") for one in cut])
    return maps_of(extractor, enlarged.to(inputs.dtype), layer).mean((2, 3))


def _class_concepts(
    model: ImageModel,
    layer: str,
    found: Factors,
    parts: Sequence[Part],
    files: list[Path],
    failed: dict[Path, str],
    target: str,
    answers: list[Answer],
    examples: int,
) -> ClassConcepts:
    """Put the concepts in the order of their importance, each with its best crops."""
    indices = torch.from_numpy(np.stack([answer.indices for answer in answers])).float()
    falls = torch.from_numpy(np.mean([answer.falls for answer in answers], 0)).float()
    order = indices.mean(0).argsort(descending=True, stable=True)
    owners = torch.arange(len(files)).repeat_interleave(len(parts))
    rows = [
        tuple(
            example_of(model.preprocess, files[int(owners[i])], parts[i % len(parts)], float(column[i]))
            for i in best_of_each(column, owners, examples)
        )
        for column in found.strengths.T[order]
    ]
    bank = ConceptBank(found.bank[order], layer, tuple(rows), found.explained, len(files), failed)
    return ClassConcepts(
        concepts=bank,
        target=target,
        importance=indices.mean(0)[order],
        spread=indices.std(0, correction=0)[order],
        fall=falls[order],
        score=float(np.mean([answer.score for answer in answers])),
        rebuilt=float(np.mean([answer.rebuilt for answer in answers])),
        files=tuple(files),
    )
