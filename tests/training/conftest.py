"""Tiny data sets, and recipes on tiny networks that train on them in a second."""

import numpy as np
import pytest
from PIL import Image

COLOURS = {"blue": (40, 60, 200), "green": (30, 170, 60), "red": (210, 50, 40)}


def picture(chance, colour, size):
    """Return noise around a colour, with a bright square somewhere."""
    width, height = size
    values = chance.normal(colour, 25, (height, width, 3))
    top, left = int(chance.integers(height // 2)), int(chance.integers(width // 2))
    values[top : top + 12, left : left + 12] += 60
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="session")
def labelled(tmp_path_factory):
    """Three classes of eight pictures in folders, upright, wide and square."""
    folder, chance = tmp_path_factory.mktemp("labelled"), np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (folder / name).mkdir()
        for number in range(8):
            size = ((60, 44), (44, 60), (52, 52))[number % 3]
            picture(chance, colour, size).save(folder / name / f"{name}_{number}.png")
    return folder


@pytest.fixture(scope="session")
def masked(tmp_path_factory):
    """Sixteen pictures in CamVid's layout: ground, a bright square, and void along the left edge."""
    folder, chance = tmp_path_factory.mktemp("masked"), np.random.default_rng(1)
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    (folder / "codes.txt").write_text("ground\nsquare\nnever\nVoid\n")
    for number in range(16):
        mask = np.zeros((40, 48), np.uint8)
        top, left = chance.integers(4, 24, 2)
        mask[top : top + 14, left : left + 14] = 1
        mask[:, :3] = 3
        values = chance.normal(90, 20, (40, 48, 3)) + 100 * (mask == 1)[..., None]
        Image.fromarray(values.clip(0, 255).astype(np.uint8)).save(folder / "images" / f"{number:02}.png")
        Image.fromarray(mask).save(folder / "labels" / f"{number:02}_P.png")
    return folder


@pytest.fixture(scope="session")
def pairs(tmp_path_factory):
    """Twelve good pictures in `high` and, blurred, in `low`."""
    folder, chance = tmp_path_factory.mktemp("pairs"), np.random.default_rng(2)
    (folder / "high").mkdir()
    (folder / "low").mkdir()
    for number in range(12):
        good = picture(chance, (120, 110, 90), (56, 48))
        good.save(folder / "high" / f"{number:02}.png")
        good.resize((14, 12)).resize((56, 48)).save(folder / "low" / f"{number:02}.png")
    return folder


@pytest.fixture(scope="session")
def make(labelled, masked, pairs):
    """Return a recipe by its name, with other settings where they are given."""
    from interp.training import (
        Classifier,
        ClassifierSettings,
        Gan,
        GanSettings,
        Segmentation,
        SegmentationSettings,
        Stage,
        SuperResolution,
        SuperResolutionSettings,
        Wgan,
        WganSettings,
    )

    untrained = {"backbone": "timm:test_resnet", "pretrained": False}
    encoder = {"backbone": "timm:test_efficientnet", "pretrained": False, "keep_statistics": False}
    kinds = {
        "classifier": (
            Classifier,
            ClassifierSettings,
            untrained
            | {
                "folder": str(labelled),
                "valid": 0.25,
                "keep_statistics": False,
                "stages": (
                    Stage("frozen", 2, 1e-2, 32, batch=6, frozen=True),
                    Stage("unfrozen", 2, 1e-3, 40, batch=6, lr_low=1e-4),
                ),
            },
        ),
        "segmentation": (
            Segmentation,
            SegmentationSettings,
            encoder
            | {
                "folder": str(masked),
                "valid": 0.25,
                "stages": (
                    Stage("frozen", 2, 3e-3, 32, batch=4, frozen=True),
                    Stage("unfrozen", 1, 1e-3, 40, batch=4, lr_low=1e-4),
                ),
            },
        ),
        "superres": (
            SuperResolution,
            SuperResolutionSettings,
            encoder
            | {
                "folder": str(pairs / "high"),
                "low": str(pairs / "low"),
                "valid": 0.25,
                "stages": (
                    Stage("frozen", 1, 1e-3, 32, batch=3, frozen=True),
                    Stage("larger", 2, 1e-3, 48, batch=3, lr_low=1e-5),
                ),
            },
        ),
        "gan": (
            Gan,
            GanSettings,
            encoder
            | {
                "folder": str(pairs / "high"),
                "low": str(pairs / "low"),
                "valid": 0.25,
                "critic_features": 8,
                "threshold": 0.9,
                "stages": (
                    Stage("frozen", 1, 1e-3, 32, batch=3, frozen=True, part="generator"),
                    Stage("critic", 2, 1e-3, 64, batch=6, part="critic"),
                    Stage("joined", 2, 1e-4, 64, batch=2, flat=True, part="gan"),
                    Stage("larger", 1, 1e-4, 80, batch=2, flat=True, part="gan"),
                ),
            },
        ),
        "wgan": (
            Wgan,
            WganSettings,
            {
                "folder": str(pairs / "high"),
                "valid": 0.25,
                "noise": 8,
                "features": 8,
                "critic_turns": 2,
                "stages": (
                    Stage("small", 2, 2e-4, 16, batch=2, flat=True),
                    Stage("large", 2, 2e-4, 32, batch=2, flat=True),
                ),
            },
        ),
    }

    def build(name, **changes):
        recipe, settings, values = kinds[name]
        return recipe(settings(**(values | changes)))

    return build


@pytest.fixture(scope="session")
def finished(make, tmp_path_factory):
    """Return the folder of a recipe's uninterrupted run, trained once for all tests."""
    from interp.training import train

    folders = {}

    def run(name):
        if name not in folders:
            folder = tmp_path_factory.mktemp("runs") / name
            train(make(name), folder)
            folders[name] = folder
        return folders[name]

    return run
