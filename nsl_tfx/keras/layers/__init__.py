"""Keras layers for models that look at examples together with their neighbors."""

from nsl_tfx.keras.layers.missing_neighbors import make_missing_neighbor_inputs
from nsl_tfx.keras.layers.neighbor_features import NeighborFeatures
from nsl_tfx.keras.layers.pairwise_distance import PairwiseDistance

__all__ = ["NeighborFeatures", "PairwiseDistance", "make_missing_neighbor_inputs"]
