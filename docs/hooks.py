"""What mkdocs fills in while it builds: tables made from the registry, the command line and the imports.

A page asks for one with a comment of its own, `<!-- generated: methods -->`. What is generated cannot go
stale.
"""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parent.parent / "interp"
MARK = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, **_context: Any) -> str:
    """Put the generated text in the place of every mark on a page."""
    return MARK.sub(lambda mark: GENERATORS[mark[1]](), markdown)


def method_table() -> str:
    """Return a table for each family of registered methods, one row each."""
    from interp.explorer.choosing import FAMILIES
    from interp.methods import methods

    head = ("name", "title", "formula", "drawn", "passes", "options", "paper")
    known = methods()
    parts = []
    for family in [*FAMILIES, *sorted({m.family for m in known} - set(FAMILIES))]:
        rows = [_method(m) for m in known if m.family == family]
        if rows:
            parts.append(f"### {FAMILIES.get(family, family)}\n\n{_table(head, rows)}")
    return "\n\n".join(parts)


def _method(method: Any) -> tuple[str, ...]:
    options = ", ".join(f"{name}={value!r}" for name, value in method.options.items())
    return (
        f"`{method.name}`",
        method.title,
        _code(method.formula),
        f"{method.display}, on the input" if method.place == "input" else method.display,
        f"{method.passes:.3g}" if method.passes < 1000 else f"{method.passes:.0f}",
        _code(options) if options else "",
        method.paper.replace(";", ";<br>"),
    )


def option_table() -> str:
    """Return the options that every method has."""
    from interp.methods import modifiers
    from interp.methods.registry import _MODIFIERS

    rows = []
    for name, usual in modifiers().items():
        about = (_MODIFIERS[name][1].__doc__ or "").strip().partition("\n\n")[0]
        rows.append((f"`{name}`", f"`{usual!r}`", " ".join(about.split())))
    return _table(("option", "usual", "what it does"), rows)


def command_line() -> str:
    """Return every command with its arguments and options."""
    import typer

    from interp.cli import app

    return "\n\n".join(_command(name, command) for name, command in _commands(typer.main.get_command(app)))


def _commands(group: Any, prefix: str = "interp") -> Iterator[tuple[str, Any]]:
    """Yield every command with its whole name, those of a group after the group itself."""
    for name, command in group.commands.items():
        yield f"{prefix} {name}", command
        if hasattr(command, "commands"):
            yield from _commands(command, f"{prefix} {name}")


def _command(name: str, command: Any) -> str:
    if hasattr(command, "commands"):
        return f"## {name}\n\n{command.help}\n\n```text\n{name} COMMAND [OPTIONS] ...\n```"
    arguments = [p for p in command.params if not p.opts[0].startswith("-")]
    given = [p.name.upper() + ("..." if p.nargs == -1 else "") for p in arguments]
    usage = " ".join(word if p.required else f"[{word}]" for word, p in zip(given, arguments, strict=True))
    rows = [_parameter(p) for p in command.params]
    return (
        f"{'#' * len(name.split())} {name}\n\n{command.help}\n\n```text\n{name} [OPTIONS] {usage}".rstrip()
        + "\n```\n\n"
        + (_table(("argument or option", "default", "meaning"), rows) if rows else "It has no options.")
    )


def _parameter(parameter: Any) -> tuple[str, str, str]:
    is_option = parameter.opts[0].startswith("-")
    names = [*parameter.opts, *parameter.secondary_opts] if is_option else [parameter.name.upper()]
    default = parameter.default
    shown = "required" if parameter.required else "" if default in (None, False, "") else f"`{default}`"
    return ", ".join(f"`{name}`" for name in names), shown, parameter.help or ""


def import_map() -> str:
    """Return the parts of the package from the top down, each with what it uses; a circle is an error."""
    uses = {part: set(_imports(part)) - {part} for part in _parts()}
    levels: dict[str, int] = {}
    while len(levels) < len(uses):
        ready = [part for part in uses if part not in levels and uses[part] <= levels.keys()]
        if not ready:
            circle = ", ".join(sorted(uses.keys() - levels.keys()))
            raise SystemExit(f"interp imports in a circle: {circle}")
        levels |= {part: 1 + max((levels[low] for low in uses[part]), default=-1) for part in ready}
    order = sorted(uses, key=lambda part: (levels[part], part))
    rows = [
        (
            str(levels[part]),
            f"`{part}`",
            _first_line(part),
            ", ".join(f"`{low}`" for low in order if low in uses[part]) or "nothing of interp",
        )
        for part in reversed(order)
    ]
    return _table(("level", "part", "what it is", "uses"), rows)


def _parts() -> list[str]:
    files = [path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__"]
    return sorted(files + [path.parent.name for path in PACKAGE.glob("*/__init__.py")])


def _source(part: str) -> list[Path]:
    folder = PACKAGE / part
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]


def _imports(part: str) -> Iterator[str]:
    known = set(_parts())
    for path in _source(part):
        for name in _imported(ast.parse(path.read_text(encoding="utf-8"))):
            pieces = name.split(".")
            if pieces[0] == "interp" and len(pieces) > 1 and pieces[1] in known:
                yield pieces[1]


def _imported(tree: ast.AST) -> Iterator[str]:
    """Yield what runs imports, inside functions too; what only a type checker reads is left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        yield from _imported(node)


def _first_line(part: str) -> str:
    first = PACKAGE / part / "__init__.py"
    path = first if first.is_file() else PACKAGE / f"{part}.py"
    words = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return words.partition("\n\n")[0].replace("\n", " ")


def _code(text: str) -> str:
    """Return code for a table: in backticks a bar would end the cell, and its escape would be shown."""
    return f"<code>{html.escape(text).replace('|', '&#124;').replace('_', '&#95;')}</code>"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


GENERATORS: dict[str, Callable[[], str]] = {
    "methods": method_table,
    "options": option_table,
    "commands": command_line,
    "imports": import_map,
}
