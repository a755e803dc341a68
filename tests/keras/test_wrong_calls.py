"""What users get wrong: each call is refused with the argument's name, what came, and the cure."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx import configs, lib
from nsl_tfx.keras import (
    AdversarialRegularization,
    GraphRegularization,
    RegularizationSchedule,
    RegularizedModel,
    TradesRegularization,
    VirtualAdversarialRegularization,
    adversarial_loss,
)

ROWS = 4
X = np.ones([ROWS, 2], "float32")
Y = np.zeros([ROWS, 1], "float32")
ADV = configs.make_adv_reg_config(adv_step_size=0.1)
GRAPH = configs.make_graph_reg_config(max_neighbors=1)
NEIGHBOR = {"x": X, "NL_nbr_0_x": X, "NL_nbr_0_weight": np.ones([ROWS, 1], "float32")}


def base(outputs=1, dtype="float32"):
    x = keras.Input((2,), name="x", dtype=dtype)
    hidden = keras.layers.Dense(2, name="hidden")(x)
    heads = [keras.layers.Dense(1, name=f"head_{i}")(hidden) for i in range(outputs)]
    return keras.Model(x, heads[0] if outputs == 1 else heads)


class Subclassed(keras.Model):
    def call(self, inputs):
        return inputs["x"]


def adversarial(features, y=None, config=ADV, outputs=1, weight=None, **settings):
    """Trains on one batch."""
    model = AdversarialRegularization(base(outputs), adv_config=config, **settings)
    model.compile("sgd", "mse", run_eagerly=True)
    return model.train_on_batch(features, y, sample_weight=weight)


def graph(features, config=GRAPH, **settings):
    model = GraphRegularization(base(), config, **settings)
    model.compile("sgd", "mse", run_eagerly=True)
    return model.train_on_batch(features, Y)


def perturb(*args, compiled=True, **kwargs):
    model = AdversarialRegularization(base(), adv_config=ADV)
    if compiled:
        model.compile("sgd", "mse")
    return model.perturb_on_batch(*args, **kwargs)


def mask(value, **settings):
    return configs.make_adv_reg_config(feature_mask=value, **settings)


def without(key):
    return {name: value for name, value in NEIGHBOR.items() if name != key}


def two_inputs():
    a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
    return keras.Model([a, b], a + b)


def shared_layer():
    layer = keras.layers.Dense(2, name="twice")
    x = keras.Input((2,), name="x")
    return keras.Model(x, layer(layer(x)))


# What the call is; what is called; the error; what its text says.
CASES = {
    # The constructors.
    "base_is_no_model": (lambda: AdversarialRegularization("model"), TypeError, "base_model"),
    "base_is_a_layer": (
        lambda: GraphRegularization(keras.layers.Dense(1)),
        TypeError,
        "base_model to be a keras.Model",
    ),
    "a_wrapper_in_a_wrapper": (
        lambda: AdversarialRegularization(GraphRegularization(base(), GRAPH)),
        TypeError,
        "RegularizedModel(base_model, graph=..., adversarial=...)",
    ),
    "the_same_label_twice": (
        lambda: AdversarialRegularization(base(2), ["l", "l"]),
        ValueError,
        "label_keys without repetition",
    ),
    "a_label_of_an_inputs_name": (
        lambda: AdversarialRegularization(base(), ["x"]),
        ValueError,
        "under other names than the model's inputs",
    ),
    "a_schedule_of_a_plain_model": (
        lambda: RegularizationSchedule().set_model(base()),
        TypeError,
        "in the fit of a wrapper",
    ),
    "an_unknown_metric": (
        lambda: AdversarialRegularization(base()).compile("sgd", "mse", ["ce"]),
        ValueError,
        "Write its name in full",
    ),
    "config_in_the_place_of_label_keys": (
        lambda: AdversarialRegularization(base(), ADV),
        TypeError,
        "write AdversarialRegularization(base_model, adv_config=...)",
    ),
    "config_in_the_place_of_sample_weight_key": (
        lambda: AdversarialRegularization(base(), ["label"], ADV),
        TypeError,
        "sample_weight_key to be names",
    ),
    "label_keys_is_one_string": (
        lambda: AdversarialRegularization(base(), "label"),
        TypeError,
        "Write label_keys=('label',)",
    ),
    "label_keys_are_no_strings": (
        lambda: AdversarialRegularization(base(), [1]),
        TypeError,
        "label_keys as a list or tuple of names",
    ),
    "no_label_keys": (
        lambda: AdversarialRegularization(base(), []),
        ValueError,
        "label_keys to name one label for each",
    ),
    "two_labels_for_one_output": (
        lambda: AdversarialRegularization(base(), ["a", "b"]),
        ValueError,
        "each of the model's 1 outputs",
    ),
    "two_labels_for_three_outputs": (
        lambda: AdversarialRegularization(base(3), ["a", "b"]),
        ValueError,
        "each of the model's 3 outputs",
    ),
    "sample_weight_key_is_no_string": (
        lambda: AdversarialRegularization(base(), sample_weight_key=3),
        TypeError,
        "sample_weight_key to be a feature's name",
    ),
    "the_neighbor_config_for_the_regularization_config": (
        lambda: AdversarialRegularization(base(), adv_config=configs.AdvNeighborConfig()),
        TypeError,
        "nsl_tfx.configs.make_adv_reg_config(...)",
    ),
    "an_adversarial_config_for_a_graph": (
        lambda: GraphRegularization(base(), ADV),
        TypeError,
        "graph_reg_config to be a GraphRegConfig",
    ),
    "a_dict_for_a_config": (
        lambda: RegularizedModel(base(), graph={"multiplier": 0.1}),
        TypeError,
        "graph to be a GraphRegConfig",
    ),
    "a_virtual_config_without_its_weight": (
        lambda: VirtualAdversarialRegularization(base(), configs.VirtualAdvConfig()),
        TypeError,
        "make_virtual_adv_reg_config",
    ),
    "no_virtual_config": (
        lambda: VirtualAdversarialRegularization(base(), None),
        TypeError,
        "make_virtual_adv_reg_config",
    ),
    "an_adversarial_config_for_trades": (
        lambda: TradesRegularization(base(), ADV),
        TypeError,
        "make_trades_reg_config",
    ),
    "a_graph_term_without_neighbors": (
        lambda: RegularizedModel(base(), graph=configs.make_graph_reg_config()),
        ValueError,
        "max_neighbors >= 1",
    ),
    "an_embedding_without_a_graph": (
        lambda: RegularizedModel(base(), adversarial=ADV, embedding="hidden"),
        ValueError,
        "Expected graph",
    ),
    "no_such_layer": (
        lambda: GraphRegularization(base(), GRAPH, embedding="hiden"),
        ValueError,
        "x, hidden, head_0. Received: 'hiden'",
    ),
    "a_layer_of_a_subclassed_model": (
        lambda: GraphRegularization(Subclassed(), GRAPH, embedding="x"),
        ValueError,
        "embedding",
    ),
    "a_layer_that_is_used_twice": (
        lambda: GraphRegularization(shared_layer(), GRAPH, embedding="twice"),
        ValueError,
        "called 2 times",
    ),
    "an_embedding_of_another_kind": (
        lambda: GraphRegularization(base(), GRAPH, embedding=3),
        TypeError,
        "a layer's name, or a function",
    ),
    "neighbor_features_is_one_string": (
        lambda: GraphRegularization(base(), GRAPH, neighbor_features="x"),
        TypeError,
        "Write neighbor_features=('x',)",
    ),
    "a_perturbation_of_another_kind": (
        lambda: GraphRegularization(base(), GRAPH, neighbor_perturbation=ADV),
        TypeError,
        "neighbor_perturbation to be a AdvNeighborConfig",
    ),
    "a_schedule_of_negative_epochs": (
        lambda: RegularizationSchedule(start_epoch=-1),
        ValueError,
        "start_epoch >= 0",
    ),
    "a_strength_below_zero": (
        lambda: RegularizedModel(base(), adversarial=ADV).set_strength(-1),
        ValueError,
        "strength >= 0",
    ),
    "a_term_that_there_is_not": (
        lambda: RegularizedModel(base(), adversarial=ADV).set_strength(1, ["graph"]),
        ValueError,
        "terms among those of this model: adversarial. Received: graph",
    ),
    # The settings.
    "a_step_below_zero": (
        lambda: configs.make_adv_reg_config(adv_step_size=-1),
        ValueError,
        "adv_step_size",
    ),
    "an_epsilon_below_zero": (
        lambda: configs.make_adv_reg_config(pgd_epsilon=-0.1),
        ValueError,
        "pgd_epsilon",
    ),
    "no_iterations": (
        lambda: configs.make_adv_reg_config(pgd_iterations=0),
        ValueError,
        "pgd_iterations",
    ),
    "an_unknown_norm": (
        lambda: configs.make_adv_reg_config(adv_grad_norm="l3"),
        ValueError,
        "'l1', 'l2', 'infinity'",
    ),
    "nan_in_a_mask": (lambda: mask([1.0, np.nan]), ValueError, "feature_mask"),
    "a_mask_above_one": (lambda: mask({"x": 2.0}), ValueError, "feature_mask['x']"),
    "bounds_the_wrong_way_round": (
        lambda: configs.make_adv_reg_config(clip_value_min=1, clip_value_max=0),
        ValueError,
        "clip_value_min <= clip_value_max",
    ),
    "a_reduction_to_no_number": (
        lambda: configs.make_graph_reg_config(reduction="none"),
        ValueError,
        "reduction",
    ),
    "a_divergence_without_an_axis": (
        lambda: configs.make_graph_reg_config(distance_type="kl_divergence"),
        ValueError,
        "sum_over_axis",
    ),
    "trades_without_a_radius": (
        lambda: configs.TradesRegConfig(configs.AdvNeighborConfig()),
        ValueError,
        "pgd_epsilon",
    ),
    # Compiling.
    "no_loss": (
        lambda: AdversarialRegularization(base()).compile("sgd"),
        ValueError,
        "Expected loss",
    ),
    # Labels and weights.
    "no_label_inside": (
        lambda: adversarial({"x": X}),
        ValueError,
        "Missing: label. Received: x. Name them with label_keys",
    ),
    "no_label_beside_a_tensor": (lambda: adversarial(X), ValueError, "Expected labels"),
    "a_label_of_another_name": (
        lambda: adversarial({"x": X, "y": Y}),
        ValueError,
        "Missing: label",
    ),
    "the_label_twice": (
        lambda: adversarial({"x": X, "label": Y}, Y),
        ValueError,
        "the labels once. Received: y, and label",
    ),
    "one_label_for_two_outputs": (
        lambda: adversarial({"x": X, "label": Y}, outputs=2),
        ValueError,
        "each of the model's 2 outputs",
    ),
    "no_weights_inside": (
        lambda: adversarial({"x": X, "label": Y}, sample_weight_key="w"),
        ValueError,
        "the weights 'w' among the features",
    ),
    "no_weights_beside_a_tensor": (
        lambda: adversarial(X, Y, sample_weight_key="w"),
        ValueError,
        "the weights 'w' among the features",
    ),
    "weights_twice": (
        lambda: adversarial({"x": X, "label": Y, "w": Y}, weight=Y, sample_weight_key="w"),
        ValueError,
        "weights once",
    ),
    "weights_of_a_wrong_shape": (
        lambda: adversarial({"x": X, "label": Y}, weight=np.ones([ROWS, 2])),
        ValueError,
        "sample_weight of shape [batch] or [batch, 1]",
    ),
    "weights_of_a_wrong_rank": (
        lambda: adversarial({"x": X, "label": Y}, weight=np.ones([ROWS, 2, 2])),
        ValueError,
        "Received: shape (4, 2, 2)",
    ),
    "a_graph_without_labels": (
        lambda: GraphRegularization(base(), GRAPH).compute_loss(NEIGHBOR, None, Y),
        ValueError,
        "Expected labels, as fit(x, y)",
    ),
    # Features.
    "an_input_without_a_feature": (
        lambda: RegularizedModel(two_inputs())({"a": X, "c": X}),
        ValueError,
        "Missing: b",
    ),
    "integer_features": (
        lambda: adversarial({"x": X.astype("int32"), "label": Y}),
        ValueError,
        "x (int32)",
    ),
    "a_mask_of_no_feature": (
        lambda: adversarial({"x": X, "label": Y}, config=mask({"image": 0.0})),
        ValueError,
        "to name features of the input: x. Received: 'image'",
    ),
    "a_mask_that_asks_for_integers": (
        lambda: AdversarialRegularization(two_inputs(), adv_config=mask({"b": 1.0})).train_step(
            ({"a": X, "b": X.astype("int32")}, X)
        ),
        ValueError,
        "'b', which cannot be perturbed (int32)",
    ),
    "a_mask_of_a_wrong_shape": (
        lambda: adversarial({"x": X, "label": Y}, config=mask({"x": [1.0, 0.0, 1.0]})),
        ValueError,
        "of a shape that broadcasts to the feature's",
    ),
    "a_bound_of_a_wrong_shape": (
        lambda: adversarial(
            {"x": X, "label": Y}, config=configs.make_adv_reg_config(clip_value_min=[[0.0]] * 3)
        ),
        ValueError,
        "clip_value_min",
    ),
    # Neighbors.
    "no_feature_of_the_neighbor": (
        lambda: graph(without("NL_nbr_0_x")),
        KeyError,
        "Missing: NL_nbr_0_x",
    ),
    "no_weight_of_the_neighbor": (
        lambda: graph(without("NL_nbr_0_weight")),
        KeyError,
        "Missing: NL_nbr_0_weight",
    ),
    "fewer_neighbors_than_asked_for": (
        lambda: graph(NEIGHBOR, configs.make_graph_reg_config(max_neighbors=2)),
        KeyError,
        "Lower max_neighbors",
    ),
    "a_neighbor_of_another_shape": (
        lambda: graph({**NEIGHBOR, "NL_nbr_0_x": np.ones([ROWS, 3], "float32")}),
        ValueError,
        "of neighbor 0 like the example's",
    ),
    "a_neighbor_of_another_dtype": (
        lambda: graph({**NEIGHBOR, "NL_nbr_0_x": X.astype("int32")}),
        ValueError,
        "of int32 and shape",
    ),
    "an_edge_weight_for_each_feature": (
        lambda: graph({**NEIGHBOR, "NL_nbr_0_weight": X}),
        ValueError,
        "'NL_nbr_0_weight' as one number an example",
    ),
    "a_neighbor_feature_that_examples_lack": (
        lambda: graph(NEIGHBOR, neighbor_features=["image"]),
        ValueError,
        "neighbor_features among the examples' features",
    ),
    "a_graph_of_a_tensor": (
        lambda: graph(X),
        ValueError,
        "features by name",
    ),
    # perturb_on_batch.
    "perturbing_before_compiling": (
        lambda: perturb({"x": X, "label": Y}, compiled=False),
        RuntimeError,
        "compile(optimizer, loss=...) before perturb_on_batch",
    ),
    "perturbing_without_labels": (lambda: perturb({"x": X}), ValueError, "Missing: label"),
    "perturbing_with_an_unknown_setting": (
        lambda: perturb({"x": X, "label": Y}, epsilon=0.1),
        TypeError,
        "Received: epsilon",
    ),
    "perturbing_with_a_wrong_setting": (
        lambda: perturb({"x": X, "label": Y}, adv_step_size=-1.0),
        ValueError,
        "adv_step_size",
    ),
    "perturbing_integers": (
        lambda: perturb({"x": X.astype("int64"), "label": Y}),
        ValueError,
        "x (int64)",
    ),
    # adversarial_loss.
    "a_loss_without_labels": (
        lambda: adversarial_loss(X, None, base(), "mse"),
        ValueError,
        "Expected labels",
    ),
    "predictions_without_their_tape": (
        lambda: adversarial_loss(X, Y, base(), "mse", predictions=tf.constant(Y)),
        ValueError,
        "Expected gradient_tape",
    ),
    "a_loss_that_is_none": (
        lambda: adversarial_loss(X, Y, base(), None),
        TypeError,
        "loss_fn",
    ),
    # The ops.
    "a_weight_for_each_class": (
        lambda: lib.pairwise_distance_wrapper(
            X, X, X, configs.DistanceConfig("cosine", sum_over_axis=-1)
        ),
        ValueError,
        "Expected weights as a scalar",
    ),
    "the_regularization_config_to_unpack_with": (
        lambda: lib.unpack_neighbor_features(NEIGHBOR, GRAPH),
        TypeError,
        "Pass its field neighbor_config",
    ),
    "a_nested_input": (
        lambda: lib.gen_adv_neighbor({"x": {"y": X}}, None, configs.AdvNeighborConfig()),
        TypeError,
        "flat dict or list",
    ),
}


def test_there_are_many():
    assert len(CASES) >= 40


@pytest.mark.parametrize("name", CASES)
def test_the_error_says_what_is_wrong(name):
    call, error, text = CASES[name]
    with pytest.raises(error, match=re.escape(text)) as caught:
        call()
    message = str(caught.value)
    assert "Expected" in message
    assert "Received" in message
