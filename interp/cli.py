"""The command line. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from interp.explanation import Explanations
    from interp.models import ImageModel

app = typer.Typer(
    name="interp",
    help="Where a trained CNN or U-Net looks, with which features, and whether the picture can be trusted.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # Rich's help takes longer to import than everything else together
    pretty_exceptions_enable=False,
)

Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="efficientnet_lite0 (offline), torchvision:NAME, timm:NAME, a saved folder, or a trusted .pkl.",
    ),
]
Trust = Annotated[
    bool,
    typer.Option("--trust-pickle", help="Open a pickle, which runs the code in it. Only your own files."),
]
Classes = Annotated[
    list[str] | None, typer.Option("--class", "-c", help="Class name or index; may be given several times.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@app.command()
def explain(
    pictures: Annotated[list[Path], typer.Argument(help="Pictures to explain.")],
    model: Model = "efficientnet_lite0",
    classes: Classes = None,
    top: Annotated[int, typer.Option(min=1, help="Explain the likeliest classes; without --class.")] = 1,
    method: Annotated[list[str] | None, typer.Option(help="Method; may be given several times.")] = None,
    layer: Annotated[
        list[str] | None, typer.Option(help="Layer name or index, or 'stages'; may be given several times.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path("explanations"),
    save: Annotated[
        list[str] | None, typer.Option(help="png (default), pdf, svg, webp, json or npz; several times.")
    ] = None,
    trust_pickle: Trust = False,
) -> None:
    """Explain pictures. Several methods, layers or classes make a grid for each picture."""
    from interp import targets
    from interp.explaining import explain as explain_pictures
    from interp.explanation import FIGURES, ExplanationError
    from interp.images import ImageError
    from interp.models import load

    target = targets.several(*classes) if classes else targets.top(top)
    layers: Any = "stages" if layer == ["stages"] else layer
    kinds = [kind.lower().lstrip(".") for kind in save or ["png"]]
    known = [ending.lstrip(".") for ending in (*FIGURES, ".json", ".npz")]
    if wrong := [kind for kind in kinds if kind not in known]:
        raise ExplanationError(f"--save {wrong[0]}: give one of {', '.join(known)}.")
    loaded = load(model, trust_pickle=trust_pickle)
    out.mkdir(parents=True, exist_ok=True)
    failed = 0
    used: set[str] = set()
    for picture in pictures:
        try:
            found = explain_pictures(loaded, [picture], target, method or ["grad-cam"], layers)
        except ImageError as error:
            failed += 1
            _complain(error)
            continue
        for explanation in found:
            said = explanation.scale.verdict or explanation.scale.text
            typer.echo(f"{picture.name}: {explanation.title} · {explanation.caption}: {said}")
        for written in _save(found, out, _unused(picture.stem, used), kinds):
            typer.echo(f"  → {written}")
    if failed:
        _complain(f"{failed} of {len(pictures)} pictures could not be explained.")
        raise typer.Exit(1)


def _unused(stem: str, used: set[str]) -> str:
    """Return a name that no other picture of this command has: pictures of two folders may share one."""
    name, number = stem, 1
    while name in used:
        number += 1
        name = f"{stem}-{number}"
    used.add(name)
    return name


def _save(found: Explanations, out: Path, stem: str, kinds: Sequence[str]) -> Iterator[Path]:
    for kind in kinds:
        if len(found) == 1:
            yield found[0].save(out / f"{stem}.{kind}")
        elif kind in ("json", "npz"):
            for each in found:
                parts = (each.target.name, each.layer, each.method.name)
                yield each.save(out / f"{stem}.{'.'.join(map(_plain, parts))}.{kind}")
        else:
            yield found.save(out / f"{stem}.{kind}")


def _plain(text: str) -> str:
    return "".join(c if c.isalnum() or c in "_.@-" else "-" for c in text)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="Folder of pictures.")],
    model: Model = "efficientnet_lite0",
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the report.")] = Path("report"),
    classes: Classes = None,
    top: Annotated[int, typer.Option(min=0, help="How many likeliest classes to explain.")] = 3,
    method: Annotated[str, typer.Option(help="Method (`interp methods`).")] = "grad-cam",
    layer: Annotated[str | None, typer.Option(help="Layer name or index (`interp layers`).")] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Walk the folders inside too.")
    ] = False,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures in one pass.")] = 16,
    trust_pickle: Trust = False,
) -> None:
    """Write a report of a folder of pictures.

    An HTML page that opens offline, panels, a contact sheet and the raw maps. An interrupted report goes on
    where it stopped when the same command is given again.
    """
    from interp.models import load
    from interp.report import find_pictures, write_report

    find_pictures(folder, recursive=recursive)
    loaded = load(model, trust_pickle=trust_pickle)
    with _progress("Explaining") as tick:
        made = write_report(
            loaded,
            folder,
            out,
            classes=classes or (),
            top_classes=top,
            method=method,
            layer=layer,
            batch_size=batch_size,
            recursive=recursive,
            progress=tick,
        )
    typer.echo(f"{made.pictures - len(made.failed)} pictures explained → {made.folder / 'index.html'}")
    for file, reason in made.failed.items():
        _complain(f"{file}: {reason}")
    if made.failed:
        _complain(f"{len(made.failed)} of {made.pictures} pictures could not be explained.")
        raise typer.Exit(1)


@contextmanager
def _progress(words: str) -> Iterator[Any]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn(words),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(words, total=None)
        try:
            yield lambda done, count: bar.update(task, completed=done, total=count)
        except KeyboardInterrupt:
            bar.stop()
            _complain("interrupted; nothing half-written is left, and the same command goes on from here.")
            raise typer.Exit(130) from None


@app.command()
def layers(
    model: Annotated[str, typer.Argument(help="As --model of the other commands.")] = "efficientnet_lite0",
    depth: Annotated[int, typer.Option(min=1, help="How deep to go into nested layers.")] = 2,
    as_json: AsJson = False,
    trust_pickle: Trust = False,
) -> None:
    """List a model's layers. Names, shapes, stages, and the one that is explained by default."""
    from dataclasses import asdict

    from interp.models import load

    loaded = load(model, trust_pickle=trust_pickle) if _trained(model) else load(model, weights=None)
    table = loaded.layers
    if as_json:
        about = {"model": loaded.name, "default": table.default, "stages": table.stages}
        _print_json({**about, "layers": [asdict(row) for row in table]})
        return
    shown = [row for row in table if row.depth <= depth]
    ends = {name.partition("@")[0] for name in table.stages}
    grid = _table(
        "#", "layer", "type", "output", "parameters", "trainable", "calls", "stage", right={0, 4, 5, 6}
    )
    for row in shown:
        mark = " ● default" if row.name == (table.default or "").partition("@")[0] else ""
        stage = "" if row.stage is None else f"{row.stage}{' end' if row.name in ends else ''}"
        shape = "did not run" if row.shape is None else "×".join(map(str, row.shape))
        grid.add_row(
            str(row.index),
            "  " * (row.depth - 1) + row.name,
            row.type,
            shape,
            f"{row.parameters:,}",
            f"{row.trainable:,}",
            str(row.calls),
            stage + mark,
        )
    _print(grid)
    deeper = len(table) - len(shown)
    note = (
        f"{deeper} deeper layers not shown; --depth {max(row.depth for row in table)} shows all."
        if deeper
        else ""
    )
    typer.echo(f"{loaded.name}: {len(table)} layers, {len(table.stages)} stages. {note}".rstrip())


