import gc
import weakref

import pytest
import torch
from networks import (
    DYNAMIC_UNETS,
    REPLAYABLE,
    Beside,
    Classifier,
    Container,
    NoGradInside,
    Reused,
    SmpLike,
    UNet,
    calls_of,
    dynamic_unet,
    flat,
    footprint,
    pictures,
    seeded,
)
from torch import nn

from interp.capture import CaptureError, record, replay, twin

ALL = {**REPLAYABLE, **{f"DynamicUnet, {key}": (build, 32) for key, build in DYNAMIC_UNETS.items()}}
HEAVY = {"googlenet", "mobilenet_v2", "resnet18", "DynamicUnet, attention", "DynamicUnet, weight norm"}
NAMES = [pytest.param(key, marks=pytest.mark.slow) if key in HEAVY else key for key in ALL]


def equal(a, b) -> bool:
    return all(torch.equal(x, y) for x, y in zip(flat(a), flat(b), strict=True))


def close(a, b) -> bool:
    return all(
        torch.allclose(x, y, rtol=1e-4, atol=1e-4 * float(y.abs().max()))
        for x, y in zip(flat(a), flat(b), strict=True)
    )


def single_tensor_calls(model: nn.Module, x: torch.Tensor) -> list[tuple[str, int]]:
    """Return every call of every layer that gives one tensor."""
    found = []
    containers = {"encoder"}  # of SmpLike, a list of feature maps
    for name, calls in calls_of(model, x).items():
        if name not in containers:
            found += [(name, call) for call in range(len(calls))]
    return found


def substituted(model: nn.Module, layer: str, call: int, activation: torch.Tensor, x: torch.Tensor):
    """The full pass, with a plain hook that puts the activation in the layer's place."""
    counter = iter(range(1000))

    def hook(_module, _args, _output):
        return activation.clone() if next(counter) == call else None

    handle = model.get_submodule(layer).register_forward_hook(hook, prepend=True)
    try:
        with torch.no_grad():
            return model(x)
    finally:
        handle.remove()


