"""Every method on the default network, torchvision's ResNet, a fastai Learner and a vision transformer."""

from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from fastai.vision.all import ImageDataLoaders, Learner, Resize, xresnet18
from nets import QUICK
from PIL import Image
from torch import nn

import interp
from interp.methods import MethodError, attribute, get, methods
from interp.models import ImageModel

SHORT = {**QUICK, **{name: f"{name}(channels=8, samples=2)" for name in ("ss-cam", "is-cam")}}
SHORT["score-cam"] = "score-cam(channels=32)"
CAT = Path(__file__).parents[2] / "sample_images" / "cat.jpg"
# What a network refuses, because it has not what the method is made of.
REFUSED = {
    "default": {"legrad"},
    "resnet": {"legrad"},
    "learner": {"legrad"},
    "vit": {"cam", "guided-backprop", "guided-grad-cam", "lrp"},
}
SIDE = {"default": 96, "resnet": 96, "learner": 96, "vit": 32}


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """Return the four by name; all but the default's weights are drawn."""
    torch.manual_seed(0)
    half = ((0.5,) * 3, (0.5,) * 3)
    found = {
        "default": interp.load(),
        "resnet": interp.load(torchvision.models.resnet18(weights=None).eval()),
    }
    paths = []
    for number in range(4):
        paths.append(tmp_path_factory.mktemp("pictures") / f"{number}.png")
        Image.new("RGB", (70, 70), (60 * number, 90, 20)).save(paths[-1])
    data = ImageDataLoaders.from_lists(
        paths[0].parent, paths, ["a", "b", "a", "b"], bs=2, num_workers=0, item_tfms=Resize(96), valid_pct=0.5
    )
    learner = Learner(data, xresnet18(n_out=2), loss_func=nn.CrossEntropyLoss())
    found["learner"] = interp.load(learner)
    vit = timm.models.VisionTransformer(
        img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=3, num_classes=5
    )
    found["vit"] = interp.load(vit.eval(), preprocess=interp.Preprocess((32, 32), *half))
    return found


def scaled(model: ImageModel, side: int) -> ImageModel:
    return replace(model, preprocess=replace(model.preprocess, size=(side, side)))


@pytest.mark.parametrize("method", [each.name for each in methods()])
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in ("default", "vit") else pytest.mark.slow) for name in REFUSED],
)
def test_every_method_runs_or_says_what_it_lacks(networks, name, method):
    side = SIDE[name]
    model = scaled(networks[name], side)
    inputs = model.prepare([interp.open_image(CAT)])
    asked = get(SHORT.get(method, method))
    if method in REFUSED[name]:
        with pytest.raises(MethodError, match=f"(?i){asked.title}.*\\."):
            attribute(model, inputs, methods=[asked])
        return
    ((key, found),) = attribute(model, inputs, methods=[asked]).maps.items()
    assert key[1] == ("input" if asked.place == "input" else model.default_layer)
    assert found.isfinite().all()
    assert found.abs().max() > 0
    assert min(found.shape[1:]) > 1
