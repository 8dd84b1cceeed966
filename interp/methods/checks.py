"""What a network must give so that it can be explained: numbers, and where a method needs them gradients."""

from __future__ import annotations

import torch
from torch import nn

from interp.capture import CaptureError
from interp.layers import main_output
from interp.targets import TargetError


def check_finite(output: torch.Tensor, inputs: torch.Tensor) -> None:
    """Refuse an output of NaN or infinity, of which every map would be NaN; −∞ rules a class out and may be.

    Raises:
        TargetError: with the pictures that it is of, and where to look.
    """
    wrong = (output.isnan() | output.isposinf()).reshape(len(output), -1).any(1)
    if not wrong.any():
        return
    rows = wrong.nonzero().flatten().tolist()
    which = "" if len(output) == 1 else f" for picture {', '.join(map(str, rows[:5]))} of the batch"
    if not inputs[wrong].isfinite().all():
        cause = "The input has some already: look at how it was prepared."
    elif output.dtype in (torch.float16, torch.bfloat16):
        cause = f"It computes in {str(output.dtype).removeprefix('torch.')}: try model.float()."
    else:
        cause = "Its weights may be broken, or the input be on another scale than in training."
    raise TargetError(
        f"the network's output is NaN or infinite{which}, so nothing can be asked of it. {cause}"
    )


def check_graph(private: nn.Module, inputs: torch.Tensor) -> None:
    """Refuse a network whose output never carries a gradient, whatever the layer.

    Raises:
        CaptureError: its forward cuts the graph.
    """
    with torch.inference_mode(False), torch.enable_grad():
        given = inputs[:1].clone().requires_grad_()
        if main_output(private(given)).requires_grad:
            return
    raise CaptureError(
        "the network's output carries no gradient: its forward runs under torch.no_grad or detaches what it "
        "returns. Take that away, or a method without gradients: activation-abs, ablation-cam, "
        "score-cam, rise."
    )
