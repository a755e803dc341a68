"""Square attack: random search among squares of extreme values, without gradients."""

from __future__ import annotations

import dataclasses
from typing import Any

import tensorflow as tf

from nsl_tfx.attacks.attack import Attack, Best, Loss, improve_repeatedly, value_and_fooled
from nsl_tfx.configs import NormType
from nsl_tfx.configs.base import bounded
from nsl_tfx.lib import draws
from nsl_tfx.lib.perturbation import Structure

# After these of 10,000 queries the squares' area halves (section 4.2 of the paper).
_HALVED_AFTER = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
_SCHEDULED = 10_000


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Square(Attack):
    """Andriushchenko et al. 2020, "Square attack", algorithms 1 and 2, in the infinity norm.

    Begins with vertical stripes at the ball's edge. Then each query sets a random square of an
    image `[batch, height, width]` or `[batch, height, width, channels]` to plus or minus epsilon,
    channel by channel, and keeps it where the loss rises; squares become smaller in the course of
    the queries. Of features of another shape single elements take the squares' place. Several
    features are changed in turn.

    A square may lie anywhere, at the last row and column too.

    Attributes:
        queries: Calls of the loss, that at the input itself included.
        share: Share of a feature's elements in the first square; the paper's p.

    Raises:
        ValueError: The norm is another.

    Example:
        >>> attack = Square(epsilon=0.1, queries=50)
        >>> image = {"image": tf.zeros([1, 4, 4])}
        >>> found = attack(lambda x: tf.reduce_sum(x["image"], axis=(1, 2)), image)
        >>> round(float(tf.reduce_max(found["image"])), 6)
        0.1
    """

    queries: int = bounded(5000, ge=2, unit="calls of the loss")
    share: float = bounded(0.8, gt=0, le=1, unit="share of the elements")

    def check(self) -> None:
        """Raises ValueError where the norm is another than the infinity norm."""
        super().check()
        if self.norm is not NormType.INFINITY:
            raise ValueError(
                "Expected Square.norm to be 'infinity', whose ball has the corners that it "
                f"searches. Received: {self.norm.value!r}."
            )

    def search(self, loss: Loss, x: Structure, seed: Any) -> Best:
        """Returns the best point that was tried; see `Attack`."""
        stripes = {
            name: self._signs(x[name], _stripes(x[name]), draws.fold_in(seed, i))
            for i, name in enumerate(x)
        }
        start = self.region.place(x, self.region.apply_mask(stripes))
        best = Best.at(loss, x).update(start, *value_and_fooled(loss, start))
        names = list(x)
        shares = tf.constant(self._shares())

        def query(i: tf.Tensor, best: Best) -> Best:
            key = draws.fold_in(seed, i + len(names))

            def change(name: str) -> Structure:
                tried = self._change(x[name], best.x[name], shares[i], key)
                delta = {other: best.x[other] - x[other] for other in x}
                return {**delta, **self.region.apply_mask({name: tried})}

            delta = tf.switch_case(
                i % len(names), [lambda name=name: change(name) for name in names]
            )
            point = self.region.place(x, delta)
            return best.update(point, *value_and_fooled(loss, point))

        return improve_repeatedly(self.queries - 2, best, query)

    def _shares(self) -> list[float]:
        """Returns the share of a square's area for each query, at the paper's pace."""
        scaled = [query * _SCHEDULED / self.queries for query in range(self.queries)]
        return [self.share / 2 ** sum(query > limit for limit in _HALVED_AFTER) for query in scaled]

    def _change(
        self, x: tf.Tensor, best: tf.Tensor, share: tf.Tensor, seed: tf.Tensor
    ) -> tf.Tensor:
        """Returns the perturbation with another square in it."""
        where, signs = tf.unstack(draws.split_seed(seed, 2))
        inside = _square(x, share, where) if x.shape.rank in (3, 4) else _some(x, share, where)
        return tf.where(inside, self._signs(x, _one_a_channel(x), signs), best - x)

    def _signs(self, x: tf.Tensor, shape: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns plus or minus epsilon, of a shape that broadcasts to the feature's."""
        drawn = draws.uniform(tf.zeros(shape, x.dtype), seed) < 0.5
        edge = tf.constant(self.epsilon, x.dtype)
        return tf.broadcast_to(tf.where(drawn, edge, -edge), tf.shape(x))


def _stripes(x: tf.Tensor) -> Any:
    """Returns the shape of one sign a column and channel."""
    shape = tf.unstack(tf.shape(x))
    return [shape[0], 1, *shape[2:]] if x.shape.rank in (3, 4) else shape


def _one_a_channel(x: tf.Tensor) -> Any:
    shape = tf.unstack(tf.shape(x))
    if x.shape.rank == 4:
        return [shape[0], 1, 1, shape[3]]
    return [shape[0], 1, 1] if x.shape.rank == 3 else shape


def _square(x: tf.Tensor, share: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Returns which elements lie in a random square, `[batch, height, width]` or with channels."""
    height, width = x.shape[1], x.shape[2]
    area = tf.cast(share, tf.float32) * height * width
    side = tf.cast(tf.round(tf.sqrt(area)), tf.int32)
    side = tf.clip_by_value(side, 1, min(height, width))
    drawn = draws.uniform(tf.zeros([tf.shape(x)[0], 2]), seed)
    # Inclusive of the last place, where a square ends with the image.
    room = tf.cast(tf.stack([height, width]) - side + 1, tf.float32)
    corner = tf.cast(tf.floor(drawn * room), tf.int32)[:, :, tf.newaxis]

    def within(axis: int, size: int) -> tf.Tensor:
        place = tf.range(size)[tf.newaxis]
        return (place >= corner[:, axis]) & (place < corner[:, axis] + side)

    inside = within(0, height)[:, :, tf.newaxis] & within(1, width)[:, tf.newaxis]
    return inside if x.shape.rank == 3 else inside[..., tf.newaxis]


def _some(x: tf.Tensor, share: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Returns random elements, at least one of each example."""
    rank = x.shape.rank
    drawn = draws.uniform(tf.cast(x, tf.float32), seed)
    lowest = tf.reduce_min(drawn, axis=list(range(1, rank)), keepdims=True)
    return drawn <= tf.maximum(tf.cast(share, tf.float32), lowest)
