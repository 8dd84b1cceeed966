"""Pictures of a folder as inputs, in order, whatever is broken among them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from networks import Classifier
from PIL import Image

import interp
from interp.features.errors import FeatureError
from interp.features.stream import extractor_of, input_batches
from interp.images import ImageError, Preprocess
from interp.layers import LayerError


@pytest.fixture(scope="module")
def model():
    return interp.load(Classifier(), preprocess=Preprocess((32, 32), (0.5,) * 3, (0.5,) * 3))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(7):
        pixels = np.full((40, 50, 3), 30 * number, np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return sorted(folder.iterdir())


@pytest.mark.parametrize("size", [0, -1])
def test_batches_of_nothing_are_refused(model, files, size):
    with pytest.raises(FeatureError, match=f"batch_size={size}: give 1 or more"):
        next(input_batches(model, files, batch_size=size))


@given(batch_size=st.integers(1, 9))
def test_every_batch_size_gives_the_same_inputs_in_order(model, files, batch_size):
    batches = list(input_batches(model, files, batch_size=batch_size))
    alone = torch.cat([model.prepare([interp.open_image(file)]) for file in files])
    assert [place for batch in batches for place in batch.places] == list(range(7))
    assert torch.equal(torch.cat([batch.inputs for batch in batches]), alone)


def test_a_broken_file_is_named_and_the_rest_goes_on(model, files, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    mixed = [*files[:2], broken, *files[2:]]
    failed: dict[Path, str] = {}
    batches = list(input_batches(model, mixed, batch_size=3, failed=failed))
    assert [place for batch in batches for place in batch.places] == [0, 1, 3, 4, 5, 6, 7]
    assert list(failed) == [broken]
    assert "broken.png" in failed[broken]
    with pytest.raises(ImageError, match="broken"):
        list(input_batches(model, mixed, batch_size=3))


def test_progress_counts_broken_files_too(model, files, tmp_path):
    said = []
    list(
        input_batches(
            model,
            [*files, tmp_path / "none.png"],
            batch_size=4,
            failed={},
            progress=lambda *now: said.append(now),
        )
    )
    assert said == [(4, 8), (8, 8)]


def test_a_layer_may_be_named_by_its_end(model):
    assert extractor_of(model, ["body.1", -2]).layers == ("body.1@0", "pool@0")
    with pytest.raises(LayerError, match="no layer 'nothing'"):
        extractor_of(model, ["nothing"])
