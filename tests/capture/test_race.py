"""Two threads that work with one pool get exactly what each would get alone."""

import sys
import threading

import pytest
import torch
from networks import DYNAMIC_UNETS, Builder, pictures, seeded
from torchvision.models import resnet18

from interp.capture import TwinPool, record, replay

ROUNDS = 50
NETS: dict[str, tuple[Builder, str, int]] = {
    "dynamic unet": (DYNAMIC_UNETS["plain"], "layers.3", 32),
    "dynamic unet, encoder": (DYNAMIC_UNETS["weight norm"], "layers.0", 32),
    "resnet18": (seeded(lambda: resnet18(weights=None, num_classes=4)), "layer4", 32),
}


@pytest.fixture
def _eager_switching():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def explain(pool: TwinPool, layer: str, x: torch.Tensor, target: int) -> list[torch.Tensor]:
    with pool.lend() as private:
        with record(private, [layer], gradients=True) as recording:
            score = private(x)[:, target].sum()
        gradient = recording.gradients(score)[layer]
        return [recording[layer].detach(), gradient, score.detach()]


def ablate(pool: TwinPool, layer: str, x: torch.Tensor, target: int) -> list[torch.Tensor]:
    with pool.lend() as private, torch.no_grad():
        tail = replay(private, layer, x, verify=False)
        changed = tail.activation.repeat_interleave(2, 0)
        changed[1::2, target] = 0
        return [tail.activation, tail(changed)]


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize(
    "jobs",
    [
        (explain, ablate),
        *(pytest.param(jobs, marks=pytest.mark.slow) for jobs in [(explain, explain), (ablate, ablate)]),
    ],
)
@pytest.mark.usefixtures("_eager_switching")
def test_two_threads_equal_one(net, jobs) -> None:
    build, layer, side = NETS[net]
    pool = TwinPool(build())
    inputs = [pictures(1, side, seed=1), pictures(2, side, seed=2)]
    alone = [job(pool, layer, inputs[i], i) for i, job in enumerate(jobs)]
    barrier = threading.Barrier(2)
    wrong: list[str] = []

    def work(me: int) -> None:
        for turn in range(ROUNDS):
            barrier.wait(timeout=60)
            try:
                found = jobs[me](pool, layer, inputs[me], me)
            except Exception as error:
                wrong.append(f"{turn}: {error!r}")
                continue
            if not all(torch.equal(a, b) for a, b in zip(found, alone[me], strict=True)):
                wrong.append(f"{turn}: thread {me} differs")

    threads = [threading.Thread(target=work, args=(me,)) for me in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
    assert len(pool._idle) <= 2
