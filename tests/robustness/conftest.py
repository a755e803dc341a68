"""Models small enough to attack in a second, some with a planted defect."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx.robustness import ModelUnderTest


@dataclasses.dataclass(frozen=True)
class Linear:
    """`x @ weights + bias`, for which the exact robust accuracy is known."""

    weights: np.ndarray
    bias: np.ndarray

    def model(self) -> ModelUnderTest:
        weights = tf.constant(self.weights, tf.float32)
        bias = tf.constant(self.bias, tf.float32)
        return ModelUnderTest(
            lambda features: features["x"] @ weights + bias,
            {"x": tf.TensorSpec([None, len(self.weights)], tf.float32)},
        )

    def exact_robust(self, x: np.ndarray, labels: np.ndarray, epsilon: float) -> np.ndarray:
        """No point of the infinity-norm ball gives another class a higher logit.

        For each other class, the margin `(w_y - w_j) @ x + b_y - b_j` falls by at most epsilon
        times the L1 norm of `w_y - w_j`, and one corner of the ball reaches that.
        """
        logits = x @ self.weights + self.bias
        rows = np.arange(len(x))
        margins = logits[rows, labels][:, None] - logits
        reach = epsilon * np.abs(self.weights[:, labels].T[:, :, None] - self.weights).sum(axis=1)
        margins, reach = margins.copy(), reach.copy()
        margins[rows, labels] = np.inf
        return (margins > reach).all(axis=1)


@pytest.fixture(scope="session", params=[2, 4], ids=["two classes", "four classes"])
def linear(request: pytest.FixtureRequest) -> Linear:
    rng = np.random.default_rng(request.param)
    return Linear(rng.normal(size=(6, request.param)), rng.normal(size=request.param) / 4)


@dataclasses.dataclass(frozen=True)
class Digits:
    """scikit-learn's digits, and a small network that reads them well.

    `image` and `label` are what it was not trained on, `train` what it was.
    """

    weights: list[np.ndarray]
    image: np.ndarray
    label: np.ndarray
    train: tuple[np.ndarray, np.ndarray]

    def data(self) -> dict[str, np.ndarray]:
        return {"image": self.image, "label": self.label}

    def under_test(self, output: Callable[[Any], Any] | None = None) -> ModelUnderTest:
        """The network, or `output(features)` made of it."""

        def function(features: dict[str, tf.Tensor]) -> tf.Tensor:
            return (output or self.logits)(features["image"])

        return ModelUnderTest(function, {"image": tf.TensorSpec([None, 64], tf.float32)})

    def logits(self, image: tf.Tensor) -> tf.Tensor:
        # Keras takes several times longer to trace.
        first, first_bias, second, second_bias = self.weights
        return tf.nn.relu(image @ first + first_bias) @ second + second_bias


@pytest.fixture(scope="session")
def digits() -> Digits:
    datasets = pytest.importorskip("sklearn.datasets")
    data = datasets.load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    train, test = order[:1200], order[1200:1400]
    image = (data.data / 16).astype(np.float32)
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [
            keras.Input((64,), name="image"),
            keras.layers.Dense(32, "relu"),
            keras.layers.Dense(10),
        ]
    )
    network.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    network.fit(image[train], data.target[train], epochs=20, batch_size=32, verbose=0)
    learnt = (image[train], data.target[train])
    return Digits(network.get_weights(), image[test], data.target[test], learnt)


@pytest.fixture
def export(tmp_path):
    """Exports `function(features)` over one float feature `x` `[batch, 3]` and gives its path."""

    def write(
        function: Callable[[Any], Any] = lambda features: {"logits": features["x"]},
        endpoint: str = "raw_features",
        spec: tf.TensorSpec | None = None,
    ) -> str:
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        archive = keras.export.ExportArchive()
        archive.track(model)
        spec = spec or tf.TensorSpec([None, 3], tf.float32, name="x")
        archive.add_endpoint(endpoint, function, input_signature=[{"x": spec}])
        path = str(tmp_path / "model")
        archive.write_out(path, verbose=False)
        return path

    return write
