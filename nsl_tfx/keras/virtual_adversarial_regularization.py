"""Virtual adversarial training as a Keras wrapper."""

from __future__ import annotations

from typing import Any, ClassVar

import keras

from nsl_tfx.configs import VirtualAdvRegConfig
from nsl_tfx.configs.base import Config, require_config
from nsl_tfx.keras.regularized_model import RegularizedModel


@keras.saving.register_keras_serializable(package="nsl_tfx")
class VirtualAdversarialRegularization(RegularizedModel):
    """Wraps a model; trains it to predict alike in the direction where it does so the least.

    Miyato et al. 2018, "Virtual adversarial training: a regularization method for supervised and
    semi-supervised learning", eq. 8. The term takes no labels: examples of sample weight 0 take
    part in it. The direction is exact where the paper takes a difference quotient; see
    `nsl_tfx.lib.virtual_adv_regularizer`.

    Args:
        base_model: The model to train. Its outputs are logits, unless the config's distance says
            otherwise.
        virtual_adv_reg_config: Length and norm of the movement, the distance and its weight.

    Raises:
        TypeError: An argument is of another type.

    Example:
        >>> import numpy as np
        >>> from nsl_tfx.configs import make_virtual_adv_reg_config
        >>> base = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        >>> model = VirtualAdversarialRegularization(base, make_virtual_adv_reg_config(0.5))
        >>> model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        >>> sorted(model.fit(np.ones([8, 4]), np.zeros([8]), verbose=0).history)
        ['loss', 'scaled_virtual_adversarial_loss']
    """

    _LOGS_LABEL_LOSS: ClassVar[bool] = False
    _CONFIG_ARGUMENTS: ClassVar[dict[str, type[Config]]] = {
        "virtual_adv_reg_config": VirtualAdvRegConfig
    }
    _PLAIN_ARGUMENTS: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self, base_model: keras.Model, virtual_adv_reg_config: VirtualAdvRegConfig, **kwargs: Any
    ) -> None:
        require_config("virtual_adv_reg_config", virtual_adv_reg_config, VirtualAdvRegConfig)
        super().__init__(base_model, virtual_adversarial=virtual_adv_reg_config, **kwargs)

    @property
    def virtual_adv_reg_config(self) -> VirtualAdvRegConfig:
        """Length and norm of the movement, the distance and its weight."""
        assert self.virtual_adversarial is not None
        return self.virtual_adversarial
