"""Vectors, and how alike two of them are: quickly in float32, canonically in float64.

A pair has one weight, whoever computes it: its similarity in float64, rounded to millionths, as
float32. Millionths are far coarser than what float64 loses in a sum, so neither the order of two
vectors nor the block that they meet in shows. Float32 scores from matrix products, whose last bits
do vary, only decide what is worth a canonical look: a pair is passed over where its score lies
further below a cutoff than rounding can explain.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.configs import Similarity

Rows: TypeAlias = NDArray[np.int64]

WEIGHT_STEP = 1e-6
_DECIMALS = 6
_HALF_STEP = WEIGHT_STEP / 2

_SINGLE = 2.0**-24  # unit roundoff of float32
_DOUBLE = 2.0**-53
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
        self._norms = _norms(self.vectors)
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

    def __len__(self) -> int:
        return len(self.vectors)

    def factors(self, rows: Rows | slice) -> NDArray[np.float32]:
        """Returns what is multiplied for scores: the vectors, of unit length for cosine.

        Args:
            rows: Numbers of the vectors, `[m]`.

        Returns:
            float32 `[m, dimension]`.
        """
        vectors = self.vectors[rows]
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
        least = weights.astype(np.float64) - _HALF_STEP - np.abs(weights) * 2 * _SINGLE
        return self._below(rows, self._score_of(least))

    def slack_below(self, rows: Rows, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the scores below which no pair can weigh as much as one that has `scores`.

        Args:
            rows: One end of the pairs, `[m]`.
            scores: A score of each row, float32 `[m]`.

        Returns:
            float32 `[m]`.
        """
        reached = self._below(rows, scores.astype(np.float64)).astype(np.float64)
        least = self._weight_of(reached) - 2 * _HALF_STEP
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
            return _rounded(1 / (1 + np.sqrt(result)))
        if self.similarity is Similarity.COSINE:
            result /= self._norms[left] * self._norms[right]
            np.clip(result, -1, 1, out=result)
        return _rounded(result)

    def weights_between(self, left: Rows, right: Rows) -> NDArray[np.float32]:
        """Returns the canonical weight of every pair of two blocks, `[m, n]`.

        Some forty times as fast as `weights` for as many pairs, by a matrix product in float64;
        pairs too near to where rounding to millionths turns are asked of `weights`.
        """
        products = self.vectors[left].astype(np.float64) @ self.vectors[right].astype(np.float64).T
        left_norms, right_norms = self._norms[left][:, None], self._norms[right][None, :]
        error = (self.vectors.shape[1] + 8) * _DOUBLE * left_norms * right_norms
        if self.similarity is Similarity.COSINE:
            values = np.clip(products / (left_norms * right_norms), -1, 1)
            error = error / (left_norms * right_norms)
        elif self.similarity is Similarity.EUCLIDEAN:
            squares = np.square(left_norms) + np.square(right_norms) - 2 * products
            error = 4 * (error + _DOUBLE * (np.square(left_norms) + np.square(right_norms)))
            distances = np.sqrt(np.maximum(squares, 0))
            values = 1 / (1 + distances)
            error = np.minimum(error / np.maximum(distances, 1e-150), np.sqrt(error))
        else:
            values = products
        steps = values / WEIGHT_STEP
        from_turn = np.abs(steps - np.floor(steps) - 0.5)
        unsure = from_turn <= error / WEIGHT_STEP + 8 * _DOUBLE * np.abs(steps) + 1e-9
        result = _rounded(values)
        i, j = np.nonzero(unsure)
        result[i, j] = self.weights(left[i], right[j])
        return result

    def _below(self, rows: Rows, scores: NDArray[np.float64]) -> NDArray[np.float32]:
        """Returns scores, less by more than the error of a score."""
        if self.similarity is Similarity.COSINE:
            error: NDArray[np.float64] | float = self._relative_error
        else:
            norms = self._norms[rows]
            error = self._relative_error * norms * self._largest
            if self.similarity is Similarity.EUCLIDEAN:
                error += 4 * _SINGLE * (np.square(norms) + self._largest**2)
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


def _norms(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    result = np.empty(len(vectors))
    step = max(1, _GATHERED // max(1, vectors.shape[1]))
    for begin in range(0, len(vectors), step):
        part = slice(begin, begin + step)
        result[part] = np.sqrt(np.square(vectors[part], dtype=np.float64).sum(axis=1))
    return result


def _rounded(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return (np.round(values, _DECIMALS) + 0.0).astype(np.float32)  # no -0.0
