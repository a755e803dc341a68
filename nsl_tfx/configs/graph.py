"""How graphs are built, and joined to examples."""

from __future__ import annotations

import dataclasses

from nsl_tfx.configs.base import Choice, Config, bounded, check_distinct
from nsl_tfx.configs.graph_regularization import GraphNeighborConfig


class Symmetrize(Choice):
    """Which directed nearest-neighbor edges become edges of the graph."""

    UNION = "union"
    MUTUAL = "mutual"
    NONE = "none"


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SimilarityGraphConfig(Config):
    """How GraphBuilder makes a graph from examples' embeddings.

    Attributes:
        embedding_feature: The float feature that holds each example's vector.
        id_feature: The feature that holds each example's unique id.
        label_feature: Where named, the share of edges that join equal labels is reported. Examples
            without it are allowed and left out of that share. It never decides about an edge.
        splits: The splits whose examples become nodes.
        num_neighbors: How many nearest neighbors of each node are looked at. With `union` a node
            may end up with more edges, since it can be a neighbor of many.
        similarity_threshold: Edges of a lower cosine similarity, rounded to millionths, are
            dropped.
        symmetrize: Whether an edge needs one of its ends to be a nearest neighbor of the other
            (union, both directions written), both of them (mutual), or stays directed (none).
    """

    embedding_feature: str
    id_feature: str = "id"
    label_feature: str | None = None
    splits: tuple[str, ...] = ("train",)
    num_neighbors: int = bounded(10, ge=1, unit="neighbors of a node")
    similarity_threshold: float = bounded(-1.0, ge=-1, le=1, unit="cosine similarity")
    symmetrize: Symmetrize = Symmetrize.UNION

    def check(self) -> None:
        """Raises ValueError where a name is empty, or given twice."""
        check_distinct("SimilarityGraphConfig.splits", self.splits)
        features = [self.id_feature, self.embedding_feature]
        check_distinct("SimilarityGraphConfig.id_feature and embedding_feature", features)


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


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class AugmentConfig(Config):
    """How NeighborAugmenter writes neighbors into examples.

    Attributes:
        id_feature: The feature that holds each example's unique id.
        features: The features of a neighbor that are carried along; every feature of the Schema,
            id and label included, when None.
        neighbors: How many neighbors, and how their features are named.
        splits: The splits whose examples get neighbors, and supply them. Other splits are copied
            with no neighbors, so that nothing of an evaluation split enters training.
    """

    id_feature: str = "id"
    features: tuple[str, ...] | None = None
    neighbors: GraphNeighborConfig = GraphNeighborConfig(max_neighbors=3)
    splits: tuple[str, ...] = ("train",)

    def check(self) -> None:
        """Raises ValueError where no neighbor would be written."""
        if self.neighbors.max_neighbors < 1:
            raise ValueError(
                "Expected AugmentConfig.neighbors.max_neighbors >= 1 (neighbors). "
                f"Received: max_neighbors={self.neighbors.max_neighbors}."
            )
        check_distinct("AugmentConfig.splits", self.splits)
        if self.features:
            check_distinct("AugmentConfig.features", self.features)
