"""The same result whatever parts, batches, workers and budgets the work is cut into."""

import json

import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx.configs import AttackBudget, RobustnessConfig
from nsl_tfx.robustness import Verdict, evaluate
from nsl_tfx.robustness.attacking.suite import most_queries
from nsl_tfx.robustness.data import Examples
from nsl_tfx.robustness.measuring import local as local_module
from nsl_tfx.robustness.measuring.local import parts_of, plan_parts

CONFIG = RobustnessConfig(
    features=("image",),
    label_feature="label",
    epsilon=0.12,
    curve=(0.06, 0.2),
    clip_value_min=0.0,
    clip_value_max=1.0,
    attacks=("noise", "fgsm", "pgd", "apgd_t", "square"),
    budget=AttackBudget(
        noise_draws=3, steps=4, restarts=1, apgd_steps=4, apgd_targets=2, square_queries=20
    ),
    corruptions=("gaussian_noise", "missing"),
    severities=(3,),
    batch_size=50,
)


def told(result):
    """All that a result says, less its times and the config."""
    found = json.loads(result.to_json())
    for key in ("config", "config_fingerprint"):
        del found[key]
    for scores in (found["model"], found["baseline"]):
        for attack in scores["attacks"] if scores else []:
            del attack["seconds"]
    return found


@pytest.fixture(scope="module")
def saved(digits, tmp_path_factory):
    """The network as a SavedModel's folder."""

    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 64], tf.float32, name="image")])
        def raw_features(self, image):
            return {"logits": digits.logits(image)}

    path = str(tmp_path_factory.mktemp("saved") / "model")
    module = Module()
    tf.saved_model.save(module, path, {"raw_features": module.raw_features})
    return path


@pytest.fixture(scope="module")
def whole(digits, saved):
    return told(evaluate(saved, digits.data(), CONFIG, baseline=saved))


@pytest.mark.slow
def test_parts_do_not_matter(digits, saved, whole, monkeypatch):
    monkeypatch.setattr(local_module, "_BATCHES_IN_PART", 1)
    assert told(evaluate(saved, digits.data(), CONFIG, baseline=saved)) == whole


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--direct_num_workers=2"]], ids=["one", "threads"])
def test_beam_finds_the_same(digits, saved, whole, tmp_path, monkeypatch, options):
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    from nsl_tfx.robustness.measuring.beam import BeamMeasure

    monkeypatch.setattr(local_module, "_BATCHES_IN_PART", 1)
    measure = BeamMeasure(
        lambda: beam.Pipeline(options=PipelineOptions(options)), str(tmp_path / "between")
    )
    found = evaluate(saved, digits.data(), CONFIG, baseline=saved, measure=measure)
    assert told(found) == whole
    assert list((tmp_path / "between").iterdir()) == []


def test_beam_loads_models_from_folders(digits, tmp_path):
    from nsl_tfx.robustness.measuring.beam import BeamMeasure

    measure = BeamMeasure(lambda: None, str(tmp_path))
    with pytest.raises(TypeError, match=r"SavedModels' folders.*Received: ModelUnderTest"):
        evaluate(digits.under_test(), digits.data(), CONFIG, measure=measure)


@pytest.mark.parametrize(
    ("count", "size", "parts"),
    [(1, 50, 1), (200, 50, 1), (201, 50, 2), (1000, 1, 250)],
)
def test_every_example_is_in_one_part(count, size, parts):
    found = list(parts_of(count, CONFIG.replace(batch_size=size)))
    assert len(found) == parts
    np.testing.assert_array_equal(np.sort(np.concatenate(found)), np.arange(count))


def test_parts_of_a_budget_are_batches_drawn_at_random():
    first, *_ = parts_of(1000, CONFIG.replace(time_budget_s=1.0))
    assert len(first) == 50
    assert first.max() > 500
    # Few examples are parted all the same.
    assert len(list(parts_of(300, CONFIG.replace(time_budget_s=1.0, batch_size=500)))) == 9


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"query_budget": 1}, {"time_budget_s": 1e-9}], ids=str)
def test_a_budget_that_is_spent_leaves_a_random_sample_with_wider_intervals(digits, saved, change):
    config = CONFIG.replace(attacks=("fgsm",), curve=(), corruptions=(), min_robust_accuracy=0.4)
    whole = evaluate(saved, digits.data(), config)
    part = evaluate(saved, digits.data(), config.replace(**change), baseline=saved)
    # A part is of 32 examples at least, and one is always measured.
    assert (len(part.labels), part.examples_left_out) == (32, 168)
    assert part.model.accuracy.total == part.baseline.accuracy.total == 32
    robust = part.model.robust_accuracy
    assert robust.high - robust.low > 1.5 * (
        whole.model.robust_accuracy.high - whole.model.robust_accuracy.low
    )
    # The same examples fare the same.
    place = {name: i for i, name in enumerate(whole.ids)}
    same = [place[name] for name in part.ids]
    np.testing.assert_array_equal(
        whole.model.rows.smallest_epsilon[same], part.model.rows.smallest_epsilon
    )
    assert part.verdict in (Verdict.PASS, Verdict.FAIL)


@pytest.mark.parametrize("models", [1, 2])
@pytest.mark.parametrize(
    ("enough_for", "taken"), [(1, 32), (63, 32), (64, 64), (199, 192), (200, 200)]
)
def test_a_budget_of_queries_is_enough_for_what_is_taken(enough_for, taken, models):
    """But for the first part, of 32, without which there would be no result."""
    queries = enough_for * models * most_queries(CONFIG, 10)
    examples = Examples({}, np.arange(200) % 10, ["-"] * 200, 200)
    parts = plan_parts(examples, CONFIG.replace(query_budget=queries), models)
    assert sum(map(len, parts)) == taken


def test_progress_ends_at_one_and_never_falls(digits):
    seen = []
    config = CONFIG.replace(attacks=("fgsm", "pgd"), batch_size=10)
    evaluate(digits.under_test(), digits.data(), config, progress=lambda *told: seen.append(told))
    shares = [share for share, _ in seen]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] == 1
    assert {"pgd at epsilon 0.12", "fgsm at epsilon 0.2"} <= {what for _, what in seen}


def test_some_features_reach_farther():
    """A linear model's margin falls by the scale of each weight: exactly, for each example."""
    from nsl_tfx.robustness import ModelUnderTest

    weights = np.array([[1.0, -1.0], [-2.0, 2.0], [5.0, -5.0]], np.float32)
    x = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    model = ModelUnderTest(lambda f: f["x"] @ weights, {"x": tf.TensorSpec([None, 3], tf.float32)})
    logits = x @ weights
    config = RobustnessConfig(
        features=("x",),
        label_feature="y",
        epsilon=0.1,
        feature_scale=[2.0, 0.5, 0.0],
        curve=(),
        attacks=("fgsm", "apgd_dlr"),
    )
    result = evaluate(model, {"x": x, "y": logits.argmax(axis=1)}, config)
    margin = np.abs(logits[:, 0] - logits[:, 1])
    exact = margin > 0.1 * (2 * 2 * 1.0 + 0.5 * 2 * 2.0)
    np.testing.assert_array_equal(result.model.rows.robust_at(0.1), exact)
    assert all(f.adversarial["x"][2] == f.original["x"][2] for f in result.model.fragile)
    assert result.verdict is Verdict.PASS
