"""`interp explain --region --measure` on networks that make pictures."""

import json

import pytest
import torch
from command import interp, save_classifier, save_noise, save_segmenter
from PIL import Image

import interp as package
from interp import targets
from interp.features import diffusion_index
from interp.models import save_folder
from interp.models.architecture import of_network
from interp.models.networks import UNetNetwork


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a small U-Net that makes pictures, with random weights."""
    torch.manual_seed(0)
    network = UNetNetwork("timm:test_resnet", 3, 48, 64)
    model = package.load(
        network.build().eval(),
        preprocess=package.Preprocess((48, 64), (0.5,) * 3, (0.5,) * 3, fit="squish"),
        architecture=of_network(network),
        task="image",
        activation="none",
        name="sharper",
    )
    return save_folder(model, tmp_path_factory.mktemp("sharper"))


@pytest.fixture
def asked(folder, tmp_path):
    """Return a command for a picture of noise of 80 × 64 pixels."""
    picture = save_noise(tmp_path, "a") / "a.png"
    return ["explain", picture, "-m", folder, "--out", tmp_path / "out"]


@pytest.mark.slow
def test_a_local_attribution_map_of_a_patch_says_what_it_adds_up_to_and_how_far_it_spreads(asked, tmp_path):
    done = interp(*asked, "--method", "lam(steps=20)", "-r", "30,24,50,40", "--save", "json", "--save", "png")
    assert done.returncode == 0, done.stderr
    assert "gradient energy in the box (0.38, 0.38) – (0.62, 0.62)" in done.stdout
    assert "Local attribution map(steps=20) · input · 48×64 · sharper · Σ " in done.stdout
    saved = json.loads((tmp_path / "out" / "a.json").read_text())
    query = targets.gradient_energy((0.375, 0.375, 0.625, 0.625))
    own = package.explain(asked[3], asked[1], target=query, method="lam(steps=20)")
    assert saved["map"] == json.loads(own.to_json())["map"]
    assert saved["notes"][1] == f"DI {diffusion_index(own.map):.1f} (48×64)"
    assert saved["notes"][1] in done.stdout
    again = interp("remake", tmp_path / "out" / "a.json", "--out", tmp_path / "again.png")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "out" / "a.png").is_file()


@pytest.mark.slow
def test_every_measure_from_the_command_line(asked, tmp_path):
    large = tmp_path / "large"
    large.mkdir()
    Image.open(asked[1]).resize((160, 128)).save(large / "a.jpg")
    box = "in the box (0.00, 0.00) – (0.50, 1.00)"
    for measure, name in {
        "gradient-energy": f"gradient energy {box}",
        "value": f"value of the output {box}",
        "beyond-bicubic": f"output beyond bicubic {box}",
        "band:0.25,0.5": f"energy from 0.25 to 0.5 cycles per pixel {box}",
        f"error:{large}": f"error against the reference {box}",
        f"error:{large / 'a.jpg'}": f"error against the reference {box}",
    }.items():
        done = interp(*asked, "-r", "0,0,40,64", "--measure", measure)
        assert done.returncode == 0, done.stderr
        assert name in done.stdout


@pytest.mark.slow
def test_a_pixel_has_a_value_a_box_is_sharp_and_no_region_is_all_of_it(asked):
    done = interp(*asked, "-r", "40,32", "-r", "0,0,40,64")
    assert done.returncode == 0, done.stderr
    for name in ("value of the output at (0.51, 0.51)", "gradient energy in the box (0.00, 0.00) – (0.50"):
        assert name in done.stdout
    assert "value of the output · " in interp(*asked, "--measure", "value").stdout
    assert "detail of the output" in interp(*asked).stdout


@pytest.mark.parametrize(
    ("measure", "said"),
    [
        ("sharp", "give gradient-energy, value, beyond-bicubic, band:LOW,HIGH or error:FILE"),
        ("band:0.5", "give two frequencies, as in band:0.25,0.5."),
        ("band:0.5,0.25", "the lower first."),
        ("error:", "there is no file or folder ''"),
        ("error:nowhere.png", "there is no file or folder 'nowhere.png'"),
    ],
)
def test_what_is_no_measure_is_said_before_anything_runs(folder, tmp_path, measure, said):
    done = interp("explain", tmp_path / "a.png", "-m", folder, "--measure", measure)
    assert done.returncode == 2
    assert said in done.stderr.replace("\n", " ")


@pytest.mark.parametrize("region", ["predicted", "component:1,2", "inner:1,2,30,40", "polygon:1,1;2,2;3,1"])
def test_regions_of_classes_are_none_of_a_picture(asked, region):
    done = interp(*asked, "-r", region)
    assert done.returncode == 2
    assert "sharper makes pictures: as --region, give X,Y of a pixel or LEFT,TOP,RIGHT,BOTTOM" in done.stderr


@pytest.mark.slow
def test_a_picture_has_no_classes_and_other_networks_no_measures(asked, tmp_path):
    done = interp(*asked, "-r", "1,1", "-c", "road")
    assert done.returncode == 2
    assert "sharper makes pictures and knows no classes; leave --class out." in done.stderr
    for other, task in ((save_classifier, "classification"), (save_segmenter, "segmentation")):
        done = interp("explain", asked[1], "-m", other(tmp_path / task), "--measure", "value")
        assert done.returncode == 2
        assert f"--measure is for networks that make pictures; {other_name(task)} does {task}." in done.stderr


def other_name(task):
    return {"classification": "pets", "segmentation": "street"}[task]


@pytest.mark.slow
def test_a_reference_that_a_folder_has_not_stops_no_other_picture(asked, tmp_path):
    save_noise(tmp_path, "ab")
    large = tmp_path / "large"
    large.mkdir()
    Image.open(asked[1]).save(large / "a.png")
    done = interp("explain", tmp_path / "b.png", *asked[1:], "--measure", f"error:{large}")
    assert done.returncode == 1
    assert "b.png" in done.stderr
    assert (tmp_path / "out" / "a.png").is_file()


@pytest.mark.slow
def test_a_patch_too_small_in_one_picture_stops_no_other(asked, folder, tmp_path):
    """A box of one pixel in a picture five times as large, where the network sees less than a pixel."""
    Image.open(asked[1]).resize((400, 320)).save(tmp_path / "large.png")
    pictures = ["explain", tmp_path / "large.png", asked[1], *asked[2:]]
    done = interp(*pictures, "-r", "10,10,14,14", "--method", "input-x-gradient")
    assert done.returncode == 1
    assert "large.png: gradient energy in the box" in done.stderr
    assert "a single pixel has no differences; give a box." in done.stderr.replace("\n", " ")
    assert "1 of 2 pictures could not be explained" in done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.png"]
