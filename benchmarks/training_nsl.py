"""The worker of `training.py` that trains with NSL, in the environment of `make peer`."""

from __future__ import annotations

from typing import Any

import keras
import neural_structured_learning as nsl
from training_worker import serve


def wrap_adversarial(base: keras.Model, **settings: Any) -> keras.Model:
    config = nsl.configs.make_adv_reg_config(**settings)
    return nsl.keras.AdversarialRegularization(base, adv_config=config)


def wrap_graph(base: keras.Model, **settings: Any) -> keras.Model:
    config = nsl.configs.make_graph_reg_config(**settings)
    return nsl.keras.GraphRegularization(base, config)


if __name__ == "__main__":
    serve(wrap_adversarial, wrap_graph, label_feature="label")
