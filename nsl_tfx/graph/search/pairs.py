"""All pairs of vectors that are alike enough."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from nsl_tfx.configs import Similarity
from nsl_tfx.configs.base import require_choice, require_number
from nsl_tfx.graph.edges import EdgeList
from nsl_tfx.graph.search.comparing import BLOCK, Scratch
from nsl_tfx.graph.search.exact import by_distance
from nsl_tfx.graph.search.parallel import default_threads, run_all
from nsl_tfx.graph.search.points import Points, Rows
from nsl_tfx.graph.search.vectors import check_rows

# Of a block's pairs, the share from which on weighing all of them by one product is quicker.
_DENSE = 1 / 40


def similar_pairs(
    vectors: ArrayLike,
    threshold: float,
    similarity: Similarity | str = Similarity.COSINE,
    *,
    threads: int | None = None,
    advance: Callable[[float], None] = lambda share: None,
) -> EdgeList:
    """Returns every pair whose weight is at least a threshold, exactly.

    There may be as many as the square of the rows: without a bound on a row's neighbors, n vectors
    that are all alike have `n * (n - 1) / 2` pairs. `nearest_neighbors` has that bound.

    Args:
        vectors: One vector a row, `[rows, dimension]`, taken as float32; finite, and not zero for
            cosine similarity.
        threshold: The smallest weight; both are compared as float32.
        similarity: How vectors are compared.
        threads: How many work at once; all cores, or `OMP_NUM_THREADS`, when None.
        advance: Called with the share of the work done since its last call.

    Returns:
        An edge for each pair, from the lower row to the higher one, sorted by both.

    Raises:
        TypeError: The threshold or `threads` is no such number, or the vectors hold none.
        ValueError: The vectors are no matrix, or one of them cannot be compared; there is no such
            similarity; the threshold is above what a weight can be, or not finite; or `threads` is
            below 1.

    Example:
        >>> pairs = similar_pairs(np.array([[1, 0], [1, 1], [0, 1]], np.float32), 0.7)
        >>> pairs.source.tolist(), pairs.target.tolist()
        ([0, 1], [1, 2])
    """
    similarity = require_choice("similarity", similarity, Similarity)
    threshold = require_number("threshold", threshold, float, le=similarity.bounds[1])
    threads = (
        default_threads() if threads is None else require_number("threads", threads, int, ge=1)
    )
    points = Points(check_rows(vectors, similarity), similarity)
    count = len(points)
    everything = np.arange(count)
    least = np.float32(threshold)
    cutoffs = points.cutoffs(everything, np.full(count, least))
    factors = points.factors(slice(None))
    blocks = [slice(begin, begin + BLOCK) for begin in range(0, count, BLOCK)]
    found: list[EdgeList] = []
    scratch, lock = Scratch(), threading.Lock()
    blocks_pairs = len(blocks) * (len(blocks) + 1) // 2

    def compare(pair: tuple[int, int]) -> None:
        left, right = everything[blocks[pair[0]]], everything[blocks[pair[1]]]
        scores = points.scores(
            factors[blocks[pair[0]]],
            factors[blocks[pair[1]]],
            left,
            right,
            scratch.block(len(left), len(right)),
        )
        i, j = np.divmod(np.flatnonzero(scores >= cutoffs[left][:, None]), len(right))
        part = _weighed(points, left, right, i, j)
        part = part.select((part.source < part.target) & (part.weight >= least))
        with lock:
            found.append(part)
        advance(1 / blocks_pairs)

    run_all(compare, by_distance(len(blocks)), threads)
    edges = EdgeList.concatenate(found)
    return edges.select(np.lexsort((edges.target, edges.source)))


def _weighed(points: Points, left: Rows, right: Rows, i: Rows, j: Rows) -> EdgeList:
    if len(i) <= len(left) * len(right) * _DENSE:
        weights = points.weights(left[i], right[j])
    else:
        weights = points.weights_between(left, right)[i, j]
    return EdgeList(left[i], right[j], weights)
