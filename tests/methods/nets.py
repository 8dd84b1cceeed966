"""Hand-written nets with known answers, and the registry that the tests run over."""

import torch
import torch.nn.functional as F
from torch import nn

from interp.images import Preprocess
from interp.methods import get, methods
from interp.models import ImageModel

# With what options the methods that take long are tested.
QUICK: dict[str, str] = {
    "ss-cam": "ss-cam(samples=2)",
    "is-cam": "is-cam(samples=2)",
    "occlusion": "occlusion(window=0.5, stride=0.4)",
    "rise": "rise(masks=20)",
    "extremal-perturbation": "extremal-perturbation(steps=4)",
    "u-noise": "u-noise(steps=4, cells=3)",
    "smooth-grad-cam-plus-plus": "smooth-grad-cam-plus-plus(samples=3)",
    "integrated-gradients": "integrated-gradients(steps=3)",
    "smoothgrad": "smoothgrad(samples=16)",
    "vargrad": "vargrad(samples=16, noise=0.4)",
    "gradient-shap": "gradient-shap(samples=3)",
    "lam": "lam(steps=3)",
}
# Methods whose map is not that of the target multiplied by a number, for a reason that stands beside each.
NOT_HOMOGENEOUS = {
    "score-cam",  # a softmax over the increases of the score, likewise of the two below
    "ss-cam",
    "is-cam",
    "grad-cam-plus-plus",  # weighs by the size of the gradient; its own closed form is tested
    "smooth-grad-cam-plus-plus",  # the same
    "refine-cam",  # the same
}
# Methods that want a network of a certain shape, and not the one that a test brings.
PARTICULAR = {
    "cam",  # a pooled linear head
    "guided-backprop",  # ReLUs, if it has activations at all; likewise the next
    "guided-grad-cam",
}
# Methods for networks of another kind than all those here; they have tests of their own.
ELSEWHERE = {
    "legrad",  # attention among all tokens
}
# Methods that show something although the network sees nothing.
NEVER_FLAT = {"edges"}  # of the picture
EVERY = [QUICK.get(method.name, method.name) for method in methods() if method.name not in ELSEWHERE]
TARGETED = [name for name in EVERY if get(name).targeted]
GENERAL = [name for name in EVERY if name.split("(")[0] not in PARTICULAR]
HOMOGENEOUS = [name for name in TARGETED if name.split("(")[0] not in NOT_HOMOGENEOUS]
HALF = ((0.5,) * 3, (0.5,) * 3)


class PooledLinear(nn.Module):
    """features (any sign, or ReLU) → mean over positions → linear: every CAM is known in closed form."""

    def __init__(self, channels=5, classes=4, *, relu=True, bias=True, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.conv = nn.Conv2d(3, channels, 3, padding=1)
        self.act = nn.ReLU() if relu else nn.Identity()
        self.fc = nn.Linear(channels, classes, bias=bias)
        self.double()

    def forward(self, x):
        return self.fc(self.act(self.conv(x)).mean((2, 3)))


class Tail(nn.Module):
    """A bias-free ReLU and max-pool tail: HiResCAM's map sums to the score."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.features = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU())
        self.tail = nn.Sequential(
            nn.Conv2d(6, 8, 3, bias=False),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 4, 3, padding=1, bias=False),
            nn.ReLU(),
            nn.AdaptiveMaxPool2d(2),
            nn.Flatten(),
            nn.Linear(16, 3, bias=False),
        )
        self.double()

    def forward(self, x):
        return self.tail(self.features(x))


class Block(nn.Module):
    """A small classifier with a residual and a reused ReLU; `change` says whether it works in place."""

    def __init__(self, *, change=True, classes=4, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(change))
        self.layer = nn.Sequential(nn.Conv2d(8, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8))
        self.relu = nn.ReLU(change)
        self.conv = nn.Conv2d(8, 8, 3, 1, 1)
        self.change = change
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8, classes)
        for part in self.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.running_mean.uniform_(-0.3, 0.3)
                part.running_var.uniform_(0.5, 1.5)

    def forward(self, x):
        a = self.layer(self.stem(x))
        if self.change:
            a += 0.1
            a = self.relu(F.hardtanh_(a, -0.5, 3.0))
            b = self.conv(a)
            b += a
            b.mul_(1.5)
        else:
            a = self.relu(F.hardtanh(a + 0.1, -0.5, 3.0))
            b = (self.conv(a) + a) * 1.5
        return self.fc(self.pool(self.relu(b)).flatten(1))


class AttentionNet(nn.Module):
    """`s = w · mean_i(x + A V)_i`: the gradient of the attention is known, `V_j · w / N` in every row."""

    def __init__(self, blocks=1, heads=2, fused=True):
        super().__init__()
        torch.manual_seed(0)
        self.patches = nn.Conv2d(3, 4, 4, 4)
        self.blocks = nn.Sequential(*[AttentionBlock(heads, fused) for _ in range(blocks)])
        self.fc = nn.Linear(4, 3)
        self.double()

    def forward(self, x):
        return self.fc(self.blocks(self.patches(x).flatten(2).transpose(1, 2)).mean(1))


class AttentionBlock(nn.Module):
    def __init__(self, heads, fused):
        super().__init__()
        self.heads, self.fused = heads, fused
        self.qkv = nn.Linear(4, 12)

    def values(self, x):
        return self.qkv(x).reshape(*x.shape[:2], 3, self.heads, -1).permute(2, 0, 3, 1, 4)

    def forward(self, x):
        q, k, v = self.values(x)
        if self.fused:
            mixed = F.scaled_dot_product_attention(q, k, v)
        else:
            mixed = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1) @ v
        return x + mixed.transpose(1, 2).flatten(2)


def small_unet():
    """fastai's `DynamicUnet`: skips through hooks, and a `MergeLayer` that concatenates `x.orig`."""
    from fastai.vision.models.unet import DynamicUnet

    torch.manual_seed(0)
    encoder = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(inplace=True)),
        nn.Sequential(nn.Conv2d(4, 8, 3, 2, 1), nn.ReLU(inplace=True)),
        nn.Sequential(nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU(inplace=True)),
    )
    return DynamicUnet(encoder, 3, (32, 32)).eval()


def model_of(module, size=(9, 11), **settings):
    return ImageModel(module, Preprocess(size, *HALF), type(module).__name__, **settings)


def inputs_for(model, count=1, seed=0):
    height, width = model.preprocess.size
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(count, model.preprocess.channels, height, width, generator=generator)
    return values.to(model.dtype)


def only(found, method, number=0):
    """Return the map of a method, on whatever it lies."""
    (key,) = [key for key in found if key[0] == number and key[2] == get(method).name]
    return found[key]