def _trained(model: str) -> bool:
    """Whether weights matter: the shapes of a named network are the same without them."""
    return not model.startswith(("torchvision:", "timm:"))


@app.command()
def models(
    find: Annotated[str, typer.Argument(help="Only names with this in them.")] = "",
    as_json: AsJson = False,
) -> None:
    """List the models that can be loaded by name."""
    from dataclasses import asdict

    from interp.models import available

    found = [entry for entry in available() if find.lower() in entry.name.lower()]
    if as_json:
        _print_json([asdict(entry) for entry in found])
        return
    from rich.columns import Columns

    _print(
        Columns([f"{entry.name}{' ● offline' if entry.offline else ''}" for entry in found], padding=(0, 3))
    )
    typer.echo(
        f"{len(found)} models. Besides: any folder saved by interp, fastai Learners and modules in Python."
    )


@app.command()
def methods(as_json: AsJson = False) -> None:
    """List the methods. What each computes, how it is drawn and what it costs."""
    from interp.methods import methods as registered

    known = registered()
    if as_json:
        keys = ("name", "title", "family", "needs", "display", "formula", "paper", "cost")
        _print_json([{key: getattr(method, key) for key in keys} for method in known])
        return
    grid = _table("method", "formula", "drawn", "cost", "paper")
    for method in known:
        grid.add_row(method.name, method.formula, method.display, method.cost, method.paper)
    _print(grid)


