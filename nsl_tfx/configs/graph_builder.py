"""How NSL's own tool makes a graph."""

from __future__ import annotations

import dataclasses

from nsl_tfx.configs.base import Config, bounded


@dataclasses.dataclass(frozen=True, eq=False)
class GraphBuilderConfig(Config):
    """How a graph is made, in the terms of NSL's tool.

    Attributes:
        id_feature_name: The feature that holds each example's unique id.
        embedding_feature_name: The float feature that holds each example's vector.
        similarity_threshold: Pairs of a lower cosine similarity are no edges.
        lsh_splits: Hyperplanes of one round of locality-sensitive hashing; 0 compares all pairs.
        lsh_rounds: Rounds of hashing.
        random_seed: Seed of the hyperplanes.
    """

    id_feature_name: str = "id"
    embedding_feature_name: str = "embedding"
    similarity_threshold: float = bounded(0.8, ge=-1, le=1, unit="cosine similarity")
    lsh_splits: int = bounded(0, ge=0, unit="hyperplanes")
    lsh_rounds: int = bounded(1, ge=1, unit="rounds")
    random_seed: int | None = None
