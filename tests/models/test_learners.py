"""A Learner's own pictures, names, size and task; its exported pickle; and what it warns of."""

import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import interp
from interp.models import Labels, ModelError

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*pickle:UserWarning"),
    pytest.mark.filterwarnings("ignore:load_learner"),
]

CPU = torch.device("cpu")
COLOURS = {"3": (200, 40, 40), "7": (40, 40, 200), "10": (40, 200, 40)}


def convnet(channels=3, outputs=3):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, 2, 1),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.Conv2d(8, 8, 3, 2, 1),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, outputs),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (root / name).mkdir()
        for number in range(5):
            height, width = generator.integers(40, 90, 2)
            noise = generator.normal(0, 40, (height, width, 3))
            Image.fromarray((noise + colour).clip(0, 255).astype(np.uint8)).save(
                root / name / f"{number}.png"
            )
    for kind in ("images", "masks"):
        (root / kind).mkdir()
    for number in range(4):
        picture = generator.integers(0, 256, (40, 56, 3)).astype(np.uint8)
        Image.fromarray(picture).save(root / "images" / f"{number}.png")
        Image.fromarray((picture[..., 0] // 86).astype(np.uint8)).save(root / "masks" / f"{number}.png")
    return root


def pictures_of(root):
    return sorted(path for name in COLOURS for path in (root / name).glob("*.png"))


def fitted(learner):
    with learner.no_bar(), learner.no_logging(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        learner.fit(1, 1e-2)
    return learner


def classifier(root, item, *, blocks=None, get_y=None, channels=3, loss=None, normalize=True):
    from fastai.vision.all import (
        CategoryBlock,
        CrossEntropyLossFlat,
        DataBlock,
        ImageBlock,
        Learner,
        Normalize,
        imagenet_stats,
        parent_label,
    )

    stats = imagenet_stats if channels == 3 else ([0.3], [0.25])
    block = DataBlock(
        blocks=blocks or (ImageBlock, CategoryBlock),
        get_items=pictures_of,
        get_y=get_y or parent_label,
        item_tfms=item,
        batch_tfms=[Normalize.from_stats(*stats, cuda=False)] if normalize else [],
    )
    dls = block.dataloaders(root, bs=4, num_workers=0, device=CPU)
    return fitted(Learner(dls, convnet(channels), loss_func=loss or CrossEntropyLossFlat(), path=root))


def assert_predicts_alike(learner, root):
    model = interp.load(learner)
    for path in pictures_of(root)[::4]:
        with learner.no_bar():
            wanted = learner.predict(path)[2]
        got = model.probabilities(model.logits(model.prepare([interp.open_image(path)])))[0]
        torch.testing.assert_close(
            got, torch.as_tensor(wanted).as_subclass(torch.Tensor), rtol=1e-4, atol=1e-5
        )
    return model


@pytest.mark.parametrize("size", [64, (48, 64)])
@pytest.mark.parametrize(
    ("method", "settings"), [("crop", {}), ("squish", {}), ("pad", {"pad_mode": "zeros"})]
)
def test_predictions_are_the_learners(folder, method, settings, size):
    from fastai.vision.all import Resize

    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model = assert_predicts_alike(classifier(folder, Resize(size, method=method, **settings)), folder)
    assert model.preprocess.fit == method
    assert model.preprocess.size == ((size, size) if isinstance(size, int) else size)
    assert model.labels.names == ("10", "3", "7")
    assert (model.task, model.activation) == ("classification", "softmax")
    assert model.labels.find("7") == 2
    assert model.architecture is None
    with pytest.raises(ModelError, match="cannot be saved"):
        model.save(folder / "nowhere")


def test_without_normalisation(folder):
    from fastai.vision.all import Resize

    model = assert_predicts_alike(classifier(folder, Resize(32), normalize=False), folder)
    assert model.preprocess.mean == (0, 0, 0)


def test_grey_pictures(folder):
    from fastai.vision.all import CategoryBlock, ImageBlock, PILImageBW, Resize

    blocks = (ImageBlock(cls=PILImageBW), CategoryBlock)
    model = assert_predicts_alike(classifier(folder, Resize(32), blocks=blocks, channels=1), folder)
    assert model.preprocess.channels == 1
    assert interp.explain(model, pictures_of(folder)[0]).map.isfinite().all()


def test_multi_label(folder):
    from fastai.vision.all import BCEWithLogitsLossFlat, ImageBlock, MultiCategoryBlock, Resize

    blocks = (ImageBlock, MultiCategoryBlock)
    learner = classifier(
        folder, Resize(32), blocks=blocks, get_y=lambda path: [path.parent.name], loss=BCEWithLogitsLossFlat()
    )
    model = assert_predicts_alike(learner, folder)
    assert (model.task, model.activation) == ("classification", "sigmoid")
    assert model.labels.names == ("10", "3", "7")


@pytest.mark.parametrize("kind", ["reflection", "RandomResizedCrop"])
def test_what_cannot_be_followed_exactly_is_said(folder, kind):
    from fastai.vision.all import RandomResizedCrop, Resize

    item = Resize(32, method="pad") if kind == "reflection" else RandomResizedCrop(32)
    learner = classifier(folder, item)
    with pytest.warns(UserWarning, match=kind):
        assert interp.load(learner).preprocess.size == (32, 32)
    own = interp.Preprocess((16, 16), (0.5,) * 3, (0.5,) * 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert interp.load(learner, preprocess=own).preprocess == own


def segmenter(root, codes, loss=None, outputs=3):
    from fastai.vision.all import CrossEntropyLossFlat, Learner, Resize, SegmentationDataLoaders

    dls = SegmentationDataLoaders.from_label_func(
        root,
        bs=2,
        fnames=sorted((root / "images").glob("*.png")),
        label_func=lambda path: root / "masks" / path.name,
        codes=codes,
        item_tfms=Resize((32, 48)),
        num_workers=0,
        device=CPU,
    )
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1), nn.ReLU(), nn.Conv2d(8, outputs, 1))
    learner = Learner(dls, net, loss_func=loss or CrossEntropyLossFlat(axis=1), path=root)
    return fitted(learner) if outputs == 3 else learner


@pytest.mark.parametrize("codes", [["a", "b", "c"], np.array(["a", "b", "c"])], ids=["list", "array"])
def test_segmentation(folder, codes):
    learner = segmenter(folder, codes)
    model = interp.load(learner)
    assert (model.task, model.activation, model.preprocess.size) == ("segmentation", "softmax", (32, 48))
    assert model.labels == Labels(("a", "b", "c"))
    path = folder / "images" / "0.png"
    with learner.no_bar():
        wanted = learner.predict(path)[2]
    got = model.logits(model.prepare([interp.open_image(path)])).softmax(1)[0]
    torch.testing.assert_close(got, torch.as_tensor(wanted).as_subclass(torch.Tensor), rtol=1e-4, atol=1e-5)
    assert interp.explain(model, path, lambda out: out[:, 1].sum((1, 2))).probability is None


def test_a_single_logit_has_the_name_of_the_second_of_two_classes(folder):
    from fastai.vision.all import BCEWithLogitsLossFlat

    model = interp.load(segmenter(folder, ["background", "tumour"], BCEWithLogitsLossFlat(), outputs=1))
    assert (model.task, model.activation, model.labels) == ("segmentation", "sigmoid", Labels(("tumour",)))


def test_picture_to_picture(folder):
    from fastai.vision.all import DataBlock, ImageBlock, Learner, MSELossFlat, Resize, get_image_files

    block = DataBlock(blocks=(ImageBlock, ImageBlock), get_items=get_image_files, item_tfms=Resize(24))
    dls = block.dataloaders(folder / "images", bs=2, num_workers=0, device=CPU)
    learner = Learner(dls, nn.Conv2d(3, 3, 3, padding=1), loss_func=MSELossFlat())
    model = interp.load(learner)
    assert (model.task, model.activation, len(model.labels)) == ("image", "none", 0)


def test_the_learner_is_as_it_was(folder):
    from fastai.vision.all import Resize

    learner = classifier(folder, Resize(32))
    learner.model.train()
    before = {name: value.clone() for name, value in learner.model.state_dict().items()}
    attributes = set(vars(learner))
    interp.explain(learner, pictures_of(folder)[0], "7", ["grad-cam", "eigen-cam"])
    assert learner.model.training
    assert set(vars(learner)) == attributes
    for name, value in learner.model.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(not part._forward_hooks for part in learner.model.modules())


def test_an_exported_learner_needs_trust_and_then_predicts_the_same(folder):
    from fastai.vision.all import Resize

    learner = classifier(folder, Resize(32, method="squish"))
    learner.export(folder / "export.pkl")
    with pytest.raises(ModelError, match="is a pickle: opening it runs whatever code it holds"):
        interp.load(folder / "export.pkl")
    model = interp.load(folder / "export.pkl", trust_pickle=True)
    wanted = interp.load(learner)
    assert model.preprocess == wanted.preprocess
    assert (model.labels, model.task, model.name) == (wanted.labels, "classification", "export")
    assert model.weights_hash() == wanted.weights_hash()
    path = pictures_of(folder)[3]
    assert model.predict([path]) == wanted.predict([path])


def test_an_exported_segmentation_learner(folder):
    learner = segmenter(folder, ["a", "b", "c"])
    learner.export(folder / "mask.pkl")
    model = interp.load(folder / "mask.pkl", trust_pickle=True)
    assert (model.task, model.labels.names, model.preprocess.size) == (
        "segmentation",
        ("a", "b", "c"),
        (32, 48),
    )


def test_an_exported_learner_without_a_size_asks_for_it(folder):
    from fastai.vision.all import DataBlock, ImageBlock, Learner, MSELossFlat, get_image_files

    block = DataBlock(blocks=(ImageBlock, ImageBlock), get_items=get_image_files)
    dls = block.dataloaders(folder / "images", bs=2, num_workers=0, device=CPU)
    learner = Learner(dls, nn.Conv2d(3, 3, 3, padding=1), loss_func=MSELossFlat(), path=folder)
    learner.export(folder / "free.pkl")
    with pytest.raises(ModelError, match="no Resize"):
        interp.load(folder / "free.pkl", trust_pickle=True)
    own = interp.Preprocess((16, 16), (0.5,) * 3, (0.5,) * 3)
    assert interp.load(folder / "free.pkl", trust_pickle=True, preprocess=own).preprocess == own
