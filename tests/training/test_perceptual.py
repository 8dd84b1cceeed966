"""The perceptual loss against the formula written by hand."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

import interp
from interp.capture import record
from interp.images import IMAGENET_MEAN, IMAGENET_STD, Preprocess
from interp.training.perceptual import PerceptualLoss


@pytest.fixture(autouse=True)
def _quiet():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def tiny_model() -> interp.ImageModel:
    torch.manual_seed(0)
    module = nn.Sequential(
        *(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
        *(nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1)),
        *(nn.Flatten(), nn.Linear(8, 5)),
    )
    nn.init.normal_(module[1].running_mean)
    return interp.load(module, preprocess=Preprocess((16, 16), IMAGENET_MEAN, IMAGENET_STD))


def pair(side: int = 16, count: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    x, y = torch.rand(2, count, 3, side, side, generator=generator)
    return x, y


def by_hand(model, layers, x, y, weights, distance=F.l1_loss, *, normalise=True, scale=5e3):
    """Return the terms: the layers' outputs of the whole network, the Gram matrices as an einsum."""
    module = copy.deepcopy(model.module).eval()
    mean, std = (torch.tensor(numbers).view(1, 3, 1, 1) for numbers in (IMAGENET_MEAN, IMAGENET_STD))

    def features(pictures):
        with record(module, layers, gradients=True) as recording:
            module((pictures - mean) / std if normalise else pictures)
        return [recording[layer] for layer in layers]

    def texture(f):
        return torch.einsum("bchw,bdhw->bcd", f, f) / f[0].numel()

    pairs = list(zip(weights, features(x), features(y), strict=True))
    terms = [distance(x, y)]
    terms += [w * distance(a, b) for w, a, b in pairs]
    terms += [w * w * scale * distance(texture(a), texture(b)) for w, a, b in pairs]
    return terms


@pytest.mark.parametrize(("base", "distance"), [("l1", F.l1_loss), ("mse", F.mse_loss)])
@pytest.mark.parametrize("normalise", [True, False])
def test_it_is_the_formula(base, distance, normalise):
    model, (x, y) = tiny_model(), pair(24)
    loss = PerceptualLoss(model, (5, 15, 2), base=base, normalise=normalise)
    assert loss.layers == ("2@0", "5@0", "8@0")
    expected = by_hand(model, ["2", "5", "8"], x, y, (5, 15, 2), distance, normalise=normalise)
    terms = loss.terms(x, y)
    assert tuple(terms) == loss.names
    assert loss.names == ("pixel", "feat_0", "feat_1", "feat_2", "gram_0", "gram_1", "gram_2")
    torch.testing.assert_close(list(terms.values()), expected)
    torch.testing.assert_close(loss(x, y), sum(expected))
    torch.testing.assert_close(sum(loss.last.values()), loss(x, y))


@pytest.mark.slow
def test_on_vgg16_bn_the_layers_are_the_courses():
    model = interp.load("torchvision:vgg16_bn", weights=None)
    x, y = pair(48, count=1)
    loss = PerceptualLoss(model)
    layers = ["features.22", "features.32", "features.42"]
    assert loss.layers == tuple(f"{layer}@0" for layer in layers)
    expected = by_hand(model, layers, x, y, (5, 15, 2))
    torch.testing.assert_close(loss(x, y), sum(expected))
    assert sum(p.numel() for p in loss.parameters()) == sum(
        p.numel() for p in torchvision.models.vgg16_bn(weights=None, init_weights=False).features.parameters()
    )


def test_the_inputs_gradient_is_that_of_the_formula_and_nothing_else_has_one():
    model, (x, y) = tiny_model(), pair()
    loss = PerceptualLoss(model)
    own, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    loss(own, y).backward()
    (expected,) = torch.autograd.grad(sum(by_hand(model, ["2", "5", "8"], other, y, (5, 15, 2))), other)
    torch.testing.assert_close(own.grad, expected)
    assert not any(p.requires_grad or p.grad is not None for p in loss.parameters())
    assert all(p.requires_grad and p.grad is None for p in model.module.parameters())


def test_the_target_is_a_constant():
    x, y = pair()
    y.requires_grad_()
    PerceptualLoss(tiny_model())(x.requires_grad_(), y).backward()
    assert y.grad is None


def test_equal_pictures_are_zero_apart_and_the_loss_is_symmetric():
    loss, (x, y) = PerceptualLoss(tiny_model()), pair()
    assert loss(x, x) == 0
    torch.testing.assert_close(loss(x, y), loss(y, x))


def test_weights_count_once_for_features_and_squared_for_textures():
    model, (x, y) = tiny_model(), pair()
    once = PerceptualLoss(model, (1, 1, 1)).terms(x, y)
    twice = PerceptualLoss(model, (2, 2, 2), gram_scale=1e4).terms(x, y)
    for name, term in once.items():
        factor = {"pixel": 1, "feat": 2, "gram": 8}[name[:5].rstrip("_")]
        torch.testing.assert_close(twice[name], factor * term)


def test_chosen_layers_and_no_textures():
    model, (x, y) = tiny_model(), pair()
    loss = PerceptualLoss(model, (3,), layers=["4"], gram_scale=0)
    assert loss.names == ("pixel", "feat_0")
    expected = by_hand(model, ["4"], x, y, (3,))[:2]
    torch.testing.assert_close(list(loss.terms(x, y).values()), expected)


