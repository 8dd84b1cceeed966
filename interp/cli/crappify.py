"""`interp crappify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from interp.cli.options import app
from interp.cli.printing import complain, progress_bar, say


@app.command()
def crappify(
    pictures: Annotated[Path, typer.Argument(help="Folder of good pictures.")],
    out: Annotated[Path, typer.Argument(help="Folder for the poor ones.")],
    variant: Annotated[
        str, typer.Option(help="crappify (small, bad JPEG, writing), resize (small) or grey.")
    ] = "crappify",
    size: Annotated[
        int | None, typer.Option(help="Pixels of the shorter side; default 96, for grey as it is.")
    ] = None,
    quality: Annotated[
        str | None, typer.Option(help="Of the JPEGs; default 10-70, for resize 60, for grey 90.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of what is random.")] = 0,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Walk the folders inside too.")
    ] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads; default one for each core.")] = None,
) -> None:
    """Make poor versions of good pictures, to train super-resolution or colouring.

    An interrupted command goes on where it stopped when it is given again. The same seed makes the same
    files.
    """
    from interp.training.crappify import Plan

    plan = Plan.of(
        pictures,
        out,
        variant=variant,  # type: ignore[arg-type]
        size=size,
        quality=None if quality is None else _range(quality),
        seed=seed,
        recursive=recursive,
    )
    with progress_bar("Making poor") as tick:
        made = plan.run(workers=workers, progress=tick)
    there = f", {made.skipped} were there already" if made.skipped else ""
    say(f"{made.written} poor pictures made{there} → {made.folder}")
    for file, reason in made.failed.items():
        complain(f"{file}: {reason}")
    if made.failed:
        count = made.written + made.skipped + len(made.failed)
        complain(f"{len(made.failed)} of {count} pictures could not be used.")
        raise typer.Exit(1)


def _range(text: str) -> tuple[int, int]:
    """Return the lowest and the highest of `10-70`, or of `60` twice."""
    from interp.training.data import DataError

    numbers = text.split("-")
    if len(numbers) > 2 or not all(number.strip().isdecimal() for number in numbers):
        raise DataError(f"--quality {text}: give a number or two, such as 60 or 10-70.")
    return int(numbers[0]), int(numbers[-1])
