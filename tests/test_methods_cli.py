"""`interp methods`, and methods with options and maps on the input on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pixel_methods
import pytest
from command import interp as command
from rich.console import Console

import interp
from interp.cli.models import _method_table
from interp.methods import methods

CAT = Path(__file__).parents[1] / "sample_images" / "cat.jpg"


@pytest.fixture(scope="module", autouse=True)
def _methods():
    with pixel_methods.registered():
        yield


@pytest.mark.parametrize("width", [80, 120])
def test_every_method_has_its_name_whole_under_its_family(width):
    console = Console(width=width)
    with console.capture() as captured:
        console.print(_method_table(methods(), papers=False))
    lines = captured.get().splitlines()
    assert max(map(len, lines)) <= width
    words = [line.split() for line in lines if line.strip()]
    by_family = sorted(methods(), key=lambda m: [each.family for each in methods()].index(m.family))
    named = [first[0] for first in words if len(first) > 3 and first[0] in {m.name for m in methods()}]
    assert named == [method.name for method in by_family]
    assert {method.family for method in methods()} <= {" ".join(first) for first in words}


def test_json_has_what_programs_need():
    listed = {each["name"]: each for each in json.loads(command("methods", "--json").stdout)}
    assert set(listed) == {method.name for method in methods()}
    masks = listed["test-masks"]
    assert {"family", "paper", "passes", "signed", "tasks"} <= set(masks)
    assert masks["options"] == {"masks": 100, "soft": True, "level": 0.5, "kind": "zero"}
    assert (masks["passes"], masks["place"], masks["signed"]) == (100, "input", False)


def test_methods_are_found_by_a_word():
    found = json.loads(command("methods", "test-ma", "--json").stdout)
    assert [each["name"] for each in found] == ["test-masks"]


def test_papers_stand_where_formulas_stood():
    shown = command("methods", "grad-cam", "--papers").stdout
    assert "ICCV 2017" in shown
    assert "relu(" not in shown


def test_methods_with_options_are_explained_with_a_bar_and_plain_names(tmp_path):
    method = "test-masks(masks=9, soft=False)"
    done = command(
        "explain", CAT, "--method", method, "--method", "grad-cam", "--save", "npz", "-o", tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "cat.tiger-cat.bn2.grad-cam.npz",
        "cat.tiger-cat.input.test-masks-masks-9-soft-False.npz",
    ]
    assert "input · 224×224" in done.stdout


@pytest.mark.slow
def test_saved_map_on_the_input_is_made_again(tmp_path):
    method = "test-masks(level=0.25)"
    assert command("explain", CAT, "--method", method, "--save", "json", "-o", tmp_path).returncode == 0
    again = interp.remake(tmp_path / "cat.json")
    assert (again.method.name, again.layer) == (method, "input")


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("test-masks(masks=0)", "test-masks(masks=0): give 1 or more."),
        ("test-masks(mask=3)", "did you mean masks?"),
        ("test-masks(", "there is no method"),
    ],
)
def test_wrong_options_are_a_sentence(tmp_path, method, said):
    done = command("explain", CAT, "--method", method, "-o", tmp_path)
    assert done.returncode == 2
    assert said in done.stderr


def test_interruption_is_a_sentence(tmp_path, monkeypatch):
    def interrupted(*_args, **_named):
        raise KeyboardInterrupt

    monkeypatch.setattr("interp.explaining.attribute", interrupted)
    done = command("explain", CAT, "--method", "test-masks", "-o", tmp_path)
    assert done.returncode == 130
    assert "interrupted; the pictures before this one are saved" in done.stderr


def test_report_of_a_method_with_options(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "cat.jpg").write_bytes(CAT.read_bytes())
    method = "test-masks(masks=9)"
    done = command("report", tmp_path / "in", "--method", method, "--top", 1, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "report.json").read_text())["method"] == method
