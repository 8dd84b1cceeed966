"""The page of a report of a million pictures: written by the real writer, opened in a real browser.

    uv run python benchmarks/report_page.py --pictures 1000000 --out FOLDER

Rows are made up: tiny thumbnails, three maps of 7×7, 1,000 classes, a hundredth unreadable; scale and text of
the maps are made once for each of 64 sets, as that is what takes long. What is measured: time and memory of
writing, sizes, and in Chromium the time until the first cards are drawn, of filters, searches and turned
pages, and the memory of the page.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import shutil
import statistics
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from PIL import Image

import interp
from interp.methods import Method
from interp.models import ImageModel, Prediction
from interp.report import page_cards
from interp.report.page import write_page
from interp.report.pipeline import Job
from interp.report.rows import ClassMap, Row

CLASSES, DIFFERENT, BLOCK = 1000, 64, 1000
real_map = page_cards._map
FILTERS = {
    "all": {},
    "a class": {"class": "tiger cat"},
    "all classes with 'cat', predicted": {"class": "cat", "role": "predicted"},
    "wrong, most certain first": {"only": "wrong", "sort": "sure"},
    "30 to 70 %, least certain first": {"from": 30, "to": 70, "sort": "unsure"},
    "no class has it": {"class": "nothing of the kind"},
}


def rows(model: ImageModel, count: int) -> Iterator[Row]:
    """Yield made-up pictures: everybody's own numbers, one of 64 small pictures and sets of maps."""
    rng = np.random.default_rng(0)
    small = [thumbnail(seed) for seed in range(DIFFERENT)]
    maps = rng.normal(size=(DIFFERENT, 3, 7, 7)).astype(np.float32)
    for start in range(0, count, BLOCK):
        likely = rng.integers(0, CLASSES, (BLOCK, 3)).tolist()
        sure, luck = rng.beta(3, 1.2, BLOCK).tolist(), rng.random(BLOCK).tolist()
        for place, number in enumerate(range(start, min(start + BLOCK, count))):
            file = f"class {number // 1000:04}/picture {number:07}.jpg"
            if number % 100 == 99:
                yield Row(file, "it seems to be text.")
                continue
            mine = likely[place]
            known = [(index, model.labels[index], sure[place] / 2**rank) for rank, index in enumerate(mine)]
            values = maps[number % DIFFERENT]
            yield Row(
                file,
                size=(48, 36),
                box=(6.0, 0.0, 42.0, 36.0),
                prediction=tuple(Prediction(*each) for each in known),
                maps=tuple(ClassMap(n, i, p, 1.0, m) for (i, n, p), m in zip(known, values, strict=True)),
                thumbnail=small[number % DIFFERENT],
                truth=mine[0] if luck[place] < sure[place] else mine[1],
            )


def thumbnail(seed: int) -> bytes:
    """Return a small JPEG."""
    buffer = io.BytesIO()
    values = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    Image.fromarray(values).resize((48, 36)).save(buffer, "JPEG", quality=60)
    return buffer.getvalue()


def scaled_once(found: ClassMap, method: Method, most_values: int, known: dict[int, dict[str, Any]]) -> Any:
    """Return what a card holds of a map, whose scale and text are made once for each of the few maps."""
    key = found.values.ctypes.data
    if key not in known:
        known[key] = real_map(found, method, most_values)
    return {**known[key], "target": found.target, "probability": found.probability}


def write(out: Path, count: int) -> dict[str, float]:
    """Write the page; return how long it took and how much memory was needed for it."""
    model = interp.load()
    job = Job(model, out, out, None, "grad-cam", "bn2", 1)
    about = {"model": {"weights_sha256": "0" * 64}, "versions": {}}
    before, began = peak(), time.perf_counter()
    known: dict[int, dict[str, Any]] = {}
    with mock.patch.object(page_cards, "_map", partial(scaled_once, known=known)):
        write_page(job, about, rows(model, count), out / "index.html")
    return {"seconds": time.perf_counter() - began, "MB more than before": peak() - before}


def peak() -> float:
    """Return the most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def sizes(out: Path) -> dict[str, float]:
    """Return MB of the page and of its pieces, by kind."""
    found = {"index.html": (out / "index.html").stat().st_size / 1e6}
    for path in sorted((out / "data").iterdir()):
        kind = path.name.partition("-")[0]
        found[kind] = found.get(kind, 0) + path.stat().st_size / 1e6
    return found


def browse(out: Path) -> dict[str, object]:
    """Return what a person would feel who opens the page: milliseconds, and MB of the page's heap."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        switches = ["--no-sandbox", "--disable-gpu", "--enable-precise-memory-info"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=switches)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        opened = []
        for _ in range(3):
            page.goto("about:blank")
            began = time.perf_counter()
            page.goto((out / "index.html").as_uri())
            page.wait_for_selector("canvas.map[aria-label*=range]", timeout=120_000)
            opened.append(1000 * (time.perf_counter() - began))
        found: dict[str, object] = {"open, ms": statistics.median(opened), "shown": page.inner_text("#shown")}
        for name, choice in FILTERS.items():
            found[f"filter, ms: {name}"] = page.evaluate(
                """choice => { const asked = { ...USUAL, ...choice }, times = []; let count = 0;
                for (let i = 0; i < 9; i++) { const t = performance.now();
                  count = filtered(asked, null).rows.length; times.push(performance.now() - t); }
                times.sort((a, b) => a - b);
                  return `${times[4].toFixed(1)}, quickest ${times[0].toFixed(1)} (${count} pictures)`; }""",
                choice,
            )
        heap = "performance.memory.usedJSHeapSize / 1e6"
        found["heap, MB"] = page.evaluate(heap)
        for name, step in (
            ("last page", "go(Infinity)"),
            ("wrong and sure", "change({only: 'wrong', sort: 'sure'})"),
        ):
            began = time.perf_counter()
            page.evaluate(step)
            page.wait_for_selector("canvas.map[aria-label*=range]")
            found[f"{name}, ms"] = 1000 * (time.perf_counter() - began)
        for word in ("0123456", "class 0500"):
            began = time.perf_counter()
            page.evaluate("find => change({...USUAL, find})", word)
            found[f"search {word!r}, ms"] = 1000 * (time.perf_counter() - began)
            found[f"found {word!r}"] = page.inner_text("#shown")
        found["heap with names, MB"] = page.evaluate(heap)
        browser.close()
    return found


def main() -> None:
    """Write, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--again", action="store_true", help="The page is there; only browse.")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    written = {} if options.again else write(options.out, options.pictures)
    print(json.dumps({"written": written, "MB": sizes(options.out), **browse(options.out)}, indent=1))


if __name__ == "__main__":
    main()
