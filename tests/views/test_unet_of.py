"""The U of a network with maps at every level."""

import numpy as np
import pytest
import torch
from figure_words import assert_inside, words
from matplotlib.patches import FancyArrowPatch
from networks import DYNAMIC_UNETS, Fcn, UNet, seeded
from PIL import Image
from torch import nn

import interp
from interp import targets
from interp.features import FeatureError, skips_of, unet_of

BOX = targets.box(0.1, 0.2, 0.8, 0.7, 1)


class Adds(nn.Module):
    """A skip that is added."""

    def __init__(self):
        super().__init__()
        self.down, self.bottom = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 8, 3, 2, 1)
        self.up, self.mix, self.logits = (
            nn.ConvTranspose2d(8, 4, 2, 2),
            nn.Conv2d(4, 4, 3, padding=1),
            nn.Conv2d(4, 3, 1),
        )

    def forward(self, x):
        one = self.down(x)
        return self.logits(self.mix(self.up(self.bottom(one).relu()) + one))


def model_of(module, size=(32, 32)):
    prepare = interp.Preprocess(size, (0.5,) * 3, (0.5,) * 3, fit="squish")
    return interp.load(module, preprocess=prepare, labels=["sky", "road", "car"], task="segmentation")


@pytest.fixture(scope="module")
def picture():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def model():
    return model_of(DYNAMIC_UNETS["plain"]())


def across(figure):
    """Thickness of the arrows from left to right, the uppermost first."""
    found = [arrow for arrow in figure.findobj(FancyArrowPatch) if len({y for _, y in arrow._posA_posB}) == 1]
    return [arrow.get_linewidth() for arrow in sorted(found, key=lambda arrow: -arrow._posA_posB[0][1])]


def test_without_a_target_there_are_mean_activations_and_equal_arrows(model, picture):
    found = unet_of(model, picture)
    assert found.skips is None
    assert {len(map.shape) for map in found.maps.values()} == {2}
    strip = interp.features.strip_of(model, picture, found.levels.layers, average="mean")
    assert np.array_equal(
        found.maps[found.levels.bottleneck],
        dict(zip(strip.layers, strip.maps, strict=True))[found.levels.bottleneck].numpy(),
    )
    figure = found.figure()
    assert_inside(figure)
    said = words(figure)
    assert said.count("pixel shuffle with ICNR") == 4
    assert said.count("skip") == 1
    assert len(set(across(figure))) == 1


def test_with_a_target_the_arrows_are_as_thick_as_the_shares_of_the_skips(model, picture):
    found = unet_of(model, picture, BOX, ablate=["zero"])
    alone = skips_of(model, picture, BOX, ablate=["zero"])
    assert found.skips.to_json() == alone.to_json()
    figure = found.figure()
    assert_inside(figure)
    said = words(figure)
    for row in alone.rows:
        assert f"skip {100 * row.share:.0f} %" in said
    assert sum(text.startswith("zeroed: score ") for text in said) == 4
    thick = across(figure)
    order = np.argsort([row.share for row in alone.rows])
    assert list(np.argsort(thick)) == list(order)


def test_a_method_s_maps_are_those_of_attribute(model, picture):
    found = unet_of(model, picture, BOX, show="hires-cam")
    layers = list(found.levels.layers)
    maps = interp.attribute(model, model.prepare([picture]), BOX, ["hires-cam"], layers).maps
    for layer in layers:
        assert np.array_equal(found.maps[layer], maps[0, layer, "hires-cam"][0].numpy())
    assert found.display == "signed"
    assert "HiResCAM" in found.shown
    assert found.figure(over=True, words=False)


@pytest.mark.slow
def test_a_ground_truth_is_what_the_loss_is_measured_with(picture):
    model = model_of(seeded(UNet)())
    truth = model.logits(model.prepare([picture]))[0].argmax(0).numpy()
    found = unet_of(model, picture, ablate=["shuffled", "zero"], truth=truth)
    assert sum(text.startswith("shuffled: IoU ") for text in words(found.figure())) == 2
    told = found.to_json()
    assert [row["upsampling"] for row in told["rows"]] == ["nearest + convolution"] * 2
    assert told["skips"]["skips"][0]["ablations"]["zero"].keys() == {"score", "IoU", "Dice"}


def test_skips_that_are_added_have_no_share(picture):
    model = model_of(seeded(Adds)())
    found = unet_of(model, picture, BOX, show="grad-cam")
    assert found.skips is None
    assert [row.skip for row in found.levels.rows] == [True]
    assert "transposed convolution" in words(found.figure())
    with pytest.raises(FeatureError, match="Skips that are added, or copied"):
        unet_of(model, picture, BOX, ablate=["zero"])


def test_what_has_no_u_is_a_sentence(model, picture):
    with pytest.raises(FeatureError, match="has no way up"):
        unet_of(model_of(seeded(Fcn)()), picture)
    with pytest.raises(FeatureError, match="Saliency has one map, on the input"):
        unet_of(model, picture, BOX, show="saliency")


def test_progress_ends_with_all_of_it(model, picture):
    told = []
    with torch.inference_mode():
        unet_of(model, picture, BOX, ablate=["zero"], progress=lambda *step: told.append(step))
    parts = [done / total for done, total in told]
    assert parts == sorted(parts)
    assert parts[-1] == 1
