"""Folders of runs, written by the package's own writer, of which no network was trained."""

import numpy as np
import torch
from PIL import Image

from interp.images import Preprocess
from interp.models import ImageModel, save_folder
from interp.models.architecture import of_network
from interp.models.networks import BasicCriticNetwork, BasicGeneratorNetwork
from interp.training.checkpoint import Progress
from interp.training.run import Run, open_run
from interp.training.stages import Stage
from interp.views import picture_grid

METRICS = {
    "classifier": {"error_rate": (0.5, 0.25, 0.3)},
    "segmentation": {"accuracy": (0.5, 0.6, 0.7), "mean_iou": (0.2, 0.4, 0.3)},
    "superres": {"pixel": (0.3, 0.2, 0.1), "psnr": (20.0, 22.0, 21.0)},
    "gan": {"valid_psnr": (18.0, 19.0, 20.0)},
    "wgan": {"valid_distance": (-0.1, -0.2, -0.1)},
}
STAGES = (Stage("head", 1, 1e-2, 64, batch=4, frozen=True), Stage("all", 2, 1e-3, 64, batch=4, lr_low=1e-5))


def write_run(
    folder, recipe="classifier", *, epochs=3, settings=None, stages=STAGES, finished=False, seconds=2.0
):
    """Write a run of `epochs` finished epochs, of two steps each; of a finished one an empty model."""
    asked = {"folder": "pictures", "stages": [stage.to_json() for stage in stages], "seed": 3} | (
        settings or {}
    )
    config = {"recipe": recipe, "settings": asked, "data": {"pictures": 12, "classes": ["a", "b"]}}
    run = open_run(folder, config, resume=False)
    names = [stage.name for stage in stages for _ in range(stage.epochs)]
    rows = []
    epochs = min(epochs, len(names))
    for number in range(epochs):
        metrics = {name: values[number % 3] for name, values in METRICS[recipe].items()}
        losses = {"train_loss": 1 / (number + 1), "valid_loss": 1.2 / (number + 1)}
        rows.append({"epoch": number + 1, "stage": names[number], **losses, **metrics, "seconds": seconds})
    steps = {
        "epoch": [number / 2 for number in range(2 * epochs)],
        "loss": [2.0 / (number + 1) for number in range(2 * epochs)],
        "lr": [1e-3] * (2 * epochs),
        "momentum": [0.9] * (2 * epochs),
    }
    run = Run(folder, Progress(rows=rows, steps=steps))
    if epochs:
        run.write_log()
    if finished:
        (folder / "model.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(b"")
    return run


def write_wgan(folder, size=16):
    """Write a finished run of a WGAN with both of its networks, whose weights are random."""
    write_run(folder, "wgan", finished=True)
    torch.manual_seed(0)
    half = (0.5,) * 3
    for network, place in (
        (BasicGeneratorNetwork(size, noise=8, features=8), folder / "generator"),
        (BasicCriticNetwork(size, features=8), folder),
    ):
        task = "image" if place != folder else "classification"
        model = ImageModel(
            network.build().eval(),
            Preprocess((size, size), half, half),
            f"noise {place.name}",
            task=task,
            activation="none",
            architecture=of_network(network),
        )
        save_folder(model, place)
    return folder


def draw(run, *names):
    """Draw small figures of these names."""
    grey = np.asarray(Image.new("RGB", (8, 8), "grey"))
    for name in names:
        run.figure(name, picture_grid([[grey]], heading=name))
