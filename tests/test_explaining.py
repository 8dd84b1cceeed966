"""`explain`: what may go in, what comes out, and that the real network looks at the right thing."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import interp
from interp import targets
from interp.explanation import Explanation
from interp.explanations import Explanations
from interp.images import ImageError
from interp.layers import LayerError
from interp.methods import MethodError
from interp.models import LabelError, ModelError
from interp.targets import TargetError

SAMPLES = Path(__file__).parents[1] / "sample_images"
CAT = SAMPLES / "cat.jpg"
SMALL = interp.Preprocess((32, 40), (0.5,) * 3, (0.5,) * 3, fit="crop")


class Net(nn.Module):
    def __init__(self, sign=1.0):
        super().__init__()
        torch.manual_seed(0)
        self.early = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(inplace=True))
        self.late = nn.Sequential(nn.Conv2d(4, 6, 3, 2, 1), nn.ReLU(inplace=True))
        self.fc = nn.Linear(6, 3)
        if sign < 0:
            self.fc.weight.data.abs_().neg_()

    def forward(self, x):
        return self.fc(self.late(self.early(x)).mean((2, 3)))


@pytest.fixture(scope="module")
def model():
    return interp.load(Net(), preprocess=SMALL, labels=["a", "b", "c"], name="net")


def noise(seed=0, size=(50, 60)):
    values = np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)
    return Image.fromarray(values)


def test_one_of_everything_gives_one(model):
    found = interp.explain(model, noise())
    assert isinstance(found, Explanation)
    assert found.map.shape == (16, 20)  # of the finest of the two stages
    assert found.map.dtype == torch.float32
    assert (found.layer, found.method.name, found.path) == (model.default_layer, "consensus-cam", None)


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        ({"pictures": [noise()]}, 1),
        ({"pictures": (noise(), noise(1))}, 2),
        ({"pictures": []}, 0),
        ({"method": ["cam"]}, 1),
        ({"method": ["cam", "grad-cam"]}, 2),
        ({"layer": ["early"]}, 1),
        ({"layer": "stages"}, 2),
        ({"target": targets.top(1)}, 1),
        ({"target": targets.top(3)}, 3),
        ({"target": targets.several("a", "b"), "method": ["cam", "eigen-cam"]}, 4),
    ],
)
def test_a_list_of_anything_gives_a_list(model, arguments, count):
    found = interp.explain(model, **({"pictures": noise()} | arguments))
    assert isinstance(found, Explanations)
    assert len(found) == count


@pytest.mark.parametrize("batch_size", [1, 2, 3, 99])
def test_order_is_picture_target_layer_method(model, batch_size):
    pictures = [noise(seed) for seed in range(3)]
    found = interp.explain(
        model,
        pictures,
        [targets.top(2), "c", targets.several(0, 1, 2)],
        ["grad-cam", "eigen-cam"],
        ["late", "early"],
        batch_size=batch_size,
    )
    best = model.predict([pictures[0]])[0]
    asked = [[best[0].name, best[1].name], ["c"], ["a", "b", "c"]]
    wanted = [
        (number, target, layer, method)
        for number in range(3)
        for target in asked[number]
        for layer in ("late", "early")
        for method in ("grad-cam", "eigen-cam")
    ]
    got = [(pictures.index(noise_of(e, pictures)), e.target.name, e.layer, e.method.name) for e in found]
    assert got == wanted
    for e in found:
        alone = interp.explain(model, e.picture, e.target, e.method, e.layer)
        torch.testing.assert_close(e.map, alone.map, rtol=1e-4, atol=1e-7)


def noise_of(explanation, pictures):
    return next(p for p in pictures if p.tobytes() == explanation.picture.tobytes())


def test_every_kind_of_source_gives_the_same_map(tmp_path, model):
    picture = noise()
    path = tmp_path / "a.png"
    picture.save(path)
    wanted = interp.explain(model, picture).map
    array = np.asarray(picture)
    sources = [
        path,
        str(path),
        picture,
        array,
        array / 255.0,
        torch.from_numpy(array.copy()).permute(2, 0, 1),
        path.read_bytes(),
        io.BytesIO(path.read_bytes()),
    ]
    for source in sources:
        found = interp.explain(model, source)
        assert isinstance(found, Explanation)
        assert torch.equal(found.map, wanted)
        assert found.path == (str(path) if isinstance(source, (str, Path)) else None)
    with path.open("rb") as file:
        assert torch.equal(interp.explain(model, file).map, wanted)
    assert all(torch.equal(e.map, wanted) for e in interp.explain(model, sources[:-1]))


def test_scores_and_probabilities(model):
    picture = noise()
    logits = model.logits(model.prepare([interp.open_image(picture)]))[0]
    shares = logits.softmax(0)
    found = interp.explain(
        model, picture, targets.several(0, "b", targets.contrast("a", "c"), lambda o: 2 * o[:, 1])
    )
    assert [e.score for e in found] == pytest.approx(
        [float(logits[0]), float(logits[1]), float(logits[0] - logits[2]), float(2 * logits[1])], rel=1e-5
    )
    assert [e.probability for e in found] == [
        pytest.approx(float(shares[0]), rel=1e-5),
        pytest.approx(float(shares[1]), rel=1e-5),
        None,
        None,
    ]
    assert found[0].prediction == model.predict([picture])[0]
    assert interp.explain(model, picture, targets.negative("a")).probability is None


def test_the_box_is_what_the_network_saw(model):
    found = interp.explain(model, noise(size=(50, 100)))
    assert found.box == SMALL.box((100, 50))
    assert found.overlay().size == found.picture.size == (100, 50)
    assert found.heat().size == (round(found.box.width), round(found.box.height))
    assert found.heat((7, 9)).size == (7, 9)


def test_models_of_every_kind():
    net = Net()
    by_module = interp.explain(interp.load(net, preprocess=SMALL), noise())
    assert interp.explain(net, noise()).model.module is net
    assert interp.explain("efficientnet_lite0", CAT).map.shape == (56, 56)
    assert by_module.model.module is net


@pytest.mark.parametrize(
    ("error", "arguments"),
    [
        (ImageError, {"pictures": "nowhere.jpg"}),
        (ImageError, {"pictures": 5}),
        (ImageError, {"pictures": torch.zeros(2, 3, 8, 8)}),
        (ImageError, {"pictures": b""}),
        (LabelError, {"target": "zebra"}),
        (LabelError, {"target": 3}),
        (TargetError, {"target": 1.5}),
        (TargetError, {"target": [0, 1]}),
        (TargetError, {"target": []}),
        (MethodError, {"method": "grad-cma"}),
        (MethodError, {"method": None}),
        (LayerError, {"layer": "latee"}),
        (LayerError, {"layer": 99}),
        (MethodError, {"layer": "fc"}),
        (ModelError, {"model": "nonsense"}),
        (ModelError, {"model": None}),
        (ValueError, {"batch_size": 0}),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(model, error, arguments):
    with pytest.raises(error) as caught:
        interp.explain(**({"model": model, "pictures": noise()} | arguments))
    assert isinstance(caught.value, ValueError)
    assert str(caught.value).rstrip().endswith((".", "?"))


def test_no_positive_evidence_is_said_in_words():
    model = interp.load(Net(sign=-1), preprocess=SMALL)
    found = interp.explain(model, noise(), 0, ["grad-cam", "layer-cam", "xgrad-cam", "grad-cam-plus-plus"])
    assert [e.scale.verdict for e in found] == ["no positive evidence"] * 4
    for e in found:
        assert e.overlay().size == e.picture.size
        assert e.panel().height >= 224
    signed = interp.explain(model, noise(), 0, "hires-cam")
    assert signed.scale.verdict is None
    assert signed.map.max() <= 0
    assert interp.explain(model, noise(), targets.negative(0)).scale.verdict is None


def test_attribution_in_modes_of_the_caller(model):
    wanted = interp.explain(model, noise()).map
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            assert torch.equal(interp.explain(model, noise()).map, wanted)


# --- the real network on real pictures ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("picture", "names"),
    [
        ("cat", {"tiger cat", "tabby", "Egyptian cat"}),
        ("cat_small", {"tiger cat", "tabby", "Egyptian cat"}),
        ("coffee", {"espresso", "cup"}),
        ("coffee_tall", {"espresso", "cup"}),
        ("rocket", {"missile", "projectile"}),
        ("rocket_close", {"missile", "projectile"}),
        ("space_shuttle", {"space shuttle"}),
        ("cameraman", {"tripod"}),
    ],
)
def test_the_default_model_knows_the_samples(default_model, picture, names):
    assert default_model.predict([SAMPLES / f"{picture}.jpg"])[0][0].name in names


MASKS = sorted((SAMPLES / "masks").glob("*.png"))
METHODS = ["grad-cam", "hires-cam", "cam"]


def energy_share(explanation, mask):
    """Return the part of the positive heat inside the mask, and the mask's part of the box."""
    left, top, right, bottom = (round(side) for side in explanation.box.to_json())
    inside = torch.from_numpy(mask[top:bottom, left:right].astype(np.float32))
    heat = explanation.map.clamp(min=0)[None, None]
    heat = nn.functional.interpolate(heat, inside.shape, mode="bilinear")[0, 0]
    return float((heat * inside).sum() / heat.sum()), float(inside.mean())


