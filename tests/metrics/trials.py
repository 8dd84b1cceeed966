"""Trials of maps on networks whose answers can be computed by hand."""

import torch
from nets import model_of
from torch import nn

from interp.logits import CallableTarget, LogitTarget
from interp.methods import Probe, get
from interp.methods.sooner import Copies
from interp.metrics import Trial

SUM = CallableTarget(lambda output: output[:, 0], "sum")


class Linear(nn.Module):
    """Scores `(x * w).sum()` in its first class, minus that in the second."""

    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, inputs):
        score = (inputs * self.weight).flatten(1).sum(1)
        return torch.stack([score, -score], 1)


def trial_of(module, inputs, map, *, method="random", target=SUM, layer="", truth=None, **settings):
    size = inputs.shape[2:] if inputs.dim() == 4 else (1, 1)
    model = model_of(module, size=tuple(size), **settings)
    private = model._pool._take()[1]
    with torch.no_grad():
        output = private(inputs.clone())
    copies = Copies(private, inputs)
    probe = Probe(model, private, inputs, output, target, layer, lambda *_: None, copies)
    return Trial(probe, get(method), map, truth)


def trial_on_map(map, truth=None, method="random"):
    """A trial of a map at the size of the picture, for metrics that look at the map alone."""
    size = map.shape if truth is None else truth.shape
    inputs = torch.zeros(1, 3, *size)
    return trial_of(Linear(torch.ones(1, 3, 1, 1)), inputs, map, method=method, truth=truth)


def class_target(index=0):
    return LogitTarget(((index, 1.0),), f"class {index}")
