"""Run only what comes after a layer, again and again, on changed activations.

One pass remembers the output of every maximal module that finished before the layer began. A replay runs
the network's own forward code, but those modules and the layer return at once what is remembered or
changed. Residuals, skips and arbitrary Python need no tracing.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from interp.capture.structure import (
    CaptureError,
    map_tensors,
    split_call,
    submodule,
    tensors_in,
)

Forward = Callable[..., Any]


@dataclass(eq=False)
class _Call:
    """One call of a module during the remembered pass."""

    module: nn.Module
    number: int
    parent: _Call | None
    children: list[_Call] = field(default_factory=list)
    hooked: list[_Call] = field(default_factory=list)
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    output: Any = None
    versions: tuple[int, ...] = ()
    finished: bool = False
    cloned: bool = False

    @property
    def key(self) -> tuple[int, int]:
        return id(self.module), self.number

    def finish(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any, *, clone: bool) -> None:
        # Tensors made in inference mode do not tell whether they were overwritten.
        clone = clone or any(tensor.is_inference() for tensor in tensors_in(output))
        self.finished, self.cloned = True, clone
        self.output = map_tensors(output, torch.clone) if clone else output
        self.versions = () if clone else _versions(output)
        # Hooks inside a call that a replay skips must still fire: a U-Net's skips live in them.
        for child in self.children:
            self.hooked += [*child.hooked, child] if child.module._forward_hooks else child.hooked
        if self.module._forward_hooks:
            self.args, self.kwargs = args, kwargs
        self.children = []

    def overwritten(self) -> bool:
        return not self.cloned and _versions(self.output) != self.versions


def _versions(output: Any) -> tuple[int, ...]:
    return tuple(tensor._version for tensor in tensors_in(output))


class Replay:
    """The part of a network after one layer, for one batch of inputs; made by `replay`.

    Attributes:
        activation: what the layer gave in the remembered pass, `(N, ...)`.
        output: what the network gave in the remembered pass.
    """

    def __init__(
        self,
        module: nn.Module,
        layer: str,
        inputs: tuple[torch.Tensor, ...],
        steps: list[_Call],
        output: Any,
        *,
        writes_inputs: bool,
    ) -> None:
        self._module = module
        self._layer = layer
        self._inputs = inputs
        self._steps = steps
        self._writes_inputs = writes_inputs
        self.activation: torch.Tensor = steps[-1].output
        self.output = output

    def __call__(self, activation: torch.Tensor) -> Any:
        """Return the network's output with the layer's activation replaced.

        Args:
            activation: `(N * K, ...)`, K changed versions for each of the N inputs, picture by picture.

        Raises:
            CaptureError: the batch is not a multiple of the inputs'.
        """
        return self._run(activation, handed=[])

    def _run(self, activation: torch.Tensor, handed: list[tuple[_Call, torch.Tensor]]) -> Any:
        """Replay, and note in `handed` the clones that were handed out, of which calls."""
        pictures = self._inputs[0].shape[0]
        copies, rest = divmod(activation.shape[0], pictures)
        if rest or not copies:
            raise CaptureError(
                f"{activation.shape[0]} activations for {pictures} inputs: give a multiple, K for each."
            )
        inputs = [_expand(x, pictures, copies) for x in self._inputs]
        if self._writes_inputs:
            inputs = [x.clone() for x in inputs]
        with torch.inference_mode(False), self._skipping(activation, pictures, copies, handed):
            return self._module(*inputs)

    @contextmanager
    def _skipping(
        self,
        activation: torch.Tensor,
        pictures: int,
        copies: int,
        handed: list[tuple[_Call, torch.Tensor]],
    ) -> Iterator[None]:
        decisions: dict[nn.Module, deque[_Call | None]] = defaultdict(deque)
        for step in self._steps:
            decisions[step.module].append(step if step.finished else None)
        layer = self._steps[-1]

        def safe(call: _Call, tensor: torch.Tensor) -> torch.Tensor:
            if not call.cloned:
                return tensor
            handed.append((call, tensor.clone()))
            return handed[-1][1]

        def expanded(call: _Call) -> Any:
            return map_tensors(call.output, lambda t: safe(call, _expand(t, pictures, copies)))

        def remembered(call: _Call) -> Any:
            for inner in call.hooked:
                arguments = map_tensors(inner.args, lambda t: _expand(t, pictures, copies))
                named = map_tensors(inner.kwargs, lambda t: _expand(t, pictures, copies))
                output = expanded(inner)
                with _patched({inner.module: lambda _run, *_args, output=output, **_kwargs: output}):
                    inner.module(*arguments, **named)
            if call is layer:
                return safe(call, activation)
            return expanded(call)

        def wrapper(queue: deque[_Call | None]) -> Forward:
            def forward(run: Forward, *args: Any, **kwargs: Any) -> Any:
                call = queue.popleft() if queue else None
                return run(*args, **kwargs) if call is None else remembered(call)

            return forward

        with _patched({module: wrapper(queue) for module, queue in decisions.items()}):
            yield


def replay(module: nn.Module, layer: str, *inputs: torch.Tensor, verify: bool = True) -> Replay:
    """Run `module` once on `inputs` and remember all that `layer` does not change.

    Args:
        module: a `twin` (its modules are patched while a replay runs, and put back).
        layer: a name as in `named_modules()`, `name@call` for one call of a reused module.
        *inputs: what the module is called with, each `(N, ...)`.
        verify: replay the unchanged activation twice over and compare with the remembered pass. It finds
            networks that keep state between their calls where no hook shows it.

    Raises:
        CaptureError: no such layer, it did not run, or it cannot be replayed.

    Example:
        >>> tail = replay(private, "layer4", images)
        >>> tail(tail.activation).equal(tail.output)
        True
    """
    with torch.inference_mode(False), torch.no_grad():
        inputs = tuple(x.clone() for x in inputs)  # the caller's may change, or be of inference mode
        made = _remember(module, layer, inputs, clones=set())
        overwritten = {call.key for call in _kept(made._steps) if call.overwritten()}
        if overwritten and not (verify and _nobody_reads(made)):
            made = _remember(module, layer, inputs, clones=overwritten)
        if not isinstance(made.activation, torch.Tensor):
            raise CaptureError(
                f"layer {layer!r} returns a {type(made.activation).__name__}, not one tensor; "
                "choose a layer inside it."
            )
        if verify:
            _keep_cloning(made, _verify(made))
    return made


def _nobody_reads(made: Replay) -> bool:
    """Whether no operation of a replay reads or writes what was overwritten since it was remembered.

    Mostly that is what an in-place activation has overwritten, which is skipped too. Then a second pass, only
    to keep clones, is saved. The operations are watched: the output may be the same by chance, as behind a
    gate that is shut for this picture.
    """
    if not isinstance(made.activation, torch.Tensor) or made._steps[-1].overwritten():
        return False
    for call in _kept(made._steps):
        call.cloned = call.cloned or call.overwritten()
    watch = _Watch()
    try:
        with watch:
            made._run(made.activation.repeat_interleave(2, 0), watch.handed)
    except Exception:  # of the network's own code; the pass with clones says what is wrong
        return False
    for call in _kept(made._steps):
        call.cloned = False
    return not watch.touched


class _Watch(TorchDispatchMode):
    """Notes whether any operation is given one of the tensors that were handed out."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.handed: list[tuple[_Call, torch.Tensor]] = []
        self.touched = False

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if self.handed and not self.touched:
            # They are all alive, so no other tensor lies where one of them does.
            given = {_memory(tensor) for tensor in tensors_in((args, kwargs or {}))}
            self.touched = any(_memory(clone) in given for _, clone in self.handed)
        return func(*args, **(kwargs or {}))


