"""Evaluations of a small network: what is measured, what fails, what goes on after an interruption."""

import json
import re

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from command import save_noise
from nets import model_of
from PIL import Image
from torch import nn

import interp
from interp.metrics import Boxes, MetricError, evaluate, measure, plan
from interp.metrics.boxes import read_boxes
from interp.metrics.evaluation import Evaluation
from interp.models import LabelError
from interp.models.labels import Labels
from interp.shards import Slice

METHODS = ["grad-cam", "edges", "random"]
METRICS = ["deletion(steps=4)", "sparseness", "random-class"]
FILES = ["evaluation.json", "evaluation.parquet", "index.html", "summary.csv", "summary.png"]


def classifier(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, 2, 1),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 4),
    ).eval()


@pytest.fixture
def model():
    return model_of(classifier(), size=(16, 20), labels=Labels(tuple("abcd")))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pictures").mkdir()
    return save_noise(tmp_path / "pictures")


def without_seconds(path):
    return pq.read_table(path).drop_columns(["seconds"])


def test_the_numbers_are_those_of_single_explanations(model, folder):
    made = evaluate(model, folder, METHODS, METRICS)
    assert made.table.num_rows == 4 * 3 * 3
    assert made.pictures == ["a.png", "b.png", "c.png", "d.png"]
    values = made.values()
    for row, name in enumerate(made.pictures):
        for column, method in enumerate(METHODS):
            explanation = interp.explain(model, folder / name, method=method)
            found = measure(explanation, METRICS)
            assert values[row, column] == pytest.approx([each.value for each in found.values()], abs=1e-5)
    first = made.table.to_pylist()[0]
    alone = interp.explain(model, folder / "a.png")
    assert first["class"] == alone.target.name
    assert first["probability"] == pytest.approx(alone.probability, rel=1e-5)
    assert {row["layer"] for row in made.table.to_pylist()} == {model.default_layer, "input"}


def test_the_summary_is_the_mean_of_the_rows(model, folder):
    made = evaluate(model, folder, METHODS, METRICS)
    summary = made.summary()
    assert summary is made.summary()
    values = made.values()
    for column, method in enumerate(METHODS):
        for place, metric in enumerate(METRICS):
            cell = summary.cell(method, metric)
            assert cell.value.mean == pytest.approx(values[:, column, place].mean())
            assert cell.value.low <= cell.value.mean <= cell.value.high
            assert (cell.pictures, cell.missing) == (4, 0)
    assert summary.verdicts["random"] == ("a control",)
    assert summary.verdicts["edges"] == ("a control",)
    assert set(summary.methods) == set(METHODS)
    assert summary.answer.startswith("grad-cam ranks best")


def test_a_forward_pass_is_shared_by_the_methods(model, folder, monkeypatch):
    calls = []
    from interp.metrics import judging

    real = judging.attribute
    monkeypatch.setattr(judging, "attribute", lambda *given: calls.append(given) or real(*given))
    evaluate(model, folder, METHODS, ["sparseness"])
    assert len(calls) == 4


def test_broken_pictures_are_rows_and_stop_nothing(model, folder, tmp_path):
    (folder / "broken.png").write_bytes((folder / "a.png").read_bytes()[:200])
    made = evaluate(model, folder, METHODS, METRICS, out=tmp_path / "out")
    assert list(made.failed) == ["broken.png"]
    assert str(folder) not in made.failed["broken.png"]
    assert len(made.pictures) == 4
    assert made.table.num_rows == 4 * 9 + 1
    assert "1 file could not be judged" in (tmp_path / "out" / "index.html").read_text()


def test_only_broken_pictures_are_an_evaluation_without_numbers(model, tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_bytes(b"")
    made = evaluate(model, tmp_path / "bad", METHODS, METRICS, out=tmp_path / "out")
    assert made.pictures == []
    assert made.summary().answer == "No method can be ranked: there are no numbers."
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == FILES


def test_a_method_that_does_not_fit_the_network_has_notes_and_the_others_numbers(folder):
    torch.manual_seed(0)
    headless = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 14 * 18, 3)).eval()
    made = evaluate(model_of(headless, size=(16, 20)), folder, ["cam", "grad-cam"], ["sparseness"])
    cam, grad_cam = (made.summary().cell(name, "sparseness") for name in ("cam", "grad-cam"))
    assert (cam.pictures, cam.missing) == (0, 4)
    assert grad_cam.pictures == 4
    assert made.summary().verdicts["cam"] == ("no number",)
    assert all(row["note"] for row in made.table.to_pylist() if row["method"] == "cam")


