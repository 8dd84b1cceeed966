"""Record activations by layer name, and their gradients from the layer on, not through the whole net."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from interp.capture.structure import (
    CaptureError,
    map_tensors,
    split_call,
    submodule,
    tensors_in,
)


class Recording:
    """What `record` saw: for every layer the outputs of all its calls, in order.

    A layer is named as in `module.named_modules()`; `name@0` picks the first call of a reused module,
    a bare name the last.
    """

    def __init__(self, layers: Iterable[str], *, gradients: bool) -> None:
        self.layers = tuple(layers)
        self._calls: dict[str, list[Any]] = {split_call(layer)[0]: [] for layer in self.layers}
        self._gradients = gradients

    def calls(self, layer: str) -> list[Any]:
        """Return the outputs of every call of `layer`: tensors, or the tuples, lists and dicts it gave."""
        return self._calls[split_call(layer)[0]]

    def __getitem__(self, layer: str) -> torch.Tensor:
        """Return the activation of `layer`: of a nested output the first tensor with most dimensions."""
        name, call = split_call(layer)
        calls = self._calls[name]
        if not calls:
            raise CaptureError(f"layer {name!r} did not run in this forward pass.")
        if not -len(calls) <= call < len(calls):
            raise CaptureError(f"layer {name!r} ran {len(calls)} times; there is no call {call}.")
        tensors = [t for t in tensors_in(calls[call]) if t.is_floating_point()]
        if not tensors:
            raise CaptureError(f"layer {name!r} returns no floating-point tensor.")
        return max(tensors, key=lambda tensor: tensor.dim())

    def gradients(self, scores: torch.Tensor, *, retain_graph: bool = False) -> dict[str, torch.Tensor]:
        """Return `d sum(scores) / d activation` for every layer, in one backward pass.

        Args:
            scores: one number per picture, any shape; what the output was asked for.
            retain_graph: keep the graph for another target on the same forward pass.

        Raises:
            CaptureError: no gradients were asked for, or the scores do not depend on a layer.
        """
        if not self._gradients:
            raise CaptureError("recorded without gradients: use record(..., gradients=True).")
        activations = [self[layer] for layer in self.layers]
        found: tuple[torch.Tensor | None, ...] = (None,) * len(activations)
        if scores.is_inference():
            raise CaptureError("the scores were made in inference mode; make them in record()'s body.")
        if scores.requires_grad:
            with torch.inference_mode(False), torch.enable_grad():
                found = torch.autograd.grad(
                    scores.sum(), activations, retain_graph=retain_graph, allow_unused=True
                )
        result: dict[str, torch.Tensor] = {}
        for layer, gradient in zip(self.layers, found, strict=True):
            if gradient is None:
                raise CaptureError(
                    f"the target does not depend on layer {layer!r}: it runs beside or after the target, "
                    "or the model's forward cuts the graph (no_grad, detach). Choose another layer."
                )
            result[layer] = gradient
        return result

    def _keep(self, name: str, output: Any) -> Any:
        """Keep a clone of what a layer gave, safe from in-place operations, and return what goes on."""
        if not self._gradients:
            self._calls[name].append(map_tensors(output, torch.clone))
            return output
        # The model itself may sit inside no_grad; the graph starts here all the same.
        with torch.inference_mode(False), torch.enable_grad():
            kept = map_tensors(output, _as_leaf)
            self._calls[name].append(kept)
            return map_tensors(kept, torch.clone)


def _as_leaf(tensor: torch.Tensor) -> torch.Tensor:
    # Memory of its own: something inside the layer may hold the layer's output, and write to it later.
    kept = tensor.clone()
    return kept if kept.requires_grad or not kept.is_floating_point() else kept.requires_grad_()


def _usable(_module: nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, Any]:
    """Clone the inputs that were made in inference mode; autograd cannot save those for a gradient."""

    def normal(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.clone() if tensor.is_inference() else tensor

    return map_tensors(args, normal), map_tensors(kwargs, normal)


@contextmanager
def record(module: nn.Module, layers: Iterable[str], *, gradients: bool = False) -> Iterator[Recording]:
    """Record what `layers` of `module` put out while the body runs; afterwards no hook is left.

    On a twin no weight asks for gradients, so what runs before the earliest layer builds no graph; its
    output becomes the leaf and a clone of it goes on. Works inside `no_grad` and `inference_mode`.

    Args:
        module: best a `twin`; a user's module works too, at the price of a graph through all of it.
        layers: names as in `named_modules()`, `name@call` for one call of a reused module.
        gradients: whether `Recording.gradients` will be asked.

    Raises:
        CaptureError: there is no such layer (with the nearest names).

    Example:
        >>> private = twin(model)
        >>> with record(private, ["layer4"], gradients=True) as recording:
        ...     scores = private(images)[:, 281]
        >>> recording["layer4"].shape, recording.gradients(scores)["layer4"].shape
    """
    recording = Recording(layers, gradients=gradients)
    with ExitStack() as stack:
        for name in recording._calls:
            handle = submodule(module, name).register_forward_hook(
                lambda _module, _args, output, name=name: recording._keep(name, output),
                # First, so that a U-Net's own hooks hand on the recorded tensor, skips included.
                prepend=True,
            )
            stack.callback(handle.remove)
        stack.callback(module.register_forward_pre_hook(_usable, with_kwargs=True, prepend=True).remove)
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.set_grad_enabled(gradients))
        yield recording
