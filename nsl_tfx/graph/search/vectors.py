"""Which vectors can be compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse

from nsl_tfx.configs import Similarity
from nsl_tfx.graph.naming import name_some

# Squares of longer vectors leave float32's range.
_LONGEST = 1e18
_NUMBERS_AT_ONCE = 1 << 20

_COMPLAINTS = {
    "not_finite": (
        "Expected finite vectors. Received NaN or infinity in those of {names}. Repair them, or "
        "leave these examples out (in a config: invalid_examples='drop')."
    ),
    "too_large": (
        "Expected vectors of a length below 1e18, whose products float32 can hold. Received longer "
        "ones for {names}. Scale all vectors down."
    ),
    "zero": (
        "Expected vectors other than zero, whose cosine similarity is not defined. Received zeros "
        "for {names}. Leave these examples out (in a config: invalid_examples='drop'), or add a "
        "constant element to all vectors."
    ),
}


def check_vectors(
    ids: Sequence[bytes], vectors: ArrayLike, similarity: Similarity = Similarity.COSINE
) -> NDArray[np.float32]:
    """Returns the vectors as a float32 matrix.

    Args:
        ids: One id a row, for the errors' texts.
        vectors: `[rows, dimension]`.
        similarity: How they are to be compared.

    Raises:
        TypeError: They are no real numbers.
        ValueError: The vectors are no matrix with a row an id, or one of them cannot be compared.
    """
    matrix = _real_numbers(vectors)
    if not len(ids):
        return matrix.reshape(0, 1)
    if matrix.ndim != 2 or matrix.shape[0] != len(ids) or not matrix.shape[1]:
        raise ValueError(
            f"Expected vectors of shape [{len(ids)}, dimension], one for each id. "
            f"Received shape: {list(matrix.shape)}."
        )
    for cause, bad in invalid_rows(matrix, similarity):
        if bad.any():
            raise invalid_vectors(cause, [ids[row] for row in np.flatnonzero(bad)])
    return matrix


def check_rows(vectors: ArrayLike, similarity: Similarity) -> NDArray[np.float32]:
    """Returns vectors without ids as a float32 matrix; errors name rows by their numbers.

    Args:
        vectors: `[rows, dimension]`.
        similarity: How they are to be compared.

    Raises:
        TypeError: They are no real numbers.
        ValueError: The vectors are no matrix of numbers, or one of them cannot be compared.
    """
    matrix = np.ascontiguousarray(_real_numbers(vectors))
    if matrix.ndim != 2:
        raise ValueError(
            f"Expected vectors of shape [rows, dimension]. Received shape: {list(matrix.shape)}."
        )
    for cause, bad in invalid_rows(matrix, similarity):
        if bad.any():
            raise invalid_vectors(cause, [b"row %d" % row for row in np.flatnonzero(bad)])
    return matrix


def _real_numbers(vectors: Any) -> NDArray[np.float32]:
    if issparse(vectors):
        raise TypeError(
            "Expected vectors as a dense array. Received a sparse matrix of SciPy. Convert it with "
            "vectors.toarray()."
        )
    try:
        given = np.asarray(vectors)
    except ValueError as error:
        raise ValueError(
            "Expected vectors of one length. Received rows of different ones. Pad them, or leave "
            "out those of another length."
        ) from error
    try:
        # Complex numbers, texts and times would be taken for numbers too. Not all others are known:
        # bfloat16 is of the kind that NumPy has for what it does not know.
        if given.dtype.kind in "cSUmM":
            raise TypeError
        # What is out of float32's range becomes infinite here and is named later.
        with np.errstate(over="ignore"):
            return given.astype(np.float32, copy=False)
    except (TypeError, ValueError) as error:
        raise TypeError(
            "Expected vectors of real numbers, [rows, dimension]. Received: "
            f"{given.dtype} of shape {list(given.shape)}. Convert them to an array of floats."
        ) from error


def invalid_vectors(cause: str, ids: Sequence[bytes], place: str = "") -> ValueError:
    """Returns the error that says which vectors cannot be compared, and why.

    Args:
        cause: From `invalid_rows`.
        ids: Whose vectors they are.
        place: Where the first of them is, if that is known.
    """
    return ValueError(_COMPLAINTS[cause].format(names=name_some(ids) + place))


def invalid_rows(
    vectors: NDArray[np.float32], similarity: Similarity
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yields each cause for which a vector cannot be compared, and the rows that it concerns.

    Args:
        vectors: float32 `[rows, dimension]`.
        similarity: How they are to be compared.

    Yields:
        `not_finite`; then `zero` for cosine similarity, else `too_large`; each with a mask
        `[rows]`. A row is named under its first cause.

    Example:
        >>> vectors = np.array([[np.nan, 0], [0, 0]], np.float32)
        >>> [(cause, bad.tolist()) for cause, bad in invalid_rows(vectors, Similarity.COSINE)]
        [('not_finite', [True, False]), ('zero', [False, True])]
    """
    largest = np.empty(len(vectors), np.float32)
    step = max(1, _NUMBERS_AT_ONCE // max(1, vectors.shape[1]))
    for begin in range(0, len(vectors), step):
        np.abs(vectors[begin : begin + step]).max(
            axis=1, initial=0.0, out=largest[begin : begin + step]
        )
    finite = np.isfinite(largest)
    yield "not_finite", ~finite
    if similarity is Similarity.COSINE:
        yield "zero", largest == 0
    else:
        # Of no direction that has all numbers as large as the largest is a vector longer.
        long = finite & (largest * np.sqrt(np.float64(vectors.shape[1])) >= _LONGEST)
        rows = np.flatnonzero(long)
        lengths = np.linalg.norm(vectors[rows].astype(np.float64), axis=1)
        long[rows[lengths < _LONGEST]] = False
        yield "too_large", long
