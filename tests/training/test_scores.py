import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from interp.images import Preprocess
from interp.training.scores import MeanIoU, MeanPsnr, PixelAccuracy, class_iou, confusion, psnr


@some.composite
def predictions(draw):
    """Return (classes, void, truths, predictions), of three uneven batches."""
    classes = draw(some.integers(2, 5))
    void = draw(some.none() | some.sampled_from([*range(classes), 255]))
    chance = np.random.default_rng(draw(some.integers(0, 2**32)))
    marks = [*range(draw(some.integers(1, classes)))] + ([void] if void is not None else [])
    batches = [
        (chance.choice(marks, (count, 4, 3)), chance.integers(0, classes, (count, 4, 3)))
        for count in (3, 2, 1)
    ]
    return classes, void, batches


def counted(metric, classes, batches):
    metric.reset()
    for truth, predicted in batches:
        logits = torch.nn.functional.one_hot(torch.from_numpy(predicted), classes).permute(0, 3, 1, 2)
        metric.accumulate(SimpleNamespace(yb=(torch.from_numpy(truth),), pred=logits.float()))
    return metric.value


@settings(max_examples=60, deadline=None)
@given(predictions())
def test_metrics_are_those_of_a_loop_over_all_pixels(case):
    classes, void, batches = case
    pairs = [
        (int(truth), int(found))
        for batch in batches
        for truth, found in zip(batch[0].flat, batch[1].flat, strict=True)
        if truth != void
    ]
    overlaps = []
    for number in range(classes):
        both = sum(truth == found == number for truth, found in pairs)
        either = sum(number in pair for pair in pairs)
        overlaps.append(both / either if either else math.nan)
    present = [value for value in overlaps if not math.isnan(value)]
    mean = sum(present) / len(present) if present else math.nan
    right = sum(truth == found for truth, found in pairs) / len(pairs) if pairs else math.nan
    assert counted(MeanIoU(classes, void), classes, batches) == pytest.approx(mean, nan_ok=True)
    assert counted(PixelAccuracy(classes, void), classes, batches) == pytest.approx(right, nan_ok=True)
    counts = sum(confusion(*map(torch.from_numpy, batch), classes, void) for batch in batches)
    assert class_iou(counts).tolist() == pytest.approx(overlaps, nan_ok=True)


def test_by_hand():
    truth = torch.tensor([[0, 0, 1, 1, 3, 3]])
    found = torch.tensor([[0, 1, 1, 1, 0, 3]])
    counts = confusion(truth, found, 4, void=3)
    assert counts.tolist() == [[1, 1, 0, 0], [0, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert class_iou(counts)[:2].tolist() == pytest.approx([1 / 2, 2 / 3])
    assert class_iou(counts)[2:].isnan().all()  # neither there nor predicted: no number, not 0


def test_a_class_predicted_where_there_is_none_has_no_overlap_and_counts():
    counts = confusion(torch.tensor([0, 0, 0]), torch.tensor([0, 0, 1]), 2)
    assert class_iou(counts).tolist() == pytest.approx([2 / 3, 0])


def test_nothing_counted_is_no_number():
    assert math.isnan(MeanIoU(3).value)
    assert math.isnan(PixelAccuracy(3).value)
    assert MeanPsnr(Preprocess((8, 8), (0.5,), (0.5,))).value is None


def test_psnr_in_closed_form():
    target = torch.full((4, 3, 8, 8), 0.5)
    output = target + torch.tensor([0.1, 0.01, 0.5, 0]).view(-1, 1, 1, 1)
    assert psnr(output, target).tolist() == pytest.approx([20, 40, 20 * math.log10(2), 120], abs=1e-3)
    assert psnr(output[2:3] + 7, target[2:3]).tolist() == pytest.approx([20 * math.log10(2)], abs=1e-3)


def test_mean_psnr_is_over_pictures_and_leaves_training_out():
    preprocess = Preprocess((8, 8), (0.4, 0.5, 0.6), (0.2, 0.25, 0.3))
    chance = torch.Generator().manual_seed(0)
    good, made = torch.rand(2, 5, 3, 8, 8, generator=chance)
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (preprocess.mean, preprocess.std))
    metric = MeanPsnr(preprocess)
    for part in (slice(0, 4), slice(4, 5)):
        batch = {"yb": ((good[part] - mean) / std,), "pred": (made[part] - mean) / std}
        metric.accumulate(SimpleNamespace(training=False, **batch))
        metric.accumulate(SimpleNamespace(training=True, yb=None, pred=None))
    by_hand = np.mean(
        [10 * math.log10(1 / float(((a - b) ** 2).mean())) for a, b in zip(good, made, strict=True)]
    )
    assert metric.value == pytest.approx(by_hand, rel=1e-4)
