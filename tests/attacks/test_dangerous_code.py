"""The source itself: what unpacks, unpickles, evaluates or imports by name stands in known places only."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import pytest

import interp

PACKAGE = Path(interp.__file__).parent
# Calls that run what a file says, or write where an archive says; and where each may stand.
KNOWN = {
    "pickle.load": [], "dill.load": [], "joblib.load": [], "load_learner": [], "eval": [],
    "exec": [], "compile": [], "os.system": [], "os.popen": [], "yaml.load": [], "torch.hub.load": [],
    "marshal.loads": [], "shelve.open": [], "runpy.run_path": [],
    # What a process sends its own workers under Ray; it never was a file.
    "pickle.loads": ["ray_engine.py"],
    # Archives: nothing is unpacked to the disk; a data set that fastai fetches from its own address is.
    "extract": [], "extractall": [], "unpack_archive": [], "tarfile.open": [],
    "untar_data": ["training/fetching.py"],
    # Names of this package's own modules, from a table in the source.
    "importlib.import_module": ["__init__.py", "training/__init__.py"], "__import__": [],
}  # fmt: skip


@functools.cache
def calls() -> list[tuple[str, str, dict[str, str]]]:
    """Return every call of the package: where it stands, what is called, and its named arguments."""
    return [
        (source.relative_to(PACKAGE).as_posix(), ast.unparse(node.func), options(node))
        for source in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    ]


def options(node: ast.Call) -> dict[str, str]:
    return {str(keyword.arg): ast.unparse(keyword.value) for keyword in node.keywords}


@pytest.mark.parametrize("name", KNOWN)
def test_what_runs_the_words_of_a_file_stands_nowhere_else(name):
    plain = "." not in name and name not in ("eval", "exec", "compile")
    found = {
        where for where, called, _ in calls() if called == name or (plain and called.endswith(f".{name}"))
    }
    assert found == set(KNOWN[name])


def test_torch_loads_plain_weights_only_but_where_a_pickle_is_trusted():
    found = {where: given["weights_only"] for where, called, given in calls() if called == "torch.load"}
    assert found == {"models/sources.py": "True", "models/loading.py": "False"}


def test_numpy_never_loads_objects():
    found = {given.get("allow_pickle") for _, called, given in calls() if called in ("np.load", "numpy.load")}
    assert found == {"False"}


def test_no_shell_is_started():
    assert not [where for where, _, given in calls() if given.get("shell") == "True"]


def test_templates_escape_and_trust_nothing():
    made = {given["autoescape"] for _, called, given in calls() if called.endswith("jinja2.Environment")}
    assert made == {"True"}
    for template in PACKAGE.rglob("*.j2"):
        text = template.read_text(encoding="utf-8")
        assert "|safe" not in text.replace(" ", "")
        assert "innerHTML" not in text
    for script in PACKAGE.rglob("*.js"):
        assert "innerHTML" not in script.read_text(encoding="utf-8"), script
    assert not [where for where, _, given in calls() if "unsafe_allow_html" in given]
