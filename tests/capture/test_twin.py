import functools
import gc
import threading
import types
import warnings
import weakref

import pytest
import torch
import torchvision
from networks import (
    DYNAMIC_UNETS,
    REPLAYABLE,
    Classifier,
    Fcn,
    UNet,
    flat,
    footprint,
    pictures,
    seeded,
)
from torch import nn
from torch.nn.utils import parametrizations

from interp.capture import CaptureError, TwinPool, record, replay, twin


def equal(a, b) -> bool:
    return all(torch.equal(x, y) for x, y in zip(flat(a), flat(b), strict=True))


def outputs(module: nn.Module, inputs: torch.Tensor):
    with torch.no_grad():
        return module(inputs)


# ---- what a twin computes ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", REPLAYABLE)
def test_outputs_are_bit_equal_and_memory_is_shared(name) -> None:
    build, side = REPLAYABLE[name]
    model = build()
    private = twin(model)

    assert equal(outputs(private, pictures(2, side)), outputs(model, pictures(2, side)))
    theirs = dict(private.named_parameters()) | dict(private.named_buffers())
    for key, tensor in (*model.named_parameters(), *model.named_buffers()):
        assert theirs[key].data_ptr() == tensor.data_ptr(), key
        assert theirs[key] is not tensor
        assert not theirs[key].requires_grad
    assert not {id(part) for part in model.modules()} & {id(part) for part in private.modules()}


@pytest.mark.parametrize("variant", DYNAMIC_UNETS)
def test_dynamic_unet_before_and_after_a_training_step(variant) -> None:
    model = DYNAMIC_UNETS[variant]()
    x = pictures(2, 32)
    assert torch.equal(outputs(twin(model), x), outputs(model, x))

    # A step leaves non-leaf tensors in the hooks and in old weight norm, which PyTorch will not copy.
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    early = twin(model)
    model(x).square().mean().backward()
    optimizer.step()
    before = footprint(model)
    late = twin(model)
    assert footprint(model) == before
    assert all(part.training for part in model.modules())

    model.eval()
    assert torch.equal(outputs(late, x), outputs(model, x))
    assert torch.equal(outputs(early, x), outputs(model, x)), "weights that go on training are seen"


def test_weights_and_buffers_updated_in_place_are_seen() -> None:
    model = seeded(Classifier)()
    private = twin(model)
    was = outputs(private, pictures(1, 16))
    with torch.no_grad():
        model.fc.bias.add_(1)
        model.bn.running_mean.add_(0.5)

    assert torch.equal(outputs(private, pictures(1, 16)), outputs(model, pictures(1, 16)))
    assert not torch.equal(outputs(private, pictures(1, 16)), was)


NORMS = {
    "old weight_norm": torch.nn.utils.weight_norm,
    "old spectral_norm": torch.nn.utils.spectral_norm,
    "weight_norm": parametrizations.weight_norm,
    "spectral_norm": parametrizations.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
}


@pytest.mark.parametrize("norm", NORMS)
def test_reparametrised_weights(norm) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = seeded(lambda: nn.Sequential(NORMS[norm](nn.Conv2d(3, 4, 3)), nn.ReLU(inplace=True)))()
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    private = twin(model)
    for _ in range(2):
        model(pictures(2, 8)).sum().backward()
        optimizer.step()
        before = footprint(model)
        assert torch.equal(outputs(twin(model), pictures(2, 8)), outputs(twin(model), pictures(2, 8)))
        assert footprint(model) == before
    model.eval()

    assert torch.equal(outputs(twin(model), pictures(2, 8)), outputs(model, pictures(2, 8)))
    assert torch.equal(outputs(private, pictures(2, 8)), outputs(model, pictures(2, 8)))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_other_dtypes(dtype) -> None:
    model = seeded(UNet)().to(dtype)
    x = pictures(1, 16).to(dtype)

    assert outputs(twin(model), x).dtype == dtype
    assert torch.equal(outputs(twin(model), x), outputs(model, x))


