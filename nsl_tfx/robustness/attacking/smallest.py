"""The smallest epsilon at which an attack succeeds, row by row."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from nsl_tfx.attacks import Attack, Loss, Structure
from nsl_tfx.attacks.attack import value_and_decision, where_example
from nsl_tfx.lib import draws, norms
from nsl_tfx.lib.casting import expand_like, to_dtype, wide_dtype
from nsl_tfx.lib.perturbation import per_feature


class Smallest(NamedTuple):
    """What a search for the smallest epsilon found.

    Attributes:
        epsilon: The smallest at which there is a point that fools, `[batch]`: the distance of `x`.
            0 where the input itself fools; infinite where none was found.
        missed: The largest at which the attack found none, or where the search began, `[batch]`.
        x: The nearest point that fools, name to `[batch, ...]`; the input where there is none.
    """

    epsilon: tf.Tensor
    missed: tf.Tensor
    x: Structure


def smallest_epsilon(
    attack: Attack,
    loss: Loss,
    x: Structure,
    low: float,
    high: float,
    steps: int,
    seed: Any = (0, 0),
) -> Smallest:
    """Searches for each row's smallest epsilon by bisection, all rows at once.

    Attacks at `high` first. Each point that fools tells by its own distance of a smaller epsilon at
    which there is one, so that the interval becomes shorter than half wherever the attack does not
    use all of its ball. What attacks give are upper bounds of the smallest epsilon that there is.

    Args:
        attack: How to search, with `epsilon=1`; its scale, if any, is the unit of what comes back.
        loss: Gives the loss and which rows are fooled; see `Attack`.
        x: The inputs, name to `[batch, ...]`.
        low: Where the search begins, in units of the input feature times the attack's scale; known
            or supposed to be too small.
        high: Where it ends.
        steps: Attacks after the first.
        seed: Two integers that fix every random draw, or two for each row, `[batch, 2]`.

    Returns:
        Epsilons in units of the input feature times the attack's scale. Where the first attack
        finds a point, `epsilon - missed` is at most `(high - low) / 2**steps`; other rows are
        attacked at `high` again, by other draws, at each step until one does.

    Raises:
        ValueError: `attack.epsilon` is not 1, or `low` and `high` are no interval, or there are
            fewer than 0 steps.
        TypeError: The loss does not say which rows are fooled.

    Example:
        >>> from nsl_tfx.attacks import FGSM
        >>> x = {"a": tf.constant([[0.0, 0.0], [0.3, 0.0]])}
        >>> def loss(x):
        ...     total = tf.reduce_sum(x["a"], axis=1)
        ...     return total, total > 0.5
        >>> found = smallest_epsilon(FGSM(epsilon=1.0), loss, x, low=0, high=1, steps=12)
        >>> [round(float(epsilon), 2) for epsilon in found.epsilon]
        [0.25, 0.1]
    """
    _check(attack, low, high, steps)
    dtype = wide_dtype(x.values())
    _, fooled = value_and_decision(loss, x)
    rows = tf.zeros(tf.shape(fooled), dtype)
    units = {
        name: to_dtype(value, x[name].dtype)
        for name, value in {**dict.fromkeys(x, 1.0), **per_feature(attack.scale, x)}.items()
    }

    def search(i: tf.Tensor, upper: tf.Tensor, lower: tf.Tensor, nearest: Structure) -> Any:
        known = tf.math.is_finite(upper)
        # Where nothing is known to fool, there is nothing to halve.
        radius = tf.where(known, (lower + upper) / 2, to_dtype(high, dtype))
        scale = {
            name: unit * expand_like(tf.cast(radius, unit.dtype), x[name])
            for name, unit in units.items()
        }
        best = attack.replace(scale=scale).find(loss, x, draws.fold_in(seed, i))
        moved = {name: tf.math.divide_no_nan(best.x[name] - x[name], units[name]) for name in x}
        # Rounding may put a point beyond the ball by as much as a float tells.
        distance = tf.minimum(tf.cast(norms.example_norm(moved, attack.norm), dtype), radius)
        nearer = best.fooled & (distance < upper)
        return (
            i + 1,
            tf.where(nearer, distance, upper),
            tf.where(known & ~best.fooled, radius, lower),
            {name: where_example(nearer, best.x[name], nearest[name]) for name in x},
        )

    _, upper, lower, nearest = tf.while_loop(
        lambda *_: True,
        search,
        (tf.constant(0), tf.where(fooled, rows, rows + float("inf")), rows + low, x),
        maximum_iterations=steps + 1,
    )
    missed = tf.where(tf.math.is_finite(upper), tf.minimum(lower, upper), to_dtype(high, dtype))
    return Smallest(upper, missed, nearest)


def _check(attack: Attack, low: float, high: float, steps: int) -> None:
    if attack.epsilon != 1:
        raise ValueError(
            "Expected attack.epsilon to be 1: the search scales the attack's ball by itself. "
            f"Received: epsilon={attack.epsilon}; give the range as low and high."
        )
    if not 0 <= low < high < float("inf"):
        raise ValueError(f"Expected 0 <= low < high, finite. Received: low={low}, high={high}.")
    if steps < 0:
        raise ValueError(f"Expected steps >= 0 (attacks after the first). Received: {steps}.")
