import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

FOLDER = Path(__file__).parents[1] / "sample_images"
PICTURES = sorted(FOLDER.glob("*.jpg"))
MASKS = sorted((FOLDER / "masks").glob("*.png"))
COMPOSITES = sorted({mask.name.split(".")[0] for mask in MASKS})


def name_of(path: Path) -> str:
    return path.name


def white(mask: Path) -> np.ndarray:
    with Image.open(mask) as image:
        return np.array(image) == 255


def test_there_are_pictures_and_composites():
    assert 8 <= len(PICTURES) <= 12
    assert len(COMPOSITES) >= 2


@pytest.mark.parametrize("picture", PICTURES, ids=name_of)
def test_picture_opens_as_rgb_of_modest_size(picture):
    with Image.open(picture) as image:
        image.load()
        assert image.mode == "RGB"
        assert max(image.size) <= 640


def test_folder_is_small():
    files = [*PICTURES, *MASKS, FOLDER / "README.md", FOLDER / "make.py"]
    assert sum(path.stat().st_size for path in files) < 1_500_000


@pytest.mark.parametrize("mask", MASKS, ids=name_of)
def test_mask_is_binary_and_fits_its_picture(mask):
    picture = FOLDER / f"{mask.name.split('.')[0]}.jpg"
    with Image.open(mask) as image, Image.open(picture) as photo:
        assert image.mode == "L"
        assert image.size == photo.size
        assert set(np.unique(np.array(image))) == {0, 255}
    assert 0.02 <= white(mask).mean() <= 0.60


@pytest.mark.parametrize("composite", COMPOSITES)
def test_composite_has_two_masks_that_do_not_overlap(composite):
    masks = [mask for mask in MASKS if mask.name.startswith(f"{composite}.")]
    assert len(masks) == 2
    for first, second in combinations(masks, 2):
        assert not (white(first) & white(second)).any()


def test_mask_names_are_imagenet_classes():
    timm_data = pytest.importorskip("timm.data")
    info = timm_data.ImageNetInfo()
    known = {info.index_to_description(index).split(",")[0] for index in range(1000)}
    assert {mask.name.split(".")[1].replace("_", " ") for mask in MASKS} <= known


def test_readme_table_names_every_file_and_no_other():
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `([^`]+)` \|", text, flags=re.MULTILINE)
    present = [path.relative_to(FOLDER).as_posix() for path in (*PICTURES, *MASKS)]
    assert sorted(named) == sorted(present)
