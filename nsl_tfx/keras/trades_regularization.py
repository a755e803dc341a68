"""TRADES as a Keras wrapper."""

from __future__ import annotations

from typing import Any, ClassVar

import keras

from nsl_tfx.configs import TradesRegConfig
from nsl_tfx.configs.base import Config, require_config
from nsl_tfx.keras.regularized_model import RegularizedModel


@keras.saving.register_keras_serializable(package="nsl_tfx")
class TradesRegularization(RegularizedModel):
    """Wraps a model; trades accuracy for predictions that an attack cannot change.

    The loss of a step is `loss(f(x), y) + multiplier * divergence(f(x), f(attacked x))`, with the
    attack raising the divergence (Zhang et al. 2019, "Theoretically principled trade-off between
    robustness and accuracy", algorithm 1). The term takes no labels: examples of sample
    weight 0 take part in it.

    Args:
        base_model: The model to train. Its outputs are logits, unless the config's distance says
            otherwise.
        trades_config: The attack, the divergence and its weight.

    Raises:
        TypeError: An argument is of another type.

    Example:
        >>> import numpy as np
        >>> from nsl_tfx.configs import make_trades_reg_config
        >>> base = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        >>> model = TradesRegularization(base, make_trades_reg_config(epsilon=0.1))
        >>> model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        >>> sorted(model.fit(np.ones([8, 4]), np.zeros([8]), verbose=0).history)
        ['loss', 'scaled_trades_loss']
    """

    _LOGS_LABEL_LOSS: ClassVar[bool] = False
    _CONFIG_ARGUMENTS: ClassVar[dict[str, type[Config]]] = {"trades_config": TradesRegConfig}
    _PLAIN_ARGUMENTS: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self, base_model: keras.Model, trades_config: TradesRegConfig, **kwargs: Any
    ) -> None:
        require_config("trades_config", trades_config, TradesRegConfig)
        super().__init__(base_model, trades=trades_config, **kwargs)

    @property
    def trades_config(self) -> TradesRegConfig:
        """The attack, the divergence and its weight."""
        assert self.trades is not None
        return self.trades
