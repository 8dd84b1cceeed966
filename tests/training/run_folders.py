"""What finished runs are compared by."""

import csv

from safetensors.torch import load_file

RECIPES = ("classifier", "segmentation", "superres", "gan", "wgan")


def end_of(folder):
    """Return what must not depend on how a run came to its end: weights, and the logs but for the time."""
    weights = {
        f"{path.relative_to(folder)} {key}": value
        for path in sorted(folder.rglob("model.safetensors"))
        for key, value in load_file(path).items()
    }
    with (folder / "history.csv").open(newline="") as file:
        history = [
            {key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)
        ]
    return weights, history, (folder / "steps.csv").read_text()


def assert_same_end(one, other):
    """Compare two finished runs bit for bit."""
    (weights, history, steps), (weights_2, history_2, steps_2) = end_of(one), end_of(other)
    assert history == history_2
    assert steps == steps_2
    assert weights.keys() == weights_2.keys()
    different = [key for key in weights if not weights[key].equal(weights_2[key])]
    assert not different
