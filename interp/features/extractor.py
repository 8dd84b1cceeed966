"""The outputs of a few layers, at the price of the network up to the last of them."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from interp.capture import CaptureError, TwinPool, record, twin
from interp.capture.structure import split_call, submodule
from interp.features.blocks import is_channels_last


class Extractor(nn.Module):
    """Gives the outputs of some layers of a network, from a private copy that is frozen in eval mode.

    A pass stops as soon as the last of the layers is done, and what comes after it is not even copied. The
    weights are its own: the network may go on training. Gradients flow to the input, never to a weight.
    Threads may share an extractor.

    Args:
        module: the network; it is not touched.
        layers: names as in `named_modules()`, `name@call` for one call of a reused module, else its last.
        inputs: `(1, C, H, W)`, an example to run once and see what is needed.

    Raises:
        CaptureError: no such layer, it does not run, it gives no tensor, or the module cannot be copied.

    Example:
        >>> extractor = Extractor(torchvision.models.vgg16_bn(), ["features.22"], torch.zeros(1, 3, 64, 64))
        >>> extractor(torch.rand(2, 3, 96, 96))[0].shape
        torch.Size([2, 256, 24, 24])
    """

    def __init__(self, module: nn.Module, layers: Sequence[str], inputs: Tensor) -> None:
        super().__init__()
        private = twin(module)
        self._calls = _counted_from_front(private, layers, inputs)
        self.layers = tuple(f"{name}@{call}" for name, call in self._calls)
        outputs, self.network = _cut(private, self._calls, inputs)
        self._turned = tuple(is_channels_last(output, inputs) for output in outputs)
        self._pool = TwinPool(self.network)

    def forward(self, inputs: Tensor) -> list[Tensor]:
        """Return the layers' outputs in the order asked for.

        Args:
            inputs: `(B, C, H, W)`, as the network takes them. With gradients on and asked of the inputs the
                outputs carry a graph, else none.

        Returns:
            Tensors of `(B, C', H', W')`; those of layers that put channels last are turned.
        """
        with self._pool.lend() as private:
            outputs = _run(private, self._calls, inputs)
        return [
            output.permute(0, 3, 1, 2) if turned else output
            for output, turned in zip(outputs, self._turned, strict=True)
        ]

    def train(self, mode: bool = True) -> Extractor:
        """Stay in eval mode, whatever a training loop says to the modules around."""
        return super().train(False)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "_pool"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._pool = TwinPool(self.network)


class _Enough(Exception):  # noqa: N818 - no error: it ends a pass that has given all
    pass


def _counted_from_front(private: nn.Module, layers: Sequence[str], inputs: Tensor) -> list[tuple[str, int]]:
    """Return each layer's name and the number of its call, which must be known before a pass has ended."""
    with record(private, layers) as recording:
        private(inputs.clone())
    asked = []
    for layer in layers:
        recording[layer]  # refuses a call that never comes
        name, call = split_call(layer)
        asked.append((name, call if call >= 0 else len(recording.calls(layer)) + call))
    return asked


def _run(private: nn.Module, calls: Sequence[tuple[str, int]], inputs: Tensor) -> list[Tensor]:
    """Run up to the last of the calls and return what they gave."""
    needed = Counter({name: call + 1 for name, call in sorted(calls)})
    names = [f"{name}@{call}" for name, call in calls]
    gradients = torch.is_grad_enabled() and inputs.requires_grad
    handles = []
    with record(private, names, gradients=gradients) as recording:

        def stop(*_: Any) -> None:
            if all(len(recording.calls(name)) >= count for name, count in needed.items()):
                raise _Enough

        try:
            handles += [submodule(private, name).register_forward_hook(stop) for name in needed]
            # A network may write to its input in place.
            private(inputs.clone())
        except _Enough:
            pass
        finally:
            for handle in handles:
                handle.remove()
        return [recording[name] for name in names]


def _cut(
    private: nn.Module, calls: Sequence[tuple[str, int]], inputs: Tensor
) -> tuple[list[Tensor], nn.Module]:
    """Return what the calls give, and a copy of the network without the modules that do not run for them.

    A network that reads weights of a module without running it is left whole, and one that keeps hooks on
    modules that would go, as a U-Net on its encoder.
    """
    begun: set[str] = set()
    cut = twin(private)
    for name, part in cut.named_modules():
        part.register_forward_pre_hook(lambda _part, _args, name=name: begun.add(name))
    outputs = _run(cut, calls, inputs)
    cut = twin(private)
    _drop(cut, {cut.get_submodule(name) for name in begun})
    try:
        if all(map(torch.equal, _run(cut, calls, inputs), outputs)):
            return outputs, copy.deepcopy(cut)
    except (AttributeError, CaptureError, TypeError):
        pass
    return outputs, copy.deepcopy(private)


def _drop(part: nn.Module, begun: set[nn.Module]) -> None:
    for name, child in part.named_children():
        if begun.isdisjoint(child.modules()):
            setattr(part, name, nn.Identity())
        else:
            _drop(child, begun)
