"""The page Segmentation: what it asks is what the API answers; the U; what it says of other networks."""

from __future__ import annotations

import html
import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from command import interp as command
from command import save_classifier, save_noise, save_segmenter
from explorer_app import checked, forget, opened, words
from PIL import Image

import interp
from interp import targets
from interp.explorer.networks import network_of
from interp.explorer.page import Sight
from interp.explorer.pages import segmentation, segmentation_evidence
from interp.explorer.pages.segmentation_asked import question
from interp.explorer.pages.segmentation_evidence import context_share
from interp.explorer.pages.segmentation_views import classes_over
from interp.explorer.parts import Picked
from interp.explorer.pictures import opened_sample
from interp.explorer.settings import PICTURES, RUNS
from interp.explorer.words import plain
from interp.features import UNet, levels_of
from interp.methods import get, methods
from interp.views import class_colours


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with runs of a segmentation and pictures of noise."""
    folder = tmp_path_factory.mktemp("explorer")
    (folder / "pictures").mkdir()
    save_noise(folder / "pictures", "ab")
    save_segmenter(folder / "runs" / "street")
    return folder


@pytest.fixture(autouse=True)
def _settings(place, monkeypatch):
    monkeypatch.setenv(RUNS, str(place / "runs"))
    monkeypatch.setenv(PICTURES, str(place / "pictures"))


@pytest.fixture
def street(place):
    return str(place / "runs" / "street")


def page_of(street, **query):
    return opened("segmentation", model=street, **query)


def linked(page):
    """Return the parameters of the page's link."""
    return {key: value if isinstance(value, str) else value[0] for key, value in page.query_params.items()}


def captions(page):
    return "\n".join(each.value for each in page.caption)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "said"), [("en", "Click a pixel or drag a box"), ("zh", "点击一个像素或拖出一个框")]
)
@pytest.mark.parametrize("picture", ["a.png", "b.png"])
def test_it_opens_for_every_picture_in_both_languages(street, language, said, picture):
    page = page_of(street, lang=language, picture=picture)
    assert said in words(page)
    assert picture in words(page)


def test_without_a_place_the_largest_region_is_asked_as_in_the_api(street, place):
    page = page_of(street)
    found = interp.explain(street, place / "pictures" / "a.png")
    name = found.target.name.split(",")[0]
    model = found.model
    output = model.logits(model.prepare([found.picture]))
    share = model.probabilities(output)[0, found.target.index][found.target.region].mean()
    assert f"Where it predicts {name}, the network gives it {100 * share:.1f} % on average." in words(page)
    assert plain(found.caption) in captions(page)


@pytest.mark.slow
def test_a_pixel_is_answered_with_the_numbers_of_the_api(street, place):
    page = page_of(
        street, **{"place": "0.5,0.25", "class": "car", "method": "hires-cam", "layer": "layers.5"}
    )
    found = interp.explain(
        street, place / "pictures" / "a.png", targets.pixel(0.50625, 0.257812, "car"), "hires-cam", "layers.5"
    )
    model = found.model
    probabilities = model.probabilities(model.logits(model.prepare([found.picture])))[0]
    row, column = found.target.region.nonzero()[0].tolist()
    assert f"At this pixel the network gives car {100 * probabilities[2, row, column]:.1f} %." in words(page)
    there = int(probabilities[:, row, column].argmax())
    assert (f"It predicts {model.labels[there]} there." in words(page)) == (there != 2)


@pytest.mark.parametrize("fit", ["squish", "crop", "pad"])
def test_classes_are_drawn_where_the_network_saw_them(fit):
    picture = Image.new("RGB", (12, 8))
    box = interp.Preprocess((4, 4), (0.5,), (0.5,), fit=fit).box(picture.size)
    output = np.zeros((2, 4, 4))
    output[1, :, 2:] = 1  # the right half
    drawn = np.asarray(classes_over(picture, box, output)).astype(int)
    first, second = class_colours(2).astype(int)
    wanted = np.empty((8, 12, 3), int)
    wanted[:, :6], wanted[:, 6:] = first, second
    if fit == "crop":
        wanted[:, :2] = wanted[:, 10:] = 0
    np.testing.assert_array_equal(drawn, wanted)


@pytest.mark.slow
def test_a_box_asks_for_the_class_predicted_there_most(street, place):
    page = page_of(street, place="0.25,0.25,0.75,1.0")
    found = interp.explain(street, place / "pictures" / "a.png", targets.box(0.25, 0.25, 0.75, 1.0))
    name = found.target.name.split(" in the box")[0]
    assert f"In this box the network gives {name}" in words(page)
    assert "interp.targets.box(0.25, 0.25, 0.75, 1.0)" in page.code[0].value
    outside = context_share(found.values, found.target.region.numpy())
    assert 0.005 < outside < 0.995
    assert f"{100 * outside:.0f} % of the positive evidence lies outside the region." in words(page)
    area = 1 - found.target.region.float().mean()
    assert f"Of the area, {100 * area:.0f} % does." in words(page)


