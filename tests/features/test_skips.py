"""What the skips of a U-Net are worth: exact where theory says what must come out."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from networks import DYNAMIC_UNETS, Fcn, SmpLike, UNet, footprint, seeded
from PIL import Image
from torch import nn

import interp
from interp import targets
from interp.features import FeatureError, skip_ablation, skips_of
from interp.features.concatenations import concatenations_of
from interp.features.levels import levels_of
from interp.models import Labels
from interp.places import PlaceError


class Dense(nn.Module):
    """Concatenates on its way down, inside a module that a replay does not run again."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x):
        return torch.cat([x, self.conv(x).relu()], 1)


class DenseUNet(UNet):
    def __init__(self):
        super().__init__()
        self.down2 = Dense()


NETWORKS = {
    "dense encoder": (seeded(DenseUNet), 3),
    "plain": (seeded(UNet), 3),
    "encoder in a list": (seeded(SmpLike), 2),
    "fastai": (DYNAMIC_UNETS["plain"], 3),
    "fastai, no last cross": (DYNAMIC_UNETS["no last cross"], 3),
}
BOX = targets.box(0.1, 0.2, 0.8, 0.7, 1)


class Linear(nn.Module):
    """Non-linear down, linear up without a bias: what joins adds up to the score."""

    def __init__(self):
        super().__init__()
        self.down1, self.down2 = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 6, 3, padding=1)
        self.bottom = nn.Conv2d(6, 8, 3, padding=1)
        self.up2 = nn.ConvTranspose2d(8, 6, 2, 2, bias=False)
        self.mix2 = nn.Conv2d(12, 6, 3, padding=1, bias=False)
        self.up1 = nn.ConvTranspose2d(6, 4, 2, 2, bias=False)
        self.logits = nn.Conv2d(8, 3, 1, bias=False)

    def forward(self, x):
        one = self.down1(x).relu()
        two = self.down2(F.max_pool2d(one, 2)).relu()
        low = self.bottom(F.max_pool2d(two, 2)).relu()
        x = self.mix2(torch.cat([two, self.up2(low)], dim=1))
        return self.logits(torch.cat((self.up1(x), one), 1))


class Coordinates(UNet):
    """Its decoder is told where it is, which is no skip, nor is what its encoder concatenates."""

    def forward(self, x):
        x = torch.cat([x, x], 1)[:, :3]
        low = self.bottom(F.max_pool2d(self.down2(F.max_pool2d(one := self.down1(x), 2)), 4))
        place = torch.linspace(0, 1, low.shape[3]).expand(len(x), 8, *low.shape[2:])
        up = self.up2(torch.cat([low, place], 1))
        return self.logits(self.up1(torch.cat([F.interpolate(up, scale_factor=8.0), one], 1)))


def model_of(module, outputs=3, task="segmentation", size=(32, 32)):
    prepare = interp.Preprocess(size, (0.5,) * 3, (0.5,) * 3, fit="squish")
    labels = [f"class {i}" for i in range(outputs)] if task == "segmentation" else None
    return interp.load(module, preprocess=prepare, labels=labels, task=task)


def noise(seed=0, size=(32, 32)):
    values = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    return Image.fromarray(values)


def by_size(found):
    return {row.size[0]: row for row in found.rows}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_skip_has_maps_and_effects_and_the_network_stays_as_it_was(name):
    build, outputs = NETWORKS[name]
    module = build()
    model = model_of(module, outputs)
    before = footprint(module)
    found = skips_of(model, noise(), BOX)
    assert footprint(module) == before
    rows = [row for row in levels_of(model).rows if row.skip]
    assert [row.size for row in found.rows] == [row.size for row in rows]
    assert found.score == pytest.approx(float(found.target(model.logits(model.prepare([noise()])))), rel=1e-5)
    for row in found.rows:
        assert row.across.shape == row.up.shape == row.size
        assert 0 < row.share < 1
        assert all(one.score != 0 for one in row.ablations.values())
        assert list(row.ablations) == ["zero", "mean", "shuffled"]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_replayed_ablation_is_that_of_a_full_pass(name, monkeypatch):
    build, outputs = NETWORKS[name]
    model = model_of(build(), outputs)
    replays = []
    real = skip_ablation.replay
    monkeypatch.setattr(skip_ablation, "replay", lambda *a, **k: replays.append(real(*a, **k)) or replays[-1])
    quick = skips_of(model, noise(), BOX)
    assert len(replays) == 1

    def refuse(*_args, **_named):
        raise interp.capture.CaptureError("not today")

    monkeypatch.setattr(skip_ablation, "replay", refuse)
    slow = skips_of(model, noise(), BOX)
    for one, two in zip(quick.rows, slow.rows, strict=True):
        for kind, change in one.ablations.items():
            assert change.score == pytest.approx(
                two.ablations[kind].score, rel=1e-4, abs=1e-4 * abs(slow.score)
            )


