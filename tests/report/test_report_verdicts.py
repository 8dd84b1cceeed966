"""`interp report --check`: the verdict of every picture's first map is that of `interp.trust`."""

from __future__ import annotations

import pyarrow.parquet as pq
from command import interp as command
from command import save_classifier, save_noise

import interp
from interp.report import write_report
from interp.report.rows import read_part


def test_the_verdict_of_the_first_map_is_that_of_trust(tmp_path):
    model = interp.load(save_classifier(tmp_path / "model"))
    pictures = save_noise(tmp_path / "pictures")
    told = []
    made = write_report(
        model,
        pictures,
        tmp_path / "out",
        top_classes=2,
        method="eigen-cam",
        check=True,
        batch_size=3,
        progress=lambda done, count: told.append(done / count),
    )
    rows = [row for part in sorted((made.folder / "maps.parquet").iterdir()) for row in read_part(part)]
    assert len(rows) == 4
    for row in rows:
        first, second = row.maps
        found = interp.trust(interp.explain(model, pictures / row.file, first.target, "eigen-cam"))
        assert (first.trust, first.reasons) == (found.level, " ".join(found.reasons))
        assert (second.trust, second.reasons) == (None, "")
    assert {row.maps[0].trust for row in rows} <= {"doubtful", "fails"}
    assert told == sorted(told)
    assert told[-1] == 1


def test_without_check_nothing_is_said(tmp_path):
    save_classifier(tmp_path / "model")
    save_noise(tmp_path / "pictures", "a")
    asked = [
        "report",
        tmp_path / "pictures",
        "--model",
        tmp_path / "model",
        "--top",
        "1",
        "--out",
        tmp_path / "out",
    ]
    for check, known in (([], {None}), (["--check"], {"holds", "doubtful", "fails"})):
        assert command(*asked, *check).returncode == 0
        levels = pq.read_table(tmp_path / "out" / "maps.parquet").column("trust").to_pylist()
        assert set(levels) <= known
