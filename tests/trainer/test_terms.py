"""Each term of the loss by itself, beside others, in half precision, and where it fails."""

import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx import configs, trainer
from nsl_tfx.keras import divergence_terms
from nsl_tfx.trainer.preparing import prepare
from tests.trainer.conftest import make_row, serialize, write_rows
from tests.trainer.trainings import TERMS, history, undrawn, weights_of


@pytest.fixture
def plain(config):
    return config.replace(graph=None, adversarial=None, epochs=1)


@pytest.mark.slow
@pytest.mark.parametrize("terms", [*itertools.combinations(TERMS, 2)], ids="-".join)
def test_each_pair_of_terms_adds_up(plain, data, tmp_path, terms):
    config = plain.replace(**{name: TERMS[name] for name in terms})
    weights = weights_of(config, data, tmp_path / "run")
    assert all(np.isfinite(weight).all() for weight in weights)
    (logs,) = history(tmp_path / "run")
    parts = {name for name in logs if name.startswith("scaled_")}
    assert parts == {f"scaled_{name}_loss" for name in terms}
    assert all(0 < logs[name] < 10 for name in parts)
    own = logs["label_loss"] + sum(logs[name] for name in parts)
    assert logs["loss"] == pytest.approx(own, rel=1e-4)


# How much of a number's size rounding to the type may take away or add.
ROUNDING = {"mixed_float16": 2**-11, "mixed_bfloat16": 2**-8}


@pytest.fixture
def undrawn_noise(monkeypatch):
    """Starts TRADES at the edge of its ball: half precision does not see its tiny noise."""
    monkeypatch.setattr(tf.random, "stateless_normal", undrawn)
    monkeypatch.setattr(divergence_terms, "_TRADES_NOISE", 1.0)


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn_noise")
@pytest.mark.parametrize("terms", [(), *((name,) for name in TERMS), tuple(TERMS)], ids="-".join)
def test_half_precision_ends_near_single_precision(plain, data, tmp_path, terms):
    # By Adam, and in steps along a gradient's sign, the smallest slope counts like the largest, so
    # that rounding turns whole steps.
    steady = TERMS | {"trades": configs.make_trades_reg_config(0.1, steps=2, norm="l2")}
    config = plain.replace(optimizer="sgd", epochs=3, **{name: steady[name] for name in terms})
    start = prepare(config, data).make_model().base_model.get_weights()
    expected = weights_of(config, data, tmp_path / "float32" / "1")
    moved = max(abs(a - b).max() for a, b in zip(expected, start, strict=True))
    for precision, rounding in ROUNDING.items():
        log_dir = tmp_path / precision / "1"
        found = weights_of(config.replace(precision=precision), data, log_dir)
        assert {weight.dtype for weight in found} == {np.dtype("float32")}
        apart = max(abs(a - b).max() for a, b in zip(found, expected, strict=True))
        # Every step's gradient is off by about a rounding, and errors of several layers add up.
        assert 0 < apart < 4 * rounding * moved
        for a, b in zip(history(log_dir), history(tmp_path / "float32" / "1"), strict=True):
            assert a.keys() == b.keys()
            assert np.isfinite(list(a.values())).all()
            assert a["loss"] == pytest.approx(b["loss"], rel=4 * rounding)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ROUNDING)
def test_what_half_precision_exports_is_single(fn_args, plain, precision):
    config = plain.replace(precision=precision, **TERMS)
    fn_args.train_steps, fn_args.custom_config = None, trainer.custom_config(config)
    trainer.run_fn(fn_args)
    loaded = tf.saved_model.load(fn_args.serving_model_dir)
    assert {variable.dtype for variable in loaded.variables} == {tf.float32}
    rows = [serialize({"x": x}) for x in np.random.default_rng(0).normal(size=[8, 3])]
    found = {
        **loaded.signatures["raw_features"](x=tf.ones([8, 3])),
        **loaded.signatures["serving_default"](examples=tf.constant(rows)),
    }
    assert {name: value.dtype for name, value in found.items()} == dict.fromkeys(
        ("logits", "embeddings", "probabilities"), tf.float32
    )
    total = tf.reduce_sum(found["probabilities"], axis=1)
    # A softmax in half precision would be off by more.
    np.testing.assert_allclose(total, 1, atol=1e-6)


# Infinite in float32.
HUGE = 1e39
GRAPH = {"max_neighbors": 1, "sum_over_axis": -1}
LESS_GRAPH = "Lower the multiplier of `graph`, or its distance (a divergence needs probabilities)"
LOOK = "Look for infinite values"


def make_heavy(number, x):
    """A row that weighs so much that the sum of several overflows."""
    own = {"importance": [3e38], "NL_nbr_0_x": x[::-1], "NL_nbr_0_weight": [0.5]}
    return make_row(number, x) | own


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "changes", "wrong", "cure"),
    [
        (make_heavy, {"weight_feature": "importance"}, "loss", LOOK),
        (
            make_heavy,
            {"weight_feature": "importance", "graph": TERMS["graph"]},
            "label_loss",
            LOOK,
        ),
        (
            make_heavy,
            {"weight_feature": "importance", "adversarial": TERMS["adversarial"]},
            "label_loss, scaled_adversarial_loss",
            LOOK,
        ),
        (
            make_row,
            {"graph": configs.make_graph_reg_config(**GRAPH, multiplier=HUGE)},
            "scaled_graph_loss",
            LESS_GRAPH,
        ),
        (
            make_row,
            {"graph": configs.make_graph_reg_config(**GRAPH, distance_type="kl_divergence")},
            "scaled_graph_loss",
            LESS_GRAPH,
        ),
        (
            make_row,
            {"adversarial": configs.make_adv_reg_config(multiplier=HUGE)},
            "scaled_adversarial_loss",
            "Lower the step and multiplier of `adversarial`",
        ),
        (
            make_row,
            {"virtual_adversarial": configs.make_virtual_adv_reg_config(0.1, multiplier=HUGE)},
            "scaled_virtual_adversarial_loss",
            "Lower the step and multiplier of `virtual_adversarial`",
        ),
        (
            make_row,
            {**TERMS, "trades": configs.make_trades_reg_config(0.1, steps=1, multiplier=HUGE)},
            "scaled_trades_loss",
            "Lower epsilon and multiplier of `trades`",
        ),
    ],
)
def test_the_term_that_is_no_number_is_named(plain, data, tmp_path, make, changes, wrong, cure):
    files = [write_rows(str(tmp_path / "train.tfrecord"), seed=0, make=make)]
    data = dataclasses.replace(data, train_files=files)
    with pytest.raises(trainer.NonFiniteLossError) as found:
        trainer.train(plain.replace(**changes), data, str(tmp_path / "run" / "1"))
    assert f"of epoch 1: {wrong} is not finite (" in str(found.value)
    assert f"). {cure}" in str(found.value)
