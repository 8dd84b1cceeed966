import numpy as np
import pytest
from figure_words import assert_inside, words
from matplotlib.figure import Figure

from interp.views import ViewError, learning_rate_figure, training_curves
from interp.views.timeline import Stages, smoothed, step_places

LONG = "frozen <b>$x$</b> body, " * 30


def run(count: int, metrics: dict[str, list[float]], **steps) -> Figure:
    columns = {"loss": np.linspace(3, 1, 10 * count), "lr": np.full(10 * count, 1e-3)}
    columns |= {"momentum": np.full(10 * count, 0.9), **steps}
    epochs = {"train_loss": np.ones(count), "valid_loss": np.ones(count), **metrics}
    return training_curves(columns, epochs, [("head", 1), ("all", count - 1)])


def axes_titled(figure: Figure, title: str):
    """The axes that begin under the left end of a title."""
    x, y = next(t.get_position() for t in figure.texts if t.get_text() == title)
    below = [a for a in figure.axes if abs(a.get_position().x0 - x) < 1e-6 and a.get_position().y1 < y]
    return max(below, key=lambda a: a.get_position().y1)


def test_metrics_from_0_to_1_come_first_and_a_family_is_not_parted() -> None:
    metrics = {"psnr": [20, 21], "accuracy": [0.5, 0.6], "feat_0": [0.5, 0.4], "feat_1": [1.5, 1.2]}

    said = words(run(2, metrics))

    first, second = said.index("metrics from 0 to 1"), said.index("metrics of other ranges")
    assert first < said.index("accuracy") < second
    assert all(said.index(name) > second for name in ("psnr", "feat_0", "feat_1"))


def test_the_values_of_an_epoch_stand_at_its_end_and_nan_breaks_the_line() -> None:
    figure = run(4, {"mean_iou": [np.nan, 0.2, np.nan, 0.8]})

    line = axes_titled(figure, "mean_iou").lines[-1]

    assert line.get_xdata().tolist() == [1, 2, 3, 4]
    assert line.get_ydata().tolist() == pytest.approx([np.nan, 0.2, np.nan, 0.8], nan_ok=True)
    assert "0.8" in words(figure)


def test_a_metric_without_values_says_so() -> None:
    assert "no values" in words(run(2, {"psnr": [np.nan, np.nan]}))


def test_one_exploded_step_does_not_hide_the_others() -> None:
    loss = np.linspace(3, 1, 1000)
    loss[500] = 1e6

    axes = axes_titled(run(100, {}, loss=loss), "loss")

    assert axes.get_ylim()[1] < 1000


def test_steps_without_a_finite_loss_are_counted() -> None:
    loss = np.ones(20)
    loss[3], loss[4] = np.nan, np.inf

    assert "2 of 20 steps have no finite loss" in words(run(2, {}, loss=loss))


def test_names_that_do_not_fit_their_band_become_numbers_that_are_explained() -> None:
    stages = Stages.of([("a long name", 1), ("b", 99)])

    shown, explained = stages.captions(1200)
    assert shown == ["1", "2"]
    assert explained == "1 a long name  ·  2 b"
    assert Stages.of([("a", 1), ("b", 1)]).captions(700) == (["a", "b"], "")


@pytest.mark.parametrize("count", [1, 40])
@pytest.mark.parametrize("metrics", [0, 1, 12])
def test_no_word_leaves_the_figure(count: int, metrics: int) -> None:
    values = {f"{name} {LONG}": np.linspace(0, 10.0**name, count) for name in range(metrics)}
    steps = {"loss": np.linspace(3, 1, count), "lr": np.geomspace(1e-9, 1e-2, count)}
    steps["momentum"] = np.linspace(0.85, 0.95, count)

    assert_inside(training_curves(steps, {"valid_loss": np.ones(count), **values}, [(LONG, count)]))


@pytest.mark.parametrize("loss", [[], [np.nan] * 4, [-1.0, -2.0], [0.0, 0.0], [1e-12, 1e12]])
def test_odd_losses_are_drawn(loss: list[float]) -> None:
    count = len(loss)
    steps = {"loss": loss, "lr": [0.0] * count, "momentum": [np.nan] * count}

    assert_inside(training_curves(steps, {}, [("one", 1)]))


