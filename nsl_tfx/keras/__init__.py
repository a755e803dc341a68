"""Keras models that train with structure and predict without it.

Raises:
    ImportError: Keras runs on another backend than TensorFlow.
"""

import keras

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        "Expected Keras on the TensorFlow backend, which TFX needs too. Received: "
        f"{keras.backend.backend()!r}. Set KERAS_BACKEND=tensorflow before Keras is imported."
    )

from nsl_tfx.keras import layers
from nsl_tfx.keras.adversarial_loss import adversarial_loss
from nsl_tfx.keras.adversarial_regularization import AdversarialRegularization
from nsl_tfx.keras.graph_regularization import GraphRegularization
from nsl_tfx.keras.regularization_schedule import RegularizationSchedule
from nsl_tfx.keras.regularized_model import RegularizedModel
from nsl_tfx.keras.trades_regularization import TradesRegularization
from nsl_tfx.keras.virtual_adversarial_regularization import VirtualAdversarialRegularization

__all__ = [
    "AdversarialRegularization",
    "GraphRegularization",
    "RegularizationSchedule",
    "RegularizedModel",
    "TradesRegularization",
    "VirtualAdversarialRegularization",
    "adversarial_loss",
    "layers",
]
