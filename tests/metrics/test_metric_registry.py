"""Every metric of the registry: described, found, repeatable, and within its limits on real kinds of maps."""

import json
import math
from pathlib import Path

import pytest
import torch
from command import interp as command
from torch import nn
from trials import class_target, trial_of

import interp
from interp.dense import RegionTarget
from interp.metrics import KINDS, MetricError, get, measure, metrics

CAT = Path(__file__).parents[2] / "sample_images" / "cat.jpg"
NAMES = [each.name for each in metrics()]
PICTURE = torch.rand(1, 3, 12, 16, generator=torch.Generator().manual_seed(6))
TRUTH = torch.zeros(12, 16, dtype=torch.bool)
TRUTH[2:7, 3:11] = True


def classifier():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, 2, 1),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 4),
    ).eval()


def segmenter():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.ReLU(), nn.Conv2d(5, 3, 1)).eval()


def classified(method):
    trial = trial_of(
        classifier(), PICTURE, torch.empty(0), method=method, layer="1", target=class_target(2), truth=TRUTH
    )
    return type(trial)(trial.probe, trial.method, trial.again(PICTURE)[0], TRUTH)


def segmented(method):
    target = RegionTarget(1, TRUTH, "there")
    trial = trial_of(
        segmenter(), PICTURE, torch.empty(0), method=method, layer="1", target=target, task="segmentation"
    )
    return type(trial)(trial.probe, trial.method, trial.again(PICTURE)[0], TRUTH)


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_says_what_it_is_and_what_it_cannot_tell(name):
    metric = get(name)
    assert metric.kind in KINDS
    assert metric.better in ("higher", "lower", "neither")
    assert metric.limits[0] < metric.limits[1]
    assert metric.silent.endswith(".")
    assert metric.formula
    assert metric.paper
    assert metric.function.__doc__
    assert metric.truth == (metric.kind == "localisation")


@pytest.mark.parametrize("method", ["grad-cam", "hirescam", "saliency", "occlusion(window=0.5)", "random"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("made", [classified, segmented])
def test_values_lie_within_the_limits_and_come_out_again(name, method, made):
    metric = get(name)
    trial = made(method)
    if trial.probe.model.task not in metric.tasks:
        with pytest.raises(MetricError, match="works for"):
            metric(trial)
        return
    found = metric(trial)
    assert math.isfinite(found.value) or found.note
    if not found.note:
        low, high = metric.limits
        assert low - 1e-6 <= found.value <= high + 1e-6
    assert metric(made(method)) == found or math.isnan(found.value)


def test_metrics_are_listed_by_the_question_they_answer():
    kinds = [each.kind for each in metrics()]
    assert kinds == sorted(kinds, key=KINDS.index)
    assert set(kinds) == set(KINDS)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("delition", "there is no metric 'delition'; did you mean deletion"),
        ("zzz", "there is no metric 'zzz'; there are"),
        ("deletion(stepps=3)", "deletion has no option 'stepps'; did you mean steps"),
        ("deletion(steps='many')", "steps"),
        ("deletion(", "there is no metric"),
    ],
)
def test_wrong_names_and_options_are_refused_in_a_sentence(name, sentence):
    with pytest.raises(MetricError, match=sentence.replace("(", r"\(")):
        get(name)


def test_options_are_part_of_the_name_and_of_the_cost():
    metric = get("Deletion", steps=224)
    assert metric.name == "deletion(steps=224)"
    assert metric.passes == 224
    assert get(metric) is metric
    assert get("deletion", steps=32) is get("deletion")


def test_an_explanation_is_measured_as_it_is(default_model):
    explanation = interp.explain(default_model, CAT)
    whole = default_model.predict([CAT])[0][0].probability
    told = []
    found = measure(
        explanation, ["deletion(steps=8)", "insertion(steps=8)"], progress=lambda *step: told.append(step)
    )
    deletion, insertion = found.values()
    assert list(found) == ["deletion(steps=8)", "insertion(steps=8)"]
    assert deletion.curves["deletion"].scores[0] == pytest.approx(whole, abs=1e-5)
    assert insertion.curves["insertion"].scores[-1] == pytest.approx(whole, abs=1e-5)
    assert deletion.value < insertion.value
    parts = [done / total for done, total in told]
    assert parts == sorted(parts)
    assert parts[-1] == 1


def test_the_peak_of_the_cat_lies_on_the_cat(default_model):
    explanation = interp.explain(default_model, CAT)
    side = default_model.preprocess.size
    centre = torch.zeros(side, dtype=torch.bool)
    centre[side[0] // 8 : -side[0] // 8, side[1] // 8 : -side[1] // 8] = True
    found = measure(explanation, ["pointing-game", "relevance-mass"], truth=centre)
    assert found["pointing-game"].value == 1
    assert found["relevance-mass"].value > found["relevance-mass"].chance


def test_the_command_line_lists_them_with_what_they_cannot_tell():
    listed = json.loads(command("metrics", "--json").stdout)
    assert [each["name"] for each in listed] == NAMES
    assert all(each["silent"] and each["limits"][0] < each["limits"][1] for each in listed)
    shown = command("metrics", "sanity", "--silent").stdout
    assert "randomisation" in shown
    assert "deletion " not in shown
    assert "still have been wrong" in shown
