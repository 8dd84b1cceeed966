"""Make every picture and mask of this folder from the pictures that scikit-image packages.

Run `python sample_images/make.py`. Nothing is downloaded and nothing is random.
"""

from pathlib import Path

import numpy as np
import skimage
from PIL import Image, ImageDraw, ImageFilter
from scipy.ndimage import gaussian_filter

HERE = Path(__file__).parent
SOURCES = Path(skimage.__file__).parent / "data"
FINE = 4  # outlines are drawn this much larger, then shrunk: soft edges

# Outlines, drawn by hand, in pixels of the enlarged view that each was drawn on.
# `VIEWS` says how that view lies on its source picture: pixels per source pixel, left, top.
VIEWS = {
    "chelsea.png": (2.987, 0, 0),
    "coffee.png": (2.0, 0, 0),
    "astronaut.png": (4.615, 330, 0),
}
# fmt: off
CAT = [[
    (120, 0), (105, 100), (98, 200), (92, 300), (60, 340), (0, 380), (0, 920), (820, 920),
    (870, 870), (905, 830), (940, 760), (945, 680), (985, 610), (1030, 540), (1072, 460),
    (1088, 380), (1085, 300), (1068, 220), (1105, 160), (1140, 80), (1200, 0),
]]
CUP_AND_SAUCER = [[
    (358, 145), (300, 165), (250, 205), (205, 260), (170, 330), (153, 410), (155, 480), (170, 550),
    (200, 610), (250, 670), (310, 715), (380, 750), (460, 772), (540, 780), (620, 777), (700, 760),
    (780, 725), (850, 675), (905, 615), (940, 550), (957, 480), (957, 420), (945, 350), (920, 295),
    (880, 250), (836, 215), (850, 155), (840, 138), (820, 133), (800, 138), (795, 150), (797, 166),
    (760, 115), (710, 75), (650, 48), (580, 37), (520, 40), (450, 60), (400, 95), (365, 140),
]]
SHUTTLE = [
    [   # tank, boosters and orbiter
        (405, 0), (375, 4), (352, 22), (330, 60), (312, 120), (305, 190), (305, 290), (292, 245),
        (266, 190), (240, 270), (234, 300), (234, 440), (240, 470), (222, 560), (220, 850),
        (170, 900), (120, 960), (113, 1010), (115, 1050), (160, 1063), (212, 1070), (225, 1085),
        (190, 1150), (170, 1215), (178, 1254), (205, 1225), (270, 1140), (278, 1165), (292, 1170),
        (270, 1230), (285, 1243), (340, 1242), (350, 1220), (340, 1192), (372, 1190), (390, 1150),
        (398, 1100), (440, 1100), (470, 1082), (495, 1090), (495, 1150), (480, 1200), (500, 1215),
        (525, 1225), (530, 1258), (575, 1258), (580, 1215), (597, 1215), (580, 1150), (575, 1080),
        (580, 1050), (577, 960), (577, 290), (560, 230), (530, 185), (496, 250), (495, 190),
        (480, 100), (458, 45), (440, 12), (425, 2),
    ],
    [(398, 1090), (440, 1090), (445, 1290), (398, 1290)],  # post
    [   # stand
        (172, 1306), (186, 1284), (225, 1266), (280, 1254), (400, 1250), (600, 1250), (660, 1272),
        (640, 1288), (560, 1305), (460, 1316), (440, 1332), (330, 1345), (240, 1340), (190, 1326),
    ],
]
# The wall behind the astronaut: left, top, right, bottom in source pixels.
WALL = [(94, 0, 150, 110), (308, 0, 366, 160), (462, 0, 512, 240)]
# fmt: on


def source(name: str) -> Image.Image:
    return Image.open(SOURCES / name).convert("RGB")


def outline(name: str, polygons: list) -> Image.Image:
    """Soft mask of hand-drawn polygons, in the size of the source picture."""
    scale, left, top = VIEWS[name]
    width, height = source(name).size
    mask = Image.new("L", (width * FINE, height * FINE))
    for polygon in polygons:
        points = [((x / scale + left) * FINE, (y / scale + top) * FINE) for x, y in polygon]
        ImageDraw.Draw(mask).polygon(points, fill=255)
    return mask.resize((width, height), Image.Resampling.BOX)


def resized(image: Image.Image, scale: float) -> Image.Image:
    size = (round(image.width * scale), round(image.height * scale))
    return image.resize(size, Image.Resampling.LANCZOS)


def placed(mask: Image.Image, at: tuple[int, int], size: tuple[int, int]) -> Image.Image:
    canvas = Image.new("L", size)
    canvas.paste(mask, at)
    return canvas


def without(mask: Image.Image, cover: Image.Image) -> Image.Image:
    """The part of `mask` that `cover` does not hide."""
    binary = np.where((np.array(mask) > 127) & (np.array(cover) <= 127), 255, 0)
    return Image.fromarray(binary.astype(np.uint8))


def save(image: Image.Image, name: str, **masks: Image.Image) -> None:
    image.save(HERE / f"{name}.jpg", quality=90, optimize=True)
    for class_name, mask in masks.items():
        binary = mask.point(lambda value: 255 * (value > 127))
        binary.save(HERE / "masks" / f"{name}.{class_name}.png", optimize=True)


