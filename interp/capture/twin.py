"""Private copies of a network that share its weights.

An explanation hooks, patches and differentiates the network. All of that happens on a twin, so the
user's module keeps its modes, flags, hooks, gradients and modules whatever happens, frozen models just
work, and two threads never meet on one module.
"""

from __future__ import annotations

import copy
import dis
import functools
import types
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from interp.capture.structure import CaptureError

POOL_SIZE = 8


def twin(module: nn.Module) -> nn.Module:
    """Return a private copy of `module` in eval mode that shares the memory of its weights.

    Every parameter and buffer of the copy is a frozen, detached alias: no memory is taken for weights,
    and weights that go on training are seen. Backward hooks are dropped; forward hooks stay, because
    networks such as fastai's `DynamicUnet` compute with them. In-place activations stay as they are: a
    network may compute with what they overwrite, and they are faster.

    Raises:
        CaptureError: the module cannot be copied (TorchScript, quantised or lazy modules, functions
            that close over a module, attributes that do not copy).

    Example:
        >>> private = twin(torchvision.models.resnet18())
        >>> private.training, private.conv1.weight.requires_grad
        (False, False)
    """
    _refuse_uncopyable(module)
    with torch.inference_mode(False), _AliasTensors():
        memo: dict[int, Any] = {
            id(parameter): nn.Parameter(_alias(parameter), requires_grad=False)
            for parameter in module.parameters()
        }
        try:
            private = copy.deepcopy(module, memo)
        except Exception as error:
            raise CaptureError(
                f"{type(module).__name__} cannot be copied for a private run ({type(error).__name__}: "
                f"{error}). Keep locks, files and generators out of the module's attributes."
            ) from error
    for part in private.modules():
        part._backward_hooks.clear()
        part._backward_pre_hooks.clear()
    _refuse_leaks(module, private)
    return private.eval()


class TwinPool:
    """Twins of one module, each lent to one user at a time; made again when the module has changed.

    Args:
        module: the user's.
        prepare: is given every twin that is made.

    Example:
        >>> pool = TwinPool(module)
        >>> with pool.lend() as private:
        ...     output = private(images)
    """

    def __init__(self, module: nn.Module, prepare: Callable[[nn.Module], None] | None = None) -> None:
        self._module = module
        self._prepare = prepare
        self._idle: deque[tuple[_Copied, nn.Module]] = deque(maxlen=POOL_SIZE)

    @contextmanager
    def lend(self) -> Iterator[nn.Module]:
        """Yield a twin that nobody else has; after an exception it is thrown away, not lent again."""
        copied, private = self._take()
        yield private
        self._idle.append((copied, private))

    def _take(self) -> tuple[_Copied, nn.Module]:
        while True:
            try:
                copied, private = self._idle.pop()
            except IndexError:
                # Noted before the copy is made: a change meanwhile is then seen as one.
                copied, private = _Copied(self._module), twin(self._module)
                if self._prepare is not None:
                    self._prepare(private)
                return copied, private
            if copied.still_holds():
                return copied, private


class _Copied:
    """What a twin copies instead of sharing it: modules, hooks, attributes, and where weights lie.

    Asked before every run, so it compares dictionaries whole, which Python does at the speed of C. Whether
    a module is in training mode does not count, as a twin never is.
    """

    def __init__(self, module: nn.Module) -> None:
        live = [
            part_of
            for part in module.modules()
            for part_of in (vars(part), part._modules, part._parameters, part._buffers, *_hooks(part))
        ]
        # Most are empty, and that they still are is seen fastest.
        self._empty = [one for one in live if not one]
        self._now = [one for one in live if one]
        self._then = [dict(one) for one in self._now]
        tensors = {id(t): t for noted in self._then for t in noted.values() if isinstance(t, torch.Tensor)}
        self._tensors = list(tensors.values())
        self._places = self._look()

    def still_holds(self) -> bool:
        """Whether the module is still what was copied."""
        try:
            same = not any(self._empty) and self._look() == self._places
            return same and (self._now == self._then or self._only_modes_differ())
        except Exception:  # attributes that cannot be compared have been replaced
            return False

    def _look(self) -> list[tuple[object, ...]]:
        # The twin keeps the old memory alive, so other weights are never found at the same address.
        return [(tensor.data_ptr(), tensor.shape, tensor.stride()) for tensor in self._tensors]

    def _only_modes_differ(self) -> bool:
        pairs = zip(self._now, self._then, strict=True)
        return all(now == then or _same_but_mode(now, then) for now, then in pairs)


