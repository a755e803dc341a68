"""Keras models that train with structure and predict without it."""

from nsl_tfx.keras.regularized_model import RegularizedModel

__all__ = ["RegularizedModel"]
