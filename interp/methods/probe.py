"""What a method may ask of the network when one pass is not enough: one picture, one target, one layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import nn

from interp.capture import Replay, record, replay
from interp.layers import main_output
from interp.methods.applying import applied, layers_of, parts_of
from interp.methods.contrast import asked
from interp.methods.registry import Asks, Method
from interp.methods.siblings import Siblings
from interp.methods.sooner import Copies
from interp.methods.spelling import MethodError
from interp.models import ImageModel
from interp.precision import in_full
from interp.progress import Progress, part_of
from interp.targets import Target

AT_ONCE = 32


@dataclass(frozen=True, eq=False)
class Probe:
    """The network, one prepared picture and what is asked of it.

    Attributes:
        model: what is explained.
        module: its twin, this thread's own; what patches it must put it back.
        inputs: `(1, C, *size)`.
        output: what the network gives for them, `(1, ...)`, detached.
        target: one score for each output.
        layer: name of the layer; empty for methods whose map lies on the input.
        progress: to be told how far the method is.
        copies: of the twin, for many passes.
        siblings: the targets that the method explains of this picture, this one included.
        notes: what the method said of this map.
    """

    model: ImageModel
    module: nn.Module = field(repr=False)
    inputs: torch.Tensor = field(repr=False)
    output: torch.Tensor = field(repr=False)
    target: Target
    layer: str
    progress: Progress = field(repr=False)
    copies: Copies = field(repr=False)
    siblings: Siblings = field(default_factory=lambda: Siblings(()), repr=False)
    notes: list[str] = field(default_factory=list, repr=False)

    def note(self, text: str) -> None:
        """Say something of this map that people must know to read it, in a few words."""
        self.notes.append(text)

    def run(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the network's output for `(N, C, *size)`, with a graph where the caller asks for one."""
        return main_output(self.module(inputs))

    def ask(self, output: torch.Tensor, asks: Asks = "score") -> torch.Tensor:
        """Return the target's score of each output, `(N,)`."""
        return asked(self.target, output, asks, self.model.activation)

    @property
    def score(self) -> float:
        """The target's score for the picture as it is."""
        return float(self.ask(self.output)[0])

    def exact(self) -> Probe:
        """Return the same probe of the network itself, never of a copy."""
        return replace(self, copies=self.copies.asked("off"))

    def network(self, passes: int) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return what gives the network's output for other inputs, when about so many are to come.

        It is `run`, or the same of an optimised copy. Its inputs stay as they are.
        """
        copied = self.copies.get(passes)
        if copied is None:
            return lambda inputs: self.run(inputs.to(self.inputs.dtype).clone())
        return lambda inputs: main_output(copied.module(copied.prepared(inputs)))

    def scores(self, inputs: torch.Tensor, passes: int = 1) -> torch.Tensor:
        """Return the target's scores `(N,)`, float32 or float64, for other inputs `(N, C, *size)`.

        Args:
            inputs: what is asked now.
            passes: how many inputs the method asks in all.
        """
        run = self.network(max(passes, len(inputs)))
        with torch.inference_mode(False), torch.no_grad():
            return in_full(torch.cat([self.ask(run(part)) for part in torch.split(inputs, AT_ONCE)]))

    def outputs(self, inputs: torch.Tensor, passes: int = 1) -> torch.Tensor:
        """Return what the network gives for other inputs `(N, C, *size)`, detached."""
        run = self.network(max(passes, len(inputs)))
        with torch.inference_mode(False), torch.no_grad():
            return torch.cat([run(part) for part in torch.split(inputs, AT_ONCE)])

    def tail(self) -> Tail:
        """Return what gives the target's scores for changed activations of the layer: `Tail`.

        It is a part of the network itself unless a copy is wished for: at the few positions of late layers
        a copy is no faster.
        """
        copied = None if self.copies.optimize == "auto" else self.copies.get(AT_ONCE, keep=self.layer)
        if copied is None:
            return Tail(self, replay(self.module, self.layer, self.inputs))
        return Tail(self, replay(copied.module, self.layer, copied.prepared(self.inputs)))

    def activation(self) -> torch.Tensor:
        """Return what the layer gives for the picture, `(1, C, *grid)`."""
        with record(self.module, [self.layer]) as recording:
            self.run(self.inputs.clone())
        return in_full(self.laid_out(self.layer, recording[self.layer]))

    def laid_out(self, layer: str, output: torch.Tensor, inputs: torch.Tensor | None = None) -> torch.Tensor:
        """Return `(N, C, *grid)` of what a layer gave, be it tokens or channels last."""
        given = self.inputs if inputs is None else inputs
        return self.model.layers.features(layer, output, given.shape[2:])

    def recorded(
        self, layers: Sequence[str], *, inputs: torch.Tensor | None = None, asks: Asks = "score"
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Return the activations of some layers and the gradients of what is asked, each `(N, C, *grid)`."""
        given = self.inputs if inputs is None else inputs
        with record(self.module, list(dict.fromkeys(layers)), gradients=True) as recording:
            gradients = recording.gradients(self.ask(self.run(given.clone()), asks))
            found = [in_full(self.laid_out(layer, recording[layer].detach(), given)) for layer in layers]
        return found, [in_full(self.laid_out(layer, gradients[layer], given)) for layer in layers]

    def map(
        self, method: Method, *, inputs: torch.Tensor | None = None, layer: str | None = None
    ) -> torch.Tensor:
        """Return the raw map `(*grid)` of another method, perhaps of other inputs or at another layer."""
        return self.maps(method, self.inputs if inputs is None else inputs, layer=layer)[0]

    def maps(self, method: Method, inputs: torch.Tensor, *, layer: str | None = None) -> torch.Tensor:
        """Return the raw maps `(N, *grid)` of another method, of other inputs `(N, C, *size)`."""
        probe = self if layer is None else replace(self, layer=layer)
        if method.needs != "probe":
            return torch.cat([probe._recorded(method, part) for part in torch.split(inputs, AT_ONCE)])
        return torch.stack([probe._probed(method, inputs, row) for row in range(len(inputs))])

    def _probed(self, method: Method, inputs: torch.Tensor, row: int) -> torch.Tensor:
        alone = Siblings((self.target,))
        progress = part_of(self.progress, row, len(inputs))
        probe = replace(self, progress=progress, siblings=alone, notes=[])
        if inputs is not self.inputs:
            with torch.inference_mode(False), torch.no_grad():
                given = inputs[row : row + 1].clone()
                output = self.run(given.clone())
                probe = replace(probe, inputs=given, output=output, copies=probe.copies.of(given))
        found = probed(method, probe)
        self.notes.extend(note for note in probe.notes if note not in self.notes)
        return found

    def _recorded(self, method: Method, inputs: torch.Tensor) -> torch.Tensor:
        parts = parts_of(method, self.layer, self.model.layers)
        differentiate = method.needs == "gradients"
        layers = layers_of(method, parts, self.model.layers)
        with record(self.module, list(dict.fromkeys(layers)), gradients=differentiate) as recording:
            output = self.run(inputs.clone())
            gradients = recording.gradients(self.ask(output, method.asks)) if differentiate else {}
        targets = [self.target] * len(inputs)
        return applied(
            method,
            parts,
            recording,
            gradients,
            targets,
            output.detach(),
            self.module,
            self.model.layers,
            inputs.shape[2:],
        )