def _memory(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _verify(made: Replay) -> list[tuple[_Call, torch.Tensor]]:
    """Replay twice over what was remembered, compare, and return the clones that were handed out."""
    pictures = made._inputs[0].shape[0]
    handed: list[tuple[_Call, torch.Tensor]] = []
    try:
        again = list(tensors_in(made._run(made.activation.repeat_interleave(2, 0), handed)))
        output = list(tensors_in(made.output))
        same = len(again) == len(output) and all(
            _close(new, _expand(old, pictures, 2)) for new, old in zip(again, output, strict=True)
        )
    except Exception as error:  # whatever the network's own code raises when its state is missing
        raise CaptureError(f"layer {made._layer!r} cannot be replayed: {error}") from error
    if not same:
        raise CaptureError(
            f"layer {made._layer!r} cannot be replayed: the network keeps state between its modules that "
            "no hook or return value shows. Run it in full instead."
        )
    return handed


def _keep_cloning(made: Replay, handed: list[tuple[_Call, torch.Tensor]]) -> None:
    """Let only those calls go on handing out clones whose clone a replay wrote to.

    Most in-place operations before the layer are themselves skipped, and cloning for them what is expanded
    to a large batch would cost more than the replay.
    """
    written = {call for call, clone in handed if clone.is_inference() or clone._version}
    for call in _kept(made._steps):
        call.cloned = call in written


def _close(new: torch.Tensor, old: torch.Tensor) -> bool:
    if new.shape != old.shape:
        return False
    if not old.is_floating_point():
        return bool((new == old).all())
    # Kernels differ with the batch size, so a larger batch is close, not equal.
    tolerance = max(1e-3, 8 * torch.finfo(old.dtype).eps) * float(old.abs().max())
    return bool(torch.allclose(new, old, rtol=0, atol=tolerance, equal_nan=True))


def _remember(
    module: nn.Module, layer: str, inputs: tuple[torch.Tensor, ...], clones: set[tuple[int, int]]
) -> Replay:
    name, wanted = split_call(layer)
    target = submodule(module, name)
    counts: dict[nn.Module, int] = defaultdict(int)
    stack: list[_Call] = []
    # The last |wanted| calls, counted from the end; otherwise the one that is wanted.
    begun: deque[list[_Call]] = deque(maxlen=max(1, -wanted))

    def forward(part: nn.Module, run: Forward, *args: Any, **kwargs: Any) -> Any:
        call = _Call(part, counts[part], stack[-1] if stack else None)
        counts[part] += 1
        if part is target and (wanted < 0 or wanted == call.number):
            begun.append([*_finished_before(stack), call])
        stack.append(call)
        try:
            output = run(*args, **kwargs)
        finally:
            stack.pop()
        call.finish(args, kwargs, output, clone=call.key in clones)
        if call.parent is not None:
            call.parent.children.append(call)
        return output

    def watching(part: nn.Module) -> Forward:
        return lambda run, *args, **kwargs: forward(part, run, *args, **kwargs)

    given = [x.clone() for x in inputs]
    with _patched({part: watching(part) for part in module.modules()}):
        output = module(*given)
    if len(begun) < max(1, -wanted):
        raise CaptureError(
            f"layer {layer!r} did not run in this forward pass (it ran {counts[target]} times)."
        )
    written = any(x._version for x in given)
    return Replay(module, layer, inputs, begun[0], output, writes_inputs=written)


def _finished_before(stack: list[_Call]) -> Iterator[_Call]:
    """Yield, in order, the calls that a replay meets before the layer: finished ones and open ones."""
    for call in stack:
        yield _Call(call.module, call.number, None)
        yield from call.children


def _kept(steps: list[_Call]) -> Iterator[_Call]:
    for step in steps:
        yield step
        yield from step.hooked


def _expand(tensor: torch.Tensor, pictures: int, copies: int) -> torch.Tensor:
    """Repeat each picture's part of a batch `copies` times; without a copy for a single picture."""
    if copies == 1 or tensor.dim() == 0 or tensor.shape[0] % pictures:
        return tensor
    parts = tensor.reshape(pictures, 1, -1, *tensor.shape[1:])
    return parts.expand(-1, copies, *parts.shape[2:]).reshape(-1, *tensor.shape[1:])


@contextmanager
def _patched(forwards: Mapping[nn.Module, Forward]) -> Iterator[None]:
    """Let `forwards[module](original, *args)` stand in for the module's forward while the body runs."""
    with ExitStack() as stack:
        for module, forward in forwards.items():
            own = vars(module).get("forward")
            run = module.forward
            module.forward = lambda *args, run=run, forward=forward, **kwargs: forward(run, *args, **kwargs)
            if own is None:
                stack.callback(vars(module).pop, "forward")
            else:
                stack.callback(vars(module).__setitem__, "forward", own)
        yield
