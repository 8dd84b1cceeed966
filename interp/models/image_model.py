"""A network with everything that an explanation needs to know about it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from PIL import Image
from torch import nn

from interp.capture import CaptureError, TwinPool
from interp.capture.structure import tensors_in
from interp.images import Preprocess, open_image
from interp.images.opening import Source
from interp.layers import LayerError, LayerTable, layer_table, main_output
from interp.models.builders import ModelError
from interp.models.calling import Calling, Extras, Selector
from interp.models.labels import Labels

if TYPE_CHECKING:
    from interp.models.architecture import Architecture

_COMPARING = threading.Lock()

Task = Literal["classification", "segmentation", "image"]
Activation = Literal["softmax", "sigmoid", "none"]


@dataclass(frozen=True)
class Prediction:
    """One class that the network considers: its index, name and probability (0 … 1)."""

    index: int
    name: str
    probability: float


@dataclass(frozen=True, eq=False)
class ImageModel:
    """The only thing that methods see: a module with preprocessing, labels and task.

    The module is the user's own and is never touched: every run happens on a private twin
    (`interp.capture.twin`), each lent to one user at a time, so threads may share an `ImageModel`.

    Attributes:
        module: the network.
        preprocess: from a picture to its input.
        name: how people call it, `torchvision:resnet34`.
        labels: names of its outputs.
        task: what it puts out: classes of the picture, classes of pixels, or a picture.
        activation: what makes probabilities of its logits.
        architecture: how to build the same network without weights; `None` if nobody can say.
        origin: `source` and `weights` with which `load` finds it again; `None` for modules and learners.
        output: which part of what the network returns is explained; `None` for the first tensor.
        extras: what the network takes beside the picture, the same for all (`interp.models.calling`).
        input_shape: of one input, where that is no picture: `(C, L)` of a signal, `(C, D, H, W)` of a volume.

    Example:
        >>> model = interp.load("efficientnet_lite0")
        >>> model.predict(["sample_images/cat.jpg"])[0][0].name
        'tiger cat'
    """

    module: nn.Module = field(repr=False)
    preprocess: Preprocess
    name: str
    labels: Labels = field(default=Labels(), repr=False)
    task: Task = "classification"
    activation: Activation = "softmax"
    architecture: Architecture | None = None
    origin: Mapping[str, str | None] | None = None
    output: Selector | None = None
    extras: Extras = field(default=(), repr=False)
    input_shape: tuple[int, ...] | None = None

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self._anchor.device

    @property
    def dtype(self) -> torch.dtype:
        """What the weights are made of."""
        return self._anchor.dtype

    @property
    def _anchor(self) -> torch.Tensor:
        tensors = chain(self.module.parameters(), self.module.buffers())
        return next((t for t in tensors if t.is_floating_point()), torch.zeros(()))

    @contextmanager
    def twin(self) -> Iterator[nn.Module]:
        """Lend a private copy that shares the weights; nobody else has it meanwhile.

        It computes in the precision of the weights, whatever autocast the caller is in.
        """
        with self._pool.lend() as private, _without_autocast(self.device.type):
            yield private

    @cached_property
    def _pool(self) -> TwinPool:
        calling = Calling(self.output, self.extras)
        as_it_is = self.output is None and not self.extras
        try:
            pool = TwinPool(self.module, None if as_it_is else calling.install)
            with pool.lend() as private, _without_autocast(self.device.type):
                run = self.module if as_it_is else partial(calling.call, self.module)
                _compare(self.module, run, private, self.blank())
        except (CaptureError, LayerError, ModelError):
            raise
        except Exception as error:  # whatever somebody's forward raises
            raise ModelError(self._does_not_run(error)) from error
        return pool

    def _does_not_run(self, error: Exception) -> str:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        beside = ", and extra_inputs=(...) what it takes beside it" if isinstance(error, TypeError) else ""
        return (
            f"{self.name} does not run on an input of {self._shape(1)} ({reason}). Say what it takes: "
            "load(..., preprocess=Preprocess((height, width), mean, std)), of other things than pictures "
            f"input_shape=(channels, ...){beside}."
        )

    @cached_property
    def layers(self) -> LayerTable:
        """The table of layers, found by running once on an empty picture."""
        trainable = {name: p.requires_grad for name, p in self.module.named_parameters()}
        with self.twin() as private:
            return layer_table(private, self.blank(), trainable)

    @property
    def default_layer(self) -> str:
        """The layer that is explained when nobody says: the deepest features, never the logits.

        Raises:
            LayerError: no layer has a spatial output on which the network's output rests.
        """
        if self.layers.default is None:
            raise LayerError(
                f"{self.name} has no convolutional layer to explain by default (is it a transformer?). "
                f"Name one: `interp layers {self.name}` lists them."
            )
        return self.layers.default

    def blank(self, count: int = 1) -> torch.Tensor:
        """Return an input of zeros, `(count, C, *size)`, on the model's device and dtype."""
        with torch.inference_mode(False):
            return torch.zeros(self._shape(count), device=self.device, dtype=self.dtype)

    def _shape(self, count: int) -> tuple[int, ...]:
        return (count, *(self.input_shape or (self.preprocess.channels, *self.preprocess.size)))

    def prepare(self, pictures: Sequence[Image.Image]) -> torch.Tensor:
        """Return the network's input for opened pictures, `(B, C, H, W)`, on its device and dtype.

        Raises:
            ModelError: it takes something else than pictures.
        """
        if self.input_shape is not None:
            raise ModelError(
                f"{self.name} takes inputs of {self.input_shape}, and pictures are not made into those. Make "
                "the tensors yourself, (batch, channels, ...), and give them to interp.attribute."
            )
        return self.preprocess.batch(pictures).to(device=self.device, dtype=self.dtype)

    def logits(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the network's output without a graph; of nested outputs the first tensor."""
        with self.twin() as private, torch.inference_mode(False), torch.no_grad():
            return main_output(private(inputs.clone()))

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """Return what the logits say in numbers of 0 … 1 (float32), along dimension 1."""
        logits = logits.detach().float()
        if self.activation == "softmax":
            return logits.softmax(1)
        return logits.sigmoid() if self.activation == "sigmoid" else logits

    def ranked(self, logits: torch.Tensor, top: int = 5) -> list[tuple[Prediction, ...]]:
        """Return, for each row of `(B, classes)` logits, its `top` classes, likeliest first."""
        probabilities = self.probabilities(logits)
        best = probabilities.topk(min(top, probabilities.shape[1]), dim=1)
        return [
            tuple(Prediction(i, self.labels[i], p) for i, p in zip(indices, values, strict=True))
            for indices, values in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]

    def predict(self, pictures: Sequence[Source], top: int = 5) -> list[tuple[Prediction, ...]]:
        """Return the `top` classes of each picture, likeliest first.

        Raises:
            ImageError: a picture cannot be opened.
            ValueError: the model is no classifier.
        """
        if self.task != "classification":
            raise ValueError(f"{self.name} does {self.task}, not classification; run .logits() instead.")
        opened = [open_image(picture) for picture in pictures]
        return self.ranked(self.logits(self.prepare(opened)), top)

    def weights_hash(self) -> str:
        """Return the SHA-256 of all weights and buffers with their names, as they are now."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.module.state_dict().items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
            flat = tensor.detach().cpu().contiguous().reshape(-1)
            digest.update(flat.view(torch.uint8).numpy().data if flat.numel() else b"")
        return digest.hexdigest()

    def save(self, folder: str | Path) -> Path:
        """Write `model.safetensors` and `model.json` into `folder`; loading them runs no code.

        Raises:
            ModelError: nobody can say how to build this network without its weights.
        """
        from interp.models.saved import save_folder

        return save_folder(self, folder)


def _without_autocast(kind: str) -> AbstractContextManager[object]:
    if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
        return torch.autocast(kind, enabled=False)
    return nullcontext()


def _compare(
    module: nn.Module, run: Callable[[torch.Tensor], object], private: nn.Module, inputs: torch.Tensor
) -> None:
    """Run the module and its twin once and refuse a twin that computes something else."""
    # One at a time: a second thread would take the modes set here for the user's own.
    with _COMPARING:
        modes = [(part, part.training) for part in module.modules()]
        try:
            for part, _ in modes:
                part.training = False
            with torch.inference_mode(False), torch.no_grad():
                # Clones, because networks may change their input in place.
                own = list(tensors_in(run(inputs.clone())))
                copied = list(tensors_in(private(inputs.clone())))
        finally:
            for part, training in modes:
                part.training = training
    same = len(own) == len(copied) and all(
        a.shape == b.shape and torch.allclose(a, b, rtol=1e-3, atol=1e-4, equal_nan=True)
        for a, b in zip(own, copied, strict=True)
    )
    if not same:
        raise CaptureError(
            f"a private copy of {type(module).__name__} gives another output than the module itself: it "
            "depends on something outside its own attributes, or on chance in eval mode."
        )
