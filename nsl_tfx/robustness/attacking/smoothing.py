"""Randomized smoothing: radii within which nothing fools a smoothed model, by predictions alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri
from scipy.stats import beta

from nsl_tfx.attacks import Structure
from nsl_tfx.configs import SmoothingConfig
from nsl_tfx.lib import draws, norms

ABSTAINED = -1
"""The class of a row for which the counts decide nothing."""


@dataclasses.dataclass(frozen=True, eq=False)
class Certificate:
    """What smoothing proves of some rows, each with probability `1 - alpha` by itself.

    Attributes:
        classes: The smoothed model's class, `[rows]`; `ABSTAINED` where the counts are too close.
        radius: L2 radius, in units of the input feature, within which the smoothed model keeps that
            class, `[rows]`; 0 where it abstained.
    """

    classes: NDArray[np.int64]
    radius: NDArray[np.float64]


def certify(
    predict: Callable[[Structure], tf.Tensor],
    x: Structure,
    config: SmoothingConfig,
    seed: Any = (0, 0),
) -> Certificate:
    """Certifies the smoothed model: the class that the model gives most often under Gaussian noise.

    Cohen et al. 2019, "Certified adversarial robustness via randomized smoothing", algorithm
    CERTIFY: some draws choose the class, others bound its probability `p` from below, and the
    radius is `sigma * Phi^-1(p)` (theorem 1). It holds for the smoothed model, not for the model
    itself, and is 0 where `p` is not above one half. `samples` limits it; see `largest_radius`.

    Args:
        predict: From features to logits `[batch, classes]`; called in a graph, with batches as
            large as `x`. Logits that are not finite speak for no class.
        x: Float features, name to `[batch, ...]`; the L2 norm is over all of them together.
        config: The noise, and how often it is drawn.
        seed: Two integers that fix the noise, or two for each row, `[batch, 2]`: a row's
            certificate then does not depend on the batch.

    Example:
        >>> x = {"a": tf.constant([[1.0], [0.0]])}
        >>> config = SmoothingConfig(sigma=0.5)
        >>> found = certify(lambda x: tf.concat([x["a"], -x["a"]], axis=1), x, config)
        >>> found.classes.tolist()
        [0, -1]
        >>> bool(0.8 < found.radius[0] <= 1.0)
        True
    """

    @tf.function(autograph=False)
    def count(x: Structure, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return count_twice(predict, x, config, seed)

    chosen, counted = (found.numpy() for found in count(x, tf.convert_to_tensor(seed, tf.int32)))
    return conclude(chosen, counted, config)


def count_twice(
    predict: Callable[[Structure], tf.Tensor], x: Structure, config: SmoothingConfig, seed: Any
) -> tuple[tf.Tensor, tf.Tensor]:
    """Counts classes under noise to choose one, and again to bound how likely it is.

    Independent draws, or the class would be chosen to fit the noise. Each `[batch, classes]`.
    """
    chosen = count_classes(predict, x, config.sigma, draws.fold_in(seed, 0), config.selection)
    return chosen, count_classes(predict, x, config.sigma, draws.fold_in(seed, 1), config.samples)


def conclude(
    chosen: NDArray[np.int32], counted: NDArray[np.int32], config: SmoothingConfig
) -> Certificate:
    """Returns what counts of classes, each `[rows, classes]`, prove; see `count_twice`."""
    sigma, samples, alpha = config.sigma, config.samples, config.alpha
    classes = chosen.argmax(axis=1)
    hits = counted[np.arange(len(classes)), classes]
    lowest = binomial_lower_bound(hits, samples, alpha)
    sure = lowest > 0.5
    return Certificate(
        np.where(sure, classes, ABSTAINED),
        np.where(sure, sigma * ndtri(np.where(sure, lowest, 0.5)), 0.0),
    )


def largest_radius(config: SmoothingConfig) -> float:
    """Returns the radius that is certified where all draws agree.

    Example:
        >>> round(largest_radius(SmoothingConfig(sigma=1.0)), 2)
        2.46
        >>> round(largest_radius(SmoothingConfig(sigma=1.0, samples=100_000)), 2)
        3.81
    """
    return float(config.sigma * ndtri(config.alpha ** (1 / config.samples)))


def count_classes(
    predict: Callable[[Structure], tf.Tensor], x: Structure, sigma: float, seed: Any, count: int
) -> tf.Tensor:
    """Counts the classes that a model gives under Gaussian noise.

    Args:
        predict: From features to logits `[batch, classes]`.
        x: Float features, name to `[batch, ...]`.
        sigma: The noise's standard deviation, in units of the input feature.
        seed: Two integers, or two for each row.
        count: Draws.

    Returns:
        `[batch, classes]` int32. Logits that are not finite speak for no class.
    """

    def draw(i: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        noise = norms.random_normal(x, draws.fold_in(seed, i))
        logits = predict({name: x[name] + sigma * noise[name] for name in x})
        finite = tf.reduce_all(tf.math.is_finite(logits), axis=1, keepdims=True)
        given = tf.one_hot(tf.argmax(logits, axis=1), tf.shape(logits)[1], dtype=tf.int32)
        return i + 1, total + given * tf.cast(finite, tf.int32)

    nothing = tf.zeros_like(predict(x), tf.int32)
    _, total = tf.while_loop(
        lambda *_: True, draw, (tf.constant(0), nothing), maximum_iterations=count
    )
    return total


def binomial_lower_bound(hits: ArrayLike, total: int, alpha: float) -> NDArray[np.float64]:
    """Returns the one-sided lower confidence bound of a probability.

    Clopper and Pearson 1934, "The use of confidence or fiducial limits": the probability at which
    so many hits or more come with probability `alpha`.

    Args:
        hits: Numbers of hits, `[...]`.
        total: Number of trials.
        alpha: Probability, of all bounds so made, to lie above the true probability.

    Example:
        >>> round(float(binomial_lower_bound(99, 100, 0.05)), 4)
        0.9534
    """
    hits = np.asarray(hits, np.float64)
    # The distribution does not exist at 0 hits, where the bound is 0.
    found = beta.ppf(alpha, np.maximum(hits, 1), total - hits + 1)
    return np.asarray(np.where(hits > 0, found, 0.0))
