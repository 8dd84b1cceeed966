"""The page *Inside*: channels, stages, one channel, receptive fields, filters, a kernel by hand."""

import csv
import io
import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from command import interp as command
from command import save_segmenter
from explorer_app import checked, opened, words
from PIL import Image
from streamlit.testing.v1 import AppTest

import interp
from interp.explorer.networks import network_of
from interp.explorer.pages import inside as page
from interp.explorer.pages import (
    inside_field,
    inside_field_drawn,
    inside_filters,
    inside_kernel,
    inside_maps,
    inside_one,
)
from interp.explorer.parts import Picked
from interp.explorer.pictures import opened_sample, sample_pictures
from interp.features import (
    activation_of,
    apply_kernel,
    channel_report,
    class_activation_of,
    first_filters,
    receptive_fields,
    strip_of,
    top_examples,
)
from interp.images import Box

CAT = "sample_images/cat.jpg"
LAYER = "blocks.2"


@pytest.fixture(scope="module")
def model():
    return interp.load("efficientnet_lite0")


@pytest.fixture(scope="module")
def activation(model):
    return activation_of(model, CAT, LAYER)


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    folder = tmp_path_factory.mktemp("few")
    for name in ("cat.jpg", "coffee.jpg", "rocket.jpg"):
        shutil.copy(f"sample_images/{name}", folder)
    return folder


@pytest.fixture
def three(few, monkeypatch):
    """Three pictures instead of the samples."""
    monkeypatch.setenv("INTERP_APP_PICTURES", str(few))
    return few


@pytest.fixture
def unet(tmp_path, monkeypatch):
    folder = save_segmenter(tmp_path / "roads")
    monkeypatch.setenv("INTERP_APP_MODELS", str(folder))
    return str(folder)


def code(app: AppTest, kind: str) -> str:
    return next(each.value for each in app.code if each.language == kind)


def options(app: AppTest) -> list[str]:
    return app.segmented_control(key="inside").options


def press(app: AppTest, key: str) -> AppTest:
    return checked(app.button(key=key).click().run())


def data_of(app: AppTest, key: str) -> dict:
    """Return what the component called `key` was given."""
    for element in app.main:
        proto = getattr(element, "proto", None)
        if proto is not None and key in getattr(proto, "id", ""):
            return json.loads(proto.json)
    raise AssertionError(f"no component {key}")


@pytest.mark.parametrize("view", page.VIEWS)
def test_every_view_opens_in_both_languages(view):
    app = opened("inside", picture="cat.jpg", inside=view)
    english = words(app)
    chinese = words(opened("inside", picture="cat.jpg", inside=view, lang="zh"))
    assert page.VIEWS[view][0] in options(app)
    assert "内部" in chinese
    assert "Inside" not in chinese
    assert "What the layers of the network make" in english
    assert "Take it home" in english
    assert "带走结果" in chinese


def test_channels_are_those_of_the_package_in_its_order(activation):
    app = opened("inside", picture="cat.jpg")
    assert app.selectbox(key="inside_layer").value == LAYER
    assert app.number_input(key="inside_channel").value == activation.order()[0]
    assert app.number_input(key="inside_channel").max == 39
    assert "24 of 40 channels of 28×28 cells, the strongest first" in words(app)


def test_tiles_set_the_channel_and_another_layer_begins_anew(model):
    app = opened("inside", picture="cat.jpg", inside_channel="7")
    assert app.number_input(key="inside_channel").value == 7
    checked(app.selectbox(key="inside_layer").select("blocks.4").run())
    strongest = activation_of(model, CAT, "blocks.4").order()[0]
    assert app.number_input(key="inside_channel").value == strongest
    assert "inside_channel" not in app.query_params


def test_the_channel_is_shared_with_its_own_view():
    app = opened("inside", picture="cat.jpg", inside_channel="7")
    checked(app.segmented_control(key="inside").set_value("one").run())
    assert app.number_input(key="inside_channel").value == 7
    assert app.query_params["inside"] == "one"
    assert app.query_params["inside_channel"] == "7"


def test_channels_for_a_class(model):
    app = opened("inside", picture="cat.jpg", inside_order="class", inside_layer="bn2", **{"class": "tabby"})
    found = class_activation_of(model, CAT, "bn2", "tabby")
    assert app.number_input(key="inside_channel").value == found.order("class")[0]
    assert "Which channels say “tabby”?" in words(app)
    assert "--class tabby" in code(app, "bash")


