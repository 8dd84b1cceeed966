"""Every method judged by every kind of metric on the default network: which maps should be believed?

    uv run python benchmarks/every_method.py FOLDER --out OUT               # 200 photographs; hours
    uv run python benchmarks/every_method.py FOLDER --out OUT2 --set slow --count 25
    uv run python benchmarks/every_method.py FOLDER --out OUT3 --set further --count 25

`cam`, `hires-cam`, `xgrad-cam` and `shapley-cam` are left out: they are `grad-cam` where the head is linear,
as here. Methods of many passes are judged on fewer photographs and with fewer masks than usual; so are all
methods by the metrics that cost most. The photographs come in random order, so a run that is cut short
(Ctrl-C) has judged a fair part of them, prints the table of these, and goes on where it stopped.
"""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.progress import Progress

import interp
from interp.metrics.evaluation import Evaluation, Summary
from interp.metrics.evaluation_files import TABLE
from interp.metrics.planning import chosen_pictures
from interp.metrics.results import read_tables
from interp.metrics.summary import drawn, interval
from interp.metrics.verdicts import base
from interp.shards import parts_in, slice_of

METHODS = [
    "consensus-cam",
    "finer-cam",
    "grad-cam",
    "ablation-cam",
    "grad-cam-plus-plus",
    "layer-cam",
    "grad-cam-elementwise",
    "eigen-grad-cam",
    "eigen-cam",
    "kpca-cam",
    "fem",
    "random-cam",
    "activation-mean",
    "activation-max",
    "activation-l2",
    "refine-cam",
    "fullgrad",
    "lrp",
    "input-x-gradient",
    "saliency",
    "deep-lift",
    "guided-backprop",
    "guided-grad-cam",
    "edges",
    "centre",
    "random",
]
SLOW = [
    "integrated-gradients(steps=16)",
    "smoothgrad(samples=10)",
    "gradient-shap(samples=10)",
    "lam",
    "occlusion",
    "smooth-grad-cam-plus-plus",
    "score-cam(fast=True)",
    "rise(masks=300)",
    "random",
]
METRICS = [
    "deletion(steps=8)",
    "insertion(steps=8)",
    "road(steps=2)",
    "average-drop",
    "increase",
    "sparseness",
    "entropy",
    "randomisation(steps=1)",
    "random-class(classes=1)",
]
FURTHER = [
    "infidelity(samples=16)",
    "displaced(copies=5)",
    "adcc",
    "max-sensitivity(samples=2)",
    "shift-agreement",
]
CONTROLS = ("random", "centre", "edges")
SETS = {"usual": (METHODS, METRICS), "slow": (SLOW, METRICS), "further": (METHODS, FURTHER)}


def main(
    folder: Path,
    out: Annotated[Path, typer.Option(help="Folder of the evaluation.")],
    count: Annotated[int, typer.Option(min=1, help="How many photographs, drawn by seed 0.")] = 200,
    network: str = "efficientnet_lite0",
    chosen: Annotated[Literal["usual", "slow", "further"], typer.Option("--set")] = "usual",
    rank: Annotated[
        str | None, typer.Option(help="As 0/2: every second photograph, the others elsewhere.")
    ] = None,
) -> None:
    """Run the evaluation and print its table."""
    methods, metrics = SETS[chosen]
    pictures = [path for _, path in chosen_pictures(folder, recursive=False, count=count, seed=0)]
    random.Random(0).shuffle(pictures)
    plan = interp.metrics.plan(network, pictures, methods, metrics, out=out, shard_size=1)
    found = None
    with suppress(KeyboardInterrupt), Progress() as bar:
        task = bar.add_task("judging", total=count)
        mine = None if rank is None else slice_of(rank)
        found = plan.run_slice(mine, lambda done, _: bar.update(task, completed=done))
    if found is None:
        found = Evaluation(read_tables(parts_in(out / TABLE)), plan.about)
    summary = found.summary()
    print(f"{len(found.pictures)} photographs\n\n{table(summary)}\n")
    if chosen != "further":
        print(f"{beside_controls(found)}\n")
    for name, words in summary.verdicts.items():
        if words:
            print(f"{name}: {', '.join(words)}")
    print(summary.answer)


def table(summary: Summary) -> str:
    """Return the means as Markdown, the best mean rank first."""
    metrics = [metric.name for metric in summary.metrics]
    lines = [f"| method | mean rank | {' | '.join(base(name) for name in metrics)} |"]
    lines.append(f"| --- |{' ---: |' * (len(metrics) + 1)}")
    for rank in summary.ranks:
        cells = [f"{summary.cell(rank.method, name).value.mean:.2f}" for name in metrics]
        lines.append(f"| `{rank.method}` | {rank.value.mean:.1f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def beside_controls(found: Evaluation) -> str:
    """Return which methods are better (+), worse (−) or not told apart (=) from controls, as Markdown."""
    summary, values = found.summary(), found.values()
    methods, metrics = list(found.about["methods"]), list(found.about["metrics"])
    draws = drawn(len(values), seed=found.about["seed"])
    controls = [name for name in CONTROLS if name in methods]
    columns = [
        column for column, name in enumerate(metrics) if base(name) in ("deletion", "insertion", "road")
    ]
    heads = [f"{base(metrics[column])}: {control}" for column in columns for control in controls]
    lines = [f"| method | {' | '.join(heads)} |", f"| --- |{' :---: |' * len(heads)}"]
    for method in summary.methods:
        cells = []
        for column in columns:
            sign = -1 if summary.metrics[column].better == "lower" else 1
            own = values[:, methods.index(method), column]
            for control in controls:
                gap = interval(sign * (own - values[:, methods.index(control), column]), draws)
                cells.append("+" if gap.low > 0 else "−" if gap.high < 0 else "=")
        lines.append(f"| `{method}` | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    typer.run(main)
