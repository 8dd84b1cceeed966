import math

import numpy as np
import pytest
import torch
from PIL import Image
from run_folders import end_of

import interp
from interp.images import open_image
from interp.training import PerceptualLoss, Stage, TrainingError, train
from interp.training.recipe import Silent
from interp.training.superres import NormalisedPerceptualLoss


@pytest.mark.slow
def test_the_last_psnr_is_that_of_the_saved_model(make, finished):
    recipe, model = make("superres"), interp.load(finished("superres"))
    recipe.prepare(Silent())
    found = []
    for item in recipe._pairs.split[1]:
        low, high = (open_image(paths[item]) for paths in (recipe._pairs.low, recipe._pairs.high))
        made = model.preprocess.inverse(model.logits(model.prepare([low])))[0]
        good = model.preprocess.inverse(model.prepare([high]))[0]
        found.append(-10 * math.log10(float(((made - good) ** 2).mean())))
    assert float(end_of(finished("superres"))[1][-1]["psnr"]) == pytest.approx(np.mean(found), rel=1e-4)


@pytest.mark.slow
def test_terms_add_up_to_the_loss(finished):
    for row in end_of(finished("superres"))[1]:
        names = [key for key in row if key == "pixel" or key.startswith(("feat_", "gram_"))]
        assert len(names) == 7
        assert float(row["valid_loss"]) == pytest.approx(sum(float(row[key]) for key in names), rel=1e-5)


def test_validation_pairs_are_what_the_model_will_see(make):
    recipe = make("superres", loss="mse")
    recipe.prepare(Silent())
    stage = recipe.stages[0]
    found = next(iter(recipe.loaders(stage).valid))
    for part, paths in zip(found, (recipe._pairs.low, recipe._pairs.high), strict=True):
        pictures = [open_image(paths[item]) for item in recipe._pairs.split[1]]
        expected = recipe.preprocess(stage).batch(pictures)
        torch.testing.assert_close(part.as_subclass(torch.Tensor), expected, rtol=0, atol=1e-6)


def test_small_poor_pictures_are_brought_to_their_partners_place(make, pairs, tmp_path):
    for path in (pairs / "low").iterdir():
        picture = Image.open(path)
        picture.resize((picture.width // 4, picture.height // 4)).save(tmp_path / path.name)
    recipe = make("superres", loss="mse", low=str(tmp_path))
    recipe.prepare(Silent())
    inputs, targets = next(iter(recipe.loaders(recipe.stages[0]).valid))
    assert inputs.shape == targets.shape == (3, 3, 32, 32)


@pytest.mark.slow
def test_the_perceptual_loss_compares_in_zero_to_one(make):
    recipe = make("superres")
    preprocess = recipe.preprocess(recipe.stages[0])
    loss = NormalisedPerceptualLoss(recipe.settings, preprocess)
    generator = torch.Generator().manual_seed(0)
    x, y = torch.rand(2, 2, 3, 32, 32, generator=generator)
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (preprocess.mean, preprocess.std))
    expected = PerceptualLoss("efficientnet_lite0", (5.0, 15.0, 2.0), gram_scale=100.0)(x, y)
    torch.testing.assert_close(loss((x - mean) / std, (y - mean) / std), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["mse", "l1"])
def test_pixel_losses_are_means_over_validation_pixels(make, tmp_path, loss):
    recipe = make("superres", loss=loss, stages=(Stage("s", 1, 1e-3, 32, batch=3),))
    rows = train(recipe, tmp_path / "run").rows
    model = interp.load(tmp_path / "run")
    inputs, targets = (
        torch.cat([part.as_subclass(torch.Tensor) for part in parts])
        for parts in zip(*recipe.loaders(recipe.stages[0]).valid, strict=True)
    )
    error = model.logits(inputs) - targets
    expected = error.square().mean() if loss == "mse" else error.abs().mean()
    assert rows[-1]["valid_loss"] == pytest.approx(float(expected), rel=1e-4)


def test_an_unknown_loss_is_named(make):
    with pytest.raises(TrainingError, match="loss='l2': give one of mse, l1, perceptual"):
        make("superres", loss="l2")
