"""The terms for a pair of pictures are those of the loss that training uses."""

import numpy as np
import pytest
import torch
from networks import Classifier, footprint, seeded
from PIL import Image

import interp
from interp.features import FeatureError, perceptual_terms
from interp.features.perceptual_terms import weighted_terms
from interp.images import Preprocess
from interp.training.perceptual import PerceptualLoss

HALF = Preprocess((32, 32), (0.5,) * 3, (0.25,) * 3)


@pytest.fixture(scope="module")
def model():
    return interp.load(seeded(Classifier)(), preprocess=HALF)


@pytest.fixture(scope="module")
def both():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 40, 48, 3), np.uint8)
    return [Image.fromarray(one) for one in pixels]


@pytest.mark.parametrize("base", ["l1", "mse"])
def test_they_are_those_of_the_loss(model, both, base):
    chosen = {"layer_weights": (3, 0.5), "layers": ["bn", "relu"], "base": base, "gram_scale": 100}
    before = footprint(model.module)
    found = perceptual_terms(model, *both, **chosen)
    assert footprint(model.module) == before
    loss = PerceptualLoss(model, **chosen)
    x, y = (model.preprocess.inverse(model.prepare([one])) for one in both)
    expected = {name: float(term) for name, term in loss.terms(x, y).items()}
    assert list(found.values) == list(expected)
    assert found.values == pytest.approx(expected, rel=1e-4)
    assert found.total == pytest.approx(float(loss(x, y)), rel=1e-4)
    assert found.layers == ("bn", "relu")


def test_equal_pictures_have_no_terms_and_order_does_not_matter(model, both):
    assert set(perceptual_terms(model, both[0], both[0], layer_weights=[1]).values.values()) == {0.0}
    one, other = (perceptual_terms(model, *pair, layer_weights=[1]) for pair in (both, both[::-1]))
    assert one.values == pytest.approx(other.values)


def test_terms_by_hand():
    x, y = torch.full((1, 2, 1, 2), 3.0), torch.full((1, 2, 1, 2), 1.0)
    features = torch.tensor([[[[1.0, 2.0]], [[0.0, 1.0]]]]), torch.zeros(1, 2, 1, 2)
    terms = weighted_terms((x, [features[0]]), (y, [features[1]]), [2.0], "l1", 10.0)
    # Gram: (5, 2; 2, 1) / 4, mean 0.625.
    assert {name: float(term) for name, term in terms.items()} == {
        "pixel": 2.0,
        "feat_0": 2.0,
        "gram_0": 25.0,
    }
    assert list(weighted_terms((x, []), (y, []), [], "mse", 0)) == ["pixel"]


def test_what_cannot_be_is_refused(model, both):
    with pytest.raises(FeatureError, match="base='l2' is neither 'l1' nor 'mse'"):
        perceptual_terms(model, *both, base="l2")
    with pytest.raises(FeatureError, match=r"3 layer_weights for 1 layers of Classifier \(relu@1\)"):
        perceptual_terms(model, *both)


def test_the_figure_names_the_layers(model, both):
    words = [text.get_text() for text in perceptual_terms(model, *both, layer_weights=[2]).figure().texts]
    assert {"pixels", "features of relu@1", "Gram of relu@1"} < set(words)
    assert words[0].startswith("picture 0 and picture 1: ")
