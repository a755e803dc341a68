"""How neighbors are joined to examples."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from nsl_tfx.configs.base import Choice, Config, bounded, check_distinct
from nsl_tfx.configs.graph_regularization import GraphNeighborConfig


class TieOrder(Choice):
    """Which of two neighbors of equal weight comes first.

    `lowest_id` is the one whose id comes first in ascending order of bytes; `highest_id`, which is
    NSL's order, the one whose id comes last.
    """

    LOWEST_ID = "lowest_id"
    HIGHEST_ID = "highest_id"


def _train_from_train() -> dict[str, tuple[str, ...]]:
    return {"train": ("train",)}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class AugmentConfig(Config):
    """How NeighborAugmenter writes neighbors into examples.

    Attributes:
        id_feature: The feature that holds each example's unique id.
        features: The features of a neighbor that are carried along; every feature of the Schema,
            id and label included, when None.
        neighbors: How many neighbors, and how their features are named.
        neighbors_from: Each split whose examples get neighbors, and the splits whose examples may
            be these neighbors. By default training examples get training examples. Other splits are
            copied with no neighbors. A split that supplies neighbors to training and is evaluated
            on later makes that evaluation worthless.
        label_feature: Where named, only examples with a label remain in the splits that get
            neighbors, as in NSL; the others are neighbors alone. All remain when None.
        no_label: A label that means that there is none, such as -1. An example without the
            feature, or with no value in it, has none either.
        tie_order: Which of two neighbors of equal weight comes first.
        add_undirected_edges: Whether each edge counts in both directions; where both are there, the
            larger weight counts.
        drop_self_loops: Whether an example is kept from being its own neighbor.
        worker_memory_mb: MiB of examples that one worker may hold at once. Data of more are joined
            in parts.
    """

    id_feature: str = "id"
    features: tuple[str, ...] | None = None
    neighbors: GraphNeighborConfig = GraphNeighborConfig(max_neighbors=3)
    neighbors_from: Mapping[str, tuple[str, ...]] = dataclasses.field(
        default_factory=_train_from_train
    )
    label_feature: str | None = None
    no_label: int | str | None = None
    tie_order: TieOrder = TieOrder.LOWEST_ID
    add_undirected_edges: bool = False
    drop_self_loops: bool = False
    worker_memory_mb: int = bounded(2048, ge=1, unit="MiB")

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that get or supply neighbors, sorted."""
        supplying = {split for splits in self.neighbors_from.values() for split in splits}
        return tuple(sorted({*self.neighbors_from, *supplying}))

    def check(self) -> None:
        """Raises ValueError where no neighbor would be written, or a setting would be ignored."""
        if self.neighbors.max_neighbors < 1:
            raise ValueError(
                "Expected AugmentConfig.neighbors.max_neighbors >= 1 (neighbors). "
                f"Received: max_neighbors={self.neighbors.max_neighbors}."
            )
        check_distinct("AugmentConfig.neighbors_from", list(self.neighbors_from))
        for split, supplying in self.neighbors_from.items():
            check_distinct(f"AugmentConfig.neighbors_from[{split!r}]", supplying)
        if self.features:
            check_distinct("AugmentConfig.features", self.features)
        if self.no_label is not None and self.label_feature is None:
            raise ValueError(
                "Expected AugmentConfig.label_feature beside no_label, which is a value of it. "
                f"Received: no_label={self.no_label!r} alone."
            )
