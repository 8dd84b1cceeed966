"""Layer-wise relevance propagation, by Captum's rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

from interp.capture.structure import map_tensors, tensors_in
from interp.methods.calls import CONVOLUTIONS, MOVES, Call, Calls, Stand, shell
from interp.methods.perturbing import at_least
from interp.methods.pixels import balance, captum_attr, ready
from interp.methods.probe import Probe
from interp.methods.registry import method
from interp.methods.spelling import MethodError
from interp.precision import in_full

EPSILON = 1e-9
_POOLS = {"max_pool1d", "max_pool2d", "max_pool3d", "adaptive_max_pool1d", "adaptive_max_pool2d"}


class _Piece(nn.Module):
    """A function as a module, for the rule to hang on."""

    def __init__(self, function: Callable[..., torch.Tensor], rule: Any) -> None:
        super().__init__()
        self.function = function
        self.rule = rule

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.function(*inputs)


class _Weighted(_Piece):
    """A convolution or linear function with weights of its own, which a rule may change."""

    def __init__(self, call: Call, rule: Any) -> None:
        super().__init__(call.function, rule)
        named = dict(zip(("input", "weight", "bias"), call.args[:3], strict=False)) | dict(call.kwargs)
        weight, bias = named.pop("weight"), named.pop("bias", None)
        self.weight = nn.Parameter(weight.detach().clone(), requires_grad=False)
        self.bias = None if bias is None else nn.Parameter(bias.detach().clone(), requires_grad=False)
        self.rest = call.args[3:]
        self.named = {name: value for name, value in named.items() if name != "input"}

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.function(*inputs, self.weight, self.bias, *self.rest, **self.named)


@method(
    "lrp",
    "LRP",
    family="pixels",
    needs="probe",
    place="input",
    display="signed",
    formula="Σ_c R, R_j = Σ_k a_j w'_jk R_k / Σ_j a_j w'_jk, w' = w + γ relu(w) between ReLUs, else w",
    paper="Bach et al., PLOS ONE 2015; γ: Montavon et al., Layer-Wise Relevance Propagation, 2019",
    passes=9.0,
)
def lrp(probe: Probe, *, gamma: float = 0.25) -> torch.Tensor:
    """Return the relevance of each pixel: the score, handed from layer to layer by who contributed what.

    Convolutions between two ReLUs use the γ rule, all else the ε rule with an ε that only forbids to divide
    by 0; elsewhere γ may divide by almost 0. Batch norm becomes part of the convolution before it. What
    constants contribute is lost on the way; a note says how much arrives. With `gamma=0` a network of ReLUs
    gives input × gradient.

    Raises:
        MethodError: an operation has no rule, or γ is negative.
    """
    at_least("lrp", "gamma", gamma, 0)
    with ready():
        rules = _Rules(gamma)
        target = _Piece(lambda output: in_full(probe.ask(output)), rules.epsilon())
        folding = _Folding(probe)
        calls = Calls(probe, partial(_ruled, rules, folding), target, folding)
        if calls.uncovered:
            name, where = next(iter(calls.uncovered.items()))
            place = f"{name} in layer {where!r}" if where else name
            raise MethodError(f"LRP has no rule for {place}. Take deep-lift or integrated-gradients.")
        found, missing = (
            captum_attr()
            .LRP(calls)
            .attribute(in_full(probe.inputs).clone().requires_grad_(), return_convergence_delta=True)
        )
    balance(probe, found, -missing)
    relevance: torch.Tensor = found[0].sum(0)
    return relevance


class _Rules:
    """Captum's rules, loaded late.

    Attributes:
        activated: whether an activation has run.
    """

    def __init__(self, gamma: float) -> None:
        from captum.attr._utils import lrp_rules

        class Gamma(lrp_rules.GammaRule):  # type: ignore[misc]
            """Captum's amplifies the weights; the paper's the constants, too."""

            def _manipulate_weights(self, module: Any, _inputs: Any, _outputs: Any) -> None:
                for own in (module.weight, module.bias):
                    if own is not None:
                        own.data = own.data + self.gamma * own.data.clamp(min=0)

        self.activated = False
        self._gamma = gamma
        self._amplified = Gamma
        self._plain = lrp_rules.EpsilonRule

    def epsilon(self) -> Any:
        return self._plain(EPSILON)

    def gamma(self) -> Any:
        return self._amplified(self._gamma) if self._gamma else self.epsilon()


def _ruled(rules: _Rules, folding: _Folding, call: Call) -> Stand | None:
    """Return a module with a rule for all that is not a mere move of values."""
    if call.pointwise is not None:
        rules.activated = True
        keeps_zero = not call.pointwise(torch.zeros_like(call.inputs[0])).any()
        # Relevance goes through an activation unchanged, as through a ReLU.
        return Stand(shell(nn.ReLU, call.pointwise)) if keeps_zero else None
    if call.name in MOVES:
        return None
    if call.name in CONVOLUTIONS and len(call.inputs) == 1 and call.inputs[0] is call.first:
        between = rules.activated and folding.rectified and bool((call.inputs[0].detach() >= 0).all())
        between = between and call.name != "linear"
        return Stand(_Weighted(call, rules.gamma() if between else rules.epsilon()))
    if call.linear or call.name in _POOLS:
        return Stand(_Piece(_of_inputs(call), rules.epsilon()))
    return None


def _of_inputs(call: Call) -> Callable[..., torch.Tensor]:
    """Return the call as a function of those of its tensors that depend on the picture."""
    holes: dict[int, int] = {}

    def hole(tensor: torch.Tensor) -> torch.Tensor:
        if not tensor.requires_grad:
            return tensor
        made = tensor.detach()
        holes[id(made)] = len(holes)
        return made

    args, kwargs = map_tensors((call.args, dict(call.kwargs)), hole)

    def function(*inputs: torch.Tensor) -> torch.Tensor:
        def filled(tensor: torch.Tensor) -> torch.Tensor:
            # A clone, because the function may work in place.
            return inputs[holes[id(tensor)]].clone() if id(tensor) in holes else tensor

        given, named = map_tensors((args, kwargs), filled)
        found: torch.Tensor = call.function(*given, **named)
        return found

    return function


@dataclass(frozen=True, eq=False)
class _Made:
    """What a convolution gave, or the batch norm after it, who read it, and how it was called."""

    tensor: torch.Tensor
    readers: list[str]
    number: int
    call: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)


class _Folding(TorchFunctionMode):
    """Lets a convolution and the batch norm that alone reads it be one convolution.

    Otherwise relevance is shared out between a convolution's output and the constant of its batch norm,
    which may nearly cancel.

    Attributes:
        rectified: whether only ReLUs read the convolution that is being called.
    """

    def __init__(self, probe: Probe) -> None:
        super().__init__()
        self.rectified = False
        self._readers: list[list[str]] = []
        self._normed: list[list[str]] = []
        self._made: dict[int, _Made] = {}
        self._next = 0
        self._scouting = True
        with torch.no_grad(), self:
            probe.run(probe.inputs.clone())
        self._scouting = False

    def __enter__(self) -> _Folding:
        self._next = 0
        self._made = {}
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func.__name__ in CONVOLUTIONS:
            return self._scout(func, args, kwargs) if self._scouting else self._convolve(func, args, kwargs)
        if func is F.batch_norm and not self._scouting:
            return self._normalise(*args, **kwargs)
        found = func(*args, **kwargs)
        if self._scouting and isinstance(found, torch.Tensor):
            self._read(func, args, kwargs, found)
        return found

    def _scout(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        found = func(*args, **kwargs)
        self._read(func, args, kwargs, found)
        self._readers.append([])
        self._normed.append([])
        self._made[id(found)] = _Made(found, self._readers[-1], len(self._readers) - 1)
        return found

    def _read(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], found: torch.Tensor) -> None:
        """Remember which convolutions, or batch norms of one, a function reads."""
        for tensor in tensors_in((args, kwargs)):
            made = self._made.get(id(tensor))
            if made is None:
                continue
            norm = func is F.batch_norm and not kwargs.get("training")
            relu = Call(func.__name__.strip("_"), func, args, kwargs, (tensor,), "").relu is not None
            made.readers.append("norm" if norm else "relu" if relu else "")
            if found is tensor:  # written over: from here on it is something else
                del self._made[id(tensor)]
            elif norm and made.readers is self._readers[made.number]:
                self._made[id(found)] = _Made(found, self._normed[made.number], made.number)

    def _convolve(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        number, self._next = self._next, self._next + 1
        readers = self._readers[number]
        if readers == ["norm"]:
            with torch.no_grad():
                found = func(*args, **kwargs)
            self._made[id(found)] = _Made(found, readers, number, (func, *args), kwargs)
            return found
        self.rectified = {*readers} == {"relu"}
        return func(*args, **kwargs)

    def _normalise(self, values: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        made = self._made.get(id(values))
        if made is None:
            return F.batch_norm(values, *args, **kwargs)
        self.rectified = {*self._normed[made.number]} == {"relu"}
        (func, inputs, weight, *rest), named = made.call, dict(made.kwargs)
        bias = rest.pop(0) if rest else named.pop("bias", None)
        scale, shift = _line(*args, **kwargs)
        weight = weight * scale.view(-1, *[1] * (weight.dim() - 1))
        return func(inputs, weight, shift if bias is None else shift + bias * scale, *rest, **named)


def _line(
    mean: torch.Tensor,
    var: torch.Tensor,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what a batch norm with fixed statistics multiplies by, and what it adds."""
    scale = (var + eps).rsqrt() * (1 if weight is None else weight)
    return scale, (0 if bias is None else bias) - mean * scale
