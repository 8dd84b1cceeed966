"""One picture's concepts: where they are and what the head makes of them, on any network, without a trace."""

import warnings

import numpy as np
import pytest
import torch
from concept_networks import PLAIN, Colours, stripes
from networks import Classifier, UNet, footprint, seeded
from torch import nn

import interp
from interp.features.concepts import deep_feature_factorisation
from interp.features.concepts.maps import nearest_positive
from interp.features.errors import FeatureError
from interp.images import Preprocess
from interp.layers import LayerError
from interp.models import Labels


@pytest.fixture(scope="module")
def colours():
    return interp.load(Colours(), preprocess=PLAIN, labels=Labels(("red", "green", "blue")))


def test_each_colour_is_a_concept_where_it_is(colours):
    found = deep_feature_factorisation(colours, stripes("rgb"), "features.1", concepts=3)
    columns = {int(direction.argmax()): found.heat[0, k] for k, direction in enumerate(found.bank)}
    for channel, heat in columns.items():
        expected = torch.zeros(30, 30)
        expected[:, 10 * channel : 10 * channel + 10] = 1
        assert torch.allclose(heat, expected, atol=1e-2)
    assert sorted(columns) == [0, 1, 2]
    assert found.explained > 0.999


def test_the_head_says_what_each_concept_is(colours):
    found = deep_feature_factorisation(colours, stripes("rgb"), "features.1", concepts=3)
    assert [each.index for each in found.said] == found.bank.argmax(1).tolist()
    assert {each.name for each in found.said} == {"red", "green", "blue"}


def test_pictures_have_concepts_in_common(colours):
    found = deep_feature_factorisation(colours, [stripes("rg"), stripes("gb")], "features.1", concepts=3)
    green = int(found.bank[:, 1].argmax())
    assert found.heat.shape == (2, 3, 30, 30)
    assert found.heat[0, green, :, 20:].min() > 0.9
    assert found.heat[1, green, :, :10].min() > 0.9
    assert found.heat[1, green, :, 20:].max() < 0.1


def test_a_u_net_has_concepts_but_no_class_of_them():
    network = seeded(UNet)()
    model = interp.load(network, preprocess=PREPARED, task="segmentation")
    before = footprint(network)
    found = deep_feature_factorisation(model, noise(1), "up2", concepts=4)
    assert found.heat.shape == (1, 4, 16, 16)
    assert found.said == ()
    assert footprint(network) == before


def test_a_learner_as_it_is():
    from fastai.data.core import DataLoaders, TfmdDL
    from fastai.learner import Learner

    samples = [(torch.rand(3, 32, 32), torch.tensor(0))] * 2
    loaders = DataLoaders(*(TfmdDL(samples, bs=2, num_workers=0) for _ in range(2)))
    network = seeded(Classifier)().train()
    learner = Learner(loaders, network, loss_func=nn.CrossEntropyLoss())
    before = footprint(network)
    found = deep_feature_factorisation(
        interp.load(learner, preprocess=PREPARED), noise(2), "relu", concepts=3
    )
    plain = deep_feature_factorisation(
        interp.load(seeded(Classifier)(), preprocess=PREPARED), noise(2), "relu", concepts=3
    )
    assert torch.equal(found.heat, plain.heat)
    assert len(found.said) == 3
    assert footprint(network) == before


@pytest.mark.parametrize("guard", [torch.no_grad, torch.inference_mode])
def test_frozen_and_guarded_all_the_same(guard):
    network = seeded(Classifier)().requires_grad_(False)
    model = interp.load(network, preprocess=PREPARED)
    alone = deep_feature_factorisation(model, noise(3), "relu", concepts=3)
    with guard():
        guarded = deep_feature_factorisation(model, noise(3), "relu", concepts=3)
    assert torch.equal(alone.heat, guarded.heat)
    assert alone.said == guarded.said
    assert all(weight.grad is None for weight in network.parameters())


def test_a_grey_model(tmp_path):
    network = nn.Sequential(nn.Conv2d(1, 5, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = interp.load(network, preprocess=Preprocess((24, 32), (0.5,), (0.5,)))
    assert deep_feature_factorisation(model, noise(4), "1", concepts=2).heat.shape == (1, 2, 24, 32)


def test_a_signed_layer_is_said_and_a_better_one_named():
    model = interp.load(seeded(Classifier)(), preprocess=PREPARED)
    assert nearest_positive(model, "body.1") == "relu@1"
    with pytest.warns(UserWarning, match=r"% of what layer 'body\.1' gives is below 0.*layer='relu@1'"):
        deep_feature_factorisation(model, noise(5), "body.1", concepts=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        deep_feature_factorisation(model, noise(5), "relu", concepts=2)


def test_the_default_model_finds_the_activation_after_a_linear_bottleneck(default_model):
    assert nearest_positive(default_model, "conv_head") == "bn2.act"
    assert nearest_positive(default_model, "blocks.4") == "blocks.5.0.bn1.act"


def test_what_cannot_be_done_is_said(colours):
    with pytest.raises(LayerError, match=r"layer 'fc' gives \(3,\) for a picture"):
        deep_feature_factorisation(colours, stripes("r"), "fc")
    with pytest.raises(FeatureError, match="give 1 … 3, or more pictures"):
        deep_feature_factorisation(colours, stripes("r"), "features.1", concepts=4)
    with pytest.raises(FeatureError, match="no activation is above 0"):
        deep_feature_factorisation(colours, np.zeros((30, 30, 3), np.uint8), "features.1", concepts=1)


def test_the_figure_has_a_cell_for_each_concept(colours):
    found = deep_feature_factorisation(colours, [stripes("rgb"), stripes("gb")], "features.1", concepts=3)
    figure = found.figure()
    assert len(figure.axes) == 2 * (2 + 3)
    words = [text.get_text() for text in figure.texts]
    assert sum("concept" in word and word[-1].isdigit() for word in words) == 3


PREPARED = Preprocess((32, 32), (0.5,) * 3, (0.5,) * 3)


def noise(seed):
    return np.random.default_rng(seed).integers(0, 256, (40, 44, 3), np.uint8)