@pytest.mark.parametrize(
    ("steps", "epochs", "stages", "argument"),
    [
        ({"loss": [1.0]}, {}, [], "stages"),
        ({"loss": [1.0]}, {}, [("a", 0)], "stages"),
        ({"loss": [1.0]}, {}, [("a", -1)], "stages[0]"),
        ({}, {}, [("a", 1)], "steps"),
        ({"loss": [1.0], "lr": []}, {}, [("a", 1)], "steps['lr']"),
        ({"loss": [[1.0]]}, {}, [("a", 1)], "steps['loss']"),
        ({"loss": ["x"]}, {}, [("a", 1)], "steps['loss']"),
        ({"loss": [1.0]}, {"iou": [1.0, 2.0]}, [("a", 1)], "epochs['iou']"),
        ({"loss": [1.0, 1.0], "epoch": [1.0, 0.0]}, {}, [("a", 2)], "steps['epoch']"),
        ({"loss": [1.0], "epoch": [2.0]}, {}, [("a", 2)], "steps['epoch']"),
    ],
)
def test_an_error_names_the_argument(steps, epochs, stages, argument) -> None:
    with pytest.raises(ViewError) as error:
        training_curves(steps, epochs, stages)

    assert str(error.value).startswith(argument)


def test_steps_stand_in_their_own_epochs() -> None:
    places = step_places(6, np.array([0, 0, 0, 0, 1, 1.5]), 2)

    assert places.tolist() == [0.25, 0.5, 0.75, 1.0, 1.5, 2.0]


def test_the_moving_mean_is_the_formula_written_out() -> None:
    values = np.random.default_rng(0).normal(size=4000)
    weights = 0.98 ** np.arange(4000)

    mean = smoothed(values)

    for t in (0, 1, 57, 3999):
        assert mean[t] == pytest.approx((values[t::-1] * weights[: t + 1]).sum() / weights[: t + 1].sum())


def test_the_valley_of_a_search_stays_visible_and_the_cut_is_said() -> None:
    rates = np.geomspace(1e-6, 1, 50)
    losses = np.where(rates < 1e-2, 4 - 2 * np.linspace(0, 1.5, 50), 1e5)

    figure = learning_rate_figure(rates, losses, 1e-3, 1e-4)

    low, high = figure.axes[0].get_ylim()
    assert low < losses.min()
    assert 4 <= high < 8
    assert {"suggested 0.001", "lower 0.0001", "loss goes on up to 1e5"} <= set(words(figure))
    assert_inside(figure)


def test_a_mark_lies_on_the_curve() -> None:
    axes = learning_rate_figure([1e-4, 1e-2], [3.0, 1.0], 1e-3).axes[0]

    point = axes.lines[-1]

    assert (point.get_xdata()[0], point.get_ydata()[0]) == pytest.approx((1e-3, 2.0))


@pytest.mark.parametrize("losses", [[1.0], [np.nan, 1.0], [1.0, 1.0], [1.0, 9.0, np.inf], [-3.0, -4.0]])
def test_odd_searches_are_drawn(losses: list[float]) -> None:
    figure = learning_rate_figure(np.geomspace(1e-5, 1e-1, len(losses)), losses, None)

    assert any("no rate is suggested" in text for text in words(figure))
    assert_inside(figure)


@pytest.mark.parametrize(
    ("rates", "losses", "suggestion", "argument"),
    [
        ([], [], None, "rates"),
        ([0.0], [1.0], None, "rates"),
        ([1e-3], [1.0, 2.0], None, "losses"),
        ([1e-3], [np.nan], None, "losses"),
        ([1e-3], [1.0], 0.0, "suggestion"),
        ([1e-3], [1.0], float("nan"), "suggestion"),
    ],
)
def test_an_error_of_a_search_names_the_argument(rates, losses, suggestion, argument) -> None:
    with pytest.raises(ViewError, match=f"^{argument}"):
        learning_rate_figure(rates, losses, suggestion)
