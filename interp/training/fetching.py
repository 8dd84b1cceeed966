"""Real data sets by name, fetched where the network allows."""

from __future__ import annotations

from pathlib import Path

from interp.training.stages import TrainingError

PETS_REGEX = r"([^/]+)_\d+.jpg$"


def fetch(name: str) -> tuple[Path, str]:
    """Fetch a data set, or find it where an earlier call put it, and return its folder and its regex.

    Args:
        name: `pets`, the Oxford-IIIT pets of the course: 37 breeds, 7,390 pictures, 0.8 GB.

    Raises:
        TrainingError: another name, or no way to download.
    """
    if name != "pets":
        raise TrainingError(f"--dataset {name}: give pets.")
    from fastai.data.external import URLs, untar_data

    try:
        folder = untar_data(URLs.PETS)
    except Exception as error:
        raise TrainingError(
            f"the data set {name} could not be downloaded ({type(error).__name__}). Give a FOLDER of your "
            "own pictures, or unpack the data set yourself and give its folder images/ with --regex."
        ) from error
    return Path(folder) / "images", PETS_REGEX
