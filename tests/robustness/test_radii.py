"""Smallest epsilons and certificates in an evaluation, against exact distances."""

import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx.configs import NormType, RobustnessConfig, SmoothingConfig
from nsl_tfx.robustness import ModelUnderTest, Verdict, evaluate
from nsl_tfx.robustness.reporting.report import render_report

WEIGHTS = np.array([1.0, -2.0, 0.5], np.float32)
CONFIG = RobustnessConfig(
    features=("x",),
    label_feature="y",
    epsilon=0.2,
    curve=(1.0,),
    attacks=("fgsm", "pgd"),
    batch_size=32,
)
MODEL = ModelUnderTest(
    lambda f: tf.stack(
        [tf.zeros_like(f["x"][:, 0]), tf.linalg.matvec(f["x"], tf.constant(WEIGHTS))], axis=1
    ),
    {"x": tf.TensorSpec([None, 3], tf.float32)},
)


def examples(count=100, wrong=10):
    x = np.random.default_rng(0).uniform(-1, 1, (count, 3)).astype(np.float32)
    y = (x @ WEIGHTS > 0).astype(int)
    y[:wrong] = 1 - y[:wrong]
    return {"x": x, "y": y}


def distance(x, norm):
    dual = {NormType.INFINITY: 1, NormType.L2: 2}[norm]
    return np.abs(x @ WEIGHTS) / np.linalg.norm(WEIGHTS, dual)


@pytest.mark.slow
@pytest.mark.parametrize("norm", [NormType.INFINITY, NormType.L2])
def test_smallest_epsilons_are_the_distances_to_the_boundary(norm):
    data = examples()
    config = CONFIG.replace(norm=norm, bisections=12)
    scores = evaluate(MODEL, data, config).model
    found, exact = scores.rows.smallest_epsilon, distance(data["x"], norm)
    assert (found[:10] == 0).all()
    near = exact[10:] < 0.999
    np.testing.assert_allclose(found[10:][near], exact[10:][near], atol=1e-3)
    assert np.isinf(found[10:][exact[10:] > 1.001]).all()
    # Those of the curve alone are its epsilons.
    plain = evaluate(MODEL, data, config.replace(bisections=0)).model.rows.smallest_epsilon
    assert set(plain) <= {0, 0.2, 1.0, np.inf}
    assert (found <= plain).all()


def test_the_most_fragile_are_the_nearest():
    data = examples()
    result = evaluate(MODEL, data, CONFIG.replace(bisections=10))
    nearest = np.sort(result.model.rows.smallest_epsilon[result.model.rows.correct])[:8]
    np.testing.assert_allclose([f.epsilon for f in result.model.fragile], nearest)
    for one in result.model.fragile:
        moved = np.abs(one.adversarial["x"] - one.original["x"]).max()
        assert moved <= one.epsilon * (1 + 1e-5) + 1e-7
    assert result.verdict is Verdict.PASS


def test_the_report_tells_smallest_epsilons_and_certificates():
    config = CONFIG.replace(bisections=10, smoothing=SmoothingConfig(sigma=0.3, samples=200))
    result = evaluate(MODEL, examples(), config)
    page = " ".join(render_report(result).split())
    median = f"{np.quantile(result.model.rows.smallest_epsilon, 0.5, method='lower'):.3g}"
    assert f'<td>50 %</td><td class="number">{median}</td>' in page
    certified = 100 * result.model.certified[0].accuracy.value
    assert f'<td>0</td><td class="number">{certified:.1f} %' in page


@pytest.mark.slow
def test_certificates_stay_below_the_distance_and_attacks_above():
    data = examples()
    smoothing = SmoothingConfig(sigma=0.3, samples=2000)
    result = evaluate(MODEL, data, CONFIG.replace(norm="l2", smoothing=smoothing, bisections=10))
    exact = np.where(result.model.rows.correct, distance(data["x"], NormType.L2), -1)
    radii = [point.radius for point in result.model.certified]
    assert radii[0] == 0
    assert len(radii) > 4
    for point in result.model.certified:
        # One certificate in a thousand may be wrong.
        assert point.accuracy.count <= (exact >= point.radius).sum() + 1
    shares = [point.accuracy.value for point in result.model.certified]
    assert shares == sorted(shares, reverse=True)
    assert 0 < shares[-1] < shares[0] <= result.model.accuracy.value


@pytest.mark.slow
@pytest.mark.parametrize("factor", [1.0, 10.0])
def test_certificates_are_told_in_the_scale_of_the_features(factor):
    data = examples()
    smoothing = SmoothingConfig(sigma=0.3, samples=5000)
    config = CONFIG.replace(attacks=("fgsm",), curve=(), smoothing=smoothing, feature_scale=factor)
    stretched = ModelUnderTest(lambda f: MODEL.function({"x": f["x"] / factor}), MODEL.inputs)
    scores = evaluate(stretched, {**data, "x": factor * data["x"]}, config).model
    exact = np.where(scores.rows.correct, distance(data["x"], NormType.L2), -1)
    for point in scores.certified:
        # Of 5000 draws the bound is this near to the exact radius.
        surely = (exact >= 1.25 * point.radius + 0.03).sum()
        assert surely <= point.accuracy.count <= (exact >= point.radius).sum() + 1
