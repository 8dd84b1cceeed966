"""The formula for the time of many workers, and the simulation: they are found in two ways and must agree."""

from __future__ import annotations

import math
import statistics

import pytest
from command import save_classifier
from PIL import Image

import interp
from interp.report import plan
from interp.report.scaling import Crew, expected, measured, simulated, until_whole


def mean(shards, seconds, crew, runs=20):
    return statistics.fmean(simulated(shards, seconds, crew, seed) for seed in range(runs))


@pytest.mark.parametrize("sliced", [True, False])
def test_without_chance_the_simulation_is_counting(sliced):
    crew = Crew(workers=4, start=5.0, sliced=sliced)
    assert simulated(10, 2.0, crew) == 5 + 3 * 2
    assert simulated(1, 2.0, crew) == 5 + 2
    assert expected(8, 2.0, crew) == simulated(8, 2.0, crew)


def test_time_until_a_piece_is_whole():
    assert until_whole(10.0, 0.0, 3.0) == 10
    # With few deaths: the piece, and with probability c·d half a piece and a restart more.
    assert until_whole(10.0, 1e-6, 3.0) == pytest.approx(10 + 10e-6 * (10 / 2 + 3), rel=1e-9)
    one = Crew(deaths=60.0, restart=3.0)
    assert mean(1, 30.0, one, 4000) == pytest.approx(until_whole(30.0, 1 / 60, 3.0), rel=0.05)


@pytest.mark.parametrize(
    "crew",
    [
        Crew(workers=16, start=20, spread=0.3),
        Crew(workers=16, deaths=2.0, restart=60),
        Crew(workers=16, slow=0.25, spread=0.3),
        Crew(workers=64, start=20, deaths=0.5, slow=0.125, spread=0.5),
    ],
)
def test_formula_and_simulation_agree_when_there_are_many_shards(crew):
    assert mean(4000, 60.0, crew, 5) == pytest.approx(expected(4000, 60.0, crew), rel=0.03)


def test_stragglers_cost_whom_has_its_shards_from_the_beginning():
    slow = Crew(workers=16, slow=0.125)
    fixed = Crew(workers=16, slow=0.125, sliced=True)
    assert expected(1600, 60.0, fixed) == simulated(1600, 60.0, fixed) == 12_000
    assert simulated(1600, 60.0, slow) < 0.6 * simulated(1600, 60.0, fixed)


def test_spread_leaves_the_mean_as_it_is():
    total = mean(2000, 10.0, Crew(spread=0.5), 5)
    assert total == pytest.approx(20_000, rel=0.02)
    assert not math.isclose(
        simulated(50, 10.0, Crew(spread=0.5), 0), simulated(50, 10.0, Crew(spread=0.5), 1)
    )


@pytest.mark.parametrize("panels", [True, False])
def test_costs_are_measured_and_leave_nothing(tmp_path, panels):
    for number in range(5):
        Image.new("RGB", (30, 30), (number, 0, 0)).save(tmp_path / f"{number}.png")
    model = interp.load(save_classifier(tmp_path / "model"))
    cost = measured(plan(model, tmp_path, tmp_path / "out", panels=panels), pictures=3)
    assert cost.pictures == 3
    assert cost.seconds > 0
    assert cost.maps > 100
    assert (cost.panels > 1000) == panels
    assert not (tmp_path / "out").exists()
