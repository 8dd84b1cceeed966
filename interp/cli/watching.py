"""How `interp train` tells what happens: a bar and a table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from interp.cli.printing import say, visible

if TYPE_CHECKING:
    from interp.training.stages import Stage

_WIDTH = 11


class Lines:
    """Tells a run in plain lines: one for each stage and each epoch, with the time left."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._first: float | None = None
        self._done = 0.0
        self._read = False
        self._columns: tuple[str, ...] = ()

    def checking(self, done: float, count: float) -> None:
        """Say once how many pictures were read; every stage reads them again at its size."""
        if done == count and not self._read:
            self._read = True
            self.say(f"{count} pictures read.")

    def left_out(self, summary: str) -> None:
        """Say what the run goes on without."""
        self.say(f"left out: {summary}")

    def stage(self, stage: Stage) -> None:
        """Say what the stage is."""
        rate = f"{stage.lr:g}" if stage.lr_low is None else f"{stage.lr_low:g} … {stage.lr:g}"
        epochs = "1 epoch" if stage.epochs == 1 else f"{stage.epochs} epochs"
        about = f"{epochs} at {stage.size} px, batch {stage.batch}, rate {rate}"
        self.say(f"{stage.name}: {about}{', body frozen' if stage.frozen else ''}")
        self._columns = ()

    def moved(self, done: float) -> None:
        """Remember how much is done."""
        if self._first is None:
            self._first, self._began = done, time.monotonic()
        self._done = done

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Print the epoch's row, under the names of its columns when they are new."""
        shown = {key: value for key, value in row.items() if key != "stage" and value == value}
        if tuple(shown) != self._columns:
            self._columns = tuple(shown)
            self.say("  ".join(f"{name:>{_WIDTH}}" for name in shown))
        cells = "  ".join(f"{_number(key, value):>{max(_WIDTH, len(key))}}" for key, value in shown.items())
        self.say(f"{cells}  {self.left()}")

    def left(self) -> str:
        """Return the time that is left in words."""
        begun = self._first or 0.0
        if self._done <= begun:
            return ""
        seconds = (time.monotonic() - self._began) / (self._done - begun) * (1 - self._done)
        return f"{_duration(seconds)} left" if self._done < 1 else ""

    def say(self, text: str) -> None:
        """Print a line."""
        say(text)
        sys.stdout.flush()


class Bar(Lines):
    """Tells a run on a terminal: the same lines above a bar that moves with every step."""

    def __init__(self, progress: Any) -> None:
        super().__init__()
        self._progress = progress
        self._task = progress.add_task("reading", total=None, left="")

    def checking(self, done: float, count: float) -> None:
        """Move the bar."""
        self._progress.update(self._task, description="reading pictures", completed=done, total=count)

    def stage(self, stage: Stage) -> None:
        """Say what the stage is and begin its bar."""
        super().stage(stage)
        self._progress.update(self._task, description=stage.name, total=1.0)

    def moved(self, done: float) -> None:
        """Move the bar."""
        super().moved(done)
        self._progress.update(self._task, completed=done, total=1.0, left=self.left())

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self._progress.console.print(visible(text), highlight=False, markup=False, soft_wrap=True)


@contextmanager
def watching() -> Iterator[Lines]:
    """Yield what tells a run on this terminal, or in this file."""
    if not sys.stdout.isatty():
        yield Lines()
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, transient=True) as progress:
        yield Bar(progress)


def _number(key: str, value: Any) -> str:
    if key == "epoch":
        return str(value)
    return f"{value:.1f}s" if key == "seconds" else f"{value:.4g}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
