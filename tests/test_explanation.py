"""An explanation is drawn, saved, and made again from its own JSON, byte for byte."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import interp
from interp import targets
from interp.explanation import ExplanationError
from interp.explanations import Explanations
from interp.models import Architecture

SMALL = interp.Preprocess((32, 32), (0.5,) * 3, (0.5,) * 3)


class Net(nn.Module):
    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.early = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(inplace=True))
        self.late = nn.Sequential(nn.Conv2d(4, 6, 3, 2, 1), nn.ReLU(inplace=True))
        self.fc = nn.Linear(6, 3)

    def forward(self, x):
        return self.fc(self.late(self.early(x)).mean((2, 3)))


def noise(seed=0, size=(40, 60)):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8))


@pytest.fixture(scope="module")
def model():
    return interp.load(Net(), preprocess=SMALL, labels=["a", "b", "c"], name="net")


@pytest.fixture(scope="module")
def one(model):
    return interp.explain(model, noise(), "b")


@pytest.fixture
def path(tmp_path):
    noise(5).save(tmp_path / "five.png")
    return tmp_path / "five.png"


# --- saving --------------------------------------------------------------------------------------------

MAGIC = {
    ".png": b"\x89PNG",
    ".pdf": b"%PDF",
    ".svg": b"<?xml",
    ".jpg": b"\xff\xd8\xff",
    ".jpeg": b"\xff\xd8\xff",
    ".webp": b"RIFF",
}


@pytest.mark.parametrize("ending", MAGIC)
def test_figures(one, tmp_path, ending):
    assert one.save(tmp_path / f"a{ending}") == tmp_path / f"a{ending}"
    assert (tmp_path / f"a{ending}").read_bytes().startswith(MAGIC[ending])
    assert [p.name for p in tmp_path.iterdir()] == [f"a{ending}"]


@pytest.mark.parametrize("ending", [".npz", ".NPZ"])
def test_arrays(one, tmp_path, ending):
    one.save(str(tmp_path / f"a{ending}"))
    assert [p.name for p in tmp_path.iterdir()] == [f"a{ending}"]
    with np.load(tmp_path / f"a{ending}", allow_pickle=False) as saved:
        np.testing.assert_array_equal(saved["map"], one.values)
        assert saved["box"].tolist() == one.box.to_json()


@pytest.mark.parametrize("ending", [".PNG", ".JSON", ".Svg"])
def test_endings_in_capitals(one, tmp_path, ending):
    assert one.save(tmp_path / f"a{ending}").stat().st_size > 1000


@pytest.mark.parametrize("name", ["a.txt", "a", "a.png.exe", ".png", "a."])
def test_other_endings_are_refused(one, tmp_path, name):
    with pytest.raises(ExplanationError, match=r"end the name in \.npz, \.json or"):
        one.save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_words(one):
    assert one.title == f"b  {100 * one.probability:.1f} %"
    assert one.caption == f"Consensus-CAM · early … {one.layer} · 16×16 · net"
    coarse = interp.explain(one.model, noise(), "b", "grad-cam")
    assert coarse.caption == f"Grad-CAM · {one.layer} · 8×8 · net"
    assert one.title in repr(one)
    assert one.values.dtype == np.float32


def test_pictures(one):
    assert one.overlay().size == one.picture.size
    assert one.overlay(0.0).size == one.overlay(1.0, "viridis", 0.5).size
    assert one.panel(height=300).height >= 300
    assert one.show().axes


# --- again from JSON -----------------------------------------------------------------------------------


def again(explanation, **settings):
    text = explanation.to_json()
    made = interp.remake(text, **settings)
    assert made.to_json() == text
    assert torch.equal(made.map, explanation.map)
    return made


@pytest.mark.parametrize("method", [m.name for m in interp.methods.methods() if m.name != "legrad"])
def test_every_method_is_made_again(model, method):
    made = again(interp.explain(model, noise(), targets.contrast("a", "c"), method), model=model)
    assert made.method.name == method


def test_picture_by_path_or_embedded(model, path):
    assert json.loads(interp.explain(model, path).to_json())["picture"]["path"] == str(path)
    assert again(interp.explain(model, path), model=model).path == str(path)
    assert again(interp.explain(model, path.read_bytes()), model=model).path is None


def test_from_a_file(one, model, tmp_path):
    path = one.save(tmp_path / "a.json")
    for given in (path, str(path)):
        assert interp.remake(given, model=model).to_json() == path.read_text(encoding="utf-8")


def test_a_bare_module_gets_the_preprocessing_of_the_json(one, model):
    assert interp.remake(one.to_json(), model=model.module).model.preprocess == SMALL


@pytest.mark.slow
def test_named_and_saved_models_need_nothing(tmp_path, default_model):
    picture = noise(3, (300, 400))
    made = again(interp.explain(default_model, picture, "tiger cat", "layer-cam"))
    assert made.model.name == "efficientnet_lite0"
    architecture = Architecture("timm", "test_resnet", {"num_classes": 2})
    net = architecture.build()
    interp.load(net, architecture=architecture, labels=["x", "y"], name="mine").save(tmp_path / "m")
    found = interp.explain(tmp_path / "m", picture, "y")
    assert again(found).target.name == "y"


def test_callables_are_given_again(model):
    def brightness(output):
        return output.square().sum(1)

    found = interp.explain(model, noise(), brightness)
    again(found, model=model, target=brightness)
    with pytest.raises(
        ExplanationError,
        match=r"give it again: remake\(\.\.\., target=",
    ):
        interp.remake(found.to_json(), model=model)
    with pytest.raises(ExplanationError, match="came out different"):
        interp.remake(found.to_json(), model=model, target=lambda output: output[:, 0])


def test_without_its_model(one):
    with pytest.raises(ExplanationError, match=r"give it again: remake\(\.\.\., model="):
        interp.remake(one.to_json())


def spoilt(explanation, *keys, value):
    about = json.loads(explanation.to_json())
    inner = about
    for key in keys[:-1]:
        inner = inner[key]
    if value is ...:
        inner.pop(keys[-1])
    else:
        inner[keys[-1]] = value
    return json.dumps(about)


KEYS = [
    ("format",),
    ("model",),
    ("model", "preprocess"),
    ("model", "weights_sha256"),
    ("picture",),
    ("picture", "png"),
    ("picture", "pixels_sha256"),
    ("target",),
    ("target", "terms"),
    ("layer",),
    ("method",),
    ("map",),
    ("map", "float32"),
]


@pytest.mark.parametrize(
    "value", [..., None, 7, "x", [], {}, [[7, 1.0]], [[-1, 1.0]], [["a"]], "A" * 9], ids=repr
)
@pytest.mark.parametrize("keys", KEYS, ids=".".join)
def test_tampering(one, model, keys, value):
    with pytest.raises(ExplanationError):
        interp.remake(spoilt(one, *keys, value=value), model=model)


def test_another_map_picture_or_network(one, model, path):
    values = np.frombuffer(one.values.tobytes(), "<f4").copy()
    values[3] = np.nextafter(values[3], 2, dtype=np.float32)
    with pytest.raises(ExplanationError, match="came out different"):
        interp.remake(
            spoilt(one, "map", "float32", value=base64.b64encode(values.tobytes()).decode()), model=model
        )
    with pytest.raises(ExplanationError, match=r"weights of .* are not those"):
        interp.remake(one.to_json(), model=interp.load(Net(seed=1), preprocess=SMALL))
    text = interp.explain(model, path).to_json()
    noise(6).save(path)
    with pytest.raises(ExplanationError, match="is not the picture that was explained"):
        interp.remake(text, model=model)
    path.unlink()
    with pytest.raises(ExplanationError, match="does not exist"):
        interp.remake(text, model=model)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", '{"format": 2}', "nowhere.json", "\0", "x" * 9999, '{"a":' * 100_000],
    ids=range(10),
)
def test_what_is_no_saved_explanation(text):
    with pytest.raises(ExplanationError):
        interp.remake(text)


def test_a_json_cannot_open_a_pickle(one, tmp_path):
    torch.save(Net(), tmp_path / "m.pkl")
    origin = {"source": str(tmp_path / "m.pkl"), "weights": "default"}
    with pytest.raises(ExplanationError, match="is a pickle"):
        interp.remake(spoilt(one, "model", "origin", value=origin))


# --- grids ---------------------------------------------------------------------------------------------


def grid_words(explanations, **settings):
    """Draw a grid and return every text on it, single-spaced."""
    figure = explanations.grid(**settings)
    figure.canvas.draw()
    texts = figure.findobj(lambda artist: hasattr(artist, "get_text"))
    return [" ".join(text.get_text().split()) for text in texts]


def has_in_order(words, labels):
    labels = [" ".join(label.split()) for label in labels]
    assert set(labels) <= set(words)
    places = [words.index(label) for label in labels]
    return places == sorted(places)


def test_pictures_by_methods(model, path):
    found = interp.explain(model, [path, noise(1)], "a", ["grad-cam", "layer-cam"])
    words = grid_words(found)
    assert has_in_order(words, ["Grad-CAM", "LayerCAM"])
    assert has_in_order(words, ["five.png", "picture 2"])


def test_targets_by_layers(model):
    found = interp.explain(model, noise(), targets.several("a", "b"), layer=["early", "late"])
    words = grid_words(found)
    assert has_in_order(words, ["early", "late"])
    assert has_in_order(words, [found[0].title, found[2].title])


def test_classes_of_one_picture(model):
    found = interp.explain(model, noise(), targets.top(3))
    assert has_in_order(grid_words(found), [e.title for e in found])


def test_pictures_with_different_predictions_keep_their_own_rows(monkeypatch):
    """A map must stand over its own picture, whatever the titles are."""
    seen = {}
    monkeypatch.setattr(
        "interp.explanations.grid_figure", lambda *args, **kwargs: seen.update(args=args, **kwargs)
    )
    net = Net()
    model = interp.load(net, preprocess=SMALL, labels=["a", "b", "c"])
    pictures = [noise(seed) for seed in range(4)]
    interp.explain(model, pictures).grid()
    drawn, maps = seen["args"]
    assert [p.tobytes() for p in drawn] == [p.tobytes() for p in pictures]
    assert [len(row) for row in maps] == [1] * 4
    interp.explain(model, pictures, [targets.top(2), 0, targets.several(1, 2), "c"]).grid()
    drawn, maps = seen["args"]
    assert [p.tobytes() for p in drawn] == [p.tobytes() for p in pictures]
    assert sorted(seen["column_labels"]) == ["a", "b", "c"]
    assert [sum(m is not None for m in row) for row in maps] == [2, 1, 2, 1]


def test_methods_that_are_drawn_differently_stand_in_one_row(model, monkeypatch):
    seen = {}
    monkeypatch.setattr(
        "interp.explanations.grid_figure", lambda *args, **kwargs: seen.update(args=args, **kwargs)
    )
    interp.explain(model, noise(), "a", ["grad-cam", "hires-cam", "activation-mean"]).grid()
    assert seen["display"] == [["positive", "signed", "range"]]
    assert seen["column_labels"] == ["Grad-CAM", "HiResCAM", "Mean activation"]
    interp.explain(model, noise(), targets.several("a", "b"), ["grad-cam", "hires-cam"]).grid()
    assert seen["display"] == [["positive", "signed"]] * 2
    assert [label[0] for label in seen["row_labels"]] == ["a", "b"]


def test_three_things_that_vary(model, monkeypatch):
    seen = {}
    monkeypatch.setattr(
        "interp.explanations.grid_figure", lambda *args, **kwargs: seen.update(args=args, **kwargs)
    )
    found = interp.explain(
        model, [noise(), noise(1)], targets.several("a", "b"), ["grad-cam", "layer-cam"], ["early", "late"]
    )
    found.grid()
    assert seen["column_labels"] == ["Grad-CAM", "LayerCAM"]
    assert len(set(seen["row_labels"])) == 8
    assert seen["row_labels"][1] == f"picture 1\n{found[0].title} · late"
    flat = [values for row in seen["args"][1] for values in row]
    assert all(a is e.values or np.array_equal(a, e.values) for a, e in zip(flat, found, strict=True))


def test_two_networks_and_repetitions_lose_no_map(model, monkeypatch):
    seen = {}
    monkeypatch.setattr(
        "interp.explanations.grid_figure", lambda *args, **kwargs: seen.update(args=args, **kwargs)
    )
    other = interp.load(Net(seed=1), preprocess=SMALL, labels=["a", "b", "c"], name="other")
    Explanations([interp.explain(m, noise(), "a") for m in (model, other)]).grid()
    assert sorted(seen["column_labels"]) == ["net", "other"]
    one = interp.explain(model, noise(), "a")
    Explanations([one, one, one]).grid()
    assert sum(m is not None for row in seen["args"][1] for m in row) == 3


@pytest.mark.parametrize("shared", [True, False])
def test_one_map_and_flat_maps(one, shared):
    assert grid_words(Explanations([one]), shared=shared)
    negative = interp.load(Net(), preprocess=SMALL)
    with torch.no_grad():
        negative.module.fc.weight.abs_().neg_()
    found = Explanations(interp.explain(negative, [noise(), noise(1)], 0))
    assert any("no positive" in word for word in grid_words(found, shared=shared))


def test_an_empty_grid_is_said():
    with pytest.raises(ExplanationError, match="no explanation to draw"):
        Explanations().grid()


def test_sample_paths_label_rows(default_model):
    samples = Path(__file__).parents[1] / "sample_images"
    found = interp.explain(
        default_model, [samples / "cat.jpg", samples / "coffee.jpg"], method=["cam", "hires-cam"]
    )
    words = grid_words(found)
    assert has_in_order(words, ["CAM", "HiResCAM"])
    assert any(word.startswith("cat.jpg") for word in words)
