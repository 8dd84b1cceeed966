"""The page Segmentation: regions of every kind, the U and its skips, networks that make pictures."""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from command import interp as command
from command import save_noise, save_segmenter
from explorer_app import checked, forget, opened, words
from PIL import Image

import interp
from interp import targets
from interp.explorer.networks import network_of
from interp.explorer.page import Sight
from interp.explorer.pages.segmentation_asked import question
from interp.explorer.pages.segmentation_pictures import output_in_frame
from interp.explorer.pages.segmentation_regions import Region, on_offer
from interp.explorer.pages.segmentation_skips import LOST, change
from interp.explorer.pages.segmentation_truth import beside, truth_of
from interp.explorer.pages.segmentation_views import outlined
from interp.explorer.parts import Picked
from interp.explorer.pictures import opened_sample
from interp.explorer.settings import PICTURES, RUNS
from interp.features import FeatureError, skips_of
from interp.models import save_folder
from interp.models.architecture import of_network
from interp.models.networks import UNetNetwork

SIZE = (48, 64)


def save_sharper(folder: Path) -> Path:
    """Save a small U-Net with random weights that makes a picture of a picture."""
    torch.manual_seed(1)
    network = UNetNetwork("timm:test_resnet", 3, *SIZE)
    module = network.build().train()
    with torch.no_grad():
        module(torch.randn(4, 3, *SIZE))
    model = interp.load(
        module.eval(),
        preprocess=interp.Preprocess(SIZE, (0.5,) * 3, (0.5,) * 3, fit="squish"),
        architecture=of_network(network),
        task="image",
        name="sharper",
    )
    return save_folder(model, folder)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Runs, pictures of noise, and what is true of them beside them: a third of the picture each class."""
    folder = tmp_path_factory.mktemp("regions")
    (folder / "pictures").mkdir()
    (folder / "picturesannot").mkdir()
    save_noise(folder / "pictures", "ab")
    thirds = np.repeat(np.arange(3, dtype=np.uint8), (24, 20, 20))[:, None].repeat(80, axis=1)
    Image.fromarray(thirds).save(folder / "picturesannot" / "a.png")
    save_segmenter(folder / "runs" / "street")
    save_sharper(folder / "runs" / "sharper")
    return folder


@pytest.fixture(autouse=True)
def _settings(place, monkeypatch):
    monkeypatch.setenv(RUNS, str(place / "runs"))
    monkeypatch.setenv(PICTURES, str(place / "pictures"))


@pytest.fixture
def street(place):
    return str(place / "runs" / "street")


def page_of(model, **query):
    return opened("segmentation", model=model, **{key.rstrip("_"): value for key, value in query.items()})


def linked(page):
    """Return the parameters of the page's link."""
    given = page.query_params
    return {key: value if isinstance(value, str) else value[0] for key, value in given.items()}


def offered(page):
    """Return the regions that the page offers."""
    control = page.button_group(key="region")
    return control.options


def here(street, place):
    """Return a place where the network is sure of the largest class, as a link says it."""
    model = interp.load(street)
    classes = model.logits(model.prepare([Image.open(place / "pictures" / "a.png")]))[0].argmax(0)
    row, column = (classes == classes.flatten().mode().values).nonzero()[200].tolist()
    return f"{(column + 0.5) / SIZE[1]:.4f},{(row + 0.5) / SIZE[0]:.4f}"


ASKED = [
    {"region": "component"},
    {"region": "missed", "class_": "car", "method": "hires-cam"},
    {"region": "invented", "layer": "layers.5", "border": "outer", "border_px": "5"},
    {"region": "truth", "class_": "sky", "border": "inner", "opacity": "0.4"},
]


@pytest.mark.slow
@pytest.mark.parametrize("query", ASKED, ids=lambda query: "-".join(query.values()))
def test_every_region_is_the_same_as_python_as_command_and_as_link(
    street, place, tmp_path, monkeypatch, query
):
    if query.get("region") == "component":
        query = query | {"place": here(street, place)}
    page = page_of(street, **query)
    monkeypatch.chdir(tmp_path)
    made = {}
    exec(page.code[0].value, made)
    assert f"Asked about <b>{made['explanation'].target.name}</b>" in words(page)
    done = command(*shlex.split(page.code[1].value)[1:])
    assert done.returncode == 0, done.stderr
    assert Path("a.png").read_bytes() == Path("explanations/a.png").read_bytes()
    again = opened("segmentation", **linked(page))
    assert [each.value for each in again.code] == [each.value for each in page.code]


