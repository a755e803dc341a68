"""The worker of `training.py` that trains with this package."""

from __future__ import annotations

from typing import Any

import keras
from training_worker import serve

from nsl_tfx.configs import make_adv_reg_config, make_graph_reg_config
from nsl_tfx.keras import AdversarialRegularization, GraphRegularization


def wrap_adversarial(base: keras.Model, **settings: Any) -> keras.Model:
    return AdversarialRegularization(base, adv_config=make_adv_reg_config(**settings))


def wrap_graph(base: keras.Model, **settings: Any) -> keras.Model:
    return GraphRegularization(base, make_graph_reg_config(**settings))


if __name__ == "__main__":
    serve(wrap_adversarial, wrap_graph)
