"""Two threads on one model give what each gives alone, for every method beside the intrusive ones."""

import sys
import threading
from functools import partial

import pytest
import torch
from nets import (
    ELSEWHERE,
    GENERAL,
    PARTICULAR,
    AttentionNet,
    Block,
    PooledLinear,
    inputs_for,
    model_of,
    only,
    small_unet,
)
from torch import nn

from interp.methods import attribute

# Every method runs beside itself and beside these. All but the first do much to the twin that they run on:
BESIDE = [
    "grad-cam",
    "ablation-cam",  # replays
    "shapley-cam",  # differentiates twice
    "fullgrad-signed",  # hooks every layer, and differentiates forward
    "deep-lift",  # Captum's hooks
    "lrp",  # stands in for every operation
    "smoothgrad(samples=2)",  # draws random numbers
]


@pytest.fixture
def _switch_often():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def together(jobs):
    """Run every job in a thread of its own, started at one moment; return the results in order."""
    barrier, results = threading.Barrier(len(jobs)), [None] * len(jobs)

    def work(index, job):
        barrier.wait()
        try:
            results[index] = job()
        except BaseException as error:  # handed to the test's own thread
            results[index] = error

    threads = [threading.Thread(target=work, args=item) for item in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


def assert_pairs_agree(model, pictures, target, layer, methods, beside=BESIDE):
    others = dict.fromkeys([*methods, *beside])

    def explain(number, method):
        return only(attribute(model, pictures[number], target, [method], [layer]).maps, method)

    alone = {(number, method): explain(number, method) for number in (0, 1) for method in others}
    for method in methods:
        for pair in [(method, other) for other in dict.fromkeys([method, *beside])]:
            found = together([lambda n=n, m=m: explain(n, m) for n, m in enumerate(pair)])
            for number, each in enumerate(pair):
                assert torch.equal(found[number], alone[number, each]), pair


@pytest.mark.usefixtures("_switch_often")
def test_every_method_on_a_classifier():
    model = model_of(Block(), size=(16, 16))
    assert_pairs_agree(model, [inputs_for(model, 1, seed) for seed in (1, 2)], 2, "layer", GENERAL)


@pytest.mark.usefixtures("_switch_often")
@pytest.mark.slow
def test_every_method_on_fastais_dynamic_unet():
    model = model_of(small_unet(), size=(32, 32), task="segmentation")
    pictures = [inputs_for(model, 1, seed) for seed in (1, 2)]

    def region(output):
        return output[:, 1, 4:20, 6:30].sum((1, 2))

    assert_pairs_agree(model, pictures, region, model.default_layer, GENERAL)


@pytest.mark.usefixtures("_switch_often")
def test_methods_for_particular_networks():
    model = model_of(PooledLinear())
    pictures = [inputs_for(model, 1, seed) for seed in (1, 2)]
    assert_pairs_agree(model, pictures, 2, "act", sorted(PARTICULAR))


@pytest.mark.usefixtures("_switch_often")
def test_methods_for_attention():
    model = model_of(AttentionNet(), size=(8, 12))
    pictures = [inputs_for(model, 1, seed) for seed in (1, 2)]
    beside = [method for method in BESIDE if method != "lrp"]  # has no rule for attention
    assert_pairs_agree(model, pictures, 2, model.default_layer, sorted(ELSEWHERE), beside)


@pytest.mark.usefixtures("_switch_often")
def test_first_use_in_many_threads_leaves_the_users_modes():
    for attempt in range(20):
        net = Block().train()
        net.layer.eval()
        modes = [part.training for part in net.modules()]
        model = model_of(net)
        inputs = inputs_for(model, 1, attempt)
        found = together(
            [lambda m=model, x=inputs: attribute(m, x, 1, ["grad-cam"], ["layer"]).maps for _ in range(4)]
        )
        assert [part.training for part in net.modules()] == modes
        assert all(torch.equal(f[0, "layer", "grad-cam"], found[0][0, "layer", "grad-cam"]) for f in found)


@pytest.mark.usefixtures("_switch_often")
def test_weights_that_change_between_calls_are_seen():
    model = model_of(Block())
    inputs = inputs_for(model, 1)
    before = attribute(model, inputs, 1, ["grad-cam"], ["layer"]).maps[0, "layer", "grad-cam"]
    with torch.no_grad():
        model.module.fc.weight.mul_(2)
    after = attribute(model, inputs, 1, ["grad-cam"], ["layer"]).maps[0, "layer", "grad-cam"]
    torch.testing.assert_close(after, 2 * before)


@pytest.mark.slow
@pytest.mark.usefixtures("_switch_often")
@pytest.mark.parametrize("bend", [nn.Softplus, nn.Hardsigmoid])  # the latter has no second gradient
def test_layers_that_are_differentiated_one_by_one(bend):
    torch.manual_seed(0)
    layers = [part for _ in range(6) for part in (nn.Conv2d(3, 3, 1), bend())]
    model = model_of(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), size=(8, 8))
    pictures = [inputs_for(model, 1, seed) for seed in (1, 2)]

    def explain(number):
        return attribute(model, pictures[number], 1, ["fullgrad-signed"])

    alone = [explain(number) for number in (0, 1)]
    for _ in range(50):
        for found, wanted in zip(together([partial(explain, n) for n in (0, 1)]), alone, strict=True):
            assert torch.equal(only(found.maps, "fullgrad-signed"), only(wanted.maps, "fullgrad-signed"))
            assert found.notes == wanted.notes