@pytest.mark.slow
def test_what_is_on_offer_depends_on_the_place_and_the_ground_truth(street, place):
    point, box = Picked(0.5, 0.5, 0.5, 0.5), Picked(0.1, 0.1, 0.5, 0.5)
    assert on_offer(None, None) == ["predicted"]
    assert on_offer(point, None) == ["place", "component", "predicted"]
    assert on_offer(box, None) == ["place", "predicted"]
    known = truth_of(opened_sample(place / "pictures" / "a.png"))
    assert on_offer(None, known) == ["predicted", "truth", "missed", "invented"]
    assert offered(page_of(street)) == ["Where predicted", "Where true", "Missed", "Invented"]


@pytest.mark.slow
def test_a_link_to_what_is_not_there_asks_the_usual(street):
    page = page_of(street, picture="b.png", border="inner", border_px="0", region="truth")
    assert "border(interp.targets.where_predicted(), 'inner', 3)" in page.code[0].value


@pytest.mark.slow
def test_a_mask_of_ones_own_is_the_ground_truth_of_its_picture_alone(street, place, tmp_path):
    sample = opened_sample(place / "pictures" / "b.png")
    page = page_of(street, picture="b.png")
    buffer = io.BytesIO()
    Image.fromarray(np.full((64, 80), 2, np.uint8)).save(buffer, "PNG")
    page.session_state[f"_truth-{sample.digest[:16]}"] = ("mine.png", buffer.getvalue())
    page.session_state["class"] = "car"
    checked(page.run())
    page.button_group(key="region").set_value("truth")
    checked(page.run())
    assert "where_true('car', 'mine.png')" in page.code[0].value
    assert "In this region of 3,072 positions" in words(page)
    page.selectbox(key="picture").set_value("a.png")
    checked(page.run())
    assert "mine.png" not in words(page)
    page.session_state[f"_truth-{sample.digest[:16]}"] = ("mine.png", b"no mask")
    page.selectbox(key="picture").set_value("b.png")
    checked(page.run())
    assert "seems to be text" in page.warning[0].value.replace("\\", "")


def test_masks_are_found_where_data_sets_have_them(tmp_path):
    for folder, masks, name in (
        ("images", "labels", "a_P.png"),
        ("images", "masks", "b.png"),
        ("val", "valannot", "a.png"),
        ("JPEGImages", "SegmentationClass", "a.png"),
    ):
        found = tmp_path / masks / name
        found.parent.mkdir(exist_ok=True)
        found.touch()
        assert beside(tmp_path / folder / f"{name[0]}.jpg") == found
    assert beside(tmp_path / "val" / "c.jpg") is None


def test_the_class_at_a_place_is_meant_where_the_place_is_no_part_of_the_question(street, place):
    sight = Sight(opened_sample(place / "pictures" / "a.png"), network_of(street))
    x, y = map(float, here(street, place).split(","))
    picked, truth = Picked(x, y, x, y), truth_of(sight.picture)
    at_it = interp.explain(street, sight.picture.picture, targets.pixel(x, y)).target.index
    for kind in ("predicted", "truth"):
        asked = question(sight, picked, None, Region(kind, truth=truth))
        assert asked.wanted == ("sky", "road", "car")[at_it]
        assert asked.place is None


def test_an_outline_goes_around_the_region_where_the_network_saw_it():
    region = np.zeros((2, 4), bool)
    region[:, 1:3] = True
    drawn = np.asarray(outlined((40, 20), interp.images.Box(0.0, 0.0, 40.0, 20.0), region))
    white, black = (
        (drawn[..., 0] == 255) & (drawn[..., 1] == 255),
        (drawn[..., 0] == 0) & (drawn[..., 1] == 255),
    )
    inside = np.zeros((20, 40), bool)
    inside[:, 10:30] = True
    assert (white <= inside).all()
    assert white[:2, 10:30].all()
    assert white[:, 10:12].all()
    assert not white[2:-2, 12:-12].any()
    assert black[:, 9].all()


@pytest.mark.slow
def test_the_table_says_what_skips_of_says(street, place):
    page = page_of(street, class_="road", u_ablate="zero")
    assert "Look into the skips" in [button.label for button in page.button]
    page.button(key="begin-unet").click()
    checked(page.run())
    asked = targets.where_predicted("road")
    found = skips_of(interp.load(street), place / "pictures" / "a.png", asked, ablate=["zero"])
    (table,) = [each.value for each in page.get("html") if "interp-table" in each.value]
    cells = re.findall("<td>(.*?)</td>", table)
    wanted = [
        [f"{row.size[0]}×{row.size[1]}", f"{100 * row.share:.0f} %", change(row, "zero", found.score)]
        for row in found.rows
    ]
    assert cells == [cell for row in wanted for cell in row]


