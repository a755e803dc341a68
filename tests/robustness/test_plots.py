"""Figures of a result."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from nsl_tfx.robustness import RobustnessResult, Verdict
from nsl_tfx.robustness.reporting.pictures import paint
from tests.robustness.results import CONFIG, make_result

TABLE = CONFIG.replace(features=("a$b$", "c"), curve=(0.05,))


def draw(figure):
    """Figures lay themselves out when they are drawn."""
    figure.canvas.draw()
    return figure


def texts(axes):
    return [text.get_text() for text in axes.texts]


@pytest.mark.parametrize("baseline", [None, True])
@pytest.mark.parametrize("config", [CONFIG, TABLE], ids=["far epsilons", "near epsilons"])
def test_the_curve_is_the_results(config, baseline):
    result = make_result(config, baseline=baseline)
    axes = draw(result.plot()).axes[0]
    lines = {line.get_label(): line for line in axes.get_lines()}
    models = {"model": result.model} | ({"baseline": result.baseline} if baseline else {})
    bands = dict(zip(reversed(models), axes.collections, strict=True))
    for name, scores in models.items():
        points = [(p.epsilon, 100 * p.accuracy.value) for p in scores.curve]
        assert lines[name].get_xydata().tolist() == pytest.approx(np.array(points))
        heights = {y for _, y in bands[name].get_paths()[0].vertices}
        bounds = {100 * end for p in scores.curve for end in (p.accuracy.low, p.accuracy.high)}
        assert bounds <= heights
    assert (axes.get_legend() is not None) == bool(baseline)
    (low, high), epsilons = axes.get_xlim(), [p.epsilon for p in result.model.curve]
    assert low <= 0
    assert high >= max(epsilons)
    assert config.epsilon in [line.get_xdata()[0] for line in axes.get_lines()]


@pytest.mark.parametrize(
    ("scale", "unit"), [(None, "input units"), ({"a$b$": 9.0}, "times feature_scale")]
)
def test_epsilon_has_its_unit(scale, unit):
    axes = make_result(TABLE.replace(feature_scale=scale)).plot().axes[0]
    assert axes.get_xlabel() == f"epsilon (L∞, {unit})"


def test_bars_are_what_attacks_leave():
    result = make_result()
    axes = draw(result.plot()).axes[1]
    left = [result.model.accuracy, *(attack.left for attack in result.model.attacks)]
    assert [bar.get_width() for bar in axes.patches] == [100 * share.value for share in left]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["no attack", *(attack.name for attack in result.model.attacks)]
    # From above in the order of the attacks.
    assert axes.get_ylim()[0] > axes.get_ylim()[1]


def test_images_are_those_of_the_report():
    result = make_result()
    figure = draw(result.plot_examples(2))
    rows = figure.subfigs
    assert len(rows) == 2
    for row, fragile in zip(rows, result.model.fragile, strict=False):
        assert row.get_suptitle().startswith(f"{fragile.example_id}: class 3 becomes 5")
        shown = [axes.get_images()[0].get_array() for axes in row.axes]
        for array, expected in zip(shown, paint(fragile, result.config), strict=True):
            assert (np.asarray(array) == expected).all()


def test_a_table_tells_what_changed_the_most():
    result = make_result(TABLE, shape=(3,))
    (row, *_) = draw(result.plot_examples()).subfigs
    (axes,) = row.axes
    fragile = result.model.fragile[0]
    found = sorted(bar.get_width() for bar in axes.patches)
    moved = [fragile.adversarial[name] - fragile.original[name] for name in TABLE.features]
    assert found == pytest.approx(np.sort(np.concatenate(moved)))
    # A dollar sign is no formula.
    assert any(label.get_text().startswith("a\\$b\\$[") for label in axes.get_yticklabels())


def test_what_cannot_be_drawn_is_explained():
    nothing = RobustnessResult(Verdict.INCONCLUSIVE, ("No signature.",), CONFIG)
    for method in (nothing.plot, nothing.plot_examples):
        with pytest.raises(ValueError, match=r"could not be run\. No signature\."):
            method()
    result = make_result()
    with pytest.raises(ValueError, match="Received: 3 such examples, count=0"):
        result.plot_examples(0)
    robust = dataclasses.replace(result, model=dataclasses.replace(result.model, fragile=()))
    with pytest.raises(ValueError, match="Received: 0 such examples"):
        robust.plot_examples()


def test_plots_leave_no_state():
    """A figure of pyplot's is shown twice by notebooks, and kept until it is closed."""
    import matplotlib
    from matplotlib import pyplot

    settings, figures = dict(matplotlib.rcParams), pyplot.get_fignums()
    result = make_result()
    draw(result.plot())
    draw(result.plot_examples())
    assert pyplot.get_fignums() == figures
    assert dict(matplotlib.rcParams) == settings
