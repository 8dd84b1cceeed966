"""Networks that the tests run: tiny ones made to be awkward, and real architectures with random weights.

Every builder is seeded, so calling it twice gives two equal networks: one to work on, one to compare with.
"""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
import torchvision
from torch import nn

Builder = Callable[[], nn.Module]


def state(module: nn.Module) -> tuple[Any, ...]:
    """Return what must stay: hooks, gradients, modes and weights."""
    hooks = sum(
        len(each._forward_hooks) + len(each._forward_pre_hooks) + len(each._backward_hooks)
        for each in module.modules()
    )
    gradients = sum(weight.grad is not None for weight in module.parameters())
    weights = float(sum(weight.double().abs().sum() for weight in module.state_dict().values()))
    return hooks, gradients, tuple(each.training for each in module.modules()), weights


def conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class Classifier(nn.Module):
    """In-place ReLU modules, an in-place `+=`, a reused module, pooling, a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.bn = nn.BatchNorm2d(6)
        self.relu = nn.ReLU(inplace=True)
        self.body = conv(6, 6)[:2]
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.bn(self.stem(x)))
        y = self.body(x)
        y += x
        return self.fc(self.pool(self.relu(y)).flatten(1))


class UNet(nn.Module):
    """Concatenated skips kept in local variables, functional in-place operations on the way."""

    def __init__(self, classes: int = 3, width: int = 4) -> None:
        super().__init__()
        self.down1 = conv(3, width)[:2]
        self.down2 = conv(width, 2 * width)[:2]
        self.bottom = conv(2 * width, 4 * width)[:2]
        self.up2 = conv(6 * width, 2 * width)
        self.up1 = conv(3 * width, width)
        self.logits = nn.Conv2d(width, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        one = F.relu_(self.down1(x))
        two = self.down2(F.max_pool2d(one, 2))
        two += 0.25
        F.relu_(two)
        low = self.bottom(F.max_pool2d(two, 2))
        low *= 1.5
        F.relu_(low)
        up = self.up2(torch.cat([F.interpolate(low, scale_factor=2.0), two], 1))
        return self.logits(self.up1(torch.cat([F.interpolate(up, scale_factor=2.0), one], 1)))


class Encoder(nn.Module):
    """Returns a list of feature maps, as those of segmentation_models_pytorch do."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = conv(3, 4, stride=2)
        self.layer1 = conv(4, 8, stride=2)
        self.layer2 = conv(8, 16, stride=2)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        features = [x]
        for block in (self.conv1, self.layer1, self.layer2):
            features.append(block(features[-1]))
        return features


class Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([conv(24, 8), conv(12, 4), conv(7, 4)])

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        x = features[-1]
        for block, skip in zip(self.blocks, features[-2::-1], strict=True):
            x = block(torch.cat([F.interpolate(x, scale_factor=2.0), skip], 1))
        return x


class SmpLike(nn.Module):
    """encoder / decoder / segmentation_head, as segmentation_models_pytorch builds its U-Nets."""

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.decoder = Decoder()
        self.segmentation_head = nn.Sequential(nn.Conv2d(4, classes, 3, padding=1), nn.Identity())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.segmentation_head(self.decoder(self.encoder(x)))


class Fcn(nn.Module):
    """Returns an ordered dict with an auxiliary output, as torchvision's segmentation models do."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(conv(3, 4, stride=2), conv(4, 8, stride=2))
        self.classifier = nn.Conv2d(8, 3, 1)
        self.aux_classifier = nn.Conv2d(8, 3, 1)

    def forward(self, x: torch.Tensor) -> OrderedDict[str, torch.Tensor]:
        features = self.backbone(x)
        result: OrderedDict[str, torch.Tensor] = OrderedDict()
        result["out"] = F.interpolate(self.classifier(features), x.shape[-2:], mode="bilinear")
        result["aux"] = F.interpolate(self.aux_classifier(features), x.shape[-2:], mode="bilinear")
        return result


Pair = namedtuple("Pair", "first second")

CONTAINERS: dict[str, Callable[[torch.Tensor, torch.Tensor], Any]] = {
    "tuple": lambda a, b: (a, b),
    "list": lambda a, b: [a, b],
    "dict": lambda a, b: {"a": a, "b": b},
    "ordered dict": lambda a, b: OrderedDict(a=a, b=b),
    "namedtuple": Pair,
    "nested": lambda a, b: {"x": [(a, 3)], "y": Pair(b, None)},
}


class Packs(nn.Module):
    """Gives its features twice, packed in a container."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: torch.Tensor) -> Any:
        return CONTAINERS[self.kind](x * 2, x.mean((2, 3)))


class Container(nn.Module):
    """A layer with a container for an output, in the middle of the network."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.features = conv(3, 4)
        self.pack = Packs(kind)
        self.fc = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        packed = self.pack(self.features(x))
        if isinstance(packed, dict):
            a, b = (packed["x"][0][0], packed["y"].first) if "x" in packed else packed.values()
        else:
            a, b = packed
        a += 1
        return self.fc(a.mean((2, 3)) * b)


class Reused(nn.Module):
    """One convolution called three times."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.act = nn.Tanh()
        self.fc = nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(3):
            x = self.act(self.conv(x))
        return self.fc(x.mean((2, 3)))


class NoGradInside(nn.Module):
    """Its backbone runs under no_grad or inference_mode, as frozen feature extractors are written."""

    def __init__(self, guard: Callable[[], Any] = torch.no_grad) -> None:
        super().__init__()
        self.guard = guard
        self.inner = nn.Conv2d(3, 4, 3, padding=1)
        self.backbone = nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with self.guard():
            x = self.backbone(self.inner(x))
        return self.head(x.clone().tanh()).mean((2, 3))


