"""Methods of many passes on an optimised copy: the same maps, taken when it pays, and never stale."""

import pytest
import torch
import torchvision
from torch import nn

import interp
from interp.methods import MethodError, attribute, get, sooner


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    net = torchvision.models.resnet18(weights=None, num_classes=7)
    generator = torch.Generator().manual_seed(1)
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.copy_(0.2 * torch.randn(part.running_mean.shape, generator=generator))
            part.running_var.copy_(0.5 + torch.rand(part.running_var.shape, generator=generator))
    return interp.load(net.eval(), preprocess=interp.Preprocess((64, 64), (0.5,) * 3, (0.5,) * 3, fit="crop"))


@pytest.fixture
def made(monkeypatch):
    """Note the copies that are made."""
    noted = []

    def noting(*given, **named):
        noted.append((named["keep"], named["dtype"]))
        return optimised(*given, **named)

    optimised = sooner.optimised
    monkeypatch.setattr(sooner, "optimised", noting)
    return noted


INPUTS = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(2))


def mapped(model, method, layer=None, inputs=INPUTS):
    (found,) = attribute(model, inputs, 3, [method], layer and [layer]).maps.values()
    return found[0]


MANY = {
    "occlusion(window=0.25, stride=0.125)": None,
    "rise(masks=64)": None,
    "score-cam": "layer2",
    "ss-cam(samples=1, channels=32)": "layer2",
    "grad-cam(sess=7)": None,
}


@pytest.mark.slow
@pytest.mark.parametrize(("method", "layer"), MANY.items())
def test_maps_agree_with_those_of_the_network_itself(model, made, method, layer):
    plain = mapped(model, get(method, optimize="off"), layer)
    assert not made
    quick = mapped(model, method, layer)
    assert made == [("", torch.float32)]
    scale = float(plain.abs().max())
    assert scale > 0
    assert float((quick - plain).abs().max()) <= 1e-3 * scale


@pytest.mark.parametrize("layer", ["layer3", "layer4"])
def test_what_follows_a_layer_is_copied_when_wished(model, made, layer):
    plain = mapped(model, "ablation-cam", layer)
    assert not made
    copied = mapped(model, "ablation-cam(optimize='on')", layer)
    assert made == [(layer, torch.float32)]
    assert float((copied - plain).abs().max()) <= 1e-3 * float(plain.abs().max())


@pytest.mark.slow
def test_bfloat16_is_near(model, made):
    plain = mapped(model, "rise(masks=64, optimize='off')")
    coarse = mapped(model, "rise(masks=64, optimize='bf16')")
    assert made == [("", torch.bfloat16)]
    assert not coarse.equal(plain)
    assert torch.corrcoef(torch.stack([coarse.flatten(), plain.flatten()]))[0, 1] > 0.9


@pytest.mark.slow
def test_a_copy_is_made_where_it_pays(model, made):
    mapped(model, "rise(masks=16)")
    mapped(model, "grad-cam(augment=True)")
    attribute(
        interp.load(model.module.double(), preprocess=model.preprocess), INPUTS.double(), 3, ["occlusion"]
    )
    model.module.float()
    assert not made
    mapped(model, "rise(masks=16, optimize='on')")
    assert len(made) == 1
    vit = interp.load(torchvision.models.vit_b_16(weights=None, num_classes=4))
    mapped(vit, "occlusion(window=0.5, stride=0.5)", inputs=torch.randn(1, 3, 224, 224))
    assert len(made) == 1
    attribute(model, torch.cat([INPUTS, INPUTS.flip(-1)]), [3, 2], ["rise(masks=32)", "occlusion"])
    assert len(made) == 2, "one copy for all pictures, targets and methods of a call"


@pytest.mark.slow
def test_weights_that_change_are_seen(model):
    before = mapped(model, "occlusion")
    with torch.no_grad():
        model.module.fc.weight.data.neg_()
        model.module.fc.bias.data.neg_()
    try:
        torch.testing.assert_close(mapped(model, "occlusion"), -before)
    finally:
        model.module.fc.weight.data.neg_()
        model.module.fc.bias.data.neg_()


def test_what_does_not_fit_is_said():
    with pytest.raises(MethodError, match=r"optimize='fast'\): give one of 'auto', 'on', 'off', 'bf16'"):
        get("rise(optimize='fast')")
    with pytest.raises(MethodError, match="Grad-CAM runs the network once, with nothing to gain"):
        get("grad-cam(optimize='on')")