# ---- right ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_call_of_every_layer_equals_the_full_pass(name) -> None:
    """Unchanged to the last bit, three times over; changed, for several inputs, as a full pass would."""
    build, side = ALL[name]
    x = pictures(2, side)
    private, reference = twin(build()), build()
    with torch.no_grad():
        full = [t.clone() for t in flat(private(x))]
    assert equal(full, reference(x))
    layers = single_tensor_calls(reference, x)
    assert len(layers) >= 5
    for layer, call in layers:
        tail = replay(private, f"{layer}@{call}", x, verify=False)
        assert equal(tail.output, full), (layer, call)
        for _ in range(2):
            assert equal(tail(tail.activation), full), (layer, call)

    noise = torch.Generator().manual_seed(1)
    for layer, call in layers[:: max(1, len(layers) // 25)]:
        tail = replay(private, f"{layer}@{call}", x)
        shape = (6, *tail.activation.shape[1:])
        changed = tail.activation.repeat_interleave(3, 0) * torch.rand(shape, generator=noise)
        kept = changed.clone()
        want = substituted(reference, layer, call, changed, x.repeat_interleave(3, 0))
        assert close(tail(changed), want), (layer, call)
        assert torch.equal(changed, kept), (layer, call)
        assert equal(tail(tail.activation), full), (layer, call)


def test_the_encoder_of_a_dynamic_unet_as_a_whole() -> None:
    """Hooks inside the replaced layer hand on its skips; they must fire, with the expanded batch."""
    build = DYNAMIC_UNETS["plain"]
    private, reference = twin(build()), build()
    x = pictures(2, 32)
    tail = replay(private, "layers.0", x)
    changed = tail.activation.repeat_interleave(4, 0) * torch.linspace(0, 2, 8)[:, None, None, None]

    assert equal(tail(tail.activation), tail.output)
    assert close(tail(changed), substituted(reference, "layers.0", 0, changed, x.repeat_interleave(4, 0)))
    skips = [hook.stored for block in private.layers for hook in [getattr(block, "hook", None)] if hook]
    assert skips
    assert all(stored.shape[0] == 8 for stored in skips)


@pytest.mark.slow
def test_a_real_dynamic_unet() -> None:
    build = seeded(dynamic_unet)
    private = twin(build())
    x = pictures(1, 64)
    for layer in ("layers.0", "layers.0.5", "layers.3", "layers.4"):
        tail = replay(private, layer, x)
        assert equal(tail(tail.activation), private(x))


def test_hooks_inside_the_layer_fire_once_with_the_expanded_batch() -> None:
    fired: list[tuple[int, dict[str, int]]] = []

    class Inner(nn.Module):
        def forward(self, x, *, times):
            return x * times

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Inner()

        def forward(self, x):
            return self.inner(x, times=2)

    model = nn.Sequential(nn.Conv2d(3, 4, 1), Block(), nn.Conv2d(4, 2, 1))
    model[1].inner.register_forward_hook(
        lambda _m, args, kwargs, output: fired.append((args[0].shape[0], output.shape[0], kwargs)),
        with_kwargs=True,
    )
    private = twin(model)
    tail = replay(private, "1", pictures(2, 4), verify=False)
    fired.clear()
    tail(tail.activation.repeat_interleave(5, 0))

    assert fired == [(10, 10, {"times": 2})]


@pytest.mark.parametrize("layer", ["down2", "bottom", "up2", "bottom.1"])
def test_the_gradient_through_a_replay(layer) -> None:
    private = twin(seeded(UNet)())
    x = pictures(2, 16)
    with record(private, [layer], gradients=True) as recording:
        score = private(x)[:, 1].sum()
    expected = recording.gradients(score)[layer]
    tail = replay(private, layer, x)
    leaf = tail.activation.clone().requires_grad_()
    found = torch.autograd.grad(tail(leaf)[:, 1].sum(), leaf)[0]

    torch.testing.assert_close(found, expected)
    assert not tail.output.requires_grad


def test_calls_counted_from_the_end() -> None:
    private = twin(seeded(Reused)())
    x = pictures(1, 8)
    for call in range(3):
        forward, backward = replay(private, f"conv@{call}", x), replay(private, f"conv@{call - 3}", x)
        assert torch.equal(forward.activation, backward.activation)
        assert torch.equal(backward(backward.activation + 1), forward(forward.activation + 1))
    assert torch.equal(replay(private, "conv", x).activation, replay(private, "conv@2", x).activation)
    for call in (3, -4):
        with pytest.raises(CaptureError, match=r"did not run .* 3 times"):
            replay(private, f"conv@{call}", x)


@pytest.mark.parametrize("outside", [torch.no_grad, torch.inference_mode])
def test_the_callers_mode_changes_nothing(outside) -> None:
    build = seeded(lambda: nn.Sequential(nn.Identity(), nn.Conv2d(3, 4, 1), nn.ReLU(inplace=True)))
    private = twin(build())
    with outside():
        x = pictures(2, 4)
        tail = replay(private, "1", x)
        output = tail(tail.activation)
        first = replay(private, "0", x)

    assert equal(output, build()(pictures(2, 4)))
    assert equal(first(first.activation), output)
    assert not tail.activation.is_inference()


@pytest.mark.parametrize("guard", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("layer", ["inner", "backbone", "head"])
def test_modes_inside_the_network(guard, layer) -> None:
    private = twin(seeded(lambda: NoGradInside(guard))())
    tail = replay(private, layer, pictures(2, 8))

    assert equal(tail(tail.activation), private(pictures(2, 8)))


def test_a_network_that_writes_to_its_inputs() -> None:
    class Centres(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Conv2d(3, 4, 3, padding=1)
            self.b = nn.Conv2d(4, 4, 3, padding=1)
            self.head = nn.Conv2d(7, 2, 1)

        def forward(self, x):
            x -= 0.5
            y = self.a(x)
            y += 1
            return self.head(torch.cat([self.b(y), x], 1))

    model = seeded(Centres)()
    private = twin(model)
    x = pictures(2, 8)
    expected = model(x.clone())
    tail = replay(private, "b", x)

    assert torch.equal(x, pictures(2, 8)), "the caller's pictures"
    assert torch.equal(tail.output, expected)
    for _ in range(3):
        assert torch.equal(tail(tail.activation), expected)
    changed = tail.activation.repeat_interleave(3, 0) + torch.rand(6, 4, 8, 8)
    assert close(tail(changed), substituted(model, "b", 0, changed, x.repeat_interleave(3, 0)))


def test_what_the_caller_does_to_its_inputs_afterwards_does_not_matter() -> None:
    private = twin(DYNAMIC_UNETS["plain"]())  # its last block looks at the picture again
    x = pictures(1, 32)
    tail = replay(private, "layers.3", x)
    expected = tail.output.clone()
    x.zero_()

    assert torch.equal(tail(tail.activation), expected)


# ---- clean ------------------------------------------------------------------------------------------


def test_every_module_is_put_back() -> None:
    model = seeded(Classifier)()
    mine = model.relu.forward
    private = twin(model)
    private.body.forward = own = lambda x: nn.Sequential.forward(private.body, x)
    before = footprint(private)
    tail = replay(private, "bn", pictures(2, 16))
    tail(tail.activation.repeat_interleave(2, 0))
    assert footprint(private) == before
    assert private.body.forward is own
    with pytest.raises(CaptureError, match="give a multiple"):
        tail(tail.activation[:1])
    with pytest.raises(RuntimeError):
        tail(torch.zeros(2, 5, 16, 16))
    with pytest.raises(RuntimeError):
        replay(private, "bn", torch.zeros(1, 5, 16, 16))

    assert footprint(private) == before
    assert private.body.forward is own
    assert model.relu.forward == mine
    assert torch.is_grad_enabled()
    assert equal(private(pictures(2, 16)), model(pictures(2, 16)))


def test_remembered_tensors_go_with_the_replay() -> None:
    private = twin(seeded(UNet)())
    tail = replay(private, "bottom", pictures(1, 16))
    remembered = [weakref.ref(t) for step in tail._steps for t in flat(step.output)]
    assert remembered
    del tail
    gc.collect()

    assert not any(reference() is not None for reference in remembered)


# ---- refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 2, 4, 5, 7])
def test_a_batch_that_is_no_multiple(count) -> None:
    tail = replay(twin(seeded(Classifier)()), "bn", pictures(3, 16))
    with pytest.raises(CaptureError, match=f"{count} activations for 3 inputs"):
        tail(torch.zeros(count, 6, 16, 16))


def test_layers_that_cannot_be_replayed() -> None:
    with pytest.raises(CaptureError, match="did you mean 'body'"):
        replay(twin(seeded(Classifier)()), "boddy", pictures(1, 16))
    with pytest.raises(CaptureError, match="returns a list, not one tensor"):
        replay(twin(seeded(SmpLike)()), "encoder", pictures(1, 16))
    with pytest.raises(CaptureError, match="returns a dict"):
        replay(twin(seeded(lambda: Container("dict"))()), "pack", pictures(1, 8))
    with pytest.raises(CaptureError, match="did not run"):
        replay(twin(seeded(Beside)()), "unused", pictures(1, 8))


class Stateful(nn.Module):
    """An encoder and a decoder that talk through something else than return values."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Conv2d(3, 4, 3, padding=1)
        self.middle = nn.Conv2d(4, 4, 3, padding=1)
        self.decoder = nn.Conv2d(8, 2, 1)

    def head(self, x, skip):
        return self.decoder(torch.cat([x, skip], 1))


class Keeps(nn.Module):
    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x):
        self.feats = self.body(x)
        return self.feats


class ByAttribute(Stateful):
    """A module writes self.feats, the network reads it."""

    def __init__(self) -> None:
        super().__init__()
        self.keeps = Keeps(self.encoder)

    def forward(self, x):
        return self.head(self.middle(self.keeps(x)), self.keeps.feats)


class BySum(ByAttribute):
    """As before, but adds, so that a batch of one fits any batch."""

    def forward(self, x):
        y = self.middle(self.keeps(x)) + self.keeps.feats
        return self.head(y, y)


class ByOverwriting(ByAttribute):
    """What is kept is replaced later by something that depends on the layer."""

    def forward(self, x):
        y = self.middle(self.keeps(x))
        z = y + self.keeps.feats
        self.keeps.feats = z * 0.5
        return self.head(z, z)


class ByInPlace(ByAttribute):
    """What is kept grows in place from call to call unless the module runs."""

    def forward(self, x):
        y = self.middle(self.keeps(x).clone())
        self.keeps.feats += y
        return self.head(self.keeps.feats, y)


class Pushes(nn.Module):
    def __init__(self, body: nn.Module, stack: list[torch.Tensor]) -> None:
        super().__init__()
        self.body = body
        self.stack = stack

    def forward(self, x):
        self.stack.append(self.body(x))
        return self.stack[-1]


class ByList(Stateful):
    """Skips pushed on a list by one module and popped by another."""

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[torch.Tensor] = []
        self.push = Pushes(self.encoder, self.stack)

    def forward(self, x):
        return self.head(self.middle(self.push(x)), self.stack.pop())


class ByPreHook(Stateful):
    """The skip is caught by a pre-hook inside a module that a replay does not run."""

    def __init__(self) -> None:
        super().__init__()
        self.wrapped = nn.Sequential(nn.Sequential(self.encoder), nn.Identity())
        self.wrapped[1].register_forward_pre_hook(self.catch)

    def catch(self, _module, args):
        self.skip = args[0]

    def forward(self, x):
        return self.head(self.middle(self.wrapped(x)), self.skip)


class ByCounter(Stateful):
    """Every call differs from the one before."""

    def forward(self, x):
        self.calls = getattr(self, "calls", 0) + 1
        y = self.middle(self.encoder(x))
        return self.head(y, y * self.calls)


class ByChance(Stateful):
    def forward(self, x):
        y = self.middle(self.encoder(x))
        return self.head(y, torch.rand_like(y))


class PerPicture(Stateful):
    """As many outputs as pictures, as detectors give."""

    def forward(self, x):
        y = self.middle(self.encoder(x))
        return list(self.head(y, y))


class Transposes(Stateful):
    """A remembered tensor whose first dimension is not the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.flip = Flip()

    def forward(self, x):
        skip = self.flip(self.encoder(x))
        return self.head(self.middle(skip.transpose(0, 1)), skip.transpose(0, 1))


class Flip(nn.Module):
    def forward(self, x):
        return x.transpose(0, 1)


STATEFUL = [
    ByAttribute,
    BySum,
    ByOverwriting,
    ByInPlace,
    ByList,
    ByPreHook,
    ByCounter,
    ByChance,
    PerPicture,
    Transposes,
]


@pytest.mark.parametrize("kind", STATEFUL)
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("layer", ["encoder", "middle"])
def test_state_outside_return_values_is_right_or_refused(kind, count, layer) -> None:
    private, reference = twin(seeded(kind)()), seeded(kind)()
    x = pictures(count, 8)
    try:
        tail = replay(private, layer, x)
    except CaptureError:
        return  # that it is for the right reason, the next test says
    generator = torch.Generator().manual_seed(5)
    for copies in (1, 3, 2):
        shape = (count * copies, *tail.activation.shape[1:])
        changed = tail.activation.repeat_interleave(copies, 0) * torch.rand(shape, generator=generator)
        want = substituted(reference, layer, 0, changed, x.repeat_interleave(copies, 0))
        assert close(tail(changed), want)


@pytest.mark.parametrize("kind", [ByList, ByOverwriting, ByChance, ByCounter, PerPicture, Transposes])
def test_state_that_is_refused_for_certain(kind) -> None:
    with pytest.raises(CaptureError, match="cannot be replayed"):
        replay(twin(seeded(kind)()), "middle", pictures(2, 8))


class Shut(nn.Module):
    """What is read before an in-place activation comes back after the layer, hidden by a gate."""

    def __init__(self, gate):
        super().__init__()
        torch.manual_seed(1)
        self.gate = gate
        self.first, self.layer, self.fc = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1), nn.Linear(4, 3)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        made = self.first(x)
        skip = 2 * made if self.gate != "view" else made[:, ::2].repeat(1, 2, 1, 1)
        given = self.layer(self.act(made)) + 1.5
        if self.gate == "softmax":
            return (100 * self.fc((8 * given.relu() + skip).mean((2, 3)))).softmax(1)
        gate = (1 - given.amax((1, 2, 3), keepdim=True)).clamp(min=0)
        return self.fc((given.relu() + gate * skip).mean((2, 3)))


@pytest.mark.parametrize("gate", ["hard", "view", "softmax"])
def test_what_was_overwritten_is_right_even_where_it_does_not_show(gate):
    private = twin(Shut(gate).eval())
    inputs = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    tail = replay(private, "layer", inputs)
    changed = torch.cat([tail.activation, 0 * tail.activation, tail.activation - 5])
    handle = private.layer.register_forward_hook(lambda *_: changed)
    with torch.no_grad():
        whole = private(inputs.repeat(3, 1, 1, 1))
    handle.remove()
    torch.testing.assert_close(tail(changed), whole)