def test_the_users_model_is_left_alone_and_what_it_learns_does_not_reach_the_loss():
    model, (x, y) = tiny_model(), pair()
    model.module.train()
    state = copy.deepcopy(model.module.state_dict())
    loss = PerceptualLoss(model)
    before = loss.train()(x, y)
    assert all(value.equal(state[key]) for key, value in model.module.state_dict().items())
    assert all(part.training for part in model.module.modules())
    assert not any(part._forward_hooks for part in model.module.modules())
    with torch.no_grad():
        model.module[0].weight.mul_(2)
    assert loss(x, y) == before


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_under_autocast_textures_are_sums_in_single_precision(dtype):
    loss, (x, y) = PerceptualLoss(tiny_model()), pair()
    expected = loss.terms(x, y)
    x.requires_grad_()
    with torch.autocast("cpu", dtype=dtype):
        terms = loss.terms(x.to(dtype), y.to(dtype))
    assert {term.dtype for term in terms.values()} == {torch.float32}
    for name, term in terms.items():
        torch.testing.assert_close(term, expected[name], rtol=0.05, atol=0.01)
    sum(terms.values()).backward()
    assert x.grad.isfinite().all()


def test_copies_and_pickles_give_the_same():
    loss, (x, y) = PerceptualLoss(tiny_model()), pair()
    expected = loss(x.requires_grad_(), y)
    assert copy.deepcopy(loss)(x, y) == expected
    assert pickle.loads(pickle.dumps(loss))(x, y) == expected


def test_threads_may_share_it():
    loss = PerceptualLoss(tiny_model())
    pairs = [pair(16 + 4 * (i % 3)) for i in range(12)]

    def gradient(both):
        x, y = both[0].clone().requires_grad_(), both[1]
        return torch.autograd.grad(sum(loss.terms(x, y).values()), x)[0]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(gradient, pairs))
    assert all(one.equal(gradient(both)) for one, both in zip(found, pairs, strict=True))


def test_the_offline_network_sees_its_own_normalisation(default_model):
    loss, (x, y) = PerceptualLoss(), pair(64, count=1)
    assert loss.layers == ("blocks.3.0.bn1.act@0", "blocks.5.0.bn1.act@0", "bn2.act@0")
    normalised = PerceptualLoss(default_model, normalise=False)
    inside = {name: term for name, term in loss.terms(x, y).items() if name != "pixel"}
    given = normalised.terms((x - 0.5) / 0.5, (y - 0.5) / 0.5)
    torch.testing.assert_close(inside, {name: given[name] for name in inside})
    torch.testing.assert_close(given["pixel"], 2 * loss.terms(x, y)["pixel"])


def test_what_cannot_be_is_refused():
    model, (x, y) = tiny_model(), pair()
    with pytest.raises(ValueError, match="base='l2' is neither 'l1' nor 'mse'"):
        PerceptualLoss(model, base="l2")
    with pytest.raises(ValueError, match="layer_weights must be one or more numbers from 0 on"):
        PerceptualLoss(model, (1, -1))
    with pytest.raises(ValueError, match=r"4 layer_weights for 3 layers of Sequential \(2, 5, 8\)"):
        PerceptualLoss(model, (1, 1, 1, 1))
    loss = PerceptualLoss(model)
    with pytest.raises(ValueError, match=r"pictures of \(2, 3, 16, 16\) and \(1, 3, 16, 16\); give two of"):
        loss(x, y[:1])
    with pytest.raises(ValueError, match=r"give two of \(B, 3, H, W\)"):
        loss(x[:, :1], y[:, :1])


def test_each_term_is_a_column_of_the_log_without_another_pass():
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner

    from interp.training.metrics import LossTerm, loss_terms

    generator = torch.Generator().manual_seed(2)
    samples = [tuple(torch.rand(2, 3, 16, 16, generator=generator)) for _ in range(5)]
    loaders = DataLoaders(*(torch.utils.data.DataLoader(samples, batch_size=2) for _ in range(2)))
    loss, network = PerceptualLoss(tiny_model()), nn.Conv2d(3, 3, 1)
    passes = []
    loss.features.register_forward_hook(lambda *_: passes.append(1))
    learner = Learner(loaders, network, loss_func=loss, metrics=loss_terms(loss))
    values = learner.validate()
    assert len(passes) == 2 * 3  # predicted and wanted pictures of three batches
    x, y = (torch.stack(part) for part in zip(*samples, strict=True))
    with torch.no_grad():
        one_by_one = [loss.terms(network(a[None]), b[None]) for a, b in zip(x, y, strict=True)]
    expected = [float(torch.stack([terms[name] for terms in one_by_one]).mean()) for name in loss.names]
    assert [metric.name for metric in loss_terms(loss)] == list(loss.names)
    # Means over a batch are means over its pictures: all have the same size.
    assert list(values[1:]) == pytest.approx(expected, rel=1e-4)
    assert values[0] == pytest.approx(sum(expected), rel=1e-4)
    assert LossTerm("pixel").value is None
    learner.loss_func = nn.L1Loss()
    with pytest.raises(ValueError, match="L1Loss keeps no term 'pixel'; it has none"):
        LossTerm("pixel").accumulate(learner)