def test_tied_weights_stay_tied() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(4, 4)
            self.b = nn.Linear(4, 4)
            self.b.weight = self.a.weight
            self.c = self.a

        def forward(self, x):
            return self.c(self.b(self.a(x)))

    model = Tied()
    private = twin(model)

    assert private.a.weight is private.b.weight
    assert private.c is private.a
    assert len(list(private.parameters())) == len(list(model.parameters())) == 3
    assert torch.equal(private(torch.ones(1, 4)), model(torch.ones(1, 4)))


def test_a_model_made_in_inference_mode_gives_gradients() -> None:
    with torch.inference_mode():
        model = seeded(Classifier)()
        x = pictures(1, 16)
        private = twin(model)
        with record(private, ["bn"], gradients=True) as recording:
            score = private(x)
            gradient = recording.gradients(score[:, 1])["bn"]
        expected = model(x)
    plain = twin(seeded(Classifier)())
    with record(plain, ["bn"], gradients=True) as recording:
        plain_score = plain(pictures(1, 16))
        gradient_of_a_plain_model = recording.gradients(plain_score[:, 1])["bn"]

    assert torch.equal(score, expected)
    assert torch.equal(gradient, gradient_of_a_plain_model)


def test_a_tensor_subclass_in_a_buffer_is_shared() -> None:
    from fastai.torch_core import TensorImage

    model = nn.Conv2d(3, 2, 1)
    model.register_buffer("mean", TensorImage(torch.ones(3)))

    assert twin(model).mean.data_ptr() == model.mean.data_ptr()


# ---- what a twin leaves alone -----------------------------------------------------------------------


def awkward() -> nn.Module:
    """Mixed modes, flags, hooks of all kinds, gradients, in-place ReLUs."""
    model = seeded(Classifier)()
    model(pictures(2, 16)).sum().backward()
    model.train()
    model.bn.eval()
    model.body[1].eval()
    model.stem.weight.requires_grad_(False)
    model.fc.weight.grad = None
    model.bn.register_forward_hook(lambda _m, _a, output: output * 1.5)
    model.fc.register_forward_pre_hook(lambda _m, args: (args[0] + 1,))
    model.body.register_full_backward_hook(lambda *_: None)
    model.pool.register_full_backward_pre_hook(lambda *_: None)
    return model


def use(private: nn.Module, x: torch.Tensor) -> None:
    with record(private, ["bn", "body"], gradients=True) as recording:
        scores = private(x)[:, 0]
    recording.gradients(scores)
    tail = replay(private, "body", x)
    tail(tail.activation.repeat_interleave(3, 0))


def test_the_users_module_is_the_same_afterwards() -> None:
    model = awkward()
    before = footprint(model)
    private = twin(model)
    use(private, pictures(2, 16))

    assert footprint(model) == before
    assert not any(part.training for part in private.modules())
    assert not private.body._backward_hooks
    assert not private.pool._backward_pre_hooks
    assert len(private.bn._forward_hooks) == len(private.fc._forward_pre_hooks) == 1


def test_the_users_module_is_the_same_after_exceptions() -> None:
    model = awkward()
    before = footprint(model)
    private = twin(model)
    with pytest.raises(RuntimeError), record(private, ["bn"], gradients=True):
        private(torch.zeros(1, 5, 16, 16))
    with pytest.raises(RuntimeError):
        replay(private, "body", torch.zeros(1, 5, 16, 16))
    model.broken = threading.Lock()
    with pytest.raises(CaptureError):
        twin(model)
    del model.broken

    assert footprint(model) == before


def test_no_memory_goes_to_weights_and_none_of_it_is_kept() -> None:
    model = seeded(Classifier)()
    private = twin(model)
    gone = weakref.ref(private)
    del private
    gc.collect()

    assert gone() is None
    assert equal(outputs(model, pictures(1, 16)), outputs(seeded(Classifier)(), pictures(1, 16)))


# ---- refusals ---------------------------------------------------------------------------------------


def scripted() -> nn.Module:
    return nn.Sequential(torch.jit.script(nn.Conv2d(3, 4, 1)))


