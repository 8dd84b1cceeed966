"""Every pair of methods at once on one network: two threads that Python switches as often as it can.

    uv run python benchmarks/races.py --rounds 100 --network both

Each thread has a picture and a method of its own. What it gets must be, bit for bit, what the method gives
alone, and the network must be left as it was: no hook, no gradient, no other mode. Every round runs all pairs
in another random order, so a run that is cut short (`--minutes`) has tried each as often as the others.
"""

from __future__ import annotations

import itertools
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.progress import track

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "methods"))

from nets import GENERAL, Block, inputs_for, model_of, only, small_unet
from networks import state

from interp.methods import attribute

SWITCH = 1e-6


def block() -> tuple[Any, Any, str]:
    """Return a small classifier, what is asked of it, and where."""
    return model_of(Block(), size=(16, 16)), 2, "layer"


def unet() -> tuple[Any, Any, str]:
    """Return fastai's DynamicUnet, a region, and its default layer."""
    model = model_of(small_unet(), size=(32, 32), task="segmentation")
    return model, lambda output: output[:, 1, 4:20, 6:30].sum((1, 2)), model.default_layer


NETWORKS = {"block": block, "unet": unet}


def main(
    rounds: Annotated[int, typer.Option(min=1, help="How often each pair runs.")] = 100,
    network: Annotated[str, typer.Option(help="block, unet or both.")] = "both",
    minutes: Annotated[float, typer.Option(help="Stop after so many, for each network.")] = 600,
    seed: int = 0,
) -> None:
    """Run them and print what went wrong; exits with 1 where anything did."""
    torch.set_num_threads(1)
    sys.setswitchinterval(SWITCH)
    names = list(NETWORKS) if network == "both" else [network]
    wrong = sum([run(name, rounds, 60 * minutes, seed) for name in names])
    raise SystemExit(1 if wrong else 0)


def run(name: str, rounds: int, seconds: float, seed: int) -> int:
    """Run the pairs on one network and return how many results were wrong or things left behind."""
    model, target, layer = NETWORKS[name]()
    pictures = [inputs_for(model, 1, number) for number in (1, 2)]

    def explain(number: int, method: str) -> torch.Tensor:
        return only(attribute(model, pictures[number], target, [method], [layer]).maps, method)

    alone = {(number, method): explain(number, method) for method in GENERAL for number in (0, 1)}
    before = state(model.module)
    pairs = [*itertools.combinations_with_replacement(GENERAL, 2)]
    order = random.Random(seed)
    races = [pair for _ in range(rounds) for pair in order.sample(pairs, len(pairs))]
    until, wrong = time.monotonic() + seconds, 0
    seen = Counter(dict.fromkeys(pairs, 0))
    for pair in track(races, description=name):
        found = together([lambda n=n, m=m: explain(n, m) for n, m in enumerate(pair)])
        for number, method in enumerate(pair):
            if not (isinstance(found[number], torch.Tensor) and found[number].equal(alone[number, method])):
                wrong += 1
                print(f"{name}: {method} beside {pair[1 - number]}: {found[number]!r:.200}")
        if state(model.module) != before:
            wrong += 1
            print(f"{name}: {pair} left something behind")
        seen[pair] += 1
        if time.monotonic() > until:
            break
    print(
        f"{name}: {len(GENERAL)} methods, {len(pairs)} pairs, each raced {min(seen.values())} times or more, "
        f"{seen.total()} races, {wrong} wrong"
    )
    return wrong


def together(jobs: list[Callable[[], torch.Tensor]]) -> list[Any]:
    """Return what each job gives, or its error, all begun at one moment in threads of their own."""
    barrier, results = threading.Barrier(len(jobs)), [None] * len(jobs)

    def work(index: int) -> None:
        barrier.wait()
        try:
            results[index] = jobs[index]()
        except Exception as error:
            results[index] = error

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


if __name__ == "__main__":
    typer.run(main)
