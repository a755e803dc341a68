import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx import lib
from nsl_tfx.configs import AdvNeighborConfig, make_adv_reg_config

WEIGHTS = {"a": np.float32([1, -2, 0.5]), "b": np.float32([3, -1])}
STEP = 0.2


def make_features(dtype=tf.float32):
    rng = np.random.default_rng(0)
    return {name: tf.constant(rng.normal(size=(4, len(w))), dtype) for name, w in WEIGHTS.items()}


def model(x):
    """Curved, so that the gradient changes from step to step."""
    return tf.add_n([tf.reduce_sum(tf.sin(x[k] * WEIGHTS[k]), axis=1) for k in WEIGHTS])


def gradient(x):
    return {k: WEIGHTS[k] * np.cos(x[k] * WEIGHTS[k]) for k in WEIGHTS}


def loss_fn(labels, predictions):
    del labels
    return tf.reduce_sum(predictions)


def reference(x, config):
    """The documented steps, in NumPy, for a dict without mask."""
    start = {k: v.numpy().astype(np.float64) for k, v in x.items()}
    now = dict(start)
    for _ in range(config.pgd_iterations):
        g = np.concatenate(list(gradient(now).values()), axis=1)
        if config.adv_grad_norm == "infinity":
            step = np.sign(g)
        elif config.adv_grad_norm == "l2":
            step = g / np.linalg.norm(g, axis=1, keepdims=True)
        else:
            step = np.sign(g) * (np.abs(g) == np.abs(g).max(axis=1, keepdims=True))
        delta = np.concatenate([now[k] - start[k] for k in x], axis=1)
        delta = delta + config.adv_step_size * step
        if config.pgd_epsilon is not None:
            order = {"infinity": np.inf, "l2": 2, "l1": 1}[config.adv_grad_norm.value]
            if order == np.inf:
                delta = np.clip(delta, -config.pgd_epsilon, config.pgd_epsilon)
            elif order == 2:
                norm = np.linalg.norm(delta, axis=1, keepdims=True)
                delta *= np.minimum(1, config.pgd_epsilon / norm)
        a = delta[:, :3]
        now = {"a": start["a"] + a, "b": start["b"] + delta[:, 3:]}
        if config.clip_value_max is not None:
            now = {k: np.minimum(v, config.clip_value_max) for k, v in now.items()}
    return now


def generate(x, config, **options):
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = loss_fn(None, model(x))
    options.setdefault("pgd_model_fn", model)
    options.setdefault("pgd_loss_fn", loss_fn)
    return lib.gen_adv_neighbor(x, loss, config, gradient_tape=tape, **options)


CONFIGS = {
    "fgsm": {"adv_grad_norm": "infinity"},
    "l2": {},
    "l1": {"adv_grad_norm": "l1"},
    "steps": {"pgd_iterations": 3},
    "ball": {"pgd_iterations": 4, "pgd_epsilon": 0.3},
    "ball_infinity": {"pgd_iterations": 4, "pgd_epsilon": 0.3, "adv_grad_norm": "infinity"},
    "one_step_in_a_ball": {"pgd_epsilon": 0.1},
    "box": {"pgd_iterations": 2, "clip_value_max": 0.5},
}


@pytest.mark.parametrize("settings", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize(
    "mode",
    [
        "eager",
        *(pytest.param(m, marks=pytest.mark.slow) for m in ("function", "jit")),
        "while_loop",
    ],
)
def test_takes_the_documented_steps(settings, mode):
    config = AdvNeighborConfig(adv_step_size=STEP, **settings)
    x = make_features()

    def run(x):
        return generate(x, config, use_while_loop=mode == "while_loop")

    if mode in ("function", "jit"):
        run = tf.function(run, jit_compile=mode == "jit")
    found, weights = run(x)
    expected = reference(x, config)
    assert list(found) == ["a", "b"]
    for name in found:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-5)
    np.testing.assert_array_equal(weights, np.ones([4, 1]))


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float64])
@pytest.mark.parametrize("norm", ["l1", "l2", "infinity"])
def test_other_precisions(dtype, norm):
    config = AdvNeighborConfig(adv_step_size=STEP, adv_grad_norm=norm, pgd_epsilon=0.15)
    x = make_features(dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.add_n([tf.reduce_sum(x[k] * tf.constant(WEIGHTS[k], dtype)) for k in x])
    found, _ = lib.gen_adv_neighbor(x, loss, config, gradient_tape=tape)
    for name in x:
        assert found[name].dtype == dtype
    moved = np.concatenate([tf.cast(found[k] - x[k], tf.float64).numpy() for k in x], axis=1)
    sizes = np.linalg.norm(moved, {"l1": 1, "l2": 2, "infinity": np.inf}[norm], axis=1)
    np.testing.assert_allclose(sizes, 0.15, rtol={tf.float64: 1e-9}.get(dtype, 0.1))


@pytest.mark.slow
def test_without_a_tape_in_a_graph():
    config = AdvNeighborConfig(adv_step_size=STEP)

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32)])
    def run(x):
        return lib.gen_adv_neighbor(x, tf.reduce_sum(x * [[3.0, 4.0]]), config)[0]

    np.testing.assert_allclose(run(tf.zeros([1, 2])), [[0.12, 0.16]], rtol=1e-5)


@pytest.mark.parametrize("container", [dict, list, tuple, None], ids=str)
def test_the_container_comes_back(container):
    x, count = tf.constant([[1.0]]), tf.constant([[2]])
    features = {dict: {"x": x, "n": count}, list: [x, count], tuple: (x, count), None: x}[container]
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(x)
    found, _ = lib.gen_adv_neighbor(features, loss, AdvNeighborConfig(None, 1.0), False, tape)
    if container is None:
        assert found.numpy().tolist() == [[2.0]]
        return
    assert isinstance(found, list if container is tuple else container)
    values = list(found.values()) if container is dict else found
    assert [value.numpy().tolist() for value in values] == [[[2.0]], [[2]]]