def test_context_share_counts_cells_by_their_area():
    region = np.zeros((4, 4), bool)
    region[:2, :2] = True
    assert context_share(np.float32([[2.0, 1.0], [1.0, -5.0]]), region) == pytest.approx(0.5)
    assert context_share(np.float32([[-1.0]]), region) is None
    assert context_share(np.float32([[7.0]]), region) == pytest.approx(0.75)
    # Three columns over four: the middles of the positions decide, 0 | 1 | 1 | 2.
    assert context_share(np.float32([[1.0, 2.0, 3.0]]), region) == pytest.approx(1 - 6 / 32)


@pytest.mark.slow
def test_a_press_on_the_legend_asks_where_the_class_is_predicted(street):
    page = page_of(street, place="0.5,0.5")
    assert "At this pixel" in words(page)
    page.session_state["class"] = "sky"
    page.session_state["place"] = None
    checked(page.run())
    assert "Where it predicts sky" in words(page)
    assert "interp.targets.where_predicted('sky')" in page.code[0].value
    assert "--region predicted --class sky" in page.code[1].value


@pytest.mark.slow
@pytest.mark.parametrize(
    "query",
    [
        {},
        {"class": "road", "opacity": "0.4"},
        {"place": "0.4,0.6", "layer": "layers.5"},
        {"place": "0.1,0.1,0.9,0.5", "class": "car", "method": "layer-cam", "threshold": "0.3"},
    ],
)
def test_python_and_command_make_the_same_picture(street, tmp_path, monkeypatch, query):
    page = page_of(street, **query)
    python, line = page.code[0].value, page.code[1].value
    monkeypatch.chdir(tmp_path)
    exec(python, {})
    done = command(*shlex.split(line)[1:])
    assert done.returncode == 0, done.stderr
    assert Path("a.png").read_bytes() == Path("explanations/a.png").read_bytes()


@pytest.mark.slow
def test_the_map_of_the_page_is_that_of_its_python(street, place):
    page = page_of(street, place="0.4,0.6", **{"class": "car"})
    sample = opened_sample(str(place / "pictures" / "a.png"))
    asked = question(Sight(sample, network_of(street)), Picked.read("0.4,0.6"), "car")
    assert asked.python in page.code[0].value
    own = interp.explain(street, place / "pictures" / "a.png", asked.query)
    again = interp.explain(street, place / "pictures" / "a.png", eval(asked.python))
    assert own.target.name == again.target.name
    np.testing.assert_array_equal(own.values, again.values)


def test_a_link_opens_the_same_view(street):
    page = page_of(
        street, place="0.4,0.6", **{"class": "car", "segmentation_view": "three", "u_shows": "map"}
    )
    again = opened("segmentation", **linked(page))
    assert [each.value for each in again.code] == [each.value for each in page.code]
    assert "At this pixel the network gives car" in words(again)


def test_every_level_is_on_offer_and_the_bottleneck_comes_first(street):
    page = page_of(street)
    found = levels_of(interp.load(street))
    slider = page.select_slider(key="layer")
    assert slider.value == found.bottleneck
    # Nothing of a name is markup.
    assert [option.split(" · ")[1] for option in slider.options] == [plain(name) for name in found.layers]
    slider.set_value(found.layers[-1])
    checked(page.run())
    assert f"layer='{found.layers[-1]}'" in page.code[0].value
    assert plain(f"Decoder 1 48×64 · {found.layers[-1]}") in slider.options


@pytest.mark.slow
@pytest.mark.parametrize("method", [m.name for m in methods() if "segmentation" in m.tasks])
def test_every_method_answers_or_says_why_not(street, method):
    page = opened("segmentation", check=False, model=street, method=method, place="0.5,0.5")
    assert not page.exception
    if page.error:
        said = page.error[0].value.replace("\\", "")
        # What the network lacks, or which option does not go with this layer.
        assert said.startswith((f"{get(method).title} needs ", f"{method}("))
    else:
        assert page.code or page.button(key="begin-segmentation")


@pytest.mark.slow
@pytest.mark.parametrize("shows", ["activation", "map"])
def test_the_u_is_drawn_with_activations_or_with_the_map(street, shows):
    page = page_of(street, u_shows=shows)
    assert "The U with pictures in it" in words(page)
    page.toggle(key="u_over").set_value(True)
    checked(page.run())


