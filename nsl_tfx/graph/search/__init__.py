"""Nearest neighbors of vectors: arrays in, arrays out.

`nearest_neighbors` decides between comparing all pairs (`exact`) and those of near cells of
random partitions (`approximate`, `cells`); `similar_pairs` has a threshold instead of a
number of neighbors. A pair is weighed alike by all of them (`points`). Float32 scores of blocks
that fit a core's cache (`comparing`) find the candidates, a few more than are wanted are kept by
score (`top_scores`), and the last ones are weighed; where scores cannot rank them, all pairs of a
row are (`top_neighbors`).
"""

from nsl_tfx.graph.search.nearest import EXACT_ROWS, Neighbors, nearest_neighbors
from nsl_tfx.graph.search.pairs import similar_pairs
from nsl_tfx.graph.search.recall import Recall

__all__ = ["EXACT_ROWS", "Neighbors", "Recall", "nearest_neighbors", "similar_pairs"]
