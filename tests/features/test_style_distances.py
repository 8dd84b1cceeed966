"""Distances between styles: of pictures, of layers, of two states of a network."""

import numpy as np
import pytest
import torch
from networks import Classifier, seeded
from PIL import Image
from scipy.stats import spearmanr

import interp
from interp.features import (
    FeatureError,
    Style,
    StyleDistances,
    layer_agreement,
    layer_distances,
    relative_distance,
    spectrum,
    style,
    style_change,
    style_distances,
)
from interp.images import Preprocess

HALF = Preprocess((32, 32), (0.5,) * 3, (0.5,) * 3)


def pictures(count: int) -> list[Image.Image]:
    generator = np.random.default_rng(0)
    return [Image.fromarray(generator.integers(0, 256, (32, 32, 3), np.uint8)) for _ in range(count)]


def made_of(**grams: torch.Tensor) -> Style:
    count = len(next(iter(grams.values())))
    names = tuple(f"picture {number}" for number in range(count))
    return Style("net", tuple(grams), names, grams, "CHW", (Image.new("RGB", (8, 8)),) * count)


@pytest.fixture(scope="module")
def found():
    model = interp.load(seeded(Classifier)(), preprocess=HALF)
    return style(model, pictures(5), ["bn", "relu"])


def test_distances_are_those_of_each_pair(found):
    distances = style_distances(found)
    assert distances.values.shape == (2, 5, 5)
    for place, layer in enumerate(found.layers):
        for i in range(5):
            for j in range(5):
                expected = relative_distance(found.grams[layer][i], found.grams[layer][j])
                assert distances.values[place, i, j] == expected
    assert distances.mean.equal(distances.values.mean(0))


def test_normalisation_does_not_matter():
    model = interp.load(seeded(Classifier)(), preprocess=HALF)
    one, other = (style(model, pictures(3), ["bn"], normalise=what) for what in ("HW", "CHW"))
    torch.testing.assert_close(style_distances(one).values, style_distances(other).values)


def test_a_state_of_a_network_against_another(found):
    later = seeded(Classifier)()
    later.body[1].weight.data *= 2  # after the first layer compared, before the second
    changed = style(interp.load(later, preprocess=HALF), pictures(5), ["bn", "relu"])
    change = style_change(found, changed)
    assert change.shape == (2, 5)
    assert change[0].eq(0).all()
    assert change[1].min() > 0
    assert change[1, 3] == relative_distance(found.grams["relu"][3], changed.grams["relu"][3])
    assert style_change(found, found).eq(0).all()


def test_agreement_is_spearmans_rank_correlation(found):
    distances = style_distances(found)
    upper = distances.values[:, *torch.triu_indices(5, 5, 1)].numpy()
    agreement = layer_agreement(distances)
    assert agreement[0, 1] == pytest.approx(spearmanr(upper[0], upper[1]).statistic)
    torch.testing.assert_close(agreement.diagonal(), torch.ones(2, dtype=torch.float64))
    assert agreement.equal(agreement.T)


def test_layers_that_order_pictures_alike_or_the_other_way_round():
    apart = torch.tensor([[0.0, 1, 2], [1, 0, 4], [2, 4, 0]], dtype=torch.float64)
    off = 1 - torch.eye(3, dtype=torch.float64)
    values = torch.stack([apart, apart**3 / 64, (5 - apart) / 5 * off, off])
    names = ("a", "b", "c")
    found = layer_agreement(StyleDistances(("1", "2", "3", "4"), names, values, ()))
    assert found[0, :3].tolist() == pytest.approx([1, 1, -1])
    assert found[3].isnan().all()


def test_a_spectrum_says_how_many_directions_are_used():
    generator = torch.Generator().manual_seed(0)
    turn, _ = torch.linalg.qr(torch.randn(4, 4, generator=generator, dtype=torch.float64))
    matrix = turn @ torch.diag(torch.tensor([0.0, 6, 2, 0], dtype=torch.float64)) @ turn.T
    torch.testing.assert_close(spectrum(matrix), torch.tensor([0.75, 0.25, 0, 0], dtype=torch.float64))
    assert spectrum(torch.eye(4)).tolist() == [0.25] * 4
    assert spectrum(torch.zeros(2, 2)).isnan().all()


def test_layers_of_one_picture_by_their_spectra():
    wide = torch.eye(4)[None]
    narrow = torch.diag(torch.tensor([1.0, 1.0]))[None]
    shuffled = torch.diag(torch.tensor([0, 5.0, 0, 0, 5.0]))[None]
    dead = torch.zeros(1, 3, 3)
    found = layer_distances(made_of(wide=wide, narrow=narrow, shuffled=shuffled, dead=dead))
    assert found[0].tolist()[:3] == [0, 0.5, 0.5]
    assert found[1].tolist()[:3] == [0.5, 0, 0]
    assert found[:, 3].isnan().all()


def test_what_cannot_be_compared_is_refused(found):
    one = made_of(a=torch.eye(2)[None])
    with pytest.raises(FeatureError, match=r"different layers: \('a',\) and \('b',\)"):
        style_change(one, made_of(b=torch.eye(2)[None]))
    with pytest.raises(FeatureError, match="different pictures"):
        style_change(one, made_of(a=torch.eye(2).expand(2, 2, 2)))
    with pytest.raises(FeatureError, match="2 and 3 channels have no distance"):
        style_change(one, made_of(a=torch.eye(3)[None]))
    with pytest.raises(FeatureError, match="2 pictures have too few distances"):
        layer_agreement(style_distances(made_of(a=torch.eye(2).expand(2, 2, 2))))
    with pytest.raises(FeatureError, match=r"picture 5 is outside 0 … 4\."):
        layer_distances(found, 5)


def test_the_figure_has_a_matrix_for_each_layer_and_their_mean(found):
    words = [text.get_text() for text in style_distances(found).figure().texts]
    assert [word for word in words if word in ("bn", "relu", "mean of all")] == ["bn", "relu", "mean of all"]
