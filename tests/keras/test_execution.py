"""However a step is executed, it is the same step."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from nsl_tfx import configs
from nsl_tfx.keras import RegularizedModel

ROWS = 8
RNG = np.random.default_rng(0)
X = {
    "x": RNG.normal(size=(ROWS, 4)).astype("float32"),
    "NL_nbr_0_x": RNG.normal(size=(ROWS, 4)).astype("float32"),
    "NL_nbr_0_weight": RNG.uniform(0.1, 1, size=(ROWS, 1)).astype("float32"),
}
Y = np.arange(ROWS) % 3
ATTACK = {"adv_step_size": 0.1, "adv_grad_norm": "infinity"}
TERMS = {
    "fgsm": {"adversarial": configs.make_adv_reg_config(**ATTACK)},
    "pgd": {"adversarial": configs.make_adv_reg_config(**ATTACK, pgd_iterations=3)},
    "graph": {
        "graph": configs.make_graph_reg_config(max_neighbors=1, multiplier=0.3),
        "embedding": "hidden",
        "neighbor_perturbation": configs.AdvNeighborConfig(adv_step_size=0.1),
    },
    "both": {
        "graph": configs.make_graph_reg_config(max_neighbors=1, multiplier=0.3),
        "adversarial": configs.make_adv_reg_config(**ATTACK),
    },
}
RANDOM_TERMS = {
    "virtual": {
        "virtual_adversarial": configs.make_virtual_adv_reg_config(0.1, num_approx_steps=3)
    },
    "trades": {"trades": configs.make_trades_reg_config(0.2, steps=3)},
    "random_start": {
        "adversarial": configs.make_adv_reg_config(**ATTACK, random_init=True, pgd_iterations=2)
    },
}


def make_model(terms, optimizer=None, **options):
    keras.utils.set_random_seed(0)
    x = keras.Input((4,), name="x")
    # Its own loss is the model's, not a replica's.
    decay = keras.regularizers.L2(0.1)
    hidden = keras.layers.Dense(3, activation="tanh", name="hidden", kernel_regularizer=decay)(x)
    base = keras.Model(x, keras.layers.Dense(3, dtype="float32")(hidden))
    model = RegularizedModel(base, **terms)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer or keras.optimizers.SGD(0.5), loss, **options)
    return model


def after_one_epoch(terms, batch_size=ROWS, **options):
    model = make_model(terms, **options)
    x = X if "graph" in terms else {"x": X["x"]}
    logs = model.fit(x, Y, batch_size=batch_size, shuffle=False, verbose=0).history
    return {name: values[0] for name, values in logs.items()}, model.get_weights()


@pytest.fixture(scope="module")
def eager():
    """The same steps without any graph, made when first asked for."""
    made = {}

    def get(name):
        if name not in made:
            made[name] = after_one_epoch(TERMS[name], run_eagerly=True)
        return made[name]

    return get


def assert_same(found, expected, tolerance=1e-4):
    for name, value in expected[0].items():
        np.testing.assert_allclose(found[0][name], value, rtol=tolerance, atol=tolerance)
    for a, b in zip(found[1], expected[1], strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"jit_compile": True}], ids=["graph", "xla"])
@pytest.mark.parametrize("name", TERMS)
def test_compiled(name, options, eager):
    assert_same(after_one_epoch(TERMS[name], **options), eager(name))


@pytest.mark.slow
@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("name", RANDOM_TERMS)
def test_terms_with_random_starts(name, jit_compile):
    logs, weights = after_one_epoch(RANDOM_TERMS[name], jit_compile=jit_compile)
    assert all(value > 0 for value in logs.values())
    assert all(np.all(np.isfinite(weight)) for weight in weights)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("policy", "tolerance"), [("mixed_float16", 5e-3), ("mixed_bfloat16", 4e-2)]
)
@pytest.mark.parametrize("name", TERMS)
def test_mixed_precision(name, policy, tolerance, eager):
    keras.config.set_dtype_policy(policy)
    try:
        optimizer = keras.optimizers.SGD(0.5)
        if policy == "mixed_float16":
            # A scale that a step may have: one that overflows would be skipped.
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=1024)
        found = after_one_epoch(TERMS[name], optimizer=optimizer)
        assert_same(found, eager(name), tolerance)
    finally:
        keras.config.set_dtype_policy("float32")


def test_the_loss_is_scaled_where_the_base_model_is_of_half_precision():
    policy = keras.dtype_policies.DTypePolicy("mixed_float16")
    base = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, dtype=policy)], name="half")
    base.dtype_policy = policy
    model = RegularizedModel(base, **TERMS["fgsm"])
    model.compile("sgd", "mse")
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fgsm", "both"])
def test_several_steps_in_one_execution(name):
    one, two = (after_one_epoch(TERMS[name], 4, steps_per_execution=steps) for steps in (1, 2))
    assert_same(two, one, 1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fgsm", "graph", "both"])
def test_accumulated_gradients_are_those_of_the_joint_batch(name, eager):
    optimizer = keras.optimizers.SGD(0.5, gradient_accumulation_steps=2)
    _, found = after_one_epoch(TERMS[name], batch_size=4, optimizer=optimizer)
    for a, b in zip(found, eager(name)[1], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("kind", ["recurrent", "normalized"])
def test_virtual_adversarial_training_of_layers_with_loops_and_state(kind, steps):
    keras.utils.set_random_seed(0)
    inner = {
        "recurrent": [keras.layers.Reshape((4, 1)), keras.layers.LSTM(3)],
        "normalized": [
            keras.layers.Dense(5),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
        ],
    }[kind]
    base = keras.Sequential([keras.Input((4,)), *inner, keras.layers.Dense(3)])
    config = configs.make_virtual_adv_reg_config(0.5, num_approx_steps=steps)
    model = RegularizedModel(base, virtual_adversarial=config)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(X["x"], Y, verbose=0).history
    assert history["scaled_virtual_adversarial_loss"][0] > 0


MIRRORED = """
import importlib.util, json, sys
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
spec = importlib.util.spec_from_file_location("steps", sys.argv[1])
steps = importlib.util.module_from_spec(spec)
spec.loader.exec_module(steps)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert strategy.num_replicas_in_sync == 2
results = {}
for name, terms in {**steps.TERMS, **steps.RANDOM_TERMS}.items():
    with strategy.scope():
        logs, weights = steps.after_one_epoch(terms)
    results[name] = [logs, [weight.tolist() for weight in weights]]
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def mirrored():
    """One step of two replicas; in a process of its own, since devices are set up once."""
    done = subprocess.run(
        [sys.executable, "-c", MIRRORED, __file__], check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("name", TERMS)
def test_two_replicas_make_the_step_of_the_joint_batch(name, mirrored, eager):
    assert_same(mirrored[name], eager(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", RANDOM_TERMS)
def test_random_starts_on_two_replicas(name, mirrored):
    assert all(value > 0 for value in mirrored[name][0].values())
