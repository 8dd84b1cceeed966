"""Run what these pages say: `python docs/check.py [PAGE ...]`, from the repository's root.

Every Python block runs, page by page, in an empty folder with the sample pictures; every `$` line of a
console block runs in a shell. A text block right after a Python block is its output, as are the lines after
a `$` line; a line of … stands for any lines. Without pages, it also looks for errors in the source that
`troubleshooting.md` does not know.
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
BLOCK = re.compile(r"^(?P<indent> *)```(?P<kind>\w+)[^\n]*\n(?P<code>.*?)^(?P=indent)```$", re.M | re.S)
NOT_RUN = "<!-- not run -->"
# Said by a part of the code that people do not call, or not by interp.
LEFT_OUT = {"__init__"}
NOT_SAID = {"AttributeError"}  # in the words of Python


def main(names: list[str]) -> int:
    """Check the pages, and return how many things are wrong."""
    os.environ.update(MPLBACKEND="agg", COLUMNS="200", NO_COLOR="1")
    pages = [Path(name).resolve() for name in names] or [
        *sorted(DOCS.rglob("*.md")),
        ROOT / "CONTRIBUTING.md",
    ]
    wrong = sum(check_page(page) for page in pages)
    if not names:
        for sentence in unknown_errors():
            print(f"troubleshooting.md does not have: {sentence}")
            wrong += 1
    print("all is as it says" if not wrong else f"{wrong} wrong")
    return wrong


def check_page(page: Path) -> int:
    """Run the blocks of a page, and return how many did not do what it says."""
    text = page.read_text(encoding="utf-8")
    blocks = list(BLOCK.finditer(text))
    wrong = 0
    names: dict[str, object] = {"__name__": "page"}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        shutil.copytree(ROOT / "sample_images", "sample_images")
        for block, after in zip_longest(blocks, blocks[1:]):
            if text[: block.start()].rstrip().endswith(NOT_RUN):
                continue
            line = text.count("\n", 0, block.start()) + 1
            indent = block["indent"]
            code = "".join(piece.removeprefix(indent) for piece in block["code"].splitlines(keepends=True))
            expected = None
            if after and after["kind"] == "text" and not text[block.end() : after.start()].strip():
                expected = after["code"]
            runs = []
            if block["kind"] == "python":
                runs.append((code, run_python(code, names), expected))
            elif block["kind"] == "console":
                runs += [(command, run_shell(command), said) for command, said in commands(code)]
            for what, got, said in runs:
                if isinstance(got, Exception) or (said is not None and not same(said, got)):
                    wrong += 1
                    place = f"{page.relative_to(ROOT)}:{line}"
                    print(f"{place}: {what.strip()[:200]}\n--- said\n{said}\n--- got\n{got}")
    return wrong


def run_python(code: str, names: dict[str, object]) -> str | Exception:
    """Return what a block prints."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "block", "exec"), names)
    except Exception as error:
        traceback.print_exc()
        return error
    return printed.getvalue()


def run_shell(command: str) -> str:
    """Return what a command says on both streams."""
    done = subprocess.run(command, shell=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.stdout


def commands(code: str) -> Iterator[tuple[str, str | None]]:
    """Yield every command of a console block, with the output that it says."""
    for part in re.split(r"^\$ ", code, flags=re.M)[1:]:
        command, _, said = part.partition("\n")
        yield command, said if said.strip() else None


def same(said: str, got: str) -> bool:
    """Whether the output is what is said, blanks aside."""
    lines = [" ".join(line.split()) for line in said.strip().splitlines()]
    pattern = r"\n".join(".*?" if line == "…" else re.escape(line) for line in lines)
    return (
        re.fullmatch(pattern, "\n".join(" ".join(s.split()) for s in got.strip().splitlines()), re.S)
        is not None
    )


def unknown_errors() -> Iterator[str]:
    """Yield the literal parts of errors in the source that `troubleshooting.md` does not have."""
    known = " ".join((DOCS / "troubleshooting.md").read_text(encoding="utf-8").split())
    for path in sorted((ROOT / "interp").rglob("*.py")):
        part = path.relative_to(ROOT / "interp").parts[0].removesuffix(".py")
        for said in _said(ast.parse(path.read_text(encoding="utf-8"))) if part not in LEFT_OUT else ():
            literal = max(_literals(said), key=len, default="").strip(" .;:,('")
            if literal and literal not in known:
                yield f"{path.relative_to(ROOT)}:{said.lineno}: {literal}"


def _said(tree: ast.AST) -> Iterator[ast.expr]:
    """Yield the first argument of every error that is raised, and of every kind of problem with data."""
    for node in ast.walk(tree):
        call = node.exc if isinstance(node, ast.Raise) else node
        if not isinstance(call, ast.Call) or not call.args:
            continue
        name = ast.unparse(call.func)
        if (isinstance(node, ast.Raise) and name not in NOT_SAID) or name == "Kind":
            yield call.args[0]


def _literals(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        for value in node.values:
            yield from _literals(value)


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
