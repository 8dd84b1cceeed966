"""Consensus-CAM: by hand, and what its parts decide."""

from dataclasses import replace

import pytest
import timm
import torch
import torchvision
from nets import Block, inputs_for, model_of, only

import interp
from interp.methods import attribute
from interp.methods.applying import branches_of, stages_before
from interp.methods.consensus import consensus_cam
from interp.methods.fusing import enlarged


def stage(*rows):
    """One channel of evidence: the gradient is 1."""
    activation = torch.tensor([[rows]], dtype=torch.float32)
    return activation, torch.ones_like(activation)


def made(*stages):
    return consensus_cam(*zip(*stages, strict=True))


def test_two_stages_by_hand():
    fine, coarse = stage((4.0, -1.0), (2.0, 1.0)), stage((3.0,))
    torch.testing.assert_close(made(fine, coarse), 3 * torch.tensor([[[1.0, 0.0], [0.5, 0.25]]]))


def test_the_two_finest_count_as_means_of_neighbours_under_roots():
    flat, row = stage((1.0, 1.0, 1.0)), stage((8.0, 0.0, 2.0))
    mean = torch.tensor([4.0, 10 / 3, 1.0]) / 4
    torch.testing.assert_close(made(row, flat, flat)[0, 0], mean**0.5)
    torch.testing.assert_close(made(row, flat, flat, flat)[0, 0], mean**0.25)
    torch.testing.assert_close(made(row, row, row, row)[0, 0], torch.tensor([8, 0, 0.5 * mean[2] ** 0.75]))


def test_it_has_the_unit_of_the_last_stage_and_is_nowhere_above_it():
    fine, coarse = stage((4.0, 1.0), (2.0, 1.0)), stage((3.0, 1.0))
    torch.testing.assert_close(made(stage((400.0, 100.0), (200.0, 100.0)), coarse), made(fine, coarse))
    torch.testing.assert_close(made(fine, stage((30.0, 10.0))), 10 * made(fine, coarse))
    several = [(torch.randn(3, 5, n, n), torch.randn(3, 5, n, n)) for n in (16, 8, 4)]
    assert (made(*several) <= enlarged(made(several[-1]), (16, 16))).all()


def test_a_finer_stage_without_evidence_has_no_say_and_the_last_one_decides():
    coarse, against = stage((3.0, 1.0)), stage((-1.0, -2.0))
    torch.testing.assert_close(made(against, coarse), made(coarse))
    assert (made(coarse, against) == 0).all()


@pytest.mark.parametrize("grid", [(8,), (4, 6), (2, 4, 6)])
def test_signals_pictures_and_volumes(grid):
    fine, coarse = torch.rand(2, 3, *grid), torch.rand(2, 5, *[side // 2 for side in grid])
    assert made((fine, fine), (coarse, coarse)).shape == (2, *grid)


def test_it_rests_on_one_pass_through_all_stages():
    model = model_of(Block(), size=(24, 24))
    inputs = inputs_for(model, 2)
    names = [*model.layers.stages]
    assert names == ["stem", "relu"]
    got = only(attribute(model, inputs, 1, ["consensus-cam"]).maps, "consensus-cam")
    raw = attribute(model, inputs, 1, ["hires-cam(contrast=True)"], names).maps
    evidence = [raw[0, name, "hires-cam(contrast=True)"].unsqueeze(1) for name in names]
    wanted = consensus_cam(evidence, [torch.ones_like(each) for each in evidence])
    torch.testing.assert_close(got, wanted)


def test_stages_that_run_after_a_call_of_a_reused_module_are_not_before_it():
    table = model_of(Block(), size=(24, 24)).layers
    assert table["relu"].calls == 2
    assert stages_before("relu@0", table) == ()
    assert stages_before("relu@1", table) == stages_before("relu", table) == ("stem",)


def test_a_stage_of_a_transformer_is_what_all_its_blocks_attend_to():
    torch.manual_seed(0)
    vit = timm.models.VisionTransformer(
        img_size=16, patch_size=4, embed_dim=12, depth=3, num_heads=2, num_classes=4
    )
    preprocess = interp.Preprocess((16, 16), (0.5,) * 3, (0.5,) * 3)
    model = interp.load(vit.eval(), preprocess=preprocess)
    blocks = tuple(f"blocks.{number}.norm1" for number in range(3))
    assert model.default_layer == blocks[-1]
    assert branches_of(blocks[-1], model.layers) == blocks
    assert branches_of("blocks.1.norm2", model.layers) == ("blocks.0.norm2", "blocks.1.norm2")
    assert branches_of("blocks.2", model.layers) == ("blocks.2",)
    inputs = torch.randn(2, 3, 16, 16)
    alone = attribute(model, inputs, 1, ["hires-cam(contrast=True)"], blocks).maps
    whole = sum(alone[0, block, "hires-cam(contrast=True)"] for block in blocks).clamp(min=0)
    assert whole.any()
    torch.testing.assert_close(
        attribute(model, inputs, 1, ["consensus-cam"]).maps[0, blocks[-1], "consensus-cam"], whole
    )
    augmented = attribute(model, inputs, 1, ["consensus-cam(augment=True)"]).maps
    assert augmented[0, blocks[-1], "consensus-cam(augment=True)"].isfinite().all()
    assert branches_of("bn2", interp.load().layers) == ("bn2",)


def test_blocks_are_counted_by_whatever_number_stands_in_their_names():
    vit = torchvision.models.VisionTransformer(16, 4, 3, 2, 12, 24, num_classes=4)
    preprocess = interp.Preprocess((16, 16), (0.5,) * 3, (0.5,) * 3)
    table = interp.load(vit.eval(), preprocess=preprocess).layers
    first = "encoder.layers.encoder_layer_{}.ln_1"
    assert branches_of(first.format(2), table) == tuple(first.format(number) for number in range(3))
    parts = "layers.{}.{}.norm"
    rows = [replace(table[first.format(0)], name=parts.format(a, b)) for a in range(3) for b in range(2)]
    rows = [replace(row, index=index) for index, row in enumerate(rows)]
    nested = replace(table, rows=tuple(rows), _by_name={row.name: row for row in rows})
    assert branches_of("layers.2.0.norm", nested) == tuple(parts.format(number, 0) for number in range(3))
    assert branches_of("layers.1.1.norm@0", nested) == ("layers.1.1.norm@0",)
