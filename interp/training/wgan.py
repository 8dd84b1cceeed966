"""The Wasserstein GAN: noise to pictures like those of a folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from fastai.vision.gan import FixedGANSwitcher
from torch import Tensor, nn

from interp import views
from interp.images import Preprocess
from interp.images.geometry import shorter_side_to
from interp.models import ImageModel, Labels, save_folder
from interp.models.architecture import of_network
from interp.models.networks import BasicCriticNetwork, BasicGeneratorNetwork, Network
from interp.training.adversarial import CriticDistance, check_flat, gan_learner
from interp.training.data import Problems, check_pictures, pictures_in, split
from interp.training.drawing import draw_curves, first_batch, rows_of, to_picture
from interp.training.learners import best_device
from interp.training.loaders import MIRRORED, Augmentation, data_loaders
from interp.training.recipe import Recipe, Watcher, without_bad
from interp.training.run import Run
from interp.training.samples import NoiseSource
from interp.training.settings import Settings
from interp.training.stages import Stage
from interp.training.store import PictureStore

_SAMPLES, _TIMES = 24, 20
_HALF = (0.5, 0.5, 0.5)

STAGES = (
    Stage("small", epochs=20, lr=2e-4, size=32, batch=64, flat=True),
    Stage("large", epochs=20, lr=2e-4, size=64, batch=64, flat=True),
)


@dataclass(frozen=True, kw_only=True)
class WganSettings(Settings):
    """What the Wasserstein GAN is made of; `Settings` has the rest. Sizes are powers of two.

    Args:
        augmentation: of the real pictures; only mirrored by default.
        noise: length of the noise vector.
        features: of the critic's first convolution and the generator's last but one.
        extra_layers: in either.
        critic_turns: steps of the critic for each of the generator.
        clip: the critic's weights stay within ± this.
    """

    stages: tuple[Stage, ...] = STAGES
    weight_decay: float = 0.0
    augmentation: Augmentation = field(default=MIRRORED)
    noise: int = 100
    features: int = 64
    extra_layers: int = 1
    critic_turns: int = 5
    clip: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        check_flat(self.stages)


class Wgan(Recipe):
    """Trains a generator of pictures against a critic with clipped weights; the size may grow.

    Example:
        >>> train(Wgan(WganSettings(folder="bedrooms")), "runs/bedrooms")
    """

    name = "wgan"

    def __init__(self, settings: WganSettings) -> None:
        self.settings = settings
        self.stages = settings.stages
        for stage in self.stages:
            self._described(stage.size)  # a size that is no power of two is said before training
        self._stores: dict[int, PictureStore] = {}

    def prepare(self, watcher: Watcher) -> Mapping[str, Any]:
        """Find the pictures and open each once."""
        found, problems = pictures_in(self.settings.folder), Problems(self.settings.folder)
        sizes = check_pictures(found, progress=watcher.checking, problems=problems)
        bad = without_bad(problems, self.settings, watcher)
        self._pictures = [path for item, path in enumerate(found) if item not in bad]
        self._sizes = [size for item, size in enumerate(sizes) if item not in bad]
        self._split = split(len(self._pictures), self.settings.valid, self.settings.seed)
        self._watcher = watcher
        return {"pictures": len(self._pictures)}

    def _described(self, size: int) -> tuple[BasicGeneratorNetwork, BasicCriticNetwork]:
        asked = self.settings
        generator = BasicGeneratorNetwork(
            size, noise=asked.noise, features=asked.features, extra_layers=asked.extra_layers
        )
        return generator, BasicCriticNetwork(size, features=asked.features, extra_layers=asked.extra_layers)

    def networks(self) -> dict[str, nn.Module]:
        """Return generator and critic of the first stage's size."""
        self._size = self.stages[0].size
        generator, critic = self._described(self._size)
        return {"generator": generator.build(), "critic": critic.build()}

    def grow(self, stage: Stage, networks: dict[str, nn.Module]) -> None:
        """Put larger networks in the place of the smaller ones, and carry over what both have.

        The larger generator begins with one more coarse step and ends like the smaller; the larger critic
        begins like the smaller and ends with one more coarse step.
        """
        if stage.size == self._size:
            return
        self._size = stage.size
        generator, critic = (described.build() for described in self._described(stage.size))
        carry(networks["generator"], generator, from_end=True)
        carry(networks["critic"], critic, from_end=False)
        networks.update(generator=generator, critic=critic)

    def preprocess(self, stage: Stage) -> Preprocess:
        """Return what real pictures go through: −1 … 1, the range of the generator's tanh."""
        return Preprocess((stage.size, stage.size), _HALF, _HALF, fit="cover")

    def learner(self, stage: Stage, networks: Mapping[str, nn.Module], run: Run) -> Any:
        """Return the learner of a stage."""
        if stage.size not in self._stores:
            sizes = [shorter_side_to(stage.size, *size) for size in self._sizes]
            self._stores = {stage.size: PictureStore(self._pictures, sizes)}
            self._stores[stage.size].fill(self._watcher.checking)
        loaders = data_loaders(
            NoiseSource(self._stores[stage.size], (stage.size, stage.size), self.settings.noise),
            self._split,
            batch=stage.batch,
            preprocess=self.preprocess(stage),
            augmentation=self.settings.augmentation,
            seed=self.settings.seed,
            workers=self.settings.workers,
            device=best_device(self.settings.device),
        )
        return gan_learner(
            loaders,
            (networks["generator"], networks["critic"]),
            (_fooled, _told_apart),
            switcher=FixedGANSwitcher(n_crit=self.settings.critic_turns, n_gen=1),
            metrics=[CriticDistance()],
            weight_decay=self.settings.weight_decay,
            switch_eval=False,
            clip=self.settings.clip,
        )

    def start(self, stage: Stage, learner: Any) -> None:
        """Make the optimiser."""
        learner.create_opt()

    def before_stage(self, stage: Stage, learner: Any, run: Run) -> None:
        """Draw real pictures."""
        _, real = first_batch(learner.dls, _SAMPLES)
        shown = [to_picture(values, self.preprocess(stage)) for values in real]
        run.figure(f"real-{stage.size}", views.picture_grid(rows_of(shown, 8), heading="Real pictures"))

    def after_epoch(self, learner: Any, run: Run) -> None:
        """Draw what the generator makes of the same noise, some twenty times in the run."""
        number, every = len(run.at.rows), max(1, sum(stage.epochs for stage in self.stages) // _TIMES)
        if number % every:
            return
        made = generate(learner.model.generator, self.settings.noise, _SAMPLES)
        preprocess = Preprocess((self._size, self._size), _HALF, _HALF)
        shown = [to_picture(values, preprocess) for values in made]
        figure = views.picture_grid(rows_of(shown, 8), heading=f"Generated after epoch {number}")
        run.figure(f"samples-{number:03}", figure)

    def after_stage(self, stage: Stage, learner: Any, run: Run) -> None:
        """Draw the curves so far."""
        draw_curves(run)

    def finish(self, run: Run, networks: Mapping[str, nn.Module]) -> None:
        """Write the critic as the run's model, for it takes pictures, and the generator beside it."""
        preprocess = self.preprocess(self.stages[-1])
        history = {"recipe": self.name, "settings": self.settings.to_json(), "epochs": run.at.rows}
        generator, critic = self._described(self.stages[-1].size)
        described: dict[str, Network] = {"generator": generator, "critic": critic}
        for key, network in described.items():
            model = ImageModel(
                networks[key].cpu().eval(),
                preprocess,
                f"{run.folder.name} {key}",
                Labels(("generated",)) if key == "critic" else Labels(),
                task="classification" if key == "critic" else "image",
                activation="none",
                architecture=of_network(network),
            )
            save_folder(model, run.folder if key == "critic" else run.folder / key, history)


def generate(generator: nn.Module, noise: int, count: int, seed: int = 0) -> Tensor:
    """Return `count` pictures that a generator makes of normal noise, `(count, 3, H, W)` in −1 … 1.

    Args:
        generator: its mode is put back; batch norms use what they have learnt.
        noise: length of its noise vector.
        count: how many.
        seed: the same seed gives the same noise.
    """
    source = torch.Generator().manual_seed(seed)
    modes = [(part, part.training) for part in generator.modules()]
    device = next(generator.parameters()).device
    generator.eval()
    try:
        with torch.no_grad():
            made: Tensor = generator(torch.randn(count, noise, generator=source).to(device)).cpu()
    finally:
        for part, training in modes:
            part.training = training
    return made


def carry(small: nn.Module, large: nn.Module, *, from_end: bool) -> int:
    """Copy weights of the same shape into a larger network, and return how many layers were carried over.

    Args:
        small: the trained one, a `Sequential`.
        large: of the same kind with more steps.
        from_end: match layers from the output backwards, else from the input on.
    """
    pairs = [list(module.children()) for module in (small, large)]
    if from_end:
        pairs = [list(reversed(children)) for children in pairs]
    carried = 0
    for old, new in zip(*pairs, strict=False):
        states = old.state_dict(), new.state_dict()
        if [v.shape for v in states[0].values()] != [v.shape for v in states[1].values()]:
            break
        new.load_state_dict(dict(zip(states[1], states[0].values(), strict=True)))
        carried += bool(states[0])
    return carried


def _fooled(verdict: Tensor, _output: Tensor, _target: Tensor) -> Tensor:
    return verdict.mean()


def _told_apart(real: Tensor, fake: Tensor) -> Tensor:
    return real.mean() - fake.mean()