@pytest.mark.parametrize(
    "other",
    [
        tf.constant([["word"]]),
        tf.constant([[1]]),
        tf.sparse.from_dense([[1.0]]),
        tf.ragged.constant([[1.0]]),
    ],
    ids=["string", "int", "sparse", "ragged"],
)
def test_what_is_not_floating_and_dense_passes_through(other):
    x = tf.constant([[1.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(x)
    config = AdvNeighborConfig(None, 1.0)
    found, _ = lib.gen_adv_neighbor({"x": x, "other": other}, loss, config, False, tape)
    assert found["other"] is other
    with pytest.raises(ValueError, match="These are not: other"):
        lib.gen_adv_neighbor({"x": x, "other": other}, loss, config, True, tape)


def test_a_feature_the_loss_ignores_stays():
    x = {"a": tf.constant([[1.0]]), "b": tf.constant([[5.0]])}
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(x["a"])
    config = AdvNeighborConfig(None, 1.0, clip_value_max=3.0)
    found, _ = lib.gen_adv_neighbor(x, loss, config, gradient_tape=tape)
    assert found["a"].numpy().tolist() == [[2.0]]
    assert found["b"].numpy().tolist() == [[5.0]]


def test_masked_features_stay_even_where_the_start_is_random():
    x = make_features()
    config = AdvNeighborConfig({"a": 0.0}, 0.3, random_init=True, pgd_iterations=2)
    found, _ = generate(x, config)
    np.testing.assert_array_equal(found["a"], x["a"])
    assert np.all(found["b"] != x["b"])


@pytest.mark.parametrize("setting", ["feature_mask", "clip_value_min", "clip_value_max"])
def test_settings_as_a_list_match_a_list(setting):
    x = [tf.constant([[1.0]]), tf.constant([[1.0]])]
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = x[0] - x[1]
    value = {"feature_mask": [1.0, 0.0], "clip_value_min": [9.0, 0.5], "clip_value_max": [1.5, 9.0]}
    config = AdvNeighborConfig(
        adv_grad_norm="infinity", adv_step_size=1.0, **{setting: value[setting]}
    )
    found, _ = lib.gen_adv_neighbor(x, loss, config, gradient_tape=tape)
    expected = {
        "feature_mask": [2.0, 1.0],
        "clip_value_min": [9.0, 0.5],
        "clip_value_max": [1.5, 0.0],
    }
    assert [v.numpy().item() for v in found] == expected[setting]


def test_the_regularizer_bends_the_later_steps():
    x = make_features()
    config = AdvNeighborConfig(adv_step_size=STEP, pgd_iterations=3)
    seen = []

    def regularizer(perturbation, keyed_gradient):
        seen.append((sorted(perturbation), sorted(keyed_gradient)))
        return -10 * tf.add_n([tf.reduce_sum(v**2) for v in perturbation.values()])

    plain, bent = (
        generate(x, config, regularizer_fn=function)[0] for function in (None, regularizer)
    )
    assert seen == [(["a", "b"], ["a", "b"])] * 2
    size, smaller = (sum(float(tf.norm(f[k] - x[k])) for k in x) for f in (plain, bent))
    assert smaller < size


def test_the_result_is_a_constant():
    x = tf.constant([[1.0]])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        loss = tf.reduce_sum(x**2)
        found, _ = lib.gen_adv_neighbor(x, loss, AdvNeighborConfig(None, 1.0), gradient_tape=tape)
        after = tf.reduce_sum(found)
    assert tape.gradient(after, x) is None


ONE = tf.constant([[1.0]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lib.gen_adv_neighbor(ONE, ONE, AdvNeighborConfig()), "gradient_tape"),
        (lambda: lib.gen_adv_neighbor(ONE, None, AdvNeighborConfig()), "labeled_loss"),
        (
            lambda: lib.gen_adv_neighbor({"n": tf.constant([1])}, ONE, AdvNeighborConfig()),
            "to perturb. Received: n",
        ),
        (
            lambda: lib.gen_adv_neighbor(ONE, ONE, AdvNeighborConfig(pgd_iterations=2)),
            "pgd_model_fn and pgd_loss_fn",
        ),
        (
            lambda: lib.gen_adv_neighbor(ONE, None, AdvNeighborConfig(random_init=True)),
            "pgd_model_fn and pgd_loss_fn",
        ),
        (
            lambda: lib.gen_adv_neighbor(
                ONE, ONE + 1, AdvNeighborConfig(), gradient_tape=tf.GradientTape().__enter__()
            ),
            "it depends on none",
        ),
        (
            lambda: lib.gen_adv_neighbor({"a": {"b": ONE}}, ONE, AdvNeighborConfig()),
            "feature 'a' as a dict",
        ),
        (lambda: lib.apply_feature_mask(ONE, [2.0]), "numbers from 0 to 1"),
    ],
)
def test_a_wrong_call_is_named(call, message):
    with pytest.raises((TypeError, ValueError)) as caught:
        call()
    assert message in str(caught.value)


def test_make_adv_reg_config_fits():
    config = make_adv_reg_config(adv_step_size=1.0).adv_neighbor_config
    with tf.GradientTape() as tape:
        tape.watch(ONE)
        loss = tf.reduce_sum(ONE)
    found, _ = lib.gen_adv_neighbor(ONE, loss, config, gradient_tape=tape)
    assert found.numpy().tolist() == [[2.0]]


def test_gen_neighbor_has_to_be_written():
    with pytest.raises(TypeError, match="gen_neighbor"):
        lib.GenNeighbor()
