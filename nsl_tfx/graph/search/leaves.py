"""Comparing all pairs of a leaf."""

from __future__ import annotations

import faiss
import numpy as np

from nsl_tfx.configs import Similarity
from nsl_tfx.graph.search.comparing import settle
from nsl_tfx.graph.search.points import Rows
from nsl_tfx.graph.search.top_neighbors import Candidates
from nsl_tfx.graph.search.top_scores import TopScores


def compare_leaf(top: TopScores, rows: Rows) -> None:
    """Offers each point of a leaf those others of it that are nearest.

    FAISS multiplies and selects in one call that leaves Python's lock alone, so that as many leaves
    as there are threads are compared at once. Selecting from blocks of scores with NumPy, as the
    exact search does, halves the multiplications, but two threads of it were 1.4 times as fast as
    one, and two of this are nearly twice.

    Args:
        top: Takes the neighbors; threads may work on different leaves at once.
        rows: The leaf's points, each once, `[m]`.
    """
    # Of this thread's calls alone.
    faiss.omp_set_num_threads(1)
    points = top.points
    factors = points.factors(rows)
    euclidean = points.similarity is Similarity.EUCLIDEAN
    metric = faiss.METRIC_L2 if euclidean else faiss.METRIC_INNER_PRODUCT
    # One more, because each point finds itself.
    scores, found = faiss.knn(factors, factors, min(top.keys.shape[1] + 1, len(rows)), metric)
    if euclidean:
        scores *= np.float32(-0.5)
    good = scores >= top.cutoffs[rows][:, None]
    good &= found != np.arange(len(rows))[:, None]
    place, turn = np.nonzero(good)
    settle(top, rows, [Candidates(place, rows[found[place, turn]], scores[place, turn])])
