"""The models under test, and one Grad-CAM call of interp and of each peer, all on the same weights."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Sequence

import torch
import torchvision
from captum.attr import LayerGradCam
from pytorch_grad_cam import GradCAM as PeerGradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from timing import Case
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchcam.methods import GradCAM as TorchCam

import interp

FORWARD = "plain forward"
AGAIN = "plain forward, again"
INTERP = "interp"
GRAD_CAM = "pytorch-grad-cam"
TORCHCAM = "torchcam"
CAPTUM = "captum"
SIZE = 224

Explain = Callable[[torch.Tensor, list[int]], object]


def models(seed: int) -> dict[str, interp.ImageModel]:
    """Return ResNet-34 with seeded random weights and the default model, by name, in eval mode."""
    torch.manual_seed(seed)
    resnet = torchvision.models.resnet34(weights=None)
    found = {"ResNet-34": interp.load(resnet), "EfficientNet-Lite0": interp.load()}
    for model in found.values():
        model.module.eval()
    return found


def pictures(count: int, seed: int, size: int = SIZE) -> torch.Tensor:
    """Return noise, `(count, 3, size, size)`: no case looks at what is in a picture."""
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def shared(module: nn.Module) -> nn.Module:
    """Return a copy with hooks and gradients of its own and the same weights in the same memory.

    So no peer meets another's hooks, and none pays for weights that another has pushed out of the cache.
    """
    private = copy.deepcopy(module)
    private.load_state_dict(module.state_dict(), assign=True)
    for parameter in private.parameters():
        parameter.requires_grad_()
    return private.eval()


def plain(module: nn.Module) -> Explain:
    def run(inputs: torch.Tensor, _classes: list[int]) -> object:
        with torch.no_grad():
            return module(inputs)

    return run


def by_interp(model: interp.ImageModel, layers: Sequence[str]) -> Explain:
    return lambda inputs, classes: interp.attribute(model, inputs, classes, layers=layers)


def by_grad_cam(module: nn.Module, layer: str, *, kept: bool) -> Explain:
    """pytorch-grad-cam: made anew in a `with` block, as its documentation does, or kept between calls."""
    private = shared(module)
    target = private.get_submodule(layer)
    keep = PeerGradCAM(private, [target]) if kept else None

    def run(inputs: torch.Tensor, classes: list[int]) -> object:
        targets = [ClassifierOutputTarget(index) for index in classes]
        if keep is not None:
            return keep.forward(inputs, targets)
        with PeerGradCAM(model=private, target_layers=[target]) as cam:
            return cam(input_tensor=inputs, targets=targets)

    return run


def by_torchcam(module: nn.Module, layers: Sequence[str]) -> Explain:
    private = shared(module)
    extractor = TorchCam(private, [*layers])
    return lambda inputs, classes: extractor(classes, private(inputs))


def by_captum(module: nn.Module, layer: str) -> Explain:
    private = shared(module)
    explainer = LayerGradCam(private, private.get_submodule(layer))
    return lambda inputs, classes: explainer.attribute(inputs, target=classes)


def one_by_one(explainers: Sequence[Explain]) -> Explain:
    """Ask several explainers in turn: what a user of one-layer tools does for several layers."""
    return lambda inputs, classes: [explain(inputs, classes) for explain in explainers]


def bound(cases: dict[str, Explain], inputs: torch.Tensor, classes: list[int]) -> dict[str, Case]:
    return {name: functools.partial(explain, inputs, classes) for name, explain in cases.items()}


def flops(case: Case) -> int:
    """Return the floating-point operations of convolutions and matrix products, forward and backward.

    The first call is not counted: interp makes its twin in it. PyTorch counts the backward pass of a
    depthwise convolution as that of a dense one, so full backward passes of EfficientNet look dearer.
    """
    case()
    with FlopCounterMode(display=False) as counter:
        case()
    return int(counter.get_total_flops())
