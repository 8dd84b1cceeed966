"""A folder of pictures as the network takes them, batch after batch, decoded ahead of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from interp.features.errors import FeatureError
from interp.features.extractor import Extractor
from interp.images import ImageError, PreprocessError, open_image
from interp.models import ImageModel
from interp.progress import Progress

_AHEAD = 2


@dataclass(frozen=True, eq=False)
class InputBatch:
    """Some pictures of a list of files: their places in it, and the network's input `(B, C, H, W)`."""

    places: tuple[int, ...]
    inputs: Tensor


def extractor_of(model: ImageModel, layers: Sequence[str | int]) -> Extractor:
    """Return what gives the outputs of some layers of a model, each named as a person may name it.

    Raises:
        LayerError: no such layer, or several fit.
        CaptureError: a layer gives no tensor.

    Example:
        >>> extractor_of(interp.load(), ["blocks.2"]).layers
        ('blocks.2@0',)
    """
    return Extractor(model.module, [model.layers.resolve(layer) for layer in layers], model.blank())


def input_batches(
    model: ImageModel,
    files: Sequence[Path],
    *,
    batch_size: int = 16,
    failed: dict[Path, str] | None = None,
    progress: Progress | None = None,
) -> Iterator[InputBatch]:
    """Yield the files as inputs of the network, in order; threads decode ahead of it.

    Args:
        model: says how a picture is prepared, and where its inputs go.
        files: pictures.
        batch_size: of all batches but the last, and those with a picture that cannot be opened.
        failed: gets the reason for each file that cannot be opened; without it the first ends all.
        progress: is told after each batch has been used.

    Raises:
        ImageError: a file cannot be opened, and `failed` is not given.
        FeatureError: `batch_size` is less than 1.

    Example:
        >>> files = interp.images.pictures_in("sample_images")
        >>> [tuple(batch.inputs.shape) for batch in input_batches(interp.load(), files, batch_size=8)][0]
        (8, 3, 224, 224)
    """
    if batch_size < 1:
        raise FeatureError(f"batch_size={batch_size}: give 1 or more.")
    batches = [range(i, min(i + batch_size, len(files))) for i in range(0, len(files), batch_size)]
    waiting: deque[list[Future[Tensor]]] = deque()
    with ThreadPoolExecutor(2) as pool:
        try:
            for number, places in enumerate(batches):
                for coming in batches[number + len(waiting) : number + _AHEAD + 1]:
                    waiting.append([pool.submit(_prepared, model, files[place]) for place in coming])
                good = _opened(files, places, waiting.popleft(), failed)
                if good:
                    inputs = torch.stack(list(good.values())).to(device=model.device, dtype=model.dtype)
                    yield InputBatch(tuple(good), inputs)
                if progress:
                    progress(places[-1] + 1, len(files))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _prepared(model: ImageModel, file: Path) -> Tensor:
    try:
        return model.preprocess(open_image(file))
    except PreprocessError as error:
        raise ImageError(f"{file}: {error}") from error


def _opened(
    files: Sequence[Path], places: range, futures: list[Future[Tensor]], failed: dict[Path, str] | None
) -> dict[int, Tensor]:
    good: dict[int, Tensor] = {}
    for place, future in zip(places, futures, strict=True):
        try:
            good[place] = future.result()
        except ImageError as error:
            if failed is None:
                raise
            failed[files[place]] = str(error)
    return good