@pytest.fixture(scope="module")
def composites(default_model):
    """For each composite and each of its two classes: the share of heat in its own mask and the other's."""
    found = {}
    for picture in sorted({path.name.split(".")[0] for path in MASKS}):
        masks = {
            path.name.split(".")[1].replace("_", " "): np.asarray(Image.open(path)) > 127
            for path in MASKS
            if path.name.startswith(f"{picture}.")
        }
        every = interp.explain(default_model, SAMPLES / f"{picture}.jpg", targets.several(*masks), METHODS)
        for e in every:
            for name, mask in masks.items():
                found[picture, e.method.name, e.target.name, name] = energy_share(e, mask)
    return found


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("mask", MASKS, ids=lambda path: path.stem)
def test_the_heat_is_on_the_object(composites, mask, method):
    picture, name = mask.name.split(".")[0], mask.name.split(".")[1].replace("_", " ")
    inside, area = composites[picture, method, name, name]
    assert inside >= 1.5 * area


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("mask", MASKS, ids=lambda path: path.stem)
def test_asking_for_the_other_class_moves_the_heat(composites, mask, method):
    picture, name = mask.name.split(".")[0], mask.name.split(".")[1].replace("_", " ")
    own = composites[picture, method, name, name][0]
    others = [
        v[0]
        for (p, m, target, inside), v in composites.items()
        if (p, m, inside) == (picture, method, name) and target != name
    ]
    assert len(others) == 1
    assert own > 1.3 * others[0]


def test_closed_forms_hold_on_the_real_network(default_model):
    found = {
        e.method.name: e
        for e in interp.explain(default_model, CAT, "tiger cat", ["cam", "grad-cam", "hires-cam"])
    }
    cam, grad, hires = (found[name].map for name in ("cam", "grad-cam", "hires-cam"))
    torch.testing.assert_close(grad, cam / 49, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(hires, cam / 49, rtol=1e-3, atol=1e-5)
    bias = default_model.module.classifier.bias[282].item()
    assert float(hires.sum()) == pytest.approx(found["cam"].score - bias, rel=1e-3)
