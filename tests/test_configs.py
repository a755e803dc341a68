import dataclasses
import inspect
import pickle

import numpy as np
import pytest

from nsl_tfx import configs
from nsl_tfx.configs.base import Config, require_choice, require_number

MINIMAL = {
    "TrainerConfig": {"model_fn": "a.b", "features": ["x"]},
    "SearchRange": {"low": 1, "high": 2},
    "TunerConfig": {"search": {"learning_rate": {"values": [0.1, 0.2]}}},
    "ValidationAttackConfig": {"epsilon": 0.1},
    "RobustnessConfig": {"features": ["x"], "label_feature": "y", "epsilon": 0.1},
    "SmoothingConfig": {"sigma": 0.1},
    "SimilarityGraphConfig": {"embedding_feature": "x"},
    "AugmentConfig": {"features": ["x"]},
    "DecayConfig": {"decay_steps": 10},
    "GraphImportConfig": {"paths": ["edges.tsv"]},
    "VirtualAdvRegConfig": {"virtual_adv_config": {}},
    "TradesRegConfig": {"adv_neighbor_config": {"pgd_epsilon": 0.1}},
    "IntegrationConfig": {"integration_type": "additive", "hidden_dims": [3, 4]},
}
CONFIGS = [
    value
    for value in vars(configs).values()
    if isinstance(value, type) and issubclass(value, Config) and value is not Config
]


def make(cls):
    return cls.from_dict(MINIMAL.get(cls.__name__, {}))


GRAPH = configs.make_graph_reg_config(max_neighbors=1)


def trainer_config(**changes):
    return configs.TrainerConfig(**{"model_fn": "a.b", "features": ["x"], **changes})


@pytest.mark.parametrize("cls", CONFIGS, ids=lambda cls: cls.__name__)
class TestEveryConfig:
    def test_survives_json(self, cls):
        config = make(cls)
        assert cls.from_json(config.to_json()) == config

    def test_survives_pickling(self, cls):
        # Beam pickles what its workers hold.
        config = make(cls)
        assert pickle.loads(pickle.dumps(config)) == config

    def test_cannot_be_changed(self, cls):
        config = make(cls)
        name = dataclasses.fields(config)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(config, name, None)

    def test_rejects_an_unknown_field(self, cls):
        with pytest.raises(TypeError, match="Received: unheard_of"):
            cls.from_dict({**MINIMAL.get(cls.__name__, {}), "unheard_of": 1})

    def test_hash_is_of_the_content(self, cls):
        assert make(cls).fingerprint() == make(cls).fingerprint()

    def test_documents_every_field(self, cls):
        text = inspect.getdoc(cls)
        if "Attributes:" not in text:  # Two configs of two fields say it in a sentence.
            assert len(dataclasses.fields(cls)) <= 3
            return
        for field in dataclasses.fields(cls):
            assert f"    {field.name}: " in text


def test_the_hash_differs_where_a_field_does():
    config = make(configs.TrainerConfig)
    assert config.replace(seed=1).fingerprint() != config.fingerprint()


