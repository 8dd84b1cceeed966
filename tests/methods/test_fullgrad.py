"""FullGrad: the input's term and all bias terms add up to the score."""

import pytest
import torch
from fastai.layers import MergeLayer
from nets import PooledLinear, Tail, inputs_for, model_of, only, small_unet
from torch import nn

from interp.methods import attribute
from interp.methods.fullgrad import _spread, terms
from interp.methods.probe import Probe
from interp.methods.sooner import Copies
from interp.targets import LogitTarget


class Residual(nn.Module):
    """Batch norms, a residual, every kind of pooling, and an activation that is asked for."""

    def __init__(self, activation):
        super().__init__()
        torch.manual_seed(1)
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), activation(), nn.MaxPool2d(2))
        self.block = nn.Sequential(
            nn.Conv2d(6, 6, 3, 1, 1, bias=False),
            nn.BatchNorm2d(6, affine=False),
            activation(),
            nn.Conv2d(6, 6, 1),
        )
        self.act = activation()
        self.pool = nn.AvgPool2d(2)
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5), activation(), nn.Linear(5, 3)
        )
        for part in self.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.running_mean.uniform_(-0.5, 0.5)
                part.running_var.uniform_(0.5, 1.5)
        self.double()

    def forward(self, x):
        x = self.stem(x)
        return self.head(self.pool(self.act(x + self.block(x))))


