"""One forward pass, one backward pass for each target: the maps of many methods and layers at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import nn

from interp.capture import Recording, record
from interp.defaults import METHOD
from interp.layers import main_output
from interp.methods.applying import applied, layers_of, parts_of
from interp.methods.checks import check_finite, check_graph
from interp.methods.contrast import asked as asked_of
from interp.methods.probe import Probe, probed
from interp.methods.registry import INPUT, Asks, Method, get
from interp.methods.siblings import Siblings
from interp.methods.sooner import Copies
from interp.models import ImageModel
from interp.precision import in_full
from interp.progress import Progress, part_of
from interp.targets import AnyTarget, Target, per_picture, resolve

Key = tuple[int, str, str]
Name = TypeVar("Name", bound=str)


@dataclass(frozen=True, eq=False)
class Attribution:
    """The maps of one batch.

    Attributes:
        output: what the network gave, `(B, ...)`, detached.
        targets: for each picture its targets, in order.
        maps: `(target number, layer, method name)` → raw maps `(B, *grid)`, float32, signed. A picture
            with fewer targets than others has zeros in the maps that it did not ask for. Of a method whose
            map lies on the input the layer is `"input"`.
        notes: `(target number, layer, method name)` → for each picture what the method said of its map, as
            how much an integral misses; only of methods that said something.
    """

    output: torch.Tensor
    targets: tuple[tuple[Target, ...], ...]
    maps: dict[Key, torch.Tensor]
    notes: dict[Key, tuple[tuple[str, ...], ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Job:
    """A method at a layer, and the layers that it rests on."""

    method: Method
    layer: str
    parts: tuple[str, ...]

    def key(self, number: int) -> Key:
        return number, self.layer, self.method.name


def attribute(
    model: ImageModel,
    inputs: torch.Tensor,
    target: AnyTarget | Sequence[AnyTarget] = None,
    methods: Sequence[str | Method] = (METHOD,),
    layers: Sequence[str | int] | None = None,
    *,
    progress: Progress | None = None,
) -> Attribution:
    """Explain a batch of prepared inputs: all targets, layers and methods from one forward pass.

    What comes before the first of the layers builds no graph; each target costs one backward pass from the
    output down to that layer. Methods that must ask more of the network (`needs="probe"`) do so afterwards,
    picture by picture.

    Args:
        model: from `interp.load`.
        inputs: `(B, C, H, W)`, as `model.prepare` makes them.
        target: one query for all pictures, or a list with one for each.
        methods: names of methods.
        layers: names of layers; default: `model.default_layer`. Methods whose map lies on the input give one
            map, whatever the layers.
        progress: is told how far the methods that take longer are.

    Raises:
        TargetError, LabelError, LayerError, MethodError, CaptureError: what was asked does not fit.

    Example:
        >>> found = attribute(model, model.prepare(pictures), methods=["grad-cam", "layer-cam"])
        >>> found.maps[0, "bn2", "layer-cam"].shape
        torch.Size([2, 7, 7])
    """
    jobs = _jobs(model, [get(method) for method in methods], layers)
    recorded = [job for job in jobs if job.method.needs != "probe"]
    maps: dict[Key, torch.Tensor] = {}
    with model.twin() as private:
        output, targets = _record(model, private, inputs, target, recorded, maps)
        notes = _probe(model, private, inputs, output, targets, jobs, maps, progress)
    order = [job.key(number) for number in range(max(map(len, targets))) for job in jobs]
    return Attribution(output, targets, {key: maps[key] for key in order}, notes)


def _jobs(model: ImageModel, methods: Sequence[Method], layers: Sequence[str | int] | None) -> list[_Job]:
    on_layers = any(method.place == "layer" for method in methods)
    if layers and (on_layers or list(layers) != [INPUT]):
        names = [model.layers.resolve(layer) for layer in layers]
    else:
        names = [model.default_layer] if on_layers else [INPUT]
    jobs: dict[tuple[str, str], _Job] = {}
    for layer in names:
        for method in methods:
            at = layer if method.place == "layer" else INPUT
            parts = parts_of(method, layer, model.layers) if method.place == "layer" else ()
            jobs.setdefault((at, method.name), _Job(method, at, parts))
    return list(jobs.values())


def _record(
    model: ImageModel,
    private: nn.Module,
    inputs: torch.Tensor,
    target: AnyTarget | Sequence[AnyTarget],
    jobs: Sequence[_Job],
    maps: dict[Key, torch.Tensor],
) -> tuple[torch.Tensor, tuple[tuple[Target, ...], ...]]:
    """Run once, put the maps that rest on recorded layers into `maps`, and return output and targets."""
    names = _once(layer for job in jobs for layer in layers_of(job.method, job.parts, model.layers))
    asks = _once(job.method.asks for job in jobs if job.method.needs == "gradients")
    with record(private, names, gradients=bool(asks)) as recording:
        # A clone, because networks may change their input in place, and may save it for a backward pass,
        # which autograd refuses for tensors made in inference mode.
        output = main_output(private(inputs.clone()))
        check_finite(output.detach(), inputs)
        if asks and not output.requires_grad:
            check_graph(private, inputs)
        queries = per_picture(target, len(inputs))
        targets = tuple(
            resolve(q, row, model.labels, model.task) for q, row in zip(queries, output.detach(), strict=True)
        )
        last = max(map(len, targets)) - 1
        for number in range(last + 1):
            asked = _asked(targets, number)
            gradients = _gradients(model, recording, asked, output, asks, final=number == last)
            for job in jobs:
                maps[job.key(number)] = applied(
                    job.method,
                    job.parts,
                    recording,
                    gradients.get(job.method.asks, {}),
                    asked,
                    output.detach(),
                    private,
                    model.layers,
                    inputs.shape[2:],
                )
    return output.detach(), targets


def _gradients(
    model: ImageModel,
    recording: Recording,
    asked: Sequence[Target | None],
    output: torch.Tensor,
    asks: Sequence[Asks],
    *,
    final: bool,
) -> dict[Asks, dict[str, torch.Tensor]]:
    found: dict[Asks, dict[str, torch.Tensor]] = {}
    for ask in asks:
        scores = torch.stack(_scores(model, asked, output, ask))
        found[ask] = recording.gradients(scores, retain_graph=not final or ask != asks[-1])
    return found


def _probe(
    model: ImageModel,
    private: nn.Module,
    inputs: torch.Tensor,
    output: torch.Tensor,
    targets: Sequence[Sequence[Target]],
    jobs: Sequence[_Job],
    maps: dict[Key, torch.Tensor],
    progress: Progress | None,
) -> dict[Key, tuple[tuple[str, ...], ...]]:
    """Put the maps of methods that ask more of the network into `maps`, and return what they say of them."""
    slow = [job for job in jobs if job.method.needs == "probe"]
    work = [(job, row, owns) for job in slow for row, owns in enumerate(targets)]
    said: dict[Key, dict[int, tuple[str, ...]]] = {}
    copies = Copies(private, inputs[:1].clone())
    for step, (job, row, owns) in enumerate(work):
        one = slice(row, row + 1)
        layer = job.layer if job.method.place == "layer" else ""
        given = inputs[one].clone()
        copied, siblings = copies.of(given), Siblings(owns)
        for number, own in enumerate(owns):
            tell = siblings.progress(number, part_of(progress or _quiet, step, len(work)))
            probe = Probe(model, private, given, output[one], own, layer, tell, copied, siblings)
            found = probed(job.method, probe)
            batch = maps.setdefault(job.key(number), found.new_zeros(len(inputs), *found.shape))
            batch[row] = found
            if probe.notes:
                said.setdefault(job.key(number), {})[row] = tuple(probe.notes)
            tell(1, 1)
    return {key: tuple(rows.get(row, ()) for row in range(len(inputs))) for key, rows in said.items()}


def _quiet(_done: float, _total: float) -> None:
    pass


def _once(names: Iterable[Name]) -> list[Name]:
    return list(dict.fromkeys(names))


def _asked(targets: Sequence[Sequence[Target]], number: int) -> list[Target | None]:
    """Return for each picture its target of that number, if it has so many."""
    return [own[number] if number < len(own) else None for own in targets]


def _scores(
    model: ImageModel, asked: Sequence[Target | None], output: torch.Tensor, asks: Asks
) -> list[torch.Tensor]:
    """Return one score for each picture; a target only sees its own picture's output."""
    scores = []
    for i, target in enumerate(asked):
        if target is None:
            scores.append(in_full(output.new_zeros(())))
        else:
            scores.append(in_full(asked_of(target, output[i : i + 1], asks, model.activation)[0]))
    return scores