@pytest.mark.slow
def test_the_same_evaluation_again_does_nothing_and_an_interrupted_one_goes_on(model, folder, tmp_path):
    def begun(out):
        return plan(model, folder, METHODS, METRICS, out=out, shard_size=1)

    whole = begun(tmp_path / "whole").run()
    assert sorted(path.name for path in whole.folder.iterdir()) == FILES
    before = {path.name: path.stat().st_mtime_ns for path in whole.folder.iterdir()}
    again = begun(tmp_path / "whole").run()
    assert before == {path.name: path.stat().st_mtime_ns for path in whole.folder.iterdir()}
    assert again.table.equals(whole.table)

    def interrupt(done, _all):
        if done > 2:
            raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        begun(out).run(interrupt)
    assert sorted(path.name for path in out.iterdir()) == ["evaluation.parquet"]
    planned = begun(out)
    assert planned.left == 2
    told = []
    planned.run(lambda done, count: told.append((done, count)))
    assert told[0] == (2, 4)
    assert told[-1] == (4, 4)
    assert sorted(path.name for path in out.iterdir()) == FILES
    assert without_seconds(out / "evaluation.parquet").equals(
        without_seconds(tmp_path / "whole" / "evaluation.parquet")
    )
    for name in ("summary.csv", "summary.png", "index.html", "evaluation.json"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


@pytest.mark.slow
def test_ranks_judge_the_whole_and_the_last_one_says_it(model, folder, tmp_path):
    def begun(out):
        return plan(model, folder, METHODS, METRICS, out=tmp_path / out, shard_size=1)

    assert begun("out").run_slice(Slice(1, 2)) is None
    assert (begun("out").left, begun("out").left_of(Slice(1, 2))) == (2, 0)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["evaluation.parquet"]
    made = begun("out").run_slice(Slice(0, 2))
    begun("whole").run()
    for name in ("summary.csv", "summary.png", "index.html", "evaluation.json"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert without_seconds(tmp_path / "out" / "evaluation.parquet").equals(
        without_seconds(tmp_path / "whole" / "evaluation.parquet")
    )
    assert begun("out").run_slice(Slice(1, 2)).table.equals(made.table)
    with pytest.raises(MetricError, match="share a folder"):
        plan(model, folder, METHODS, METRICS).run_slice(Slice(0, 2))


def test_only_the_shard_of_a_changed_picture_is_judged_again(model, folder, tmp_path):
    asked = {"out": tmp_path / "out", "shard_size": 2}
    plan(model, folder, METHODS, METRICS, **asked).run()
    save_noise(folder, "d")
    assert plan(model, folder, METHODS, METRICS, **asked).left == 2


@pytest.mark.slow
def test_other_settings_or_pictures_begin_anew(model, folder, tmp_path):
    out = tmp_path / "out"
    evaluate(model, folder, METHODS, METRICS, out=out)
    assert plan(model, folder, METHODS, METRICS, out=out).left == 0
    assert plan(model, folder, METHODS[:2], METRICS, out=out).left == 4
    assert plan(model, folder, METHODS, METRICS, out=out, target="b").left == 4
    assert plan(model, folder, METHODS, METRICS, out=out, target=lambda output: output[:, 0]).left == 4
    other = model_of(classifier(1), size=(16, 20))
    assert plan(other, folder, METHODS, METRICS, out=out).left == 4
    save_noise(folder, "e")
    assert plan(model, folder, METHODS, METRICS, out=out).left == 5
    assert len(evaluate(model, folder, METHODS, METRICS, out=out).pictures) == 5


def test_a_sample_of_the_pictures_is_drawn_by_the_seed(model, folder):
    def names(seed):
        return [name for name, _ in plan(model, folder, METHODS, METRICS, count=2, seed=seed).pictures]

    assert names(0) == names(0) == sorted(names(0))
    assert len({tuple(names(seed)) for seed in range(10)}) > 1
    assert plan(model, folder, METHODS, METRICS, count=9).left == 4
    listed = plan(model, [folder / "c.png", str(folder / "a.png")], METHODS, METRICS)
    assert [name for name, _ in listed.pictures] == ["c.png", "a.png"]


def masks_for(folder, where):
    """Save a mask of the pictures' size for three of them; the last one is empty."""
    where.mkdir()
    for name, inside in (("a", 40), ("b", 20), ("c", 0)):
        mask = np.zeros((64, 80), np.uint8)
        mask[:, :inside] = 255
        Image.fromarray(mask).save(where / f"{name}.png")
    return where


def test_masks_are_found_by_name_and_brought_to_the_input(model, folder, tmp_path):
    masks = masks_for(folder, tmp_path / "masks")
    made = evaluate(model, folder, ["centre", "edges"], ["relevance-mass", "sparseness"], truth=masks)
    rows = {(row["picture"], row["method"], row["metric"]): row for row in made.table.to_pylist()}
    assert rows["a.png", "centre", "relevance-mass"]["value"] == pytest.approx(0.5, abs=1e-5)
    assert rows["a.png", "edges", "relevance-mass"]["chance"] == 0.5
    assert rows["b.png", "edges", "relevance-mass"]["chance"] == 0.25
    assert "the mask is empty" in rows["c.png", "edges", "relevance-mass"]["note"]
    assert rows["d.png", "edges", "relevance-mass"]["note"] == "there is no mask of this picture"
    cell = made.summary().cell("edges", "relevance-mass")
    assert (cell.pictures, cell.missing, cell.chance) == (2, 2, pytest.approx(0.375))
    assert made.summary().cell("edges", "sparseness").pictures == 4
    given = {"a": np.asarray(Image.open(masks / "a.png")), "b.png": str(masks / "b.png")}
    again = evaluate(model, folder, ["centre"], ["relevance-mass"], truth=given)
    assert again.summary().cell("centre", "relevance-mass").pictures == 2


def test_boxes_are_masks_of_four_numbers(model, folder, tmp_path):
    masks = masks_for(folder, tmp_path / "masks")
    table = tmp_path / "boxes.csv"
    table.write_text("Picture,left,top,right,bottom\na.png,0,0,40,32\na.png,0,32,40,64\nb.png,0,0,20,64\n")
    asked = {"methods": ["centre", "edges"], "metrics": ["relevance-mass", "box-iou"]}
    by_mask = evaluate(model, folder, truth=masks, **asked)
    by_box = evaluate(model, folder, truth=table, **asked)
    given = evaluate(
        model, folder, truth={"a": Boxes([(0, 0, 40, 64)]), "b.png": Boxes([(0, 0, 20, 64)])}, **asked
    )
    for found in (by_box, given):
        assert found.table["value"][:8].equals(by_mask.table["value"][:8])
    assert by_box.table["note"][8].as_py() == "there is no mask of this picture"
    explanation = interp.explain(model, folder / "b.png", method="edges")
    measured = interp.metrics.measure(explanation, "relevance-mass", truth=Boxes([(0, 0, 20, 64)]))
    assert measured["relevance-mass"].chance == 0.25


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("left,top,right,bottom\n1,2,3,4\n", "boxes.csv has no column picture; it needs"),
        ("picture,x,y\na,1,2\n", "boxes.csv has no column left, top, right, bottom"),
        ("picture,left,top,right,bottom\na,1,2,3,4\na,5,2,3,4\n", "line 3 of boxes.csv has no box"),
        ("picture,left,top,right,bottom\na,1,2,3\n", "line 2 of boxes.csv has no box"),
        ("picture,left,top,right,bottom\na,1,2,nan,4\n", "line 2 of boxes.csv has no box"),
        (b"\xff\xfe\x00", "the boxes boxes.csv cannot be read: it is no table of text"),
        (None, "the boxes boxes.csv cannot be read: there is no such file"),
    ],
)
def test_a_table_that_has_no_boxes_is_refused(tmp_path, text, sentence):
    path = tmp_path / "boxes.csv"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(MetricError, match=re.escape(sentence)):
        read_boxes(path)


