"""What trains when layer groups are frozen: the rule of fastai, counted in weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from interp.models.builders import ModelError
from interp.models.networks.groups import layer_groups

# fastai.torch_core.norm_types: what its learners go on training in frozen groups.
NORMS = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
    nn.LayerNorm,
)


@dataclass(frozen=True)
class GroupLayer:
    """A layer with weights of its own.

    Attributes:
        name: as in `named_modules()`.
        type: class name of the module.
        shape: of its output for one picture, without the batch; `None` if unknown.
        weights: how many it has itself, its sub-modules' left out.
        is_norm: whether it stays trainable in a frozen group.
    """

    name: str
    type: str
    shape: tuple[int, ...] | None
    weights: int
    is_norm: bool


@dataclass(frozen=True)
class LayerGroup:
    """Layers that are frozen together and train at one rate."""

    name: str
    layers: tuple[GroupLayer, ...]

    @property
    def weights(self) -> int:
        """How many weights the group has."""
        return sum(layer.weights for layer in self.layers)

    @property
    def norm_weights(self) -> int:
        """How many of them stay trainable when the group is frozen."""
        return sum(layer.weights for layer in self.layers if layer.is_norm)


@dataclass(frozen=True)
class FreezeTotal:
    """How many weights train after a call of a fastai learner.

    Attributes:
        call: `unfreeze`, `freeze_to(1)`, … or `freeze`.
        frozen_to: number of the first group that trains as a whole.
        trainable: weights with a gradient.
        frozen: weights without.
    """

    call: str
    frozen_to: int
    trainable: int
    frozen: int


@dataclass(frozen=True)
class GroupTable:
    """The layer groups of a network, from its input on, and what freezing leaves of them.

    Example:
        >>> network = ClassifierNetwork("torchvision:resnet18", classes=12, bias=True).build()
        >>> table = group_table(network)
        >>> table.total, table.trainable(-1), table.frozen(1)
        (11710540, 543628, 681152)
    """

    groups: tuple[LayerGroup, ...]

    @property
    def total(self) -> int:
        """How many weights the network has."""
        return sum(group.weights for group in self.groups)

    def trainable(self, frozen_to: int) -> int:
        """Return how many weights train after `freeze_to(n)`: `Σ_{g ≥ n} weights + Σ_{g < n} norm weights`.

        Args:
            frozen_to: number of the first group that trains as a whole; negative ones count from the end,
                as in fastai: -1 is `freeze`, 0 `unfreeze`.

        Raises:
            ModelError: there are not so many groups.
        """
        count = len(self.groups)
        if not -count <= frozen_to <= count:
            raise ModelError(
                f"freeze_to({frozen_to}) is outside the network's layer groups; give {-count} … {count}."
            )
        first = frozen_to if frozen_to >= 0 else count + frozen_to
        whole = sum(group.weights for group in self.groups[first:])
        return whole + sum(group.norm_weights for group in self.groups[:first])

    def frozen(self, frozen_to: int) -> int:
        """Return how many weights do not train after `freeze_to(n)`; see `trainable`."""
        return self.total - self.trainable(frozen_to)

    @property
    def totals(self) -> tuple[FreezeTotal, ...]:
        """What trains after `unfreeze`, each `freeze_to(n)` between, and `freeze`."""
        last = max(len(self.groups) - 1, 0)
        calls = [("unfreeze", 0), *((f"freeze_to({n})", n) for n in range(1, last)), ("freeze", last)]
        return tuple(FreezeTotal(call, n, self.trainable(n), self.frozen(n)) for call, n in calls)


def group_table(network: nn.Module, shapes: Mapping[str, tuple[int, ...] | None] | None = None) -> GroupTable:
    """Return the layers with weights of every layer group of `network`.

    The rule is that of fastai's learners with `train_bn=True`, whatever the weights' own `requires_grad` is:
    batch, instance and layer norms train in frozen groups, too. A weight that two layers share counts once,
    in the first, whose group it is frozen with.

    Args:
        network: any module; it is not changed.
        shapes: outputs by the layers' names, as in `{row.name: row.shape for row in model.layers}`.

    Example:
        >>> table = group_table(interp.load("torchvision:resnet18", weights=None).module)
        >>> [(group.name, group.weights) for group in table.groups]
        [('body', 11176512), ('head', 513000)]
    """
    names = {id(module): name for name, module in network.named_modules()}
    norms = {id(part) for norm in network.modules() if isinstance(norm, NORMS) for part in norm.modules()}
    counted: set[int] = set()

    def layers(group: nn.Module) -> list[GroupLayer]:
        found = []
        for module in group.modules():
            own = [weight for weight in module.parameters(recurse=False) if id(weight) not in counted]
            counted.update(map(id, own))
            if own:
                name = names[id(module)]
                weights = sum(weight.numel() for weight in own)
                shape = (shapes or {}).get(name)
                found.append(GroupLayer(name, type(module).__name__, shape, weights, id(module) in norms))
        return found

    return GroupTable(tuple(LayerGroup(name, tuple(layers(group))) for name, group in layer_groups(network)))
