"""Attention as a product of explicit probabilities, recorded, without a change to the network.

`F.scaled_dot_product_attention` never shows its probabilities. Here functions are watched while a pass runs,
in this thread only: that one is computed in two steps, and a softmax that a network calls itself is
taken as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

from interp.methods.spelling import MethodError

_SOFTMAX = {"softmax"}


@dataclass(frozen=True, eq=False)
class Attention:
    """One computation of attention: in which module, and its probabilities `(B, heads, N, N)`."""

    module: str
    probabilities: torch.Tensor


class _Watch(TorchFunctionMode):
    """While active, every attention is explicit, and `keep` may exchange its probabilities."""

    def __init__(self, keep: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self._keep = keep

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is F.scaled_dot_product_attention:
            return _explicit(self._keep, *args, **(kwargs or {}))
        result = func(*args, **(kwargs or {}))
        if getattr(func, "__name__", "") in _SOFTMAX and _is_attention(result):
            return self._keep(result)
        return result


def _is_attention(found: Any) -> bool:
    return isinstance(found, torch.Tensor) and found.dim() == 4 and found.shape[2] == found.shape[3] > 1


def _explicit(
    keep: Callable[[torch.Tensor], torch.Tensor],
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """Return what PyTorch's function gives in eval mode, by way of the probabilities."""
    if enable_gqa:
        key, value = (each.repeat_interleave(query.shape[-3] // each.shape[-3], -3) for each in (key, value))
    scores = query @ key.transpose(-2, -1) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if is_causal:
        scores = scores.masked_fill(~torch.ones_like(scores, dtype=torch.bool).tril(), -math.inf)
    if attn_mask is not None:
        masked = attn_mask.dtype == torch.bool
        scores = scores.masked_fill(~attn_mask, -math.inf) if masked else scores + attn_mask
    probabilities = scores.softmax(-1)
    return (keep(probabilities) if _is_attention(probabilities) else probabilities) @ value


@contextmanager
def explicit(module: nn.Module) -> Iterator[None]:
    """Compute all attention of a twin in steps that can be differentiated twice, while the body runs.

    Example:
        >>> with explicit(private):
        ...     output = private(inputs)
    """
    with ExitStack() as stack:
        for part in module.modules():
            if isinstance(part, nn.MultiheadAttention):
                stack.enter_context(_in_the_open(part))
        stack.enter_context(_Watch(lambda probabilities: probabilities))
        yield


@contextmanager
def attentions(module: nn.Module) -> Iterator[list[Attention]]:
    """Record, as leaves, the probabilities of all attention that a twin computes while the body runs.

    Gradients with respect to them are those of what comes after; what comes before is cut off.

    Example:
        >>> with attentions(private) as found:
        ...     output = private(inputs)
        >>> [each.module for each in found]
        ['blocks.0.attn', 'blocks.1.attn']
    """
    found: list[Attention] = []
    inside: list[str] = []

    def keep(probabilities: torch.Tensor) -> torch.Tensor:
        leaf = probabilities.detach().requires_grad_()
        found.append(Attention(inside[-1] if inside else "", leaf))
        return leaf

    with ExitStack() as stack:
        for name, part in module.named_modules():
            enter = part.register_forward_pre_hook(
                lambda _module, _args, name=name: inside.append(name), prepend=True
            )
            leave = part.register_forward_hook(lambda *_: (inside.pop(), None)[1], always_call=True)
            stack.callback(enter.remove)
            stack.callback(leave.remove)
            if isinstance(part, nn.MultiheadAttention):
                stack.enter_context(_in_the_open(part))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(_Watch(keep))
        yield found


@contextmanager
def _in_the_open(part: nn.MultiheadAttention) -> Iterator[None]:
    """Let PyTorch's own attention module call functions that can be watched, while the body runs."""
    own = vars(part).get("forward")

    def forward(
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        key_padding_mask: torch.Tensor | None = None,
        need_weights: bool = True,
        attn_mask: torch.Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[torch.Tensor, None]:
        if key_padding_mask is not None or part.bias_k is not None or part.add_zero_attn:
            raise MethodError(
                "the network's nn.MultiheadAttention has a padding mask, bias_k or add_zero_attn, whose "
                "probabilities cannot be recorded here."
            )
        weights, biases = _projections(part)
        given = (query, key, value) if part.batch_first else (x.transpose(0, 1) for x in (query, key, value))
        heads = [
            F.linear(x, w, b).reshape(*x.shape[:2], part.num_heads, part.head_dim).transpose(1, 2)
            for x, w, b in zip(given, weights, biases, strict=True)
        ]
        mask = attn_mask
        if mask is not None and mask.dtype == torch.bool:
            mask = ~mask  # there True means: not
        if mask is not None and mask.dim() == 3:
            mask = mask.reshape(-1, part.num_heads, *mask.shape[1:])
        mixed = F.scaled_dot_product_attention(heads[0], heads[1], heads[2], attn_mask=mask)
        output = F.linear(mixed.transpose(1, 2).flatten(2), part.out_proj.weight, part.out_proj.bias)
        return output if part.batch_first else output.transpose(0, 1), None

    vars(part)["forward"] = forward
    try:
        yield
    finally:
        vars(part).update(forward=own)
        if own is None:
            del vars(part)["forward"]


def _projections(
    part: nn.MultiheadAttention,
) -> tuple[tuple[torch.Tensor, ...], tuple[torch.Tensor | None, ...]]:
    bias = part.in_proj_bias
    biases: tuple[torch.Tensor | None, ...] = (None,) * 3 if bias is None else bias.chunk(3)
    if part._qkv_same_embed_dim:
        return part.in_proj_weight.chunk(3), biases
    return (part.q_proj_weight, part.k_proj_weight, part.v_proj_weight), biases
