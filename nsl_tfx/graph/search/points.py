"""Vectors, and how alike two of them are: quickly in float32, canonically in float64.

A pair has one weight, whoever computes it: its similarity in float64, summed in a fixed order, as
float32. Neither the order of two vectors nor the block that they meet in shows. Float32 scores from
matrix products, whose last bits do vary, only decide what is worth a canonical look: a pair is
passed over where its score lies further below a cutoff than rounding can explain.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.configs import Similarity

Rows: TypeAlias = NDArray[np.int64]

_SINGLE = 2.0**-24  # unit roundoff of float32
_DOUBLE = 2.0**-53
# Below this, float32 numbers are rounded to a fixed step, or to zero.
_SMALLEST_NORMAL = 2.0**-126
# A product of so few times its greatest rounding error counts as zero: vectors at right angles tie,
# rather than that chance orders them.
_NOISE = 4.0
# Numbers gathered at once for canonical weights: two float32 blocks of them stay in a core's cache.
_GATHERED = 1 << 16
# Norms whose reciprocal is a normal float32 number.
_PLAIN_NORMS = (1e-30, 1e30)


class Points:
    """Vectors that are compared with each other.

    Attributes:
        vectors: float32 `[n, dimension]`; finite, and not zero for cosine similarity.
        similarity: How they are compared.

    Example:
        >>> points = Points(np.array([[3, 4], [4, 3]], np.float32), Similarity.COSINE)
        >>> points.weights(np.array([0]), np.array([1])).tolist() == [np.float32(0.96)]
        True
    """

    def __init__(self, vectors: NDArray[np.float32], similarity: Similarity):
        self.vectors = np.ascontiguousarray(vectors, np.float32)
        self.similarity = similarity
        # Distances do not change when all vectors are moved, and products of vectors far from the
        # origin lose what tells them apart.
        self._center = _mean(self.vectors) if similarity is Similarity.EUCLIDEAN else None
        self._norms = self._factor_norms()
        self._largest = float(self._norms.max(initial=0.0))
        self._slow_division = similarity is Similarity.COSINE and not (
            _PLAIN_NORMS[0] < self._norms.min(initial=1.0) and self._largest < _PLAIN_NORMS[1]
        )
        self._half_squares = (
            (np.square(self._norms) / 2).astype(np.float32)
            if similarity is Similarity.EUCLIDEAN
            else None
        )
        # The classical bound of a dot product's error, in units of both norms (Higham, "Accuracy
        # and Stability of Numerical Algorithms", 3.1), with the factors' own roundings.
        self._relative_error = (self.vectors.shape[1] + 8) * _SINGLE
        self._exact_error = (self.vectors.shape[1] + 8) * _DOUBLE

    def __len__(self) -> int:
        return len(self.vectors)

    def _factor_norms(self) -> NDArray[np.float64]:
        """Returns the length of each vector, from its new origin where it has one, `[n]`."""
        result = np.empty(len(self.vectors))
        step = max(1, _GATHERED // max(1, self.vectors.shape[1]))
        for begin in range(0, len(self.vectors), step):
            part = self.vectors[begin : begin + step]
            moved = part if self._center is None else part - self._center
            result[begin : begin + step] = np.sqrt(np.square(moved, dtype=np.float64).sum(axis=1))
        return result

    def factors(self, rows: Rows | slice) -> NDArray[np.float32]:
        """Returns what is multiplied for scores: the vectors, made ready for the similarity.

        For cosine they get unit length, for Euclidean distances their mean becomes the origin.

        Args:
            rows: Numbers of the vectors, `[m]`.

        Returns:
            float32 `[m, dimension]`.
        """
        vectors = self.vectors[rows]
        if self._center is not None:
            return vectors - self._center
        if self.similarity is not Similarity.COSINE:
            return vectors
        norms = self._norms[rows]
        if self._slow_division:
            return (vectors / norms[:, None]).astype(np.float32)
        return vectors * np.reciprocal(norms).astype(np.float32)[:, None]

    def scores(
        self,
        left: NDArray[np.float32],
        right: NDArray[np.float32],
        left_rows: Rows,
        right_rows: Rows,
        out: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Returns the score of each pair, float32 `[m, n]`: it grows with the pair's weight.

        Args:
            left: `factors(left_rows)`, `[m, dimension]`.
            right: `factors(right_rows)`, `[n, dimension]`.
            left_rows: Numbers of the vectors on the left, `[m]`.
            right_rows: Numbers of the vectors on the right, `[n]`.
            out: Where the scores are put, `[m, n]`.
        """
        np.matmul(left, right.T, out=out)
        if self._half_squares is not None:  # minus half the squared distance
            out -= self._half_squares[left_rows][:, None]
            out -= self._half_squares[right_rows][None, :]
        return out

    def cutoffs(self, rows: Rows, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the scores below which no pair can have the weight.

        Args:
            rows: One end of the pairs, `[m]`.
            weights: The weight that a pair of each row has to reach, float32 `[m]`.

        Returns:
            float32 `[m]`.
        """
        return self._below(rows, self._score_of(_before_rounding(weights)))

    def slack_below(self, rows: Rows, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the scores below which no pair can weigh as much as one that has `scores`.

        Args:
            rows: One end of the pairs, `[m]`.
            scores: A score of each row, float32 `[m]`.

        Returns:
            float32 `[m]`.
        """
        reached = self._below(rows, scores.astype(np.float64)).astype(np.float64)
        least = _before_rounding(_before_rounding(self._weight_of(reached)))
        return self._below(rows, self._score_of(least))

    def weights(self, left: Rows, right: Rows) -> NDArray[np.float32]:
        """Returns the canonical weight of each pair.

        Args:
            left: One end of each pair, `[p]`.
            right: The other end, `[p]`.

        Returns:
            float32 `[p]`, the same whichever end is left.
        """
        result = np.empty(len(left), np.float64)
        step = max(1, _GATHERED // max(1, self.vectors.shape[1]))
        euclidean = self.similarity is Similarity.EUCLIDEAN
        for begin in range(0, len(left), step):
            part = slice(begin, begin + step)
            values = self.vectors[left[part]].astype(np.float64)
            other = self.vectors[right[part]]
            # A sum along rows adds in the same order for every pair, unlike a matrix product, and
            # both factors commute.
            if euclidean:
                values -= other
                np.square(values, out=values)
            else:
                values *= other
            result[part] = values.sum(axis=1)
        if euclidean:
            return (1 / (1 + np.sqrt(result))).astype(np.float32)
        lengths = self._norms[left] * self._norms[right]
        result[np.abs(result) <= _NOISE * self._exact_error * lengths] = 0
        if self.similarity is Similarity.COSINE:
            result = np.clip(result / lengths, -1, 1)
        return result.astype(np.float32)

    def weights_between(self, left: Rows, right: Rows) -> NDArray[np.float32]:
        """Returns the canonical weight of every pair of two blocks, `[m, n]`.

        Some forty times as fast as `weights` for as many pairs, by a matrix product in float64;
        pairs too near to where rounding to float32 turns are asked of `weights`.
        """
        least, most = self._bounds_between(left, right)
        result = most.astype(np.float32)
        i, j = np.nonzero(least.astype(np.float32) != result)
        result[i, j] = self.weights(left[i], right[j])
        return result

    def _bounds_between(
        self, left: Rows, right: Rows
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Returns what the weight of every pair of two blocks at least and at most is, `[m, n]`."""
        if self._center is not None:
            a, b = (self.vectors[rows] - self._center.astype(np.float64) for rows in (left, right))
            squares = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1)[None, :]
            error = 4 * self._exact_error * squares
            squares -= 2 * (a @ b.T)
            nearest, furthest = np.maximum(squares - error, 0), np.maximum(squares + error, 0)
            rounding = 8 * _DOUBLE
            return (
                (1 - rounding) / (1 + np.sqrt(furthest)),
                (1 + rounding) / (1 + np.sqrt(nearest)),
            )
        a, b = (self.vectors[rows].astype(np.float64) for rows in (left, right))
        products = a @ b.T
        lengths = self._norms[left][:, None] * self._norms[right][None, :]
        error = 2 * self._exact_error * lengths
        noise = np.abs(products) <= _NOISE * self._exact_error * lengths - error
        products[noise] = error[noise] = 0
        if self.similarity is Similarity.COSINE:
            products /= lengths
            error = error / lengths
        error += 4 * _DOUBLE * np.abs(products)
        least, most = products - error, products + error
        if self.similarity is Similarity.COSINE:
            return np.clip(least, -1, 1), np.clip(most, -1, 1)
        return least, most

    def _below(self, rows: Rows, scores: NDArray[np.float64]) -> NDArray[np.float32]:
        """Returns scores, less by more than the error of a score."""
        norms = self._norms[rows]
        error: NDArray[np.float64] | float
        if self.similarity is Similarity.COSINE:
            error = self._relative_error
        elif self.similarity is Similarity.INNER_PRODUCT:
            error = self._relative_error * norms * self._largest
        else:
            # What is near to a point does not lie far outside of it: one vector far off leaves the
            # scores of all others sure.
            reach = 4 * norms + 2 * np.sqrt(np.maximum(-2 * scores, 0))
            others = np.minimum(self._largest, reach)
            error = self._relative_error * norms * others
            error += 8 * _SINGLE * (np.square(norms) + np.square(others))
        error += self.vectors.shape[1] * _SMALLEST_NORMAL
        lower = scores - error
        return (lower - np.abs(lower) * 2 * _SINGLE).astype(np.float32)

    def _score_of(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.similarity is not Similarity.EUCLIDEAN:
            return weights
        with np.errstate(divide="ignore"):
            distances = 1 / np.maximum(weights, 0) - 1
        return -np.square(np.maximum(distances, 0)) / 2

    def _weight_of(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.similarity is not Similarity.EUCLIDEAN:
            return scores
        return 1 / (1 + np.sqrt(np.maximum(-2 * scores, 0)))


def _before_rounding(weights: NDArray[Any]) -> NDArray[np.float64]:
    """Returns numbers that lie below all that may have been rounded to the weights."""
    exact = weights.astype(np.float64)
    return exact - np.abs(exact) * 2 * _SINGLE - _SMALLEST_NORMAL


def _mean(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    if not len(vectors):
        return np.zeros(vectors.shape[1], np.float32)
    return np.asarray(vectors.mean(axis=0, dtype=np.float64), np.float32)