def test_a_box_is_four_numbers_from_the_smaller_to_the_larger():
    assert Boxes([(1, 2, 3, 4)]).mask((4, 5)).tolist() == [[0] * 4] * 2 + [[0, 1, 1, 0]] * 2 + [[0] * 4]
    for wrong in ((3, 2, 1, 4), (1, 2, 3), (1, 2, float("inf"), 4)):
        with pytest.raises(MetricError, match="the box"):
            Boxes([wrong])


def test_masks_of_a_segmentation_are_label_maps(folder, tmp_path):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.ReLU(), nn.Conv2d(5, 3, 1)).eval()
    model = model_of(net, size=(16, 20), task="segmentation")
    labels = np.zeros((16, 20), np.uint8)
    labels[:4] = 1
    target = interp.targets.where_predicted(1)
    made = evaluate(
        model, folder, ["edges"], ["relevance-mass"], truth=dict.fromkeys("abcd", labels), target=target
    )
    assert set(made.table["chance"].to_pylist()) == {0.25}
    asked = [plan(model, folder, ["edges"], ["sparseness"], target=target) for target in ("1", "1", "2")]
    assert [each.about["target"] for each in asked] == ["1", "1", "2"]
    assert asked[0].about["key"] == asked[1].about["key"] != asked[2].about["key"]
    usual = plan(model, folder, truth=dict.fromkeys("abcd", labels))
    names = [metric.name for metric in usual.metrics]
    assert "relevance-mass" in names
    assert "random-class" not in names