def test_wrong_values_of_a_link_are_left_out():
    app = opened(
        "inside", inside="no", inside_layer="../x", inside_channel="999", inside_order="x", inside_top="7"
    )
    assert app.selectbox(key="inside_layer").value == LAYER
    assert app.segmented_control(key="inside").value == "channels"
    assert dict(app.query_params) == {}


def test_settings_of_channels_change_code_and_command():
    app = opened("inside", picture="cat.jpg")
    checked(app.selectbox(key="inside_top").select(12).run())
    checked(app.toggle(key="inside_shared").set_value(True).run())
    assert "found.figure('strength', 12, shared=True)" in code(app, "python")
    assert shlex.split(code(app, "bash")) == [
        *("interp", "features", CAT, "--shared", "--layer", LAYER, "--top", "12")
    ]
    checked(app.toggle(key="inside_grid").set_value(True).run())
    assert app.query_params["inside_grid"] == "True"


@pytest.mark.parametrize(
    "query",
    [
        {"inside": "channels", "inside_order": "class", "class": "tabby"},
        pytest.param(
            {"inside": "stages", "inside_average": "l2", "inside_over": "True"}, marks=pytest.mark.slow
        ),
        pytest.param({"inside": "filters"}, marks=pytest.mark.slow),
        {"inside": "kernel", "inside_numbers": "0 1 0; 1 -4 1; 0 1 0"},
        pytest.param({"inside": "field", "inside_place": "0.3,0.4"}, marks=pytest.mark.slow),
        pytest.param({"inside": "one", "inside_channel": "3"}, marks=pytest.mark.slow),
    ],
)
def test_the_python_and_the_command_of_a_view_run_and_draw_the_same(query, three, tmp_path, monkeypatch):
    app = opened("inside", picture="cat.jpg", **query)
    if query["inside"] == "one":
        press(app, "begin-inside-report")
    python, line = code(app, "python"), shlex.split(code(app, "bash"))
    monkeypatch.chdir(tmp_path)
    exec(python, {})
    drawn = next(tmp_path.glob("*.png"))
    done = command(*line[1:])
    assert done.returncode == 0, done.stderr
    pixels = np.asarray(Image.open(drawn))
    made = [np.asarray(Image.open(file)) for file in tmp_path.glob("*/**/*.png")]
    assert any(each.shape == pixels.shape and (each == pixels).all() for each in made)


def test_stages_are_those_of_the_package(model):
    app = opened("inside", picture="cat.jpg", inside="stages")
    for layer in strip_of(model, CAT).layers:
        assert layer in app_text(app, "inside-stages")


def app_text(app: AppTest, key: str) -> str:
    return str(data_of(app, key))


def test_filters_say_what_the_package_says(model):
    app = opened("inside", inside="filters", inside_filter="21")
    spectrum = first_filters(model).spectrum
    assert f"{float(spectrum.strength[21]):.3g}" in words(app)
    assert "conv_stem" in words(app)
    table = list(csv.reader(io.StringIO(inside_filters._table(first_filters(model)).decode())))
    assert table[0][0] == "filter"
    assert float(table[22][5]) == pytest.approx(float(spectrum.strength[21]))
    checked(app.segmented_control(key="inside_filters").set_value("colour").run())
    assert len(app.code) == 2  # the command knows the order of angles only
    assert "figure('colour')" in code(app, "python")


def test_a_kernel_is_drawn_around_grey(model):
    found = first_filters(model)
    drawn = np.asarray(inside_filters.kernel_picture(found, 21, 3)).astype(int) - 127.5
    limit = float(found.kernels.abs().max())
    assert drawn.transpose(2, 0, 1) == pytest.approx(127.5 * found.kernels[21].numpy() / limit, abs=0.51)


def test_kernel_presets_and_ones_own_numbers(model):
    app = opened("inside", picture="cat.jpg", inside="kernel", inside_preset="blur")
    assert "--kernel blur" in code(app, "bash")
    checked(app.selectbox(key="inside_preset").select("own").run())
    assert app.query_params["inside_numbers"] == "; ".join(["0.1111111 0.1111111 0.1111111"] * 3)
    checked(app.segmented_control(key="inside_side").set_value(5).run())
    assert app.query_params["inside_numbers"].count(";") == 4
    checked(app.selectbox(key="inside_preset").select("edges").run())
    assert "inside_numbers" not in app.query_params
    assert app.segmented_control(key="inside_side").value == 3