class Beside(nn.Module):
    """Two branches, and an output for each."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.left = nn.Conv2d(4, 2, 1)
        self.right = nn.Conv2d(4, 2, 1)
        self.unused = nn.Conv2d(4, 2, 1)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        x = self.stem(x)
        return {"left": self.left(x).mean((2, 3)), "right": self.right(x).mean((2, 3))}


def seeded(make: Callable[[], nn.Module], seed: int = 7) -> Builder:
    """Return a builder of equal networks in eval mode, with batch norm statistics that are not trivial."""

    def build() -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = make()
            for part in module.modules():
                if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.running_mean is not None:
                    part.running_mean.normal_(0, 0.1)
                    part.running_var.uniform_(0.5, 1.5)
        return module.eval()

    return build


def dynamic_unet(size: int = 64, **options: Any) -> nn.Module:
    """Return fastai's U-Net on the body of a resnet18, 31 million weights."""
    from fastai.vision.learner import create_body
    from fastai.vision.models.unet import DynamicUnet

    body = create_body(torchvision.models.resnet18(weights=None), pretrained=False)
    return DynamicUnet(body, 3, (size, size), **options)


def residual(inputs: int, outputs: int) -> nn.Module:
    short = nn.Sequential(nn.Conv2d(inputs, outputs, 1, 2), nn.BatchNorm2d(outputs))
    return torchvision.models.resnet.BasicBlock(inputs, outputs, 2, short)


def small_dynamic_unet(size: int = 32, **options: Any) -> nn.Module:
    """Return fastai's U-Net on a body like that of a residual network, but thin."""
    from fastai.vision.models.unet import DynamicUnet

    body = nn.Sequential(*conv(3, 8, stride=2), residual(8, 12), residual(12, 16), residual(16, 24))
    return DynamicUnet(body, 3, (size, size), **options)


def _fastai_norm(name: str) -> Any:
    from fastai.layers import NormType

    return NormType[name]


DYNAMIC_UNETS: dict[str, Builder] = {
    "plain": seeded(lambda: small_dynamic_unet()),
    "attention": seeded(lambda: small_dynamic_unet(self_attention=True)),
    "weight norm": seeded(lambda: small_dynamic_unet(norm_type=_fastai_norm("Weight"))),
    "spectral, blur": seeded(lambda: small_dynamic_unet(norm_type=_fastai_norm("Spectral"), blur=True)),
    "no last cross": seeded(lambda: small_dynamic_unet(last_cross=False, blur_final=False)),
}

_vision = torchvision.models

# Small enough to replay every layer; name -> builder, side of the input.
REPLAYABLE: dict[str, tuple[Builder, int]] = {
    "classifier": (seeded(Classifier), 16),
    "u-net": (seeded(UNet), 16),
    "smp-like": (seeded(SmpLike), 16),
    "fcn": (seeded(Fcn), 16),
    "reused": (seeded(Reused), 8),
    "resnet18": (seeded(lambda: _vision.resnet18(weights=None, num_classes=10)), 32),
    "mobilenet_v2": (seeded(lambda: _vision.mobilenet_v2(weights=None, num_classes=10)), 32),
    "densenet": (
        seeded(lambda: _vision.DenseNet(8, (2, 3, 2, 2), num_init_features=16, num_classes=10)),
        32,
    ),
    "googlenet": (
        seeded(lambda: _vision.googlenet(weights=None, num_classes=10, aux_logits=False, init_weights=False)),
        32,
    ),
}


def pictures(count: int, side: int, seed: int = 3) -> torch.Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


def footprint(module: nn.Module) -> dict[str, object]:
    """Return everything about a module that an explanation must leave as it was."""
    before: dict[str, object] = {}
    for name, part in module.named_modules():
        hooks = [
            list(table)
            for table in (
                part._forward_hooks,
                part._forward_pre_hooks,
                part._backward_hooks,
                part._backward_pre_hooks,
            )
        ]
        plain = {
            key: value
            for key, value in vars(part).items()
            if isinstance(value, (bool, int, float, str, tuple)) or value is None
        }
        before[name] = (id(part), type(part), list(part._modules), hooks, plain, "forward" in vars(part))
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        grad = None if tensor.grad is None else (id(tensor.grad), tensor.grad.double().numpy().tobytes())
        value = tensor.detach().double().numpy().tobytes()
        before[f"{name}!"] = (
            id(tensor),
            tensor.data_ptr(),
            tensor.requires_grad,
            tensor._version,
            grad,
            value,
        )
    return before


def hook_count(module: nn.Module) -> int:
    return sum(
        len(table)
        for part in module.modules()
        for table in (
            part._forward_hooks,
            part._forward_pre_hooks,
            part._backward_hooks,
            part._backward_pre_hooks,
        )
    )


def calls_of(module: nn.Module, inputs: torch.Tensor) -> dict[str, list[Any]]:
    """Return the outputs of every call of every layer, by plain hooks that clone."""
    seen: dict[str, list[Any]] = {}
    handles = []
    for name, part in module.named_modules():
        if name:

            def keep(_module: nn.Module, _args: Any, output: Any, name: str = name) -> None:
                seen.setdefault(name, []).append(cloned(output))

            handles.append(part.register_forward_hook(keep, prepend=True))
    with torch.no_grad():
        module(inputs)
    for handle in handles:
        handle.remove()
    return seen


def cloned(value: Any) -> Any:
    return [t.detach().clone() for t in flat(value)]


def flat(value: Any) -> list[torch.Tensor]:
    """Return the tensors in nested containers, first to last."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [t for item in value for t in flat(item)] if isinstance(value, (list, tuple)) else []
