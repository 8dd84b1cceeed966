"""`interp models`, `interp methods` and `interp convert`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interp.cli.options import AsJson, Trust, app
from interp.cli.printing import say, show, show_json, table_of

if TYPE_CHECKING:
    from interp.methods import Method
    from interp.models import ImageModel


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
        show_json([asdict(entry) for entry in found])
        return
    from rich.columns import Columns

    show(Columns([f"{entry.name}{' ● offline' if entry.offline else ''}" for entry in found], padding=(0, 3)))
    say(f"{len(found)} models. Besides: any folder saved by interp, fastai Learners and modules in Python.")


@app.command()
def methods(
    find: Annotated[str, typer.Argument(help="Only names, titles and families with this in them.")] = "",
    papers: Annotated[
        bool, typer.Option("--papers", help="Where each comes from, and not its formula.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the methods by family. What each computes, how it is drawn and how many passes it costs."""
    from interp.methods import methods as registered

    known = [
        each for each in registered() if find.lower() in f"{each.name} {each.title} {each.family}".lower()
    ]
    if as_json:
        listed = "name title family needs place display signed formula paper passes tasks asks stages options"
        show_json([{key: getattr(method, key) for key in listed.split()} for method in known])
        return
    show(_method_table(known, papers=papers))
    say(
        f"{len(known)} methods. A pass is one prediction; going back through the network counts as two more. "
        "--json has their options, which are given as in 'rise(masks=500)'."
    )


def _method_table(known: Sequence[Method], *, papers: bool) -> Any:
    """Return a table with a heading for each family."""
    from rich.text import Text

    grid = table_of("method", "passes", "drawn", "paper" if papers else "formula", right={1})
    grid.columns[0].no_wrap = True
    for family in dict.fromkeys(method.family for method in known):
        grid.add_row(Text(family, style="bold"), "", "", "")
        for method in known:
            if method.family == family:
                about = method.paper if papers else method.formula
                cost = f"{method.passes:.3g}" if method.passes < 100 else f"{method.passes:.0f}"
                grid.add_row(f"  {method.name}", cost, method.display, Text(about))
    return grid


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
    say(f"saved → {_with_architecture(loaded, source, name).save(folder)}")


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