def test_the_effect_is_that_of_a_hook_on_the_concatenation_s_reader():
    module = seeded(UNet)()
    model = model_of(module)
    found = by_size(skips_of(model, noise(), BOX, ablate=["zero", "mean", "shuffled"], seed=3))
    inputs = model.prepare([noise()])
    order = torch.randperm(256, generator=torch.Generator().manual_seed(3))
    changes = {
        "zero": torch.zeros_like,
        "mean": lambda s: s.mean((2, 3), keepdim=True).expand_as(s),
        "shuffled": lambda s: s.flatten(2)[..., order].view_as(s),
    }
    target = skips_of(model, noise(), BOX, ablate=()).target
    for kind, change in changes.items():

        def hook(_module, args, change=change):
            return (torch.cat([args[0][:, :16], change(args[0][:, 16:])], 1),)

        with torch.no_grad():
            plain = float(target(module(inputs.clone())))
            handle = module.up2.register_forward_pre_hook(hook)
            changed = float(target(module(inputs.clone())))
            handle.remove()
        assert found[16].ablations[kind].score == pytest.approx(changed - plain, rel=1e-4, abs=1e-4)


def test_both_sides_of_a_linear_way_up_add_up_to_the_score():
    model = model_of(seeded(Linear)())
    found = by_size(skips_of(model, noise(), BOX, ablate=["zero"]))
    score = skips_of(model, noise(), BOX, ablate=()).score
    fine, coarse = found[32], found[16]
    assert sum(fine.sums) == pytest.approx(score, rel=1e-5)
    # What comes up to the finest level is what the level below joined.
    assert sum(coarse.sums) == pytest.approx(fine.sums[1], rel=1e-5)
    for row in found.values():
        assert row.ablations["zero"].score == pytest.approx(-row.sums[0], rel=1e-3)
    assert (fine.channels, coarse.channels) == ((4, 4), (6, 6))
    assert fine.share == pytest.approx(
        float(fine.across.abs().sum() / (fine.across.abs().sum() + fine.up.abs().sum()))
    )


def deaf_plain():
    module = seeded(UNet)()
    module.up1[0].weight.data[:, 8:] = 0
    return module