def table_before(back: Image.Image, edge: int, scale: float, cut: int) -> tuple:
    """The coffee table before `back`, its far edge at row `edge`.

    The table begins `cut` source pixels from the left of the coffee picture. Returns the scene,
    the mask of the cup and the mask of all that now hides `back`.
    """
    top = 60  # the row of the coffee picture where the table is made to end; the cup rises above it
    coffee, cup = source("coffee.png"), outline("coffee.png", CUP_AND_SAUCER)
    table = Image.new("L", coffee.size)
    corner = [(0, 108), (78, top), (600, top), (600, 400), (0, 400)]
    ImageDraw.Draw(table).polygon(corner, fill=255)
    table = table.filter(ImageFilter.GaussianBlur(1.2))
    front = Image.fromarray(np.maximum(np.array(table), np.array(cup)))

    coffee, cup, table, front = (resized(i, scale) for i in (coffee, cup, table, front))
    at = (-round(cut * scale), edge - round(top * scale))
    size = (back.width, at[1] + coffee.height)
    front, cup = placed(front, at, size), placed(cup, at, size)
    scene = Image.new("RGB", size)
    scene.paste(back, (0, 0))
    shade = placed(table, at, size).filter(ImageFilter.GaussianBlur(6))
    shade = shade.point(lambda value: value * 0.45)
    scene.paste((40, 22, 12), (0, 0), shade)
    over = Image.new("RGB", size)
    over.paste(coffee, at)
    return Image.composite(over, scene, front), cup, front


def cat_and_coffee() -> None:
    """The cat looks over the far edge of the table on which the cup stands."""
    box = (10, 0, 451, 300)
    cat, mask = source("chelsea.png").crop(box), outline("chelsea.png", CAT).crop(box)
    pad = ((0, 24), (0, 36))  # blurred room and fur go on, mirrored
    cat = Image.fromarray(np.pad(np.array(cat), (*pad, (0, 0)), mode="reflect"))
    mask = Image.fromarray(np.pad(np.array(mask), pad, mode="reflect"))
    cat, mask = resized(cat, 0.88), resized(mask, 0.88)
    scene, cup, front = table_before(cat, edge=247, scale=0.72, cut=14)
    seen = without(placed(mask, (0, 0), scene.size), front)
    save(scene, "cat_and_coffee", tiger_cat=seen, espresso=cup)


def wall(size: tuple[int, int]) -> Image.Image:
    """The studio wall behind the astronaut, with nobody before it."""
    pixels = np.array(source("astronaut.png").crop((88, 0, 512, 250)), dtype=float)
    known = np.zeros((*pixels.shape[:2], 1))
    for left, top, right, bottom in WALL:
        known[top:bottom, left - 88 : right - 88] = 1
    smooth = 0.0
    weight = 0.0
    for sigma, share in ((14, 1.0), (60, 0.03), (150, 0.001)):  # the far ones only fill the holes
        smooth = smooth + share * gaussian_filter(pixels * known, (sigma, sigma, 0))
        weight = weight + share * gaussian_filter(known, (sigma, sigma, 0))
    image = Image.fromarray((smooth / weight).clip(0, 255).astype(np.uint8))
    return image.resize(size, Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(12))


def coffee_and_shuttle() -> None:
    """A model of the space shuttle stands on the table, behind the cup, before a grey wall."""
    edge, scale, centre, foot = 285, 0.85, 345, 338
    scene, cup, _ = table_before(wall((420, edge + 60)), edge, scale=0.72, cut=14)
    box = (345, 0, 480, 296)
    shuttle, mask = source("astronaut.png"), outline("astronaut.png", SHUTTLE)
    shuttle, mask = (resized(image.crop(box), scale) for image in (shuttle, mask))
    at = (centre - shuttle.width // 2, foot - shuttle.height)
    mask = placed(mask, at, scene.size)
    over = Image.new("RGB", scene.size)
    over.paste(shuttle, at)

    shade = Image.new("L", scene.size)
    ImageDraw.Draw(shade).ellipse((centre - 46, foot - 24, centre + 58, foot + 4), fill=150)
    behind = scene.copy()
    behind.paste((30, 14, 8), (0, 0), shade.filter(ImageFilter.GaussianBlur(5)))
    behind = Image.composite(over, behind, mask)
    scene = Image.composite(scene, behind, cup)
    save(scene, "coffee_and_shuttle", espresso=cup, space_shuttle=without(mask, cup))


def main() -> None:
    (HERE / "masks").mkdir(exist_ok=True)
    save(source("chelsea.png"), "cat")
    save(resized(source("chelsea.png").crop((75, 0, 375, 300)), 128 / 300), "cat_small")
    save(source("coffee.png"), "coffee")
    save(source("coffee.png").crop((160, 0, 450, 400)), "coffee_tall")
    save(source("rocket.jpg"), "rocket")
    save(source("rocket.jpg").crop((180, 80, 480, 427)), "rocket_close")
    save(source("camera.png"), "cameraman")
    save(source("astronaut.png").crop((312, 0, 512, 296)), "space_shuttle")
    cat_and_coffee()
    coffee_and_shuttle()


if __name__ == "__main__":
    main()
