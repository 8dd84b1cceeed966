"""The optimised copy: the same output, the same layers, and nothing folded that is used elsewhere."""

import pytest
import timm
import torch
import torchvision
from torch import nn

from interp.capture import agrees, optimised, record, replay, twin


def awake(module):
    """Return the network with statistics and weights of batch norm that are not 0 and 1."""
    generator = torch.Generator().manual_seed(3)
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.running_mean.copy_(0.2 * torch.randn(part.running_mean.shape, generator=generator))
            part.running_var.copy_(0.5 + torch.rand(part.running_var.shape, generator=generator))
            part.weight.data.copy_(0.5 + torch.rand(part.weight.shape, generator=generator))
            part.bias.data.copy_(0.2 * torch.randn(part.bias.shape, generator=generator))
    return module.eval()


def built(name):
    torch.manual_seed(0)
    if name.startswith("timm:"):
        return awake(timm.create_model(name[5:]))
    return awake(torchvision.models.get_model(name, weights=None))


def pictures(count=1, side=64):
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("resnet18", 20),
        ("densenet121", 59),
        ("mobilenet_v3_small", 34),
        ("timm:tf_efficientnet_lite0", 49),
        ("vgg11", 0),
    ],
)
def test_the_output_and_every_norms_output_are_the_same(name, folded):
    module = built(name)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    private, inputs = twin(module), pictures(2)
    made = optimised(private, inputs)
    assert made.folded == folded
    norms = [layer for layer, part in private.named_modules() if "BatchNorm" in type(part).__name__]
    with record(private, norms) as own, record(made.module, norms) as copied:
        expected, found = private(inputs), made.module(made.prepared(inputs))
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
        for layer in norms:
            if "denselayer" not in layer:  # a norm before its convolution is not folded
                torch.testing.assert_close(copied[layer], own[layer], rtol=1e-3, atol=1e-3)
    assert all(value.equal(before[key]) for key, value in module.state_dict().items())


def test_the_original_and_the_twin_are_left_as_they_are():
    module = built("resnet18")
    private, inputs = twin(module), pictures()
    expected = private(inputs)
    made = optimised(private, inputs)
    assert private(inputs).equal(expected)
    assert not any(part._forward_hooks or "forward" in vars(part) for part in private.modules())
    places = {parameter.data_ptr() for parameter in module.parameters()}
    assert made.module.conv1.weight.data_ptr() not in places
    prepared = made.prepared(inputs)
    assert prepared.is_contiguous(memory_format=torch.channels_last)
    prepared.zero_()
    assert inputs.any()


def test_gradients_of_the_input_are_the_same():
    private = twin(built("resnet18").double())
    inputs = pictures().double().requires_grad_()
    made = optimised(private, inputs)
    found, expected = (
        torch.autograd.grad(score.square().sum(), inputs)[0]
        for score in (made.module(made.prepared(inputs)), private(inputs))
    )
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.slow
def test_a_replay_of_the_copy_is_that_of_the_network():
    private, inputs = twin(built("resnet18")), pictures(side=96)
    for layer, folded in {
        "layer3": 20,
        "layer4.0.bn1": 20,
        "layer4.0.conv1": 19,
        "layer4.0.conv1@0": 19,
    }.items():
        made = optimised(private, inputs, keep=layer)
        assert made.folded == folded
        own, copied = replay(private, layer, inputs), replay(made.module, layer, made.prepared(inputs))
        changed = own.activation.repeat(3, 1, 1, 1) * torch.tensor([1.0, 0.5, 0.0]).view(3, 1, 1, 1)
        torch.testing.assert_close(copied(changed), own(changed), rtol=1e-4, atol=1e-4)