def deaf_fastai():
    module = DYNAMIC_UNETS["plain"]()
    block = module.layers[5]
    block.conv1[0].weight.data[:, block.shuf[0][0].out_channels // 4 :] = 0
    return module


@pytest.mark.parametrize(("build", "side"), [(deaf_plain, 32), (deaf_fastai, 8)])
def test_a_skip_that_nobody_reads_is_worth_exactly_nothing(build, side):
    found = by_size(skips_of(model_of(build()), noise(), BOX))
    assert found[side].share == 0
    assert found[side].sums[0] == 0
    assert torch.count_nonzero(found[side].across) == 0
    assert float(found[side].up.abs().sum()) > 0
    assert [one.score for one in found[side].ablations.values()] == [0, 0, 0]
    assert all(row.ablations["zero"].score != 0 for size, row in found.items() if size != side)


def test_what_is_no_skip_is_none():
    model = model_of(seeded(lambda: Coordinates())())
    (row,) = skips_of(model, noise(), BOX, ablate=["zero"]).rows
    assert row.size == (32, 32)
    assert row.ablations["zero"].score != 0
    with pytest.raises(FeatureError, match="no concatenation is seen on the way up"):
        skips_of(model_of(seeded(Fcn)()), noise(), BOX)


def test_overlap_with_a_ground_truth():
    model, box = model_of(seeded(UNet)()), targets.box(0.1, 0.2, 0.8, 0.7)
    predicted = model.logits(model.prepare([noise()]))[0].argmax(0).numpy()
    found = skips_of(model, noise(), box, truth=predicted, ablate=["zero"])
    own = found.target.index
    assert found.measures == {"IoU": 1.0, "Dice": 1.0}
    assert all(row.ablations["zero"].measures["IoU"] <= 0 for row in found.rows)
    # Of the picture's size or of the output's; any other may lie anywhere.
    large = noise().resize((64, 64), Image.Resampling.NEAREST)
    again = model.logits(model.prepare([large]))[0].argmax(0).numpy()
    for truth in (again, again.repeat(2, 0).repeat(2, 1)):
        assert skips_of(model, large, box, truth=truth, ablate=()).measures == found.measures
    with pytest.raises(PlaceError, match="the ground truth is of 3 × 3"):
        skips_of(model, noise(), box, truth=np.zeros((3, 3), int))
    turned = skips_of(model, noise(), targets.negative(box), truth=predicted, ablate=())
    assert turned.measures == found.measures
    wrong = skips_of(model, noise(), box, truth=(predicted + 1) % 3, ablate=())
    assert wrong.measures["IoU"] == wrong.measures["Dice"] == 0
    half = predicted.copy()
    half[:, :16] = np.where(predicted[:, :16] == own, (own + 1) % 3, predicted[:, :16])
    right, all_of_it = int((half == own).sum()), int((predicted == own).sum())
    partly = skips_of(model, noise(), box, truth=half, ablate=()).measures
    assert partly["IoU"] == pytest.approx(right / all_of_it)
    assert partly["Dice"] == pytest.approx(2 * right / (right + all_of_it))


def test_void_is_neither_right_nor_wrong():
    model = replace(model_of(seeded(UNet)()), labels=Labels(("thing", "other", "void")))
    predicted = model.logits(model.prepare([noise()]))[0].argmax(0).numpy()
    index = int(np.bincount(predicted[predicted < 2]).argmax())
    truth = predicted.copy()
    truth[:16] = 2
    box = targets.box(0.0, 0.0, 1.0, 1.0, index)
    assert skips_of(model, noise(), box, truth=truth, ablate=()).measures["IoU"] == 1
    assert skips_of(model, noise(), box, truth=truth == 2, ablate=()).measures["IoU"] < 1


def test_psnr_of_a_network_that_makes_pictures():
    model = model_of(seeded(UNet)(), task="image")
    output = model.preprocess.inverse(model.logits(model.prepare([noise()])))[0].permute(1, 2, 0)
    truth = Image.fromarray((output * 255).round().byte().numpy())
    found = skips_of(model, noise(), truth=truth, ablate=["zero"])
    assert found.target.name == "detail of the output"
    assert found.measures["PSNR"] > 50
    assert all(row.ablations["zero"].measures["PSNR"] < -10 for row in found.rows)


def test_two_threads_and_inference_mode_give_the_same():
    model = model_of(DYNAMIC_UNETS["plain"]())
    alone = [skips_of(model, noise(seed), BOX).to_json() for seed in range(2)]
    found = {}

    def work(seed):
        with torch.inference_mode():
            found[seed] = skips_of(model, noise(seed), BOX).to_json()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[0], found[1]] == alone


def test_before_and_after_a_deepcopy_the_same_concatenations():
    import copy

    module = DYNAMIC_UNETS["plain"]()
    first, second = model_of(module), model_of(copy.deepcopy(module))
    inputs = first.prepare([noise()])
    places = [concatenations_of(m, inputs, levels_of(m).bottleneck) for m in (first, second)]
    assert places[0] == places[1]
    assert [one.layer for one in places[0]] == ["layers.4", "layers.5", "layers.6", "layers.9"]


def test_progress_is_told_and_ends():
    told = []
    skips_of(model_of(seeded(UNet)()), noise(), BOX, progress=lambda *step: told.append(step))
    assert told == [(i, 6) for i in range(1, 7)]


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ({"ablate": ["blur"]}, "ablate='blur': give some of zero, mean, shuffled"),
        ({"target": targets.several(BOX, targets.pixel(0.5, 0.5))}, "2 targets were asked for"),
    ],
)
def test_what_does_not_fit_is_a_sentence(named, sentence):
    with pytest.raises(FeatureError, match=sentence):
        skips_of(model_of(seeded(UNet)()), noise(), **{"target": BOX, **named})
