"""Virtual adversarial training and TRADES against what their papers' formulas give."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx import configs
from nsl_tfx.keras import (
    AdversarialRegularization,
    RegularizedModel,
    TradesRegularization,
    VirtualAdversarialRegularization,
)

RATE = 0.5
SPARSE = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
SQUARED = configs.DistanceConfig(sum_over_axis=-1)


def linear(inputs=4, classes=3):
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((inputs,)), keras.layers.Dense(classes, use_bias=False)])


def step(model, x, y=None, weight=None):
    """One step without labels, unless there are some."""
    rows = len(x)
    y = np.zeros(rows, "int64") if y is None else y
    weight = np.zeros(rows, "float32") if weight is None else weight
    model.compile(keras.optimizers.SGD(RATE), SPARSE, run_eagerly=True)
    return model.train_on_batch(x, y, sample_weight=weight, return_dict=True)


class TestVirtualAdversarial:
    EPSILON, MULTIPLIER = 0.3, 2.0

    def make(self, base, **settings):
        config = configs.make_virtual_adv_reg_config(self.EPSILON, self.MULTIPLIER, **settings)
        return VirtualAdversarialRegularization(base, config)

    def test_goes_along_the_largest_singular_vector(self):
        """Of a linear model's squared distance nothing else is the most sensitive direction."""
        base = linear()
        kernel = base.layers[0].kernel.numpy()
        u, singular, _ = np.linalg.svd(kernel)
        scale = self.MULTIPLIER * self.EPSILON**2
        model = self.make(base, num_approx_steps=60, distance_config=SQUARED)
        # At zero the sign that each row's search happens to take does not matter.
        logs = step(model, np.zeros([5, 4], "float32"))
        found = logs["scaled_virtual_adversarial_loss"]
        np.testing.assert_allclose(found, scale * singular[0] ** 2, rtol=1e-4)
        moved = kernel - RATE * 2 * scale * np.outer(u[:, 0], u[:, 0]) @ kernel
        np.testing.assert_allclose(base.layers[0].kernel, moved, atol=1e-4)

    def test_a_mask_holds_features_still(self):
        base = linear()
        mask = np.array([1.0, 1.0, 0.0, 0.0])
        kernel = base.layers[0].kernel.numpy() * mask[:, None]
        expected = self.MULTIPLIER * self.EPSILON**2 * np.linalg.norm(kernel, 2) ** 2
        model = self.make(base, num_approx_steps=60, distance_config=SQUARED, feature_mask=mask)
        logs = step(model, np.ones([5, 4], "float32"))
        found = logs["scaled_virtual_adversarial_loss"]
        np.testing.assert_allclose(found, expected, rtol=1e-4)

    def test_adds_up_all_outputs(self):
        keras.utils.set_random_seed(0)
        x = keras.Input((4,))
        heads = [keras.layers.Dense(3, use_bias=False), keras.layers.Dense(2, use_bias=False)]
        base = keras.Model(x, [head(x) for head in heads])
        kernel = np.concatenate([head.kernel.numpy() for head in heads], axis=1)
        model = self.make(base, num_approx_steps=60, distance_config=SQUARED)
        model.compile(keras.optimizers.SGD(RATE), ["mse", "mse"], run_eagerly=True)
        logs = model.train_on_batch(
            np.ones([5, 4], "float32"), (np.zeros([5, 3]), np.zeros([5, 2])), return_dict=True
        )
        expected = self.MULTIPLIER * self.EPSILON**2 * np.linalg.norm(kernel, 2) ** 2
        found = logs["scaled_virtual_adversarial_loss"]
        np.testing.assert_allclose(found, expected, rtol=1e-4)

    def test_a_confident_model_still_learns(self):
        """Where NSL's difference quotient is rounding noise: large logits in float32."""
        base = linear()
        base.layers[0].kernel.assign(3 * base.layers[0].kernel)
        before = base.layers[0].kernel.numpy()
        logs = step(self.make(base), np.random.default_rng(0).normal(size=(5, 4)))
        assert logs["scaled_virtual_adversarial_loss"] > 1e-4
        assert np.any(base.layers[0].kernel.numpy() != before)


