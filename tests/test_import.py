"""`import interp` costs next to nothing, and every public name is there."""

import subprocess
import sys

import pytest

import interp

HEAVY = (
    "torch",
    "torchvision",
    "fastai",
    "matplotlib",
    "streamlit",
    "timm",
    "numpy",
    "PIL",
    "captum",
    "pyarrow",
)


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_import_loads_nothing_heavy():
    assert run(f"import sys, interp; print([m for m in {HEAVY} if m in sys.modules])").strip() == "[]"


@pytest.mark.slow
def test_loading_a_model_needs_no_fastai_matplotlib_or_streamlit():
    late = ("fastai", "matplotlib.pyplot", "streamlit")
    code = f"import sys, interp; interp.load; print([m for m in {late} if m in sys.modules])"
    assert run(code).strip() == "[]"


@pytest.mark.slow
def test_every_public_name_resolves_from_a_fresh_start():
    # The star asks for every name in turn.
    code = """
from interp import *
import interp
print([n for n in interp.__all__ if globals()[n] is None])
print(callable(explain), callable(load), Explanation.__name__)
"""
    assert run(code).split() == ["[]", "True", "True", "Explanation"]


def test_dir_lists_the_public_names_and_only_them():
    assert dir(interp) == sorted(interp.__all__)
    assert len(set(interp.__all__)) == len(interp.__all__)


def test_functions_stay_functions_beside_modules_of_their_name():
    from interp import methods

    assert callable(interp.attribute)
    assert interp.attribute is methods.attribute
    assert interp.methods.get("grad-cam")


@pytest.mark.parametrize("name", ["explian", "__path", "torch", "Model"])
def test_unknown_names(name):
    with pytest.raises(AttributeError, match=f"no attribute '{name}'"):
        getattr(interp, name)
