"""Trains for `quality.py` with NSL, in the environment of `make peer`.

python quality_nsl.py TASK.json ARRAYS.npz WEIGHTS.npz
"""

from __future__ import annotations

import importlib
import json
import sys

import keras
import neural_structured_learning as nsl
import numpy as np
import tensorflow as tf


def main() -> None:
    request, given, made = sys.argv[1:]
    task = json.loads(request)
    tf.config.threading.set_intra_op_parallelism_threads(task["threads"])
    tf.config.threading.set_inter_op_parallelism_threads(task["threads"])
    part = importlib.import_module(f"quality_{task['part']}")
    method = part.METHODS[task["method"]]
    with np.load(given) as file:
        arrays = dict(file)
    keras.utils.set_random_seed(task["seed"])
    model = part.make_model(method, arrays)
    part.train(nsl, method, model, arrays, task["quick"])
    np.savez(made, *model.get_weights())


if __name__ == "__main__":
    main()
