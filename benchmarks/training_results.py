"""What finished runs are worth: a table of each run's figures, super-resolution against bicubic.

    python benchmarks/training_results.py RUNS_FOLDER

The runs themselves are made with `interp train`; benchmarks/README.md has the commands.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from results import Table, publish
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

import interp
from interp.images import open_image
from interp.training import enhance
from interp.training.data import matched_pairs, split

KEEP = ("error_rate", "accuracy", "mean_iou", "psnr", "distance", "valid_loss")


def runs(folder: Path) -> Iterator[tuple[Path, dict[str, Any], list[dict[str, str]]]]:
    for path in sorted(folder.glob("*/config.json")):
        rows = list(csv.DictReader((path.parent / "history.csv").open(encoding="utf-8")))
        yield path.parent, json.loads(path.read_text(encoding="utf-8")), rows


def summary(folder: Path, config: dict[str, Any], rows: list[dict[str, str]]) -> tuple[str, ...]:
    last = {key: row[key] for row in rows for key in row if row[key] and key.endswith(KEEP)}
    seconds = sum(float(row["seconds"]) for row in rows)
    figures = ", ".join(f"{key} {float(value):.4g}" for key, value in last.items())
    return folder.name, config["recipe"], str(len(rows)), f"{seconds / 60:.1f}", figures


def quality(made: Image.Image, good: Image.Image) -> tuple[float, float]:
    pair = [np.asarray(picture.convert("RGB")) for picture in (good, made)]
    return (
        float(peak_signal_noise_ratio(*pair)),
        float(structural_similarity(*pair, channel_axis=2)),
    )


def superres(
    folder: Path, config: dict[str, Any], size: int
) -> Iterator[tuple[str, list[tuple[float, float]]]]:
    """Yield PSNR and SSIM of whole validation pictures: bicubic, then the model."""
    settings = config["settings"]
    low, high = matched_pairs(settings["low"], settings["folder"])
    _, valid = split(len(high), settings["valid"], settings["seed"])
    model = interp.load(folder)
    found: dict[str, list[tuple[float, float]]] = {"bicubic": [], folder.name: []}
    for item in valid:
        good = open_image(high[item])
        scale = size / min(good.size)
        good = good.resize((round(good.width * scale), round(good.height * scale)), Image.Resampling.BICUBIC)
        poor = open_image(low[item]).resize(good.size, Image.Resampling.BICUBIC)
        found["bicubic"].append(quality(poor, good))
        found[folder.name].append(quality(enhance(model, poor).resize(good.size), good))
    yield from found.items()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder with runs in it")
    parser.add_argument("--size", type=int, default=128, help="shorter side of whole pictures (%(default)s)")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    known = list(runs(options.folder))
    columns = ("run", "recipe", "epochs", "minutes", "at the end")
    tables = [Table("Runs", columns, [summary(*run) for run in known])]
    rows: dict[str, tuple[str, ...]] = {}
    for folder, config, _ in known:
        if config["recipe"] in ("superres", "gan"):
            for name, values in superres(folder, config, options.size):
                mean = np.mean(values, axis=0)
                rows[name] = (name, f"{mean[0]:.2f}", f"{mean[1]:.4f}", str(len(values)))
    if rows:
        note = f"Whole validation pictures of {options.size} px shorter side."
        columns = ("", "PSNR, dB", "SSIM", "pictures")
        tables.append(Table("Super-resolution", columns, list(rows.values()), note))
    publish("training_results", "Trained models", tables, [], {}, options.threads)


if __name__ == "__main__":
    main()
