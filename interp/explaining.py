"""`explain`: from pictures to explanations, and `remake`: the same explanation again from its JSON."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, overload

import torch
from PIL import Image
from torch import nn

from interp.defaults import METHOD
from interp.explanation import FORMAT, Explanation, ExplanationError
from interp.explanations import Explanations
from interp.files import read_json
from interp.images import Preprocess, open_image
from interp.images.opening import Source
from interp.images.pixels import pixels_hash
from interp.layers import LayerError
from interp.methods import Attribution, Method, attribute, get
from interp.models import ImageModel, load
from interp.progress import Progress, part_of
from interp.targets import AnyTarget, LogitTarget, Seen, Several, Target, TargetLike, about, per_picture
from interp.targets import from_json as target_from_json

ModelLike = ImageModel | nn.Module | str | Path | Any
MethodLike = str | Method


@overload
def explain(  # type: ignore[overload-overlap]  # a str is a sequence of str
    model: ModelLike,
    pictures: Source,
    target: TargetLike = ...,
    method: MethodLike = ...,
    layer: str | int | None = ...,
    *,
    batch_size: int = ...,
    progress: Progress | None = ...,
) -> Explanation: ...
@overload
def explain(
    model: ModelLike,
    pictures: Source | Sequence[Source],
    target: AnyTarget | Sequence[AnyTarget] = ...,
    method: MethodLike | Sequence[MethodLike] = ...,
    layer: str | int | Sequence[str | int] | None = ...,
    *,
    batch_size: int = ...,
    progress: Progress | None = ...,
) -> Explanations: ...
def explain(
    model: ModelLike,
    pictures: Source | Sequence[Source],
    target: AnyTarget | Sequence[AnyTarget] = None,
    method: MethodLike | Sequence[MethodLike] = METHOD,
    layer: str | int | Sequence[str | int] | None = None,
    *,
    batch_size: int = 1,
    progress: Progress | None = None,
) -> Explanation | Explanations:
    """Explain what `model` makes of one picture or of several.

    One picture, target, method and layer give one `Explanation`; a list of any of them, or a query with
    several targets, gives `Explanations`, ordered by picture, target, layer and method.

    Args:
        model: an `ImageModel`, or anything that `interp.load` takes.
        pictures: a path, Pillow image, array, tensor, bytes or open file; or a list of them.
        target: `None` for the predicted class (of a segmentation the one with the largest region, of a
            picture its detail); an index, a name or a callable (output → one score for each
            picture); `targets.top(3)`, `targets.several("cat", 967)`, `targets.contrast("cat", "dog")`; a
            region or a part of a picture, as `targets.component("car", at=(0.3, 0.6))`; or a list with one
            of these for each picture.
        method: name of a method (`interp methods` lists them), with options as in `"rise(masks=500)"`, or a
            list.
        layer: name or index of a layer (`interp layers MODEL`), `"stages"` for the end of every stage, or
            a list; default: the deepest features, never the logits.
        batch_size: pictures in one pass. 1 gives the bytes that `remake` gives; more is faster on a GPU.
        progress: is told (done, all) by methods that take longer.

    Raises:
        ImageError, LabelError, LayerError, MethodError, ModelError, TargetError: what was asked does not
            fit; all are `ValueError`s with a sentence.
        CaptureError: the network cannot be copied or differentiated; a `RuntimeError` with a sentence.

    Example:
        >>> explain("efficientnet_lite0", "sample_images/cat.jpg", target="tiger cat").map.shape
        torch.Size([7, 7])
    """
    image_model = load(model)
    many = isinstance(pictures, (list, tuple))
    sources: list[Source] = list(pictures) if many else [pictures]  # type: ignore[arg-type,list-item]
    queries = per_picture(target, len(sources))
    methods = [get(name) for name in _listed(method)]
    layers = _layers(image_model, layer)
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size}: give 1 or more.")
    made = Explanations()
    batches = -(-len(sources) // batch_size)
    for start in range(0, len(sources), batch_size):
        part = slice(start, start + batch_size)
        tell = None if progress is None else part_of(progress, start // batch_size, batches)
        made.extend(_explain_batch(image_model, sources[part], queries[part], methods, layers, tell))
    lists = many or isinstance(method, (list, tuple)) or isinstance(layer, (list, tuple)) or layer == "stages"
    return made if lists or isinstance(target, Several) or len(made) != 1 else made[0]


def _explain_batch(
    model: ImageModel,
    sources: Sequence[Source],
    queries: Sequence[AnyTarget],
    methods: Sequence[Method],
    layers: Sequence[str | int] | None,
    progress: Progress | None,
) -> Iterable[Explanation]:
    pictures = [open_image(source) for source in sources]
    asked = [
        about(query, Seen(picture, model.preprocess))
        for query, picture in zip(queries, pictures, strict=True)
    ]
    found = attribute(model, model.prepare(pictures), asked, methods, layers, progress=progress)
    for row, (source, picture) in enumerate(zip(sources, pictures, strict=True)):
        path = str(source) if isinstance(source, (str, Path)) else None
        yield from explanations_of(model, found, row, picture, path)


def explanations_of(
    model: ImageModel, found: Attribution, row: int, picture: Image.Image, path: str | None
) -> Iterable[Explanation]:
    """Yield the explanations of one picture of an attributed batch, by target, layer and method."""
    output = found.output[row : row + 1]
    ranked = model.ranked(output)[0] if output.dim() == 2 else ()
    for key, maps in found.maps.items():
        number, layer, name = key
        if number >= len(found.targets[row]):
            continue
        target = found.targets[row][number]
        yield Explanation(
            map=maps[row].detach().cpu().clone(),
            picture=picture,
            box=model.preprocess.box(picture.size),
            prediction=ranked,
            target=target,
            score=float(target(output)),
            probability=probability_of(model, output, target),
            layer=layer,
            method=get(name),
            model=model,
            path=path,
            notes=found.notes[key][row] if key in found.notes else (),
        )


def probability_of(model: ImageModel, output: torch.Tensor, target: Target) -> float | None:
    """Return the probability of a target that is one class, of the output `(1, classes)`; else None."""
    single = isinstance(target, LogitTarget) and len(target.terms) == 1 and target.terms[0][1] == 1
    if not single or output.dim() != 2 or model.activation == "none":
        return None
    assert isinstance(target, LogitTarget)
    return float(model.probabilities(output)[0, target.terms[0][0]])


def _layers(model: ImageModel, layer: str | int | Sequence[str | int] | None) -> Sequence[str | int] | None:
    if layer == "stages":
        if not model.layers.stages:
            raise LayerError(f"{model.name} has no stages: no layer has a spatial output.")
        return model.layers.stages
    return None if layer is None else _listed(layer)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def remake(saved: str | Path, *, model: ModelLike | None = None, target: TargetLike = None) -> Explanation:
    """Make an explanation again from its JSON, and check that it is the same.

    Args:
        saved: the text of `Explanation.to_json`, or the path of a file with it.
        model: needed when the JSON's model was a module or a Learner that `load` cannot find by name.
        target: needed when the JSON's target was a callable, or has a reference picture.

    Raises:
        ExplanationError: the JSON is broken, or model, weights, picture or map are not what it says.

    Example:
        >>> again = remake(explanation.to_json())
        >>> bool((again.map == explanation.map).all())
        True
    """
    told = _read(saved)
    try:
        found = _model(told["model"], model)
        picture, path = _open(told["picture"])
        query = target if "callable" in told["target"] else target_from_json(told["target"])
        if query is None:
            raise ExplanationError(
                "the JSON's target was a callable, or has a reference picture; give it again: "
                "remake(..., target=...)."
            )
        query = about(query, Seen(picture, found.preprocess))
        found_map = attribute(found, found.prepare([picture]), [query], [told["method"]], [told["layer"]])
        again = next(iter(explanations_of(found, found_map, 0, picture, path)))
        expected = told["map"]["float32"]
    except ExplanationError:
        raise
    except (KeyError, TypeError, AttributeError) as error:
        raise ExplanationError(
            f"the JSON is not a saved explanation ({error} is missing or wrong)."
        ) from error
    except ValueError as error:  # the sentences of models, pictures, layers and targets
        raise ExplanationError(f"the explanation cannot be made again: {error}") from error
    if base64.b64encode(again.values.astype("<f4").tobytes()).decode() != expected:
        raise ExplanationError(
            "the map came out different: another version of torch, another machine, or a batch of several "
            "pictures made the saved one. Its values are in the JSON under map.float32."
        )
    return again


def _read(saved: str | Path) -> dict[str, Any]:
    text = str(saved)
    try:
        if isinstance(saved, Path) or not text.lstrip().startswith("{"):
            about = read_json(Path(saved))
        else:
            about = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise ExplanationError(f"the saved explanation cannot be read ({error}).") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise ExplanationError(f"this is not a saved explanation of format {FORMAT}.")
    return about


def _model(about: dict[str, Any], given: ModelLike | None) -> ImageModel:
    preprocess = Preprocess.from_json(about["preprocess"])
    if given is not None:
        model = load(given, preprocess=preprocess)
    elif about["origin"] is None:
        raise ExplanationError(f"{about['name']} was no named model; give it again: remake(..., model=...).")
    else:
        model = load(about["origin"]["source"], weights=about["origin"]["weights"], preprocess=preprocess)
    if model.weights_hash() != about["weights_sha256"]:
        raise ExplanationError(f"the weights of {model.name} are not those that made the saved explanation.")
    return model


def _open(about: dict[str, Any]) -> tuple[Image.Image, str | None]:
    path = about.get("path")
    picture = open_image(path if path is not None else base64.b64decode(about["png"]))
    if pixels_hash(picture) != about["pixels_sha256"]:
        raise ExplanationError(f"{path or 'the embedded picture'} is not the picture that was explained.")
    return picture, path
