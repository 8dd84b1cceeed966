"""The course's GAN: a pre-trained generator and a pre-trained critic, joined with an adaptive switcher."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from fastai.losses import MSELossFlat
from fastai.vision.gan import (
    AdaptiveGANSwitcher,
    AdaptiveLoss,
    accuracy_thresh_expand,
    gan_loss_from_func,
)
from PIL import Image
from torch import nn

from interp.files import sweep, write_drawn
from interp.images import Preprocess, open_image
from interp.images.geometry import shorter_side_to
from interp.models import ImageModel, Labels, save_folder
from interp.models.architecture import of_network
from interp.models.networks import CriticNetwork, UNetNetwork, clear_skips
from interp.training.adversarial import CriticRate, check_flat, gan_learner
from interp.training.backbones import body_of, load_backbone
from interp.training.drawing import draw_curves, first_batch, to_picture
from interp.training.learners import begin, best_device, make_learner
from interp.training.loaders import MIRRORED, Augmentation, data_loaders
from interp.training.recipe import Recipe, Watcher
from interp.training.run import Run
from interp.training.samples import LabelledSource
from interp.training.scores import MeanPsnr
from interp.training.settings import Settings
from interp.training.stages import Stage, TrainingError
from interp.training.store import PictureStore
from interp.training.superres import (
    Pairs,
    draw_pairs,
    draw_results,
    generator_model,
    generator_network,
)

GENERATOR, CRITIC, JOINED = "generator", "critic", "gan"
_LEAST = 64  # pixels that the critic's four halvings leave 4 of, which its last convolution takes

STAGES = (
    Stage("generator, frozen", 2, 1e-3, 128, batch=16, frozen=True, pct_start=0.8, part=GENERATOR),
    Stage("generator", 3, 1e-3, 128, batch=16, lr_low=1e-6, pct_start=0.3, part=GENERATOR),
    Stage("critic", 6, 1e-3, 128, batch=16, part=CRITIC),
    Stage("joined", 40, 1e-4, 128, batch=16, flat=True, part=JOINED),
    Stage("joined, larger", 10, 1e-4, 256, batch=8, flat=True, part=JOINED),
)
"""The course's steps."""


@dataclass(frozen=True, kw_only=True)
class GanSettings(Settings):
    """What the GAN is made of; `Settings` has the rest. A stage's `part` says who learns.

    Args:
        folder: of the good pictures.
        low: folder of the poor ones, under the same names (`interp crappify` makes it).
        augmentation: of the training pairs.
        blur: against the chequered pattern of pixel shuffling.
        self_attention: in the generator's third step up.
        weight_norm: in the place of batch norm in the decoder.
        critic_features: of the critic's first convolution.
        critic_weight: of the critic's verdict in the generator's loss.
        pixel_weight: of the squared error in it.
        threshold: the critic learns until its loss is below this, then the generator has a turn.
        critic_rate: the critic's learning rate against the generator's.
    """

    low: str
    stages: tuple[Stage, ...] = STAGES
    weight_decay: float = 1e-3
    augmentation: Augmentation = field(default=Augmentation(zoom=2.0))
    blur: bool = True
    self_attention: bool = True
    weight_norm: bool = True
    critic_features: int = 128
    critic_weight: float = 1.0
    pixel_weight: float = 50.0
    threshold: float = 0.65
    critic_rate: float = 5.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if wrong := [stage for stage in self.stages if stage.part not in (GENERATOR, CRITIC, JOINED)]:
            raise TrainingError(
                f"the stage {wrong[0].name!r} has part={wrong[0].part!r}; "
                f"give {GENERATOR}, {CRITIC} or {JOINED}."
            )
        check_flat([stage for stage in self.stages if stage.part == JOINED])
        if small := [stage for stage in self.stages if stage.part != GENERATOR and stage.size < _LEAST]:
            raise TrainingError(
                f"the stage {small[0].name!r} has size={small[0].size}; the critic needs {_LEAST} or more."
            )


