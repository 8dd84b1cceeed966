from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from interp.images import Preprocess, open_image
from interp.images.geometry import shorter_side_to
from interp.training.callbacks import EpochChance
from interp.training.loaders import COURSE_AUGMENTATION, Augmentation, data_loaders, workers_for
from interp.training.samples import LabelledSource, NoiseSource, PairedSource
from interp.training.stages import TrainingError
from interp.training.store import PictureStore

NOTHING = Augmentation(rotate=0, zoom=1, lighting=0, warp=0, chance=0, flip=False)
PREPROCESS = Preprocess((24, 24), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
SIZES = [(40, 30), (30, 43), (31, 31), (61, 24), (24, 24), (35, 28), (28, 50), (33, 47), (39, 38), (90, 25)]


@pytest.fixture
def paths(tmp_path):
    """Noisy pictures of ten sizes."""
    chance, made = np.random.default_rng(0), []
    for number, (width, height) in enumerate(SIZES):
        made.append(tmp_path / f"{number}.png")
        Image.fromarray(chance.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(made[-1])
    return made


def store_of(paths, side=24, **changes):
    return PictureStore(paths, [shorter_side_to(side, *size) for size in SIZES[: len(paths)]], **changes)


def loaders_of(source, augmentation=NOTHING, split=(range(6), range(6, 10)), batch=4, **changes):
    return data_loaders(
        source, split, batch=batch, preprocess=PREPROCESS, augmentation=augmentation, seed=1, **changes
    )


def epochs_of(loaders, count=2, stage=0):
    """Return the training batches of some epochs, with the chance that a run gives them."""

    class Learner:
        dls = loaders

    chance = EpochChance(1, stage)
    chance.learn = Learner
    found = []
    for epoch in range(count):
        chance.epoch = epoch
        chance.before_epoch()
        found.append([tuple(part.as_subclass(torch.Tensor) for part in batch) for batch in loaders.train])
    return found


def same(one, other):
    return all(
        a.equal(b)
        for epoch, epoch_2 in zip(one, other, strict=True)
        for batch, batch_2 in zip(epoch, epoch_2, strict=True)
        for a, b in zip(batch, batch_2, strict=True)
    )


def test_validation_inputs_are_what_the_saved_model_will_see(paths):
    loaders = loaders_of(LabelledSource(store_of(paths), range(10), (24, 24)), Augmentation())
    inputs, labels = (torch.cat(parts) for parts in zip(*loaders.valid, strict=True))
    expected = PREPROCESS.batch([open_image(path) for path in paths[6:]])
    torch.testing.assert_close(inputs.as_subclass(torch.Tensor), expected, rtol=0, atol=1e-6)
    assert labels.tolist() == [6, 7, 8, 9]


def test_training_drops_the_last_smaller_batch_unless_it_is_the_only_one(paths):
    source = LabelledSource(store_of(paths), range(10), (24, 24))
    assert [len(labels) for _, labels in loaders_of(source).train] == [4]
    assert [len(labels) for _, labels in loaders_of(source, batch=64).train] == [6]
    assert [len(labels) for _, labels in loaders_of(source, batch=3).valid] == [3, 1]


def test_every_epoch_is_shuffled_and_holds_every_sample_once(paths):
    loaders = loaders_of(LabelledSource(store_of(paths), range(10), (24, 24)), batch=2)
    orders = [[int(label) for _, labels in epoch for label in labels] for epoch in epochs_of(loaders, 5)]
    assert all(sorted(order) == list(range(6)) for order in orders)
    assert len(set(map(tuple, orders))) > 2


def test_an_epoch_depends_on_its_number_only_not_on_what_was_before(paths):
    source = LabelledSource(store_of(paths), range(10), (24, 24))
    loaders, later = loaders_of(source, Augmentation()), loaders_of(source, Augmentation())
    torch.manual_seed(5)
    first = epochs_of(loaders)
    torch.rand(7)
    epochs_of(later, 1)
    assert same(epochs_of(later), first)
    assert not same(first[:1], first[1:])
    assert not same(epochs_of(loaders, stage=1), first)


@pytest.mark.slow
@pytest.mark.parametrize("most", [None, 0])
def test_workers_change_nothing(paths, most):
    source = LabelledSource(store_of(paths, most=most), range(10), (24, 24))
    alone, helped = (loaders_of(source, Augmentation(), workers=count, batch=2) for count in (0, 2))
    assert same(epochs_of(helped), epochs_of(alone))


def test_workers_are_for_what_does_not_fit_into_memory(paths):
    kept, large = store_of(paths), store_of(paths, most=0)
    assert workers_for(LabelledSource(kept, range(10), (24, 24))) == 0
    assert workers_for(PairedSource(kept, kept, (24, 24))) == 0
    assert 1 <= workers_for(PairedSource(kept, large, (24, 24))) <= 8


@pytest.mark.parametrize("padding", ["zeros", "reflection", "border"])
def test_masks_turn_with_their_pictures(tmp_path, padding):
    # A bright disc on black, and its mask: after every turn the mask is where the picture is bright.
    rows, columns = np.mgrid[:64, :64]
    pictures, masks = [], []
    for number in range(8):
        inside = (rows - 20 - 3 * number) ** 2 + (columns - 24) ** 2 < 180
        for files, values in ((pictures, np.where(inside, 255, 0)), (masks, inside)):
            files.append(tmp_path / f"{len(files)}-{values.max()}.png")
            Image.fromarray(np.asarray(values, np.uint8)).save(files[-1])
    source = PairedSource(
        PictureStore(pictures, [(64, 64)] * 8), PictureStore(masks, [(64, 64)] * 8, kind="mask"), (48, 48)
    )
    loaders = loaders_of(
        source, replace(COURSE_AUGMENTATION, lighting=0, padding=padding), split=(range(8), range(8)), batch=8
    )
    changed = 0
    for ((inputs, found),) in epochs_of(loaders, 4):
        assert found.dtype == torch.int64
        bright = PREPROCESS.inverse(inputs).mean(1) > 0.5
        assert set(found.unique().tolist()) <= {0, 1}
        wrong = (bright != (found == 1)).flatten(1).sum(1)
        border = 2 * np.pi * np.sqrt(180) * 1.5
        assert (wrong < border / 2).all()  # nearest against bilinear: less than a pixel along the rim
        changed += len({int(each.sum()) for each in found})
    assert changed > 16


def test_targets_that_are_pictures_change_as_their_inputs_do(paths):
    store = store_of(paths, 30)
    loaders = loaders_of(PairedSource(store, store, (24, 24)), Augmentation(), batch=3)
    batches = [batch for epoch in epochs_of(loaders) for batch in epoch]
    assert all(inputs.equal(targets) for inputs, targets in batches)
    assert not batches[0][0].equal(batches[1][0])
    inputs, targets = next(iter(loaders.valid))
    assert inputs.as_subclass(torch.Tensor).equal(targets.as_subclass(torch.Tensor))


def test_noise_is_left_alone_and_pictures_are_normalised(paths):
    loaders = loaders_of(NoiseSource(store_of(paths), (24, 24), 50), batch=6)
    ((noise, pictures),), _ = epochs_of(loaders)
    assert noise.shape == (6, 50)
    assert float(noise.std()) == pytest.approx(1, abs=0.2)
    assert float(pictures.min()) < -1.5
    assert float(pictures.max()) > 1.5


def test_no_augmentation_only_crops(paths):
    store = store_of(paths)
    loaders = loaders_of(LabelledSource(store, range(10), (24, 24)), split=([4, 2], [5]))
    ((inputs, labels),), _ = epochs_of(loaders)
    # Both are squares of the crop's size, or as good as: there is one place to crop.
    expected = PREPROCESS.batch([open_image(paths[int(label)]) for label in labels])
    torch.testing.assert_close(inputs, expected, rtol=0, atol=1e-6)


def test_one_training_picture_is_too_few(paths):
    source = LabelledSource(store_of(paths), range(10), (24, 24))
    with pytest.raises(TrainingError, match="only one picture to train on; give two at least"):
        loaders_of(source, split=([4], [5]))


def test_an_unknown_padding_is_named():
    with pytest.raises(ValueError, match="padding='mirror': give zeros, reflection or border"):
        Augmentation(padding="mirror")
