"""How neighbors are joined to examples."""

from __future__ import annotations

import dataclasses

from nsl_tfx.configs.base import Config, check_distinct
from nsl_tfx.configs.graph_regularization import GraphNeighborConfig


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
