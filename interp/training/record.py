"""A run as its folder tells it, for those who look on: no network is loaded, and broken files are said so."""

from __future__ import annotations

import csv
import io
import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from interp.files import read_bytes, read_json
from interp.training.stages import Stage, TrainingError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RunState = Literal["finished", "going on", "stopped"]
Column = NDArray[np.float64]

_NO_METRIC = ("epoch", "stage", "seconds")
# Whether a recipe's metric is good when it is high; the first one that was logged counts. A WGAN has none.
_BEST: Mapping[str, Mapping[str, bool]] = {
    "classifier": {"error_rate": False, "valid_loss": False},
    "segmentation": {"mean_iou": True, "valid_loss": False},
    "superres": {"psnr": True, "valid_loss": False},
    "gan": {"valid_psnr": True, "psnr": True},
}
_HIGH_IS_GOOD = {"accuracy", "mean_iou", "psnr", "valid_psnr"}
_LOW_IS_GOOD = {"error_rate", "train_loss", "valid_loss"}
# A run that has written nothing for so many epochs goes on no more; before the first, for so many seconds.
_QUIET_EPOCHS, _QUIET_LEAST, _QUIET_FIRST = 4.0, 60.0, 1200.0
# An epoch of a hundred years was not measured.
_LONGEST_EPOCH = 3e9


@dataclass(frozen=True)
class BestEpoch:
    """The epoch with the best value of a metric; epochs are counted from 1."""

    metric: str
    value: float
    epoch: int
    stage: str


@dataclass(frozen=True, eq=False)
class RunRecord:
    """What the folder of a run tells. Parts that cannot be read are empty, and `problems` says why.

    Attributes:
        folder: of the run.
        recipe: `classifier`, `segmentation`, `superres`, `gan`, `wgan`; empty if nobody knows.
        planned: the stages that were asked for.
        settings: what else was asked, as in `config.json`.
        data: how many pictures, which classes.
        versions: of interp, torch and fastai.
        stages: name of the stage of each finished epoch.
        epochs: the columns of `history.csv` but for `epoch` and `stage`, a value for each finished epoch;
            NaN where there is none.
        steps: the columns of `steps.csv`, a value for each step of the finished epochs.
        figures: the PNG files of `figures/`, by name.
        finished: whether the finished model is there.
        written: when something was last written, in seconds as `time.time` counts them.
        problems: a sentence for each file that is broken or of another version.
    """

    folder: Path
    recipe: str
    planned: tuple[Stage, ...]
    settings: Mapping[str, Any]
    data: Mapping[str, Any]
    versions: Mapping[str, str]
    stages: tuple[str, ...]
    epochs: Mapping[str, Column]
    steps: Mapping[str, Column]
    figures: tuple[Path, ...]
    finished: bool
    written: float
    problems: tuple[str, ...]

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of losses and metrics that were logged, in the log's order."""
        return tuple(name for name, values in self.epochs.items() if name != "seconds" and _any(values))

    @property
    def seconds(self) -> float:
        """How long all finished epochs took."""
        return float(np.nansum(self.epochs.get("seconds", np.empty(0))))

    @property
    def epochs_planned(self) -> int:
        """How many epochs all stages have; 0 if nobody knows."""
        return sum(stage.epochs for stage in self.planned)

    @cached_property
    def best(self) -> BestEpoch | None:
        """The best epoch by the recipe's own metric; None of a WGAN, and before the first epoch."""
        for metric, high in _BEST.get(self.recipe, {}).items():
            values = self.epochs.get(metric, np.empty(0))
            if _any(values):
                place = int(np.nanargmax(values) if high else np.nanargmin(values))
                return BestEpoch(metric, float(values[place]), place + 1, self.stages[place])
        return None

    def state(self, now: float | None = None) -> RunState:
        """Say whether the run is finished, seems to go on, or has stopped.

        A folder does not know its process. A run is taken to go on if it has written something within the
        time of four of its epochs, of a minute at least.

        Args:
            now: in seconds as `time.time` counts them; default: the clock's.
        """
        if self.finished:
            return "finished"
        took = [float(value) for value in self.epochs.get("seconds", np.empty(0)) if math.isfinite(value)]
        quiet = max(_QUIET_EPOCHS * median(took), _QUIET_LEAST) if took else _QUIET_FIRST
        return "going on" if (time.time() if now is None else now) - self.written < quiet else "stopped"

    def figure(self) -> Figure:
        """Draw losses, metrics, learning rate and momentum of the finished epochs.

        Raises:
            TrainingError: no epoch is finished.

        Example:
            >>> read_run("runs/shapes").figure().savefig("curves.png")
        """
        from interp.views import training_curves

        if not self.stages:
            raise TrainingError(f"the run in {self.folder} has no finished epoch yet.")
        stages = [(name, len(list(group))) for name, group in groupby(self.stages)]
        columns = {name: self.epochs[name] for name in self.metrics}
        return training_curves(self.steps or {"loss": np.empty(0)}, columns, stages)


def good_when(metric: str) -> Literal["high", "low", ""]:
    """Return whether a metric is good when it is high or low; empty where neither can be said.

    Example:
        >>> good_when("mean_iou"), good_when("error_rate"), good_when("valid_distance")
        ('high', 'low', '')
    """
    return "high" if metric in _HIGH_IS_GOOD else "low" if metric in _LOW_IS_GOOD else ""


def runs_in(folder: str | Path) -> tuple[Path, ...]:
    """Return the folders of runs that lie in a folder, finished or not, by name; none if it is no folder.

    Example:
        >>> runs_in("runs")
        (PosixPath('runs/shapes'),)
    """
    place = Path(folder)
    if not place.is_dir():
        return ()
    return tuple(sorted(path for path in place.iterdir() if path.is_dir() and _is_run(path)))


