"""Context: exact where a map lies wholly inside, is the same everywhere, or is too coarse to tell."""

import json

import numpy as np
import pytest
import torch
from command import interp as command
from command import save_noise, save_segmenter
from matplotlib.text import Text
from PIL import Image
from torch import nn

import interp
from interp import targets
from interp.context import covered, region_of
from interp.explanation import ExplanationError
from interp.places import PlaceError


def square(size=(12, 16), rows=slice(3, 6), columns=slice(4, 8)):
    region = np.zeros(size, bool)
    region[rows, columns] = True
    return region


def test_a_map_wholly_inside_has_no_context():
    region = square()
    found = interp.context_ratio(region * 3.0, region)
    assert (found.ratio, found.beyond, found.least) == (0, 0, 0)
    assert found.area == pytest.approx(1 - 12 / 192)
    # Cells of 3 × 4 positions of which one is the region.
    coarse = np.zeros((4, 4))
    coarse[1, 1] = 2
    assert interp.context_ratio(coarse, region).ratio == 0
    assert interp.context_ratio(1 - (coarse > 0), region).ratio == 1


@pytest.mark.parametrize("grid", [(1, 1), (4, 4), (5, 7), (12, 16), (24, 32), (31, 17)])
def test_a_uniform_map_has_the_share_of_the_area(grid):
    region = square()
    found = interp.context_ratio(np.full(grid, 0.3), region, ring=2)
    assert found.ratio == pytest.approx(found.area, abs=1e-12)
    assert found.area == pytest.approx(1 - 12 / 192, abs=1e-12)
    assert found.beyond == pytest.approx(1 - 56 / 192, abs=1e-12)
    assert found.beyond_area == pytest.approx(1 - 56 / 192, abs=1e-12)


def test_cells_that_the_border_crosses_count_in_part_and_the_ring_takes_their_rest():
    region = np.zeros((4, 8), bool)
    region[:, 2:6] = True
    found = interp.context_ratio([[1.0, 3.0]], region)  # each cell is half inside
    assert found.ratio == found.least == 0.5
    assert found.ring == 4
    assert found.beyond == 0
    assert "at least 50 % on this grid" in found.words
    narrow = interp.context_ratio([[1.0, 3.0]], region, ring=1)
    assert narrow.beyond == pytest.approx(0.25)


def test_a_region_and_a_map_scaled_alike_agree():
    generator = np.random.default_rng(0)
    values, region = generator.random((6, 8)), square((6, 8), slice(1, 4), slice(2, 5))
    plain = interp.context_ratio(values, region, ring=0)
    finer = region.repeat(5, 0).repeat(5, 1)
    larger = interp.context_ratio(values, finer, ring=0)
    assert larger.ratio == pytest.approx(plain.ratio, abs=1e-12)
    other = interp.context_ratio(values.repeat(3, 0).repeat(3, 1), region, ring=0)
    assert other.ratio == pytest.approx(plain.ratio, abs=1e-12)
    assert interp.context_ratio(8 * values, region, ring=0) == plain
    inside, outside = values[region].sum(), values[~region].sum()
    assert plain.ratio == pytest.approx(outside / (inside + outside))


def test_a_region_and_the_rest_add_up():
    values = np.random.default_rng(1).random((5, 7))
    region = square((23, 19), slice(2, 11), slice(3, 9))
    one, other = (interp.context_ratio(values, each, ring=0) for each in (region, ~region))
    assert one.ratio + other.ratio == pytest.approx(1)
    assert one.area + other.area == pytest.approx(1)


def test_what_counts_as_evidence():
    region = np.array([[True, False]])
    values = torch.tensor([[1.0, -3.0]])
    ratios = [
        interp.context_ratio(values, region, evidence=k).ratio for k in ("positive", "absolute", "above")
    ]
    assert ratios == [0, 0.75, 0]
    assert interp.context_ratio([[5.0, 6.0]], region, evidence="above").ratio == 1


@pytest.mark.parametrize(
    ("values", "evidence", "said"),
    [
        ([[-1.0, -2.0]], "positive", "no positive evidence"),
        ([[-1.0, 1e-8]], "positive", "no positive evidence"),
        ([[0.0, 0.0]], "absolute", "no evidence"),
        ([[2.0, 2.0]], "above", "no evidence"),
        ([[float("nan"), 1.0]], "positive", "no positive evidence"),
    ],
)
def test_without_evidence_there_is_no_ratio(values, evidence, said):
    found = interp.context_ratio(values, [[True, False]], evidence=evidence)
    assert (found.ratio, found.beyond, found.words) == (None, None, said)
    assert found.area == 0.5