@pytest.mark.slow
@pytest.mark.parametrize(
    "query",
    [
        {"u_shows": "map", "u_over": "True", "method": "hires-cam", "colours": "viridis"},
        {"u_ablate": "mean", "u_truth": "True", "region": "truth", "class_": "road"},
    ],
)
def test_the_u_as_python_and_as_command_is_the_u_of_the_page(street, tmp_path, monkeypatch, query):
    page = page_of(street, **query)
    if "u_ablate" in query:
        page.button(key="begin-unet").click()
        checked(page.run())
        assert "With everything in its place: IoU" in words(page).replace("\\", "")
    made = [each.value for each in page.code if "unet" in each.value]
    monkeypatch.chdir(tmp_path)
    exec(made[0], {})
    python = Path("a_u.png").read_bytes()
    done = command(*shlex.split(made[1])[1:])
    assert done.returncode == 0, done.stderr
    assert Path("a_u.png").read_bytes() == python


@pytest.mark.slow
def test_a_slow_method_is_asked_at_one_level(street):
    method = "ablation-cam"
    page = page_of(street, method=method, u_shows="map", layer="layers.5")
    assert page.select_slider(key="layer").value == "layers.5"
    assert {"begin-segmentation", "begin-unet"} <= {button.key for button in page.button}
    page.button(key="begin-segmentation").click()
    checked(page.run())
    assert f"method='{method}', layer='layers.5'" in page.code[0].value
    assert page.button(key="begin-unet")  # the other levels are asked when somebody wants them in the U


def test_all_that_replaces_a_skip_has_a_name(street):
    skips_of(interp.load(street), Image.new("RGB", (8, 8)), ablate=list(LOST))
    with pytest.raises(FeatureError, match=f"give some of {', '.join(LOST)}"):
        skips_of(interp.load(street), Image.new("RGB", (8, 8)), ablate=["none"])


@pytest.fixture
def sharper(place):
    return str(place / "runs" / "sharper")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({}, "detail of the output"),
        ({"place": "0.5,0.5"}, "value of the output at (0.51, 0.51)"),
        ({"place": "0.25,0.25,0.75,0.5", "patch": "gradient_energy"}, "sharpness of the output in the box"),
        ({"patch": "beyond_bicubic", "lang": "zh"}, "输出中超出双三次插值的部分"),
    ],
)
def test_a_network_that_makes_pictures_is_asked_about_a_patch(sharper, tmp_path, monkeypatch, query, said):
    page = page_of(sharper, **query)
    assert said in words(page)
    monkeypatch.chdir(tmp_path)
    codes = [each.value for each in page.code if each.language in ("python", "bash")]
    for python, line in (codes[:2], codes[2:]):
        exec(python, {})
        (made,) = tmp_path.rglob("*.png")
        wanted = made.read_bytes()
        made.unlink()
        done = command(*shlex.split(line)[1:])
        assert done.returncode == 0, done.stderr
        (made,) = tmp_path.rglob("*.png")
        assert made.read_bytes() == wanted
        made.unlink()
    page_again = opened("segmentation", **linked(page))
    assert [each.value for each in page_again.code] == [each.value for each in page.code]


def test_the_picture_that_is_made_lies_where_the_network_saw(sharper, place):
    picture = opened_sample(place / "pictures" / "a.png")
    network = network_of(sharper)
    made = np.asarray(output_in_frame(network, picture, (100, 48), interp.images.Box(18.0, 0.0, 82.0, 48.0)))
    output = network.model.logits(network.model.prepare([picture.picture]))
    wanted = network.model.preprocess.inverse(output)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(made[:, 18:82] / 255, wanted, atol=0.003)
    assert (made[:, :18] == 216).all()


@pytest.fixture
def _fresh():
    """Nothing is known from before, and nothing stays."""
    forget()
    yield
    forget()


@pytest.mark.usefixtures("_fresh")
def test_without_a_way_up_there_is_a_sentence_and_no_u(tmp_path, monkeypatch):
    monkeypatch.setenv(RUNS, str(tmp_path))
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(4, 3, 1)
    )
    plain = interp.load(module, preprocess=interp.Preprocess((16, 16), (0.5,) * 3, (0.5,) * 3), task="image")
    monkeypatch.setattr("interp.explorer.networks.load", lambda _name: plain)
    page = opened("segmentation", check=False, model=interp.models.DEFAULT_MODEL)
    assert not page.exception
    assert any("no way up" in each.value for each in page.error)
    chinese = opened("segmentation", check=False, model=interp.models.DEFAULT_MODEL, lang="zh")
    assert any("没有上采样路径" in each.value for each in chinese.error)
