import numpy as np
import pytest
import torch
from PIL import Image
from run_folders import end_of

import interp
from interp.images import open_image
from interp.training import Stage, train
from interp.training.recipe import Silent


@pytest.mark.slow
def test_the_last_scores_are_those_of_the_saved_model(make, finished):
    recipe, model = make("segmentation"), interp.load(finished("segmentation"))
    recipe.prepare(Silent())
    assert model.preprocess.size == (40, 48)
    assert model.labels.names == ("ground", "square", "never", "Void")
    hits, unions, right, pixels = np.zeros(4), np.zeros(4), 0, 0
    for item in recipe._split[1]:
        picture = open_image(recipe._data.pictures[item])
        found = model.logits(model.prepare([picture]))[0].argmax(0).numpy()
        truth = np.asarray(Image.open(recipe._data.masks[item]))  # stored at this size
        counts = truth != 3
        right, pixels = right + (found == truth)[counts].sum(), pixels + counts.sum()
        for number in range(4):
            hits[number] += ((found == number) & (truth == number) & counts).sum()
            unions[number] += (((found == number) | (truth == number)) & counts).sum()
    row = end_of(finished("segmentation"))[1][-1]
    assert float(row["accuracy"]) == pytest.approx(right / pixels)
    present = unions > 0
    assert float(row["mean_iou"]) == pytest.approx((hits[present] / unions[present]).mean())


def test_the_saved_model_sees_what_training_validated(make):
    recipe = make("segmentation")
    recipe.prepare(Silent())
    stage = recipe.stages[0]
    inputs, masks = next(iter(recipe.loaders(stage).valid))
    pictures = [open_image(recipe._data.pictures[item]) for item in recipe._split[1]]
    expected = recipe.preprocess(stage).batch(pictures)
    torch.testing.assert_close(inputs.as_subclass(torch.Tensor), expected, rtol=0, atol=1e-6)
    assert masks.shape == (4, *expected.shape[-2:])
    assert set(masks.unique().tolist()) == {0, 1, 3}


def test_void_gives_no_gradient(make):
    recipe = make("segmentation")
    recipe.prepare(Silent())
    learner = recipe.learner(recipe.stages[0], recipe.networks(), None)
    logits = torch.randn(2, 4, 5, 6, requires_grad=True)
    masks = torch.randint(0, 2, (2, 5, 6))
    masks[:, :, 0] = 3
    learner.loss_func(logits, masks).backward()
    assert not logits.grad[..., 0].any()
    assert logits.grad[..., 1:].any(1).all()


@pytest.mark.slow
def test_without_a_void_class_everything_counts(make, masked, tmp_path):
    stages = (Stage("s", 1, 1e-3, 32, batch=4),)
    recipe = make("segmentation", codes=("ground", "square", "never", "edge"), stages=stages)
    train(recipe, tmp_path / "run")
    assert recipe._data.void == 255
    iou = interp.load(tmp_path / "run").labels.names
    assert iou == ("ground", "square", "never", "edge")
