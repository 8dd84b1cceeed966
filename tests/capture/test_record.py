import gc
import weakref

import pytest
import torch
import torchvision
from networks import (
    CONTAINERS,
    DYNAMIC_UNETS,
    REPLAYABLE,
    Beside,
    Classifier,
    Container,
    NoGradInside,
    Reused,
    UNet,
    calls_of,
    flat,
    hook_count,
    pictures,
    seeded,
)
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from interp.capture import CaptureError, record, twin


def by_plain_hooks(model: nn.Module, layers: list[str], x: torch.Tensor, score) -> dict[str, torch.Tensor]:
    """Gradients through a full graph: each layer's output goes on as a clone, and keeps its gradient."""
    kept: dict[str, torch.Tensor] = {}
    handles = []
    for layer in layers:

        def hook(_module, _args, output, layer=layer):
            kept[layer] = output
            return output.clone()

        handles.append(model.get_submodule(layer).register_forward_hook(hook, prepend=True))
    result = score(model(x.clone().requires_grad_()))
    for handle in handles:
        handle.remove()
    gradients = torch.autograd.grad(result.sum(), [kept[layer] for layer in layers])
    return dict(zip(layers, gradients, strict=True))


def of_classifier(output) -> torch.Tensor:
    output = flat(output)[0]
    return output[:, 1] if output.dim() == 2 else output[:, 1].sum((1, 2))


# ---- activations ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REPLAYABLE)
@pytest.mark.parametrize("gradients", [False, True])
def test_activations_of_every_call_equal_those_of_plain_hooks(name, gradients) -> None:
    build, side = REPLAYABLE[name]
    x = pictures(2, side)
    expected = calls_of(build(), x)
    private = twin(build())
    with record(private, expected, gradients=gradients) as recording:
        output = private(x)

    assert torch.equal(flat(output)[0], flat(build()(x))[0])
    for layer, calls in expected.items():
        # In-place ReLU modules are out-of-place in a twin; by then the plain hooks have cloned.
        found = recording.calls(layer)
        assert len(found) == len(calls), layer
        for ours, theirs in zip(found, calls, strict=True):
            assert all(torch.equal(a, b) for a, b in zip(flat(ours), theirs, strict=True)), layer


@pytest.mark.parametrize("variant", DYNAMIC_UNETS)
def test_dynamic_unet_activations_and_gradients(variant) -> None:
    build = DYNAMIC_UNETS[variant]
    x = pictures(2, 32)
    layers = ["layers.0", "layers.3", "layers.5", "layers.0.4"]
    expected = by_plain_hooks(build(), layers, x, of_classifier)
    private = twin(build())
    for layer in layers:
        with record(private, [layer], gradients=True) as recording:
            score = of_classifier(private(x))
        torch.testing.assert_close(recording.gradients(score)[layer], expected[layer], rtol=1e-4, atol=1e-6)
        assert torch.equal(recording[layer], calls_of(build(), x)[layer][-1][0])


