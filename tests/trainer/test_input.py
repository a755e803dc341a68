import itertools

import numpy as np
import pytest

from nsl_tfx import configs
from nsl_tfx.trainer import training_dataset


def take(dataset, batches):
    return list(itertools.islice(dataset.as_numpy_iterator(), batches))


def test_rows_without_label_have_weight_zero(files, schema, config):
    (x, label, weight), *_ = take(training_dataset(files, schema, config, training=False), 1)
    assert weight.tolist() == [1, 0] * 5
    assert label.shape == (10,)
    np.testing.assert_array_equal(label[::2], np.argmax(x["x"], axis=1)[::2])
    assert not label[1::2].any()


def test_missing_neighbors_have_weight_zero(files, schema, config):
    x = {"x": [], "NL_nbr_0_x": [], "NL_nbr_0_weight": []}
    for features, _, _ in take(training_dataset(files, schema, config), 4):
        for name in x:
            x[name].append(features[name])
    x = {name: np.concatenate(values) for name, values in x.items()}
    present = x["NL_nbr_0_weight"][:, 0] > 0
    assert present.sum() == 14
    np.testing.assert_allclose(x["NL_nbr_0_x"][present], x["x"][present] + 0.1, atol=1e-6)
    assert not x["NL_nbr_0_x"][~present].any()


def test_training_repeats_in_another_order(files, schema, config):
    rows = [x["x"] for x, _, _ in take(training_dataset(files, schema, config), 8)]
    first, second = np.concatenate(rows[:4]), np.concatenate(rows[4:])
    assert np.any(first != second)
    np.testing.assert_array_equal(*(np.sort(part, axis=0) for part in (first, second)))


def test_the_seed_fixes_the_order(files, schema, config):
    def first(seed):
        dataset = training_dataset(files, schema, config.replace(seed=seed))
        return take(dataset, 1)[0][0]["x"]

    np.testing.assert_array_equal(first(1), first(1))
    assert np.any(first(1) != first(2))


def test_evaluation_reads_each_row_once_without_neighbors(files, schema, config):
    batches = take(training_dataset(files, schema, config.replace(batch_size=16), False), 9)
    assert [len(label) for _, label, _ in batches] == [16, 16, 8]
    assert list(batches[0][0]) == ["x"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": ("x", "y")}, "Received: y, NL_nbr_0_y"),
        ({"label_feature": "class"}, "Received: class"),
        (
            {"graph": configs.make_graph_reg_config(max_neighbors=2)},
            "neighbors' features come from NeighborAugmenter",
        ),
        ({"features": ("words",), "graph": None}, "gives none for: words"),
    ],
)
def test_a_schema_that_does_not_fit_is_named(files, schema, config, changes, message):
    with pytest.raises(ValueError, match=message):
        training_dataset(files, schema, config.replace(**changes))
