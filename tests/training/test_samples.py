from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.functional import center_crop

from interp.training.samples import LabelledSource, NoiseSource, PairedSource, Samples, crop
from interp.training.store import PictureStore


@pytest.fixture
def store(tmp_path):
    """Six pictures whose red is their row, green their column and blue their number."""
    paths = []
    for number in range(6):
        rows, columns = np.mgrid[:20, :26].astype(np.uint8)
        pixels = np.stack([rows, columns, np.full_like(rows, number)], -1)
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(pixels).save(paths[-1])
    return PictureStore(paths, [(26, 20)] * 6)


def place(picture):
    return int(picture[0, 0, 0]), int(picture[1, 0, 0])


@pytest.mark.parametrize("size", [(20, 26), (12, 12), (11, 15), (20, 13), (7, 26)])
def test_the_middle_is_torchvisions(size):
    picture = torch.arange(3 * 20 * 26).view(3, 20, 26)
    assert crop(picture, size, None).equal(center_crop(picture, list(size)))


def test_random_crops_reach_every_place_and_nothing_beyond():
    rows, columns = torch.meshgrid(torch.arange(6), torch.arange(5), indexing="ij")
    picture = torch.stack([rows, columns])
    found = Counter(
        (int(part[0, 0, 0]), int(part[1, 0, 0]))
        for part in (crop(picture, (4, 4), chance) for chance in range(1500))
    )
    assert set(found) == {(top, left) for top in range(3) for left in range(2)}
    assert min(found.values()) > 180  # 250 expected, a standard deviation is 14


def test_a_crop_is_a_function_of_seed_epoch_and_sample(store):
    source = LabelledSource(store, [0, 1, 2, 0, 1, 2], (8, 8))
    samples, again = (Samples(source, (4, 1, 5), training=True, seed=3) for _ in range(2))
    other_order = Samples(source, (5, 4, 1), training=True, seed=3)
    first = [place(samples[i][0]) for i in range(3)]
    assert [place(again[i][0]) for i in (2, 1, 0)] == first[::-1]
    assert [place(other_order[i][0]) for i in (1, 2, 0)] == first
    assert [int(samples[i][1]) for i in range(3)] == [1, 1, 2]
    seen = set()
    for epoch in range(20):
        samples.epoch = epoch
        seen |= {place(samples[i][0]) for i in range(3)}
    assert len(seen) > 30
    assert [place(Samples(source, (4, 1, 5), training=True, seed=4)[i][0]) for i in range(3)] != first


def test_validation_is_the_middle_in_every_epoch(store):
    samples = Samples(LabelledSource(store, range(6), (8, 8)), range(6), training=False, seed=3)
    for epoch in range(3):
        samples.epoch = epoch
        assert {place(samples[i][0]) for i in range(6)} == {(6, 9)}


def test_both_of_a_pair_are_cut_at_the_same_place(store):
    samples = Samples(PairedSource(store, store, (8, 8)), range(6), training=True, seed=0)
    places = set()
    for epoch in range(10):
        samples.epoch = epoch
        for number in range(6):
            picture, target = samples[number]
            assert picture.equal(target)
            places.add(place(picture))
    assert len(places) > 30


def test_noise_is_normal_new_in_training_and_fixed_for_validation(store):
    source = NoiseSource(store, (8, 8), 500)
    training = Samples(source, range(6), training=True, seed=0)
    valid = Samples(source, range(6), training=False, seed=0)
    first, fixed = ([samples[i][0] for i in range(6)] for samples in (training, valid))
    training.epoch = valid.epoch = 1
    assert all(valid[i][0].equal(fixed[i]) for i in range(6))
    assert not any(training[i][0].equal(first[i]) for i in range(6))
    every = torch.cat([*first, *fixed])
    assert abs(float(every.mean())) < 0.05
    assert float(every.std()) == pytest.approx(1, abs=0.05)
