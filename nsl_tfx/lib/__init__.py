"""TF ops for training with structure: perturbations, distances, neighbor features, regularizers."""

from nsl_tfx.lib.adversarial_neighbor import GenNeighbor, apply_feature_mask, gen_adv_neighbor
from nsl_tfx.lib.decay import decay_over_time
from nsl_tfx.lib.distances import (
    jensen_shannon_divergence,
    kl_divergence,
    pairwise_distance_wrapper,
)
from nsl_tfx.lib.embeddings import replicate_embeddings
from nsl_tfx.lib.neighbors import strip_neighbor_features, unpack_neighbor_features
from nsl_tfx.lib.norms import (
    maximize_within_unit_norm,
    normalize,
    project_to_ball,
    random_in_norm_ball,
)
from nsl_tfx.lib.regularizers import adv_regularizer, virtual_adv_regularizer
from nsl_tfx.lib.targets import get_target_indices

__all__ = [
    "GenNeighbor",
    "adv_regularizer",
    "apply_feature_mask",
    "decay_over_time",
    "gen_adv_neighbor",
    "get_target_indices",
    "jensen_shannon_divergence",
    "kl_divergence",
    "maximize_within_unit_norm",
    "normalize",
    "pairwise_distance_wrapper",
    "project_to_ball",
    "random_in_norm_ball",
    "replicate_embeddings",
    "strip_neighbor_features",
    "unpack_neighbor_features",
    "virtual_adv_regularizer",
]
