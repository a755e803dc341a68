"""How neighbors in a graph enter the loss."""

from __future__ import annotations

import dataclasses

from nsl_tfx.configs.base import Config, bounded
from nsl_tfx.configs.distance import (
    DistanceConfig,
    DistanceType,
    Reduction,
    TransformType,
)

NUM_NEIGHBORS_FEATURE = "NL_num_nbrs"
"""The feature of an augmented example that says how many neighbors it has."""


@dataclasses.dataclass(frozen=True, eq=False)
class GraphNeighborConfig(Config):
    """How neighbors' features are named inside an augmented example.

    Attributes:
        prefix: Start of every neighbor feature's name: `<prefix><i>_<feature>`.
        weight_suffix: End of an edge weight's name: `<prefix><i><weight_suffix>`.
        max_neighbors: How many neighbors of an example are used.
    """

    prefix: str = "NL_nbr_"
    weight_suffix: str = "_weight"
    max_neighbors: int = bounded(0, ge=0, unit="neighbors")

    def check(self) -> None:
        """Raises ValueError where neighbors' features could not be told from the example's."""
        if not self.prefix or not self.weight_suffix:
            raise ValueError(
                "Expected GraphNeighborConfig.prefix and weight_suffix not to be empty. Received: "
                f"{self.prefix!r} and {self.weight_suffix!r}."
            )

    def feature_name(self, index: int, feature: str) -> str:
        """Returns the name of `feature` of the neighbor number `index`, counted from 0."""
        return f"{self.prefix}{index}_{feature}"

    def weight_name(self, index: int) -> str:
        """Returns the name of the edge weight of the neighbor number `index`."""
        return f"{self.prefix}{index}{self.weight_suffix}"

    @property
    def weight_names(self) -> list[str]:
        """The names of the edge weights of all neighbors, in order."""
        return [self.weight_name(index) for index in range(self.max_neighbors)]


@dataclasses.dataclass(frozen=True, eq=False)
class GraphRegConfig(Config):
    """Graph regularization: the distance to neighbors' predictions, times `multiplier`."""

    neighbor_config: GraphNeighborConfig = GraphNeighborConfig()
    multiplier: float = bounded(0.01, ge=0, unit="weight of the graph loss")
    distance_config: DistanceConfig = DistanceConfig()

    def check(self) -> None:
        """Raises ValueError where the distances would not become a loss."""
        self.distance_config.require_scalar()

    def require_neighbors(self) -> None:
        """Raises ValueError where the graph term would be zero for want of neighbors."""
        if self.neighbor_config.max_neighbors < 1:
            raise ValueError(
                "Expected GraphRegConfig.neighbor_config.max_neighbors >= 1: without neighbors "
                "there is nothing to learn from. Received: "
                f"max_neighbors={self.neighbor_config.max_neighbors}."
            )


def make_graph_reg_config(
    neighbor_prefix: str = "NL_nbr_",
    neighbor_weight_suffix: str = "_weight",
    max_neighbors: int = 0,
    multiplier: float = 0.01,
    distance_type: DistanceType | str = DistanceType.L2,
    reduction: Reduction | str = Reduction.SUM_BY_NONZERO_WEIGHTS,
    sum_over_axis: int | None = None,
    transform_fn: TransformType | str = TransformType.NONE,
) -> GraphRegConfig:
    """Makes a `GraphRegConfig` in one call.

    Example:
        >>> make_graph_reg_config(max_neighbors=2).neighbor_config.max_neighbors
        2
    """
    return GraphRegConfig(
        neighbor_config=GraphNeighborConfig(
            prefix=neighbor_prefix,
            weight_suffix=neighbor_weight_suffix,
            max_neighbors=max_neighbors,
        ),
        multiplier=multiplier,
        distance_config=DistanceConfig(
            distance_type=distance_type,  # type: ignore[arg-type]  # Names become members.
            reduction=reduction,  # type: ignore[arg-type]
            sum_over_axis=sum_over_axis,
            transform_fn=transform_fn,  # type: ignore[arg-type]
        ),
    )
