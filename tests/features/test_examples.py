"""The strongest pictures of every channel, against brute force, interruptions and broken files."""

import json
import os

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Classifier, NoGradInside, UNet, footprint
from PIL import Image

import interp
from interp.features import FeatureError, open_examples, receptive_field, top_examples
from interp.features import examples as examples_module
from interp.features.example_set import crop
from interp.features.ranking import MOST_MAXIMA, Ranking, peaks
from interp.images import ImageError, Preprocess

PREPARE = Preprocess((24, 24), (0.5,) * 3, (0.5,) * 3)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return interp.load(Classifier().eval(), preprocess=PREPARE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    for number in range(11):
        pixels = random.integers(0, 256, (40, 30 + number, 3), dtype=np.uint8)
        place = root / "inner" if number % 4 == 0 else root
        place.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(place / f"{number:02}.png")
    (root / "05.png").write_bytes((root / "03.png").read_bytes())
    return root


def flat(found):
    return [
        (
            c.index,
            c.mean,
            c.std,
            c.active,
            c.maxima.tolist(),
            [(e.place, e.value, e.position, e.box, e.core) for e in c.examples],
        )
        for c in found.channels
    ]


@pytest.mark.parametrize("batch_size", [1, 4, 32])
def test_they_are_those_of_brute_force(model, folder, batch_size):
    files = interp.images.pictures_in(folder)
    extractor = interp.features.Extractor(model.module, ["body"], model.blank())
    activations = torch.cat(
        [extractor(model.prepare([interp.open_image(file)]))[0] for file in files]
    ).numpy()
    found = top_examples(model, "body", folder, k=4, batch_size=batch_size)
    for channel in found.channels:
        maps = activations[:, channel.index]
        best = sorted(range(len(files)), key=lambda i: (-maps[i].max(), i))[:4]
        assert [example.file for example in channel.examples] == [files[i] for i in best]
        assert len({example.file for example in channel.examples}) == 4
        for example, i in zip(channel.examples, best, strict=True):
            assert example.value == pytest.approx(maps[i].max(), rel=1e-5)
            assert maps[i][example.position] == maps[i].max()
        assert channel.mean == pytest.approx(maps.mean(dtype=np.float64), rel=1e-4, abs=1e-6)
        assert channel.std == pytest.approx(maps.std(dtype=np.float64), rel=1e-4)
        assert channel.active == pytest.approx((maps > 0).mean())
        np.testing.assert_allclose(channel.maxima, maps.max((1, 2)), rtol=1e-5)


def test_of_equal_pictures_the_earlier_comes_first(model, folder):
    found = top_examples(model, "body", folder, k=11, batch_size=3)
    for channel in found.channels:
        names = [example.file.name for example in channel.examples]
        assert names.index("05.png") == names.index("03.png") + 1


@settings(max_examples=30)
@given(
    st.lists(st.lists(st.integers(-2, 2), min_size=3, max_size=3), min_size=1, max_size=8), st.integers(1, 4)
)
def test_ranking_is_a_stable_sort_whatever_the_batches(pictures, size):
    values = torch.tensor(pictures, dtype=torch.float32)[:, :, None, None]
    ranking = Ranking.empty(3, 4)
    for start in range(0, len(values), size):
        places = tuple(range(start, min(start + size, len(values))))
        ranking = ranking.merged(values[start : start + size], places, done=0, failed={})
    for channel in range(3):
        expected = sorted(range(len(pictures)), key=lambda i: (-pictures[i][channel], i))[:4]
        assert [place for place in ranking.places[channel] if place >= 0] == expected


def test_a_peak_is_the_first_of_equally_near_positions_and_nan_is_none():
    values = torch.tensor([[[[1.0, 3.0], [3.0, 0.0]], [[float("nan"), -5.0], [-7.0, -9.0]]]])
    highest, where = peaks(values)
    assert highest.tolist() == [[3.0, -5.0]]
    assert where.tolist() == [[1, 1]]


def test_maxima_of_very_many_pictures_are_drawn_evenly(monkeypatch):
    monkeypatch.setattr("interp.features.ranking.MOST_MAXIMA", 8)
    assert MOST_MAXIMA >= 1000
    ranking = Ranking.empty(1, 1)
    for start in range(0, 40, 5):
        values = torch.arange(start, start + 5.0)[:, None, None, None]
        ranking = ranking.merged(values, tuple(range(start, start + 5)), done=0, failed={})
    assert ranking.maxima[:, 0].tolist() == [0, 8, 16, 24, 32]
    assert ranking.step == 8


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("after", [1, 2, 3])
@pytest.mark.parametrize("killed", [True, False])
def test_an_interrupted_pass_ends_as_an_undisturbed_one(model, folder, tmp_path, monkeypatch, after, killed):
    monkeypatch.setattr(examples_module, "_BATCHES_BETWEEN", 1)
    undisturbed = top_examples(model, "body", folder, k=3, batch_size=3)
    looked_at = []

    def stop(done, count):
        looked_at.append(done)
        if len(looked_at) == after:
            raise StoppedError

    if killed:
        # As after a crash: nothing is written when the exception comes.
        real, saved = Ranking.save, []
        monkeypatch.setattr(
            Ranking, "save", lambda self, *a: saved.append(1) or (len(saved) <= after and real(self, *a))
        )
    with pytest.raises(StoppedError):
        top_examples(model, "body", folder, k=3, batch_size=3, out=tmp_path, progress=stop)
    monkeypatch.undo()
    assert not (tmp_path / "examples.parquet").exists()
    begun = []
    found = top_examples(
        model,
        "body",
        folder,
        k=3,
        batch_size=3,
        out=tmp_path,
        progress=lambda done, count: begun.append((done, count)),
    )
    assert begun[0][0] > looked_at[-1]
    assert begun[-1] == (11, 11)
    assert flat(found) == flat(undisturbed)
    assert [path.name for path in tmp_path.iterdir()] == ["examples.parquet"]


def test_a_finished_one_is_opened_and_another_is_refused(model, folder, tmp_path):
    found = top_examples(model, "body", folder, k=2, out=tmp_path)

    def never(done, count):
        raise AssertionError

    again = top_examples(model, "body", folder, k=2, out=tmp_path, progress=never)
    assert flat(again) == flat(found) == flat(open_examples(tmp_path))
    assert (
        open_examples(tmp_path).channel(1).examples[0].file.resolve()
        == found.channel(1).examples[0].file.resolve()
    )
    with pytest.raises(FeatureError, match="differs in k"):
        top_examples(model, "body", folder, k=3, out=tmp_path)
    with pytest.raises(FeatureError, match="differs in layer"):
        top_examples(model, "bn", folder, k=2, out=tmp_path)
    torch.manual_seed(1)
    other = interp.load(Classifier().eval(), preprocess=PREPARE)
    with pytest.raises(FeatureError, match="differs in weights"):
        top_examples(other, "body", folder, k=2, out=tmp_path)
    with pytest.raises(FeatureError, match="differs in pictures"):
        top_examples(model, "body", interp.images.pictures_in(folder)[:4], k=2, out=tmp_path)
    assert len(top_examples(model, "body", folder, k=3, out=tmp_path, again=True).channel(0).examples) == 3


def test_a_changed_picture_is_seen(model, folder, tmp_path):
    file = tmp_path / "in" / "a.png"
    file.parent.mkdir()
    file.write_bytes((folder / "01.png").read_bytes())
    top_examples(model, "body", file.parent, out=tmp_path / "out")
    os.utime(file, (1, 1))
    with pytest.raises(FeatureError, match="differs in pictures"):
        top_examples(model, "body", file.parent, out=tmp_path / "out")


def test_the_file_says_what_it_is_of(model, folder, tmp_path):
    top_examples(model, "body", folder, k=2, out=tmp_path)
    table = pq.read_table(tmp_path / "examples.parquet")
    about = json.loads(table.schema.metadata[b"interp"])
    assert about["layer"] == "body@0"
    assert about["weights_sha256"] == model.weights_hash()
    assert Preprocess.from_json(about["preprocess"]) == PREPARE
    assert about["pictures"] == 11
    row = table.to_pylist()[0]
    assert len(row["examples"]) == 2
    assert (folder / row["examples"][0]["file"]).exists()
    assert len(row["maxima"]) == 11


def test_broken_pictures_are_named_and_stop_nothing(model, folder, tmp_path):
    files = interp.images.pictures_in(folder)
    broken = [tmp_path / f"{n}.png" for n in range(4)]
    for file in broken:
        file.write_bytes(b"none")
    mixed = [broken[0], *files[:5], *broken[1:]]
    found = top_examples(model, "body", mixed, k=3, batch_size=3, out=tmp_path / "out")
    assert sorted(found.failed) == sorted(map(str, broken))
    assert flat(open_examples(tmp_path / "out")) == flat(found)
    alone = top_examples(model, "body", files[:5], k=3)
    assert [e.file for e in found.channel(0).examples] == [e.file for e in alone.channel(0).examples]
    with pytest.raises(FeatureError, match="none of the 4 pictures can be opened"):
        top_examples(model, "body", broken)


def test_a_crop_is_what_the_position_sees_of_the_original(model, folder):
    found = top_examples(model, "body", folder, k=3)
    for example, picture in zip(found.channel(2).examples, found.crops(2, core=False), strict=True):
        field = receptive_field(model, "body", example.position)
        assert example.box == field.box
        assert example.core == field.core()
        original = interp.open_image(example.file)
        box = field.on(original.size)
        left, top = max(int(np.floor(box.left)), 0), max(int(np.floor(box.top)), 0)
        expected = original.crop(
            (
                left,
                top,
                min(int(np.ceil(box.right)), original.width),
                min(int(np.ceil(box.bottom)), original.height),
            )
        )
        assert picture.size == expected.size
        assert picture.tobytes() == expected.tobytes()


def test_black_borders_have_a_crop_too(folder, model):
    from dataclasses import replace

    from interp.images import Box

    example = top_examples(model, "body", folder, k=1).channel(0).examples[0]
    padded = Preprocess((24, 96), (0.5,) * 3, (0.5,) * 3, fit="pad")
    assert crop(replace(example, core=Box(0, 0, 3, 3)), padded).size >= (1, 1)
    assert crop(replace(example, core=Box(93, 20, 96, 24)), padded).size >= (1, 1)


def test_layers_without_positions_u_nets_and_the_model_stays(model, folder):
    before = footprint(model.module)
    vector = top_examples(model, "fc", folder, k=2)
    assert vector.channel(0).examples[0].position == (0, 0)
    assert vector.channel(0).examples[0].box.width == 24
    assert footprint(model.module) == before
    net = interp.load(UNet().eval(), preprocess=Preprocess((16, 16), (0.5,) * 3, (0.5,) * 3))
    with torch.inference_mode():
        assert len(top_examples(net, "up1", folder, k=2)) == 4


def test_what_is_wrong_is_said(model, folder, tmp_path):
    found = top_examples(model, "body", folder, k=1)
    with pytest.raises(FeatureError, match="channel 6: 'body@0' has the channels 0 … 5"):
        found.channel(6)
    with pytest.raises(FeatureError, match="k=0"):
        top_examples(model, "body", folder, k=0)
    with pytest.raises(FeatureError, match="is not there"):
        open_examples(tmp_path)
    (tmp_path / "examples.parquet").write_bytes(b"none")
    with pytest.raises(FeatureError, match="no file of examples"):
        open_examples(tmp_path)
    with pytest.raises(ImageError, match="is not there"):
        top_examples(model, "body", tmp_path / "nowhere")


def test_the_figure_has_a_row_for_each_channel(model, folder):
    found = top_examples(model, "body", folder, k=3)
    figure = found.figure([0, 4])
    said = [text.get_text() for text in figure.texts]
    assert "channel 0" in said
    assert "channel 4" in said
    assert sum(bool(axes.images) for axes in figure.axes) == 6
    chosen = found.strongest(2)
    heights = [(c.examples[0].value - c.mean) / c.std for c in found.channels]
    assert chosen == sorted(range(6), key=lambda i: -heights[i])[:2]


def test_where_many_reach_the_limit_the_larger_mean_and_the_middle_count():
    limit = torch.zeros(3, 1, 5, 5)
    limit[0, 0, 0, 0] = 6  # one position only
    limit[1, 0, 1:4, 1:4] = 6  # a square around the middle
    limit[2, 0, 4] = 6  # the last row
    found = Ranking.empty(1, 3).merged(limit, (0, 1, 2), done=3, failed={})
    assert found.places.tolist() == [[1, 2, 0]]
    assert found.positions.tolist() == [[12, 22, 0]]


@given(st.integers(0, 2**31), st.integers(1, 6), st.integers(1, 6))
def test_the_position_has_the_maximum_and_none_nearer_the_middle_of_all_has(seed, height, width):
    values = torch.randint(0, 3, (2, 3, height, width), generator=torch.Generator().manual_seed(seed)).float()
    highest, where = peaks(values)
    for picture, channel in np.ndindex(2, 3):
        one = values[picture, channel].numpy()
        places = np.argwhere(one == one.max())
        away = ((places - places.mean(0)) ** 2).sum(1)
        row, column = divmod(int(where[picture, channel]), width)
        assert one[row, column] == one.max() == highest[picture, channel]
        assert ((np.array([row, column]) - places.mean(0)) ** 2).sum() == pytest.approx(away.min(), abs=1e-9)


def test_a_checkpoint_that_is_broken_is_none(tmp_path):
    path = tmp_path / "so-far.npz"
    Ranking.empty(2, 3).save(path, "key")
    whole = path.read_bytes()
    assert Ranking.load(path, "key").values.shape == (2, 3)
    turned = bytearray(whole)
    turned[200] ^= 255
    for broken in (whole[: len(whole) // 2], bytes(turned), b"", b"no archive"):
        path.write_bytes(broken)
        assert Ranking.load(path, "key") is None


def test_where_nobody_knows_what_a_position_sees_it_is_all(folder):
    loaded = interp.load(
        NoGradInside(torch.inference_mode), preprocess=Preprocess((16, 24), (0.5,) * 3, (0.5,) * 3)
    )
    found = top_examples(loaded, "backbone", folder, k=2)
    boxes = {example.box.to_json() == [0, 0, 24, 16] for c in found.channels for example in c.examples}
    assert boxes == {True}