@dataclass(frozen=True, eq=False)
class Tail:
    """What comes after the layer of a probe; only this runs for every activation asked about.

    Attributes:
        probe: whose target is asked.
        replayed: of its network, or of a copy.
    """

    probe: Probe
    replayed: Replay

    @property
    def activation(self) -> torch.Tensor:
        """What the layer gives for the picture, `(1, C, *grid)`."""
        return in_full(self.probe.laid_out(self.probe.layer, self.replayed.activation))

    def __call__(self, activations: torch.Tensor) -> torch.Tensor:
        """Return the target's scores `(N,)` for changed activations `(N, C, *grid)`."""
        given = self.replayed.activation
        layout = self.probe.model.layers.with_positions(self.probe.layer).layout
        found = []
        with torch.no_grad():
            for part in torch.split(activations.to(given.dtype), AT_ONCE):
                turned = part if layout is None else layout.output(part, given)
                found.append(self.probe.ask(main_output(self.replayed(turned))))
        return in_full(torch.cat(found))


def probed(method: Method, probe: Probe) -> torch.Tensor:
    """Return the raw map `(*grid)`, float32, of a method that needs a probe.

    Raises:
        MethodError: the method does not work on networks of this kind.
    """
    if probe.model.task not in method.tasks:
        raise MethodError(
            f"{method.title} works for {' and '.join(method.tasks)}; {probe.model.name} does "
            f"{probe.model.task}."
        )
    found: torch.Tensor = method.function(probe)
    return found.detach().float()
