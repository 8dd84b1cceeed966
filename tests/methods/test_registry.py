"""The registry: what people type, and what each method says of itself."""

import inspect

import pytest

from interp.methods import MethodError, get, methods
from interp.methods.registry import method as register


@pytest.mark.parametrize("name", [method.name for method in methods()])
def test_every_method_says_what_it_is(name):
    found = get(name)
    assert found.title
    assert found.formula
    assert found.paper
    assert found.passes >= 1
    assert found.function.__doc__
    assert found.display in ("positive", "signed", "range")
    wanted = {
        "activations": ["activation"],
        "gradients": ["activation", "gradient"],
        "head": ["activation", "weights"],
        "probe": ["probe"],
    }
    parameters = inspect.signature(found.function).parameters.values()
    given = [p.name.rstrip("s") for p in parameters if p.kind is not p.KEYWORD_ONLY]
    assert given == [each.rstrip("s") for each in wanted[found.needs]]
    assert all(p.default is not p.empty for p in parameters if p.kind is p.KEYWORD_ONLY)
    for typed in (
        name.upper(),
        name.replace("-", "_"),
        name.replace("-", " "),
        name.replace("-", ""),
        f" {name} ",
    ):
        assert get(typed) is found
    assert get(found) is found


def test_titles_and_names_are_unique():
    assert len({m.title for m in methods()}) == len({m.name for m in methods()}) == len(methods())


def test_plus_plus_may_be_typed():
    assert get("Grad-CAM++").name == get("gradcam++").name == "grad-cam-plus-plus"
    assert get("GradCAM").name == "grad-cam"


@pytest.mark.parametrize(
    ("typed", "near"), [("grad-cma", "grad-cam"), ("hirescamm", "hires-cam"), ("eigen", "eigen-cam")]
)
def test_near_misses_are_named(typed, near):
    with pytest.raises(MethodError, match=near):
        get(typed)


@pytest.mark.parametrize("typed", ["", "zzzzzz", 5, None, []])
def test_nonsense_is_refused_in_words(typed):
    with pytest.raises(MethodError, match="there is no method"):
        get(typed)


def test_a_name_is_registered_once():
    with pytest.raises(MethodError, match="twice"):
        register("grad-cam", "x", family="cam", needs="gradients", display="signed", formula="", paper="")(
            len
        )
