"""Fresh processes: what `import interp` and `interp --help` cost before anything is explained."""

from __future__ import annotations

import functools
import importlib.util
import subprocess
import sys
from pathlib import Path

from results import Check, Table, arguments, publish
from timing import interleave

BARE, IMPORT, HELP, TORCH = "python", "import interp", "interp --help", "import torch"
LIMIT = 50.0
SCRIPT = Path(sys.executable).with_name("interp")


def commands() -> dict[str, list[str]]:
    found = {
        BARE: [sys.executable, "-c", "pass"],
        IMPORT: [sys.executable, "-c", "import interp"],
        TORCH: [sys.executable, "-c", "import torch"],
    }
    if importlib.util.find_spec("interp.cli") is not None and SCRIPT.exists():
        found[HELP] = [str(SCRIPT), "--help"]
    return found


def main() -> None:
    options = arguments(__doc__ or "", seconds=60).parse_args()
    cases = {
        name: functools.partial(subprocess.run, command, check=True, capture_output=True)
        for name, command in commands().items()
    }
    rounds = interleave(cases, seconds=options.seconds, least=options.rounds, seed=options.seed)
    bare = rounds.time(BARE).median
    rows = [(name, rounds.time(name).text(0), f"{rounds.time(name).median - bare:.0f}") for name in cases]
    note = f"Median (quartiles) of {len(rounds)} fresh processes each, interleaved."
    if HELP not in cases:
        note += f" `{HELP}` is not there yet."
    table = Table("Fresh processes", ("", "ms", "more than bare Python, ms"), rows, note)
    added = rounds.time(IMPORT).median - bare
    checks = [Check("import interp: ms more than bare Python", added, LIMIT)]
    publish("import_time", "Start-up", [table], checks, {"seconds": rounds.seconds})


if __name__ == "__main__":
    main()