class TestTrades:
    EPSILON, MULTIPLIER = 0.4, 3.0

    def make(self, base, **settings):
        config = configs.make_trades_reg_config(
            self.EPSILON, multiplier=self.MULTIPLIER, steps=4, **settings
        )
        return TradesRegularization(base, config)

    @pytest.mark.parametrize("settings", [{}, {"random_init": True}], ids=str)
    def test_ends_at_the_balls_edge_and_both_sides_learn(self, settings):
        """With one feature the attack has two ends; whichever it found, the step is known."""
        base = linear(inputs=1, classes=2)
        x = np.array([[0.7]], "float32")
        kernel = tf.Variable(base.layers[0].kernel.numpy())
        expected = []
        for end in (-self.EPSILON, self.EPSILON):
            with tf.GradientTape() as tape:
                clean = tf.nn.log_softmax(x @ kernel)
                attacked = tf.nn.log_softmax((x + np.float32(end)) @ kernel)
                divergence = tf.reduce_sum(tf.exp(clean) * (clean - attacked))
                loss = self.MULTIPLIER * divergence
            expected.append((float(loss), kernel.numpy() - RATE * tape.gradient(loss, kernel)))
        logs = step(self.make(base, **settings), x)
        found = (logs["scaled_trades_loss"], base.layers[0].kernel.numpy())
        errors = [max(abs(found[0] - e[0]), np.abs(found[1] - e[1]).max()) for e in expected]
        assert min(errors) < 1e-5

    def test_stays_in_the_box(self):
        x = np.full([2, 4], 0.5, "float32")
        held = step(self.make(linear(), clip_value_min=0.5, clip_value_max=0.5), x)
        assert held["scaled_trades_loss"] == 0
        assert step(self.make(linear()), x)["scaled_trades_loss"] > 0

    def test_needs_a_radius(self):
        with pytest.raises(ValueError, match="pgd_epsilon"):
            configs.TradesRegConfig(configs.AdvNeighborConfig())


@pytest.mark.slow
class TestMovingAverages:
    """Searches leave none; what the weights learn from does, but for virtual adversarial passes."""

    MOMENTUM = 0.5

    def mean_after(self, wrap):
        normalize = keras.layers.BatchNormalization(momentum=self.MOMENTUM)
        keras.utils.set_random_seed(0)
        base = keras.Sequential([keras.Input((4,)), normalize, keras.layers.Dense(3)])
        step(wrap(base), np.ones([6, 4], "float32"))
        return normalize.moving_mean.numpy()

    @pytest.mark.parametrize(
        ("wrap", "updates"),
        [
            (
                lambda base: VirtualAdversarialRegularization(
                    base, configs.make_virtual_adv_reg_config(0.1, num_approx_steps=3)
                ),
                1,
            ),
            (
                lambda base: AdversarialRegularization(
                    base,
                    adv_config=configs.make_adv_reg_config(adv_step_size=0.0, pgd_iterations=4),
                ),
                2,
            ),
            (
                lambda base: TradesRegularization(
                    base, configs.make_trades_reg_config(0.0, steps=4, step_size=0.0)
                ),
                2,
            ),
        ],
        ids=["virtual_adversarial", "adversarial", "trades"],
    )
    def test_how_often_they_move(self, wrap, updates):
        np.testing.assert_allclose(
            self.mean_after(wrap), np.full(4, 1 - self.MOMENTUM**updates), rtol=1e-6
        )


@pytest.mark.slow
@pytest.mark.parametrize("term", ["none", "virtual_adversarial", "trades", "graph"])
def test_the_clean_passs_own_losses_count(term):
    """Further passes have activities of their own, which are not regularized."""
    activity = keras.layers.Dense(
        3, activity_regularizer=keras.regularizers.L2(1.0), kernel_initializer="ones"
    )
    base = keras.Sequential([keras.Input((4,), name="x"), activity])
    x = np.arange(8, dtype="float32").reshape(2, 4)
    features = {"x": x, "NL_nbr_0_x": 0 * x, "NL_nbr_0_weight": np.ones([2, 1], "float32")}
    terms = {
        "none": {},
        "virtual_adversarial": {"virtual_adversarial": configs.make_virtual_adv_reg_config(9.0)},
        "trades": {"trades": configs.make_trades_reg_config(9.0, steps=2)},
        "graph": {
            "graph": configs.make_graph_reg_config(max_neighbors=1),
            "embedding": lambda features: activity(features["x"]),
        },
    }[term]
    model = RegularizedModel(base, **terms)
    model.compile(keras.optimizers.SGD(0.0), SPARSE, run_eagerly=True)
    logs = model.train_on_batch(
        features if term == "graph" else {"x": x}, np.zeros(2), np.zeros(2), return_dict=True
    )
    added = sum(value for name, value in logs.items() if name.startswith("scaled"))
    # Keras's versions differ in whether they divide by the batch.
    base.compile(keras.optimizers.SGD(0.0), SPARSE, run_eagerly=True)
    expected = base.train_on_batch(x, np.zeros(2), np.zeros(2))
    assert expected > 1
    np.testing.assert_allclose(logs["loss"] - added, expected, rtol=1e-5)
