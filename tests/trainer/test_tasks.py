import keras
import numpy as np
import pytest

from nsl_tfx.configs import Task
from nsl_tfx.trainer.tasks import make_loss, make_metrics, output_names, served

LOGITS = np.float32([[2, -1, 0], [0, 3, 1], [5, 5, 5]])


def softmax(x):
    x = np.exp(x - x.max(axis=1, keepdims=True))
    return x / x.sum(axis=1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize(
    ("task", "labels", "loss"),
    [
        (
            Task.CLASSIFICATION,
            np.array([1, 1, 0]),
            lambda y: -np.log(softmax(LOGITS)[range(3), y]),
        ),
        (
            Task.BINARY,
            np.float32([[1, 0, 1], [0, 1, 0], [1, 1, 1]]),
            lambda y: -np.log(np.where(y, sigmoid(LOGITS), 1 - sigmoid(LOGITS))).mean(axis=1),
        ),
        (Task.REGRESSION, np.float32(LOGITS + 1), lambda y: ((LOGITS - y) ** 2).mean(axis=1)),
    ],
)
def test_the_loss_is_the_mean_over_labelled_rows(config, task, labels, loss):
    config = config.replace(task=task)
    found = make_loss(config)(labels, LOGITS, np.float32([1, 1, 0]))
    np.testing.assert_allclose(found, loss(labels)[:2].mean(), rtol=1e-5)


@pytest.mark.parametrize(
    ("task", "names", "labels", "expected"),
    [
        (Task.CLASSIFICATION, None, [0, 0, 2], {"accuracy": 1 / 2}),
        (Task.BINARY, None, [[1.0], [0.0], [1.0]], {"accuracy": 1 / 2}),
        (Task.BINARY, ("precision", "auc"), [[1.0], [0.0], [1.0]], {"precision": 0.5, "auc": 0}),
        (Task.REGRESSION, None, [[1.0], [0.0], [1.0]], {"mean_absolute_error": 1.25}),
    ],
)
def test_metrics_are_of_what_is_served(config, task, names, labels, expected):
    logits = LOGITS if task is Task.CLASSIFICATION else np.float32([[0.2], [1.7], [9]])
    for metric in make_metrics(config.replace(task=task, metrics=names)):
        metric.update_state(np.array(labels), logits, np.float32([1, 1, 0]))
        assert float(metric.result()) == pytest.approx(expected.pop(metric.name), abs=1e-6)
        metric.reset_state()
        assert float(metric.result()) == 0
    assert not expected


def test_a_metric_comes_back_from_its_config(config):
    (metric,) = make_metrics(config.replace(task=Task.BINARY, metrics=("auc",)))
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    again.update_state(np.float32([[1], [0]]), np.float32([[3], [2]]))
    assert (again.name, float(again.result())) == ("auc", 1)


@pytest.mark.parametrize(
    ("task", "names", "expected"),
    [
        (Task.CLASSIFICATION, ("logits", "probabilities"), softmax(LOGITS)),
        (Task.BINARY, ("logits", "probabilities"), sigmoid(LOGITS)),
        (Task.REGRESSION, ("predictions", "predictions"), LOGITS),
    ],
)
def test_what_is_served(task, names, expected):
    assert output_names(task) == names
    np.testing.assert_allclose(served(task, LOGITS), expected, rtol=1e-5)