@app.command()
def remake(
    saved: Annotated[Path, typer.Argument(help="A .json written by `interp explain --save json`.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Picture to write.")] = Path("remade.png"),
) -> None:
    """Make an explanation again from its JSON. The map must be the same, byte for byte."""
    from interp.explaining import remake as remake_explanation

    again = remake_explanation(saved)
    typer.echo(f"the same map again: {again.title} · {again.caption} → {again.save(out)}")


@app.command()
def convert(
    pickle: Annotated[
        Path, typer.Argument(help="A pickled module, or a Learner whose network has a plain architecture.")
    ],
    folder: Annotated[Path, typer.Argument(help="Where to write model.safetensors and model.json.")],
    architecture: Annotated[
        str, typer.Option(help="What it is: torchvision:NAME or timm:NAME, so that nobody needs its code.")
    ],
    trust_pickle: Trust = False,
) -> None:
    """Convert a pickle into a safe model folder. Opening the pickle runs its code, so it must be yours."""
    from interp.models import load

    loaded: ImageModel = load(pickle, trust_pickle=trust_pickle)
    source, _, name = architecture.partition(":")
    typer.echo(f"saved → {_with_architecture(loaded, source, name).save(folder)}")


def _with_architecture(loaded: ImageModel, source: str, name: str) -> ImageModel:
    from dataclasses import replace

    from interp.models import Architecture, ModelError

    outputs = int(loaded.logits(loaded.blank()).shape[1])
    built = Architecture(source, name, {"num_classes": outputs})
    own, expected = loaded.module.state_dict(), built.build().state_dict()
    if {k: v.shape for k, v in own.items()} != {k: v.shape for k, v in expected.items()}:
        raise ModelError(
            f"the weights in the pickle are not those of {source}:{name} with {outputs} outputs."
        )
    return replace(loaded, architecture=built)


def _table(*columns: str, right: set[int] = frozenset()) -> Any:  # type: ignore[assignment]
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    grid = Table(box=SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        grid.add_column(column, justify="right" if number in right else "left", overflow="fold")
    return grid


def _print(renderable: Any) -> None:
    from rich.console import Console

    # Piped output is read by programs and by grep: rows stay whole.
    Console(width=None if sys.stdout.isatty() else 200).print(renderable)


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False))


def _complain(error: object) -> None:
    typer.echo(f"interp: {error}", err=True)


def main() -> None:
    """Run the command line; a known failure is one sentence and a non-zero exit, not a traceback."""
    try:
        app()
    except Exception as error:
        known = type(error).__module__.startswith("interp.") or isinstance(error, OSError)
        if not known or os.environ.get("INTERP_TRACEBACK"):
            raise
        _complain(error)
        sys.exit(2)
