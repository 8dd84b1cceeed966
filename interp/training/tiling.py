"""A network over a picture in overlapping tiles, put together without seams."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def spans(total: int, tile: int, margin: int) -> list[tuple[int, int]]:
    """Return where tiles begin and end along one side; neighbours share three margins or more.

    Example:
        >>> spans(320, 160, 32)
        [(0, 160), (64, 224), (128, 288), (160, 320)]
    """
    if total <= tile:
        return [(0, total)]
    starts = [*range(0, total - tile, tile - 3 * margin), total - tile]
    return [(start, start + tile) for start in starts]


def shares(total: int, tile: int, margin: int) -> Tensor:
    """Return how much each tile counts at each place of one side, `(tiles, total)`, columns sum to 1.

    Nothing in the margin at an inner edge, where the network missed what is beyond; then rising over as much.
    """
    places = torch.arange(total) + 0.5
    parts = []
    for start, end in spans(total, tile, margin):
        share = ((places >= start) & (places < end)).float()
        if start > 0:
            share *= ((places - start - margin) / margin).clamp(0, 1)
        if end < total:
            share *= ((end - margin - places) / margin).clamp(0, 1)
        parts.append(share)
    stacked = torch.stack(parts)
    return stacked / stacked.sum(0)


def run_tiled(run: Callable[[Tensor], Tensor], inputs: Tensor, tile: int, margin: int) -> Tensor:
    """Return what `run` gives for all of `inputs`, tile by tile; float32, where the inputs are.

    Equal to `run(inputs)` where an output pixel depends on inputs at most `margin` pixels away, and the
    sides, the tile and the margin are multiples of the network's stride.

    Args:
        run: a network from `(B, C, H, W)` to `(B, C', H, W)`.
        inputs: `(B, C, H, W)`.
        tile: side of a tile, more than three margins where it is smaller than the inputs.
        margin: what a tile shares with its neighbours and is not used.
    """
    down, across = (shares(total, tile, margin) for total in inputs.shape[-2:])
    result: Tensor | None = None
    for row, (top, bottom) in zip(down, spans(inputs.shape[-2], tile, margin), strict=True):
        for column, (left, right) in zip(across, spans(inputs.shape[-1], tile, margin), strict=True):
            part = run(inputs[..., top:bottom, left:right]).to(inputs.device, torch.float32)
            if result is None:
                result = part.new_zeros(*part.shape[:2], *inputs.shape[-2:])
            share = row[top:bottom, None] * column[left:right]
            result[..., top:bottom, left:right] += part * share.to(part.device)
    assert result is not None
    return result


def reach(module: nn.Module, inputs: Tensor, block: int, outside: float = 1e-3) -> int:
    """Return how far away, in pixels, the inputs lie on which an output in the middle depends.

    Measured by the gradient of a block of outputs with random signs: the distance beyond which no more than
    a share of `outside` of its absolute values lies. A U-Net's is less than its theoretical receptive
    field, which is often larger than the picture.

    Args:
        module: a twin from pictures to pictures.
        inputs: `(1, C, H, W)`, best noise.
        block: side of the block of outputs, the network's stride.
        outside: share of the gradient that may lie further away.
    """
    inputs = inputs.detach().clone().requires_grad_()
    start = [(side - block) // (2 * block) * block for side in inputs.shape[-2:]]
    with torch.inference_mode(False), torch.enable_grad():
        output = module(inputs)[..., start[0] : start[0] + block, start[1] : start[1] + block]
        signs = torch.randn(output.shape, generator=torch.Generator().manual_seed(0)).sign()
        (gradient,) = torch.autograd.grad((output * signs.to(output)).sum(), inputs)
    sizes = gradient[0].abs().sum(0).double().cpu()
    distances = [
        torch.maximum(begin - torch.arange(side), torch.arange(side) - (begin + block - 1)).clamp(min=0)
        for begin, side in zip(start, inputs.shape[-2:], strict=True)
    ]
    furthest = torch.maximum(distances[0][:, None], distances[1])
    by_distance = torch.zeros(int(furthest.max()) + 1, dtype=torch.float64)
    by_distance.index_add_(0, furthest.flatten(), sizes.flatten())
    beyond = by_distance.flip(0).cumsum(0).flip(0)  # at this distance or further
    return max(0, int((beyond > outside * beyond[0]).sum()) - 1)