def quantised() -> nn.Module:
    return torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 4)), {nn.Linear})


def lazy() -> nn.Module:
    return nn.Sequential(nn.LazyConv2d(4, 1))


def lambda_over_a_module() -> nn.Module:
    model = seeded(Classifier)()
    model.shortcut = lambda x: model.stem(x)
    return model


def lambda_over_a_bound_method() -> nn.Module:
    model = seeded(Classifier)()
    original = model.stem.forward
    model.stem.forward = lambda x: original(x) * 2
    return model


def decorated_forward() -> nn.Module:
    model = seeded(Classifier)()
    model.forward = functools.wraps(model.forward)(
        lambda x, run=model.forward: run(x) if x is not None else None
    )
    return model


def hook_over_a_module() -> nn.Module:
    model = seeded(Classifier)()
    model.body.register_forward_hook(lambda _m, _a, output: model.relu(output))
    return model


def hook_over_a_weight() -> nn.Module:
    model = seeded(Classifier)()
    weight = model.fc.bias
    model.fc.register_forward_hook(lambda _m, _a, output: output + weight)
    return model


def hook_that_reads_a_global() -> nn.Module:
    namespace = {"model": seeded(Classifier)()}
    exec("hook = lambda m, a, output: model.relu(output)", namespace)
    namespace["model"].body.register_forward_hook(namespace["hook"])
    return namespace["model"]


def lock() -> nn.Module:
    model = seeded(Classifier)()
    model.lock = threading.Lock()
    return model


