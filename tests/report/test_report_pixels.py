"""Reports of methods whose maps lie on the input, and of slow ones."""

from __future__ import annotations

import base64
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pixel_methods
import pyarrow.parquet as pq
import pytest

import interp
from interp.report import plan, write_report
from interp.report.planning import SHARD
from interp.views import normalise

SAMPLES = Path(__file__).parents[2] / "sample_images"


@pytest.fixture(scope="module", autouse=True)
def _methods():
    with pixel_methods.registered():
        yield


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("cat.jpg", "rocket.jpg"):
        shutil.copy(SAMPLES / name, folder / name)
    return folder


@pytest.mark.slow
def test_maps_of_pixels_are_raw_in_the_table_and_rounded_in_the_page(default_model, pictures, tmp_path):
    made = write_report(default_model, pictures, tmp_path / "out", method="test-pixels", layer="blocks.2")
    alone = interp.explain(default_model, pictures / "cat.jpg", method="test-pixels")
    row = pq.read_table(made.folder / "maps.parquet").to_pylist()[0]
    assert (row["layer"], row["method"]) == ("input", "test-pixels")
    values = np.float32(row["map"]).reshape(row["map_height"], row["map_width"])
    np.testing.assert_allclose(values, alone.values, atol=1e-4 * np.abs(values).max())
    page = (made.folder / "index.html").read_text(encoding="utf-8")
    assert "of every pixel" in page
    assert len(page) < 1_000_000
    shown = json.loads(re.search(r'id="part-0">(.*?)</script>', page, re.DOTALL)[1])[0]["maps"][0]
    assert [end[0] for end in shown["ends"]] == ["≤", "0", "≥"]
    levels = np.frombuffer(base64.b64decode(shown["values"]), np.uint8).reshape(values.shape)
    assert np.abs(levels - 255.0 * normalise(values, alone.scale)).max() < 0.6


def test_slow_methods_save_every_picture_and_tell_between_them(default_model, pictures, tmp_path):
    told = []
    method = "test-masks(masks=70)"
    made = write_report(
        default_model,
        pictures,
        tmp_path / "out",
        method=method,
        top_classes=1,
        progress=lambda *step: told.append(step),
    )
    assert made.failed == {}
    assert [path.name for path in sorted((made.folder / "maps.parquet").iterdir())] == [
        "part-00000.parquet",
        "part-00001.parquet",
    ]
    assert {total for _, total in told} == {2}
    parts = [done for done, _ in told]
    assert parts == sorted(parts)
    assert {0, 1, 2} <= set(parts)
    assert len(set(parts)) > 100
    assert json.loads((made.folder / "report.json").read_text())["method"] == method
    assert plan(default_model, pictures, tmp_path / "other", method="grad-cam").shard_size == SHARD
