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

    def feature_name(self, index: int, feature: str) -> str:
        """Returns the name of `feature` of the neighbor number `index`, counted from 0."""
        return f"{self.prefix}{index}_{feature}"

    def weight_name(self, index: int) -> str:
        """Returns the name of the edge weight of the neighbor number `index`."""
        return f"{self.prefix}{index}{self.weight_suffix}"


@dataclasses.dataclass(frozen=True, eq=False)
class GraphRegConfig(Config):
    """Graph regularization: the distance to neighbors' predictions, times `multiplier`."""

    neighbor_config: GraphNeighborConfig = GraphNeighborConfig()
    multiplier: float = bounded(0.01, ge=0, unit="weight of the graph loss")
    distance_config: DistanceConfig = DistanceConfig()


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
            distance_type=DistanceType(distance_type),
            reduction=Reduction(reduction),
            sum_over_axis=sum_over_axis,
            transform_fn=TransformType(transform_fn),
        ),
    )