def generator() -> nn.Module:
    model = seeded(Classifier)()
    model.body.stream = (i for i in range(3))
    return model


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (scripted, "TorchScript"),
        (quantised, "quantised"),
        (lazy, "no weights yet"),
        (lambda_over_a_module, "closes over"),
        (lambda_over_a_bound_method, "closes over"),
        (decorated_forward, "closes over"),
        (hook_over_a_module, "closes over"),
        (hook_over_a_weight, "closes over"),
        (hook_that_reads_a_global, "closes over"),
        (lock, "cannot be copied"),
        (generator, "cannot be copied"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
@pytest.mark.filterwarnings("ignore")
def test_refusals_are_sentences(make, word) -> None:
    model = make()
    with pytest.raises(CaptureError, match=word) as caught:
        twin(model)

    message = str(caught.value)
    assert message[0] != " "
    assert message.endswith(".")
    assert len(message) > 40


def test_functions_that_need_no_original_are_welcome() -> None:
    """What must not be refused: bound methods, partials, backward hooks, names that merely look alike."""
    model = seeded(Classifier)()
    x = pictures(1, 16)
    model.forward = types.MethodType(type(model).forward, model)
    model.again = functools.partial(type(model).forward, model)
    model.fc.register_full_backward_hook(lambda *_: model.stem)
    namespace = {"stem": model.stem}
    exec("hook = lambda m, a, output: output * getattr(m, 'gain', m.stem if 0 else 2)", namespace)
    model.bn.register_forward_hook(namespace["hook"])
    private = twin(model)

    assert private.forward.__self__ is private
    assert private.again.args[0] is private
    assert torch.equal(outputs(private, x), outputs(model, x))
    assert torch.equal(private.again(x), model(x))


# ---- the pool ---------------------------------------------------------------------------------------


def lent(pool: TwinPool) -> nn.Module:
    with pool.lend() as private:
        return private


def test_a_twin_is_reused_but_never_shared() -> None:
    pool = TwinPool(seeded(Classifier)())
    with pool.lend() as first:
        with pool.lend() as second:
            assert first is not second
        assert lent(pool) is second

    assert lent(pool) in (first, second)


def test_a_twin_is_thrown_away_after_an_exception() -> None:
    pool = TwinPool(seeded(Classifier)())
    with pytest.raises(KeyError), pool.lend() as broken:
        raise KeyError

    assert lent(pool) is not broken
    assert lent(pool) is lent(pool)


def replaced(model: nn.Module) -> None:
    model.relu = nn.SiLU()


def replaced_twice(model: nn.Module) -> None:
    model.relu = nn.Sigmoid()
    model.relu = nn.Tanh()  # where the ReLU was in memory, more often than not


def deleted_and_replaced(model: nn.Module) -> None:
    del model.relu
    model.relu = nn.Tanh()


def new_state(model: nn.Module) -> None:
    state = {key: tensor + 1 for key, tensor in model.state_dict().items()}
    model.load_state_dict(state, assign=True)


def new_data(model: nn.Module) -> None:
    model.fc.weight.data = torch.zeros(4, 6)


def same_memory_other_view(model: nn.Module) -> None:
    model.fc.weight.data = model.fc.weight.data.view(6, 4).t()


def forward_of_its_own(model: nn.Module) -> None:
    model.relu.forward = torch.sin


CHANGES = {
    "dtype": lambda model: model.double(),
    "replaced": replaced,
    "replaced twice": replaced_twice,
    "deleted, replaced": deleted_and_replaced,
    "assign=True": new_state,
    "data": new_data,
    "view": same_memory_other_view,
    "forward hook": lambda model: model.bn.register_forward_hook(lambda _m, _a, output: output * 2),
    "pre-hook": lambda model: model.bn.register_forward_pre_hook(lambda _m, args: (args[0] * 2,)),
    "attribute": lambda model: setattr(model.bn, "eps", 0.5),
    "tuple": lambda model: (setattr(model.stem, "dilation", (2, 2)), setattr(model.stem, "padding", (2, 2))),
    "forward": forward_of_its_own,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_twin_is_made_again_when_the_module_has_changed(change) -> None:
    model = seeded(Classifier)()
    pool = TwinPool(model)
    was = lent(pool)
    CHANGES[change](model)
    x = pictures(2, 16).to(model.fc.weight.dtype)

    assert lent(pool) is not was
    assert torch.equal(outputs(lent(pool), x), outputs(model, x))
    assert lent(pool) is lent(pool)


def test_no_stale_twin_however_often_a_layer_is_replaced() -> None:
    """Freed modules hand their ids on; a pool that compared ids lent stale twins half of the time."""
    model = seeded(lambda: nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()))()
    pool = TwinPool(model)
    x = pictures(1, 4)
    for i in range(60):
        for kind in (nn.Tanh, nn.Sigmoid, nn.SiLU)[i % 3 :]:
            model[1] = kind()
        assert torch.equal(outputs(lent(pool), x), outputs(model, x)), i


def test_going_on_training_does_not_cost_a_new_twin() -> None:
    model = seeded(Classifier)()
    pool = TwinPool(model)
    was = lent(pool)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.train()
    model(pictures(2, 16)).sum().backward()
    optimizer.step()
    model.stem.requires_grad_(False)

    assert lent(pool) is was
    assert torch.equal(outputs(was, pictures(2, 16)), outputs(model.eval(), pictures(2, 16)))


def test_the_pool_keeps_few_twins() -> None:
    pool = TwinPool(Fcn())
    lends = [pool.lend() for _ in range(20)]
    twins = [lend.__enter__() for lend in lends]
    for lend in lends:
        lend.__exit__(None, None, None)

    assert len({id(private) for private in twins}) == 20
    assert len(pool._idle) <= 8


def test_switching_between_training_and_eval_keeps_the_twin() -> None:
    model = torchvision.models.resnet18(weights=None)
    pool = TwinPool(model)
    with pool.lend() as first:
        pass
    model.train(not model.training)
    with pool.lend() as second:
        pass
    assert first is second


def test_a_network_that_computes_with_what_it_overwrites() -> None:
    class Doubled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.relu = nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True)

        def forward(self, x):
            x = self.conv(x)
            return self.relu(x) + x  # twice the positive part, not relu(x) + x

    model = seeded(Doubled)().eval()
    x = pictures(2, 16)
    assert equal(outputs(twin(model), x), outputs(model, x))
