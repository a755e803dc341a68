import keras
import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx import configs
from nsl_tfx.keras import RegularizedModel

CLASSES = 3
RATE = 0.5
GRAPH = configs.make_graph_reg_config(max_neighbors=2, multiplier=0.7, sum_over_axis=-1)
FGSM = configs.make_adv_reg_config(multiplier=0.4, adv_step_size=0.2, adv_grad_norm="infinity")


def make_base():
    image = keras.Input((4,), name="image")
    hidden = keras.layers.Dense(5, activation="tanh")(image)
    return keras.Model(image, keras.layers.Dense(CLASSES)(hidden))


def make_batch(rows=6):
    rng = np.random.default_rng(0)
    features = {"image": rng.normal(size=(rows, 4))}
    for i in range(2):
        features[f"NL_nbr_{i}_image"] = rng.normal(size=(rows, 4))
        features[f"NL_nbr_{i}_weight"] = rng.uniform(0, 1, size=(rows, 1))
    features["NL_nbr_1_weight"][::2] = 0
    features = {name: tf.constant(value, tf.float32) for name, value in features.items()}
    return features, tf.constant(rng.integers(0, CLASSES, rows)), tf.constant([1.0, 0, 1, 1, 0, 1])


def make_model(graph=None, adversarial=None, base=None, **options):
    keras.utils.set_random_seed(0)
    model = RegularizedModel(base or make_base(), graph=graph, adversarial=adversarial)
    model.compile(
        keras.optimizers.SGD(RATE),
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, reduction="mean_with_sample_weight"
        ),
        **{"run_eagerly": True, **options},
    )
    return model


def supervised_loss(base, image, y, weight):
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y, base(image))
    return tf.reduce_sum(losses * weight) / tf.reduce_sum(weight)


def graph_loss(base, x):
    """Written out edge by edge, as the paper's sum over edges."""
    total, edges = 0.0, 0
    own = base(x["image"])
    for i in range(2):
        theirs, weights = base(x[f"NL_nbr_{i}_image"]), x[f"NL_nbr_{i}_weight"][:, 0]
        total += tf.reduce_sum(weights * tf.reduce_sum((own - theirs) ** 2, axis=1))
        edges += int(tf.math.count_nonzero(weights))
    return total / edges


def reference_step(x, y, weight, graph, adversarial):
    """One step of gradient descent on the documented loss, by nested tapes."""
    keras.utils.set_random_seed(0)
    base = make_base()
    with tf.GradientTape() as tape:
        loss = supervised_loss(base, x["image"], y, weight)
        total = loss
        if graph:
            total += graph.multiplier * graph_loss(base, x)
        if adversarial:
            with tf.GradientTape() as inner:
                inner.watch(x["image"])
                clean = supervised_loss(base, x["image"], y, weight)
            step = adversarial.adv_neighbor_config.adv_step_size
            moved = x["image"] + step * tf.sign(inner.gradient(clean, x["image"]))
            moved = tf.stop_gradient(moved)
            total += adversarial.multiplier * supervised_loss(base, moved, y, weight)
    gradients = tape.gradient(total, base.trainable_variables)
    return total, [v - RATE * g for v, g in zip(base.trainable_variables, gradients, strict=True)]


CASES = {
    "plain": (None, None),
    "graph": (GRAPH, None),
    "adversarial": (None, FGSM),
    "both": (GRAPH, FGSM),
}


