"""Network dissection against planted masks and numbers worked out by hand."""

import numpy as np
import pytest
import torch
from networks import UNet
from PIL import Image
from torch import nn

import interp
from interp.features import FeatureError, dissect
from interp.images import Preprocess

SIDE = 16


class Colours(nn.Module):
    """Channel 0 is red, channel 1 blue, channel 2 noise of neither; of the input itself."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1, bias=False)
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, 1, 0]])[:, :, None, None])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x).mean((2, 3))


@pytest.fixture
def model():
    return interp.load(
        Colours().eval(), preprocess=Preprocess((SIDE, SIDE), (0.0,) * 3, (1.0,) * 3, fit="squish")
    )


def save(folder, pictures):
    files = []
    for number, pixels in enumerate(pictures):
        files.append(folder / f"{number}.png")
        Image.fromarray(pixels).save(files[-1])
    return files


def painted(masks):
    """Red where 1, blue where 2, else black."""
    pictures = []
    for mask in masks:
        pixels = np.zeros((*mask.shape, 3), np.uint8)
        pixels[mask == 1, 0] = 255
        pixels[mask == 2, 2] = 255
        pictures.append(pixels)
    return pictures


@pytest.fixture
def planted():
    masks = [np.zeros((SIDE, SIDE), np.int64) for _ in range(3)]
    masks[0][:4, :4] = 1
    masks[1][8:, 8:] = 2
    masks[2][2:6, 3:9] = 1
    masks[2][10:, :4] = 2
    return masks


@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_a_channel_that_draws_a_mask_has_an_iou_of_one(model, planted, tmp_path, batch_size):
    files = save(tmp_path, painted(planted))
    # As many positions as are red (40 of 768) are strong.
    found = dissect(
        model, "conv", files, planted, ["black", "red", "blue"], quantile=0.06, batch_size=batch_size
    )
    assert found.iou[0, 1] == 1
    assert found.iou[0, 2] == 0
    assert found.best(0) == ("red", 1.0)
    assert found.pictures == 3


def test_the_numbers_are_those_of_sets(model, tmp_path):
    random = np.random.default_rng(0)
    masks = [random.integers(-1, 4, (SIDE, SIDE)) for _ in range(20)]
    pictures = [random.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8) for _ in range(20)]
    found = dissect(
        model, "conv", save(tmp_path, pictures), masks, ["a", "b", "c"], quantile=0.1, batch_size=7
    )
    values, labels = np.stack(pictures)[..., [0, 2, 1]].astype(np.float32) / 255, np.stack(masks)
    known = (labels >= 0) & (labels < 3)
    for channel in range(3):
        ordered = np.sort(values[..., channel].ravel())[::-1]
        threshold = ordered[int(ordered.size * 0.1)]
        assert found.thresholds[channel] == pytest.approx(threshold)
        strong = (values[..., channel] > threshold) & known
        for number in range(3):
            label = labels == number
            expected = (strong & label).sum() / (strong | label).sum()
            assert found.iou[channel, number] == pytest.approx(expected)


def test_masks_follow_the_picture_through_the_preprocessing(tmp_path):
    prepare = Preprocess((SIDE, SIDE), (0.0,) * 3, (1.0,) * 3, fit="crop", interpolation="nearest")
    model = interp.load(Colours().eval(), preprocess=prepare)
    mask = np.zeros((32, 96), np.uint8)
    mask[8:16, 40:60] = 1
    mask[:, :30] = 2  # never seen: the network gets the middle
    files = save(tmp_path, painted([mask]))
    found = dissect(
        model, "conv", files, [mask.repeat(2, 0).repeat(2, 1)], ["no", "red", "blue"], quantile=0.16
    )
    assert found.iou[0, 1] == 1
    assert np.isnan(found.iou[:, 2]).all()
    assert found.best(0)[0] == "red"


def test_detectors_are_sorted_by_class_and_score(model, planted, tmp_path):
    found = dissect(
        model, "conv", save(tmp_path, painted(planted)), planted, ["black", "red", "blue"], quantile=0.12
    )
    detectors = found.detectors(0.5)
    assert detectors == {"red": [0], "blue": [1]}
    assert found.detectors(0.9999999) in ({"red": [0], "blue": [1]}, {"red": [0]}, {"blue": [1]}, {})


def test_the_figure_names_the_best_channels(model, planted, tmp_path):
    files = save(tmp_path, painted(planted))
    found = dissect(model, "conv", files, planted, ["nothing", "red", "blue"], quantile=0.02)
    said = [text.get_text() for text in found.figure(2).texts]
    assert sum(text.startswith("channel ") for text in said) == 2
    assert any("What the channels of conv detect" in text for text in said)


def test_masks_are_read_when_needed_and_progress_counts_both_passes(model, planted, tmp_path):
    files, said = save(tmp_path, painted(planted)), []
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"none")
    found = dissect(
        model,
        "conv",
        [*files, broken],
        ["0", "1", "2", "never"],
        ["black", "red", "blue"],
        read=lambda name: planted[int(name)],
        quantile=0.06,
        batch_size=2,
        progress=lambda *now: said.append(now),
    )
    assert found.iou[0, 1] == 1
    assert list(found.failed) == [str(broken)]
    assert said == [(2, 8), (4, 8), (6, 8), (8, 8)]


def test_a_u_net(planted, tmp_path):
    net = interp.load(UNet().eval(), preprocess=Preprocess((16, 16), (0.5,) * 3, (0.5,) * 3))
    found = dissect(net, "bottom", save(tmp_path, painted(planted)), planted, ["a", "b", "c"], quantile=0.1)
    assert found.iou.shape == (16, 3)
    assert ((found.iou >= 0) & (found.iou <= 1)).all()


def test_what_is_wrong_is_said(model, planted, tmp_path):
    files = save(tmp_path, painted(planted))
    names = ["a", "b", "c"]
    with pytest.raises(FeatureError, match="masks: 2 given for 3 pictures"):
        dissect(model, "conv", files, planted[:2], names)
    with pytest.raises(FeatureError, match="quantile=0"):
        dissect(model, "conv", files, planted, names, quantile=0)
    with pytest.raises(FeatureError, match="classes: there is none"):
        dissect(model, "conv", files, planted, [])
    with pytest.raises(FeatureError, match=r"masks\[0\]: float64"):
        dissect(model, "conv", files, [mask.astype(float) for mask in planted], names)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"none")
    with pytest.raises(FeatureError, match="none of the 1 pictures"):
        dissect(model, "conv", [broken], planted[:1], names)
    with pytest.raises(FeatureError, match="channel 3"):
        dissect(model, "conv", files, planted, names).best(3)
