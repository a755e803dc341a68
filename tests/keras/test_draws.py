"""What terms draw at random."""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from nsl_tfx import configs
from nsl_tfx.keras import RegularizedModel
from nsl_tfx.lib.norms import random_normal

RANDOM = {"adv_step_size": 0.1, "pgd_iterations": 2, "pgd_epsilon": 0.2, "random_init": True}
TERMS = {
    "adversarial": {"adversarial": configs.make_adv_reg_config(**RANDOM)},
    "virtual_adversarial": {
        "virtual_adversarial": configs.make_virtual_adv_reg_config(0.1, num_approx_steps=1)
    },
    "trades": {"trades": configs.make_trades_reg_config(0.1, steps=1)},
    "trades_from_random": {
        "trades": configs.make_trades_reg_config(0.1, steps=1, random_init=True)
    },
    "graph": {
        "graph": configs.make_graph_reg_config(max_neighbors=1, multiplier=0.1),
        "neighbor_perturbation": configs.AdvNeighborConfig(**RANDOM),
    },
}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 4)).astype(np.float32)
DATA = {"x": X, "NL_nbr_0_x": X + 0.1, "NL_nbr_0_weight": np.ones([8, 1], np.float32)}
Y = np.arange(8) % 3


def make(terms):
    """A model that never learns, so that steps on the same batch differ by what is drawn."""
    keras.utils.set_random_seed(0)
    base = keras.Sequential(
        [keras.Input((4,), name="x"), keras.layers.Dense(5, "tanh"), keras.layers.Dense(3)]
    )
    model = RegularizedModel(base, **terms)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.0), loss)
    return model


def step(model):
    x = DATA if model.graph is not None else {"x": X}
    logs = model.train_on_batch(x, Y, return_dict=True)
    model.reset_metrics()
    (term,) = model.terms
    return float(logs[f"scaled_{term}_loss"])


@pytest.mark.parametrize("terms", TERMS.values(), ids=TERMS)
def test_the_number_of_the_step_decides(terms):
    model = make(terms)
    found = [step(model) for _ in range(4)]
    assert len(set(found)) == 4
    assert [step(other) for other in [make(terms)] for _ in range(4)] == found
    # Set back to its third step, as from a backup.
    model.optimizer.iterations.assign(2)
    tf.random.set_seed(7)
    assert [step(model), step(model)] == found[2:]


def test_a_wrapper_that_is_made_of_anothers_config_draws_the_same():
    model = make(TERMS["trades"])
    other = RegularizedModel.from_config(model.get_config())
    other.base_model.set_weights(model.base_model.get_weights())
    other.compile(keras.optimizers.SGD(0.0), model.loss)
    assert step(other) == step(model)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_normal_draws(dtype):
    like = {"a": tf.zeros([40, 50], dtype), "b": tf.zeros([2000], dtype)}
    drawn = random_normal(like, [3, 4])
    for name, values in drawn.items():
        assert (values.shape, values.dtype) == (like[name].shape, like[name].dtype)
        values = tf.cast(values, tf.float64).numpy().reshape(-1)
        assert scipy.stats.kstest(values, "norm").pvalue > 1e-3
    assert np.any(drawn["a"].numpy().reshape(-1) != drawn["b"].numpy())
    again = random_normal(like, [3, 4])
    compiled = tf.function(lambda: random_normal(like, [3, 4]), jit_compile=True)()
    for name, values in drawn.items():
        np.testing.assert_array_equal(again[name], values)
        np.testing.assert_allclose(
            tf.cast(compiled[name], tf.float64),
            tf.cast(values, tf.float64),
            rtol=1e-2 if "16" in dtype else 1e-6,
        )
    assert np.any(random_normal(like)["a"].numpy() != random_normal(like)["a"].numpy())
