"""The course's head: fastai's numbers, its own bias, and what a saved classifier says of itself."""

import pytest
import torch
from torch import nn

import interp
from interp.models import Labels, ModelError, load_folder, save_folder
from interp.models.architecture import of_network
from interp.models.networks import ClassifierNetwork

TINY = "timm:test_resnet"


def seeded(network):
    torch.manual_seed(0)
    return network.build().eval()


def momenta(head):
    return [module.momentum for module in head.modules() if isinstance(module, nn.BatchNorm1d)]


@pytest.mark.parametrize("final", [False, True])
def test_the_head_gives_what_fastais_gives(final):
    from fastai.vision.learner import create_head

    ours = seeded(ClassifierNetwork(TINY, 5, final_batchnorm=final)).head
    theirs = create_head(96, 5, bn_final=final).eval()
    generator = torch.Generator().manual_seed(1)
    pairs = list(zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True))
    for mine, other in pairs:
        if mine.is_floating_point():
            mine.copy_(torch.rand(mine.shape, generator=generator) + 0.5)
        other.copy_(mine)
    maps = torch.randn(4, 96, 3, 2, generator=generator)
    with torch.no_grad():
        assert torch.equal(ours(maps), torch.Tensor(theirs(maps)))
    assert [m.p for m in ours.modules() if isinstance(m, nn.Dropout)] == [0.25, 0.5]
    assert [m.p for m in theirs.modules() if isinstance(m, nn.Dropout)] == [0.25, 0.5]
    assert momenta(ours) == momenta(theirs)


def test_the_pooling_is_maxima_then_means():
    head = ClassifierNetwork(TINY, 2).build().head
    pooled = head[0](torch.tensor([[[[1.0, 2.0], [3.0, 6.0]]]]))
    assert pooled.flatten().tolist() == [6.0, 3.0]


def test_bias_is_an_option_and_starts_at_zero():
    for bias in (False, True):
        head = ClassifierNetwork(TINY, 5, bias=bias).build().head
        biases = [module.bias for module in head if isinstance(module, nn.Linear)]
        assert [bias is not None and not bias.any() for bias in biases] == [bias, bias]


def test_the_trained_backbones_modules_are_used_not_copied():
    backbone = interp.load(TINY, weights=None).module
    network = ClassifierNetwork(TINY, 3).build(trained=backbone)
    assert network.body.layer4 is backbone.layer4


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"classes": 0}, "the network's classes is 0; give 1 … 100000."),
        ({"classes": 3, "hidden": 9000}, "the network's hidden is 9000; give 1 … 8192."),
        ({"classes": 3, "dropout": 1.0}, "the network's dropout is 1.0; give 0 … 0.99."),
        ({"classes": 3, "dropout": float("nan")}, "the network's dropout is nan; give 0 … 0.99."),
    ],
)
def test_values_out_of_range_are_a_sentence(arguments, sentence):
    with pytest.raises(ModelError) as caught:
        ClassifierNetwork(TINY, **arguments)
    assert str(caught.value) == sentence


def test_a_saved_classifier_comes_back_without_its_backbones_weights(tmp_path, monkeypatch):
    description = ClassifierNetwork(TINY, 3, hidden=16, bias=True, final_batchnorm=True)
    size = interp.Preprocess((64, 64), (0.5,) * 3, (0.5,) * 3)
    model = interp.load(
        seeded(description), preprocess=size, labels=list("abc"), architecture=of_network(description)
    )
    save_folder(model, tmp_path)
    # Neither a pickle nor a download: what a hostile folder would want.
    monkeypatch.setattr(torch, "load", None)
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", None)
    again = load_folder(tmp_path)
    inputs = torch.rand(2, 3, 64, 64)
    assert torch.equal(model.logits(inputs), again.logits(inputs))
    assert again.labels == Labels(("a", "b", "c"))
    assert again.architecture == model.architecture
