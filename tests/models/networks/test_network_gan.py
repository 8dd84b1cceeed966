"""Critics and generators: shapes, fastai's own weights, ranges."""

import pytest
import torch
from torch import nn

from interp.models import ModelError
from interp.models.networks import BasicCriticNetwork, BasicGeneratorNetwork, CriticNetwork


def test_the_critic_gives_one_logit_a_picture_the_mean_of_its_patches():
    torch.manual_seed(0)
    critic = CriticNetwork(features=4, blocks=1).build().eval()
    pictures = torch.rand(2, 3, 48, 64)
    with torch.no_grad():
        patches = critic[0](pictures).view(2, -1)
        assert patches.shape[1] > 1
        assert torch.allclose(critic(pictures), patches.mean(1, keepdim=True))


def test_the_critic_is_fastais_own():
    from fastai.vision.gan import gan_critic

    ours = CriticNetwork(features=4, blocks=2, dropout=0.3).build()[0]
    theirs = gan_critic(nf=4, n_blocks=2, p=0.3)
    assert repr(ours) == repr(theirs)
    assert [m.p for m in ours.modules() if isinstance(m, nn.Dropout2d)] == [0.15, 0.3, 0.3]


@pytest.mark.parametrize("size", [8, 16, 64])
@pytest.mark.parametrize("extra", [0, 1])
def test_a_generator_makes_what_its_critic_judges(size, extra):
    torch.manual_seed(0)
    generator = BasicGeneratorNetwork(size, channels=1, noise=5, features=4, extra_layers=extra).build()
    critic = BasicCriticNetwork(size, channels=1, features=4, extra_layers=extra).build()
    pictures = generator(torch.randn(3, 5))
    assert pictures.shape == (3, 1, size, size)
    assert float(pictures.detach().abs().max()) <= 1
    assert critic(pictures).shape == (3, 1)


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: CriticNetwork(features=2), "the network's features is 2; give 4 … 1024."),
        (lambda: CriticNetwork(blocks=0), "the network's blocks is 0; give 1 … 6."),
        (lambda: CriticNetwork(dropout=1.0), "the network's dropout is 1.0; give 0 … 0.99."),
        (
            lambda: CriticNetwork(features=1024, blocks=6),
            "the network's width at its coarsest grid is 131072; give 8 … 8192.",
        ),
        (lambda: BasicCriticNetwork(4), "the network's size is 4; give 8 … 1024."),
        (
            lambda: BasicGeneratorNetwork(48),
            "the network's size (a power of two) is 48; give 32 … 32.",
        ),
        (
            lambda: BasicGeneratorNetwork(1024, features=128),
            "the network's width at its coarsest grid is 16384; give 4 … 8192.",
        ),
        (lambda: BasicGeneratorNetwork(64, noise=0), "the network's noise is 0; give 1 … 10000."),
        (lambda: BasicCriticNetwork(64, channels=65), "the network's channels is 65; give 1 … 64."),
        (
            lambda: BasicCriticNetwork(64, extra_layers=17),
            "the network's extra_layers is 17; give 0 … 16.",
        ),
    ],
)
def test_values_out_of_range_are_a_sentence(build, sentence):
    with pytest.raises(ModelError) as caught:
        build()
    assert str(caught.value) == sentence
