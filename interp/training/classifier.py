"""The classifier: pictures with a class each, a pre-trained body, the course's head and schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from fastai.losses import CrossEntropyLossFlat
from fastai.metrics import error_rate
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import interp
from interp import views
from interp.images import Preprocess, open_image
from interp.images.geometry import shorter_side_to
from interp.models import ImageModel, Labels, save_folder
from interp.models.architecture import of_network
from interp.models.networks import ClassifierNetwork
from interp.training.backbones import body_of, load_backbone
from interp.training.data import Problems, check_pictures, labelled_folder, split
from interp.training.drawing import (
    draw_augmentations,
    draw_curves,
    first_batch,
    rows_of,
    to_picture,
)
from interp.training.learners import best_device, make_learner, outputs, spread
from interp.training.loaders import COURSE_AUGMENTATION, Augmentation, data_loaders
from interp.training.recipe import Recipe, Watcher, without_bad
from interp.training.run import Run
from interp.training.samples import LabelledSource
from interp.training.scores import confusion
from interp.training.settings import Settings
from interp.training.stages import Stage
from interp.training.store import PictureStore

_PREDICTED, _LOSSES = 12, 9

COURSE = (
    Stage("frozen", epochs=3, lr=1e-2, size=224, frozen=True, pct_start=0.8),
    Stage("unfrozen", epochs=2, lr=1e-3, lr_low=1e-6, size=224, pct_start=0.8),
    Stage("larger", epochs=2, lr=1e-4, lr_low=1e-6, size=352, pct_start=0.8),
)
"""The course's schedule for pets: error rates 0.1394, 0.1035, 0.0886 with a ResNet-34."""

QUICK = (
    Stage("frozen", epochs=3, lr=2e-3, size=224, frozen=True, batch=32),
    Stage("unfrozen", epochs=4, lr=5e-4, lr_low=5e-5, size=224, batch=32),
)
"""The default: minutes on two cores for a few hundred pictures."""


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "quick": {"stages": QUICK},
    "course": {
        "stages": COURSE,
        "backbone": "torchvision:resnet34",
        "keep_statistics": False,
        "bias": True,
        "final_batchnorm": True,
        "augmentation": COURSE_AUGMENTATION,
    },
}
"""What `interp train classifier --preset` chooses."""


@dataclass(frozen=True, kw_only=True)
class ClassifierSettings(Settings):
    r"""What a classifier is made of; `Settings` has the rest.

    Args:
        labels: where a picture's class is said: its folder, its name (`regex`), a table (`csv`).
        regex: its first group is the class: `([^/]+)_\d+.jpg$`.
        csv: a file with the columns file, label and perhaps valid.
        augmentation: of the training pictures.
        bias: whether the head's linear layers have one, as the course's.
        final_batchnorm: a batch norm on the logits, as in the course. Its statistics settle over hundreds of
            steps, so it harms short trainings.
        dropout: before the last layer.
        random_labels: deal the classes out by chance, as a control: maps that look the same afterwards never
            showed what was learnt (Adebayo et al. 2018).
    """

    stages: tuple[Stage, ...] = QUICK
    keep_statistics: bool = True
    labels: Literal["folder", "regex", "csv"] = "folder"
    regex: str | None = None
    csv: str | None = None
    augmentation: Augmentation = field(default=Augmentation())
    bias: bool = False
    final_batchnorm: bool = False
    dropout: float = 0.5
    random_labels: bool = False