def _hooks(part: nn.Module) -> tuple[dict[int, Any], dict[int, Any]]:
    return part._forward_hooks, part._forward_pre_hooks


def _same_but_mode(now: dict[Any, Any], then: dict[Any, Any]) -> bool:
    return "training" in now and {**now, "training": None} == {**then, "training": None}


class _AliasTensors(TorchFunctionMode):
    """While active, `copy.deepcopy` of a tensor gives a detached alias of the same memory.

    This reaches what no walk over parameters does: non-leaf tensors kept by old-style weight norm or by
    the hooks of a U-Net, which PyTorch refuses to copy.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func is torch.Tensor.__deepcopy__:
            tensor, memo = args
            return memo.setdefault(id(tensor), _alias(tensor))
        return func(*args, **(kwargs or {}))


def _alias(tensor: torch.Tensor) -> torch.Tensor:
    # Autograd cannot save a tensor made in inference mode, so such weights alone are copied.
    return tensor.clone() if tensor.is_inference() else tensor.detach()


def _refuse_uncopyable(module: nn.Module) -> None:
    for name, part in module.named_modules():
        where = f"layer {name!r} ({type(part).__name__})" if name else type(part).__name__
        if isinstance(part, torch.jit.ScriptModule):
            raise CaptureError(
                f"{where} is a TorchScript module, whose layers cannot be hooked. "
                "Load the Python model that it was compiled from."
            )
        if type(part).__module__.startswith("torch.") and "quantized" in type(part).__module__:
            raise CaptureError(
                f"{where} is quantised and has no gradients. Explain the float model it was made from."
            )
        if any(nn.parameter.is_lazy(p) for p in part._parameters.values() if p is not None):
            raise CaptureError(f"{where} has no weights yet. Run the model once on a real input.")


def _refuse_leaks(module: nn.Module, private: nn.Module) -> None:
    """Refuse functions inside the twin that still hold a module or weight of the original."""
    originals = {id(part) for part in module.modules()} | {id(p) for p in module.parameters()}
    for name, part in private.named_modules():
        held = [*vars(part).values(), *part._forward_hooks.values()]
        held.extend(part._forward_pre_hooks.values())
        for value in held:
            if _closes_over(value, originals, depth=4):
                where = f"layer {name!r}" if name else type(private).__name__
                raise CaptureError(
                    f"{where} keeps a function that closes over a module of the model, so a private copy "
                    "would still run the original. Make it a method or a sub-module."
                )


def _closes_over(value: Any, originals: set[int], depth: int) -> bool:
    if id(value) in originals:
        return True
    if depth == 0:
        return False
    inner: list[Any] = []
    if isinstance(value, types.FunctionType):
        inner += [cell.cell_contents for cell in value.__closure__ or () if _filled(cell)]
        inner += value.__defaults__ or ()
        inner += [value.__globals__.get(name) for name in _globals_read(value)]
    elif isinstance(value, types.MethodType):
        inner += [value.__func__, value.__self__]
    elif isinstance(value, functools.partial):
        inner += [value.func, *value.args, *value.keywords.values()]
    elif isinstance(value, (list, tuple)):
        inner += value
    elif isinstance(value, dict):
        inner += value.values()
    return any(_closes_over(item, originals, depth - 1) for item in inner)


def _globals_read(function: types.FunctionType) -> set[str]:
    return {i.argval for i in dis.get_instructions(function) if i.opname == "LOAD_GLOBAL"}


def _filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - an empty cell raises
    except ValueError:
        return False
    return True
