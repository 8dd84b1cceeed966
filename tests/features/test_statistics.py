"""Statistics in one pass are those of all activations at once."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from networks import Classifier, UNet, footprint
from PIL import Image

import interp
from interp.features import FeatureError, Moments, layer_statistics
from interp.images import Preprocess


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return interp.load(Classifier().eval(), preprocess=Preprocess((24, 24), (0.5,) * 3, (0.5,) * 3))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    for number in range(7):
        kind = root / ("cats" if number % 3 else "dogs")
        kind.mkdir(exist_ok=True)
        pixels = random.integers(0, 256, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(kind / f"{number}.png")
    return root


def stacked(model, files, layer):
    batch = model.prepare([interp.open_image(file) for file in files])
    (found,) = interp.features.Extractor(model.module, [layer], model.blank())(batch)
    return found.double().numpy()


@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_they_are_those_of_the_stacked_activations(model, folder, batch_size):
    files = interp.images.pictures_in(folder)
    all_of_it = stacked(model, files, "body")
    found = layer_statistics(model, "body", folder, batch_size=batch_size, classes="folders")
    np.testing.assert_allclose(found.channels.mean, all_of_it.mean((0, 2, 3)), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found.channels.std, all_of_it.std((0, 2, 3)), rtol=1e-5)
    strength = np.abs(all_of_it).mean(1)
    np.testing.assert_allclose(found.map.mean, strength.mean(0), rtol=1e-5)
    np.testing.assert_allclose(found.map.std, strength.std(0), rtol=1e-4, atol=1e-6)
    assert found.pictures == 7
    cats = [file.parent.name == "cats" for file in files]
    assert list(found.classes) == ["cats", "dogs"]
    assert found.classes["cats"].pictures == 4
    np.testing.assert_allclose(
        found.classes["cats"].channels.mean, all_of_it[cats].mean((0, 2, 3)), rtol=1e-5
    )


def test_a_vector_is_one_position(model, folder):
    found = layer_statistics(model, "fc", folder)
    assert found.map.mean.shape == (1, 1)
    assert found.channels.mean.shape == (4,)


@given(
    st.lists(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=6), min_size=1, max_size=5),
    st.sampled_from([0.0, 1e9]),
)
def test_merging_is_welford_is_numpy(parts, offset):
    merged = Moments.none(())
    for part in parts:
        values = np.array(part) + offset
        merged = merged.merged(Moments(len(part), values.mean(), ((values - values.mean()) ** 2).sum()))
    everything = np.concatenate(parts) + offset
    assert merged.count == len(everything)
    assert merged.mean == pytest.approx(everything.mean(), rel=1e-12, abs=1e-6)
    assert merged.std == pytest.approx(everything.std(), rel=1e-6, abs=1e-4)


def test_no_value_has_no_spread():
    assert np.isnan(Moments.none((2,)).std).all()
    assert Moments.none((2,)).merged(Moments.none((2,))).count == 0


def test_broken_pictures_are_named_and_the_model_stays(model, folder, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"none")
    files = [*interp.images.pictures_in(folder), broken]
    before = footprint(model.module)
    found = layer_statistics(model, "body", files, classes=["a"] * 7 + ["b"])
    assert list(found.failed) == [str(broken)]
    assert found.pictures == 7
    assert list(found.classes) == ["a"]
    assert footprint(model.module) == before
    with pytest.raises(FeatureError, match="none of the 1 pictures can be opened"):
        layer_statistics(model, "body", [broken])
    with pytest.raises(FeatureError, match="classes: 2 given for 8 pictures"):
        layer_statistics(model, "body", files, classes=["a", "b"])
    with pytest.raises(FeatureError, match="there is none"):
        layer_statistics(model, "body", [])


def test_a_u_net_and_bfloat16(folder):
    prepare = Preprocess((16, 16), (0.5,) * 3, (0.5,) * 3)
    net = interp.load(UNet().eval(), preprocess=prepare)
    assert layer_statistics(net, "bottom", folder).map.mean.shape == (4, 4)
    half = interp.load(UNet().bfloat16().eval(), preprocess=prepare)
    assert layer_statistics(half, "bottom", folder).channels.mean.dtype == np.float64