class Gan(Recipe):
    """Trains a generator on pixels, a critic on its output, then both against each other.

    Example:
        >>> train(Gan(GanSettings(folder="good", low="poor")), "runs/vivid")
    """

    name = "gan"

    def __init__(self, settings: GanSettings) -> None:
        self.settings = settings
        self.stages = settings.stages
        self._backbone = load_backbone(settings)
        self._pairs = Pairs(settings)

    def prepare(self, watcher: Watcher) -> Mapping[str, Any]:
        """Find and check the pairs."""
        self._watcher = watcher
        return self._pairs.prepare(watcher)

    @property
    def _generator(self) -> UNetNetwork:
        return generator_network(self.settings, self._backbone.preprocess, self.stages[0].size)

    @property
    def _critic(self) -> CriticNetwork:
        return CriticNetwork(features=self.settings.critic_features)

    def networks(self) -> dict[str, nn.Module]:
        """Return the generator on the pre-trained encoder, and the critic."""
        return {
            "generator": self._generator.build(trained=body_of(self._backbone)),
            "critic": self._critic.build(),
        }

    def preprocess(self, stage: Stage) -> Preprocess:
        """Return what validation pictures go through."""
        trained = self._backbone.preprocess
        return Preprocess((stage.size, stage.size), trained.mean, trained.std, fit="cover")

    def learner(self, stage: Stage, networks: Mapping[str, nn.Module], run: Run) -> Any:
        """Return the learner of a stage: the generator's, the critic's or both's."""
        if stage.part == CRITIC:
            return self._critic_learner(stage, networks, run)
        preprocess, asked = self.preprocess(stage), self.settings
        loaders = self._pairs.loaders(stage, preprocess, asked.augmentation)
        metrics = [MeanPsnr(preprocess)]
        if stage.part == GENERATOR:
            return make_learner(
                loaders, networks["generator"], MSELossFlat(), metrics, weight_decay=asked.weight_decay
            )
        verdicts = _critic_loss()
        return gan_learner(
            loaders,
            (networks["generator"], _patches(networks["critic"])),
            gan_loss_from_func(MSELossFlat(), verdicts, (asked.critic_weight, asked.pixel_weight)),
            switcher=AdaptiveGANSwitcher(critic_thresh=asked.threshold),
            callbacks=[CriticRate(asked.critic_rate)],
            metrics=metrics,
            weight_decay=asked.weight_decay,
            switch_eval=True,
        )

    def _critic_learner(self, stage: Stage, networks: Mapping[str, nn.Module], run: Run) -> Any:
        folder = run.folder / "generations" / f"{self.stages.index(stage) + 1:02}"
        made = self._generations(stage, networks["generator"], folder)
        real = list(self._pairs.high)
        sizes = [shorter_side_to(stage.size, *open_image(path).size) for path in real]
        store = PictureStore([*made, *real], [(stage.size, stage.size)] * len(made) + sizes)
        store.fill(self._watcher.checking)
        count = len(real)
        train, valid = ([*part, *(i + count for i in part)] for part in self._pairs.split)
        loaders = data_loaders(
            LabelledSource(store, [0] * count + [1] * count, (stage.size, stage.size)),
            (train, valid),
            batch=stage.batch,
            preprocess=self.preprocess(stage),
            augmentation=MIRRORED,
            seed=self.settings.seed,
            workers=self.settings.workers,
            device=best_device(self.settings.device),
        )
        return make_learner(
            loaders,
            _patches(networks["critic"]),
            _critic_loss(),
            [accuracy_thresh_expand],
            weight_decay=self.settings.weight_decay,
        )

    def _generations(self, stage: Stage, generator: nn.Module, folder: Path) -> list[Path]:
        """Write what the generator makes of every poor picture, and return the files."""
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)
        preprocess = self.preprocess(stage)
        paths = [folder / f"{number:06}.png" for number in range(len(self._pairs.low))]
        device = best_device(self.settings.device)
        generator.to(device).eval()
        for done, (path, low) in enumerate(zip(paths, self._pairs.low, strict=True), 1):
            self._watcher.checking(done, len(paths))
            if path.exists():
                continue
            with torch.no_grad():
                made = generator(preprocess(open_image(low))[None].to(device))[0]
            with write_drawn(path) as drawn:
                Image.fromarray(to_picture(made, preprocess)).save(drawn, "PNG")
        clear_skips(generator)
        return paths

    def start(self, stage: Stage, learner: Any) -> None:
        """Make the optimiser; joined networks learn whole."""
        if stage.part == JOINED:
            learner.create_opt()
        else:
            begin(learner, stage)

    def before_stage(self, stage: Stage, learner: Any, run: Run) -> None:
        """Draw a batch of the pairs, and of the critic's two kinds."""
        preprocess = self.preprocess(stage)
        if stage is self.stages[0] and stage.part == GENERATOR:
            draw_pairs(run, "batch", first_batch(learner.dls, 6), preprocess, "A training batch")

    def after_stage(self, stage: Stage, learner: Any, run: Run) -> None:
        """Draw the curves so far and what the generator makes."""
        draw_curves(run)
        if stage.part == CRITIC:
            return
        generator = learner.model if stage.part == GENERATOR else learner.model.generator
        name = f"predictions-{self.stages.index(stage) + 1}"
        draw_results(run, name, generator, learner.dls.valid, self.preprocess(stage))
        clear_skips(generator)

    def finish(self, run: Run, networks: Mapping[str, nn.Module]) -> None:
        """Write the generator as the run's model, and the critic in a folder of its own."""
        preprocess = self.preprocess(self.stages[-1])
        history = {"recipe": self.name, "settings": self.settings.to_json(), "epochs": run.at.rows}
        critic = ImageModel(
            networks["critic"].cpu().eval(),
            preprocess,
            f"{run.folder.name} critic",
            Labels(("real",)),
            activation="sigmoid",
            architecture=of_network(self._critic),
        )
        save_folder(critic, run.folder / "critic", history)
        clear_skips(networks["generator"])
        save_folder(
            generator_model(networks["generator"], preprocess, self._generator, run), run.folder, history
        )


def _patches(critic: Any) -> nn.Module:
    """Return the critic without its last step: a logit for each patch is what learns."""
    patches: nn.Module = critic[0]
    return patches


def _critic_loss() -> Any:
    return AdaptiveLoss(nn.BCEWithLogitsLoss())
