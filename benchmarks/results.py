"""What every benchmark shares: its options, its tables on the screen, in Markdown and in JSON."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import rich.console
import rich.table
from timing import Rounds

FOLDER = Path(__file__).parent / "results"
WIDTH = 110
PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "scipy",
    "fastai",
    "grad-cam",
    "torchcam",
    "quantus",
    "captum",
    "torch-lucent",
)


@dataclass(frozen=True)
class Table:
    """Rows of cells under columns, all ready to read."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str = ""

    def markdown(self) -> str:
        lines = [self.columns, tuple("---:" if i else ":---" for i in range(len(self.columns))), *self.rows]
        body = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        return f"## {self.title}\n\n{body}\n" + (f"\n{self.note}\n" if self.note else "")

    def show(self) -> None:
        shown = rich.table.Table(title=self.title, title_justify="left", caption=self.note or None)
        for number, column in enumerate(self.columns):
            shown.add_column(column, justify="right" if number else "left")
        for row in self.rows:
            shown.add_row(*row)
        rich.console.Console(width=WIDTH).print(shown)


@dataclass(frozen=True)
class Check:
    """A requirement: a number that must stay at or under `limit` (or, `at_least`, at or over it)."""

    requirement: str
    found: float
    limit: float
    at_least: bool = False

    @property
    def holds(self) -> bool:
        return self.found >= self.limit if self.at_least else self.found <= self.limit


def arguments(description: str, seconds: float) -> argparse.ArgumentParser:
    """Return the options that all timed benchmarks have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seconds", type=float, default=seconds, help="time for each table (%(default)g)")
    parser.add_argument("--rounds", type=int, default=9, help="at least so many (%(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="torch threads (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of weights, pictures and order (%(default)s)")
    return parser


def ms(rounds: Rounds, case: str) -> str:
    return rounds.time(case).text(1)


def times(rounds: Rounds, case: str, to: str, digits: int = 3) -> str:
    return rounds.ratio(case, to).text(digits)


def publish(
    name: str,
    title: str,
    tables: Sequence[Table],
    checks: Sequence[Check],
    data: Mapping[str, object],
    threads: int | None = None,
) -> None:
    """Print the tables and write them to `results/NAME.md`, with the raw numbers in `results/NAME.json`."""
    about = _about(threads)
    tables = [*tables, _checks(checks)] if checks else tables
    for table in tables:
        table.show()
    FOLDER.mkdir(exist_ok=True)
    heading = f"# {title}\n\n{'; '.join(f'{key} {value}' for key, value in about.items())}.\n"
    text = "\n".join([heading, *(table.markdown() for table in tables)])
    (FOLDER / f"{name}.md").write_text(text, encoding="utf-8")
    found = {
        "about": about,
        "checks": [dataclasses.asdict(check) | {"holds": check.holds} for check in checks],
        "data": data,
    }
    (FOLDER / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _checks(checks: Sequence[Check]) -> Table:
    rows = [
        (c.requirement, f"{'≥' if c.at_least else '≤'} {c.limit:g}", f"{c.found:.4g}", _verdict(c))
        for c in checks
    ]
    return Table("Requirements", ("requirement", "limit", "found", ""), rows)


def _verdict(check: Check) -> str:
    return "holds" if check.holds else "MISSED"


def _about(threads: int | None) -> dict[str, str]:
    about = {
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "CPU": f"{_cpu()}, {os.cpu_count()} cores",
        "Python": platform.python_version(),
    }
    if threads is not None:
        about["torch threads"] = str(threads)
    return about | {package: found for package in PACKAGES if (found := _version(package))}


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