# ---- gradients --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [key for key in REPLAYABLE if key != "reused"])
def test_gradients_equal_autograd_through_the_full_graph(name) -> None:
    build, side = REPLAYABLE[name]
    x = pictures(2, side)
    names = [
        key
        for key, calls in calls_of(build(), x).items()
        if len(calls) == len(calls[0]) == 1 and "aux" not in key
    ]
    for layers in ([names[0]], [names[-1]], names[:: max(1, len(names) // 7)]):
        expected = by_plain_hooks(twin(build()), layers, x, of_classifier)
        private = twin(build())
        with record(private, layers, gradients=True) as recording:
            score = of_classifier(private(x))
        found = recording.gradients(score)
        for layer in layers:
            torch.testing.assert_close(found[layer], expected[layer], rtol=1e-5, atol=1e-8)


def test_a_hand_computed_gradient() -> None:
    """Global average pooling and a linear head: the gradient is the class weight over the positions."""
    model = seeded(Classifier)()
    private = twin(model)
    with record(private, ["pool", "body"], gradients=True) as recording:
        score = private(pictures(2, 16))[:, 2]
    found = recording.gradients(score)
    active = private.relu(recording["body"] + calls_of(model, pictures(2, 16))["relu"][0][0]) > 0

    torch.testing.assert_close(found["pool"], model.fc.weight[2].expand(2, -1)[..., None, None])
    torch.testing.assert_close(found["body"], active * model.fc.weight[2][:, None, None] / 256)


def test_nested_layers_both_get_their_gradient() -> None:
    private = twin(seeded(UNet)())
    x = pictures(1, 16)
    with record(private, ["bottom", "bottom.1", "bottom.0"], gradients=True) as recording:
        score = private(x)[:, 0].sum()
    found = recording.gradients(score)
    alone = by_plain_hooks(twin(seeded(UNet)()), ["bottom.0"], x, lambda out: out[:, 0].sum())

    assert torch.equal(found["bottom"], found["bottom.1"])
    assert torch.equal(recording["bottom"], recording["bottom.1"])
    torch.testing.assert_close(found["bottom.0"], alone["bottom.0"])


def test_every_call_of_a_reused_module() -> None:
    model = seeded(Reused)()
    x = pictures(2, 8)
    private = twin(model)
    layers = ["conv@0", "conv@1", "conv@2", "conv", "conv@-3"]
    with record(private, layers, gradients=True) as recording:
        score = private(x)[:, 1]
    found = recording.gradients(score)
    steps = [model.conv(x).detach().requires_grad_()]
    for _ in range(2):
        steps.append(model.conv(model.act(steps[-1])))
    manual = torch.autograd.grad(model.fc(model.act(steps[-1]).mean((2, 3)))[:, 1].sum(), steps)

    assert len(recording.calls("conv")) == 3
    for call in range(3):
        assert torch.equal(recording[f"conv@{call}"], steps[call])
        torch.testing.assert_close(found[f"conv@{call}"], manual[call])
    assert torch.equal(found["conv"], found["conv@2"])
    assert torch.equal(found["conv@-3"], found["conv@0"])
    with pytest.raises(CaptureError, match="3 times"):
        recording["conv@3"]
    with pytest.raises(CaptureError, match="3 times"):
        recording["conv@-4"]


@pytest.mark.parametrize("gradients", [False, True])
def test_what_runs_in_place_after_the_layer_does_not_reach_the_record(gradients) -> None:
    class InPlace(nn.Module):
        def __init__(self, inplace: bool) -> None:
            super().__init__()
            self.inplace_ = inplace
            self.conv = nn.Conv2d(3, 4, 3)
            self.head = nn.Conv2d(4, 2, 1)

        def forward(self, x):
            y = self.conv(x)
            if self.inplace_:
                y[:, 0] = 0
                y += 1
                nn.functional.relu_(y)
            else:
                y = (y * torch.tensor([0.0, 1, 1, 1])[:, None, None] + 1).relu()
            return self.head(y).mean((2, 3))

    found = []
    for inplace in (True, False):
        private = twin(seeded(lambda inplace=inplace: InPlace(inplace))())
        with record(private, ["conv"], gradients=gradients) as recording:
            score = private(pictures(2, 8))
        found.append((score, recording["conv"], recording.gradients(score)["conv"] if gradients else score))

    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("gradients", [False, True])
def test_what_is_held_inside_the_layer_and_overwritten_later(gradients) -> None:
    """A hook inside the layer holds the very tensor that the layer returns, and the head writes to it."""

    class Holds(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1))
            self.head = nn.Conv2d(4, 2, 1)
            self.encoder[1].register_forward_hook(self.hold)

        def hold(self, _module, _args, output) -> None:
            self.held = output

        def forward(self, x):
            y = self.head(self.encoder(x))
            self.held.zero_()
            return y.mean((2, 3)) + self.held.mean()

    private = twin(seeded(Holds)())
    x = pictures(1, 8)
    with record(private, ["encoder"], gradients=gradients) as recording:
        private(x)

    assert torch.equal(recording["encoder"], private.encoder(x))


@pytest.mark.parametrize("kind", CONTAINERS)
def test_containers(kind) -> None:
    model = seeded(lambda: Container(kind))()
    x = pictures(2, 8)
    private = twin(model)
    with record(private, ["pack", "features"], gradients=True) as recording:
        score = private(x)[:, 0]
    found = recording.gradients(score)
    expected = by_plain_hooks(twin(model), ["features"], x, lambda out: out[:, 0])

    kept = recording.calls("pack")[0]
    assert type(kept) is type(model.pack(model.features(x)))
    torch.testing.assert_close(score, model(x)[:, 0])
    assert recording["pack"].dim() == 4
    assert torch.equal(recording["pack"], model.features(x) * 2)
    torch.testing.assert_close(found["features"], expected["features"])
    assert found["pack"].shape == recording["pack"].shape


# ---- modes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outside", [torch.no_grad, torch.inference_mode, torch.enable_grad])
@pytest.mark.parametrize("frozen", [False, True])
def test_the_callers_mode_and_frozen_weights_change_nothing(outside, frozen) -> None:
    model = seeded(Classifier)().requires_grad_(not frozen)
    expected = by_plain_hooks(twin(model), ["bn"], pictures(2, 16), lambda out: out[:, 3])["bn"]
    with outside():
        modes = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
        x = pictures(2, 16)
        private = twin(model)
        with record(private, ["bn"], gradients=True) as recording:
            score = private(x)[:, 3]
        found = recording.gradients(score)["bn"]
        assert (torch.is_grad_enabled(), torch.is_inference_mode_enabled()) == modes

    assert torch.equal(found, expected)
    assert not found.is_inference()


@pytest.mark.parametrize("layer", ["same", "conv"])
def test_inputs_of_inference_mode_that_the_network_multiplies(layer) -> None:
    class Gate(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.same = nn.Identity()
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x):
            x = self.same(x)
            return (self.conv(x).sigmoid() * x).mean((2, 3))

    private = twin(seeded(Gate)())
    with torch.inference_mode():
        x = pictures(2, 8)
        with record(private, [layer], gradients=True) as recording:
            score = private(x)[:, 0]
        found = recording.gradients(score)[layer]

    expected = by_plain_hooks(private, [layer], pictures(2, 8), lambda out: out[:, 0])[layer]
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("guard", [torch.no_grad, torch.inference_mode])
def test_a_network_that_switches_gradients_off_inside(guard) -> None:
    model = seeded(lambda: NoGradInside(guard))()
    x = pictures(2, 8)
    private = twin(model)
    with record(private, ["backbone"], gradients=True) as recording:
        score = private(x)[:, 0]
    found = recording.gradients(score)["backbone"]
    leaf = model.backbone(model.inner(x)).detach().requires_grad_()
    expected = torch.autograd.grad(model.head(leaf.tanh()).mean((2, 3))[:, 0].sum(), leaf)[0]
    torch.testing.assert_close(found, expected)

    with record(private, ["inner"], gradients=True) as recording:
        score = private(x)[:, 0]
    with pytest.raises(CaptureError, match="cuts the graph"):
        recording.gradients(score)


@pytest.mark.parametrize("gradients", [False, True])
def test_nothing_is_left_after_an_exception(gradients) -> None:
    model = seeded(Classifier)()
    model.bn.register_forward_hook(lambda *_: None)
    private = twin(model)
    for outside in (torch.no_grad, torch.inference_mode, torch.enable_grad):
        with outside():
            modes = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
            with pytest.raises(RuntimeError), record(private, ["bn", "fc"], gradients=gradients):
                private(torch.zeros(1, 7, 16, 16))
            with (
                pytest.raises(CaptureError, match="no layer"),
                record(private, ["bn", "nonsense"], gradients=gradients),
            ):
                pass
            assert hook_count(private) == 1
            assert (torch.is_grad_enabled(), torch.is_inference_mode_enabled()) == modes


def test_a_users_own_module_works_too_and_gets_no_gradients() -> None:
    model = seeded(Classifier)()
    with record(model, ["bn"], gradients=True) as recording:
        score = model(pictures(1, 16))[:, 0]
    private = twin(model)
    with record(private, ["bn"], gradients=True) as other:
        again = private(pictures(1, 16))[:, 0]

    assert torch.equal(recording.gradients(score)["bn"], other.gradients(again)["bn"])
    assert all(p.grad is None for p in model.parameters())
    assert hook_count(model) == 0


# ---- errors -----------------------------------------------------------------------------------------


def test_integer_outputs_pass_but_cannot_be_asked_for() -> None:
    class Codes(nn.Module):
        def forward(self, x):
            return x.argmax(1)

    private = twin(nn.Sequential(nn.Conv2d(3, 4, 1), Codes()))
    with record(private, ["1", "0"], gradients=True) as recording:
        codes = private(pictures(1, 4))

    assert torch.equal(recording.calls("1")[0], codes)
    with pytest.raises(CaptureError, match="no floating-point tensor"):
        recording["1"]
    with pytest.raises(CaptureError, match="no floating-point tensor"):
        recording.gradients(codes)


@pytest.mark.parametrize(
    ("typo", "meant"), [("boddy", "'body'"), ("pol", "'pool'"), ("body.7", "'body.1'"), ("fc@x", "'fc'")]
)
def test_unknown_layers_are_answered_with_near_names(typo, meant) -> None:
    with (
        pytest.raises(CaptureError, match=f"Classifier has no layer '{typo}'.*{meant}"),
        record(twin(seeded(Classifier)()), [typo]),
    ):
        pass


def test_a_layer_beside_or_after_the_target_and_one_that_never_ran() -> None:
    private = twin(seeded(Beside)())
    with record(private, ["stem", "left", "right", "unused"], gradients=True) as recording:
        output = private(pictures(1, 4))
    with pytest.raises(CaptureError, match="'unused' did not run"):
        recording.gradients(output["left"])
    with record(private, ["stem", "right"], gradients=True) as recording:
        output = private(pictures(1, 4))
    with pytest.raises(CaptureError, match="does not depend on layer 'right'"):
        recording.gradients(output["left"])
    with record(private, ["left"], gradients=True) as recording:
        output = private(pictures(1, 4))
    with pytest.raises(CaptureError, match="does not depend on layer 'left'"):
        recording.gradients(output["right"])


def test_gradients_must_be_asked_for_beforehand() -> None:
    private = twin(seeded(Classifier)())
    with record(private, ["bn"]) as recording:
        score = private(pictures(1, 16))
    with pytest.raises(CaptureError, match="gradients=True"):
        recording.gradients(score)
    with torch.inference_mode(), record(private, ["bn"], gradients=True) as recording:
        with torch.inference_mode():
            score = private(pictures(1, 16))
        with pytest.raises(CaptureError, match="inference mode"):
            recording.gradients(score)


# ---- cost -------------------------------------------------------------------------------------------


def test_the_prefix_builds_no_graph() -> None:
    private = twin(seeded(Classifier)())
    before = []
    private.stem.register_forward_hook(lambda _m, _a, output: before.append(output.requires_grad))
    with record(private, ["bn"], gradients=True) as recording:
        private(pictures(1, 16))

    assert before == [False]
    assert recording["bn"].grad_fn is None
    assert recording["bn"].is_leaf
    assert recording["bn"].requires_grad


def test_one_gradient_of_layer4_costs_no_more_flops_than_a_forward_pass() -> None:
    private = twin(torchvision.models.resnet18(weights=None))
    x = pictures(1, 64)
    with FlopCounterMode(display=False) as forward, torch.no_grad():
        private(x)
    with FlopCounterMode(display=False) as both:
        with record(private, ["layer4"], gradients=True) as recording:
            score = private(x)[:, 5]
        recording.gradients(score)

    assert both.get_total_flops() <= 1.02 * forward.get_total_flops()


def test_several_targets_share_one_pass() -> None:
    private = twin(seeded(Classifier)())
    with record(private, ["bn"], gradients=True) as recording:
        scores = private(pictures(2, 16))
    together = [recording.gradients(scores[:, c], retain_graph=True)["bn"] for c in range(4)]
    whole = recording.gradients(scores.sum(1))["bn"]

    assert len(recording.calls("bn")) == 1
    torch.testing.assert_close(sum(together), whole)
    assert not torch.equal(together[0], together[1])


@pytest.mark.parametrize("gradients", [False, True])
def test_nothing_is_retained_when_the_recording_is_gone(gradients) -> None:
    private = twin(seeded(Classifier)())
    with record(private, ["bn"], gradients=gradients) as recording:
        score = private(pictures(1, 16))
    if gradients:
        recording.gradients(score)
    activation, output = weakref.ref(recording["bn"]), weakref.ref(score)
    del recording, score
    gc.collect()

    assert activation() is None
    assert output() is None
