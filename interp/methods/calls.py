"""The network as a module whose parts are the calls it makes.

DeepLift, guided backprop and layer-wise relevance propagation change what goes backward through single
operations, and Captum changes it with hooks on modules. Hooks miss what a network computes with functions,
confuse the calls of a module that is used twice, and see the gradient of everybody who reads a tensor, not
of one reader. So here a pass is watched function by function: every call of interest runs in a module of its
own, on a clone of its input. The network itself is neither hooked nor changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import BackwardCFunction
from torch.nn.modules._functions import BackwardHookFunction
from torch.overrides import TorchFunctionMode

from interp.capture.structure import tensors_in
from interp.methods.perturbing import depending
from interp.methods.probe import Probe
from interp.methods.spelling import MethodError
from interp.precision import in_full

Function = Callable[..., Any]

# Functions of one tensor that act on each value alone, out of place.
_POINTWISE: dict[str, Function] = {
    **{
        function.__name__: function
        for function in (
            *(F.relu, F.relu6, F.hardtanh, F.threshold, F.leaky_relu, F.prelu, F.elu, F.selu, F.celu, F.silu),
            *(F.gelu, F.mish, F.softplus, F.softsign, F.hardswish, F.hardsigmoid, F.logsigmoid),
            *(torch.sigmoid, torch.tanh, torch.clamp, torch.clip, torch.clamp_min, torch.clamp_max),
        )
    },
    "threshold": F.threshold,
}
ACTIVATIONS = frozenset(_POINTWISE)
_PERHAPS_RELU = {"relu", "relu6", "hardtanh", "threshold", "clamp", "clip", "clamp_min"}

# Functions that hand values on, and those that are linear, but for a constant, in every tensor they read.
_MOVES = """
    view reshape flatten unflatten permute transpose movedim swapaxes t contiguous clone cat concat stack
    chunk split tensor_split getitem squeeze unsqueeze expand expand_as repeat repeat_interleave narrow select
    index_select unbind pad roll flip pixel_shuffle pixel_unshuffle channel_shuffle get to float double half
    bfloat16 type type_as dropout dropout1d dropout2d dropout3d alpha_dropout feature_dropout view_as
    reshape_as unfold
"""
MOVES = frozenset(_MOVES.split())
CONVOLUTIONS = {"conv1d", "conv2d", "conv3d", "linear"}
_LINEAR = """
    conv_transpose1d conv_transpose2d conv_transpose3d batch_norm avg_pool1d avg_pool2d avg_pool3d
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d mean sum interpolate add sub rsub radd
    subtract neg upsample upsample_bilinear2d upsample_nearest2d
"""
LINEAR = CONVOLUTIONS | {*_LINEAR.split()}
_PRODUCTS = {"mul", "rmul", "multiply", "matmul", "bmm", "mm", "einsum", "div", "divide", "true_divide"}


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a function on tensors that depend on the picture.

    Attributes:
        name: of the function, without underscores.
        function: itself.
        args: what it was called with.
        kwargs: what it was called with by name.
        inputs: those of its tensors that depend on the picture.
        where: name of the layer that made the call.
    """

    name: str
    function: Function = field(repr=False)
    args: tuple[Any, ...] = field(repr=False)
    kwargs: Mapping[str, Any] = field(repr=False)
    inputs: tuple[torch.Tensor, ...] = field(repr=False)
    where: str

    @property
    def first(self) -> Any:
        """The first argument, which an operation in place writes to."""
        return self.args[0] if self.args else next(iter(self.kwargs.values()))

    @property
    def in_place(self) -> bool:
        """Whether the result is written over the first input."""
        own = self.function.__name__
        return bool(self.kwargs.get("inplace")) or (own.endswith("_") and not own.endswith("__"))

    @property
    def pointwise(self) -> Function | None:
        """What the call does with its one input, out of place, if it acts on each value alone."""
        if self.name not in _POINTWISE or len(self.inputs) != 1 or self.inputs[0] is not self.first:
            return None
        function, rest = _POINTWISE[self.name], self.args[1:]
        named = {k: v for k, v in self.kwargs.items() if k not in ("inplace", "input", "self")}
        return lambda values: function(values, *rest, **named)

    @property
    def relu(self) -> Function | None:
        """The same for a ReLU, however it is written, capped from above or not."""
        function = self.pointwise if self.name in _PERHAPS_RELU else None
        if function is None or len([*tensors_in((self.args, dict(self.kwargs)))]) > 1:
            return None
        values = torch.tensor([-2.0, -0.5, 0.0, 0.5])
        return function if torch.equal(function(values), values.clamp(min=0)) else None

    @property
    def linear(self) -> bool:
        """Whether the call is linear, but for a constant, in what depends on the picture."""
        if self.name in MOVES or self.name in LINEAR:
            return True
        if self.name not in _PRODUCTS or len(self.inputs) != 1:
            return False
        return "div" not in self.name or self.inputs[0] is self.first  # not the denominator


@dataclass(frozen=True, eq=False)
class Stand:
    """What stands for a call.

    Attributes:
        module: runs instead, on clones of the call's inputs.
        arrange: what is done to the input first.
    """

    module: nn.Module
    arrange: Function | None = None


Plan = Callable[[Call], Stand | None]


