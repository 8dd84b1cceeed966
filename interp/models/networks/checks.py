"""What a network's description may say: a file that asks for more wants memory, not a network."""

from __future__ import annotations

from interp.models.builders import ModelError


def between(key: str, value: float, least: float, most: float) -> None:
    """Raise a `ModelError` unless `least ≤ value ≤ most`."""
    if not least <= value <= most:
        raise ModelError(f"the network's {key} is {value!r}; give {least} … {most}.")
