import csv
import json

import numpy as np
import pytest
import torch
from run_folders import end_of

import interp
from interp.images import Preprocess, open_image
from interp.training import Stage, TrainingError, train
from interp.training.recipe import Silent


def prepared(make, **changes):
    recipe = make("classifier", **changes)
    recipe.prepare(Silent())
    return recipe


def held_back(recipe):
    return [(recipe._data.pictures[i], recipe._data.labels[i]) for i in recipe._split[1]]


@pytest.mark.slow
def test_the_last_error_rate_is_that_of_the_saved_model(make, finished):
    recipe, model = prepared(make), interp.load(finished("classifier"))
    pairs = held_back(recipe)
    assert len(pairs) == 6
    logits = model.logits(model.prepare([open_image(path) for path, _ in pairs]))
    truths = torch.tensor([label for _, label in pairs])
    row = end_of(finished("classifier"))[1][-1]
    assert float(row["error_rate"]) == pytest.approx(float((logits.argmax(1) != truths).float().mean()))
    loss = torch.nn.functional.cross_entropy(logits, truths)
    assert float(row["valid_loss"]) == pytest.approx(float(loss), rel=1e-4)


def test_the_saved_model_sees_what_training_validated(make, finished):
    recipe, model = prepared(make), interp.load(finished("classifier"))
    loader = recipe.loaders(recipe.stages[-1]).valid
    inputs = torch.cat([batch.as_subclass(torch.Tensor) for batch, _ in loader])
    pictures = [open_image(path) for path, _ in held_back(recipe)]
    torch.testing.assert_close(inputs, model.prepare(pictures), rtol=0, atol=1e-6)
    assert model.preprocess.size == (40, 40)


def test_labels_and_names_are_the_folders(finished, labelled):
    model = interp.load(finished("classifier"))
    assert model.labels.names == ("blue", "green", "red")
    assert {p.name for p in model.predict([labelled / "red" / "red_0.png"], top=3)[0]} == {
        "blue",
        "green",
        "red",
    }


def test_random_labels_are_the_same_classes_dealt_out_by_chance(make):
    taught, nonsense = (prepared(make, random_labels=each)._data for each in (False, True))
    assert nonsense.pictures == taught.pictures
    assert sorted(nonsense.labels) == sorted(taught.labels)
    assert nonsense.labels != taught.labels
    assert nonsense == prepared(make, random_labels=True)._data


def test_every_class_is_held_back_in_its_part(make):
    recipe = prepared(make)
    assert sorted(label for _, label in held_back(recipe)) == [0, 0, 1, 1, 2, 2]


def test_it_learns_colours(make, tmp_path):
    stages = (Stage("s", 10, 1e-3, 32, batch=6),)
    rows = train(make("classifier", stages=stages, dropout=0.0), tmp_path / "run").rows
    assert rows[-1]["error_rate"] <= 1 / 6
    assert rows[-1]["train_loss"] < rows[0]["train_loss"] / 2


def test_regex_and_table_name_the_same_classes(make, labelled, tmp_path):
    by_regex = prepared(make, labels="regex", regex=r"([^/]+)_\d+.png$")
    assert by_regex._data.classes == ("blue", "green", "red")
    table = tmp_path / "table.csv"
    paths = sorted(labelled.rglob("*.png"))
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "label", "valid"])
        writer.writerows(
            [path.relative_to(labelled).as_posix(), path.parent.name[0], int(path.stem.endswith("_7"))]
            for path in paths
        )
    by_table = prepared(make, labels="csv", csv=str(table))
    assert by_table._data.classes == ("b", "g", "r")
    assert [path.stem for path, _ in held_back(by_table)] == ["blue_7", "green_7", "red_7"]


def test_the_offline_backbone_brings_its_weights_and_its_normalisation(make, default_model):
    recipe = prepared(make, backbone="efficientnet_lite0", pretrained=True)
    network = recipe.networks()["classifier"]
    trained = default_model.module.state_dict()
    body = {key: value for key, value in network.state_dict().items() if key.startswith("body.")}
    own = [value for value in trained.values() if value.dim() == 4]
    theirs = [value for value in body.values() if value.dim() == 4]
    assert len(theirs) >= len(own) - 1  # perhaps without the widening before the pooling
    assert all(a.equal(b) for a, b in zip(own, theirs, strict=False))
    expected = Preprocess((32, 32), (0.5,) * 3, (0.5,) * 3)
    assert recipe.preprocess(recipe.stages[0]) == expected


def test_a_backbone_is_named_so_that_the_saved_model_can_be_built(make, finished):
    folder = str(finished("classifier"))
    with pytest.raises(TrainingError, match="give efficientnet_lite0, torchvision:NAME or timm:NAME"):
        make("classifier", backbone=folder, pretrained=True)


def test_the_config_says_everything(make, finished):
    config = json.loads((finished("classifier") / "config.json").read_text())
    assert config["recipe"] == "classifier"
    assert config["data"] == {"pictures": 24, "classes": ["blue", "green", "red"]}
    assert config["settings"] == json.loads(json.dumps(make("classifier").settings.to_json()))


def test_top_losses_are_the_worst(make, finished):
    assert np.asarray(open_image(finished("classifier") / "figures" / "top-losses.png")).std() > 5


@pytest.mark.parametrize("changes", [{"valid": 0}, {"valid": 1}, {"seed": -1}, {"workers": -1}])
def test_settings_that_cannot_be(make, changes):
    with pytest.raises(TrainingError, match=f"{next(iter(changes))}={next(iter(changes.values()))}: give"):
        make("classifier", **changes)


def test_no_stage_at_all_is_named(make):
    with pytest.raises(TrainingError, match="there is no stage to train"):
        make("classifier", stages=())


@pytest.mark.slow
def test_pictures_whose_last_grid_is_one_position_have_heat_of_the_stages_before(make, tmp_path):
    train(make("classifier", stages=(Stage("tiny", 1, 1e-3, 16, batch=6),)), tmp_path / "run")
    assert interp.load(tmp_path / "run").preprocess.size == (16, 16)
    assert (tmp_path / "run" / "figures" / "top-losses.png").exists()
