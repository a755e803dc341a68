"""Pure tensor functions: geometry of perturbations, distances, neighbor features."""

from nsl_tfx.lib.distances import pairwise_distance
from nsl_tfx.lib.neighbors import strip_neighbor_features, unpack_neighbor_features
from nsl_tfx.lib.norms import (
    maximize_within_unit_norm,
    normalize,
    project_to_ball,
    random_in_norm_ball,
)

__all__ = [
    "maximize_within_unit_norm",
    "normalize",
    "pairwise_distance",
    "project_to_ball",
    "random_in_norm_ball",
    "strip_neighbor_features",
    "unpack_neighbor_features",
]