@pytest.mark.parametrize(
    ("values", "region", "options", "said"),
    [
        ([1.0], [[True]], {}, r"the shape \(1,\)"),
        ([[1.0]], [[False]], {}, "no inside and no outside"),
        ([[1.0]], [[0.5]], {}, "the region is float64"),
        ([[1.0]], [[True]], {"ring": -1}, "a ring of the width -1"),
        ([[1.0]], [[True]], {"evidence": "all"}, "give positive, absolute, above"),
    ],
)
def test_what_is_no_context_is_a_sentence(values, region, options, said):
    with pytest.raises(PlaceError, match=said):
        interp.context_ratio(values, region, **options)


def test_cells_cover_exactly():
    region = np.random.default_rng(2).random((7, 9)) > 0.5
    found = covered(region, (3, 4))
    fine = region.repeat(3, 0).repeat(4, 1)  # 21 × 36: whole cells of both grids
    np.testing.assert_allclose(found, fine.reshape(3, 7, 4, 9).mean((1, 3)), atol=1e-12)


@pytest.fixture(scope="module")
def segmenter():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.Conv2d(6, 3, 1), nn.Upsample(scale_factor=2))
    prepare = interp.Preprocess((24, 32), (0.5,) * 3, (0.5,) * 3, fit="squish")
    return interp.load(
        net, preprocess=prepare, labels=["sky", "road", "car"], task="segmentation", name="net"
    )


@pytest.fixture(scope="module")
def picture():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8))


BOX = targets.box(0.25, 0.25, 0.75, 0.75, "road")


def test_an_explanation_knows_the_region_that_it_was_asked(segmenter, picture, tmp_path):
    found = interp.explain(segmenter, picture, BOX, "input-x-gradient")
    region = np.zeros((24, 32), bool)
    region[6:18, 8:24] = True
    assert found.context() == interp.context_ratio(found.map, region, evidence="absolute")
    # A pixel reaches one position on: what the ring of a pixel leaves out is exactly nothing beyond two.
    assert found.context().ratio < 0.3
    assert found.context(ring=2).beyond == 0
    large = region.repeat(2, 0).repeat(2, 1)
    assert found.context(large) == found.context()
    assert found.context(~region).ratio == pytest.approx(1 - found.context().ratio)
    about = json.loads(found.save(tmp_path / "one.json").read_text())
    assert about["context"] == found.context().to_json()
    assert interp.remake(tmp_path / "one.json", model=segmenter).context() == found.context()


def test_the_picture_of_a_region_says_its_context(segmenter, picture):
    found = interp.explain(segmenter, picture, BOX, "input-x-gradient")
    words = " ".join(text.get_text() for text in found.show().findobj(Text))
    assert found.asked_context.words in words
    assert found.asked_context.words not in found.caption


def test_sums_of_regions_are_their_regions_together(segmenter, picture):
    left, right = targets.box(0, 0, 0.5, 1, "road"), targets.box(0.5, 0, 1, 0.5, "car")
    found = interp.explain(segmenter, picture, targets.contrast(left, right), "saliency")
    assert region_of(found.target).sum() == 12 * 32 + 12 * 16
    assert found.context().area == pytest.approx(0.25)


def test_about_no_region_a_mask_is_asked_for(default_model, tmp_path):
    found = interp.explain(default_model, "sample_images/cat.jpg")
    assert found.asked_context is None
    assert json.loads(found.to_json())["context"] is None
    with pytest.raises(ExplanationError, match=r"tiger cat is about no region; give one:"):
        found.context()
    size = found.picture.size[::-1]
    whole = found.context(np.ones(size, bool))
    assert whole.ratio == pytest.approx(0, abs=1e-9)


def test_where_nothing_is_drawn_nothing_is_said(segmenter, picture):
    found = interp.explain(segmenter, picture, targets.over("road", np.ones((24, 32), bool)), "hires-cam")
    flipped = interp.explain(segmenter, picture, targets.negative(BOX), "hires-cam")
    for each in (found, flipped):
        assert (each.asked_context is None) == (each.scale.verdict is not None)


@pytest.mark.slow
def test_the_command_says_the_context(tmp_path):
    folder = save_segmenter(tmp_path / "street")
    picture = save_noise(tmp_path, "a") / "a.png"
    asked = ["-m", folder, "-r", "20,20,60,50", "--method", "saliency", "--out", tmp_path / "out"]
    done = command("explain", picture, *asked)
    assert done.returncode == 0, done.stderr
    region = targets.box(20 / 80, 20 / 64, 60 / 80, 50 / 64)
    found = interp.explain(folder, picture, region, "saliency")
    assert f"\n  {found.context().words}\n" in done.stdout