@pytest.mark.parametrize(
    ("case", "options"),
    [
        *((case, {}) for case in CASES),
        pytest.param("both", {"run_eagerly": False}, marks=pytest.mark.slow),
        pytest.param("both", {"run_eagerly": False, "jit_compile": True}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_one_step_is_gradient_descent_on_the_documented_loss(case, options):
    graph, adversarial = CASES[case]
    x, y, weight = make_batch()
    total, expected = reference_step(x, y, weight, graph, adversarial)
    model = make_model(graph, adversarial, **options)
    features = x if graph else {"image": x["image"]}
    logs = model.train_on_batch(features, y, weight, return_dict=True)
    np.testing.assert_allclose(logs["loss"], total, rtol=1e-5)
    for found, wanted in zip(model.base_model.trainable_variables, expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_the_logged_terms_add_up():
    x, y, weight = make_batch()
    plain = make_model().train_on_batch({"image": x["image"]}, y, weight, return_dict=True)
    logs = make_model(GRAPH, FGSM).train_on_batch(x, y, weight, return_dict=True)
    terms = logs["scaled_graph_loss"] + logs["scaled_adversarial_loss"]
    np.testing.assert_allclose(logs["loss"], plain["loss"] + terms, rtol=1e-5)
    np.testing.assert_allclose(logs["label_loss"], plain["loss"], rtol=1e-5)
    assert sorted(logs) == ["label_loss", "loss", "scaled_adversarial_loss", "scaled_graph_loss"]


def test_evaluation_is_the_base_models():
    x, y, weight = make_batch()
    model = make_model(GRAPH, FGSM, weighted_metrics=["accuracy"])
    found = model.evaluate(x, y, sample_weight=weight, verbose=0, return_dict=True)
    model.base_model.compile(loss=model.loss, weighted_metrics=["accuracy"])
    expected = model.base_model.evaluate(
        x["image"], y, sample_weight=weight, verbose=0, return_dict=True
    )
    assert sorted(found) == sorted(expected)
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-6)


def test_prediction_is_the_base_models():
    x, _, _ = make_batch()
    model = make_model(GRAPH, FGSM, run_eagerly=False)
    np.testing.assert_array_equal(
        model.predict(x, verbose=0), model.base_model.predict(x["image"], verbose=0)
    )


def test_missing_neighbors_change_nothing():
    x, y, weight = make_batch()
    absent = {**x, **{f"NL_nbr_{i}_weight": tf.zeros([6, 1]) for i in range(2)}}
    model, plain = make_model(GRAPH), make_model()
    model.train_on_batch(absent, y, weight)
    plain.train_on_batch({"image": x["image"]}, y, weight)
    for a, b in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_unlabelled_rows_learn_from_their_neighbors():
    x, y, _ = make_batch()
    none = tf.zeros([6])
    model, plain = make_model(GRAPH), make_model()
    before = plain.get_weights()
    model.train_on_batch(x, y, none)
    plain.train_on_batch({"image": x["image"]}, y, none)
    assert any(np.any(a != b) for a, b in zip(model.get_weights(), before, strict=True))
    for a, b in zip(plain.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "changes",
    [
        {"multiplier": 0.9},
        {"adv_step_size": 0.05},
        {"adv_grad_norm": "l2"},
        {"pgd_iterations": 3},
        {"pgd_iterations": 3, "pgd_epsilon": 0.25},
        {"random_init": True},
        {"clip_value_min": 0.0},
        {"clip_value_max": {"image": 0.5}},
        {"feature_mask": [1.0, 0.0, 1.0, 0.0]},
    ],
    ids=lambda changes: "+".join(changes),
)
def test_each_adversarial_setting_changes_the_step(changes):
    x, y, weight = make_batch()
    settings = {"multiplier": 0.4, "adv_step_size": 0.2, "adv_grad_norm": "infinity"}
    losses = [
        make_model(adversarial=configs.make_adv_reg_config(**config)).train_on_batch(
            {"image": x["image"]}, y, weight
        )
        for config in (settings, {**settings, **changes})
    ]
    assert losses[0] != losses[1]


@pytest.mark.parametrize(
    "changes",
    [
        {"multiplier": 0.1},
        {"max_neighbors": 1},
        {"distance_type": "cosine"},
        {"transform_fn": "softmax"},
        {"reduction": "weighted_sum"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_each_graph_setting_changes_the_step(changes):
    x, y, weight = make_batch()
    settings = {"max_neighbors": 2, "multiplier": 0.7, "sum_over_axis": -1}
    losses = [
        make_model(configs.make_graph_reg_config(**config)).train_on_batch(x, y, weight)
        for config in (settings, {**settings, **changes})
    ]
    assert losses[0] != losses[1]


def test_a_feature_that_the_model_does_not_use_is_left_alone():
    x, y, weight = make_batch()
    features = {"image": x["image"], "spare": tf.ones([6, 1])}
    logs, plain = (
        make_model(adversarial=FGSM).train_on_batch(data, y, weight, return_dict=True)
        for data in (features, {"image": x["image"]})
    )
    assert logs == plain


def test_the_count_of_neighbors_is_no_feature():
    x, y, weight = make_batch()
    augmented = {**x, "NL_num_nbrs": tf.constant([[2]] * 6)}
    logs, plain = (make_model(GRAPH).train_on_batch(data, y, weight) for data in (augmented, x))
    assert logs == plain


def test_a_lone_tensor_needs_no_name():
    x, y, weight = make_batch()
    lone, named = (
        make_model(adversarial=FGSM).train_on_batch(data, y, weight)
        for data in (x["image"], {"image": x["image"]})
    )
    assert lone == named


def test_missing_neighbors_do_not_touch_batch_normalization():
    x, y, weight = make_batch()
    absent = {**x, **{f"NL_nbr_{i}_weight": tf.zeros([6, 1]) for i in range(2)}}
    absent |= {f"NL_nbr_{i}_image": tf.zeros([6, 4]) for i in range(2)}
    means = []
    for graph, data in ((None, {"image": x["image"]}), (GRAPH, absent)):
        normalize = keras.layers.BatchNormalization(momentum=0.0)
        base = keras.Sequential(
            [keras.Input((4,), name="image"), normalize, keras.layers.Dense(CLASSES)]
        )
        make_model(graph, base=base).train_on_batch(data, y, weight)
        means.append(normalize.moving_mean.numpy())
    np.testing.assert_allclose(*means, atol=1e-6)


def test_weight_decay_counts_once():
    x, y, weight = make_batch()
    still = configs.make_adv_reg_config(multiplier=1.0, adv_step_size=0.0)
    logs = []
    for decay in (None, keras.regularizers.L2(1.0)):
        base = keras.Sequential(
            [keras.Input((4,), name="image"), keras.layers.Dense(CLASSES, kernel_regularizer=decay)]
        )
        model = make_model(adversarial=still, base=base)
        logs.append(model.train_on_batch({"image": x["image"]}, y, weight, return_dict=True))
    assert logs[1]["loss"] > logs[0]["loss"] + 0.1
    terms = [log["scaled_adversarial_loss"] for log in logs]
    np.testing.assert_allclose(*terms, rtol=1e-4)


def test_a_graph_term_without_neighbors_is_refused():
    with pytest.raises(ValueError, match="max_neighbors >= 1"):
        RegularizedModel(make_base(), graph=configs.make_graph_reg_config())


def test_integer_features_are_passed_through():
    class Both(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(CLASSES)
            self.embed = keras.layers.Embedding(7, 2)

        def call(self, inputs):
            word = self.embed(inputs["word"])
            return self.dense(keras.ops.concatenate([inputs["image"], word], axis=1))

    x, y, weight = make_batch()
    model = make_model(adversarial=FGSM, base=Both())
    features = {"image": x["image"], "word": tf.range(6)}
    logs = model.train_on_batch(features, y, weight, return_dict=True)
    assert logs["scaled_adversarial_loss"] > 0


TWO_FEATURES = {"b": tf.constant([[1.0]]), "a": tf.constant([[10.0]])}


class TestCallingTheBase:
    """The features reach the inputs that bear their names."""

    def test_functional_inputs_by_name(self):
        a, b = keras.Input((1,), name="a"), keras.Input((1,), name="b")
        for inputs in ([a, b], {"first": a, "second": b}):
            base = keras.Model(inputs, keras.ops.subtract(a, b))
            assert float(RegularizedModel(base)(TWO_FEATURES)[0, 0]) == 9.0

    def test_sequential_takes_the_feature_of_its_name(self):
        base = keras.Sequential([keras.Input((1,), name="a"), keras.layers.Identity()])
        assert float(RegularizedModel(base)(TWO_FEATURES)[0, 0]) == 10.0

    def test_a_single_feature_needs_no_name(self):
        base = keras.Sequential([keras.Input((1,), name="other"), keras.layers.Identity()])
        assert float(RegularizedModel(base)({"b": TWO_FEATURES["b"]})[0, 0]) == 1.0

    def test_a_missing_feature_is_named(self):
        a, c = keras.Input((1,), name="a"), keras.Input((1,), name="c")
        base = keras.Model([a, c], a + c)
        with pytest.raises(ValueError, match="Missing: c"):
            RegularizedModel(base)(TWO_FEATURES)


@pytest.mark.slow
def test_fit_learns():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 4)).astype(np.float32)
    y = np.argmax(x[:, :CLASSES], axis=1)
    features = {"image": x}
    for i in range(2):
        features[f"NL_nbr_{i}_image"] = x
        features[f"NL_nbr_{i}_weight"] = np.ones([200, 1], np.float32)
    model = make_model(GRAPH, FGSM, metrics=["accuracy"])
    history = model.fit(features, y, epochs=15, batch_size=20, verbose=0).history
    assert history["accuracy"][-1] > 0.9
