"""Options: how they are written, what does not fit, and what they change."""

import pytest
import torch
from nets import PooledLinear, inputs_for, model_of, only

from interp.layers import LayerError
from interp.methods import INPUT, MethodError, attribute, get, method
from interp.methods import registry as registered


@pytest.fixture
def _registry(monkeypatch):
    monkeypatch.setattr(registered, "_REGISTRY", dict(registered._REGISTRY))
    monkeypatch.setattr(registered, "_COSTS", dict(registered._COSTS))


@pytest.fixture
def counting(_registry):
    """A method whose map is its options and how often it was told to tell."""

    @method(
        "counting",
        "Counting",
        family="test",
        needs="probe",
        place="input",
        display="signed",
        formula="n",
        paper="",
        passes=lambda options: 2 * options["times"],
    )
    def count(probe, *, times=3, share=0.5, fast=False, seed=0):
        """Return a constant."""
        for number in range(times):
            probe.progress(number + 1, times)
        return torch.full(probe.inputs.shape[2:], times + share + fast) + 0 * probe.scores(probe.inputs)[0]

    return get("counting")


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("counting", "counting"),
        ("counting()", "counting"),
        ("Counting(times=3)", "counting"),
        ("counting( share=1 ,times=5)", "counting(times=5, share=1.0)"),
        ("counting(fast=True)", "counting(fast=True)"),
    ],
)
def test_the_same_options_have_one_name(counting, typed, name):
    assert get(typed).name == name
    assert get(get(typed).name).name == name


def test_options_are_given_to_the_function_and_counted(counting):
    model = model_of(PooledLinear())
    told = []
    found = attribute(
        model,
        inputs_for(model, 2),
        None,
        ["counting(times=5)", get("counting", fast=True)],
        progress=lambda done, total: told.append(done / total),
    ).maps
    assert (only(found, "counting(times=5)") == 5.5).all()
    assert (found[0, INPUT, "counting(fast=True)"] == 4.5).all()
    assert get("counting", times=5).passes == 10
    assert counting.passes == 6
    assert told == sorted(told)
    assert told[-1] == 1


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("counting(time=5)", "no option 'time'; did you mean times"),
        ("counting(zzz=5)", "it has times, share"),
        ("counting(times=2.5)", "give a int here, like the usual 3"),
        ("counting(fast=1)", "give a bool"),
        ("counting(share=float('nan'))", "cannot be read"),
        ("counting(5)", "cannot be read"),
        ("counting(times=__import__('os'))", "cannot be read"),
        ("counting(times=)", "cannot be read"),
        ("counting(times=1, times=2)", "cannot be read"),
        ("counting(share=1e999)", "finite number"),
        ("counting(seed=100000000000000000000)", "at most 18 digits"),
        ("counting(**{'times': 1})", "cannot be read"),
        ("counting(times=1", "there is no method"),
        ("grad-cam(nothing=1)", "no option 'nothing'"),
        ("nothing(times=1)", "there is no method"),
    ],
)
def test_what_does_not_fit_is_said_in_words(counting, typed, said):
    with pytest.raises(MethodError, match=said.replace("(", r"\(")):
        get(typed)


def test_a_map_on_the_input_needs_no_layer(counting):
    model = model_of(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 9 * 11, 2)))
    found = attribute(model, inputs_for(model), 1, ["counting"]).maps
    assert list(found) == [(0, INPUT, "counting")]
    assert found[0, INPUT, "counting"].shape == (1, 9, 11)
    again = attribute(model, inputs_for(model), 1, ["counting"], [INPUT]).maps
    assert list(again) == list(found)
    with pytest.raises(LayerError, match="no layer 'nowhere'"):
        attribute(model, inputs_for(model), 1, ["counting"], ["nowhere"])