class Twice(nn.Module):
    """A convolution whose output goes to a norm and past it, or that is called twice, or overwritten."""

    def __init__(self, how):
        super().__init__()
        self.how = how
        self.convolution, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.other = nn.BatchNorm2d(4)

    def forward(self, x):
        made = self.convolution(x)
        if self.how == "past":
            return self.norm(made) + made
        if self.how == "two norms":
            return self.norm(made) * self.other(made)
        if self.how == "reused":
            return self.norm(made) + self.norm(self.convolution(x.flip(-1)))
        if self.how == "overwritten":
            return self.norm(made.relu_())
        return self.norm(made)


@pytest.mark.parametrize("how", ["past", "two norms", "reused", "overwritten", "plain"])
def test_only_what_gives_the_same_is_folded(how):
    torch.manual_seed(0)
    private, inputs = twin(awake(Twice(how))), pictures(side=8)
    made = optimised(private, inputs)
    assert made.folded == (how == "plain")
    torch.testing.assert_close(made.module(made.prepared(inputs)), private(inputs))


def test_parts_with_a_forward_of_their_own_are_left_alone():
    hooked = awake(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))
    hooked[0].register_forward_hook(lambda part, given, output: output + 1)
    normed = awake(
        nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3)), nn.BatchNorm2d(4))
    )
    unknown = awake(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))
    unknown[1].running_mean = unknown[1].running_var = None
    for module in (hooked, normed, unknown):
        made = optimised(twin(module), pictures(side=8))
        assert made.folded == 0
        torch.testing.assert_close(made.module(made.prepared(pictures(side=8))), module(pictures(side=8)))


def test_half_the_bits_are_near_and_said():
    private, inputs = twin(built("resnet18")), pictures()
    made = optimised(private, inputs, dtype=torch.bfloat16)
    assert made.dtype == torch.bfloat16
    found, expected = made.module(made.prepared(inputs)).float(), private(inputs)
    assert 0 < (found - expected).abs().max() <= 0.05 * expected.abs().max()
    broken = twin(awake(nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2))))
    broken[1].weight.data.fill_(float("nan"))
    assert optimised(broken, inputs) is None


class Gated(nn.Module):
    """Reads the convolution's output past the norm, but only in bright pictures or behind an open gate."""

    def __init__(self, how):
        super().__init__()
        self.how = how
        self.convolution, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x):
        made = self.convolution(x)
        if self.how == "gate":
            return self.norm(made) + nn.functional.hardsigmoid(x.mean((1, 2, 3), keepdim=True) - 9) * made
        return self.norm(made) + (made if x.mean() > 5 else 0)


def test_what_is_read_without_effect_is_read():
    torch.manual_seed(0)
    assert optimised(twin(awake(Gated("gate"))), pictures(side=8)).folded == 0


def test_a_copy_is_tried_on_every_picture():
    torch.manual_seed(0)
    private = twin(awake(Gated("branch")))
    made = optimised(private, pictures(side=8))
    assert made.folded == 1
    assert agrees(made, private, pictures(side=8))
    assert not agrees(made, private, pictures(side=8) + 9)


class Tutorial(nn.Module):
    """As in many tutorials: needs its tensors in the usual order."""

    def __init__(self):
        super().__init__()
        self.convolution, self.norm, self.fc = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4 * 36, 2)

    def forward(self, x):
        return self.fc(self.norm(self.convolution(x)).view(-1, 4 * 36))


class Mixed(nn.Module):
    """A head in another precision, and a parameter of five dimensions."""

    def __init__(self):
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.five = nn.Parameter(torch.ones(1, 1, 1, 1, 4))
        self.fc = nn.Linear(4, 2).double()

    def forward(self, x):
        made = self.norm(input=self.convolution(x)).mean((2, 3))
        return self.fc((made * self.five.flatten()).double())


def test_networks_that_a_copy_cannot_be_made_of_run_as_they_are():
    torch.manual_seed(0)
    assert optimised(twin(awake(Tutorial())), pictures(side=8)) is None
    private = twin(awake(Mixed()))
    made = optimised(private, pictures(side=8))
    assert made.folded == 1
    assert made.module.fc.weight.dtype == torch.float64
    assert agrees(made, private, pictures(side=8))
