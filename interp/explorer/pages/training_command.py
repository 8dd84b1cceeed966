"""How to go on with a run: the command, or the Python, that has its settings."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interp.training import RunRecord, Settings, Stage

NAMES = {
    "classifier": ("Classifier", "ClassifierSettings"),
    "segmentation": ("Segmentation", "SegmentationSettings"),
    "superres": ("SuperResolution", "SuperResolutionSettings"),
    "gan": ("Gan", "GanSettings"),
    "wgan": ("Wgan", "WganSettings"),
}
# May differ between the beginning of a run and its resumption, so no command has to give them.
FREE = {"workers": None, "device": None}


def settings_of(record: RunRecord) -> Settings | None:
    """Return a run's settings as its recipe takes them; None where this version knows other ones."""
    import interp.training as training  # fastai takes seconds, and finished runs need no settings

    if record.recipe not in NAMES or not record.planned:
        return None
    values: dict[str, Any] = {key: _tupled(value) for key, value in record.settings.items()} | FREE
    try:
        if isinstance(values.get("augmentation"), Mapping):
            values["augmentation"] = training.Augmentation(**values["augmentation"])
        made: Settings = getattr(training, NAMES[record.recipe][1])(stages=record.planned, **values)
    except (TypeError, ValueError):
        return None
    return made


def resume_python(record: RunRecord) -> str | None:
    """Return the Python that goes on with a run, or None where its settings are not known."""
    settings = settings_of(record)
    if settings is None:
        return None
    recipe, of_it = NAMES[record.recipe]
    extra = ["Augmentation"] if hasattr(settings, "augmentation") else []
    names = ", ".join(sorted(["Stage", recipe, of_it, "train", *extra], key=str.lower))
    return (
        f"from interp.training import {names}\n\n"
        f"settings = {settings!r}\n"
        f"train({recipe}(settings), {str(record.folder)!r}, resume=True)\n"
    )


def resume_command(record: RunRecord) -> str | None:
    """Return the command that goes on with a run, or None where no options give its settings."""
    settings = settings_of(record)
    if settings is None:
        return None
    try:
        return _command(record, settings)
    except (AttributeError, TypeError, ValueError):  # a setting of another kind than this version's
        return None


def _command(record: RunRecord, settings: Any) -> str | None:
    for arguments, base in _bases(record.recipe, settings):
        given, words = _options(settings, base, record.recipe)
        # Settings that have no option are the recipe's own, or the command would begin another run.
        if replace(base, **given) == settings:
            folder = str(record.folder)
            return shlex.join(
                ["interp", "train", record.recipe, *arguments, *words, "--out", folder, "--resume"]
            )
    return None


def _bases(recipe: str, settings: Any) -> list[tuple[list[str], Any]]:
    """Return arguments and presets, each with the settings that the command makes of them alone."""
    import interp.training as training

    kind = getattr(training, NAMES[recipe][1])
    if recipe in ("superres", "gan"):
        return [([settings.low, settings.folder], kind(folder=settings.folder, low=settings.low))]
    if recipe != "classifier":
        return [([settings.folder], kind(folder=settings.folder))]
    from interp.training.classifier import PRESETS

    return [
        ([settings.folder, "--preset", name], kind(folder=settings.folder, **chosen))
        for name, chosen in PRESETS.items()
    ]


def _options(settings: Any, base: Any, recipe: str) -> tuple[dict[str, Any], list[str]]:
    """Return the settings that options reach, and these options."""
    given: dict[str, Any] = {"seed": settings.seed}
    words = ["--seed", str(settings.seed)]
    for key, option in OPTIONS[recipe].items():
        value = getattr(settings, key)
        written = _written(value)
        # The part that is held back has another default in the command than in the settings of a WGAN.
        if written is not None and (key == "valid" or value != getattr(base, key)):
            given[key] = value
            words += [option, written]
    for key, option in FLAGS[recipe].items():
        if getattr(settings, key):
            given[key] = True
            words.append(option)
    if recipe != "wgan" and not settings.pretrained:
        given["pretrained"] = False
        words.append("--untrained")
    if recipe not in ("gan", "wgan"):
        given["keep_statistics"] = settings.keep_statistics
        words.append("--keep-statistics" if settings.keep_statistics else "--learn-statistics")
    if recipe == "classifier":
        padding = settings.augmentation.padding
        given["augmentation"] = replace(base.augmentation, padding=padding)
        given["labels"] = "regex" if settings.regex else "csv" if settings.csv else "folder"
        words += ["--padding", padding]
    if settings.stages != base.stages and (staged := _stages(settings.stages, base.stages)):
        given["stages"] = settings.stages
        words += staged
    return given, words


def _written(value: Any) -> str | None:
    """Return a setting as an option takes it, or None where it cannot."""
    if isinstance(value, tuple):
        plain = len(value) > 1 and all(isinstance(name, str) and "," not in name for name in value)
        return ",".join(value) if plain else None
    return None if value is None else str(value)


def _stages(stages: Sequence[Stage], presets: Sequence[Stage]) -> list[str]:
    """Return stages as options, none where a name cannot be written as one."""
    words = []
    for number, stage in enumerate(stages, 1):
        like = presets[min(number, len(presets)) - 1]
        if stage.name != str(number) and (not stage.name or set(stage.name) & set(" ,\t\n")):
            return []
        said = {"name": stage.name} if stage.name != str(number) else {}
        said |= {"epochs": str(stage.epochs), "lr": f"{stage.lr!r}", "size": str(stage.size)}
        said |= {"batch": str(stage.batch), "pct_start": f"{stage.pct_start!r}"}
        if stage.lr_low is not None:
            said["lr_low"] = f"{stage.lr_low!r}"
        if stage.part != like.part:
            said["part"] = stage.part
        parts = [f"{key}={value}" for key, value in said.items()]
        parts += ["frozen"] * stage.frozen
        if stage.flat != like.flat:
            parts.append("flat" if stage.flat else "flat=no")
        words += ["--stage", " ".join(parts)]
    return words


def _tupled(value: Any) -> Any:
    """Return what JSON made a list of as a tuple again."""
    return tuple(value) if isinstance(value, list) else value


OPTIONS: Mapping[str, Mapping[str, str]] = {
    "classifier": {"regex": "--regex", "csv": "--csv", "backbone": "--backbone", "valid": "--valid"},
    "segmentation": {
        "masks": "--masks",
        "codes": "--codes",
        "void": "--void",
        "backbone": "--backbone",
        "valid": "--valid",
    },
    "superres": {"loss": "--loss", "features": "--features", "backbone": "--backbone", "valid": "--valid"},
    "gan": {"critic_features": "--critic-features", "backbone": "--backbone", "valid": "--valid"},
    "wgan": {"features": "--features", "valid": "--valid"},
}
"""Settings that options of `interp train` give as they are."""

FLAGS: Mapping[str, Mapping[str, str]] = {
    "classifier": {"skip_bad": "--skip-bad"},
    "segmentation": {"skip_bad": "--skip-bad", "self_attention": "--self-attention", "blur": "--blur"},
    "superres": {"skip_bad": "--skip-bad", "self_attention": "--self-attention"},
    "gan": {"skip_bad": "--skip-bad"},
    "wgan": {"skip_bad": "--skip-bad"},
}
"""Settings that options of `interp train` switch on."""