@pytest.mark.parametrize(
    ("asked", "error", "sentence"),
    [
        (
            {"metrics": ["relevance-mass"]},
            MetricError,
            "needs to know where the target really is: give a folder",
        ),
        ({"metrics": []}, MetricError, "there is no metric to judge by"),
        ({"methods": []}, MetricError, "there is no method to evaluate"),
        ({"metrics": ["delition"]}, MetricError, "did you mean deletion"),
        ({"methods": ["grad-cma"]}, ValueError, "grad-cam"),
        ({"layer": "layer9"}, ValueError, "there is no layer"),
        ({"target": "z"}, LabelError, "z"),
        ({"count": 0}, MetricError, "count=0: give 1 or more"),
        ({"truth": "nowhere"}, MetricError, "the folder of masks nowhere is not there"),
    ],
)
def test_what_does_not_fit_is_refused_before_the_first_picture(model, folder, asked, error, sentence):
    with pytest.raises(error, match=re.escape(sentence)):
        evaluate(model, folder, **{"methods": METHODS, "metrics": METRICS, **asked})


def test_lists_without_pictures_and_folders_without_masks_are_refused(model, folder, tmp_path):
    with pytest.raises(MetricError, match="there is no picture"):
        evaluate(model, [], METHODS, METRICS)
    with pytest.raises(MetricError, match="two pictures have one name"):
        evaluate(model, [folder / "a.png"] * 2, METHODS, METRICS)
    (tmp_path / "empty").mkdir()
    with pytest.raises(MetricError, match="has no mask"):
        evaluate(model, folder, METHODS, METRICS, truth=tmp_path / "empty")
    with pytest.raises(ValueError, match="is not there"):
        evaluate(model, tmp_path / "nowhere", METHODS, METRICS)


def test_the_page_is_one_file_that_asks_nothing_from_outside(model, tmp_path):
    (tmp_path / "pictures").mkdir()
    folder = save_noise(tmp_path / "pictures", "ab")
    (folder / "<img src=x onerror=alert(1)>.png").write_text("not a picture")
    made = evaluate(model, folder, METHODS, METRICS, out=tmp_path / "out")
    text = (made.folder / "index.html").read_text()
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", text)
    assert "default-src 'none'" in text
    assert "<img src=x" not in text
    assert "grad-cam" in text
    assert made.summary().answer in text
    about = json.loads((made.folder / "evaluation.json").read_text())
    assert about["methods"] == METHODS
    assert about["model"]["weights_sha256"] == model.weights_hash()
    assert list(about["failed"]) == ["<img src=x onerror=alert(1)>.png"]
    lines = (made.folder / "summary.csv").read_text().splitlines()
    assert len(lines) == 1 + 3 + 9
    assert lines[0].startswith("method,metric,better,mean,low,high,pictures,missing")
    with Image.open(made.folder / "summary.png") as figure:
        assert min(figure.size) > 300


def test_a_written_table_is_an_evaluation(model, folder, tmp_path):
    made = evaluate(model, folder, METHODS, METRICS, out=tmp_path / "out")
    about = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    read = Evaluation(pq.read_table(tmp_path / "out" / "evaluation.parquet"), about)
    assert read.summary().csv() == made.summary().csv() == (tmp_path / "out" / "summary.csv").read_text()
