import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import torchvision
from networks import Classifier, Reused, UNet, hook_count, pictures
from torch import nn

from interp.capture import CaptureError, record
from interp.features import Extractor

_vision = torchvision.models


def of_whole(module: nn.Module, layers: list[str], inputs: torch.Tensor) -> list[torch.Tensor]:
    with record(module, layers) as recording:
        module(inputs)
    return [recording[layer] for layer in layers]


@pytest.mark.parametrize("layers", [["relu@0"], ["relu"], ["body", "bn"], ["fc"]])
def test_the_outputs_are_those_of_the_whole_network(layers):
    module, inputs = Classifier().eval(), pictures(2, 12)
    extractor = Extractor(module, layers, inputs[:1])
    expected = of_whole(module, layers, inputs)
    for output, other in zip(extractor(inputs), expected, strict=True):
        assert output.equal(other)


def test_it_stops_after_the_last_layer_and_drops_what_comes_then():
    module = _vision.resnet18(weights=None).eval()
    extractor = Extractor(module, ["layer1.1.relu@1", "relu"], torch.zeros(1, 3, 64, 64))
    kept = {name.partition(".")[0] for name, _ in extractor.network.named_parameters()}
    assert kept == {"conv1", "bn1", "layer1"}
    inputs = pictures(1, 64)
    for output, other in zip(
        extractor(inputs), of_whole(module, ["layer1.1.relu", "relu"], inputs), strict=True
    ):
        assert output.equal(other)


class ReadsWeights(nn.Module):
    """Uses the weights of a module that it does not run."""

    def __init__(self) -> None:
        super().__init__()
        self.quiet = nn.Conv2d(3, 4, 1)
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(nn.functional.conv2d(x, self.quiet.weight))


def test_a_module_whose_weights_are_read_without_running_it_stays():
    module, inputs = ReadsWeights(), pictures(1, 8)
    assert Extractor(module, ["relu"], inputs)(inputs)[0].equal(module(inputs))


def test_gradients_reach_the_input_and_no_weight():
    module, inputs = Classifier().eval(), pictures(2, 12).requires_grad_()
    extractor = Extractor(module, ["body"], inputs.detach()[:1])
    (found,) = torch.autograd.grad(extractor(inputs)[0].square().sum(), inputs)
    own = module.body(module.relu(module.bn(module.stem(inputs))))
    (expected,) = torch.autograd.grad(own.square().sum(), inputs)
    torch.testing.assert_close(found, expected)
    assert not any(p.requires_grad for p in extractor.parameters())
    assert not extractor(inputs.detach())[0].requires_grad
    with torch.no_grad():
        assert not extractor(inputs)[0].requires_grad


def test_the_weights_are_its_own_and_its_mode_is_eval():
    module, inputs = Classifier(), pictures(2, 12)
    hooks = hook_count(module)
    extractor = Extractor(module, ["body"], inputs[:1])
    before = extractor(inputs)[0]
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(1)
    extractor.train()
    assert extractor(inputs)[0].equal(before)
    assert module.training
    assert hook_count(module) == hooks
    assert hook_count(extractor.network) == 0


def test_channels_that_come_last_are_turned():
    module = _vision.convnext_tiny(weights=None).eval()
    found = Extractor(module, ["features.1.2.block.4"], torch.zeros(1, 3, 64, 64))(pictures(1, 96))
    assert found[0].shape == (1, 384, 24, 24)


@pytest.mark.parametrize("build", [Reused, UNet])
def test_copies_pickles_and_threads_give_the_same(build):
    module, inputs = build().eval(), pictures(2, 16)
    layer = next(name for name, part in module.named_modules() if isinstance(part, nn.Conv2d))
    extractor = Extractor(module, [layer], inputs[:1])
    expected = extractor(inputs)[0]
    assert copy.deepcopy(extractor)(inputs)[0].equal(expected)
    assert pickle.loads(pickle.dumps(extractor))(inputs)[0].equal(expected)
    with ThreadPoolExecutor(4) as pool:
        assert all(found[0].equal(expected) for found in pool.map(extractor, [inputs] * 16))


def test_a_layer_that_is_not_there_or_does_not_run():
    inputs = pictures(1, 12)
    with pytest.raises(CaptureError, match="has no layer 'bodi'; did you mean 'body'"):
        Extractor(Classifier(), ["bodi"], inputs)
    with pytest.raises(CaptureError, match="ran 2 times; there is no call 2"):
        Extractor(Classifier(), ["relu@2"], inputs)
