"""Super-resolution: a U-Net from poor pictures to good ones, with a pixel or a perceptual loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import torch
from fastai.losses import L1LossFlat, MSELossFlat
from torch import Tensor, nn

from interp import views
from interp.images import Preprocess
from interp.images.geometry import shorter_side_to
from interp.models import ImageModel, save_folder
from interp.models.architecture import of_network
from interp.models.networks import UNetNetwork, clear_skips
from interp.training.backbones import body_of, load_backbone
from interp.training.data import Problems, check_pictures, matched_pairs, split
from interp.training.drawing import draw_curves, first_batch, to_picture
from interp.training.learners import best_device, make_learner, outputs, spread
from interp.training.loaders import Augmentation, data_loaders
from interp.training.metrics import loss_terms
from interp.training.perceptual import PerceptualLoss
from interp.training.recipe import Recipe, Watcher, without_bad
from interp.training.run import Run
from interp.training.samples import PairedSource
from interp.training.scores import MeanPsnr, psnr
from interp.training.settings import Settings
from interp.training.stages import Stage, TrainingError
from interp.training.store import PictureStore

Loss = Literal["mse", "l1", "perceptual"]
_SHOWN = 4

STAGES = (
    Stage("small", epochs=10, lr=2e-3, lr_low=2e-4, size=128, batch=4, pct_start=0.2),
    Stage("larger", epochs=3, lr=1e-4, lr_low=1e-6, size=256, batch=4, pct_start=0.3),
)
"""Two sizes, as in the course. The first stage alone was better than bicubic for 400 photographs."""


@dataclass(frozen=True, kw_only=True)
class SuperResolutionSettings(Settings):
    """What a super-resolution is made of; `Settings` has the rest.

    Args:
        folder: of the good pictures.
        low: folder of the poor ones, under the same names (`interp crappify` makes it).
        loss: between output and good picture: `mse`, `l1`, or `perceptual`: pixel, feature and Gram terms.
        features: the network whose features and Gram matrices a perceptual loss compares.
        layer_weights: of its layers.
        gram_scale: of the Gram terms; default the course's 5000 for a VGG, and 100 for others: with 5000
            EfficientNet-Lite0's Gram terms were 98 % of the loss.
        augmentation: of the training pictures, good and poor alike.
        blur: against the chequered pattern of pixel shuffling.
        self_attention: in the third step up.
        weight_norm: in the place of batch norm in the decoder.
    """

    low: str
    stages: tuple[Stage, ...] = STAGES
    keep_statistics: bool = True
    weight_decay: float = 1e-3
    loss: Loss = "perceptual"
    features: str = "efficientnet_lite0"
    layer_weights: tuple[float, ...] = (5.0, 15.0, 2.0)
    gram_scale: float | None = None
    augmentation: Augmentation = field(default=Augmentation(zoom=2.0))
    blur: bool = True
    self_attention: bool = False
    weight_norm: bool = True


class Pairs:
    """Poor and good pictures of the same things: found, checked, split, stored at one size at a time."""

    def __init__(self, settings: Any) -> None:
        self.settings = settings
        self._stores: dict[int, tuple[PictureStore, PictureStore]] = {}

    def prepare(self, watcher: Watcher) -> dict[str, Any]:
        """Find the pairs, open every picture once, part off the validation set."""
        problems = Problems(self.settings.low, self.settings.folder)
        low, high = matched_pairs(self.settings.low, self.settings.folder, problems=problems)
        sizes = check_pictures([*high, *low], progress=watcher.checking, problems=problems)
        bad = {item % len(high) for item in without_bad(problems, self.settings, watcher)}
        kept = [item for item in range(len(high)) if item not in bad]
        self.low, self.high = [low[item] for item in kept], [high[item] for item in kept]
        self._sizes, self._watcher = [sizes[item] for item in kept], watcher
        self.split = split(len(kept), self.settings.valid, self.settings.seed)
        return {"pairs": len(self.high)}

    def loaders(self, stage: Stage, preprocess: Preprocess, augmentation: Augmentation) -> Any:
        """Return the data loaders of a stage: both pictures' shorter side at its size, the same crop."""
        if stage.size not in self._stores:
            sizes = [shorter_side_to(stage.size, *size) for size in self._sizes]
            stores = PictureStore(self.low, sizes), PictureStore(self.high, sizes)
            for store in stores:
                store.fill(self._watcher.checking)
            self._stores = {stage.size: stores}
        return data_loaders(
            PairedSource(*self._stores[stage.size], (stage.size, stage.size)),
            self.split,
            batch=stage.batch,
            preprocess=preprocess,
            augmentation=augmentation,
            seed=self.settings.seed,
            workers=self.settings.workers,
            device=best_device(self.settings.device),
        )


