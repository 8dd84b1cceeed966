"""What a model's layers make of pictures of 0 … 1, with gradients to the pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from interp.capture import twin
from interp.features.errors import FeatureError
from interp.features.extractor import Extractor
from interp.features.visualisation.reading import OUTPUT, Layer, called
from interp.layers import main_output
from interp.models import ImageModel

See = Callable[[Tensor], dict[Layer, Tensor]]

_LEAK = 0.1


@torch.inference_mode(False)
def seer(
    model: ImageModel, layers: Sequence[Layer], size: tuple[int, int] | None = None, *, leaky: bool = False
) -> See:
    """Return what takes pictures of 0 … 1 and gives the activations of some layers.

    The model's own normalisation is applied, and the pass ends after the last of the layers. It runs on a
    private copy: no hook and no gradient ever reaches the model. Weights of half precision are made float32.

    Args:
        model: whose layers.
        layers: as a person names them; `OUTPUT` is the network's own output.
        size: (height, width) of the pictures to come, to try once; default: not tried.
        leaky: let a tenth of the gradient through rectifiers that are shut; the activations are the same.

    Returns:
        `(B, C, H, W)` pictures → layer as it was named → its activation, channels first.

    Raises:
        LayerError: no such layer, or several fit.
        CaptureError: a layer gives no tensor.
        FeatureError: the network does not take pictures of this size; or, when it sees pictures that ask for
            gradients, there are none behind a layer.

    Example:
        >>> see = seer(interp.load(), ["blocks.1", 12])
        >>> see(torch.rand(1, 3, 224, 224))["blocks.1"].shape
        torch.Size([1, 24, 56, 56])
    """
    whole = OUTPUT in layers
    names = [_resolved(model, layer, whole) for layer in layers]
    network: nn.Module = twin(model.module)
    blank = model.blank()
    if leaky:
        _open_rectifiers(network)
    if blank.dtype in (torch.float16, torch.bfloat16):
        network, blank = network.float(), blank.float()
    extractor = Extractor(_WithOutput(network) if whole else network, names, blank)
    mean, std = (
        torch.tensor(numbers, dtype=torch.float32, device=blank.device)[:, None, None]
        for numbers in (model.preprocess.mean, model.preprocess.std)
    )

    def see(pictures: Tensor) -> dict[Layer, Tensor]:
        inputs = ((pictures - mean) / std).to(blank)
        seen = dict(zip(layers, extractor(inputs), strict=True))
        if torch.is_grad_enabled() and pictures.requires_grad:
            _check_reached(seen, model)
        return seen

    if size is not None and size != model.preprocess.size:
        _try(see, model, size)
    return see


class _WithOutput(nn.Module):
    """A network with a name for what it puts out."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.output = nn.Identity()

    def forward(self, inputs: Tensor) -> Tensor:
        output: Tensor = self.output(main_output(self.network(inputs)))
        return output


class _Leaky(nn.Module):
    """A rectifier with the same values and a gradient everywhere."""

    def __init__(self, rectifier: nn.Module) -> None:
        super().__init__()
        self.rectifier = rectifier

    def forward(self, inputs: Tensor) -> Tensor:
        output: Tensor = self.rectifier(inputs.clone())
        return output + _LEAK * (inputs - inputs.detach())


def _open_rectifiers(part: nn.Module) -> None:
    for name, child in list(part.named_children()):
        if isinstance(child, (nn.ReLU, nn.ReLU6, nn.Hardtanh, nn.Threshold)):
            setattr(part, name, _Leaky(child))
        else:
            _open_rectifiers(child)


def _resolved(model: ImageModel, layer: Layer, whole: bool) -> str:
    if layer == OUTPUT:
        return "output"
    name = model.layers.resolve(layer)
    return f"network.{name}" if whole else name


def _check_reached(seen: Mapping[Layer, Tensor], model: ImageModel) -> None:
    for layer, activation in seen.items():
        # Of channels that were put first the graph begins one step before.
        whole = activation if activation._base is None else activation._base
        if whole.grad_fn is None:
            raise FeatureError(
                f"no gradient reaches the picture from layer {called(layer)!r}: the forward of {model.name} "
                "cuts the graph before it (no_grad, inference_mode, detach). Choose a layer before that."
            )


def _try(see: See, model: ImageModel, size: tuple[int, int]) -> None:
    try:
        with torch.inference_mode(False), torch.no_grad():
            see(torch.full((1, model.preprocess.channels, *size), 0.5, device=model.device))
    except RuntimeError as error:
        own = " × ".join(map(str, model.preprocess.size))
        raise FeatureError(
            f"{model.name} does not run on pictures of {size[0]} × {size[1]} "
            f"({str(error).splitlines()[0]}). Leave out the size; its own is {own}."
        ) from error
