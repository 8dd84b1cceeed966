"""Every method judged by every kind of metric on the default network: which maps should be believed?

    uv run python benchmarks/every_method.py FOLDER --out OUT              # 200 photographs; hours
    uv run python benchmarks/every_method.py FOLDER --out OUT --slow --count 25

Methods of many passes are judged on fewer photographs, with fewer masks than usual and by the metrics that
need no further maps. An interrupted run goes on where it stopped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

import interp
from interp.metrics.evaluation import Summary
from interp.metrics.verdicts import base

METHODS = [
    "consensus-cam",
    "finer-cam",
    "grad-cam",
    "hires-cam",
    "xgrad-cam",
    "cam",
    "shapley-cam",
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
    "infidelity(samples=8)",
    "average-drop",
    "increase",
    "sparseness",
    "entropy",
    "randomisation(steps=1)",
    "random-class(classes=1)",
]
FURTHER = ["adcc", "flip-agreement", "max-sensitivity(samples=2)"]


def main(
    folder: Path,
    out: Path,
    count: Annotated[int, typer.Option(min=1, help="How many photographs, drawn by seed 0.")] = 200,
    network: str = "efficientnet_lite0",
    slow: Annotated[bool, typer.Option("--slow", help="The methods of many passes.")] = False,
) -> None:
    """Run the evaluation and print its table."""
    methods, metrics = (SLOW, METRICS) if slow else (METHODS, [*METRICS, *FURTHER])
    with Progress() as bar:
        task = bar.add_task("judging", total=count)
        found = interp.evaluate(
            network,
            folder,
            methods,
            metrics,
            out=out,
            count=count,
            progress=lambda done, _: bar.update(task, completed=done),
        )
    print(table(found.summary()))


def table(summary: Summary) -> str:
    """Return the means as Markdown, the best mean rank first."""
    metrics = [metric.name for metric in summary.metrics]
    lines = [f"| method | mean rank | {' | '.join(base(name) for name in metrics)} |"]
    lines.append(f"| --- |{' ---: |' * (len(metrics) + 1)}")
    for rank in summary.ranks:
        cells = [f"{summary.cell(rank.method, name).value.mean:.2f}" for name in metrics]
        lines.append(f"| `{rank.method}` | {rank.value.mean:.1f} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    typer.run(main)
