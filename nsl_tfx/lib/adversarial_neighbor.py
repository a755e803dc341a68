"""Adversarial neighbors: inputs nearby at which a loss is higher."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from absl import logging

from nsl_tfx.configs import AdvNeighborConfig
from nsl_tfx.lib.casting import to_dtype
from nsl_tfx.lib.features import Features
from nsl_tfx.lib.perturbation import Region, Structure


class GenNeighbor(abc.ABC):
    """What generates neighbors of a batch of examples."""

    @abc.abstractmethod
    def gen_neighbor(self, input_features: Any) -> Any:
        """Returns neighbors of the features, and their weights."""


def gen_adv_neighbor(
    input_features: Any,
    labeled_loss: tf.Tensor | None,
    config: AdvNeighborConfig,
    raise_invalid_gradient: bool = False,
    gradient_tape: tf.GradientTape | None = None,
    pgd_model_fn: Callable[[Any], Any] | None = None,
    pgd_loss_fn: Callable[[Any, Any], tf.Tensor] | None = None,
    pgd_labels: Any = None,
    regularizer_fn: Callable[[Any, Any], tf.Tensor] | None = None,
    use_while_loop: bool = False,
    seed: Any = None,
) -> tuple[Any, tf.Tensor]:
    """Moves each example to where the loss is higher.

    One step is the fast gradient method (Goodfellow et al. 2015, "Explaining and harnessing
    adversarial examples"), several are projected gradient descent (Madry et al. 2018, "Towards deep
    learning models resistant to adversarial attacks", eq. 2): each step goes `config.adv_step_size`
    in the steepest direction of `config.adv_grad_norm` over all features together, back into the
    ball of `config.pgd_epsilon`, then into the bounds.

    Args:
        input_features: A tensor `[batch, ...]`, or a flat dict or list of them. Floating dense
            tensors are perturbed; all others pass through.
        labeled_loss: The loss at the input; its gradient gives the first step. Not needed with
            `config.random_init`.
        config: Steps, norm, ball, bounds and mask.
        raise_invalid_gradient: Whether a feature that cannot be perturbed is an error.
        gradient_tape: The tape that watched the features while the loss was computed. Needed in
            eager execution; persistent, or not used afterwards.
        pgd_model_fn: From features to predictions, for the steps after the first.
        pgd_loss_fn: From labels and predictions to the loss, for the steps after the first.
        pgd_labels: The labels that `pgd_loss_fn` takes.
        regularizer_fn: From the perturbations and the loss's gradients, both by feature name, to a
            term that is added to the loss in the steps after the first.
        use_while_loop: Whether the steps after the first become a loop of the graph rather than
            being written out: quicker to trace, the same result.
        seed: Two integers that fix a random start. Random when None.

    Returns:
        The features in the container they came in (a tuple as a list), as constants; and weights
        of one, float32 `[batch, 1]`.

    Raises:
        ValueError: Nothing can be perturbed, or a function or tape that the config needs is
            missing; with `raise_invalid_gradient`, a feature cannot be perturbed, or the loss does
            not depend on it.

    Example:
        >>> x = tf.constant([[1.0, 2.0]])
        >>> with tf.GradientTape() as tape:
        ...     tape.watch(x)
        ...     loss = tf.reduce_sum(x * [[3.0, -4.0]])
        >>> config = AdvNeighborConfig(adv_step_size=0.5, adv_grad_norm="infinity")
        >>> gen_adv_neighbor(x, loss, config, gradient_tape=tape)[0].numpy().tolist()
        [[1.5, 1.5]]
    """
    features = Features.of(input_features)
    _check_call(features, labeled_loss, config, raise_invalid_gradient, pgd_model_fn, pgd_loss_fn)
    region = Region.of(config, features.named)
    x = features.dense
    gradient = None
    if not config.random_init:
        gradient = _first_gradient(labeled_loss, x, gradient_tape, raise_invalid_gradient)
    movable = set(x if gradient is None else gradient)

    def gradient_at(current: Structure) -> Structure:
        assert pgd_model_fn is not None
        assert pgd_loss_fn is not None
        with tf.GradientTape(watch_accessed_variables=False, persistent=True) as tape:
            tape.watch(current)
            loss = pgd_loss_fn(pgd_labels, pgd_model_fn(features.replace(current)))
            if regularizer_fn is not None:
                keyed_gradient = tape.gradient(loss, current)
                delta = {name: current[name] - x[name] for name in x}
                loss += regularizer_fn(delta, keyed_gradient)
        found = tape.gradient(loss, {name: current[name] for name in movable})
        return {name: value for name, value in found.items() if value is not None}

    moved = climb(config, region, x, gradient, gradient_at, seed, use_while_loop)
    rows = tf.shape(next(iter(x.values())))[0]
    return features.replace(moved), tf.ones([rows, 1])


def climb(
    config: AdvNeighborConfig,
    region: Region,
    x: Structure,
    gradient: Structure | None,
    gradient_at: Callable[[Structure], Structure],
    seed: Any = None,
    use_while_loop: bool = True,
) -> Structure:
    """Takes the steps that a config asks for.

    Args:
        config: Number and length of the steps, and where they start.
        region: Where the neighbor may lie.
        x: The features that may move, name to `[batch, ...]`.
        gradient: The loss's gradient at `x`; not needed with `config.random_init`.
        gradient_at: From features to the loss's gradient there. A feature that it leaves out stays.
        seed: Two integers that fix a random start. Random when None.
        use_while_loop: Whether several steps become a loop of the graph.

    Returns:
        The features after the last step, as constants.
    """
    size, steps = config.adv_step_size, config.pgd_iterations
    if config.random_init:
        radius = size if config.pgd_epsilon is None else config.pgd_epsilon
        current = region.random_point(x, radius, seed)
    else:
        assert gradient is not None
        current, steps = region.step(x, x, gradient, size), steps - 1
    for repeats in [steps] if use_while_loop else [1] * steps:
        (current,) = region.ascend(x, current, size, repeats, lambda at: (gradient_at(at),))
    return {name: tf.stop_gradient(value) for name, value in current.items()}


def apply_feature_mask(features: Any, feature_mask: Any = None) -> Any:
    """Multiplies features with a mask.

    Args:
        features: A tensor `[batch, ...]`, or a flat dict or list of them.
        feature_mask: None for all ones, else numbers from 0 to 1 that broadcast to the features, or
            a dict or list of them that matches.

    Raises:
        ValueError: A number of the mask, where it is known, is outside 0 to 1.

    Example:
        >>> apply_feature_mask(tf.constant([[1.0, 2.0]]), [1, 0]).numpy().tolist()
        [[1.0, 0.0]]
    """
    AdvNeighborConfig(feature_mask=feature_mask)  # It checks the mask.
    parts = Features.of(features)
    mask = parts.named(feature_mask)
    return parts.replace(Region(mask=mask).apply_mask(parts.dense))


def _first_gradient(
    loss: Any, x: Structure, tape: tf.GradientTape | None, strict: bool
) -> Structure:
    if tape is not None:
        gradient = tape.gradient(loss, x)
    elif tf.executing_eagerly():
        raise ValueError(
            "Expected gradient_tape, on which the features were watched while labeled_loss was "
            "computed. Received: None, in eager execution."
        )
    else:
        gradient = dict(zip(x, tf.gradients(loss, list(x.values())), strict=True))
    unconnected = [name for name, value in gradient.items() if value is None]
    if unconnected and strict:
        raise ValueError(
            "Expected labeled_loss to depend on every feature. It does not on: "
            f"{', '.join(map(str, unconnected))}. Was the tape watching them?"
        )
    if len(unconnected) == len(x):
        raise ValueError(
            "Expected labeled_loss to depend on a feature; it depends on none. Watch the features "
            "on gradient_tape before the loss is computed from them."
        )
    return {
        name: to_dtype(value, x[name].dtype)
        for name, value in gradient.items()
        if value is not None
    }


def _check_call(
    features: Features,
    labeled_loss: Any,
    config: AdvNeighborConfig,
    strict: bool,
    model_fn: Any,
    loss_fn: Any,
) -> None:
    if not features.dense:
        raise ValueError(
            "Expected at least one floating dense feature to perturb. Received: "
            f"{', '.join(map(str, features.other)) or 'none'}."
        )
    if features.other:
        names = ", ".join(map(str, features.other))
        if strict:
            raise ValueError(f"Expected floating dense features. These are not: {names}.")
        logging.log_first_n(logging.WARNING, "Not perturbed, since not floating: %s", 1, names)
    if labeled_loss is None and not config.random_init:
        raise ValueError("Expected labeled_loss, whose gradient gives the first step.")
    if (config.pgd_iterations > 1 or config.random_init) and (model_fn is None or loss_fn is None):
        raise ValueError(
            "Expected pgd_model_fn and pgd_loss_fn for pgd_iterations > 1 or random_init. "
            f"Received: pgd_model_fn={model_fn!r}, pgd_loss_fn={loss_fn!r}."
        )
