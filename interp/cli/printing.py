"""What commands print: tables, JSON, progress, complaints."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

# All but tabs and ends of lines; what turns the direction of writing; halves of characters.
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def say(text: object, *, err: bool = False) -> None:
    """Print a line; nothing in the name of a file or a class can steer the terminal."""
    typer.echo(visible(str(text)), err=err)


def visible(text: str) -> str:
    r"""Return a text with characters that nobody sees written as in Python and JSON.

    Example:
        >>> visible("cat\x1b[31m.jpg")
        'cat\\u001b[31m.jpg'
    """
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def table_of(*columns: str, right: set[int] = frozenset()) -> Any:  # type: ignore[assignment]
    """Return an empty table with these columns; `right` are the numbers of those aligned right."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    class Grid(Table):
        """A table of texts that are nobody's markup."""

        def add_row(self, *cells: Any, **choices: Any) -> None:
            super().add_row(*(visible(c) if isinstance(c, str) else c for c in cells), **choices)

    grid = Grid(box=SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        grid.add_column(column, justify="right" if number in right else "left", overflow="fold")
    return grid


def show(renderable: Any) -> None:
    """Print anything that rich draws."""
    from rich.console import Console

    # Piped output is read by programs and by grep: rows stay whole.
    console = Console(width=None if sys.stdout.isatty() else 200, markup=False, emoji=False)
    console.print(renderable)


def show_json(value: Any) -> None:
    """Print plain values as JSON."""
    say(json.dumps(value, indent=1, ensure_ascii=False))


def complain(error: object) -> None:
    """Print one sentence to stderr."""
    say(f"interp: {error}", err=True)


AGAIN = "nothing half-written is left, and the same command goes on from here."


@contextmanager
def progress_bar(words: str, *, counted: bool = True, interrupted: str = AGAIN) -> Iterator[Any]:
    """Yield a function of (done, count) that moves a bar with the time left on stderr.

    Args:
        words: before the bar.
        counted: whether what is done is counted; else it is a share, in per cent.
        interrupted: what becomes of the work when somebody interrupts it.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns: tuple[ProgressColumn, ...] = (
        TextColumn(escape(visible(words))),
        BarColumn(),
        MofNCompleteColumn() if counted else TaskProgressColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=Console(stderr=True), transient=not counted) as bar:
        task = bar.add_task(visible(words), total=None)
        try:
            yield lambda done, count: bar.update(task, completed=done, total=count)
        except KeyboardInterrupt:
            bar.stop()
            complain(f"interrupted; {interrupted}")
            raise typer.Exit(130) from None
