"""LeGrad: to which positions every attention layer of a vision transformer is sensitive."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from interp.capture import CaptureError, Replay, record, replay
from interp.layers import main_output
from interp.methods.attention import Attention, attentions
from interp.methods.probe import Probe
from interp.methods.registry import method
from interp.methods.spelling import MethodError
from interp.precision import in_full


@method(
    "legrad",
    "LeGrad",
    family="attention",
    needs="probe",
    display="positive",
    formula="mean_(l,h,i) relu(∂s_l / ∂A^l_(h,i))",
    paper="Bousselham et al., LeGrad, ICCV 2025 (arXiv 2404.03214)",
    passes=3.7,
    tasks=("classification",),
)
def legrad(probe: Probe) -> torch.Tensor:
    """Return the mean over blocks, heads and rows of the positive gradient of each block's own score.

    `s_l` is what the network's own head says of the tokens of block l, as if the blocks after it were not
    there; of the last block it is the score itself. The columns of class and register tokens are left out.
    Only for networks of equal blocks with attention among all tokens, as ViT and DeiT; all blocks count,
    whichever layer is named, and the map lies on the grid of their tokens.
    """
    names = [row.name for row in probe.model.layers if row.layout is not None and row.layout.kind == "tokens"]
    with attentions(probe.module) as found, record(probe.module, names) as recording:
        with torch.enable_grad():  # which recording alone would do without
            probe.run(probe.inputs.clone())
        tokens = {name: recording.calls(name)[-1] for name in names if recording.calls(name)}
    blocks = _blocks(found, tokens)
    layout = None if not blocks else probe.model.layers[next(reversed(blocks))].layout
    if layout is None:
        raise MethodError(
            "LeGrad needs a vision transformer of blocks with attention among all tokens, as ViT or DeiT; "
            f"{probe.model.name} is none. Grad-CAM and layer-cam work on every network with positions."
        )
    head = _head(probe, next(reversed(blocks)))
    sensitive = []
    for number, (name, layer) in enumerate(blocks.items()):
        with torch.inference_mode(False), torch.enable_grad():
            score = probe.ask(main_output(head(tokens[name])))
            gradients = torch.autograd.grad(score.sum(), layer, retain_graph=True)
        sensitive += [in_full(each).clamp(min=0).mean((1, 2)) for each in gradients]
        probe.progress(number + 1, len(blocks))
    found_map = torch.stack(sensitive).mean(0).unsqueeze(2)
    laid_out: torch.Tensor = layout.features(found_map, probe.inputs.shape[2:])[0, 0]
    return laid_out


def _blocks(found: Sequence[Attention], tokens: dict[str, torch.Tensor]) -> dict[str, list[torch.Tensor]]:
    """Return the attention of each block, by the block's name: siblings whose tokens it is among."""
    paths = [each.module.split(".") for each in found]
    same = 0
    while paths and all(len(path) > same + 1 for path in paths) and len({path[same] for path in paths}) == 1:
        same += 1
    blocks: dict[str, list[torch.Tensor]] = {}
    for each, path in zip(found, paths, strict=True):
        name = ".".join(path[: same + 1])
        # Of a single block the tokens are those of what holds the attention.
        name = name if name in tokens else ".".join(path[:-1])
        if name not in tokens or each.probabilities.shape[-1] != tokens[name].shape[1]:
            return {}
        blocks.setdefault(name, []).append(each.probabilities)
    return blocks if len({tokens[name].shape for name in blocks}) == 1 else {}


def _head(probe: Probe, last: str) -> Replay:
    """Return what runs the network's head alone, on the tokens that the last block gives."""
    try:
        return replay(probe.module, last, probe.inputs)
    except CaptureError as error:
        raise MethodError(f"LeGrad runs the network's head on the tokens of every block; {error}") from error
