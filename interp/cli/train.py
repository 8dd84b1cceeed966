"""`interp train`: the recipes, one command each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interp.cli.options import app
from interp.cli.printing import complain, say
from interp.cli.watching import watching

if TYPE_CHECKING:
    from interp.training import Recipe, Stage

train = typer.Typer(
    name="train",
    help="Train a model that every other command explains. Stop it at any time and go on with --resume.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(train)

Folder = Annotated[Path, typer.Argument(help="Folder of the pictures.")]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="Folder of the run; default runs/NAME-OF-THE-FOLDER.")
]
Stages = Annotated[
    list[str] | None,
    typer.Option("--stage", help="A stage, 'epochs=3 lr=1e-2 size=224 batch=32 frozen'; several times."),
]
Backbone = Annotated[str, typer.Option(help="efficientnet_lite0 (offline), torchvision:resnet34, timm:NAME.")]
Untrained = Annotated[bool, typer.Option("--untrained", help="Begin with random weights.")]
Valid = Annotated[float, typer.Option(help="Part that is held back for validation.")]
Seed = Annotated[int, typer.Option(min=0, help="Of everything that is random.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the last finished epoch.")]
FindRate = Annotated[
    bool, typer.Option("--find-lr", help="Only look for a learning rate of the first stage, and draw it.")
]
KeepStatistics = Annotated[
    bool | None,
    typer.Option(
        "--keep-statistics/--learn-statistics",
        help="Whether batch norms stay as they are: better for few pictures. Default: if they are trained.",
    ),
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Go on without pictures that cannot be used.")]
Attention = Annotated[bool, typer.Option("--self-attention", help="Self-attention in the decoder.")]
Blur = Annotated[bool, typer.Option("--blur", help="Blur after each pixel shuffle.")]
Low = Annotated[Path, typer.Argument(help="Folder of the poor pictures.")]
High = Annotated[Path, typer.Argument(help="Folder of the good pictures, under the same names.")]
Workers = Annotated[int | None, typer.Option(min=0, help="Processes that decode pictures.")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda or mps; default the fastest.")]


@train.command()
def classifier(
    folder: Annotated[Path | None, typer.Argument(help="Folder of the pictures.")] = None,
    out: Out = None,
    regex: Annotated[
        str | None, typer.Option(help=r"The class is this part of the name: '([^/]+)_\d+.jpg$'.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Table with the columns file, label, valid.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Fetch real data first: pets.")] = None,
    preset: Annotated[str, typer.Option(help="quick, or course: ResNet-34 as in the course.")] = "quick",
    stage: Stages = None,
    backbone: Annotated[
        str | None, typer.Option(help="efficientnet_lite0, torchvision:NAME, timm:NAME.")
    ] = None,
    untrained: Untrained = False,
    padding: Annotated[
        str, typer.Option(help="zeros, reflection or border around turned pictures.")
    ] = "reflection",
    keep_statistics: KeepStatistics = None,
    random_labels: Annotated[
        bool, typer.Option("--random-labels", help="Deal the classes out by chance, as a control.")
    ] = False,
    valid: Valid = 0.2,
    seed: Seed = 42,
    resume: Resume = False,
    find_lr: FindRate = False,
    skip_bad: SkipBad = False,
    workers: Workers = None,
    device: Device = None,
) -> None:
    """Train a classifier. Classes come from folders, names or a table."""
    from dataclasses import replace

    from interp.training import Augmentation, Classifier, ClassifierSettings, TrainingError, fetch
    from interp.training.classifier import PRESETS

    if dataset is not None:
        folder, regex = fetch(dataset)
    if folder is None:
        raise TrainingError("give the FOLDER of the pictures, or --dataset pets.")
    if regex and csv:
        raise TrainingError("--regex and --csv both say the classes; give one of them.")
    if preset not in PRESETS:
        raise TrainingError(f"--preset {preset}: give one of {', '.join(PRESETS)}.")
    chosen: dict[str, Any] = dict(PRESETS[preset])
    chosen["stages"] = _stages(stage, chosen["stages"])
    if backbone is not None:
        chosen["backbone"] = backbone
    if keep_statistics is not None or untrained:
        chosen["keep_statistics"] = bool(keep_statistics)
    chosen["augmentation"] = replace(chosen.get("augmentation", Augmentation()), padding=padding)
    settings = ClassifierSettings(
        folder=str(folder),
        labels="regex" if regex else "csv" if csv else "folder",
        regex=regex,
        csv=None if csv is None else str(csv),
        pretrained=not untrained,
        random_labels=random_labels,
        valid=valid,
        seed=seed,
        skip_bad=skip_bad,
        workers=workers,
        device=device,
        **chosen,
    )
    _run(Classifier(settings), out or _default_out(folder, "classifier"), resume, find_lr)


@train.command()
def segmentation(
    folder: Folder,
    masks: Annotated[Path | None, typer.Option(help="Folder of the masks, if not in a known place.")] = None,
    codes: Annotated[
        str | None, typer.Option(help="Names of the classes, parted by commas, or a file with one a line.")
    ] = None,
    void: Annotated[str | None, typer.Option(help="Name of the class that counts nowhere.")] = None,
    out: Out = None,
    stage: Stages = None,
    backbone: Backbone = "efficientnet_lite0",
    untrained: Untrained = False,
    self_attention: Attention = False,
    blur: Blur = False,
    keep_statistics: KeepStatistics = None,
    valid: Valid = 0.2,
    seed: Seed = 42,
    resume: Resume = False,
    find_lr: FindRate = False,
    skip_bad: SkipBad = False,
    workers: Workers = None,
    device: Device = None,
) -> None:
    """Train a U-Net on pictures with masks. CamVid's, Pascal VOC's and plain layouts are known."""
    from interp.training import Segmentation, SegmentationSettings
    from interp.training.segmentation import STAGES

    named = tuple(codes.split(",")) if codes and "," in codes else codes
    settings = SegmentationSettings(
        folder=str(folder),
        masks=None if masks is None else str(masks),
        codes=named,
        void=void,
        stages=_stages(stage, STAGES),
        backbone=backbone,
        pretrained=not untrained,
        self_attention=self_attention,
        blur=blur,
        keep_statistics=not untrained if keep_statistics is None else keep_statistics,
        valid=valid,
        seed=seed,
        skip_bad=skip_bad,
        workers=workers,
        device=device,
    )
    _run(Segmentation(settings), out or _default_out(folder, "segmentation"), resume, find_lr)


@train.command()
def superres(
    low: Low,
    high: High,
    loss: Annotated[str, typer.Option(help="perceptual, l1 or mse.")] = "perceptual",
    features: Annotated[
        str, typer.Option(help="Network of the perceptual loss: torchvision:vgg16_bn in the course.")
    ] = "efficientnet_lite0",
    out: Out = None,
    stage: Stages = None,
    backbone: Backbone = "efficientnet_lite0",
    untrained: Untrained = False,
    self_attention: Attention = False,
    keep_statistics: KeepStatistics = None,
    valid: Valid = 0.2,
    seed: Seed = 42,
    resume: Resume = False,
    find_lr: FindRate = False,
    skip_bad: SkipBad = False,
    workers: Workers = None,
    device: Device = None,
) -> None:
    """Train a U-Net from poor pictures to good ones. `interp crappify` makes the poor ones."""
    from interp.training import SuperResolution, SuperResolutionSettings
    from interp.training.superres import STAGES

    settings = SuperResolutionSettings(
        folder=str(high),
        low=str(low),
        loss=loss,  # type: ignore[arg-type]
        features=features,
        stages=_stages(stage, STAGES),
        backbone=backbone,
        pretrained=not untrained,
        self_attention=self_attention,
        keep_statistics=not untrained if keep_statistics is None else keep_statistics,
        valid=valid,
        seed=seed,
        skip_bad=skip_bad,
        workers=workers,
        device=device,
    )
    _run(SuperResolution(settings), out or _default_out(high, "superres"), resume, find_lr)


@train.command()
def gan(
    low: Low,
    high: High,
    out: Out = None,
    stage: Stages = None,
    backbone: Backbone = "efficientnet_lite0",
    untrained: Untrained = False,
    critic_features: Annotated[int, typer.Option(min=4, help="Of the critic's first convolution.")] = 128,
    valid: Valid = 0.2,
    seed: Seed = 42,
    resume: Resume = False,
    skip_bad: SkipBad = False,
    workers: Workers = None,
    device: Device = None,
) -> None:
    """Train a generator, then a critic, then both. Stages name who learns: part=generator, critic or gan."""
    from interp.training import Gan, GanSettings
    from interp.training.gan import STAGES

    settings = GanSettings(
        folder=str(high),
        low=str(low),
        stages=_stages(stage, STAGES),
        backbone=backbone,
        pretrained=not untrained,
        critic_features=critic_features,
        valid=valid,
        seed=seed,
        skip_bad=skip_bad,
        workers=workers,
        device=device,
    )
    _run(Gan(settings), out or _default_out(high, "gan"), resume)


@train.command()
def wgan(
    folder: Folder,
    out: Out = None,
    stage: Stages = None,
    features: Annotated[int, typer.Option(min=4, help="Of the networks' widest grid.")] = 64,
    valid: Valid = 0.1,
    seed: Seed = 42,
    resume: Resume = False,
    skip_bad: SkipBad = False,
    workers: Workers = None,
    device: Device = None,
) -> None:
    """Train a generator of pictures like those of a folder. Sizes are powers of two and may grow."""
    from interp.training import Wgan, WganSettings
    from interp.training.wgan import STAGES

    settings = WganSettings(
        folder=str(folder),
        stages=_stages(stage, STAGES),
        features=features,
        valid=valid,
        seed=seed,
        skip_bad=skip_bad,
        workers=workers,
        device=device,
    )
    _run(Wgan(settings), out or _default_out(folder, "wgan"), resume)


def _stages(texts: Sequence[str] | None, preset: Sequence[Stage]) -> tuple[Stage, ...]:
    """Return the stages that were written, each like the preset's one of its number, or the preset's."""
    from dataclasses import replace

    from interp.training import parse_stage

    if not texts:
        return tuple(preset)
    likes = [replace(preset[min(i, len(preset) - 1)], name=str(i + 1)) for i in range(len(texts))]
    return tuple(parse_stage(text, like) for text, like in zip(texts, likes, strict=True))


def _default_out(folder: Path, recipe: str) -> Path:
    return Path("runs") / f"{folder.resolve().name}-{recipe}"


def _run(recipe: Recipe, out: Path, resume: bool, find_lr: bool = False) -> None:
    from interp.training import search_rate
    from interp.training import train as run_recipe

    try:
        with watching() as watcher:
            if find_lr:
                found, figure = search_rate(recipe, out, watcher=watcher)
                say(f"suggested learning rate: {found.suggestion:.2g} → {figure}")
                return
            trained = run_recipe(recipe, out, resume=resume, watcher=watcher)
    except KeyboardInterrupt:
        complain("interrupted; --resume goes on from the last finished epoch.")
        raise typer.Exit(130) from None
    say(f"finished → {trained.folder}; figures in {trained.folder / 'figures'}")
