"""What one picture says of the importance of concepts: replays of `U W` with some of them faded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from interp.capture import replay
from interp.features.blocks import is_channels_last
from interp.features.concepts.factorise import encode
from interp.features.concepts.maps import as_layer_gives, grid_of
from interp.features.concepts.sobol import Floats, total_sobol_indices
from interp.layers import main_output
from interp.models import ImageModel
from interp.targets import Target

_AT_ONCE = 32


@dataclass(frozen=True, eq=False)
class Answer:
    """What one picture says of concepts.

    Attributes:
        indices: total Sobol index of each concept, `(K,)`.
        falls: by how much the score falls without each concept, `(K,)`.
        score: of the picture.
        rebuilt: score with `U W` in the place of the activations.
    """

    indices: Floats
    falls: Floats
    score: float
    rebuilt: float


def ask(
    model: ImageModel,
    layer: str,
    inputs: Tensor,
    bank: Tensor,
    target: Target,
    *,
    designs: int = 32,
    seed: int = 0,
) -> Answer:
    """Return how much a picture's score varies with each concept, `f(m) = score of (U · m) W`.

    Args:
        model: whose rest after the layer is replayed.
        layer: that the concepts are of.
        inputs: `(1, C, H, W)`.
        bank: `W (K, C)`.
        target: one number for each picture.
        designs: pairs of masks.
        seed: of the masks.

    Raises:
        CaptureError: what comes after the layer cannot be run alone.
        TargetError: the target does not fit the output.

    Example:
        >>> ask(model, "bn2", model.prepare([picture]), bank.bank, LogitTarget(((282, 1.0),), "cat")).indices
    """
    count = len(bank)
    with model.twin() as private, torch.inference_mode(False), torch.no_grad():
        tail = replay(private, layer, inputs)
        own = grid_of(tail.activation, layer)
        maps = own.permute(0, 3, 1, 2) if is_channels_last(own, inputs) else own
        strengths = encode(maps, bank)[0]

        def scores(masks: Floats) -> Floats:
            faded = torch.from_numpy(masks).float()[:, :, None, None] * strengths
            rebuilt = (torch.einsum("nkhw,kc->nchw", part, bank) for part in torch.split(faded, _AT_ONCE))
            outputs = (main_output(tail(as_layer_gives(part, own, inputs))) for part in rebuilt)
            return np.concatenate([target(output).double().cpu().numpy() for output in outputs])

        indices = total_sobol_indices(scores, count, designs=designs, seed=seed)
        whole = scores(np.concatenate([np.ones((1, count)), 1 - np.eye(count)]))
        score = float(target(main_output(tail.output)))
    return Answer(indices, whole[0] - whole[1:], score, float(whole[0]))
