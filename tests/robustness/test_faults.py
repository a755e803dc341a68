"""Faults of a model's inputs, against what a model without secrets must do."""

import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx.configs import RobustnessConfig
from nsl_tfx.robustness import ModelUnderTest, evaluate

CONFIG = RobustnessConfig(
    features=("x",), label_feature="y", epsilon=0.1, curve=(), attacks=("fgsm",)
)


def ages(count=80):
    """Old or young: by x alone, or by x and a word."""
    rng = np.random.default_rng(0)
    return {
        "x": rng.uniform(-1, 1, (count, 3)).astype(np.float32),
        "word": np.array([b"up", b"down"], object)[rng.integers(0, 2, count)],
    }


def model_of(score, **more):
    inputs = {"x": tf.TensorSpec([None, 3], tf.float32), "word": tf.TensorSpec([None], tf.string)}

    def logits(features):
        value = score(features)
        return tf.stack([tf.zeros_like(value), value], axis=1)

    return ModelUnderTest(logits, {**inputs, **more})


def by_sum(features):
    return tf.reduce_sum(features["x"], axis=1)


def by_word(features):
    return tf.where(features["word"] == b"up", 10.0, -10.0) + 0.1 * by_sum(features)


def points_of(curves, name):
    (curve,) = (curve for curve in curves if curve.name == name)
    return [(point.severity, point.accuracy.count) for point in curve.points]


def test_a_swapped_word_misleads_where_it_decides():
    data = ages()
    right = {**data, "y": (data["word"] == b"up").astype(int)}
    config = CONFIG.replace(edits=("category", "missing"), max_edits=2)
    scores = evaluate(model_of(by_word), right, config).model
    assert points_of(scores.edits, "category") == [(1, 0), (2, 0)]
    # The default is the most frequent word: only those that have another are misled.
    most = max([b"up", b"down"], key=list(data["word"]).count)
    stay = int((data["word"] == most).sum())
    assert points_of(scores.edits, "missing")[0] == (1, stay)
    assert scores.accuracy.count == 80


def test_edits_stay_off_what_they_may_not_touch():
    data = ages()
    right = {**data, "y": (data["word"] == b"up").astype(int)}
    config = CONFIG.replace(edits=("missing", "scale_error"), fault_features=("x",))
    scores = evaluate(model_of(by_word), right, config).model
    # x alone does not turn a word over, even a hundred times as large.
    assert points_of(scores.edits, "missing") == [(1, 80)]
    assert points_of(scores.edits, "scale_error")[0][1] < 80


def test_the_worst_missing_value_is_the_one_that_brute_force_finds():
    data = ages()
    right = {**data, "y": (data["x"].sum(axis=1) > 0).astype(int)}
    config = CONFIG.replace(edits=("missing",), fault_features=("x",), max_examples=None)
    scores = evaluate(model_of(by_sum), right, config).model
    # All 80 rows are the reference rows.
    median = np.median(data["x"], axis=0).astype(np.float32)
    turned = np.zeros(80, bool)
    for column in range(3):
        changed = data["x"].copy()
        changed[:, column] = median[column]
        turned |= (changed.sum(axis=1) > 0) != right["y"]
    assert points_of(scores.edits, "missing") == [(1, int((~turned).sum()))]


def test_corruptions_give_a_curve_over_severity(digits):
    config = CONFIG.replace(
        features=("image",),
        label_feature="label",
        clip_value_min=0.0,
        clip_value_max=1.0,
        corruptions=("gaussian_noise", "contrast"),
        severities=(1, 3, 5),
    )
    scores = evaluate(digits.under_test(), digits.data(), config).model
    noise = points_of(scores.corruptions, "gaussian_noise")
    assert [severity for severity, _ in noise] == [1, 3, 5]
    # Noise may set one right.
    assert scores.accuracy.count + 2 >= noise[0][1] > noise[1][1] > noise[2][1]


def test_the_order_of_corruptions_and_batches_does_not_matter(digits):
    config = CONFIG.replace(
        features=("image",), label_feature="label", corruptions=("occlusion", "missing", "swap")
    )
    whole = evaluate(digits.under_test(), digits.data(), config).model.corruptions
    other = config.replace(batch_size=32, corruptions=("swap", "occlusion", "missing"))
    parts = evaluate(digits.under_test(), digits.data(), other).model.corruptions
    assert sorted(parts, key=lambda c: c.name) == sorted(whole, key=lambda c: c.name)


def neighborly(features):
    """The neighbor decides, weighed by its edge."""
    weight = tf.reshape(features["NL_nbr_0_weight"], [-1])
    return weight * tf.reduce_sum(features["NL_nbr_0_x"], axis=1) + 0.1 * by_sum(features)


def test_neighbors_that_decide_are_missed():
    data = ages()
    data["NL_nbr_0_x"] = np.random.default_rng(1).uniform(-1, 1, (80, 3)).astype(np.float32)
    data["NL_nbr_0_weight"] = np.ones((80, 1), np.float32)
    spec = {
        "NL_nbr_0_x": tf.TensorSpec([None, 3], tf.float32),
        "NL_nbr_0_weight": tf.TensorSpec([None, 1], tf.float32),
    }
    model = model_of(neighborly, **spec)
    data["y"] = tf.argmax(model.function({k: tf.constant(v) for k, v in data.items()}), 1).numpy()
    scores = evaluate(model, data, CONFIG).model
    by_name = {score.name: score for score in scores.neighbors}
    assert set(by_name) == {"drop_all", "rewire"}
    alone = (data["x"].sum(axis=1) > 0).astype(int)
    assert by_name["drop_all"].accuracy.count == int((alone == data["y"]).sum())
    assert by_name["drop_all"].changed.count == int((alone != data["y"]).sum())
    assert 0 < by_name["rewire"].changed.count < 80
    assert evaluate(model_of(by_sum), data, CONFIG).model.neighbors == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"corruptions": ("blur",)}, "corruptions that apply .*'blur'"),
        (
            {"edits": ("category",), "fault_features": ("x",)},
            "edits that apply to one.*'category' for x",
        ),
        ({"edits": ("missing",), "fault_features": ("z",)}, "fault_features among.*: z"),
    ],
    ids=str,
)
def test_faults_that_cannot_happen_are_named(change, words):
    data = {**ages(), "y": np.zeros(80, int)}
    with pytest.raises(ValueError, match=words):
        evaluate(model_of(by_sum), data, CONFIG.replace(**change))
