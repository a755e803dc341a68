"""Runs training steps on request: what the two workers of `training.py` share.

It runs on Keras 3 and, in the peer's environment, on Keras 2. A request is a line of JSON on stdin,
`{"model": ..., "case": ..., "steps": ...}`; the answer is a line on stdout with the seconds of each
step. A request without `case` is answered with the multiplications in each of the model's layers.
A model is made at its first request and stays ready.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

BATCH = 128
NEIGHBORS = 3
# Of each fit: the first waits for the data, and the caches are another model's.
UNTIMED_STEPS = 3

# The arguments of make_adv_reg_config and make_graph_reg_config, which are ours and NSL's alike.
FGSM = {"multiplier": 0.2, "adv_grad_norm": "infinity", "adv_step_size": 0.1}
PGD = {"pgd_iterations": 3, "pgd_epsilon": 0.2, "clip_value_min": 0.0, "clip_value_max": 1.0}
GRAPH = {"multiplier": 0.1, "max_neighbors": NEIGHBORS, "distance_type": "l2", "sum_over_axis": -1}


class Case(NamedTuple):
    """What a model is trained with."""

    adversarial: dict[str, Any] | None = None
    graph: dict[str, Any] | None = None
    rows: int = BATCH


CASES = {
    "plain": Case(),
    "plain again": Case(),
    "plain x 4": Case(rows=4 * BATCH),
    "adversarial x 0": Case(adversarial={**FGSM, "multiplier": 0.0}),
    "graph x 0": Case(graph={**GRAPH, "multiplier": 0.0}),
    "fgsm": Case(adversarial=FGSM),
    "pgd": Case(adversarial={**FGSM, **PGD}),
    "graph": Case(graph=GRAPH),
}


class Clock(keras.callbacks.Callback):
    """Notes when each step ends."""

    def on_train_begin(self, logs: Any = None) -> None:
        self.ends: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.ends.append(time.perf_counter())


def serve(
    wrap_adversarial: Callable[..., keras.Model],
    wrap_graph: Callable[..., keras.Model],
    label_feature: str | None = None,
) -> None:
    """Answers requests until stdin ends.

    Args:
        wrap_adversarial: From a model and the fields of a config to the model to fit.
        wrap_graph: Likewise.
        label_feature: Where an adversarially regularized model wants its label among the features,
            the name to give it.
    """
    # What the libraries print goes where their log goes.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    threads = int(sys.argv[1])
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)

    @functools.cache
    def ready(model: str, name: str) -> tuple[keras.Model, tf.data.Dataset]:
        case, base = CASES[name], make_model(model)
        if case.adversarial is not None:
            base = wrap_adversarial(base, **case.adversarial)
        elif case.graph is not None:
            base = wrap_graph(base, **case.graph)
        base.compile(
            # So slow that the weights stay about as they are: no case trains into numbers that are
            # quicker or slower to multiply.
            keras.optimizers.Adam(1e-6),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        data = make_data(case, None if case.adversarial is None else label_feature)
        # The second call meets weights and optimizer as all later ones do.
        for _ in range(2):
            base.fit(data, steps_per_epoch=2, verbose=0)
        return base, data

    for line in sys.stdin:
        request = json.loads(line)
        if "case" in request:
            model, data = ready(request["model"], request["case"])
            answer = step_seconds(model, data, request["steps"])
        else:
            answer = multiplications(make_model(request["model"]))
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def step_seconds(model: keras.Model, data: tf.data.Dataset, steps: int) -> list[float]:
    clock = Clock()
    model.fit(data, steps_per_epoch=UNTIMED_STEPS + steps, verbose=0, callbacks=[clock])
    return list(np.diff(clock.ends)[UNTIMED_STEPS - 1 :])


def make_model(name: str) -> keras.Model:
    """Returns logits of 10 classes from the feature `feature`, images `[batch, 28, 28, 1]`."""
    layers = keras.layers
    inputs = keras.Input((28, 28, 1), name="feature")
    x = inputs
    if name == "mlp":
        x = layers.Flatten()(x)
        x = layers.Dense(512, activation="relu")(x)
        x = layers.Dense(256, activation="relu")(x)
    else:
        x = layers.Conv2D(32, 3, activation="relu")(x)
        x = layers.MaxPooling2D()(x)
        x = layers.Conv2D(64, 3, activation="relu")(x)
        x = layers.MaxPooling2D()(x)
        x = layers.Flatten()(x)
        x = layers.Dense(64, activation="relu")(x)
    return keras.Model(inputs, layers.Dense(10)(x))


def multiplications(model: keras.Model) -> list[int]:
    """Returns for each layer with a kernel how often one example's forward pass multiplies."""
    return [
        int(np.prod(layer.kernel.shape) * np.prod(layer.output.shape[1:-1]))
        for layer in model.layers
        if hasattr(layer, "kernel")
    ]


def make_data(case: Case, label_feature: str | None) -> tf.data.Dataset:
    """Returns eight batches, over and over; a batch is handed on as it lies in memory."""
    rng = np.random.default_rng(0)
    batches = [make_batch(rng, case, label_feature) for _ in range(8)]
    datasets = [tf.data.Dataset.from_tensors(batch) for batch in batches]
    return functools.reduce(lambda a, b: a.concatenate(b), datasets).repeat().prefetch(2)


def make_batch(rng: np.random.Generator, case: Case, label_feature: str | None) -> Any:
    def images() -> np.ndarray:
        return rng.random((case.rows, 28, 28, 1), dtype=np.float32)

    features, labels = {"feature": images()}, rng.integers(0, 10, case.rows)
    if case.graph is not None:
        for i in range(NEIGHBORS):
            features[f"NL_nbr_{i}_feature"] = images()
            features[f"NL_nbr_{i}_weight"] = np.ones((case.rows, 1), np.float32)
    return {**features, label_feature: labels} if label_feature else (features, labels)
