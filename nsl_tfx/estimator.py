"""What became of NSL's estimators: `tf.estimator` is gone, and Keras models take their place."""

from __future__ import annotations

from typing import Any, NoReturn


def add_adversarial_regularization(*args: Any, **kwargs: Any) -> NoReturn:
    """Names what takes the place of NSL's function, whatever the arguments.

    Raises:
        NotImplementedError: Always.

    Example:
        >>> add_adversarial_regularization()
        Traceback (most recent call last):
        NotImplementedError: Expected a Keras model: ...
    """
    raise _removed(
        "nsl.keras.AdversarialRegularization(base_model, adv_config=...), compiled with the "
        "optimizer that optimizer_fn made"
    )


def add_graph_regularization(*args: Any, **kwargs: Any) -> NoReturn:
    """Names what takes the place of NSL's function, whatever the arguments.

    Raises:
        NotImplementedError: Always.

    Example:
        >>> add_graph_regularization()
        Traceback (most recent call last):
        NotImplementedError: Expected a Keras model: ...
    """
    raise _removed(
        "nsl.keras.GraphRegularization(base_model, graph_reg_config, embedding=...), compiled with "
        "the optimizer that optimizer_fn made; embedding, a layer's name or a function, takes the "
        "place of embedding_fn"
    )


def _removed(instead: str) -> NotImplementedError:
    return NotImplementedError(
        "Expected a Keras model: tf.estimator left TensorFlow with version 2.16, so there are no "
        f"estimators to add a regularization to. Use {instead}."
    )
