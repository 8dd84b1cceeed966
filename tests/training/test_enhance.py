"""Whole pictures through a picture-to-picture network: closed forms, tiles, memory, the command."""

import dataclasses
import io
import sys
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

import interp
from interp.images import IMAGENET_MEAN, IMAGENET_STD, ImageError, Preprocess
from interp.training import enhancing
from interp.training.enhancing import EnhanceError, Enhancer, enhance
from interp.training.footprint import footprint
from interp.training.tiling import reach, run_tiled, shares, spans

PREPROCESS = Preprocess((64, 64), IMAGENET_MEAN, IMAGENET_STD, interpolation="bicubic")


@pytest.fixture(autouse=True)
def _quiet():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def picture(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def image_model(module: nn.Module, preprocess: Preprocess = PREPROCESS) -> interp.ImageModel:
    return interp.load(module, preprocess=preprocess, task="image", name="tiny")


def local_net() -> nn.Module:
    """Down by four and up again; an output depends on inputs at most 17 pixels away."""
    torch.manual_seed(0)
    return nn.Sequential(
        *(
            nn.Conv2d(3, 6, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(6, 8, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(8, 32, 3, 1, 1),
        ),
        *(nn.PixelShuffle(2), nn.ReLU(), nn.Conv2d(8, 12, 3, 1, 1), nn.PixelShuffle(2)),
    ).eval()


class Pooled(nn.Module):
    """Adds the mean of the whole picture, as a gate or attention does."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + x.mean((2, 3), keepdim=True)


# ---- pictures ---------------------------------------------------------------------------------------


def test_a_network_that_changes_nothing_gives_the_resized_picture():
    given_ = picture(90, 60)
    for size, expected in ((60, (90, 60)), (120, (180, 120)), (64, (96, 64))):
        found = enhance(image_model(nn.Identity()), given_, size=size)
        assert found.size == expected
        assert np.array_equal(np.array(found), np.array(given_.resize(expected, Image.Resampling.BICUBIC)))


def test_without_a_size_a_picture_keeps_its_own_and_a_small_one_gets_the_models():
    model = image_model(nn.Identity())
    assert enhance(model, picture(100, 80)).size == (100, 80)
    assert enhance(model, picture(30, 20)).size == (96, 64)


class Brighter(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + 0.4 / torch.tensor(IMAGENET_STD).view(1, 3, 1, 1)


def test_the_output_is_denormalised_and_clamped():
    grey = Image.new("RGB", (70, 64), (51, 128, 255))
    assert enhance(image_model(Brighter()), grey).getpixel((5, 5)) == (153, 230, 255)


def test_grey_networks_make_grey_pictures():
    model = image_model(nn.Identity(), Preprocess((8, 8), (0.5,), (0.5,)))
    assert enhance(model, Image.new("RGB", (10, 9), (40, 40, 40))).getpixel((0, 0)) == 40


@pytest.mark.parametrize("size", [(65, 83), (64, 64), (97, 66)])
def test_sides_are_padded_by_reflection_to_the_stride_and_cropped(size):
    module = local_net()
    enhancer = Enhancer(image_model(module))
    assert enhancer.stride == 4
    inputs = dataclasses.replace(PREPROCESS, size=size[::-1], fit="squish")(picture(*size))[None]
    padded = F.pad(inputs, (0, -size[0] % 4, 0, -size[1] % 4), mode="reflect")
    with torch.no_grad():
        expected = PREPROCESS.inverse(module(padded)[0, :, : size[1], : size[0]])
    found = np.array(enhancer(picture(*size)))
    assert np.abs(found / 255 - expected.permute(1, 2, 0).numpy()).max() <= 0.5 / 255 + 1e-6


def test_the_model_stays_as_it_was():
    module = local_net().train()
    enhance(image_model(module), picture(80, 70), tile=128)
    assert module.training
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
    assert all(p.requires_grad and p.grad is None for p in module.parameters())


def test_what_cannot_be_enhanced_is_said():
    with pytest.raises(EnhanceError, match="tiny does classification and makes no pictures"):
        enhance(dataclasses.replace(image_model(nn.Identity()), task="classification"), picture(9, 9))
    with pytest.raises(EnhanceError, match=r"tiny makes \(3, 32, 32\) of \(3, 64, 64\)"):
        enhance(image_model(nn.AvgPool2d(2)), picture(64, 64))
    with pytest.raises(EnhanceError, match=r"a size of 9000 × 6000 pixels is impossible; sides are 1 … 8192"):
        enhance(image_model(nn.Identity()), picture(90, 60), size=6000)
    with pytest.raises(EnhanceError, match="tiles of 64 pixels are too small for tiny; give 128 or more"):
        enhance(image_model(nn.Identity()), picture(300, 300), tile=64)
    with pytest.raises(EnhanceError, match="puts out values that are no finite numbers"):
        enhance(image_model(nn.Threshold(1e9, float("nan"))), picture(64, 64))
    with pytest.raises(ImageError, match=r"'nowhere\.png' does not exist"):
        enhance(image_model(nn.Identity()), "nowhere.png")


# ---- tiles ------------------------------------------------------------------------------------------


@given(st.integers(1, 700), st.integers(1, 40), st.integers(4, 12))
@settings(deadline=None)
def test_shares_add_up_to_one_and_margins_do_not_count(total, margin, times):
    tile = margin * times
    found = shares(total, tile, margin)
    torch.testing.assert_close(found.sum(0), torch.ones(total))
    assert (found >= 0).all()
    for share, (start, end) in zip(found, spans(total, tile, margin), strict=True):
        first, last = start + margin * (start > 0), end - margin * (end < total)
        assert share[:first].sum() == share[last:].sum() == 0


@pytest.mark.parametrize(("height", "width"), [(300, 412), (128, 500), (100, 60)])
def test_in_tiles_a_local_network_gives_what_it_gives_for_the_whole(height, width):
    module, inputs = local_net(), torch.randn(1, 3, height, width)
    with torch.no_grad():
        torch.testing.assert_close(run_tiled(module, inputs, 128, 32), module(inputs), rtol=0, atol=1e-5)


def test_pictures_in_tiles_are_equal_too():
    enhancer = Enhancer(image_model(local_net()))
    whole, tiled = (np.array(enhancer(picture(301, 222), tile=tile), dtype=int) for tile in (None, 140))
    assert np.abs(whole - tiled).max() <= 1


def test_what_looks_at_the_whole_picture_differs_in_tiles():
    inputs = torch.randn(1, 3, 256, 256) + torch.linspace(0, 4, 256)
    assert (run_tiled(Pooled(), inputs, 128, 32) - Pooled()(inputs)).abs().max() > 0.1


@pytest.mark.parametrize("kernel", [1, 3, 9, 21])
def test_reach_is_half_of_a_convolutions_kernel(kernel):
    module = nn.Conv2d(3, 3, kernel, padding=kernel // 2)
    nn.init.constant_(module.weight, 1.0)
    assert reach(module, torch.randn(1, 3, 64, 64), 1) == kernel // 2


# ---- memory -----------------------------------------------------------------------------------------


def test_the_footprint_of_a_convolution_is_its_input_and_output():
    module = nn.Conv2d(3, 8, 3, padding=1)
    assert footprint(module, torch.zeros(1, 3, 1, 1), 16).bytes_at(1000 * 1000) == 4 * 11 * 1000 * 1000


def test_what_was_released_does_not_count():
    module = nn.Sequential(*(nn.Conv2d(8, 8, 1) for _ in range(6)))
    found = footprint(module, torch.zeros(1, 8, 1, 1), 16).bytes_at(1000)
    assert found == 4 * 1000 * 8 * 3  # the input, which the caller holds, and one step


class Attention(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flat = x.flatten(2)
        return (flat @ (flat.mT @ flat)).view_as(x)


def test_attention_that_is_small_in_the_probes_leads_at_full_size():
    module = nn.Sequential(nn.Conv2d(1, 64, 1), nn.AvgPool2d(8), Attention())
    found = footprint(module, torch.zeros(1, 1, 1, 1), 32)
    grid = 1024 * 1024 // 64
    assert found.bytes_at(1024 * 1024) == pytest.approx(4 * (1024 * 1024 + 2 * 64 * grid + grid**2), rel=1e-6)


def test_little_memory_means_tiles_and_none_means_an_error(monkeypatch):
    enhancer = Enhancer(image_model(local_net()))
    sizes = []

    def watched(run, inputs, tile, margin):
        sizes.append(tile)
        return run_tiled(run, inputs, tile, margin)

    monkeypatch.setattr(enhancing, "run_tiled", watched)
    whole = enhancer(picture(400, 300), free=2**33)
    need = enhancing.WORKSPACE * enhancer.footprint.bytes_at(200 * 200)
    tiled = enhancer(picture(400, 300), free=int(need))
    assert sizes[0] >= 400
    assert 128 <= sizes[1] <= 200
    # A last digit of float32 may turn a rounding to eight bits.
    assert np.abs(np.array(whole, dtype=int) - np.array(tiled, dtype=int)).max() <= 1
    with pytest.raises(
        EnhanceError, match=r"tiny needs \d+ MiB of memory even in tiles, and 0 MiB can be used"
    ):
        enhancer(picture(400, 300), free=1000)


def test_running_out_of_memory_all_the_same_means_smaller_tiles():
    class Greedy(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if x.shape[-1] > 200:
                raise torch.OutOfMemoryError("out of memory")
            return x

    given_ = picture(300, 210)
    found = enhance(image_model(Greedy()), given_)
    assert np.array_equal(np.array(found), np.array(given_))


# ---- the command ------------------------------------------------------------------------------------


@pytest.fixture
def command(monkeypatch):
    """Return a function that runs `interp enhance` with a network that changes nothing."""
    from interp import models
    from interp.cli import main

    model = image_model(nn.Identity())
    monkeypatch.setattr(models, "load", lambda *_, **__: model)
    monkeypatch.delenv("INTERP_TRACEBACK", raising=False)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["interp", "enhance", "--model", "tiny", *map(str, arguments)])
        out, complaints = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(complaints), pytest.raises(SystemExit) as stop:
            main()
        return int(stop.value.code or 0), out.getvalue(), complaints.getvalue()

    return run


def test_one_bad_picture_does_not_stop_the_others(command, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        picture(80, 70).save(tmp_path / folder / "one.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    picture(1000, 1).save(tmp_path / "thin.png")
    paths = [tmp_path / name for name in ("a/one.png", "bad.png", "thin.png", "b/one.png")]
    code, said, complained = command(*paths, "--out", tmp_path / "out", "--scale", 2)
    assert code == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["one-2.png", "one.png", "thin.png"]
    assert Image.open(tmp_path / "out" / "one-2.png").size == (160, 140)
    assert said.splitlines()[0].startswith("one.png: 80 × 70 → 160 × 140 → ")
    assert "bad.png" in complained
    assert "1 of 4 pictures could not be enhanced." in complained


def test_impossible_sizes_name_the_picture(command, tmp_path):
    picture(1000, 1).save(tmp_path / "thin.png")
    code, _, complained = command(tmp_path / "thin.png", "--out", tmp_path / "out")
    assert code == 1
    assert "thin.png: a size of 64000 × 64 pixels is impossible" in complained
    assert list((tmp_path / "out").iterdir()) == []


def test_size_and_scale_together_are_refused(command, tmp_path):
    code, _, complained = command(tmp_path / "x.png", "--size", 9, "--scale", 2)
    assert code == 2
    assert "--size and --scale say the same; give one of them." in complained
