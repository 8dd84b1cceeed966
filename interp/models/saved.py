"""A trained model as a folder: tensors in safetensors, everything else in JSON. Loading runs no code."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_model

from interp.files import json_text, read_json, write_whole
from interp.images import Preprocess, PreprocessError
from interp.models.architecture import Architecture
from interp.models.builders import ModelError, chance_kept
from interp.models.image_model import Activation, ImageModel, Task
from interp.models.labels import Labels

FORMAT = 1
MAX_JSON = 8 * 2**20
KEYS = (
    "format",
    "name",
    "architecture",
    "labels",
    "synonyms",
    "task",
    "activation",
    "preprocess",
    "history",
    "versions",
)


# In which networks compute; what is stored in fewer bits is loaded as float32.
_PRECISIONS = {torch.float16, torch.bfloat16, torch.float32, torch.float64}


def save_folder(model: ImageModel, folder: str | Path, history: Mapping[str, Any] | None = None) -> Path:
    """Write `model.safetensors` and `model.json`, each whole or not at all, and return the folder.

    Args:
        model: one whose architecture is known: loaded by name, from a folder, or given one.
        folder: made if it is not there.
        history: how it was trained, plain JSON values.

    Raises:
        ModelError: the architecture is not known.

    Example:
        >>> save_folder(interp.load("efficientnet_lite0"), "my-model")
    """
    if model.architecture is None:
        raise ModelError(
            f"{model.name} cannot be saved: nobody can say how to build it without running its code. Give "
            "interp.load(module, architecture=Architecture('torchvision', 'resnet34', {'num_classes': 37}))."
        )
    other = model.input_shape not in (None, model.architecture.input_shape)
    if model.output is not None or model.extras or other:
        raise ModelError(
            f"{model.name} cannot be saved: output=, extra_inputs= and input_shape= cannot be written down. "
            "Make a module that takes the picture and returns the tensor."
        )
    about = {
        "format": FORMAT,
        "name": model.name,
        "architecture": {
            "source": model.architecture.source,
            "name": model.architecture.name,
            "arguments": dict(model.architecture.arguments),
        },
        "labels": list(model.labels.names),
        "synonyms": [list(others) for others in model.labels.synonyms],
        "task": model.task,
        "activation": model.activation,
        "preprocess": model.preprocess.to_json(),
        "history": dict(history or {}),
        "versions": {package: version(package) for package in ("interp", "torch", "timm", "torchvision")},
    }
    text = json_text(about)  # fails, if at all, before anything is written
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # Both or neither: new weights beside the old labels would be another model.
    with (
        write_whole(folder / "model.safetensors") as weights,
        write_whole(folder / "model.json") as part,
    ):
        with safetensors_told():
            save_model(model.module, str(weights))
        part.write_text(text, encoding="utf-8")
    return folder


@contextmanager
def safetensors_told() -> Iterator[None]:
    """Let what the file system refuses to safetensors be the file system's error, as everywhere else."""
    try:
        yield
    except SafetensorError as error:
        number = re.search(r"\(os error (\d+)\)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error


def load_folder(folder: str | Path) -> ImageModel:
    """Return the model that `save_folder` wrote. Nothing in the folder is executed.

    Raises:
        ModelError: a file is missing, broken, or says something that is not known.
    """
    folder = Path(folder)
    about = _read(folder / "model.json")
    try:
        settings = about["architecture"]
        source, model_name, name = map(_text, (settings["source"], settings["name"], about["name"]))
        architecture = Architecture(source, model_name, dict(settings["arguments"]))
        preprocess = Preprocess.from_json(about["preprocess"])
        labels = Labels(_texts(about["labels"]), tuple(map(_texts, about.get("synonyms", ()))))
        task, activation = about["task"], about["activation"]
    except (KeyError, TypeError, ValueError, PreprocessError) as error:
        raise ModelError(f"{folder.name}/model.json is not a model description ({error}).") from error
    if task not in get_args(Task) or activation not in get_args(Activation):
        raise ModelError(f"{folder.name}/model.json: task {task!r} or activation {activation!r} is unknown.")
    with chance_kept():
        module = architecture.build()
    _fill(module, folder / "model.safetensors")
    shape = architecture.input_shape
    return ImageModel(module, preprocess, name, labels, task, activation, architecture, input_shape=shape)


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r:.40} must be a list of texts")
    return tuple(map(_text, value))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} must be a text")
    return value


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        if (path.parent / "config.json").is_file():
            raise ModelError(
                f"the run in {path.parent} is not finished: it has no model.json yet. To go on, give its "
                "`interp train` command again with --resume."
            )
        raise ModelError(f"{path.parent} is no saved model: it has no model.json.")
    if path.stat().st_size > MAX_JSON:
        raise ModelError(f"{path.parent.name}/model.json is over {MAX_JSON // 2**20} MiB; it is not ours.")
    try:
        about = read_json(path, most=MAX_JSON)
    except (OSError, ValueError) as error:
        raise ModelError(f"{path.parent.name}/model.json cannot be read ({error}).") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise ModelError(
            f"{path.parent.name}/model.json is not of format {FORMAT}; load it with the interp that wrote it."
        )
    if unknown := sorted(set(about) - set(KEYS)):
        raise ModelError(f"{path.parent.name}/model.json has the unknown key {unknown[0]!r}.")
    return about


def _fill(module: Any, path: Path) -> None:
    if not path.is_file():
        raise ModelError(f"{path.parent} has a model.json and no model.safetensors.")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path.parent.name}/model.safetensors is broken ({error}).") from error
    # Tied tensors are stored once; every name that is missing must share memory with one that is there.
    state = module.state_dict()
    there = {state[name].data_ptr() for name in tensors if name in state}
    untied = [name for name in state if name not in tensors and state[name].data_ptr() not in there]
    wrong = [n for n in tensors if n not in state or state[n].shape != tensors[n].shape]
    if untied or wrong:
        raise ModelError(
            f"{path.parent.name}/model.safetensors does not fit the architecture: "
            f"{(wrong + untied)[0]!r} is missing, unknown or of another shape."
        )
    # A network trained in another precision stays in it.
    precisions = {tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()}
    if len(precisions) == 1 and precisions <= _PRECISIONS:
        module.to(precisions.pop())
    module.load_state_dict(tensors, strict=False)