class Classifier(Recipe):
    """Trains a classifier: cross-entropy, error rate, one cycle for each stage.

    Example:
        >>> train(Classifier(ClassifierSettings(folder="pictures")), "runs/mine")
    """

    name = "classifier"

    def __init__(self, settings: ClassifierSettings) -> None:
        self.settings = settings
        self.stages = settings.stages
        self._backbone = load_backbone(settings)
        self._stores: dict[int, PictureStore] = {}

    def prepare(self, watcher: Watcher) -> Mapping[str, Any]:
        """Find the pictures and their classes, open each once, part off the validation set."""
        asked, problems = self.settings, Problems(self.settings.folder)
        data = labelled_folder(
            asked.folder, labels=asked.labels, regex=asked.regex, csv=asked.csv, problems=problems
        )
        sizes = check_pictures(data.pictures, progress=watcher.checking, problems=problems)
        bad = without_bad(problems, asked, watcher)
        kept = data.without(bad)
        self._data = kept.dealt_out(asked.seed) if asked.random_labels else kept
        self._watcher = watcher
        self._sizes = [size for item, size in enumerate(sizes) if item not in bad]
        count, groups, labels = len(self._sizes), self._data.groups, self._data.labels
        self._split = split(count, asked.valid, asked.seed, groups=groups, labels=labels)
        return {"pictures": count, "classes": list(self._data.classes)}

    def networks(self) -> dict[str, nn.Module]:
        """Return the classifier on the pre-trained body."""
        return {"classifier": self._network.build(trained=body_of(self._backbone))}

    @property
    def _network(self) -> ClassifierNetwork:
        asked = self.settings
        return ClassifierNetwork(
            asked.backbone,
            classes=len(self._data.classes),
            bias=asked.bias,
            final_batchnorm=asked.final_batchnorm,
            dropout=asked.dropout,
        )

    def preprocess(self, stage: Stage) -> Preprocess:
        """Return what validation pictures go through: shorter side to the stage's size, centre."""
        trained = self._backbone.preprocess
        return Preprocess((stage.size, stage.size), trained.mean, trained.std, fit="cover")

    def loaders(self, stage: Stage) -> Any:
        """Return the data loaders of a stage: its size, its batch."""
        if stage.size not in self._stores:
            sizes = [shorter_side_to(stage.size, *size) for size in self._sizes]
            store = PictureStore(self._data.pictures, sizes)
            store.fill(self._watcher.checking)
            self._stores = {stage.size: store}  # one at a time: another size needs the memory
        return data_loaders(
            LabelledSource(self._stores[stage.size], self._data.labels, (stage.size, stage.size)),
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
        return make_learner(
            self.loaders(stage),
            networks["classifier"],
            CrossEntropyLossFlat(),
            [error_rate],
            weight_decay=self.settings.weight_decay,
            keep_statistics=self.settings.keep_statistics,
        )

    def model(self, networks: Mapping[str, nn.Module], stage: Stage, name: str) -> ImageModel:
        """Return the classifier as `interp` explains it."""
        network = networks["classifier"]
        return ImageModel(
            network.cpu().eval(),
            self.preprocess(stage),
            name,
            Labels(self._data.classes),
            architecture=of_network(self._network),
        )

    def before_stage(self, stage: Stage, learner: Any, run: Run) -> None:
        """Draw a batch and the augmentations, and what the untrained head says."""
        if stage is not self.stages[0]:
            return
        preprocess, names = self.preprocess(stage), self._data.classes
        inputs, targets = first_batch(learner.dls)
        shown = [to_picture(values, preprocess) for values in inputs]
        titles = [names[int(target)] for target in targets]
        figure = views.picture_grid(rows_of(shown, 6), titles=rows_of(titles, 6), heading="A training batch")
        run.figure("batch", figure)
        first = open_image(self._data.pictures[self._split[1][0]])
        draw_augmentations(run, first, preprocess, self.settings.augmentation)
        self._draw_predictions(learner, preprocess, run, "predictions-0-before")

    def after_stage(self, stage: Stage, learner: Any, run: Run) -> None:
        """Draw the curves so far and the predictions."""
        draw_curves(run)
        number = self.stages.index(stage) + 1
        self._draw_predictions(learner, self.preprocess(stage), run, f"predictions-{number}-{stage.name}")

    def _draw_predictions(self, learner: Any, preprocess: Preprocess, run: Run, name: str) -> None:
        inputs, logits, truths = next(outputs(learner.model, [spread(learner.dls.valid, _PREDICTED)]))
        names = self._data.classes
        chances, found = logits.softmax(1).max(1)
        titles = [
            f"{names[i]} {chance:.2f}" + ("" if i == truth else f"\nis {names[truth]}")
            for i, chance, truth in zip(found.tolist(), chances.tolist(), truths.tolist(), strict=True)
        ]
        marks = ["right" if right else "wrong" for right in (found == truths).tolist()]
        figure = views.picture_grid(
            rows_of([to_picture(values, preprocess) for values in inputs], 6),
            titles=rows_of(titles, 6),
            marks=rows_of(marks, 6),
            heading="Validation pictures",
        )
        run.figure(name, figure)

    def finish(self, run: Run, networks: Mapping[str, nn.Module]) -> None:
        """Draw the confusion matrix and the top losses with heat, and write the model."""
        stage = self.stages[-1]
        device = best_device(self.settings.device)  # a resumed run may have nothing left but this
        found = list(outputs(networks["classifier"].to(device), self.loaders(stage).valid))
        logits, truths = torch.cat([made for _, made, _ in found]), torch.cat([true for _, _, true in found])
        counts = confusion(truths, logits.argmax(1), len(self._data.classes))
        run.figure("confusion", views.confusion_figure(counts.numpy(), self._data.classes))
        model = self.model(networks, stage, run.folder.name)
        self._draw_top_losses(run, model, logits, truths)
        history = {"recipe": self.name, "settings": self.settings.to_json(), "epochs": run.at.rows}
        save_folder(model, run.folder, history)

    def _draw_top_losses(self, run: Run, model: ImageModel, logits: Tensor, truths: Tensor) -> None:
        losses = cross_entropy(logits, truths, reduction="none")
        worst = losses.topk(min(_LOSSES, len(losses))).indices.tolist()
        paths = [self._data.pictures[self._split[1][i]] for i in worst]
        predicted = logits.argmax(1)
        names = self._data.classes
        found = interp.explain(model, paths, [int(predicted[i]) for i in worst])
        captions = [
            views.TopLoss(
                predicted=names[int(predicted[i])],
                actual=names[int(truths[i])],
                loss=float(losses[i]),
                probability=float(logits[i].softmax(0).max()),
            )
            for i in worst
        ]
        pictures = [np.asarray(model.preprocess.view(each.picture)) for each in found]
        heated = [np.asarray(model.preprocess.view(each.overlay())) for each in found]
        run.figure("top-losses", views.top_losses_figure(pictures, heated, captions))