@pytest.mark.parametrize(
    ("make_config", "message"),
    [
        (lambda: configs.make_adv_reg_config(adv_step_size=-1), "adv_step_size >= 0 (input units)"),
        (lambda: configs.make_adv_reg_config(adv_step_size=float("nan")), "adv_step_size >= 0"),
        (lambda: configs.make_adv_reg_config(adv_step_size="a"), "to be float. Received: 'a'"),
        (lambda: configs.make_adv_reg_config(pgd_iterations=0), "pgd_iterations >= 1"),
        (lambda: configs.make_adv_reg_config(pgd_iterations=1.5), "to be int. Received: 1.5"),
        (lambda: configs.make_adv_reg_config(pgd_epsilon=-0.1), "pgd_epsilon >= 0"),
        (lambda: configs.make_adv_reg_config(random_init=1), "to be bool. Received: 1"),
        (lambda: configs.make_adv_reg_config(multiplier=True), "to be float. Received: True"),
        (lambda: configs.AdvNeighborConfig(adv_grad_norm="l3"), "one of 'l1', 'l2', 'infinity'"),
        (lambda: configs.AdvRegConfig(adv_neighbor_config=3), "to be AdvNeighborConfig"),
        (lambda: configs.make_graph_reg_config(max_neighbors=-1), "max_neighbors >= 0"),
        (lambda: configs.DistanceConfig(distance_type="far"), "Received: 'far'"),
        (lambda: configs.DistanceConfig(sum_over_axis="-1"), "to be int. Received: '-1'"),
        (
            lambda: configs.SimilarityGraphConfig(embedding_feature="x", num_neighbors=0),
            "num_neighbors >= 1 (neighbors of a node)",
        ),
        (
            lambda: configs.SimilarityGraphConfig(embedding_feature="x", similarity_threshold=1.5),
            "similarity_threshold in [-1, 1]",
        ),
        (
            lambda: configs.SimilarityGraphConfig(embedding_feature="x", splits="train"),
            "to be a list of str. Received: 'train'",
        ),
        (
            lambda: configs.AugmentConfig(neighbors=configs.GraphNeighborConfig()),
            "max_neighbors >= 1",
        ),
        (lambda: configs.TrainerConfig(model_fn="a.b", features=[3]), "features[0] to be str"),
        (
            lambda: configs.TrainerConfig(model_fn="a.b", features=["x"], model_options=[1]),
            "to be a dict",
        ),
        (
            lambda: configs.make_adv_reg_config(feature_mask=[1, 2]),
            "feature_mask[1] to hold numbers",
        ),
        (
            lambda: configs.make_adv_reg_config(feature_mask={"x": np.array([0, np.nan])}),
            "feature_mask['x'] to hold numbers from 0 to 1. Received: nan",
        ),
        (lambda: configs.make_adv_reg_config(feature_mask="x"), "to hold numbers. Received: 'x'"),
        (
            lambda: configs.make_adv_reg_config(clip_value_min=1, clip_value_max=0),
            "clip_value_min <= clip_value_max",
        ),
        (lambda: configs.make_adv_reg_config(clip_value_min=float("nan")), "Received: nan"),
        (lambda: configs.DistanceConfig("cosine"), "sum_over_axis for cosine"),
        (lambda: configs.DistanceConfig("kl_divergence"), "sum_over_axis for kl_divergence"),
        (lambda: configs.make_graph_reg_config(reduction="none"), "reduction to give one number"),
        (lambda: configs.make_graph_reg_config(distance_type="far"), "Received: 'far'"),
        (lambda: configs.make_adv_reg_config(adv_grad_norm="l7"), "one of 'l1', 'l2', 'infinity'"),
        (lambda: configs.GraphNeighborConfig(prefix=""), "not to be empty"),
        (
            lambda: configs.RobustnessConfig(
                features=["x"], label_feature="y", epsilon=float("inf")
            ),
            "epsilon > 0",
        ),
        (lambda: configs.TrainerConfig(model_fn="a.b", features=[]), "at least one name"),
        (lambda: configs.TrainerConfig(model_fn="a.b", features=["x", "x"]), "each once"),
        *(
            (lambda changes=changes: trainer_config(**changes), message)
            for changes, message in (
                ({"features": ["label"]}, "without label_feature"),
                ({"features": ["x", "w"], "weight_feature": "w"}, "without weight_feature"),
                ({"task": "guess"}, "to be one of 'classification'"),
                ({"epochs": 0}, "epochs >= 1"),
                ({"learning_rate": 0.0}, "learning_rate > 0"),
                ({"learning_rate": "fast"}, "learning_rate to be"),
                ({"class_weights": "equal"}, "to be 'balanced'"),
                ({"class_weights": {"a": 1.0}}, "from a class's number"),
                ({"class_weights": {"0": -1.0}}, "from a class's number"),
                ({"class_weights": "balanced", "task": "regression"}, "with a task of classes"),
                ({"neighbor_features": ["x"]}, "Expected TrainerConfig.graph"),
                ({"graph": GRAPH, "neighbor_features": ["y"]}, "among features: x"),
                ({"early_stopping": {"mode": "up"}}, "one of 'auto', 'min', 'max'"),
                ({"strategy": "tpu"}, "'mirrored'"),
                ({"metrics": "auc"}, "metrics to be a list"),
            )
        ),
        (lambda: configs.TrainerConfig(model_fn="a.b", features=["x"], seed=-1), "seed >= 0"),
        (lambda: configs.TrainerConfig(model_fn="a.b", features=["x"], seed=2**32), "<= 429"),
        (
            lambda: configs.TrainerConfig(
                model_fn="a.b", features=["x"], graph=configs.GraphRegConfig()
            ),
            "max_neighbors >= 1",
        ),
        (lambda: configs.SimilarityGraphConfig(embedding_feature=""), "none empty"),
        (lambda: configs.SimilarityGraphConfig(embedding_feature="id"), "two different"),
        (lambda: configs.DecayConfig(0), "decay_steps >= 1"),
        (lambda: configs.VirtualAdvConfig(approx_difference=0), "approx_difference > 0"),
        (lambda: configs.AdvTargetConfig("third"), "'ground_truth'"),
        (lambda: configs.TrainerConfig.from_json("[]"), "as a JSON object. Received: []"),
        (lambda: configs.TrainerConfig.from_json("{"), "as a JSON object"),
    ],
)
def test_a_mistake_is_named(make_config, message):
    with pytest.raises((TypeError, ValueError)) as caught:
        make_config()
    assert message in str(caught.value)


