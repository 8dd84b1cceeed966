"""Look inside a network while it runs, without leaving a trace on it.

`twin` makes a private copy that shares the weights, `record` keeps activations and their gradients, and
`replay` runs only what comes after a layer, again and again, on changed activations. `optimised` copies a
network so that it gives the same output sooner.
"""

from interp.capture.optimised import Optimised, agrees, optimised
from interp.capture.record import Recording, record
from interp.capture.replay import Replay, replay
from interp.capture.structure import CaptureError
from interp.capture.twin import TwinPool, twin

__all__ = [
    "CaptureError",
    "Optimised",
    "Recording",
    "Replay",
    "TwinPool",
    "agrees",
    "optimised",
    "record",
    "replay",
    "twin",
]