class Calls(nn.Module):
    """The target's score for each picture of a batch, by a network whose calls are sub-modules.

    Attributes:
        own: names of the `torch.autograd.Function`s that the network brings: what they compute is not seen.
        uncovered: functions that are not linear and for which nothing stands, with the first layer of each;
            also those of `own`, without a layer.

    Args:
        probe: whose network, picture and target; one pass over its picture finds the calls.
        plan: says what stands for a call, or None where it stays as it is.
        target: a module to ask instead of the probe's target, itself one of the calls.
        rewriting: a mode that rewrites calls before they are watched.

    Raises:
        MethodError: the network gives something else when it is watched.
    """

    def __init__(
        self,
        probe: Probe,
        plan: Plan,
        target: nn.Module | None = None,
        rewriting: TorchFunctionMode | None = None,
    ) -> None:
        super().__init__()
        self._probe = probe
        self._plan = plan
        self._rewriting = nullcontext() if rewriting is None else rewriting
        self.target = target
        self.uncovered: dict[str, str] = {}
        self._stands: list[tuple[str, Stand | None]] = []
        self._next = 0
        self._tracing = True
        self._layers: list[str] = []
        with _layers(probe.module, self._layers):
            score = self(in_full(probe.inputs).clone().requires_grad_())
        self._tracing = False
        self.own = frozenset(_own_functions(score))
        self.uncovered |= dict.fromkeys(_own_functions(score), "")
        score = score.detach()
        wanted = in_full(probe.ask(probe.output))
        slack = max(1e-4, 16 * torch.finfo(probe.output.dtype).eps) * float(probe.output.abs().max())
        if not torch.allclose(score, wanted, rtol=1e-3, atol=slack, equal_nan=True):
            raise MethodError(
                "this network gives something else when its operations are watched one by one, so what "
                "goes backward through them cannot be changed. Take integrated-gradients."
            )

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the target's score of each input, `(N,)`."""
        self._next = 0
        with _Watching(self), self._rewriting:
            output = self._probe.run(inputs.to(self._probe.inputs.dtype).clone())
            score = self._probe.ask(output) if self.target is None else None
        if score is None:
            assert self.target is not None
            score = self.target(output.clone())
        return depending(in_full(score), self._probe)

    def run(self, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Return what a call gives, by what stands for it."""
        inputs = tuple(t for t in tensors_in((args, dict(kwargs))) if t.requires_grad)
        if not inputs or not torch.is_grad_enabled():
            return function(*args, **kwargs)
        where = self._layers[-1] if self._layers else ""
        call = Call(function.__name__.strip("_"), function, args, kwargs, inputs, where)
        stand = self._stand(call)
        if stand is None:
            found = function(*args, **kwargs)
        else:
            # Clones, so that a hook on the input sees the gradient of this call only, and that nothing which
            # is done to the input afterwards is done to what the call has kept.
            clones = [t.clone() if stand.arrange is None else stand.arrange(t) for t in inputs]
            found = stand.module(*clones)
            found = call.first.copy_(found) if call.in_place else found
        unknown = stand is None and self._tracing and not call.linear
        if unknown and any(t.requires_grad for t in tensors_in(found)):
            self.uncovered.setdefault(call.name, where)
        return found

    def _stand(self, call: Call) -> Stand | None:
        if self._tracing:
            stand = self._plan(call)
            if stand is not None:
                self.add_module(f"call{len(self._stands)}", stand.module)
            self._stands.append((call.name, stand))
            return stand
        if self._next >= len(self._stands) or self._stands[self._next][0] != call.name:
            raise MethodError(
                "this network computes another way from pass to pass, so its operations cannot be told "
                "apart. Take integrated-gradients."
            )
        self._next += 1
        return self._stands[self._next - 1][1]


class _Watching(TorchFunctionMode):
    def __init__(self, calls: Calls) -> None:
        super().__init__()
        self._calls = calls

    def __torch_function__(
        self, func: Function, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return self._calls.run(func, args, kwargs or {})


def _own_functions(score: torch.Tensor) -> list[str]:
    """Return the names of all `torch.autograd.Function`s in a graph but torch's own for hooks on modules."""
    pending, seen, found = [score.grad_fn], set[Any](), dict[str, None]()
    while pending:
        node = pending.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        pending += [each for each, _ in node.next_functions]
        own = isinstance(node, BackwardCFunction)
        if own and getattr(node, "_forward_cls", None) is not BackwardHookFunction:
            found[type(node).__name__.removesuffix("Backward")] = None
    return list(reversed(found))  # the first in the network first


def shell(kind: type[nn.Module], function: Function) -> nn.Module:
    """Return a module of a type that Captum has a rule for, which computes `function`."""
    made = kind()
    made.forward = function
    return made


@contextmanager
def _layers(module: nn.Module, stack: list[str]) -> Iterator[None]:
    """Keep the names of the layers that are running in `stack` while the body runs."""
    with ExitStack() as hooks:
        for name, part in module.named_modules():
            before = part.register_forward_pre_hook(lambda *_, name=name: stack.append(name), prepend=True)
            after = part.register_forward_hook(lambda *_: _pop(stack), always_call=True)
            hooks.callback(before.remove)
            hooks.callback(after.remove)
        yield


def _pop(stack: list[str]) -> None:
    stack.pop()
