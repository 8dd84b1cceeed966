"""A classifier: a backbone's body and the course's head."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import nn

from interp.models.builders import build_named
from interp.models.networks.body import body, grids
from interp.models.networks.checks import between


class AdaptiveConcatPool2d(nn.Module):
    """The maximum and the mean of every channel, `(B, C, h, w)` → `(B, 2C, 1, 1)`."""

    def forward(self, activation: torch.Tensor) -> torch.Tensor:
        """Return maxima, then means."""
        return torch.cat([activation.amax((2, 3), keepdim=True), activation.mean((2, 3), keepdim=True)], 1)


@dataclass(frozen=True)
class ClassifierNetwork:
    """Body, pooling (maximum and mean), and two linear layers with batch norm and dropout.

    Args:
        backbone: as `interp.load` takes it.
        classes: how many outputs.
        hidden: width between the two linear layers.
        bias: whether the linear layers have one. The course's (fastai 1) have; fastai 2's do without, for
            a batch norm follows the first and precedes the second: `hidden + classes` weights fewer.
        final_batchnorm: a batch norm on the logits (`2 · classes` weights).
        dropout: before the last linear layer; half of it before the first.

    Example:
        >>> network = ClassifierNetwork("torchvision:resnet18", classes=12, bias=True).build()
        >>> sum(p.numel() for p in network.parameters())
        11710540
    """

    backbone: str
    classes: int
    hidden: int = 512
    bias: bool = False
    final_batchnorm: bool = False
    dropout: float = 0.5

    def __post_init__(self) -> None:
        between("classes", self.classes, 1, 100_000)
        between("hidden", self.hidden, 1, 8192)
        between("dropout", self.dropout, 0, 0.99)

    def build(self, trained: nn.Module | None = None) -> nn.Sequential:
        """Return the network, untrained but for the backbone in `trained`, whose modules it uses."""
        convolutional = body(build_named(self.backbone) if trained is None else trained)
        head = self._head(grids(convolutional)[-1][0])
        return nn.Sequential(OrderedDict(body=convolutional, head=head))

    def _head(self, features: int) -> nn.Sequential:
        layers: list[nn.Module] = [
            AdaptiveConcatPool2d(),
            nn.Flatten(),
            nn.BatchNorm1d(2 * features),
            nn.Dropout(self.dropout / 2),
            nn.Linear(2 * features, self.hidden, bias=self.bias),
            nn.ReLU(inplace=True),
            nn.BatchNorm1d(self.hidden),
            nn.Dropout(self.dropout),
            nn.Linear(self.hidden, self.classes, bias=self.bias),
        ]
        for layer in layers:
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        # Begins undecided: a loss of log(classes), not one of random preferences to unlearn.
        nn.init.normal_(layers[-1].weight, std=0.01)  # type: ignore[arg-type]
        if self.final_batchnorm:
            layers.append(nn.BatchNorm1d(self.classes, momentum=0.01))
        return nn.Sequential(*layers)
