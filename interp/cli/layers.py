"""`interp layers`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from interp.cli.options import AsJson, Trust, app
from interp.cli.printing import say, show, show_json, table_of

if TYPE_CHECKING:
    from interp.models import GroupTable, ImageModel

HEADS = ("course", "fastai")


@app.command()
def layers(
    model: Annotated[str, typer.Argument(help="As --model of the other commands.")] = "efficientnet_lite0",
    depth: Annotated[int, typer.Option(min=1, help="How deep to go into nested layers.")] = 2,
    groups: Annotated[
        bool, typer.Option("--groups", help="Layers with weights by layer group, and what freezing leaves.")
    ] = False,
    classes: Annotated[
        int | None, typer.Option(help="With --groups: of a new classifier on MODEL, as `interp train` makes.")
    ] = None,
    head: Annotated[
        str | None, typer.Option(help="With --classes: course (linear layers with bias) or fastai (without).")
    ] = None,
    final_batchnorm: Annotated[
        bool, typer.Option("--final-batchnorm", help="With --classes: a batch norm on the logits.")
    ] = False,
    as_json: AsJson = False,
    trust_pickle: Trust = False,
) -> None:
    """List a model's layers. Names, shapes, stages, the one that is explained by default; layer groups."""
    from interp.models import load

    _check(groups, classes, head, final_batchnorm)
    loaded = load(model, trust_pickle=trust_pickle) if _trained(model) else load(model, weights=None)
    if classes is not None:
        loaded = _classifier(loaded, model, classes, head or "fastai", final_batchnorm)
    if groups:
        _show_groups(loaded, as_json)
    else:
        _show_layers(loaded, depth, as_json)


def _check(groups: bool, classes: int | None, head: str | None, final_batchnorm: bool) -> None:
    from interp.models import ModelError

    new_head = head is not None or final_batchnorm
    if not groups and (classes is not None or new_head):
        raise ModelError("--classes, --head and --final-batchnorm go with --groups.")
    if classes is None and new_head:
        raise ModelError("--head and --final-batchnorm go with --classes N, which puts a new head on MODEL.")
    if head is not None and head not in HEADS:
        raise ModelError(f"--head {head}: give one of {', '.join(HEADS)}.")


def _trained(model: str) -> bool:
    """Whether weights matter: the shapes of a named network are the same without them."""
    return not model.startswith(("torchvision:", "timm:"))


def _classifier(
    backbone: ImageModel, model: str, classes: int, head: str, final_batchnorm: bool
) -> ImageModel:
    from interp.models import DEFAULT_MODEL, ModelError, load
    from interp.models.networks import ClassifierNetwork

    if _trained(model) and model != DEFAULT_MODEL:
        raise ModelError(
            f"--classes puts a new head on a named network, and {model} is a model with a head of its own; "
            "leave --classes out."
        )
    network = ClassifierNetwork(model, classes, bias=head == "course", final_batchnorm=final_batchnorm).build(
        trained=backbone.module
    )
    name = f"{model}, {classes} classes, head as {'in the course' if head == 'course' else 'in fastai 2'}"
    return load(network, preprocess=backbone.preprocess, name=name)


def _show_layers(loaded: ImageModel, depth: int, as_json: bool) -> None:
    from dataclasses import asdict

    table = loaded.layers
    if as_json:
        about = {"model": loaded.name, "default": table.default, "stages": table.stages}
        show_json({**about, "layers": [asdict(row) for row in table]})
        return
    shown = [row for row in table if row.depth <= depth]
    ends = {name.partition("@")[0] for name in table.stages}
    grid = table_of(
        "#", "layer", "type", "output", "parameters", "trainable", "calls", "stage", right={0, 4, 5, 6}
    )
    for row in shown:
        mark = " ● default" if row.name == (table.default or "").partition("@")[0] else ""
        stage = "" if row.stage is None else f"{row.stage}{' end' if row.name in ends else ''}"
        grid.add_row(
            str(row.index),
            "  " * (row.depth - 1) + row.name,
            row.type,
            _sizes(row.shape),
            f"{row.parameters:,}",
            f"{row.trainable:,}",
            str(row.calls),
            stage + mark,
        )
    show(grid)
    deeper = len(table) - len(shown)
    note = (
        f"{deeper} deeper layers not shown; --depth {max(row.depth for row in table)} shows all."
        if deeper
        else ""
    )
    say(f"{loaded.name}: {len(table)} layers, {len(table.stages)} stages. {note}".rstrip())


def _show_groups(loaded: ImageModel, as_json: bool) -> None:
    from dataclasses import asdict

    from interp.models import group_table

    table = group_table(loaded.module, {row.name: row.shape for row in loaded.layers})
    if as_json:
        about = {"model": loaded.name, "weights": table.total}
        groups = [{"name": group.name, "weights": group.weights, **asdict(group)} for group in table.groups]
        show_json({**about, "groups": groups, "totals": [asdict(total) for total in table.totals]})
        return
    show(_layer_grid(table))
    say("● stays trainable when its group is frozen")
    show(_total_grid(table))
    layers, count = sum(len(group.layers) for group in table.groups), len(table.groups)
    plural = "" if count == 1 else "s"
    say(f"{loaded.name}: {layers} layers with {table.total:,} weights in {count} group{plural}.")


def _layer_grid(table: GroupTable) -> Any:
    grid = table_of("group", "type", "output", "weights", "", right={3})
    for number, group in enumerate(table.groups):
        grid.add_row(f"{number} {group.name}", "", "", f"{group.weights:,}", "")
        for layer in group.layers:
            grid.add_row(
                f"  {layer.name}",
                layer.type,
                _sizes(layer.shape),
                f"{layer.weights:,}",
                "●" if layer.is_norm else "",
            )
        grid.add_section()
    return grid


def _total_grid(table: GroupTable) -> Any:
    grid = table_of("after", "trainable", "not trainable", right={1, 2})
    for total in table.totals:
        grid.add_row(total.call, f"{total.trainable:,}", f"{total.frozen:,}")
    return grid


def _sizes(shape: tuple[int, ...] | None) -> str:
    return "did not run" if shape is None else "×".join(map(str, shape))