def test_no_default_is_shared():
    changed = configs.make_adv_reg_config(adv_step_size=0.5)
    assert changed.adv_neighbor_config.adv_step_size == 0.5
    assert configs.AdvRegConfig().adv_neighbor_config.adv_step_size == 0.001


def test_a_callers_list_is_copied():
    features = ["x"]
    config = configs.TrainerConfig(model_fn="a.b", features=features)
    features.append("y")
    assert config.features == ("x",)


def test_numpy_scalars_are_numbers():
    config = configs.make_adv_reg_config(
        adv_step_size=np.float32(0.5), pgd_iterations=np.int64(3)
    ).adv_neighbor_config
    assert type(config.adv_step_size) is float
    assert type(config.pgd_iterations) is int


def test_nsl_positional_arguments():
    config = configs.DistanceConfig("cosine", "none", -1, None)
    assert config.distance_type is configs.DistanceType.COSINE
    assert config.transform_fn is configs.TransformType.NONE
    assert configs.AdvNeighborConfig(None, 0.5, "l1").adv_grad_norm is configs.NormType.L1


def test_choices_equal_their_names_and_list_their_members():
    assert configs.NormType.L2 == "l2"
    assert configs.NormType.all() == ["l1", "l2", "infinity"]
    reductions = configs.Reduction
    assert reductions.SUM_OVER_NONZERO_WEIGHTS is reductions.SUM_BY_NONZERO_WEIGHTS


def test_default_params_are_the_defaults_as_dicts():
    assert configs.DEFAULT_DISTANCE_PARAMS == {
        "distance_type": "l2",
        "reduction": "weighted_sum_by_nonzero_weights",
        "sum_over_axis": None,
        "transform_fn": "none",
    }
    neighbor = configs.DEFAULT_ADVERSARIAL_PARAMS
    assert configs.AdvNeighborConfig(**neighbor) == configs.AdvNeighborConfig()
    assert configs.make_adv_reg_config(**neighbor) == configs.AdvRegConfig()


def test_configs_that_hold_arrays_compare():
    masks = [np.array([0.0, 1.0]), [0.0, 1.0], np.array([1.0, 1.0])]
    first, same, other = (configs.make_adv_reg_config(feature_mask=mask) for mask in masks)
    assert first == same != other
    assert hash(first) == hash(same)


def test_json_holds_nested_configs():
    config = configs.TrainerConfig(
        model_fn="a.b",
        features=("x",),
        graph=configs.make_graph_reg_config(
            max_neighbors=3, distance_type="cosine", sum_over_axis=-1
        ),
        adversarial=configs.make_adv_reg_config(adv_grad_norm="infinity"),
    )
    read = configs.TrainerConfig.from_json(config.to_json())
    assert read.graph.distance_config.distance_type is configs.DistanceType.COSINE
    assert read == config


@pytest.mark.parametrize(
    ("value", "kind", "error"),
    [
        (2, int, None),
        (np.int32(2), int, None),
        (2, float, None),
        (np.float32(0.5), float, None),
        (2.5, int, TypeError),
        ("2", int, TypeError),
        (True, int, TypeError),
        (None, float, TypeError),
        ("0.5", float, TypeError),
        (0, int, ValueError),
        (4, int, ValueError),
        (float("nan"), float, ValueError),
        (float("inf"), float, ValueError),
    ],
)
def test_a_number_given_as_an_argument(value, kind, error):
    if error is None:
        number = require_number("size", value, kind, gt=0, le=3)
        assert (number, type(number)) == (value, kind)
    else:
        with pytest.raises(error, match=r"Expected size .*Received: "):
            require_number("size", value, kind, gt=0, le=3)


def test_a_choice_given_as_an_argument():
    assert require_choice("how", "union", configs.Symmetrize) is configs.Symmetrize.UNION
    expected = r"how to be one of .union., .mutual., .none.\. Received: 1"
    with pytest.raises(ValueError, match=expected):
        require_choice("how", 1, configs.Symmetrize)
