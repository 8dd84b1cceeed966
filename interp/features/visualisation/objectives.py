"""What a picture is to excite: numbers of a network's activations that add, multiply and negate."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from interp.features.errors import FeatureError
from interp.features.gram import gram
from interp.features.visualisation.reading import (
    OUTPUT,
    Layer,
    called,
    channel_of,
    column_at,
    rows_of,
    value_at,
)
from interp.models.labels import Labels

Activations = Mapping[Layer, Tensor]
"""From a layer, as it was named, to its activation: `(B, C)`, `(B, tokens, C)` or `(B, C, H, W)`."""


@dataclass(frozen=True)
class Objective:
    """One number for each picture, made of activations; larger is what is looked for.

    Objectives add, subtract and multiply, with each other and with numbers.

    Attributes:
        name: how it is called in figures.
        layers: whose activations it needs.
        function: (activations, the model's labels) → `(B,)`.
        unit: the layer and channel, if it is about one; then the visualisation says its largest activation.

    Example:
        >>> both = channel("blocks.2", 7) + 0.5 * channel("blocks.2", 12)
        >>> both.name, both({"blocks.2": torch.ones(2, 40, 28, 28)})
        ('blocks.2:7 + 0.5 · blocks.2:12', tensor([1.5000, 1.5000]))
    """

    name: str
    layers: tuple[Layer, ...]
    function: Callable[[Activations, Labels], Tensor] = field(repr=False)
    unit: tuple[Layer, int] | None = None

    def __call__(self, activations: Activations, labels: Labels = Labels()) -> Tensor:  # noqa: B008
        """Return its value for each picture, `(B,)`.

        Raises:
            FeatureError: a layer has no such channel or position, or the function gives another shape.
        """
        values = self.function(activations, labels)
        batch = len(activations[self.layers[0]])
        if values.shape != (batch,):
            raise FeatureError(
                f"the objective {self.name!r} gave {tuple(values.shape)} for {batch} picture(s); it must "
                "give one number for each."
            )
        return values

    def __add__(self, other: Objective | float) -> Objective:
        return _combined(self, other, "+", operator.add)

    def __sub__(self, other: Objective | float) -> Objective:
        return _combined(self, other, "−", operator.sub)

    def __mul__(self, other: Objective | float) -> Objective:
        return _combined(self, other, "·", operator.mul)

    def __radd__(self, other: float) -> Objective:
        return _combined(other, self, "+", operator.add)

    def __rsub__(self, other: float) -> Objective:
        return _combined(other, self, "−", operator.sub)

    def __rmul__(self, other: float) -> Objective:
        return _combined(other, self, "·", operator.mul)

    def __neg__(self) -> Objective:
        return Objective(f"−{_factor(self)}", self.layers, lambda seen, labels: -self.function(seen, labels))


def channel(layer: Layer, number: int) -> Objective:
    """Return the mean of one channel over all positions.

    Args:
        layer: name or index of the layer.
        number: of the channel, from 0.

    Example:
        >>> channel("conv", 1)({"conv": torch.eye(2)[None, :, None]})
        tensor([0.5000])
    """

    def mean(seen: Activations, _: Labels) -> Tensor:
        return channel_of(seen[layer], layer, number).mean(1)

    return Objective(f"{called(layer)}:{number}", (layer,), mean, (layer, number))


def channels(layer: Layer, numbers: Sequence[int]) -> list[Objective]:
    """Return an objective for each channel, for one picture each in one batch.

    Example:
        >>> [one.name for one in channels("blocks.2", [3, 5])]
        ['blocks.2:3', 'blocks.2:5']
    """
    return [channel(layer, number) for number in numbers]


def neuron(layer: Layer, number: int, position: tuple[int, int] | None = None) -> Objective:
    """Return one channel at one position.

    Args:
        layer: name or index of the layer.
        number: of the channel, from 0.
        position: (row, column) in the layer's own grid; default: the centre, rounded down and right.

    Example:
        >>> neuron("conv", 0, (1, 0))({"conv": torch.arange(4.0).reshape(1, 1, 2, 2)})
        tensor([2.])
    """

    def value(seen: Activations, _: Labels) -> Tensor:
        return value_at(seen[layer], layer, position, number)

    where = "centre" if position is None else f"{position[0]}, {position[1]}"
    return Objective(f"{called(layer)}:{number} ({where})", (layer,), value, (layer, number))


def direction(
    layer: Layer,
    vector: Sequence[float] | Tensor,
    *,
    power: float = 0,
    position: tuple[int, int] | None = None,
) -> Objective:
    """Return how far activations go along a direction: `cos(a, v)^power · (a · v)`, mean over positions.

    A higher power asks for the direction itself rather than for strong activations; the cosine counts as 0.1
    at least. (Carter et al.: "Activation Atlas", 2019.)

    Args:
        layer: name or index of the layer.
        vector: v, one number for each channel.
        power: of the cosine similarity, 0 or more.
        position: (row, column), to look at only one.

    Raises:
        FeatureError: the power is negative.

    Example:
        >>> direction("fc", [1.0, -1.0])({"fc": torch.tensor([[5.0, 2.0]])})
        tensor([3.])
    """
    if power < 0:
        raise FeatureError(f"power={power}: give 0 or more.")
    wanted = torch.as_tensor(vector, dtype=torch.float32).flatten()

    def along(seen: Activations, _: Labels) -> Tensor:
        found = seen[layer] if position is None else column_at(seen[layer], layer, position)
        rows = rows_of(found)
        if rows.shape[1] != len(wanted):
            raise FeatureError(
                f"the direction has {len(wanted)} numbers, and layer {called(layer)!r} has "
                f"{rows.shape[1]} channels."
            )
        v = wanted.to(rows)
        dot = torch.einsum("bcn,c->bn", rows, v)
        if power:
            dot = dot * F.cosine_similarity(rows, v[None, :, None], dim=1).clamp(min=0.1) ** power
        return dot.mean(1)

    return Objective(f"{called(layer)} along a direction", (layer,), along)


def class_logit(wanted: int | str) -> Objective:
    """Return the logit of a class; where the output has positions, its mean over them.

    Args:
        wanted: index or name, as the model's labels find it.

    Raises:
        LabelError: (when it is asked) no such class, or several.

    Example:
        >>> class_logit("dog")({OUTPUT: torch.tensor([[1.0, 7.0]])}, Labels(("cat", "dog")))
        tensor([7.])
    """

    def logit(seen: Activations, labels: Labels) -> Tensor:
        index = labels.find(wanted, seen[OUTPUT].shape[1])
        return channel_of(seen[OUTPUT], OUTPUT, index).mean(1)

    return Objective(f"class {wanted}", (OUTPUT,), logit)


def diversity(layer: Layer) -> Objective:
    """Return how unlike the others of the batch each picture is: the negative mean cosine of Gram matrices.

    Added to another objective with a batch of two or more it shows the several things that one channel
    answers to. (Olah, Mordvintsev, Schubert: "Feature Visualization", 2017.)

    Args:
        layer: name or index of a layer with positions.

    Returns:
        An objective of −1 (all alike) … 1.

    Example:
        >>> diversity("conv")({"conv": torch.ones(2, 3, 4, 4)})
        tensor([-1., -1.])
    """

    def unlike(seen: Activations, _: Labels) -> Tensor:
        batch = len(seen[layer])
        if batch < 2:
            raise FeatureError("diversity compares pictures: visualise one objective with batch=2 or more.")
        styles = F.normalize(gram(rows_of(seen[layer])[..., None]).flatten(1), dim=1)
        alike = styles @ styles.T
        return -(alike.sum(1) - alike.diagonal()) / (batch - 1)

    return Objective(f"diversity of {called(layer)}", (layer,), unlike)


def evaluate(
    objectives: Sequence[Objective],
    activations: Activations,
    labels: Labels = Labels(),  # noqa: B008
) -> Tensor:
    """Return `(B,)` values: of one objective for the whole batch, or of each picture's own.

    Args:
        objectives: one, or one for each picture.
        activations: of all layers that they name.
        labels: the model's.

    Raises:
        FeatureError: there are neither one nor as many objectives as pictures.

    Example:
        >>> evaluate(channels("fc", [0, 1]), {"fc": torch.eye(2)})
        tensor([1., 1.])
    """
    if len(objectives) == 1:
        return objectives[0](activations, labels)
    batch = len(next(iter(activations.values())))
    if len(objectives) != batch:
        raise FeatureError(f"{len(objectives)} objectives for {batch} pictures; give one, or one for each.")
    # Split, because the gradient of many slices would be as many tensors of the whole batch's size.
    alone = {layer: values.tensor_split(len(values)) for layer, values in activations.items()}
    values = [
        objective({layer: alone[layer][place] for layer in objective.layers}, labels)
        for place, objective in enumerate(objectives)
    ]
    return torch.cat(values)


def largest(objective: Objective, activations: Activations) -> Tensor:
    """Return the largest activation of the objective's one channel, `(B,)`; NaN if it has not one channel.

    Example:
        >>> largest(channel("conv", 0), {"conv": torch.arange(4.0).reshape(1, 1, 2, 2)})
        tensor([3.])
    """
    if objective.unit is None:
        return torch.full((len(activations[objective.layers[0]]),), torch.nan)
    layer, number = objective.unit
    return channel_of(activations[layer], layer, number).amax(1)


def _combined(
    left: Objective | float, right: Objective | float, sign: str, join: Callable[[Any, Any], Tensor]
) -> Objective:
    if not all(isinstance(side, (Objective, int, float)) for side in (left, right)):
        return cast("Objective", NotImplemented)  # so that Python says it does not add

    def function(seen: Activations, labels: Labels) -> Tensor:
        a, b = (
            side.function(seen, labels) if isinstance(side, Objective) else side for side in (left, right)
        )
        return join(a, b)

    product = sign == "·"
    names = [_factor(side) if product else _name(side) for side in (left, right)]
    if sign == "−":
        names[1] = _factor(right)
    layers = [layer for side in (left, right) if isinstance(side, Objective) for layer in side.layers]
    return Objective(f" {sign} ".join(names), tuple(dict.fromkeys(layers)), function)


def _name(side: Objective | float) -> str:
    return side.name if isinstance(side, Objective) else f"{side:g}"


def _factor(side: Objective | float) -> str:
    name = _name(side)
    return f"({name})" if any(f" {sign} " in name for sign in "+−") else name
