"""How much a term weighs at present."""

from __future__ import annotations

import tensorflow as tf


class TermStrength:
    """A term's multiplier times a strength that can change between steps.

    It is no part of a model's weights: a plain object, which Keras does not track.

    Args:
        multiplier: The term's weight at strength 1.
    """

    def __init__(self, multiplier: float) -> None:
        self.multiplier = multiplier
        self.on = multiplier > 0
        self._weight = tf.Variable(multiplier, trainable=False, dtype=tf.float32)

    def times(self, term: tf.Tensor) -> tf.Tensor:
        """Returns the term, a scalar, as it weighs."""
        return tf.cast(self._weight.read_value(), term.dtype) * term

    def set(self, strength: float) -> bool:
        """Sets the strength; returns whether the term was thereby turned on or off."""
        weight = self.multiplier * strength
        was_on, self.on = self.on, weight > 0
        self._weight.assign(weight)
        return was_on != self.on
