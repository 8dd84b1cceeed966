"""Several targets of one picture share the passes that are the same for all, and nothing else."""

import pytest
import torch
from nets import inputs_for, model_of
from torch import nn

from interp.methods import attribute
from interp.targets import several

PASSED = []


class Counted(nn.Module):
    """Counts the pictures that pass; a twin is a copy, so the list is the module's and not its own."""

    def forward(self, inputs):
        PASSED.append(len(inputs))
        return inputs


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(3)
    net = nn.Sequential(
        Counted(),
        nn.Conv2d(3, 6, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(6, 8, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
    )
    return model_of(net)


def explained(model, method, inputs, *classes):
    PASSED.clear()
    told = []
    found = attribute(
        model,
        inputs,
        several(*classes),
        [method],
        ["3"],
        progress=lambda done, all_: told.append(done / all_),
    )
    assert told == sorted(told)
    assert told[-1] == 1
    return list(found.maps.values()), sum(PASSED)


SHARING = (
    "score-cam",
    "ss-cam(samples=2)",
    "is-cam(samples=2)",
    "occlusion(window=0.4, stride=0.2)",
    "rise(masks=50)",
)
OWN = ("score-cam(channels=3, by='gradient')", "occlusion(augment=True)")
TAILS = ("ablation-cam", "ablation-cam(channels=3)")


@pytest.mark.parametrize("method", [*SHARING, *OWN, *TAILS])
def test_together_each_target_gets_its_own_map(model, method):
    inputs = inputs_for(model, 2)
    together, _ = explained(model, method, inputs, 0, 4, 2, 0)
    assert len(together) == 4
    for found, index in zip(together, (0, 4, 2, 0), strict=True):
        assert found.equal(explained(model, method, inputs, index)[0][0])
    assert not together[0].equal(together[1])


@pytest.mark.parametrize("method", SHARING)
def test_the_network_runs_as_often_for_three_targets_as_for_one(model, method):
    inputs = inputs_for(model, 2)
    _, one = explained(model, method, inputs, 1)
    _, three = explained(model, method, inputs, 1, 2, 3)
    # Of each further target: the activations, or the score of the whole and of the empty picture.
    assert three - one <= 2 * 2 * 2
    assert one > 15


@pytest.mark.parametrize("method", OWN)
def test_what_depends_on_the_target_is_not_shared(model, method):
    inputs = inputs_for(model, 1)
    _, one = explained(model, method, inputs, 1)
    _, three = explained(model, method, inputs, 1, 2, 3)
    assert three > 2 * one