def test_numbers_of_a_link_are_applied():
    text = "0 0 0; 0 2 0; 0 0 0"
    app = opened("inside", picture="cat.jpg", inside="kernel", inside_numbers=text)
    assert app.selectbox(key="inside_preset").value == "own"
    small = interp.open_image(CAT)
    small.thumbnail((256, 256), Image.Resampling.LANCZOS)
    found = apply_kernel(small, text)
    assert f"{float(found.values.max()):.3g}" in words(app)
    assert (
        opened("inside", inside="kernel", inside_numbers="1 2; 3 x").selectbox(key="inside_preset").value
        == "sobel-x"
    )


def test_tables_are_written_read_sized_and_changed():
    table = np.arange(9.0).reshape(3, 3)
    assert (inside_kernel.read(inside_kernel.write(table)) == table).all()
    larger = inside_kernel.sized(table, 5)
    assert larger[0].sum() == 0
    assert (inside_kernel.sized(larger, 3) == table).all()
    changed = inside_kernel.changed(table, {0: {"1": 7.0}, 2: {"2": None}})
    assert changed.tolist() == [[0, 7, 2], [3, 4, 5], [6, 7, 0]]
    assert table[0, 1] == 1
    assert inside_kernel.read("1 2; 3 4") is None


@pytest.mark.slow
def test_a_channel_is_found_out_about_and_a_picture_is_made_for_it(model, three):
    app = opened("inside", picture="cat.jpg", inside="one", inside_channel="5", inside_steps="16")
    assert "Goes through 3 pictures" in words(app)
    press(app, "begin-inside-report")
    press(app, "begin-inside-made")
    pictures = interp.images.pictures_in(three, recursive=False)
    assert tuple(pictures) == sample_pictures(str(three))
    examples = top_examples(model, LAYER, pictures)
    report = channel_report(model, examples, 5, steps=16)
    assert f"{float(report.visualisation.values[0]):.3g} at the end" in words(app)
    names = ", ".join(example.file.name for example, _ in report.crops[:3])
    alts = [image.alt for each in app.get("image") for image in each.proto.imgs]
    assert len(alts) == 2
    assert any(f"driven most by {names}" in alt for alt in alts)
    assert f"--images {three}" in code(app, "bash")
    assert "interp channel 5 --no-recursive" in code(app, "bash")
    assert "--steps 16" in code(app, "bash")
    assert "channel_report(model, examples, 5, steps=16)" in code(app, "python")


@pytest.mark.slow
def test_another_channel_of_the_layer_needs_no_other_pass_over_the_pictures(three, monkeypatch):
    app = opened("inside", picture="cat.jpg", inside="one", inside_channel="6")
    press(app, "begin-inside-report")

    def again(*_: object, **__: object) -> None:
        raise AssertionError("the examples of all channels were kept")

    monkeypatch.setattr(inside_one, "top_examples", again)
    checked(app.number_input(key="inside_channel").set_value(9).run())
    press(app, "begin-inside-report")
    assert "visualised=False" in code(app, "python")
    assert "--steps 0" in code(app, "bash")


def test_a_folder_without_pictures_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(inside_one, "folder", lambda: tmp_path)
    app = opened("inside", inside="one")
    assert any("There are no pictures in" in info.value for info in app.info)


@pytest.mark.slow
def test_the_field_of_a_place_is_that_of_the_package(model):
    app = opened("inside", picture="cat.jpg", inside="field", inside_place="0.3,0.4")
    picture = interp.open_image(CAT)
    pixel = inside_field.pixel_of(Picked(0.3, 0.4, 0.3, 0.4), opened_sample(CAT))
    fields = receptive_fields(model, LAYER)
    field = fields.at(fields.position(pixel, picture.size))
    said = words(app)
    assert f"**{round(field.box.width)} × {round(field.box.height)}** of the network's" in said
    press(app, "begin-inside-unbounded")
    assert f"**{field.size[1]} × {field.size[0]}** pixels" in words(app)
    press(app, "begin-inside-grown")
    assert "blocks.0" in app_text(app, "inside-grown-tiles")
    assert app.query_params["inside_place"] == "0.3000,0.4000"


def test_a_place_that_the_network_does_not_see_is_said():
    app = opened("inside", picture="cat.jpg", inside="field", inside_place="0.001,0.001")
    assert any("does not see this part" in warning.value for warning in app.warning)
    assert opened("inside", inside="field", inside_place="0.99,x").warning.values == []


