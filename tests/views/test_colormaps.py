import matplotlib
import numpy as np
import pytest

from interp.views.colormaps import COLORMAPS, default_for, offered_for, table


@pytest.mark.parametrize("name", COLORMAPS)
def test_a_table_is_the_colours_of_matplotlib(name: str) -> None:
    theirs = matplotlib.colormaps[name](np.arange(256), bytes=True)[:, :3].astype(int)
    differ = np.flatnonzero((table(name) != theirs).any(axis=1))

    assert set(differ) <= ({127, 128} if COLORMAPS[name].kind == "signed" else set())
    assert np.abs(table(name) - theirs).max() <= 2


@pytest.mark.parametrize("name", offered_for("signed"))
def test_the_middle_of_a_signed_table_has_no_tint(name: str) -> None:
    lower, upper = table(name)[127], table(name)[128]

    assert len(set(lower) | set(upper)) == 1


@pytest.mark.parametrize("name", offered_for("positive"))
def test_sequential_tables_only_get_lighter(name: str) -> None:
    lightness = table(name) @ np.array([0.2126, 0.7152, 0.0722])

    assert (np.diff(lightness) > -1).all()
    assert lightness[-1] - lightness[0] > 120


def test_a_table_is_made_once_and_cannot_be_changed() -> None:
    colours = table("magma")

    assert table("magma") is colours
    with pytest.raises(ValueError, match="read-only"):
        colours[0] = 0
    with pytest.raises(TypeError):
        COLORMAPS["jet"] = COLORMAPS["magma"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("wrong", "near"), [("magna", "'magma'"), ("MAGMA", "'magma'"), ("rdbu", "'RdBu_r'")]
)
def test_an_unknown_name_gets_near_misses(wrong: str, near: str) -> None:
    with pytest.raises(ValueError, match=f"no colormap '{wrong}'. Did you mean {near}"):
        table(wrong)


def test_a_hopeless_name_gets_the_list() -> None:
    with pytest.raises(ValueError, match=r"no colormap 'jet'\. On offer: magma, inferno"):
        table("jet")


def test_each_display_has_a_default_of_its_kind() -> None:
    assert {d: default_for(d) for d in ("positive", "signed", "range")} == {
        "positive": "magma",
        "signed": "RdBu_r",
        "range": "viridis",
    }
    assert COLORMAPS[default_for("signed")].kind == "signed"
    with pytest.raises(ValueError, match="display 'abs'"):
        default_for("abs")  # type: ignore[arg-type]
