"""Segmentation: pictures with a mask each, a U-Net on a pre-trained encoder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from fastai.losses import CrossEntropyLossFlat
from torch import Tensor, nn

from interp import views
from interp.images import Preprocess
from interp.models import ImageModel, Labels, save_folder
from interp.models.architecture import of_network
from interp.models.networks import UNetNetwork, clear_skips
from interp.training.backbones import body_of, load_backbone
from interp.training.data import Problems, check_pairs, paired_folder, split
from interp.training.drawing import draw_curves, first_batch, rows_of, to_picture
from interp.training.learners import best_device, make_learner, outputs, spread
from interp.training.loaders import Augmentation, data_loaders
from interp.training.recipe import Recipe, Watcher, without_bad
from interp.training.run import Run
from interp.training.samples import PairedSource
from interp.training.scores import MeanIoU, PixelAccuracy, class_iou, confusion
from interp.training.settings import Settings
from interp.training.stages import Stage
from interp.training.store import PictureStore

_SHOWN = 4

STAGES = (
    Stage("frozen", epochs=1, lr=2e-3, size=180, batch=4, frozen=True, pct_start=0.3),
    Stage("unfrozen", epochs=30, lr=1e-3, lr_low=1e-4, size=180, batch=4, pct_start=0.2),
)
"""A mean IoU of 0.644 on CamVid at half its size, in about an hour of two cores."""


@dataclass(frozen=True, kw_only=True)
class SegmentationSettings(Settings):
    """What a segmentation is made of; `Settings` has the rest. A stage's size is the height.

    Args:
        folder: of pictures and masks, in CamVid's layout or another that is known.
        masks: their folder, if `folder` has the pictures only.
        codes: names of the classes, or a file with one in each line.
        void: name of the class that counts nowhere; default a class of such a name.
        augmentation: of the training pictures, the masks along with them.
        self_attention: in the third step up.
        blur: against the chequered pattern of pixel shuffling.
    """

    stages: tuple[Stage, ...] = STAGES
    keep_statistics: bool = True
    masks: str | None = None
    codes: tuple[str, ...] | str | None = None
    void: str | None = None
    augmentation: Augmentation = field(default=Augmentation())
    self_attention: bool = False
    blur: bool = False


class Segmentation(Recipe):
    """Trains a U-Net on masks: cross-entropy without void, pixel accuracy, mean IoU.

    Example:
        >>> train(Segmentation(SegmentationSettings(folder="camvid")), "runs/streets")
    """

    name = "segmentation"

    def __init__(self, settings: SegmentationSettings) -> None:
        self.settings = settings
        self.stages = settings.stages
        self._backbone = load_backbone(settings)
        self._stores: dict[int, tuple[PictureStore, PictureStore]] = {}

    def prepare(self, watcher: Watcher) -> Mapping[str, Any]:
        """Find pictures, masks and class names, open each once, part off the validation set."""
        asked, problems = self.settings, Problems(self.settings.folder)
        data = paired_folder(
            asked.folder, masks=asked.masks, codes=asked.codes, void=asked.void, problems=problems
        )
        sizes = check_pairs(data, progress=watcher.checking, problems=problems)
        bad = without_bad(problems, asked, watcher)
        sizes = tuple(size for item, size in enumerate(sizes) if item not in bad)
        self._data, self._watcher = (data := data.without(bad)), watcher
        self._split = split(len(data.pictures), asked.valid, asked.seed, groups=data.groups)
        width, height = Counter(sizes).most_common(1)[0][0]
        self._aspect = width / height
        return {"pictures": len(data.pictures), "classes": list(data.codes), "void": data.void}

    def shape(self, stage: Stage) -> tuple[int, int]:
        """Return (height, width) of the pictures of a stage, in the shape of most of the data."""
        return stage.size, round(stage.size * self._aspect)

    @property
    def _network(self) -> UNetNetwork:
        asked = self.settings
        height, width = self.shape(self.stages[0])
        return UNetNetwork(
            asked.backbone,
            outputs=len(self._data.codes),
            height=height,
            width=width,
            blur=asked.blur,
            self_attention=asked.self_attention,
        )

    def networks(self) -> dict[str, nn.Module]:
        """Return the U-Net on the pre-trained encoder."""
        return {"unet": self._network.build(trained=body_of(self._backbone))}

    def preprocess(self, stage: Stage) -> Preprocess:
        """Return what validation pictures go through: squished to the stage's shape."""
        trained = self._backbone.preprocess
        return Preprocess(self.shape(stage), trained.mean, trained.std, fit="squish")

    def loaders(self, stage: Stage) -> Any:
        """Return the data loaders of a stage."""
        height, width = self.shape(stage)
        if stage.size not in self._stores:
            sizes = [(width, height)] * len(self._data.pictures)
            stores = (
                PictureStore(self._data.pictures, sizes),
                PictureStore(self._data.masks, sizes, kind="mask"),
            )
            for store in stores:
                store.fill(self._watcher.checking)
            self._stores = {stage.size: stores}
        pictures, masks = self._stores[stage.size]
        return data_loaders(
            PairedSource(pictures, masks, (height, width)),
            self._split,
            batch=stage.batch,
            preprocess=self.preprocess(stage),
            augmentation=self.settings.augmentation,
            seed=self.settings.seed,
            workers=self.settings.workers,
            device=best_device(self.settings.device),
        )

    def learner(self, stage: Stage, networks: Mapping[str, nn.Module], run: Run) -> Any:
        """Return the learner of a stage."""
        classes, void = len(self._data.codes), self._data.void
        return make_learner(
            self.loaders(stage),
            networks["unet"],
            CrossEntropyLossFlat(axis=1, ignore_index=-100 if void is None else void),
            [PixelAccuracy(classes, void), MeanIoU(classes, void)],
            weight_decay=self.settings.weight_decay,
            keep_statistics=self.settings.keep_statistics,
        )

    def before_stage(self, stage: Stage, learner: Any, run: Run) -> None:
        """Draw a batch, and what the untrained decoder says."""
        if stage is not self.stages[0]:
            return
        inputs, masks = first_batch(learner.dls, 8)
        preprocess, colours = self.preprocess(stage), views.class_colours(len(self._data.codes))
        shown = [
            views.mask_over(to_picture(values, preprocess), mask.numpy(), colours, void=self._data.void)
            for values, mask in zip(inputs, masks, strict=True)
        ]
        run.figure("batch", views.picture_grid(rows_of(shown, 4), heading="A training batch with its masks"))
        self._draw_predictions(learner, preprocess, run, "predictions-0-before")

    def after_stage(self, stage: Stage, learner: Any, run: Run) -> None:
        """Draw the curves so far and the predictions."""
        draw_curves(run)
        number = self.stages.index(stage) + 1
        self._draw_predictions(learner, self.preprocess(stage), run, f"predictions-{number}-{stage.name}")
        clear_skips(learner.model)

    def _draw_predictions(self, learner: Any, preprocess: Preprocess, run: Run, name: str) -> None:
        inputs, logits, masks = next(outputs(learner.model, [spread(learner.dls.valid, _SHOWN)]))
        predicted = logits.argmax(1)
        pairs = zip(masks, predicted, strict=True)
        scores = [float(self._iou(self._count(mask, found)).nanmean()) for mask, found in pairs]
        figure = views.segmentation_figure(
            [to_picture(values, preprocess) for values in inputs],
            list(masks.numpy()),
            list(predicted.numpy()),
            self._data.codes,
            void=self._data.void,
            scores=scores,
        )
        run.figure(name, figure)

    def _count(self, masks: Tensor, predicted: Tensor) -> Tensor:
        return confusion(masks, predicted, len(self._data.codes), self._data.void)

    def _iou(self, counts: Tensor) -> Tensor:
        return class_iou(counts)

    def model(self, networks: Mapping[str, nn.Module], stage: Stage, name: str) -> ImageModel:
        """Return the U-Net as `interp` explains it."""
        clear_skips(networks["unet"])
        return ImageModel(
            networks["unet"].cpu().eval(),
            self.preprocess(stage),
            name,
            Labels(tuple(self._data.codes)),
            task="segmentation",
            architecture=of_network(self._network),
        )

    def finish(self, run: Run, networks: Mapping[str, nn.Module]) -> None:
        """Draw the IoU of every class, and write the model."""
        stage = self.stages[-1]
        classes = len(self._data.codes)
        counts = torch.zeros(classes, classes, dtype=torch.long)
        network = networks["unet"].to(best_device(self.settings.device))
        for _, logits, masks in outputs(network, self.loaders(stage).valid):
            counts += self._count(masks, logits.argmax(1))
        iou = class_iou(counts).numpy()
        shown = [i for i in range(classes) if i != self._data.void]
        figure = views.bar_figure(
            iou[shown],
            [self._data.codes[i] for i in shown],
            heading="Intersection over union of each class",
            unit="IoU",
            reference=float(np.nanmean(iou[shown])),
        )
        run.figure("iou", figure)
        model = self.model(networks, stage, run.folder.name)
        history = {"recipe": self.name, "settings": self.settings.to_json(), "epochs": run.at.rows}
        save_folder(model, run.folder, history)
