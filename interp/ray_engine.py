"""Workers under Ray make the shards: on the cores of this machine, or on a cluster."""

from __future__ import annotations

import logging
import os
import pickle
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch

from interp.engines import Work, threads_set
from interp.models import ImageModel
from interp.progress import Told
from interp.sentences import is_sentence
from interp.shards import Shard, ShardError

MOST_BLOCKS = 2000
IN_FLIGHT = 2
RESTARTS = 3
ATTEMPTS = 4
_STORE = 100 * 2**20
_UV = "RAY_ENABLE_UV_RUN_RUNTIME_ENV"
_HABITS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is told to anybody
    _UV: "0",  # workers use the packages that are here, and make no environment of their own
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}


@dataclass(frozen=True)
class Ray:
    """Workers under Ray Data, each with a network of its own.

    A cluster is used where one is connected (`ray.init`) or named (`RAY_ADDRESS`); its machines need the
    folders under the same paths. Otherwise the cores of this machine are used.

    Attributes:
        workers: how many.
        gpus: GPUs of each, parts allowed; the network is moved there.
        threads: of each network; default: the cores of this machine, shared out. The last bits of a map
            depend on how many there are, and on nothing else of this.
    """

    workers: int = 1
    gpus: float = 0
    threads: int | None = None

    def run(self, work: Work, shards: Iterator[Shard], told: Told) -> Iterator[Shard]:
        """Yield each shard when its file is written, in any order.

        Raises:
            ShardError: Ray is not installed, the network cannot be sent, or workers end again and again.
        """
        _check(self)
        waiting = {shard.number: shard for shard in shards}
        if not waiting:
            return
        ray = _ray()
        threads = self.threads or max(1, (os.cpu_count() or 1) // self.workers)
        packed = _packed(ray, work)
        with _session(ray, self.workers * threads, len(packed)):
            for number in self._numbers(ray, packed, list(waiting.values()), threads):
                shard = waiting.pop(number)
                for _ in shard.files:
                    told.tick()
                yield shard

    def _numbers(self, ray: Any, packed: bytes, shards: Sequence[Shard], threads: int) -> Iterator[int]:
        """Yield the numbers of shards that workers have made."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of options that later versions will not have
            made = ray.data.from_items(
                [{"shard": pickle.dumps(shard)} for shard in shards],
                override_num_blocks=min(len(shards), MOST_BLOCKS),
            ).map_batches(
                Worker,
                fn_constructor_args=(ray.put(packed), threads),
                batch_size=1,
                compute=ray.data.ActorPoolStrategy(
                    size=min(self.workers, len(shards)), max_tasks_in_flight_per_actor=IN_FLIGHT
                ),
                num_cpus=threads,
                num_gpus=self.gpus or None,
                ray_remote_args_fn=lambda: {"max_restarts": RESTARTS, "max_task_retries": RESTARTS},
            )
        try:
            for row in made.iter_rows():
                if row["complaint"]:
                    raise ShardError(row["complaint"])
                yield int(row["number"])
        except (ray.exceptions.RayError, RuntimeError) as error:
            raise ShardError(
                f"the workers under Ray ended ({_reason(error)}). What they finished is kept: the same "
                "command goes on from here."
            ) from error


class Worker:
    """Holds the network, and makes one shard at a time."""

    def __init__(self, packed: Any, threads: int) -> None:
        work: Work = pickle.loads(_fetched(packed))  # what `Ray.run` sent itself
        on_gpu = torch.cuda.is_available() and os.environ.get("CUDA_VISIBLE_DEVICES", "") != ""
        if on_gpu:
            work.model.module.to("cuda")
        self.work, self.threads = work, threads

    def __call__(self, batch: Mapping[str, Sequence[bytes]]) -> dict[str, list[Any]]:
        """Make the shards of a batch that are not there yet."""
        made: dict[str, list[Any]] = {"number": [], "complaint": []}
        for packed in batch["shard"]:
            shard: Shard = pickle.loads(packed)
            made["number"].append(shard.number)
            made["complaint"].append(self._complaint(shard))
        return made

    def _complaint(self, shard: Shard) -> str:
        if shard.done(self.work.parts):  # by a worker that was killed before it could say so
            return ""
        try:
            with threads_set(self.threads):
                for _ in self.work.make([shard]):
                    pass
        except Exception as error:
            if not is_sentence(error):
                raise
            return str(error)
        return ""


def _check(asked: Ray) -> None:
    if asked.workers < 1:
        raise ShardError(f"workers={asked.workers}: give 1 or more.")
    if asked.gpus < 0:
        raise ShardError(f"gpus={asked.gpus}: give 0 or more.")
    with threads_set(asked.threads):
        pass


def _ray() -> Any:
    for name, value in _HABITS.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.data
    except ImportError:
        raise ShardError(
            "engine 'ray' needs Ray, which is not installed: pip install interp[scale]."
        ) from None
    if os.environ[_UV] == "0":  # Ray reads it when it is imported, which somebody may have done before
        setattr(ray._private.ray_constants, _UV, False)
    return ray


def _packed(ray: Any, work: Work) -> bytes:
    """Return work as bytes, the network in the memory of no device."""
    try:
        return bytes(ray.cloudpickle.dumps(replace(work, model=_portable(work.model))))
    except Exception as error:  # whatever somebody's module holds
        raise ShardError(
            f"{work.model.name} cannot be sent to workers under Ray ({_reason(error)}). Save it as a folder "
            "and load that, or use engine 'rank'."
        ) from error


def _portable(model: ImageModel) -> ImageModel:
    if model.device.type == "cpu":
        return replace(model)  # without the twins that it has lent
    import copy

    return replace(model, module=copy.deepcopy(model.module).cpu())


def _fetched(packed: Any) -> bytes:
    if isinstance(packed, bytes):
        return packed
    import ray

    return bytes(ray.get(packed))


@contextmanager
def _session(ray: Any, cores: int, size: int) -> Iterator[None]:
    """Start Ray unless it runs, quietly, and end what was started."""
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    if ray.is_initialized():
        yield
        return
    here = {"num_cpus": cores, "object_store_memory": _STORE + 4 * size, "include_dashboard": False}
    _start(ray, {} if os.environ.get("RAY_ADDRESS") else here)
    try:
        yield
    finally:
        ray.shutdown()


def _start(ray: Any, options: Mapping[str, Any]) -> None:
    """Start Ray; a busy machine may take longer than the 15 s that Ray gives its own parts, so try again."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            ray.init(**options, logging_level=logging.ERROR, log_to_driver=False)
            return
        except Exception as error:  # Ray has many ways of not starting
            ray.shutdown()
            if attempt == ATTEMPTS:
                raise ShardError(
                    f"Ray does not start ({_reason(error)}). Try again when the machine is less busy, or use "
                    "engine 'local' or 'rank'."
                ) from error


def _reason(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].strip().rstrip(".") if lines else type(error).__name__