class Normed(nn.Module):
    """Norms that depend on the picture, and a module called twice."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(2)
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.GroupNorm(2, 4)
        self.again = nn.Conv2d(4, 4, 3, padding=1)
        self.last = nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 3))
        self.alias = self.conv
        self.double()

    def forward(self, x):
        x = self.norm(self.conv(x))
        x = self.again(self.again(x))
        return self.last(x.mean((2, 3)))


def clipped():
    return nn.Hardtanh(-0.2, 0.3, inplace=True)


NETS = {
    "pooled": PooledLinear,
    "max-pooled": Tail,
    "relu": lambda: Residual(lambda: nn.ReLU(inplace=True)),
    "clipped in place": lambda: Residual(clipped),
    "silu": lambda: Residual(nn.SiLU),
    "gelu": lambda: Residual(nn.GELU),
    "prelu": lambda: Residual(nn.PReLU),
    "norms": Normed,
}


def probe_of(model, inputs, index=1):
    private = model._pool._take()[1]
    return Probe(
        model,
        private,
        inputs,
        model.logits(inputs),
        LogitTarget(((index, 1.0),), "class"),
        "",
        lambda *_: None,
        Copies(private, inputs),
    )


@pytest.mark.parametrize("name", NETS)
def test_all_terms_add_up_to_the_score(name):
    model = model_of(NETS[name](), size=(16, 20))
    inputs = inputs_for(model, 1)
    found = list(terms(probe_of(model, inputs)))
    total = sum(term.sum() for _, term in found)
    torch.testing.assert_close(total, model.logits(inputs)[0, 1], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", NETS)
def test_the_signed_map_sums_to_the_score(name):
    model = model_of(NETS[name](), size=(16, 20))
    inputs = inputs_for(model, 2)
    found = attribute(model, inputs, 1, ["fullgrad-signed"])
    sums = only(found.maps, "fullgrad-signed").double().sum((1, 2))
    torch.testing.assert_close(sums, found.output[:, 1], rtol=1e-5, atol=1e-6)


def region(output):
    return output[:, 1, 4:20, 6:30].sum((1, 2))


def test_fastais_unet_is_complete():
    model = model_of(small_unet().double(), size=(32, 32), task="segmentation")
    inputs = inputs_for(model, 2)
    found = attribute(model, inputs, region, ["fullgrad", "fullgrad-signed"])
    sums = only(found.maps, "fullgrad-signed").double().sum((1, 2))
    torch.testing.assert_close(sums, region(found.output), rtol=1e-5, atol=1e-6, check_dtype=False)
    assert not found.notes


class Merged(nn.Module):
    """What a block began with hangs on what goes through it, as in fastai; a smooth function of both."""

    def __init__(self, merge):
        super().__init__()
        torch.manual_seed(4)
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.merge = merge
        self.fc = nn.Linear(3, 3)
        self.double()

    def forward(self, x):
        y = self.conv(x)
        y.orig = x
        return self.fc(self.merge(y).mean((2, 3)))


class Product(nn.Module):
    def forward(self, x):
        return (x * x.orig).tanh()


class Square(torch.autograd.Function):
    """Has no forward mode."""

    @staticmethod
    def forward(context, x):
        context.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(context, gradient):
        (x,) = context.saved_tensors
        return 2 * x * gradient


class Once(Square):
    """Its gradient cannot be differentiated, either."""

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context, gradient):
        (x,) = context.saved_tensors
        return 2 * x * gradient


class Applied(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function.apply(x) + self.function.apply(x.orig)


@pytest.mark.parametrize("merge", [MergeLayer(), Product(), Applied(Square)])
def test_layers_that_read_attributes_of_their_input_are_complete(merge):
    model = model_of(Merged(merge))
    inputs = inputs_for(model, 2)
    found = attribute(model, inputs, 1, ["fullgrad-signed"])
    sums = only(found.maps, "fullgrad-signed").double().sum((1, 2))
    torch.testing.assert_close(sums, found.output[:, 1], rtol=1e-5, atol=1e-6)
    assert not found.notes


def test_a_layer_whose_bias_cannot_be_found_is_noted():
    model = model_of(Merged(Applied(Once)))
    found = attribute(model, inputs_for(model, 1), 1, ["fullgrad", "fullgrad-signed"])
    assert {notes[0][0] for notes in found.notes.values()} == {"no term for merge"}
    assert any(note.startswith("Σ") for note in found.notes[0, "input", "fullgrad-signed"][0])


def test_the_default_network_with_its_batch_norms_and_clipped_relus_is_complete(default_model):
    inputs = inputs_for(default_model, 1)
    found = attribute(default_model, inputs, 281, ["fullgrad-signed"])
    total = only(found.maps, "fullgrad-signed").double().sum()
    torch.testing.assert_close(total, found.output[0, 281].double(), rtol=1e-4, atol=1e-4)


def test_a_linear_network_by_hand():
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 5, 2)).double()
    model = model_of(net, size=(4, 5))
    inputs = inputs_for(model, 1)
    got = only(attribute(model, inputs, 1, ["fullgrad-signed"]).maps, "fullgrad-signed")
    own = (inputs * net[1].weight[1].reshape(1, 3, 4, 5)).sum(1) + net[1].bias[1] / 20
    torch.testing.assert_close(got.double(), own.detach(), rtol=1e-5, atol=1e-7)


def test_the_papers_saliency_by_hand():
    net = PooledLinear(channels=4)
    model = model_of(net, size=(6, 7))
    inputs = inputs_for(model, 1).requires_grad_()
    made = net.conv(inputs)
    score = net.fc(net.act(made).mean((2, 3)))[0, 1]
    by_input, by_made = torch.autograd.grad(score, [inputs, made])

    def scaled(term):
        term = term.abs()
        return ((term - term.min()) / (term.max() - term.min())).sum(1)

    wanted = scaled(inputs * by_input) + scaled(net.conv.bias[None, :, None, None] * by_made)
    got = only(attribute(model, inputs.detach(), 1, ["fullgrad"]).maps, "fullgrad")
    torch.testing.assert_close(got.double(), wanted.detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("have", "size"), [((3, 4), (9, 12)), ((2, 5), (7, 11)), ((7, 7), (5, 16)), ((4, 4), (4, 4))]
)
def test_spreading_keeps_the_sum_and_shares_out_evenly(have, size):
    values = torch.rand(have, dtype=torch.float64)
    found = _spread(values, size)
    assert found.shape == size
    torch.testing.assert_close(found.sum(), values.sum())
    if all(s % h == 0 for s, h in zip(size, have, strict=True)):
        blocks = [s // h for s, h in zip(size, have, strict=True)]
        wanted = values.repeat_interleave(blocks[0], 0).repeat_interleave(blocks[1], 1)
        torch.testing.assert_close(found, wanted / (blocks[0] * blocks[1]))
