"""Nearest neighbors of vectors: arrays in, arrays out.

`nearest_neighbors` decides between comparing all pairs (`exact`) and those that meet in random
partitions (`approximate`); `similar_pairs` has a threshold instead of a number of neighbors. All of
them weigh a pair alike (`points`), keep the best of each row (`top_neighbors`) and work on blocks
that fit a core's cache (`comparing`).
"""

from nsl_tfx.graph.search.nearest import EXACT_ROWS, Neighbors, nearest_neighbors
from nsl_tfx.graph.search.pairs import similar_pairs
from nsl_tfx.graph.search.recall import Recall

__all__ = ["EXACT_ROWS", "Neighbors", "Recall", "nearest_neighbors", "similar_pairs"]
