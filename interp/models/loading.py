"""`load`: one door for names, folders, learners and modules."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from interp.images import IMAGENET_MEAN, IMAGENET_STD, Preprocess
from interp.layers import main_output
from interp.models.architecture import Architecture
from interp.models.builders import OFFLINE, ModelError, chance_kept, torchvision_names
from interp.models.calling import Extras, Selector
from interp.models.image_model import Activation, ImageModel, Task
from interp.models.labels import Labels
from interp.models.learner import from_learner, is_learner, output_shape
from interp.models.saved import load_folder
from interp.models.sources import (
    first_channels,
    offline_model,
    timm_model,
    timm_preprocess,
    torchvision_model,
)

DEFAULT_MODEL = OFFLINE
PICKLES = (".pkl", ".pth", ".pt", ".ckpt", ".bin", ".joblib")


@dataclass(frozen=True)
class ModelEntry:
    """One name that `load` understands."""

    name: str
    source: str
    offline: bool


def available() -> list[ModelEntry]:
    """Return every registered name: the offline default, torchvision's and timm's networks."""
    import timm

    return [
        ModelEntry(OFFLINE, "package", offline=True),
        *(ModelEntry(f"torchvision:{name}", "torchvision", offline=False) for name in torchvision_names()),
        *(ModelEntry(f"timm:{name}", "timm", offline=False) for name in timm.list_models()),
    ]


def load(
    source: str | Path | nn.Module | ImageModel | Any = DEFAULT_MODEL,
    *,
    weights: str | Path | None = "default",
    preprocess: Preprocess | None = None,
    labels: Sequence[str] | None = None,
    task: Task | None = None,
    activation: Activation | None = None,
    architecture: Architecture | None = None,
    name: str | None = None,
    device: str | torch.device | None = None,
    trust_pickle: bool = False,
    output: Selector | None = None,
    extra_inputs: Extras = (),
    input_shape: Sequence[int] | None = None,
) -> ImageModel:
    """Return an `ImageModel` from a name, a saved folder, a fastai `Learner` or any `nn.Module`.

    Args:
        source: `efficientnet_lite0` (offline), `torchvision:resnet34`, `timm:convnext_tiny`, a folder that
            `ImageModel.save` wrote, a `Learner`, a module, or an exported `.pkl` with `trust_pickle`.
        weights: for named networks `"default"` (trained, may download), an entry (`IMAGENET1K_V1`), a file
            of plain weights, or `None` (untrained).
        preprocess: from pictures to inputs; a bare module without one gets 224 px and ImageNet's statistics.
        labels: names of the outputs.
        task: `classification`, `segmentation` or `image`; a bare module's is seen from its output.
        activation: what makes probabilities of logits: `softmax`, `sigmoid` or `none`. A bare module with one
            output gets `sigmoid`, one that ends in a `Softmax` or `Sigmoid` of its own `none`.
        architecture: how to build the same network without weights, so that it can be saved.
        name: what to call it.
        device: where to put a named network; a module or learner stays where it is.
        trust_pickle: load a pickle, which runs whatever code is in it. Only for files you made yourself.
        output: which part of what the network returns is explained: a key, an attribute, an index, or a
            callable that picks it; default: the first tensor.
        extra_inputs: what the network takes after the picture, or a dictionary by name. They are the same for
            every picture: tensors `(1, ...)` are repeated for a batch.
        input_shape: of one input of a network that takes no pictures: `(channels, length)`, `(channels,
            depth, height, width)`, or more than three channels. `interp.attribute` explains tensors. `(n,)`
            is the noise that a generator makes pictures of, which lie in −1 … 1 without a `preprocess`.

    Raises:
        ModelError: nothing of that name, no way to download, a broken folder, an untrusted pickle; or the
            network does not run on such an input.

    Example:
        >>> model = interp.load("efficientnet_lite0")
        >>> model.predict(["sample_images/cat.jpg"])[0][0].name
        'tiger cat'
    """
    given: dict[str, Any] = {
        "output": output,
        "extras": extra_inputs or None,
        "input_shape": None if input_shape is None else _shape(input_shape),
    }
    given = {key: value for key, value in given.items() if value is not None}
    model = _find(source, weights, preprocess, name, trust_pickle, given)
    if given and not isinstance(source, nn.Module):
        model = replace(model, **given, origin=None)  # from the name alone nobody could make it again
    changes: dict[str, Any] = {
        "preprocess": preprocess,
        "labels": None if labels is None else Labels(tuple(labels)),
        "task": task,
        "activation": activation,
        "architecture": architecture,
        "name": name,
    }
    changes = {key: value for key, value in changes.items() if value is not None}
    if labels is not None and len(labels) > 1 and model.activation == "sigmoid":
        _check_labels(model, labels)
    if device is not None and isinstance(source, (str, Path)):
        model.module.to(_device(device))
    return replace(model, **changes) if changes else model


def _shape(shape: Sequence[int]) -> tuple[int, ...]:
    found = tuple(shape)
    if not found or not all(isinstance(side, int) and side > 0 for side in found):
        raise ModelError(
            f"input_shape={shape!r}: give (channels, length), (channels, height, width), or (numbers,) of "
            "noise."
        )
    return found


def _check_labels(model: ImageModel, labels: Sequence[str]) -> None:
    if output_shape(model)[1] == 1:
        raise ModelError(
            f"{len(labels)} labels for the one output of {model.name}. Give the name of what a positive "
            f"logit means, labels=[{labels[-1]!r}]; targets.negative({labels[-1]!r}) asks for the other."
        )


def _find(
    source: Any,
    weights: str | Path | None,
    preprocess: Preprocess | None,
    name: str | None,
    trust_pickle: bool,
    given: dict[str, Any],
) -> ImageModel:
    if isinstance(source, ImageModel):
        return source
    if isinstance(source, nn.Module):
        return _from_module(source, preprocess, name, given)
    if is_learner(source):
        return from_learner(source, name or f"learner:{type(source.model).__name__}", preprocess)
    if not isinstance(source, (str, Path)):
        raise ModelError(
            f"a model cannot be made of a {type(source).__name__}. Give a name, a saved folder, a fastai "
            "Learner or an nn.Module."
        )
    text = str(source)
    with nullcontext() if weights is None else chance_kept():
        model = _named(text, weights)
    try:
        path = Path(source).expanduser()
        is_folder = path.is_dir()
    except (OSError, RuntimeError) as error:  # a name too long for a file, a ~user who is not there
        raise ModelError(_unknown(text)) from error
    if model is None and is_folder:
        model = load_folder(path)
    if model is not None:
        return replace(model, origin={"source": text, "weights": None if weights is None else str(weights)})
    if path.suffix.lower() in PICKLES:
        return _from_pickle(path, preprocess, name, trust_pickle, given)
    raise ModelError(_unknown(text))


def _named(text: str, weights: str | Path | None) -> ImageModel | None:
    if text == OFFLINE:
        return offline_model(weights)
    if text.startswith("torchvision:"):
        return torchvision_model(text.removeprefix("torchvision:"), weights)
    if text.startswith("timm:"):
        return timm_model(text.removeprefix("timm:"), weights)
    return None


def _from_module(
    module: nn.Module, preprocess: Preprocess | None, name: str | None, given: dict[str, Any]
) -> ImageModel:
    while (inner := _wrapped(module)) is not None:
        module = inner
    try:
        list(module.modules())
    except RecursionError as error:
        raise ModelError(
            f"{type(module).__name__} holds modules in modules, deeper than Python can follow. Make it flat."
        ) from error
    given_one = preprocess is not None
    if preprocess is None:
        preprocess = timm_preprocess(module) if hasattr(module, "pretrained_cfg") else _assumed(module)
    model = ImageModel(module, preprocess, name or type(module).__name__, **given)
    shape = output_shape(model)
    if len(shape) < 2:  # one number for each picture is the logit of one class
        model = replace(model, output=main_output)
        shape = output_shape(model)
    if shape[0] != 1 or shape[1] == 0:
        raise ModelError(
            f"{model.name} makes an output of {shape} of one picture; there must be one row for it and one "
            "class at least, (1, classes, ...). Say which part of the output is meant: load(..., output=...)."
        )
    if len(given.get("input_shape", ())) == 1 and len(shape) == 4 and shape[1] in (1, 3):
        half = (0.5,) * shape[1]
        made = model.preprocess if given_one else Preprocess((shape[2], shape[3]), half, half)
        return replace(model, task="image", activation="none", preprocess=made)
    return replace(
        model,
        task="segmentation" if len(shape) == 2 + len(model.blank().shape[2:]) else "classification",
        activation=_activation(module, shape),
    )


def _activation(module: nn.Module, shape: Sequence[int]) -> Activation:
    *_, last = module.modules()
    if isinstance(last, (nn.Softmax, nn.Sigmoid)):
        return "none"
    return "sigmoid" if shape[1] == 1 else "softmax"


def _wrapped(module: nn.Module) -> nn.Module | None:
    parallel = isinstance(module, (nn.DataParallel, nn.parallel.DistributedDataParallel))
    # torch.compile's wrapper keeps the module in _orig_mod.
    inner = getattr(module, "module" if parallel else "_orig_mod", None)
    return inner if isinstance(inner, nn.Module) else None


def _assumed(module: nn.Module) -> Preprocess:
    if first_channels(module) == 1:
        return Preprocess((224, 224), (0.5,), (0.5,), fit="cover", resize=256)
    return Preprocess((224, 224), IMAGENET_MEAN, IMAGENET_STD, fit="cover", resize=256)


def _from_pickle(
    path: Path, preprocess: Preprocess | None, name: str | None, trusted: bool, given: dict[str, Any]
) -> ImageModel:
    if not trusted:
        raise ModelError(
            f"{path.name} is a pickle: opening it runs whatever code it holds. If you made it yourself, "
            f"trust it (trust_pickle=True, --trust-pickle), or convert it once: `interp convert {path.name} "
            "FOLDER --architecture torchvision:resnet34 --trust-pickle`. Plain weights go with a name: "
            f"interp.load('torchvision:resnet34', weights={path.name!r})."
        )
    if not path.is_file():
        raise ModelError(f"there is no file {path}.")
    try:
        loaded = torch.load(path, weights_only=False, map_location="cpu")
    except Exception as error:
        raise ModelError(f"{path.name} cannot be unpickled ({type(error).__name__}: {error}).") from error
    if is_learner(loaded):
        return from_learner(loaded, name or path.stem, preprocess)
    if isinstance(loaded, nn.Module):
        return _from_module(loaded, preprocess, name or path.stem, given)
    raise ModelError(
        f"{path.name} holds a {type(loaded).__name__}, not a model. Plain weights go with a name: "
        f"interp.load('torchvision:resnet34', weights={path.name!r})."
    )


def _device(device: str | torch.device) -> torch.device:
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"device {str(device)!r} is not there; use 'cpu', 'cuda' or 'mps'.") from error


def _unknown(text: str) -> str:
    guesses = [source for source, names in _names().items() if text in names]
    if guesses:
        return f"there is no model {text!r}; did you mean {' or '.join(f'{g}:{text}' for g in guesses)}?"
    return (
        f"there is no model {text!r}: no such folder, and not {OFFLINE!r}, 'torchvision:NAME' or 'timm:NAME' "
        "(`interp models` lists them)."
    )


def _names() -> dict[str, list[str]]:
    import timm

    return {"torchvision": torchvision_names(), "timm": timm.list_models()}