class SuperResolution(Recipe):
    """Trains a U-Net to give back what was lost: pixel loss, or pixel, feature and Gram terms.

    Example:
        >>> train(SuperResolution(SuperResolutionSettings(folder="good", low="poor")), "runs/sharper")
    """

    name = "superres"

    def __init__(self, settings: SuperResolutionSettings) -> None:
        if settings.loss not in get_args(Loss):
            raise TrainingError(f"loss={settings.loss!r}: give one of {', '.join(get_args(Loss))}.")
        self.settings = settings
        self.stages = settings.stages
        self._backbone = load_backbone(settings)
        self._pairs = Pairs(settings)

    def prepare(self, watcher: Watcher) -> Mapping[str, Any]:
        """Find and check the pairs."""
        return self._pairs.prepare(watcher)

    @property
    def _network(self) -> UNetNetwork:
        return generator_network(self.settings, self._backbone.preprocess, self.stages[0].size)

    def networks(self) -> dict[str, nn.Module]:
        """Return the generator on the pre-trained encoder."""
        return {"generator": self._network.build(trained=body_of(self._backbone))}

    def preprocess(self, stage: Stage) -> Preprocess:
        """Return what validation pictures go through."""
        trained = self._backbone.preprocess
        return Preprocess((stage.size, stage.size), trained.mean, trained.std, fit="cover")

    def loaders(self, stage: Stage) -> Any:
        """Return the data loaders of a stage."""
        return self._pairs.loaders(stage, self.preprocess(stage), self.settings.augmentation)

    def learner(self, stage: Stage, networks: Mapping[str, nn.Module], run: Run) -> Any:
        """Return the learner of a stage."""
        preprocess = self.preprocess(stage)
        loss: Any
        terms: Sequence[Any] = ()
        if self.settings.loss == "perceptual":
            loss = NormalisedPerceptualLoss(self.settings, preprocess)
            terms = loss_terms(loss.compared)
        else:
            loss = MSELossFlat() if self.settings.loss == "mse" else L1LossFlat()
        return make_learner(
            self.loaders(stage),
            networks["generator"],
            loss,
            [*terms, MeanPsnr(preprocess)],
            weight_decay=self.settings.weight_decay,
            keep_statistics=self.settings.keep_statistics,
        )

    def before_stage(self, stage: Stage, learner: Any, run: Run) -> None:
        """Draw a batch, and what the untrained decoder gives."""
        if stage is self.stages[0]:
            draw_pairs(run, "batch", first_batch(learner.dls, 6), self.preprocess(stage), "A training batch")
            draw_results(
                run, "predictions-0-before", learner.model, learner.dls.valid, self.preprocess(stage)
            )

    def after_stage(self, stage: Stage, learner: Any, run: Run) -> None:
        """Draw the curves so far and the results beside the bilinear input."""
        draw_curves(run)
        name = f"predictions-{self.stages.index(stage) + 1}-{stage.name}"
        draw_results(run, name, learner.model, learner.dls.valid, self.preprocess(stage))
        clear_skips(learner.model)

    def finish(self, run: Run, networks: Mapping[str, nn.Module]) -> None:
        """Write the model."""
        clear_skips(networks["generator"])
        model = generator_model(networks["generator"], self.preprocess(self.stages[-1]), self._network, run)
        history = {"recipe": self.name, "settings": self.settings.to_json(), "epochs": run.at.rows}
        save_folder(model, run.folder, history)


class NormalisedPerceptualLoss(nn.Module):
    """A perceptual loss of pictures in a generator's normalisation: they are compared in 0 … 1.

    The pixel term is measured in the units of 0 … 1, which is what the weights of the other terms mean.
    """

    def __init__(self, settings: SuperResolutionSettings, preprocess: Preprocess) -> None:
        super().__init__()
        scale = settings.gram_scale
        if scale is None:
            scale = 5e3 if "vgg" in settings.features else 100.0
        self.compared = PerceptualLoss(settings.features, settings.layer_weights, gram_scale=scale)
        self.mean: Tensor
        self.std: Tensor
        for key in ("mean", "std"):
            self.register_buffer(key, torch.tensor(getattr(preprocess, key)).view(1, -1, 1, 1))

    @property
    def last(self) -> dict[str, Tensor]:
        """The terms of the last batch, for the log."""
        return self.compared.last

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the sum of the terms."""
        if self.mean.device != output.device:
            self.to(output.device)
        loss: Tensor = self.compared(output * self.std + self.mean, target * self.std + self.mean)
        return loss


def generator_network(settings: Any, preprocess: Preprocess, size: int) -> UNetNetwork:
    """Return the generator's description: its output may go a little beyond black and white."""
    black = [(0 - m) / s for m, s in zip(preprocess.mean, preprocess.std, strict=True)]
    white = [(1 - m) / s for m, s in zip(preprocess.mean, preprocess.std, strict=True)]
    reach = 1.15 * max(map(abs, [*black, *white]))  # 3.04 for ImageNet's statistics: the course's −3 … 3
    return UNetNetwork(
        settings.backbone,
        outputs=3,
        height=size,
        width=size,
        blur=settings.blur,
        weight_norm=settings.weight_norm,
        self_attention=settings.self_attention,
        low=-reach,
        high=reach,
    )


def generator_model(
    network: nn.Module, preprocess: Preprocess, described: UNetNetwork, run: Run
) -> ImageModel:
    """Return a generator as `interp` explains and runs it."""
    return ImageModel(
        network.cpu().eval(),
        preprocess,
        run.folder.name,
        task="image",
        activation="none",
        architecture=of_network(described),
    )


def draw_pairs(
    run: Run, name: str, batch: tuple[Tensor, Tensor], preprocess: Preprocess, heading: str
) -> None:
    """Draw inputs above their targets."""
    rows = [[to_picture(values, preprocess) for values in part] for part in batch]
    run.figure(name, views.picture_grid(rows, row_labels=["input", "target"], heading=heading))


def draw_results(run: Run, name: str, network: nn.Module, loader: Any, preprocess: Preprocess) -> None:
    """Draw input, output and target of validation pictures, each with its PSNR."""
    inputs, made, targets = next(outputs(network, [spread(loader, _SHOWN)]))
    rows = [[to_picture(part[i], preprocess) for part in (inputs, made, targets)] for i in range(len(inputs))]
    good = preprocess.inverse(targets)
    scores = [psnr(preprocess.inverse(part), good) for part in (inputs, made)]
    titles = [[*(f"{score[i]:.2f} dB" for score in scores), ""] for i in range(len(inputs))]
    labels = ["input", "output", "target"]
    figure = views.picture_grid(rows, titles=titles, column_labels=labels, heading="Validation pictures")
    run.figure(name, figure)