def test_a_place_that_the_network_does_not_see_has_no_code_that_would_fail():
    app = opened("inside", picture="cat.jpg", inside="field", inside_place="0.001,0.001")
    assert [each.language for each in app.code if each.language in ("python", "bash")] == []
    app = opened("inside", picture="cat.jpg", inside="field", inside_place="0.5,0.5")
    assert {"python", "bash"} <= {each.language for each in app.code}


@pytest.mark.parametrize("number_", ["1e308", "1e39", "-1e39", "inf", "nan"])
def test_numbers_that_no_kernel_holds_are_none(number_):
    text = f"0 0 0; 0 {number_} 0; 0 0 0"
    assert inside_kernel.read(text) is None
    app = opened("inside", picture="cat.jpg", inside="kernel", inside_numbers=text)
    assert app.selectbox(key="inside_preset").value == "sobel-x"


def test_the_largest_numbers_give_no_failure():
    app = opened("inside", picture="cat.jpg", inside="kernel", inside_numbers="3e38 " * 8 + "3e38")
    assert [error.value for error in app.error] == []


def test_the_dashed_line_and_the_tiles_stay_inside_the_picture(model):
    picture = Image.new("RGB", (90, 60), "white")
    before = np.asarray(picture).copy()
    field = receptive_fields(model, "blocks.4").at((0, 0), unbounded=False)
    tile = inside_field_drawn.reached(picture, field)
    assert tile.size == picture.size
    assert (np.asarray(picture) == before).all()
    inside_field_drawn.dashed(picture, Box(-20, 10, 200, 40))
    drawn = np.asarray(picture) != before
    assert drawn[10].any()
    assert not drawn[20:30, 10:80].any()


@pytest.mark.slow
def test_a_u_net_has_all_views(unet):
    app = opened("inside", model=unet, inside_order="class")
    assert "where it is predicted" in words(app)
    model = network_of(unet).model
    found = class_activation_of(
        model, "sample_images/cat_and_coffee.jpg", inside_maps.first_layer(network_of(unet))
    )
    assert app.number_input(key="inside_channel").value == found.order("class")[0]
    for view in ("stages", "one", "field", "filters"):
        checked(app.segmented_control(key="inside").set_value(view).run())
    line = shlex.split(code(app, "bash"))
    assert line[line.index("--model") + 1] == unet


def test_a_class_of_a_u_net_is_asked_where_it_is_predicted(unet):
    model = network_of(unet).model
    app = opened("inside", model=unet, inside_order="class")
    name = class_activation_of(model, "sample_images/cat_and_coffee.jpg").contributions.target.split(",")[0]
    checked(app.selectbox(key="inside_class").select(name).run())
    assert f"where_predicted({name!r})" in code(app, "python")
    assert all(each.language != "bash" for each in app.code)


def test_grid_reads_values_only_while_they_are_few():
    app = opened("inside", picture="cat.jpg", inside_grid="True")
    assert "too many cells" not in words(app)
    checked(app.selectbox(key="inside_layer").select("blocks.0").run())
    assert "too many cells" in words(app)


def test_tiles_and_cells_keep_the_shape_of_the_map():
    values = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]], np.float32)
    scale = inside_maps.telling(values, "positive")
    assert inside_maps.tile(values, scale, None, 90).size == (90, 60)
    cell = inside_maps.map_cell(Image.new("RGB", (60, 40)), values, scale, alt="a", read=False)
    assert cell.values is None
    assert inside_maps.map_cell(Image.new("RGB", (6, 4)), values, scale, alt="a").values is values


def test_few_strong_values_do_not_pale_the_others():
    values = np.ones((100, 100), np.float32)
    values[0, 0] = -500
    values[50:] = 2
    scale = inside_maps.telling(values, "signed")
    assert (scale.low, scale.high) == (-2, 2)


@pytest.mark.parametrize("view", ["channels", "stages", "kernel", "field"])
def test_code_for_a_picture_of_ones_own_says_that_it_stays_there(view):
    app = opened("inside", picture="upload", inside=view)
    app.file_uploader(key="uploaded").set_value(("mine.jpg", Path(CAT).read_bytes(), "image/jpeg"))
    checked(app.run())
    assert "Your picture stays with you" in words(app)
    assert "mine.jpg" in code(app, "python")
    assert "Your picture stays with you" not in words(opened("inside", picture="cat.jpg", inside=view))