@pytest.fixture
def seen(monkeypatch):
    """The titles that the viewer was last given, and what they say of the maps."""
    last: list[str] = []

    def look(key, rows, **_named):
        last[:] = [text for row in rows for cell in row for text in (cell.title, cell.alt)]

    monkeypatch.setattr(segmentation, "viewer", look)
    return last


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "（预测为它的区域）"),
        ({"place": "0.5,0.5"}, "，位置 (0.51, 0.51)"),
        ({"place": "0.2,0.3,0.5,0.5"}, "，方框 (0.20, 0.30) – (0.50, 0.50)"),
    ],
)
def test_what_a_map_is_about_is_said_in_chinese(street, seen, asked, said):
    page = page_of(street, lang="zh", u_shows="map", **asked)
    assert any(said in text for text in seen)
    assert not any("predicted" in text or "in the box" in text for text in seen)
    assert said in html.unescape("".join(each.value for each in page.get("html")))  # the strip on top


@pytest.mark.slow
@pytest.mark.parametrize("shows", ["activation", "map"])
def test_the_u_has_english_words_on_an_english_page_only(street, monkeypatch, shows):
    drawn = []
    figure = UNet.figure

    def draws(u, **named):
        drawn.append(named["words"])
        return figure(u, **named)

    monkeypatch.setattr(UNet, "figure", draws)
    forget()
    page = page_of(street, u_shows=shows, lang="zh")
    assert drawn == [False]
    assert any("每张图各用自己的色标" in each.value for each in page.caption)
    page_of(street, u_shows=shows)
    assert drawn[1:] == [True]


@pytest.mark.parametrize(
    ("outside", "said"), [(0.996, "> 99 %"), (0.004, "< 1 %"), (1.0, "100 %"), (0.0, "0 %"), (0.5, "50 %")]
)
def test_nearly_all_evidence_is_not_called_all(street, monkeypatch, outside, said):
    monkeypatch.setattr(segmentation_evidence, "context_share", lambda *_: outside)
    page = "".join(each.value for each in page_of(street, place="0.5,0.5").get("html"))
    assert f"<br>{html.escape(said)} of the positive evidence" in page


@pytest.mark.slow
def test_another_picture_forgets_the_place(street):
    page = page_of(street, place="0.5,0.5")
    page.selectbox(key="picture").set_value("b.png")
    checked(page.run())
    assert page.session_state["place"] is None
    assert "At this pixel" not in words(page)


@pytest.mark.slow
def test_a_class_that_is_nowhere_is_a_sentence_and_may_be_asked_at_a_place(street, tmp_path, monkeypatch):
    model = interp.load(street)
    biases = [value for value in model.module.parameters() if value.shape == (3,)]
    biases[-1].data[2] = -1e4
    never = str(model.save(tmp_path / "never"))
    monkeypatch.setenv(RUNS, str(tmp_path))
    page = page_of(never, **{"class": "car"})
    assert "car is predicted nowhere in the picture" in page.info[0].value.replace("\\", "")
    assert "At this pixel the network gives car 0.0 %." in words(
        page_of(never, place="0.5,0.5", **{"class": "car"})
    )


@pytest.mark.parametrize("broken", ["x", "0.5", "2,2", "0.9,0.9,0.1,0.1", "nan,0"])
def test_a_broken_place_in_a_link_is_no_place(street, broken):
    assert "Where it predicts" in words(page_of(street, place=broken))


@pytest.mark.slow
def test_another_network_is_pointed_to_a_segmentation_and_opens_it(place, street):
    pets = str(save_classifier(place / "runs" / "pets"))
    forget()
    page = opened("segmentation", model=pets)
    assert "gives no class to single pixels" in page.info[0].value
    (button,) = [each for each in page.button if each.label == "Open street"]
    button.click()
    checked(page.run())
    assert page.session_state["model"] == street
    assert "Where it predicts" in words(page)


def test_without_a_segmentation_it_says_how_to_train_one(tmp_path, monkeypatch):
    monkeypatch.setenv(RUNS, str(tmp_path))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "model.json").write_text("[1")
    (tmp_path / "broken" / "model.safetensors").write_bytes(b"")
    pets = save_classifier(tmp_path / "pets")
    forget()
    page = opened("segmentation", model=str(pets))
    assert f"interp train segmentation FOLDER --out {tmp_path}/streets" in page.code[0].value


@pytest.mark.slow
def test_a_place_that_the_network_does_not_see_is_a_sentence(tmp_path, place, monkeypatch, street):
    about = Path(save_segmenter(tmp_path / "runs" / "crop")) / "model.json"
    said = json.loads(about.read_text())
    said["preprocess"]["fit"], said["preprocess"]["size"] = "crop", [48, 48]
    about.write_text(json.dumps(said))
    monkeypatch.setenv(RUNS, str(tmp_path / "runs"))
    forget()
    page = opened("segmentation", model=str(about.parent), place="0.01,0.5")
    assert "is outside what the network sees of the picture" in page.info[0].value.replace("\\", "")
    (button,) = [each for each in page.button if each.label == "Forget the place"]
    button.click()
    checked(page.run())
    assert "Where it predicts" in words(page)
