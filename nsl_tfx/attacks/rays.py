"""RayS: search among the directions to the ball's corners, by decisions alone."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import tensorflow as tf

from nsl_tfx.attacks.attack import Attack, Best, Loss, some_stand, value_and_decision
from nsl_tfx.configs import NormType
from nsl_tfx.configs.base import bounded
from nsl_tfx.lib import draws
from nsl_tfx.lib.casting import expand_like, join_features, split_features
from nsl_tfx.lib.perturbation import Structure

# An interval of radii is halved until it is this short, as a share of epsilon.
_PRECISION = 0.03
# Other signs have to fool nearer by this, as a share of epsilon: elements that decide nothing would
# otherwise be turned to and fro, at the cost of a search for the radius each time.
_NEARER = 0.01
# Blocks are halved so often at most, far beyond the number of elements that memory holds.
_LEVELS = 40


class _Ray(NamedTuple):
    """The best direction of each example, and what is asked next.

    Attributes:
        signs: The direction along which a fooling point is the nearest, `[batch, elements]`; 1 and
            -1.
        radius: How far that point is, `[batch]`.
        tried: A direction of other signs that fooled nearer, `[batch, elements]`.
        low: Along it no point is known to fool at this radius, `[batch]`.
        high: One is at this.
        halving: Whether its radius is looked for, `[batch]`; otherwise other signs are tried.
        block: The number of the signs to turn next, `[batch]`; none are turned at -1.
        idle: How many blocks did not help since one did, `[batch]`.
    """

    signs: tf.Tensor
    radius: tf.Tensor
    tried: tf.Tensor
    low: tf.Tensor
    high: tf.Tensor
    halving: tf.Tensor
    block: tf.Tensor
    idle: tf.Tensor

    @classmethod
    def start(cls, signs: tf.Tensor, radius: Any) -> _Ray:
        """Returns the state at which nothing is known but where to look first."""
        zero = tf.zeros_like(signs[:, 0])
        far = zero + radius
        block = -tf.ones_like(zero, tf.int64)
        return cls(signs, far, signs, zero, far, zero > 0, block, block + 1)

    def ask(self, epsilon: float) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the direction and the radius of the next point to ask about."""
        signs = tf.where(self.halving[:, tf.newaxis], self.tried, _turn(self.signs, self.block))
        nearer = self.radius - _NEARER * epsilon
        radius = tf.where(self.halving, (self.low + self.high) / 2, nearer)
        # Nearer than epsilon nothing needs to be found.
        return signs, tf.maximum(radius, epsilon)

    def learn(
        self, signs: tf.Tensor, radius: tf.Tensor, fooled: tf.Tensor, precision: float
    ) -> _Ray:
        """Returns the state after the answer."""
        low = tf.where(self.halving & ~fooled, radius, tf.where(self.halving, self.low, 0))
        high = tf.where(fooled, radius, tf.where(self.halving, self.high, self.radius))
        goes_on = (self.halving | fooled) & (high - low > precision)
        arrived = self.halving & ~goes_on
        next_block = tf.cast(~goes_on, self.block.dtype)
        return _Ray(
            signs=tf.where(arrived[:, tf.newaxis], signs, self.signs),
            radius=tf.where(arrived, high, self.radius),
            tried=signs,
            low=low,
            high=high,
            halving=goes_on,
            block=self.block + next_block,
            idle=tf.where(arrived, tf.zeros_like(self.idle), self.idle + next_block),
        )

    def restart(self, signs: tf.Tensor, radius: Any) -> _Ray:
        """Returns the state in which examples start anew that no single element helped."""
        # Blocks of several elements are fewer than the elements.
        stuck = self.idle > 2 * tf.shape(signs, tf.int64)[1]
        fresh = _Ray.start(signs, radius)
        return _Ray(
            *(
                tf.where(expand_like(stuck, old), new, old)
                for new, old in zip(fresh, self, strict=True)
            )
        )


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class RayS(Attack):
    """Chen and Gu 2020, "RayS: a ray searching method for hard-label adversarial attack", alg. 3.

    Sees of the loss only which examples are fooled. Looks along rays towards corners of the ball
    for the nearest point that fools: turns the signs of a block of elements, and where the ray
    then fools as near as the best one did, halves the radius. Blocks are halves of the elements,
    then quarters, down to single ones, over all features together. An example is done when a point
    within epsilon fools; where none does, it stays as it is.

    Starts with random signs, and anew once no block helps, in contrast to the paper, which starts
    with all signs positive and stays where no block helps: that is another place from each start.

    Attributes:
        queries: Calls of the loss, that at the input itself included.
        reach: How far out a start looks for a point that fools, as a multiple of epsilon.

    Raises:
        ValueError: The norm is another than the infinity norm.
        TypeError: The loss does not say which examples are fooled.

    Example:
        >>> def loss(x):
        ...     total = tf.reduce_sum(x["a"], axis=1)
        ...     return total, total > 0.35
        >>> found = RayS(epsilon=0.1, queries=100)(loss, {"a": tf.zeros([1, 4])})
        >>> bool(tf.reduce_sum(found["a"]) > 0.35)
        True
    """

    queries: int = bounded(5000, ge=2, unit="calls of the loss")
    reach: float = bounded(64.0, ge=1, unit="multiples of epsilon")

    def check(self) -> None:
        """Raises ValueError where the norm is another than the infinity norm."""
        super().check()
        if self.norm is not NormType.INFINITY:
            raise ValueError(
                "Expected RayS.norm to be 'infinity', whose ball has the corners that it looks "
                f"for; HopSkipJump takes 'l2'. Received: {self.norm.value!r}."
            )

    def search(self, loss: Loss, x: Structure, seed: Any) -> Best:
        """Returns the first point found in the ball that fools; see `Attack`."""
        flat = join_features(x)
        far = self.reach * self.epsilon

        def random_signs(i: tf.Tensor) -> tf.Tensor:
            positive = draws.uniform(flat, draws.fold_in(seed, i)) < 0.5
            return tf.where(positive, tf.ones_like(flat), -tf.ones_like(flat))

        def query(i: tf.Tensor, ray: _Ray, *so_far: Any) -> tuple[Any, ...]:
            signs, radius = ray.ask(self.epsilon)
            delta = self.region.apply_mask(split_features(radius[:, tf.newaxis] * signs, x))
            point = self.region.clip({name: x[name] + delta[name] for name in x})
            value, fooled = value_and_decision(loss, point)
            inside = radius <= self.epsilon
            best = Best(*so_far).update_where_fooled(point, value, fooled & inside)
            ray = ray.learn(signs, radius, fooled, _PRECISION * self.epsilon)
            return i + 1, ray.restart(random_signs(i), far), best.x, best.loss, best.fooled

        best = Best(x, *value_and_decision(loss, x))
        ray = _Ray.start(random_signs(tf.constant(0)), far)
        # Number 0 has drawn the first signs.
        _, _, *so_far = tf.while_loop(
            some_stand,
            query,
            (tf.constant(1), ray, best.x, best.loss, best.fooled),
            maximum_iterations=self.queries - 1,
        )
        return Best(*so_far)


def _turn(signs: tf.Tensor, block: tf.Tensor) -> tf.Tensor:
    """Returns the signs `[batch, elements]`, those of each row's block turned.

    Block 0 is all of them, 1 and 2 are the halves, 3 to 6 the quarters, and so on; once all blocks
    are single elements, these come again and again.
    """
    elements = tf.shape(signs, tf.int64)[1]
    counts = tf.minimum(2 ** tf.range(_LEVELS, dtype=tf.int64), elements)
    firsts = tf.cumsum(counts, exclusive=True)
    level = tf.reduce_sum(tf.cast(block[:, tf.newaxis] >= firsts[1:], tf.int32), axis=1)
    count = tf.gather(counts, level)[:, tf.newaxis]
    number = (block - tf.gather(firsts, level))[:, tf.newaxis]
    place = tf.range(elements)[tf.newaxis]
    inside = (place >= number * elements // count) & (place < (number + 1) * elements // count)
    return tf.where(inside, -signs, signs)
