"""A run's folder: what was asked, what was logged, figures, checkpoints, the finished model."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from interp.files import json_text, read_json, sweep, write_drawn, write_whole
from interp.training.checkpoint import (
    Progress,
    load_networks,
    load_progress,
    save_checkpoint,
)
from interp.training.stages import TrainingError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# May differ between the beginning of a run and its resumption.
_FREE = ("device", "workers")
_DPI = 110


class Run:
    """The folder of one run. Everything in it is written whole or not at all.

    `checkpoint.safetensors` is the one truth of a run under way; `history.csv` and `steps.csv` are written
    from it, and `model.safetensors` and `model.json` take its place when the run is finished.
    """

    def __init__(self, folder: Path, at: Progress) -> None:
        self.folder = folder
        self.at = at

    @property
    def checkpoint(self) -> Path:
        """Where the run under way is kept."""
        return self.folder / "checkpoint.safetensors"

    def save(self, networks: Mapping[str, nn.Module], optimiser: Any) -> None:
        """Write the checkpoint, then the log."""
        save_checkpoint(self.checkpoint, networks, optimiser, self.at)
        self.write_log()

    def restore(self, networks: Mapping[str, nn.Module]) -> None:
        """Fill the networks from the checkpoint, if there is one."""
        if self.checkpoint.exists():
            load_networks(self.checkpoint, networks)

    def keep_stage(self, number: int, name: str, networks: Mapping[str, nn.Module]) -> None:
        """Write the weights at the end of a stage, for comparisons."""
        folder = self.folder / "checkpoints"
        folder.mkdir(exist_ok=True)
        save_checkpoint(folder / f"{number + 1:02}-{_plain(name)}.safetensors", networks, None, self.at)

    def write_log(self) -> None:
        """Write `history.csv`, a row an epoch, and `steps.csv`, a row a step."""
        columns = list(dict.fromkeys(key for row in self.at.rows for key in row if key != "seconds"))
        _write_csv(self.folder / "history.csv", [*columns, "seconds"], self.at.rows)
        steps = self.at.steps
        rows = [dict(zip(steps, values, strict=True)) for values in zip(*steps.values(), strict=True)]
        _write_csv(self.folder / "steps.csv", list(steps), rows)

    def figure(self, name: str, figure: Figure) -> Path:
        """Write a figure as `figures/NAME.png`; what a file's name cannot hold becomes a hyphen."""
        path = self.folder / "figures" / f"{_plain(name)}.png"
        path.parent.mkdir(exist_ok=True)
        with write_drawn(path) as drawn:
            figure.savefig(drawn, dpi=_DPI, format="png")
        return path

    def finish(self) -> None:
        """Remove the checkpoint of the run under way: the finished model holds the weights."""
        self.checkpoint.unlink(missing_ok=True)


def refuse_existing(folder: Path, *, resume: bool) -> None:
    """Say at once, before any data are read, that a run cannot be in this folder.

    Raises:
        TrainingError: there is a run and nobody asked to resume it, a finished one, or something else.
    """
    if folder.exists() and not folder.is_dir():
        raise TrainingError(f"{folder} is a file; give a folder for the run.")
    begun, finished = (folder / "config.json").exists(), (folder / "model.json").exists()
    if begun and not resume:
        raise TrainingError(
            f"{folder} holds a run already; give --resume to go on with it, or another --out."
        )
    if begun and finished:
        raise TrainingError(f"the run in {folder} is finished; `interp explain --model {folder}` uses it.")
    if finished:
        raise TrainingError(f"{folder} holds a saved model; give another folder for the run.")


def open_run(folder: Path, config: Mapping[str, Any], *, resume: bool) -> Run:
    """Begin a run in `folder`, or go on with the one that is there.

    Raises:
        TrainingError: as `refuse_existing`; or the run that is there was begun with other settings.
    """
    refuse_existing(folder, resume=resume)
    path = folder / "config.json"
    sweep(folder, folder / "checkpoints", folder / "figures")  # what a run left that was killed
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        about = dict(config) | {"versions": {name: version(name) for name in ("interp", "torch", "fastai")}}
        with write_whole(path) as part:
            part.write_text(json_text(about), encoding="utf-8")
        return Run(folder, Progress())
    _same(_read_config(path), config, folder)
    return join_run(folder)


def join_run(folder: Path) -> Run:
    """Return the run as it stands in `folder`, for a process beside the one that opened it."""
    checkpoint = folder / "checkpoint.safetensors"
    return Run(folder, load_progress(checkpoint) if checkpoint.exists() else Progress())


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name)[:80]


def _read_config(path: Path) -> dict[str, Any]:
    try:
        about = read_json(path)
        if not isinstance(about, dict) or not isinstance(about.get("settings", {}), dict):
            raise ValueError("it holds no settings")
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path} cannot be read ({error}); begin again in another folder.") from error
    return about


def _same(began: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> None:
    plain = json.loads(json.dumps(now))
    for part in ("recipe", "data"):
        if began.get(part) != plain[part]:
            raise TrainingError(
                f"the run in {folder} was begun with another {part}; give the same, or another --out."
            )
    old, new = began.get("settings", {}), plain["settings"]
    # A setting that the run's version did not know was off.
    asked = [key for key in new if key not in _FREE and (key in old or new[key])]
    if changed := [key for key in asked if old.get(key) != new[key]]:
        raise TrainingError(
            f"the run in {folder} was begun with {changed[0]}={old.get(changed[0])!r:.120}, not "
            f"{new[changed[0]]!r:.120}. Give the same settings to resume it, or another --out."
        )


def _write_csv(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    with write_whole(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
