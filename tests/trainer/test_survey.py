import numpy as np
import pytest

from nsl_tfx.configs import Task
from nsl_tfx.trainer import make_example_spec
from nsl_tfx.trainer.example_source import open_examples
from nsl_tfx.trainer.survey import class_weights_of, survey_training, survey_validation
from tests.trainer.conftest import make_row, write_rows


@pytest.fixture(params=[0, 100], ids=["read", "kept"])
def config(request, config):
    """Examples are read in each pass, or kept in memory."""
    return config.replace(memory_mb=request.param)


def look(files, config, schema, whole=True):
    spec = make_example_spec(config, schema)
    return survey_training(open_examples(files, spec, config), spec, config, whole)


def test_counts_rows_labels_and_neighbors(files, config, schema):
    found = look(files, config, schema)
    assert (found.rows, found.whole, found.labelled, found.with_neighbors) == (40, True, 20, 14)
    assert sum(found.class_counts.values()) == 20
    assert list(found.class_counts) == [0, 1, 2]


def test_looks_at_as_few_as_it_takes(tmp_path, config, schema):
    path = write_rows(str(tmp_path / "many"), seed=0, rows=6000)
    found = look(path, config, schema, whole=False)
    # What is in memory anyway is looked at.
    assert found.whole == bool(config.memory_mb)
    assert (found.rows == 6000) == found.whole


def test_of_what_is_validated_on_as_much_is_looked_at_as_is_used(files, config, schema):
    spec = make_example_spec(config, schema)
    found = survey_validation(open_examples(files, spec, config), spec, config, most=10)
    assert (found.rows, found.labelled, found.with_neighbors) == (10, 5, 0)


def test_balanced_classes_weigh_the_same(files, config, schema):
    found = look(files, config.replace(class_weights="balanced"), schema)
    weights = class_weights_of(config.replace(class_weights="balanced"), found)
    totals = {number: weights[number] * count for number, count in found.class_counts.items()}
    assert totals == pytest.approx(dict.fromkeys(range(3), 20 / 3))
    assert class_weights_of(config.replace(class_weights={"1": 3}), found) == {1: 3.0}
    assert class_weights_of(config, found) is None


def test_numbers_to_regress_are_no_classes(files, config, schema):
    config = config.replace(task="regression", label_feature="height")
    assert look(files, config, schema).class_counts == {}


def without(name):
    def make(number, x):
        row = make_row(number, x)
        row.pop(name, None)
        return row

    return make


WEIGHTED = {"weight_feature": "importance"}


def holding(**features):
    return lambda number, x: {**make_row(number, x), **features}


def labelled(value):
    names = ("label", "yes", "height")
    return lambda number, x: {**make_row(number, x), **{name: [value] for name in names}}


@pytest.mark.parametrize(
    ("changes", "make", "rows", "message"),
    [
        ({}, make_row, 0, "Expected examples to train on"),
        ({}, without("label"), 40, "40 examples without 'label'"),
        ({}, labelled(-1), 40, "40 examples without 'label'"),
        ({}, without("NL_nbr_0_weight"), 40, "40 examples, none with an edge"),
        ({}, labelled(-2), 40, "labels from 0 on.* Received: -2"),
        ({"task": Task.BINARY, "label_feature": "yes"}, labelled(2), 40, "from 0 to 1.*-1.*: 2"),
        ({"task": Task.BINARY, "label_feature": "height"}, labelled(-1.0), 40, "or NaN for none"),
        ({"task": "regression", "label_feature": "height"}, labelled(np.nan), 40, "with NaN"),
        ({}, holding(x=np.array([0, np.inf, 0])), 40, "finite numbers in feature 'x'.* 40 of 40"),
        ({}, holding(NL_nbr_0_x=np.array([0, np.nan, 0])), 40, "in feature 'NL_nbr_0_x'"),
        (WEIGHTED, holding(importance=[-1.0]), 40, "weights of 0 or more in 'importance'.*-1.0"),
        (WEIGHTED, holding(importance=[np.nan]), 40, "weights of 0 or more in 'importance'.*nan"),
        (WEIGHTED, holding(importance=[0.0]), 40, "'label' .or with -1, or with 'importance' 0"),
    ],
)
def test_nothing_to_learn_from_is_named(tmp_path, config, schema, changes, make, rows, message):
    path = write_rows(str(tmp_path / "examples"), seed=0, rows=rows, make=make)
    for whole in (True, False):
        with pytest.raises(ValueError, match=message):
            look(path, config.replace(**changes), schema, whole)