def read_run(folder: str | Path) -> RunRecord:
    """Read what the folder of a run tells, also while the run goes on.

    Args:
        folder: of a run, as `interp train` writes it.

    Raises:
        TrainingError: there is no run in it.

    Example:
        >>> read_run("runs/shapes").best
        BestEpoch(metric='error_rate', value=0.0, epoch=3, stage='unfrozen')
    """
    place = Path(folder)
    if not _is_run(place):
        raise TrainingError(f"{place} holds no run: there is no config.json in it. `interp train` makes one.")
    problems: list[str] = []
    config = _config(place / "config.json", problems)
    settings = _mapping(config, "settings")
    names, epochs = _history(place / "history.csv", problems)
    figures = tuple(sorted(filter(Path.is_file, (place / "figures").glob("*.png")), key=_natural))
    return RunRecord(
        folder=place,
        recipe=str(config.get("recipe") or ""),
        planned=_planned(settings.get("stages"), place, problems),
        settings={key: value for key, value in settings.items() if key != "stages"},
        data=_mapping(config, "data"),
        versions={str(key): str(value) for key, value in _mapping(config, "versions").items()},
        stages=names,
        epochs=epochs,
        steps=_steps(place / "steps.csv", len(names), problems),
        figures=figures,
        finished=(place / "model.json").is_file() and (place / "model.safetensors").is_file(),
        written=_written(place, figures),
        problems=tuple(problems),
    )


def _is_run(folder: Path) -> bool:
    marks = ("config.json", "history.csv", "figures/learning-rate.png")
    return any((folder / mark).is_file() for mark in marks)


def _written(folder: Path, figures: Sequence[Path]) -> float:
    names = ("config.json", "history.csv", "steps.csv", "checkpoint.safetensors", "model.json")
    times = [0.0]
    for path in (*(folder / name for name in names), *figures):
        try:
            times.append(path.stat().st_mtime)
        except OSError:  # not written yet, or taken away while we look
            continue
    return max(times)


def _config(path: Path, problems: list[str]) -> Mapping[str, Any]:
    if not path.exists():
        problems.append(f"{path.name} is missing, so nobody knows the settings.")
        return {}
    try:
        config = read_json(path)
    except (OSError, ValueError):
        problems.append(f"{path.name} cannot be read, so nobody knows the settings.")
        return {}
    if not isinstance(config, dict):
        problems.append(f"{path.name} holds no settings.")
        return {}
    return config


def _mapping(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = config.get(key)
    return value if isinstance(value, dict) else {}


def _planned(stages: Any, folder: Path, problems: list[str]) -> tuple[Stage, ...]:
    known = {field.name for field in fields(Stage)}
    try:
        return tuple(Stage(**{key: one[key] for key in one if key in known}) for one in stages or ())
    except (TypeError, ValueError, KeyError, OverflowError):
        problems.append(f"config.json of {folder.name} has stages of another version; they are left out.")
        return ()


def _history(path: Path, problems: list[str]) -> tuple[tuple[str, ...], dict[str, Column]]:
    header, rows = _table(path, problems)
    if rows and "stage" not in header:
        problems.append(f"{path.name} has no column 'stage'; all its epochs are drawn as one.")
    names = tuple(row.get("stage") or "1" for row in rows)
    columns = [name for name in header if name not in _NO_METRIC] + ["seconds"] * ("seconds" in header)
    epochs = {name: np.array([_number(row[name]) for row in rows]) for name in columns}
    if "seconds" in epochs:
        took = epochs["seconds"]
        epochs["seconds"] = np.where((took >= 0) & (took < _LONGEST_EPOCH), took, np.nan)
    return names, epochs


def _steps(path: Path, epochs: int, problems: list[str]) -> dict[str, Column]:
    header, rows = _table(path, problems)
    if not rows:
        return {}
    columns = {name: np.array([_number(row[name]) for row in rows]) for name in header}
    if "loss" not in columns:
        problems.append(f"{path.name} has no column 'loss'; the steps are not drawn.")
        return {}
    if "epoch" in columns:
        done = columns["epoch"]
        # The log's two files are written one after the other, and either may be the older one.
        kept = np.isfinite(done) & (done >= 0) & (done < epochs)
        columns = {name: values[kept] for name, values in columns.items()}
        if (np.diff(columns["epoch"]) < 0).any():
            problems.append(f"{path.name} has epochs that fall; the steps are not drawn.")
            return {}
    return columns


def _table(path: Path, problems: list[str]) -> tuple[list[str], list[dict[str, str]]]:
    """Return a table's columns and its whole rows; the last row of a file may be half a row."""
    if not path.exists():
        return [], []
    try:
        reader = csv.reader(io.StringIO(read_bytes(path).decode("utf-8"), newline=""))
        header = next(reader, [])
        lines = list(reader)
    except (OSError, ValueError, csv.Error):
        problems.append(f"{path.name} cannot be read.")
        return [], []
    rows = [dict(zip(header, line, strict=True)) for line in lines if len(line) == len(header)]
    if len(rows) < len(lines):
        problems.append(f"{path.name} has {len(lines) - len(rows)} broken rows; they are left out.")
    return header, rows


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _any(values: Column) -> bool:
    return bool(np.isfinite(values).any())


def _natural(path: Path) -> tuple[tuple[int, str], ...]:
    """Order names as people do: samples-90 before samples-120."""
    parts = re.findall(r"\d+|\D+", path.name)
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in parts)
